"""How fast the detector is against Ultralytics' own `predict`, on the same pictures with the same weights.

    SIGHTLINE_ASSETS=... uv run python tests/bench_detector.py [--rounds 6]

Both sides run in one process, in turns, on every core; the least time of all rounds counts. Decoding the video is left
out. The boxes are compared first. The time of the CPU stands beside the time of the clock: others may use the machine.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import runtime

runtime.prepare()

import cv2
import numpy as np

from engine.job import drive
from engine.tracking.detector import Detector, load_detector
from engine.tracking.knobs import TrackKnobs

KNOBS = TrackKnobs()


def pictures(clip: Path, count: int, size: tuple[int, int] | None) -> list[np.ndarray]:
    """The first frames of a clip, scaled to (width, height)."""
    reader, frames = cv2.VideoCapture(str(clip)), []
    while len(frames) < count and (read := reader.read())[0]:
        frames.append(read[1] if size is None else cv2.resize(read[1], size))
    reader.release()
    return frames


def piped(detector: Detector, frames: list[np.ndarray]) -> int:
    """Every frame, with as many under way as the detector takes; how many things were found."""
    found = waiting = 0
    for frame in frames:
        detector.submit(frame, KNOBS)
        waiting += 1
        if waiting == detector.depth:
            found += len(detector.collect())
            waiting -= 1
    return found + sum(len(detector.collect()) for _ in range(waiting))


def alone(detector: Detector, frames: list[np.ndarray]) -> int:
    """Every frame, one after the other."""
    return sum(len(detector.detect(frame, KNOBS)) for frame in frames)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--frames", type=int, default=12)
    options = parser.parse_args()
    assets = Path(os.environ["SIGHTLINE_ASSETS"])
    weights = assets / "models" / "yolov8n.pt"
    from ultralytics import YOLO

    reference = YOLO(weights)
    detector = drive(load_detector(weights, "cpu"))
    print(f"{runtime.cores()} cores, {', '.join(runtime.cpu_features()) or 'unknown features'}; {detector.runtime}")

    def plain(frames: list[np.ndarray]) -> int:
        # the loop that a notebook has: one frame after the other, results on the CPU
        options = {"conf": KNOBS.confidence, "iou": KNOBS.iou, "imgsz": KNOBS.size, "verbose": False}
        results = (reference.predict(frame, **options) for frame in frames)
        return sum(len(result[0].boxes.xyxy.numpy()) for result in results)

    for name, size in (("640x480", None), ("1280x720", (1280, 720))):
        frames = pictures(assets / "video" / "TUD-Campus.mp4", options.frames, size)
        sides: dict[str, Callable[[], int]] = {
            "ultralytics predict": lambda frames=frames: plain(frames),
            "sightline, piped": lambda frames=frames: piped(detector, frames),
            "sightline, alone": lambda frames=frames: alone(detector, frames),
        }
        counts = {side: run() for side, run in sides.items()}
        assert len(set(counts.values())) == 1, counts
        least = {side: np.full(2, np.inf) for side in sides}
        for _ in range(options.rounds):
            for side, run in sides.items():
                begun = np.array([time.perf_counter(), time.process_time()])
                run()
                took = np.array([time.perf_counter(), time.process_time()]) - begun
                least[side] = np.minimum(least[side], 1e3 * took / len(frames))
        base = least["ultralytics predict"]
        for side, (ms, busy_ms) in least.items():
            times, less = base / (ms, busy_ms)
            print(f"{name}  {side:20s} {ms:6.1f} ms a frame ({times:.2f} x), {busy_ms:6.1f} ms of CPU ({less:.2f} x)")
    detector.close()


if __name__ == "__main__":
    main()
