"""The whole Track path against the plain loop and Ultralytics' own tracking: frames a second, and who is who.

    SIGHTLINE_ASSETS=folder uv run python tests/bench_track.py [--rounds 3] [--scenes]

Reading, tracking and drawing (rectangles and labels by cv2), no encoding. Each side has a process of its own that
lives through all rounds, because the threads of two networks' libraries in one process fight; they take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

SIDES = {
    "sightline": "Sightline",
    "plain": "plain loop (Ultralytics, deep-sort-realtime, cv2)",
    "botsort": "Ultralytics BoT-SORT",
    "bytetrack": "Ultralytics ByteTrack",
}
CLIPS = ("TUD-Campus", "TUD-Stadtmitte")


def draw(image, number, box) -> None:
    import cv2

    left, top, right, bottom = (int(value) for value in box)
    cv2.rectangle(image, (left, top), (right, bottom), (0, 200, 0), 2)
    cv2.putText(image, f"person {number}", (left, top - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 0), 1)


class Sightline:
    def __init__(self, weights: Path) -> None:
        from engine.job import drive
        from engine.tracking.appearance import load_embedder
        from engine.tracking.detector import load_detector
        from engine.tracking.knobs import TrackKnobs

        self.detector = drive(load_detector(str(weights), "cpu"))
        self.embedder = drive(load_embedder("cpu"))
        self.knobs = TrackKnobs(classes=("person",))

    def run(self, clip: Path):
        from engine.job import drive
        from engine.knobs import Cell
        from engine.media.source import open_source
        from engine.tracking.deepsort import DeepSort
        from engine.tracking.score import mot_rows
        from engine.tracking.track import track
        from engine.tracking.types import TrackedFrame

        rows = []

        def see(event) -> None:
            if isinstance(event, TrackedFrame):
                drawn = event.image.copy()
                for number, box in zip(event.tracks.ids.tolist(), event.tracks.boxes.tolist(), strict=True):
                    draw(drawn, number, box)
                rows.extend(mot_rows(event).tolist())

        with open_source(str(clip)) as source:
            end = drive(track(source, self.detector, DeepSort(), Cell(self.knobs), embedder=self.embedder), see)
        return end.frames, rows, end.ms


class Plain:
    """What a notebook does: predict, update_tracks with its own embedder, draw."""

    def __init__(self, weights: Path) -> None:
        from ultralytics import YOLO

        self.yolo = YOLO(str(weights))

    def run(self, clip: Path):
        import cv2
        from deep_sort_realtime.deepsort_tracker import DeepSort

        tracker = DeepSort(max_age=30)
        capture, rows, frames = cv2.VideoCapture(str(clip)), [], 0
        while True:
            ok, image = capture.read()
            if not ok:
                return frames, rows, {}
            frames += 1
            found = self.yolo.predict(image, classes=[0], imgsz=640, verbose=False)[0].boxes
            raw = [
                ([x0, y0, x1 - x0, y1 - y0], confidence, "person")
                for (x0, y0, x1, y1), confidence in zip(found.xyxy.tolist(), found.conf.tolist(), strict=True)
            ]
            for one in tracker.update_tracks(raw, frame=image):
                if one.is_confirmed() and one.time_since_update == 0:
                    box = one.to_ltrb()
                    draw(image, one.track_id, box)
                    rows.append(mot_row(frames, int(one.track_id), box))


class Ultralytics:
    def __init__(self, weights: Path, tracker: str) -> None:
        self.weights, self.tracker = weights, tracker

    def run(self, clip: Path):
        from ultralytics import YOLO

        rows, frames = [], 0
        yolo = YOLO(str(self.weights))
        for result in yolo.track(
            str(clip), stream=True, classes=[0], imgsz=640, tracker=f"{self.tracker}.yaml", verbose=False
        ):
            frames += 1
            image = result.orig_img
            if result.boxes.id is not None:
                for number, box in zip(result.boxes.id.int().tolist(), result.boxes.xyxy.tolist(), strict=True):
                    draw(image, number, box)
                    rows.append(mot_row(frames, number, box))
        return frames, rows, {}


def mot_row(frame, number, box):
    left, top, right, bottom = (float(value) for value in box)
    return [frame, number, left, top, right - left, bottom - top, 1, -1, -1, -1]


def serve(side: str, weights: Path) -> None:
    """Read the path of a clip a line, answer with one line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runner = {"sightline": Sightline, "plain": Plain}.get(side)
    worker = runner(weights) if runner else Ultralytics(weights, side)
    for line in sys.stdin:
        begun = time.perf_counter()
        frames, rows, ms = worker.run(Path(line.strip()))
        spent = time.perf_counter() - begun
        answers.write(json.dumps({"fps": frames / spent, "rows": rows, "ms": ms}) + "\n")
        answers.flush()


class Side:
    def __init__(self, name: str, weights: Path) -> None:
        command = [sys.executable, __file__, "--serve", name, "--weights", str(weights)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def run(self, clip: Path) -> dict:
        self.process.stdin.write(f"{clip}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)


def compare(assets: Path, weights: Path, rounds: int, clips: list[str]) -> None:
    import numpy as np

    from engine.tracking.score import score

    sides = {name: Side(name, weights) for name in SIDES}
    fastest: dict[tuple[str, str], float] = {}
    scores, ms = {}, {}
    for turn in range(rounds + 1):
        for clip in clips:
            for name, side in sides.items():
                answer = side.run(assets / "video" / f"{clip}.mp4")
                if turn == 0:
                    # the first round warms up and is scored
                    truth = assets / "mot" / clip / "gt" / "gt.txt"
                    scores[name, clip] = score(truth, np.array(answer["rows"]))
                else:
                    fastest[name, clip] = max(fastest.get((name, clip), 0.0), answer["fps"])
                ms[name, clip] = answer["ms"]
    for side in sides.values():
        side.close()
    for clip in clips:
        print(clip)
        for name, title in SIDES.items():
            s = scores[name, clip]
            print(
                f"  {title:52s} HOTA {s.HOTA:5.1f}  IDF1 {s.IDF1:5.1f}  MOTA {s.MOTA:5.1f}  switches {s.switches:2d}"
                f"  {fastest[name, clip]:5.1f} frames/s"
            )
        ours, plain = scores["sightline", clip], scores["plain", clip]
        assert ours.HOTA >= plain.HOTA, "fewer right identities than the plain loop: its speed would mean nothing"
        assert ours.IDF1 >= plain.IDF1
        assert ours.switches <= plain.switches
        print("  Sightline waits, ms a frame:", {key: round(value, 1) for key, value in ms["sightline", clip].items()})
        own = fastest["sightline", clip]
        print(f"  ratio to the plain loop {own / fastest['plain', clip]:.1f} (at least 5)", end="; ")
        print(f"to BoT-SORT {own / fastest['botsort', clip]:.1f} (at least 2)")


def compare_on_scenes() -> None:
    """Identities on the drawn scenes: the same shaken, sometimes missed true boxes for all trackers."""
    import numpy as np
    from deep_sort_realtime.deepsort_tracker import DeepSort as Theirs

    from engine.job import drive
    from engine.samples.scenes import scenes
    from engine.tracking.appearance import load_embedder
    from engine.tracking.deepsort import DeepSort
    from engine.tracking.knobs import TrackKnobs
    from engine.tracking.peers import BotSort, ByteTrack
    from engine.tracking.score import score
    from engine.tracking.types import Detections

    knobs, embedder = TrackKnobs(), drive(load_embedder("cpu"))
    for name, make in scenes().items():
        scene, rng = make(0), np.random.default_rng(7)
        ours, theirs, peers = DeepSort(), Theirs(max_age=30), {"ByteTrack": ByteTrack(), "BoT-SORT": BotSort()}
        rows: dict[str, list] = {"Sightline": [], "plain loop": [], **{peer: [] for peer in peers}}
        frames = min(scene.frames, 200)
        for index in range(frames):
            image, truth = scene.draw(index), scene.truth(index)
            there = (truth.seen > 0.3) & (rng.random(len(truth.ids)) > 0.03)
            size = np.tile(truth.boxes[:, 2:] - truth.boxes[:, :2], 2)
            boxes = np.clip(truth.boxes + rng.normal(0, 0.03, size.shape) * size, 0, (scene.width, scene.height) * 2)
            there &= (boxes[:, 2:] - boxes[:, :2] > 4).all(axis=1)
            confidences = np.clip(0.3 + 0.6 * truth.seen + rng.normal(0, 0.08, len(there)), 0.25, 0.97)
            found = Detections(
                boxes[there].astype(np.float32), confidences[there].astype(np.float32), truth.classes[there]
            )
            looks = embedder.embed(image, found.boxes, lambda colours: ours.wanted(found, colours, knobs))  # noqa: B023
            results = {"Sightline": ours.update(found, looks, image, knobs)}
            results |= {peer: tracker.update(found, None, image, knobs) for peer, tracker in peers.items()}
            for side, tracks in results.items():
                boxes_of = zip(tracks.ids.tolist(), tracks.boxes, strict=True)
                rows[side] += [mot_row(index + 1, number, box) for number, box in boxes_of]
            raw = [
                ([x0, y0, x1 - x0, y1 - y0], confidence, number)
                for (x0, y0, x1, y1), confidence, number in zip(
                    found.boxes.tolist(), found.confidences.tolist(), found.classes.tolist(), strict=True
                )
            ]
            # without detections it wants a list of embeddings
            for one in theirs.update_tracks(raw, frame=image, embeds=None if raw else []):
                if one.is_confirmed() and one.time_since_update == 0:
                    rows["plain loop"].append(mot_row(index + 1, int(one.track_id), one.to_ltrb()))
        with tempfile.TemporaryDirectory() as folder:
            truth_path = Path(folder) / "gt.txt"
            scene.write_mot_truth(truth_path)
            parts = []
            for side, found_rows in rows.items():
                s = score(truth_path, np.array(found_rows).reshape(-1, 10), frames=frames)
                parts.append(f"{side} {s.HOTA:.1f} / {s.IDF1:.1f} / {s.switches}")
        print(f"  {name:12s} HOTA / IDF1 / switches: " + "   ".join(parts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", default=",".join(CLIPS), help="which of the clips")
    parser.add_argument("--scenes", action="store_true", help="also the drawn scenes, some minutes")
    parser.add_argument("--serve")
    parser.add_argument("--weights", type=Path)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.weights)
        sys.exit()
    print("CPU:", runtime.cores(), "cores,", ", ".join(runtime.cpu_features()))
    folder = os.environ.get("SIGHTLINE_ASSETS")
    if folder:
        compare(
            Path(folder), asked.weights or Path(folder) / "models" / "yolov8n.pt", asked.rounds, asked.clips.split(",")
        )
    else:
        print("Set SIGHTLINE_ASSETS to the folder of real clips and weights for the figures on them.")
    if asked.scenes:
        print("drawn scenes, the same detections for all")
        compare_on_scenes()
