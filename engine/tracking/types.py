"""What the rooms of tracking hand each other: parallel arrays in frozen dataclasses, checked at the door."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def _check(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one frame.

    Attributes:
        boxes: (n, 4) float32, left, top, right, bottom in pixels of the full picture; inside it, right > left,
            bottom > top.
        confidences: (n,) float32, 0..1.
        classes: (n,) int64, indices into the detector's `names`.
        masks: n outlines, each (points, 2) float32 pixels, or None if the network has no masks.
        keypoints: (n, k, 3) float32, x, y in pixels and visibility 0..1, or None.
    """

    boxes: Floats
    confidences: Floats
    classes: Ints
    masks: Sequence[Floats] | None = None
    keypoints: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        _check("boxes", self.boxes, (n, 4))
        _check("confidences", self.confidences, (n,))
        _check("classes", self.classes, (n,))
        if self.masks is not None and len(self.masks) != n:
            raise ValueError(f"{len(self.masks)} masks for {n} boxes")
        if self.keypoints is not None:
            _check("keypoints", self.keypoints, (n, None, 3))

    def __len__(self) -> int:
        return len(self.boxes)

    @staticmethod
    def none() -> "Detections":
        """No detection at all."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def take(self, rows: NDArray[Any]) -> "Detections":
        """The detections with these row numbers (or where this mask is True)."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Detections(
            self.boxes[index],
            self.confidences[index],
            self.classes[index],
            None if self.masks is None else [self.masks[int(i)] for i in index],
            None if self.keypoints is None else self.keypoints[index],
        )


@dataclass(frozen=True, slots=True)
class Tracks:
    """The confirmed tracks that were updated in one frame.

    Attributes:
        ids: (n,) int64, from 1, never used twice by one tracker.
        boxes: (n, 4) float32, left, top, right, bottom in pixels of the full picture.
        confidences: (n,) float32, of the detection it was updated with.
        classes: (n,) int64.
        ages: (n,) int64, frames since the track began.
        velocities: (n, 2) float32, of the box's centre, pixels a frame.
        rows: (n,) int64, the row of the detection that it was updated with (-1 where the tracker does not say).
        masks, keypoints: as in `Detections`, of those detections.
    """

    ids: Ints
    boxes: Floats
    confidences: Floats
    classes: Ints
    ages: Ints
    velocities: Floats
    rows: Ints
    masks: Sequence[Floats] | None = None
    keypoints: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        _check("boxes", self.boxes, (n, 4))
        _check("velocities", self.velocities, (n, 2))
        for name in ("ids", "confidences", "classes", "ages", "rows"):
            _check(name, getattr(self, name), (n,))

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def none() -> "Tracks":
        """No track at all."""
        ints, floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return Tracks(ints, np.zeros((0, 4), np.float32), floats, ints, ints, np.zeros((0, 2), np.float32), ints)


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """One frame, clean, and what was followed in it.

    Attributes:
        image: (H, W, 3) uint8, BGR, without anything drawn on it.
        index: the frame's number in the source, from 0.
        time_s: seconds from the source's first frame.
        tracks: the confirmed tracks that were updated in this frame.
        trails: id -> (k, 2) float32, bottom centres of the track's last boxes, oldest first, in pixels.
        ms: milliseconds of each stage: "decode", "detect", "embed", "associate".
        dropped: frames of a live source that were skipped so far.
        late_ms: how old the picture was when its tracks were ready (live sources; else 0).
    """

    image: NDArray[np.uint8]
    index: int
    time_s: float
    tracks: Tracks
    trails: dict[int, Floats] = field(default_factory=dict)
    ms: dict[str, float] = field(default_factory=dict)
    dropped: int = 0
    late_ms: float = 0.0
