"""What the page plays: tracks what has not been tracked yet, and shows again what has, without the networks."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from engine.job import Job, Notice
from engine.knobs import Cell
from engine.media.frame import Frame, Source
from engine.tracking.history import History
from engine.tracking.knobs import TrackKnobs
from engine.tracking.types import TrackedFrame, Tracks

_LOOK_S = 0.02
"""How often a paused player looks at its knobs."""


@dataclass(frozen=True, slots=True)
class Playback:
    """What the person wants of the player. Replaced whole; a seek or a step is new when its `request` is.

    Attributes:
        playing: False holds the picture.
        speed: 1.0 is the source's own rate; 0.0 is as fast as it goes.
        go_to: frame to show next, when `request` has changed.
        request: counts the seeks and steps.
    """

    playing: bool = True
    speed: float = 1.0
    go_to: int = 0
    request: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """One frame to show.

    Attributes:
        seen: the frame; without tracks where it has not been tracked yet.
        tracked: True where its tracks are known.
        fresh: True if the networks ran for it just now, False if it was remembered.
        behind: the rate reached over the rate wanted, where tracking is slower than real time; else 1.
    """

    seen: TrackedFrame
    tracked: bool
    fresh: bool
    behind: float = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The last frame has been shown; the player waits for a seek."""

    index: int


Follow = Callable[[int], Generator[Any, None, Any]]
"""Starts the tracking job at a frame number; it yields `TrackedFrame`s. An argument, so any tracker can be played."""


def play(
    source: Source,
    follow: Follow,
    knobs: Cell[TrackKnobs],
    playback: Cell[Playback],
    history: History,
    *,
    tracker_at: Callable[[int], None] = lambda _index: None,
) -> Job[None]:
    """Play a file until it is closed; at the end it waits for a seek. A live source is followed as it comes.

    Args:
        source: open, on this thread.
        follow: `follow(index)` tracks from that frame on.
        knobs: when they change, what was tracked from the present frame on is forgotten.
        playback: play, pause, speed, seek.
        history: filled as it goes; scrubbing back shows it without the networks.
        tracker_at: told where tracking starts anew after a jump, so that no track is carried over it.

    Yields:
        Played, Ended, Notice; None while it waits, so that it can be stopped.
    """
    if source.info.live:
        yield from _live(follow, playback, history)
        return
    player = _Player(source, follow, knobs, playback, history, tracker_at)
    try:
        yield from player.run()
    finally:
        player.close()


def _live(follow: Follow, playback: Cell[Playback], history: History) -> Job[None]:
    with ExitStack() as stack:
        job = follow(0)
        stack.callback(job.close)
        for event in job:
            if isinstance(event, TrackedFrame):
                history.keep(event)
                # a held picture: the camera goes on, nothing is shown
                yield Played(event, tracked=True, fresh=True) if playback.value.playing else None
            else:
                yield event


class _Player:
    """The state of one file being played: where it is, and whether it reads, tracks or waits."""

    def __init__(
        self,
        source: Source,
        follow: Follow,
        knobs: Cell[TrackKnobs],
        playback: Cell[Playback],
        history: History,
        tracker_at: Callable[[int], None],
    ) -> None:
        self.source, self.follow, self.knobs, self.playback = source, follow, knobs, playback
        self.history, self.tracker_at = history, tracker_at
        self.shown = self.index = playback.value.go_to
        self.request = playback.value.request
        self.used = knobs.value
        self.tracker_next = -1
        self.tracking: Generator[Any, None, Any] | None = None
        self.reading: Iterator[Any] | None = None
        self.reading_next = -1
        self.last = source.info.frames
        self.due = 0.0
        self.rate = 0.0

    def close(self) -> None:
        for job in (self.tracking, self.reading):
            if job is not None and hasattr(job, "close"):
                job.close()
        self.tracking = self.reading = None

    def run(self) -> Job[None]:
        yield from self._show_now(self.index)
        while True:
            wanted = self.playback.value
            if self._settings_changed():
                self.used = self.knobs.value
                if self.last == 1:
                    # one picture: look at it again
                    self.close()
                    self.history.forget_from(0)
                    self.index = -1
                    yield from self._next(replace(wanted, speed=0.0))
                    continue
                # what lies ahead was tracked with other settings; what was seen stays as it was
                self.history.forget_from(self.index + 1)
                if self.tracking is None:
                    self.close()
            if wanted.request != self.request:
                self.request = wanted.request
                yield from self._go_to(wanted)
            elif not wanted.playing:
                self.due = 0.0
                time.sleep(_LOOK_S)
                yield None
            elif self.last is not None and self.index + 1 >= self.last:
                yield from self._end()
            else:
                yield from self._next(wanted)

    def _settings_changed(self) -> bool:
        return replace(self.knobs.value, trail=self.used.trail) != self.used

    def _end(self) -> Job[None]:
        self.close()
        yield Ended(self.index)
        while self.playback.value.request == self.request and not self._settings_changed():
            time.sleep(_LOOK_S)
            yield None

    def _go_to(self, wanted: Playback) -> Job[None]:
        if wanted.go_to != self.shown + 1 or (self.last is not None and wanted.go_to >= self.last):
            self.close()
            yield from self._show_now(wanted.go_to)
            return
        # one step on: track it, as playing would; also the frame that is shown, if that was not tracked yet
        before = -2
        while self.index < wanted.go_to and self.index != before:
            before = self.index
            yield from self._next(replace(wanted, speed=0.0))

    def _show_now(self, index: int) -> Job[None]:
        """Show one frame at once; the networks are not asked."""
        last = max(0, self.last - 1) if self.last is not None else index
        frame = self.source.at(min(max(0, index), last))
        self.shown = self.index = frame.index
        self.due = 0.0
        known = self.history.with_picture(frame)
        seen = known or TrackedFrame(frame.image, frame.index, frame.time_s, Tracks.none())
        # the very first frame is tracked when play begins
        if known is None:
            self.index -= 1
        yield Played(seen, tracked=known is not None, fresh=False)

    def _next(self, wanted: Playback) -> Job[None]:
        began = time.monotonic()
        index = self.index + 1
        known = index in self.history.frames
        event = yield from (self._remembered(index) if known else self._tracked(index))
        if event is None:
            self.last = self.index + 1
            return
        self.shown = self.index = index
        took = time.monotonic() - began
        behind = yield from self._pace(wanted, took, fresh=not known)
        yield Played(event, tracked=True, fresh=not known, behind=behind)

    def _remembered(self, index: int) -> Generator[Any, None, TrackedFrame | None]:
        if self.tracking is not None:
            self.tracking.close()
            self.tracking = None
        if self.reading is None or self.reading_next != index:
            if self.reading is not None and hasattr(self.reading, "close"):
                self.reading.close()
            self.reading = iter(self.source.frames(index))
        for event in self.reading:
            if isinstance(event, Frame):
                self.reading_next = event.index + 1
                return self.history.with_picture(event)
            yield event
        return None

    def _tracked(self, index: int) -> Generator[Any, None, TrackedFrame | None]:
        if self.reading is not None:
            if hasattr(self.reading, "close"):
                self.reading.close()
            self.reading = None
        if self.tracking is None:
            if self.tracker_next != index and self.tracker_next >= 0:
                self.tracker_at(index)
                if self.last != 1:
                    yield Notice("New tracks start here: the frames in between were not followed.")
            self.tracking = self.follow(index)
        for event in self.tracking:
            if isinstance(event, TrackedFrame):
                self.tracker_next = event.index + 1
                self.history.keep(event)
                return event
            yield event
        return None

    def _pace(self, wanted: Playback, took: float, *, fresh: bool) -> Generator[Any, None, float]:
        """Wait until this frame is due; returns the rate reached over the rate wanted, at most 1."""
        fps = self.source.info.fps
        if not wanted.speed or not fps:
            return 1.0
        step = 1.0 / (fps * wanted.speed)
        now = time.monotonic()
        self.due = self.due + step if self.due and now - self.due < 0.5 else now
        while (left := self.due - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))
            if left > 2 * _LOOK_S:
                yield None
            if self.playback.value != wanted:
                break
        self.rate = 0.9 * self.rate + 0.1 * took if self.rate else took
        return min(1.0, step / self.rate) if fresh else 1.0
