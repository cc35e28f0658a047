"""The job that follows what moves: frames in, `TrackedFrame`s out."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from engine.job import Job
from engine.knobs import Cell
from engine.media.frame import Frame, Image, Source
from engine.tracking.knobs import TrackKnobs
from engine.tracking.trackers import Tracker
from engine.tracking.types import Detections, Floats, Ints, TrackedFrame, Tracks

_LONGEST_TRAIL = 300
_STAGES = ("decode", "detect", "embed", "associate")


class Finder(Protocol):
    """What `track` needs of a detector: pictures in, detections out in the same order, `depth` of them at a time."""

    @property
    def depth(self) -> int: ...

    def submit(self, image: Image, knobs: TrackKnobs, alone: bool = False) -> None: ...

    def collect(self) -> Detections: ...


class Looker(Protocol):
    """What `track` needs of an embedder."""

    def embed(self, image: Image, boxes: Floats, choose: Callable[[Floats], Ints], /) -> Floats: ...


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """What a whole run was.

    Attributes:
        frames: frames that were tracked.
        dropped: frames of a live source that were skipped.
        ids: confirmed tracks.
        seconds: from the first read to the last result, the reader's own time included.
        ms: mean milliseconds a frame that each stage kept the run waiting; what the decoder and the detector did
            meanwhile costs nothing.
    """

    frames: int
    dropped: int
    ids: int
    seconds: float
    ms: dict[str, float] = field(default_factory=dict)


def track(
    source: Source,
    detector: Finder,
    tracker: Tracker,
    knobs: Cell[TrackKnobs],
    *,
    embedder: Looker | None = None,
    start: int = 0,
    stop: int | None = None,
    every_frame: bool | None = None,
    anew: bool = True,
) -> Job[TrackSummary]:
    """Follow what moves in a source; yields a `TrackedFrame` a frame and passes the source's `Notice`s on.

    The tracker starts anew unless it is told not to, and its ids go on. The next picture is already with the detector
    while this one is associated. What was opened is released on `close()`; the source stays open.

    Args:
        source: frames, and whether they are live.
        detector: finds; used by one job at a time.
        tracker: gives identities.
        knobs: read once a frame.
        embedder: how the detections look, for a tracker that wants to know; without one it goes by motion alone.
        start: the first frame's number; a live source ignores it.
        stop: the number after the last frame's; None goes on to the end.
        every_frame: False drops frames rather than fall behind the clock, True never does; None drops of a live
            source only.
        anew: False goes on with the tracks that the tracker has, where `start` follows on what it saw last.

    Raises:
        SightlineError: the source cannot be read.
    """
    if anew:
        tracker.start_anew()
    run = _Run(tracker, embedder)
    begun = time.monotonic()
    with (
        closing(_paced(source, start, stop, every_frame, run)) as frames,
        closing(_detected(frames, detector, knobs)) as found,
    ):
        for event in found:
            yield run.follow(*event) if isinstance(event, tuple) else event
    return run.summary(time.monotonic() - begun)


@dataclass(slots=True)
class _Timed:
    """A frame on its way: how long it took to come, how many were dropped so far, and when it was due."""

    frame: Frame
    decode_ms: float
    dropped: int
    due_s: float | None


def _paced(
    source: Source, start: int, stop: int | None, every_frame: bool | None, run: "_Run"
) -> Generator[Any, None, None]:
    """Frames with what they cost; where frames may be dropped, only those that are not late.

    A live source drops by itself and numbers what it captured. A file that is to be seen live is held to its clock.
    """
    info = source.info
    drops = info.live if every_frame is None else not every_frame
    clock = drops and not info.live and info.fps > 0
    dropped, last, origin = 0, None, 0.0
    with closing(source.frames(start)) as frames:  # type: ignore[type-var]
        while True:
            before = time.perf_counter()
            event = next(frames, None)
            if event is None:
                return
            if not isinstance(event, Frame):
                yield event
                continue
            if stop is not None and event.index >= stop:
                return
            decode_ms = 1e3 * (time.perf_counter() - before)
            due_s = event.captured_s if info.live else None
            if clock:
                now = time.monotonic()
                if last is None:
                    origin = now - event.time_s
                due_s = origin + event.time_s
                if now > due_s + 1 / info.fps:
                    dropped += 1
                    # also those after the last frame that is tracked
                    run.dropped = dropped
                    last = event.index
                    continue
                time.sleep(max(0.0, due_s - now))
            elif info.live and last is not None:
                dropped += max(0, event.index - last - 1)
            last = event.index
            yield _Timed(event, decode_ms, dropped, due_s)


def _detected(frames: Iterator[Any], detector: Finder, knobs: Cell[TrackKnobs]) -> Generator[Any, None, None]:
    """(frame, its knobs, its detections, ms) in order, with up to `depth` pictures at the detector."""
    waiting: deque[tuple[_Timed, TrackKnobs, float]] = deque()
    try:
        for event in frames:
            if not isinstance(event, _Timed):
                yield event
                continue
            now = knobs.value
            begun = time.perf_counter()
            # of a live source the picture is wanted sooner, of a file more of them a second
            detector.submit(event.frame.image, now, event.due_s is not None)
            waiting.append((event, now, 1e3 * (time.perf_counter() - begun)))
            # a live picture is worth more now than a full pipe
            if len(waiting) > (0 if event.due_s is not None else detector.depth - 1):
                yield _collect(detector, waiting)
        while waiting:
            yield _collect(detector, waiting)
    finally:
        # the detector is handed to the next job empty
        while waiting:
            waiting.popleft()
            detector.collect()


def _collect(detector: Finder, waiting: "deque[tuple[_Timed, TrackKnobs, float]]") -> Any:
    event, now, submit_ms = waiting.popleft()
    begun = time.perf_counter()
    found = detector.collect()
    return event, now, found, submit_ms + 1e3 * (time.perf_counter() - begun)


class _Run:
    """What is kept from frame to frame."""

    def __init__(self, tracker: Tracker, embedder: Looker | None) -> None:
        self._tracker, self._embedder = tracker, embedder
        self._trails: dict[int, Floats] = {}
        self._last_seen: dict[int, int] = {}
        self._ids: set[int] = set()
        self._frames = self.dropped = 0
        self._ms = dict.fromkeys(_STAGES, 0.0)

    def follow(self, timed: _Timed, knobs: TrackKnobs, found: Detections, detect_ms: float) -> TrackedFrame:
        """Embed, associate and remember one frame."""
        image = timed.frame.image
        begun = time.perf_counter()
        embeddings = None
        if self._embedder is not None and self._tracker.needs_embeddings:
            embeddings = self._embedder.embed(
                image, found.boxes, lambda colours: self._tracker.wanted(found, colours, knobs)
            )
        embedded = time.perf_counter()
        tracks = self._tracker.update(found, embeddings, image, knobs)
        trails = self._extend_trails(tracks, knobs)
        ms = {
            "decode": timed.decode_ms,
            "detect": detect_ms,
            "embed": 1e3 * (embedded - begun),
            "associate": 1e3 * (time.perf_counter() - embedded),
        }
        self._frames += 1
        self.dropped = max(self.dropped, timed.dropped)
        for stage, spent in ms.items():
            self._ms[stage] += spent
        late_ms = 0.0 if timed.due_s is None else max(0.0, 1e3 * (time.monotonic() - timed.due_s))
        return TrackedFrame(image, timed.frame.index, timed.frame.time_s, tracks, trails, ms, timed.dropped, late_ms)

    def _extend_trails(self, tracks: Tracks, knobs: TrackKnobs) -> dict[int, Floats]:
        feet = np.stack([(tracks.boxes[:, 0] + tracks.boxes[:, 2]) / 2, tracks.boxes[:, 3]], axis=1)
        self._ids.update(tracks.ids.tolist())
        shown = {}
        for number, foot in zip(tracks.ids.tolist(), feet, strict=True):
            before = self._trails.get(number)
            trail = foot[None] if before is None else np.concatenate([before[1 - _LONGEST_TRAIL :], foot[None]])
            self._trails[number] = trail
            self._last_seen[number] = self._frames
            if knobs.trail:
                shown[number] = trail[-knobs.trail :]
        gone = [number for number, seen in self._last_seen.items() if self._frames - seen > knobs.keep_lost]
        for number in gone:
            del self._trails[number], self._last_seen[number]
        return shown

    def summary(self, seconds: float) -> TrackSummary:
        """What the run was."""
        each = {stage: spent / max(1, self._frames) for stage, spent in self._ms.items()}
        return TrackSummary(self._frames, self.dropped, len(self._ids), seconds, each)
