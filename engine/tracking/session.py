"""One source being followed in the window: opened, its networks loaded, played, and closed on one thread."""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.knobs import Cell
from engine.media.frame import Frame, Source, SourceInfo
from engine.tracking.history import History
from engine.tracking.knobs import TrackKnobs
from engine.tracking.player import Playback, Played, play
from engine.tracking.types import TrackedFrame, Tracks

if TYPE_CHECKING:
    from engine.tracking.detector import Detector


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open; `history` fills as it is tracked."""

    info: SourceInfo
    history: History


@dataclass(frozen=True, slots=True)
class Loaded:
    """The networks are ready.

    Attributes:
        names: class number -> class name.
        task: "detect", "segment" or "pose".
        runtime: what runs it, in words.
    """

    names: dict[int, str]
    task: str
    runtime: str


LIVE_FRAMES = 20_000
"""How many frames of a live source are remembered."""


def opening_any(text: str, *, height: int = 720, entry: int | None = None) -> Job[Source]:
    """Open a drawn example ("example:crowd") or any source that `engine.media.source.opening` knows.

    Raises:
        SightlineError: it cannot be opened.
    """
    from engine.media.source import opening
    from engine.tracking.example import PREFIX, open_example

    if text.startswith(PREFIX):
        return open_example(text)
    return (yield from opening(text, height=height, entry=entry))


def watch(
    text: str,
    weights: str | Path | None,
    tracker_name: str,
    knobs: Cell[TrackKnobs],
    playback: Cell[Playback],
    *,
    device: str = "auto",
    height: int = 720,
    entry: int | None = None,
    history: History | None = None,
) -> Job[None]:
    """Open a source, show its first picture at once, load the networks, and play it until it is closed.

    Args:
        text: what `open_any` takes.
        weights: of the detector; None plays the pictures without following anything.
        tracker_name: a name of `trackers.TRACKERS`.
        knobs, playback: cells that the page replaces while it runs.
        history: to go on with; a new one if None.

    Yields:
        Opened, Loaded, Played, Ended, Progress, Notice.

    Raises:
        SightlineError: the source or the weights cannot be opened.
    """
    with ExitStack() as stack:
        yield Progress("Opening")
        source = stack.enter_context((yield from opening_any(text, height=height, entry=entry)))
        live = source.info.live
        history = history or History(LIVE_FRAMES if live else None)
        yield Opened(source.info, history)
        if not live:
            first = source.at(playback.value.go_to)
            seen = history.with_picture(first) or TrackedFrame(first.image, first.index, first.time_s, Tracks.none())
            yield Played(seen, tracked=first.index in history.frames, fresh=False)
        if weights is None:
            # its own history: nothing has been tracked
            yield from play(source, lambda index: _untracked(source, index), knobs, playback, History(LIVE_FRAMES))
            return
        follow, start_anew, loaded = yield from load_follow(stack, source, weights, tracker_name, knobs, device)
        known = {name.casefold() for name in loaded.names.values()}
        classes = tuple(name for name in knobs.value.classes if name.casefold() in known)
        if classes != knobs.value.classes:
            # they were chosen for another network
            knobs.value = replace(knobs.value, classes=classes)
        yield loaded
        yield from play(source, follow, knobs, playback, history, tracker_at=lambda _index: start_anew())


def load_follow(
    stack: ExitStack,
    source: Source,
    weights: str | Path | None,
    tracker_name: str,
    knobs: Cell[TrackKnobs],
    device: str,
    *,
    stop: int | None = None,
    every_frame: bool | None = None,
) -> Job[tuple[Callable[[int], Generator[Any, None, Any]], Callable[[], None], Loaded]]:
    """Load the networks and make the tracker.

    Args:
        stack: closes them.
        source, weights, tracker_name, knobs, device: as for `watch`.
        stop, every_frame: as for `track`.

    Returns:
        `follow(index)`, which tracks from that frame on; `start_anew()`, which forgets all tracks; what was loaded.

    Raises:
        SightlineError: no weights were given, or they cannot be loaded.
    """
    from engine.tracking.appearance import load_embedder
    from engine.tracking.detector import load_detector
    from engine.tracking.track import track
    from engine.tracking.trackers import build_tracker

    if weights is None:
        raise SightlineError("There is no network to find anything with; choose one under Model.")
    detector = yield from load_detector(weights, device)
    stack.callback(detector.close)
    info, now = source.info, knobs.value
    yield Progress(f"Compiling for {info.width}×{info.height}")
    detector.prepare(info.width, info.height, now, alone=info.live)
    tracker = build_tracker(tracker_name)
    embedder = None
    if tracker.needs_embeddings:
        embedder = yield from load_embedder(device)

    if source.info.frames == 1 and not source.info.live:
        picture = _Picture(source, detector, knobs)
        return picture.follow, lambda: None, Loaded(detector.names, detector.task, detector.runtime)

    def follow(index: int) -> Generator[Any, None, Any]:
        more: dict[str, Any] = {"anew": False, "stop": stop, "every_frame": every_frame}
        return track(source, detector, tracker, knobs, embedder=embedder, start=index, **more)

    return follow, tracker.start_anew, Loaded(detector.names, detector.task, detector.runtime)


def _untracked(source: Source, start: int) -> Generator[Any, None, None]:
    for event in source.frames(start):
        yield (
            TrackedFrame(event.image, event.index, event.time_s, Tracks.none()) if isinstance(event, Frame) else event
        )


class _Picture:
    """One picture: each detection gets a number, since there is no next frame to confirm it in."""

    def __init__(self, source: Source, detector: "Detector", knobs: Cell[TrackKnobs]) -> None:
        self._source, self._detector, self._knobs = source, detector, knobs
        self._given = 0

    def follow(self, _index: int) -> Generator[Any, None, None]:
        for event in self._source.frames():
            if not isinstance(event, Frame):
                yield event
                continue
            begun = time.perf_counter()
            found = self._detector.detect(event.image, self._knobs.value)
            ms = {"detect": 1e3 * (time.perf_counter() - begun)}
            n = len(found)
            tracks = Tracks(
                ids=self._given + 1 + np.arange(n),
                boxes=found.boxes,
                confidences=found.confidences,
                classes=found.classes,
                ages=np.zeros(n, np.int64),
                velocities=np.zeros((n, 2), np.float32),
                rows=np.arange(n),
                masks=found.masks,
                keypoints=found.keypoints,
            )
            self._given += n
            yield TrackedFrame(event.image, event.index, event.time_s, tracks, {}, ms)
