"""What was tracked, kept without the pictures: to be shown again, counted, exported and scored."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.media.frame import Frame
from engine.tracking.types import TrackedFrame


class History:
    """Tracked frames by number. One thread writes, any thread may read.

    Args:
        limit: how many frames are kept at most (a live source goes on for ever); None keeps all.

    Attributes:
        frames: index -> `TrackedFrame` with an empty image.
        log: the numbers in the order in which they were tracked.
        version: rises when something was forgotten, so that a reader starts again.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.frames: dict[int, TrackedFrame] = {}
        self.log: list[int] = []
        self.version = 0
        self._limit = limit
        self._order: deque[int] = deque()
        self._ranges: list[tuple[int, int]] = []

    def keep(self, seen: TrackedFrame) -> None:
        """Remember a frame's tracks."""
        self.frames[seen.index] = replace(seen, image=seen.image[:0, :0])
        self.log.append(seen.index)
        self._add_to_ranges(seen.index)
        if self._limit is not None:
            self._order.append(seen.index)
            while len(self._order) > self._limit:
                self.frames.pop(self._order.popleft(), None)
            if len(self.log) > 2 * self._limit:
                self.log = self.log[-self._limit :]
                self.version += 1

    def _add_to_ranges(self, index: int) -> None:
        ranges = self._ranges
        for number, (first, last) in enumerate(ranges):
            if last + 1 == index:
                ranges[number] = (first, index)
                if number + 1 < len(ranges) and ranges[number + 1][0] == index + 1:
                    ranges[number : number + 2] = [(first, ranges[number + 1][1])]
                return
            if first <= index <= last:
                return
            if index == first - 1:
                ranges[number] = (index, last)
                return
        ranges.append((index, index))
        ranges.sort()

    def forget_from(self, index: int) -> None:
        """Forget this frame and all after it (settings have changed)."""
        gone = [i for i in self.frames if i >= index]
        if not gone:
            return
        for known in gone:
            del self.frames[known]
        self.log = [i for i in self.log if i < index]
        self._ranges = [(a, min(b, index - 1)) for a, b in self._ranges if a < index]
        self.version += 1

    def with_picture(self, frame: Frame) -> TrackedFrame | None:
        """The remembered tracks of a frame with its picture, or None."""
        known = self.frames.get(frame.index)
        return None if known is None else replace(known, image=frame.image)

    def ranges(self) -> list[tuple[int, int]]:
        """The tracked stretches as (first, last), in order."""
        return list(self._ranges)


@dataclass(slots=True)
class TrackRow:
    """What is known of one track so far.

    Attributes:
        number: its id.
        class_number: of the class it was seen as last.
        frames: in how many frames it was seen.
        first_s, last_s: when it was seen first and last, in seconds.
        path: how far its centre has moved, in pixels.
        confidence: of its last detection, 0..1.
        speed: of its centre now, in pixels a second.
    """

    number: int
    class_number: int
    frames: int
    first_s: float
    last_s: float
    path: float
    confidence: float
    speed: float
    centre: tuple[float, float]


class Summary:
    """Rows and counts that grow with a `History`; each update costs only what is new.

    Attributes:
        rows: id -> `TrackRow`.
    """

    def __init__(self, history: History, fps: float) -> None:
        self._history, self._fps = history, fps or 25.0
        self._start()

    def _start(self) -> None:
        self.rows: dict[int, TrackRow] = {}
        self._version = self._history.version
        self._read = 0
        self._times: list[float] = []
        self._counts: dict[int, list[tuple[int, int]]] = {}

    def update(self) -> bool:
        """Take in what is new; True if anything was."""
        if self._version != self._history.version:
            self._start()
        log = self._history.log
        new = log[self._read : len(log)]
        self._read += len(new)
        for index in new:
            seen = self._history.frames.get(index)
            if seen is not None:
                self._take(seen)
        return bool(new)

    def _take(self, seen: TrackedFrame) -> None:
        tracks = seen.tracks
        place = len(self._times)
        self._times.append(seen.time_s)
        classes, counts = np.unique(tracks.classes, return_counts=True)
        for one, count in zip(classes.tolist(), counts.tolist(), strict=True):
            self._counts.setdefault(one, []).append((place, count))
        centres = (tracks.boxes[:, :2] + tracks.boxes[:, 2:]) / 2
        speeds = np.hypot(tracks.velocities[:, 0], tracks.velocities[:, 1]) * self._fps
        for n, number in enumerate(tracks.ids.tolist()):
            centre = (float(centres[n, 0]), float(centres[n, 1]))
            row = self.rows.get(number)
            if row is None:
                row = TrackRow(number, 0, 0, seen.time_s, seen.time_s, 0.0, 0.0, 0.0, centre)
                self.rows[number] = row
            row.path += float(np.hypot(centre[0] - row.centre[0], centre[1] - row.centre[1]))
            row.centre = centre
            row.class_number = int(tracks.classes[n])
            row.frames += 1
            row.last_s = max(row.last_s, seen.time_s)
            row.confidence = float(tracks.confidences[n])
            row.speed = float(speeds[n])

    def counts(self) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
        """How many of each class were in view: times in seconds (n,), and for each class number its counts (n,)."""
        times = np.array(self._times)
        order = np.argsort(times, kind="stable")
        curves: dict[int, NDArray[np.float64]] = {}
        for one, seen in self._counts.items():
            values = np.zeros(len(times))
            places, counts = np.array(seen).T
            values[places] = counts
            curves[one] = values[order]
        return times[order], curves
