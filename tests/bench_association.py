"""Association alone: against deep-sort-realtime at 50 objects, over 20,000 frames, and beside detector and embedder.

uv run python tests/bench_association.py
"""

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

import cv2
import numpy as np

from engine.knobs import Cell
from engine.media.frame import Frame, SourceInfo
from engine.tracking.appearance import COLOURS, NETWORK
from engine.tracking.deepsort import PAPER, DeepSort
from engine.tracking.knobs import TrackKnobs
from engine.tracking.track import track
from engine.tracking.types import Detections, TrackedFrame

KNOBS = TrackKnobs()


def people(n: int, frames: int, size=(1280, 720), d: int = COLOURS + NETWORK):
    """n people who walk to and fro; 5 % are missed; an embedding of d numbers each."""
    rng = np.random.default_rng(0)
    at, speed = rng.uniform(0, 1, (n, 2)) * size, rng.normal(0, 3, (n, 2))
    looks = rng.uniform(0, 1, (n, d)).astype(np.float32)
    noise = rng.normal(0, 0.05, (8, n, d)).astype(np.float32)
    for frame in range(frames):
        at += speed
        speed[(at < 0) | (at > size)] *= -1
        seen = rng.random(n) > 0.05
        corner = at[seen] + rng.normal(0, 1, (seen.sum(), 2))
        boxes = np.concatenate([corner, corner + np.array([40, 100])], axis=1).astype(np.float32)
        confidences = np.full(len(boxes), 0.9, np.float32)
        yield Detections(boxes, confidences, np.zeros(len(boxes), np.int64)), (looks + noise[frame % 8])[seen]


def against_the_reference() -> None:
    from deep_sort_realtime.deepsort_tracker import DeepSort as Theirs

    print("association at 50 objects, ms a frame, frames 40 to 60, both in turn")
    best: dict[str, float] = {}
    for _ in range(2):
        ours, paper = DeepSort(), DeepSort(PAPER)
        theirs, kept = Theirs(embedder=None), Theirs(embedder=None, nn_budget=30)
        spent: dict[str, list[float]] = {}
        for detections, looks in people(50, 60):
            boxes = detections.boxes
            # deep-sort-realtime is given what its own embedder would: the network's part
            network = list(np.ascontiguousarray(looks[:, COLOURS:]))
            raw = [((box[0], box[1], box[2] - box[0], box[3] - box[1]), 0.9, 0) for box in boxes.tolist()]
            for name, call in (
                ("Sightline", lambda: ours.update(detections, looks, None, KNOBS)),  # noqa: B023
                ("Sightline, the paper's method", lambda: paper.update(detections, looks[:, COLOURS:], None, KNOBS)),  # noqa: B023
                ("deep-sort-realtime", lambda: theirs.update_tracks(raw, embeds=network)),  # noqa: B023
                ("deep-sort-realtime, budget 30", lambda: kept.update_tracks(raw, embeds=network)),  # noqa: B023
            ):
                begun = time.perf_counter()
                call()
                spent.setdefault(name, []).append(1e3 * (time.perf_counter() - begun))
        for name, values in spent.items():
            best[name] = min(best.get(name, 1e9), float(np.median(values[40:])))
    for name, value in best.items():
        print(f"  {name:34s} {value:7.2f} ms   {value / best['Sightline']:5.1f} x")
    print(f"ratio {best['deep-sort-realtime'] / best['Sightline']:.1f} (at least 10)")


def over_20000_frames() -> None:
    tracker = DeepSort()
    early: list[float] = []
    late: list[float] = []
    memory = {}
    for frame, (detections, looks) in enumerate(people(20, 20_001, d=COLOURS + 64)):
        begun = time.perf_counter()
        tracker.update(detections, looks, None, KNOBS)
        spent = 1e3 * (time.perf_counter() - begun)
        if 100 <= frame < 300:
            early.append(spent)
        elif frame >= 19_800:
            late.append(spent)
        if frame in (300, 20_000):
            memory[frame] = _resident_mib()
    first, last = (float(np.percentile(spent, 10)) for spent in (early, late))
    print("20 objects over 20,000 frames")
    print(f"  frame 200    {first:.3f} ms, {memory[300]:.0f} MiB")
    print(f"  frame 20,000 {last:.3f} ms, {memory[20_000]:.0f} MiB")
    print(f"ratio of times {last / first:.2f}, growth {memory[20_000] - memory[300]:.1f} MiB")


def beside_the_networks() -> None:
    """Reading a 640x480 file, association, trails and drawing with 10 people: all but detector and embedder."""
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    sequence = list(people(10, 300, (600, 380)))

    class Film:
        info = SourceInfo("film", "film", "drawn", 640, 480, 30.0, 300, False)

        def frames(self, start: int = 0):
            for index in range(start, 300):
                yield Frame(image, index, index / 30, time.monotonic())

    class Known:
        depth = 2

        def __init__(self) -> None:
            self.given, self.asked = 0, 0

        def submit(self, _image, _knobs, _alone=False) -> None:
            self.asked += 1

        def collect(self) -> Detections:
            self.given += 1
            return sequence[self.given - 1][0]

    class Looks:
        def __init__(self) -> None:
            self.given = 0

        def embed(self, _image, boxes, choose):
            looks = sequence[self.given][1].copy()
            self.given += 1
            looks[np.setdiff1d(np.arange(len(boxes)), choose(looks[:, :COLOURS])), COLOURS:] = np.nan
            return looks

    best = 1e9
    for _ in range(3):
        begun = time.perf_counter()
        for seen in track(Film(), Known(), DeepSort(), Cell(KNOBS), embedder=Looks()):
            if isinstance(seen, TrackedFrame):
                drawn = seen.image.copy()
                for number, box in zip(seen.tracks.ids.tolist(), seen.tracks.boxes.astype(int).tolist(), strict=True):
                    cv2.rectangle(drawn, box[:2], box[2:], (0, 200, 0), 2)
                    cv2.putText(drawn, str(number), box[:2], cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 0), 1)
        best = min(best, 1e3 * (time.perf_counter() - begun) / 300)
    print(f"neither detector nor embedder, 640x480, 10 people: {best:.2f} ms a frame (at most 4)")


def _resident_mib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    print("CPU:", runtime.cores(), "cores,", ", ".join(runtime.cpu_features()))
    over_20000_frames()
    against_the_reference()
    beside_the_networks()
