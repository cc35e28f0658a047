"""Decode ahead of the reader: one thread opens, reads and releases; the job takes what it has ready."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Protocol, Self, runtime_checkable

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.media.frame import Frame, SourceInfo

_MOST_BYTES = 96 << 20
"""What a queue of decoded pictures may hold: 8 of 1080p, 3 of 2160p."""
_CLOSE_S = 1.5
_LOOK_S = 0.04


class Reader(Protocol):
    """Reads one source on one thread: made, used and closed there."""

    @property
    def info(self) -> SourceInfo: ...

    def events(self, start: int) -> Iterator[Frame | Notice]: ...

    def close(self) -> None: ...


@runtime_checkable
class SeekableReader(Reader, Protocol):
    """One that can go to a frame; what is live cannot."""

    def frame(self, index: int) -> Frame: ...


Make = Callable[[threading.Event], Reader]
"""Makes a reader, on the thread that will use it; the event is set when it should stop."""


class Ahead:
    """A thread that reads one source ahead, from `begin` to the end or to `close`.

    Args:
        name: the source's, for the thread.
        make: makes the reader. Of a live one only the newest picture is kept; notices are never dropped.
    """

    def __init__(self, name: str, make: Make) -> None:
        self.info: SourceInfo | None = None
        self._make = make
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._queue: deque[Frame | Notice] = deque()
        self._start: int | None = None
        self._over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"sightline-decode-{name}", daemon=True)
        self._thread.start()

    def opened(self, wait_s: float) -> bool:
        """Wait until the source has been opened; True if it has.

        Raises:
            SightlineError: it could not be.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.info is not None or self._over, wait_s)
            if self._error is not None:
                raise self._error
            return self.info is not None

    def begin(self, start: int) -> None:
        """Start reading at this frame."""
        with self._changed:
            self._start = start
            self._changed.notify_all()

    def take(self, wait_s: float) -> Frame | Notice | None:
        """The next event; None if there is none yet.

        Raises:
            EOFError: there will be no more.
            Exception: what stopped the reader, after everything that it had read before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._over, wait_s)
            if self._queue:
                event = self._queue.popleft()
                self._changed.notify_all()
                return event
            if self._error is not None:
                raise self._error
            if self._over:
                raise EOFError
            return None

    def close(self) -> None:
        """Stop the thread. One that hangs in a library's call is left behind; it releases the source when that ends."""
        self._stop.set()
        with self._changed:
            self._queue.clear()
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with closing(self._make(self._stop)) as reader:
                with self._changed:
                    self.info = reader.info
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._start is not None or self._stop.is_set())
                    start = self._start
                if start is not None and not self._stop.is_set():
                    for event in reader.events(start):
                        if not self._put(event):
                            break
                self.info = reader.info
        except BaseException as raised:
            error = raised
        finally:
            with self._changed:
                self._error, self._over = error, True
                self._changed.notify_all()

    def _put(self, event: Frame | Notice) -> bool:
        with self._changed:
            if isinstance(event, Frame):
                if self.info is not None and self.info.live:
                    self._queue = deque(kept for kept in self._queue if not isinstance(kept, Frame))
                else:
                    most = max(2, min(8, _MOST_BYTES // max(1, event.image.nbytes)))
                    self._changed.wait_for(lambda: len(self._queue) < most or self._stop.is_set())
            if self._stop.is_set():
                return False
            self._queue.append(event)
            self._changed.notify_all()
            return True


def past_end(info: SourceInfo, index: int) -> SightlineError:
    """The error for a frame that a source does not have."""
    return SightlineError(
        f"{info.name} has no frame {index}: it has {info.frames}, numbered from 0; choose an earlier one."
    )


class AheadSource:
    """A source on top of a reader: what is common to every kind.

    Args:
        info: what is known of it.
        make: makes a reader; called once for each `frames` and once for `at`.
        waits: seconds without a picture after which `frames` yields a `Progress` that says so.
        ahead: a thread that has opened the source already; the first `frames` uses it.
        own: a reader that was made on this thread already; `at` uses it.
    """

    def __init__(
        self,
        info: SourceInfo,
        make: Make,
        *,
        waits: float = 1.0,
        ahead: Ahead | None = None,
        own: SeekableReader | None = None,
    ) -> None:
        self._info, self._make, self._waits = info, make, waits
        self._own = own
        self._spare = ahead
        self._running: set[Ahead] = set()
        self._closed = False

    @property
    def info(self) -> SourceInfo:
        """What the source knows about itself; once its end was seen, the length that was really there."""
        return self._info

    def frames(self, start: int = 0) -> Iterator[Any]:
        """Frames from number `start` on, and `Notice`s between them; `Progress` while nothing arrives.

        Raises:
            SightlineError: `start` is past the end; the source is gone.
        """
        if self._closed:
            raise ValueError(f"{self._info.name} was closed")
        ahead, self._spare = self._spare, None
        if ahead is None:
            ahead = Ahead(self._info.name, self._make)
        self._running.add(ahead)
        try:
            ahead.begin(start)
            yield from self._events(ahead)
        finally:
            ahead.close()
            self._running.discard(ahead)

    def _events(self, ahead: Ahead) -> Iterator[Any]:
        waiting = Progress(f"Waiting for {self._info.name}")
        wait_s = self._waits
        while True:
            try:
                event = ahead.take(wait_s)
            except EOFError:
                self._info = ahead.info or self._info
                return
            wait_s = self._waits if event is not None else _LOOK_S
            yield waiting if event is None else event

    def at(self, index: int) -> Frame:
        """The frame with exactly this number.

        Raises:
            SightlineError: there is none, or the source is live.
        """
        if self._info.live:
            raise SightlineError(f"{self._info.name} is live: it cannot go to a frame, only show what comes.")
        if index < 0:
            raise ValueError(f"frame {index}")
        if self._own is None:
            made = self._make(threading.Event())
            assert isinstance(made, SeekableReader), "only a live source has a reader that cannot go to a frame"
            self._own = made
        return self._own.frame(index)

    def close(self) -> None:
        """Stop every thread and release the source; twice is harmless."""
        self._closed = True
        for ahead in [*self._running, *([self._spare] if self._spare else [])]:
            ahead.close()
        self._running.clear()
        self._spare = None
        if self._own is not None:
            self._own.close()
            self._own = None

    def __del__(self) -> None:
        # one that was dropped must not keep its camera
        if not getattr(self, "_closed", True):
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def opening(name: str, make: Make) -> Job[AheadSource]:
    """Open a source whose reader lives on one thread alone: a camera, a screen, a stream.

    Raises:
        SightlineError: it cannot be opened.
    """
    ahead = Ahead(name, make)
    try:
        while not ahead.opened(_LOOK_S):
            yield Progress(f"Opening {name}")
        assert ahead.info is not None
        source = AheadSource(ahead.info, make, waits=_LOOK_S, ahead=ahead)
    except BaseException:
        ahead.close()
        raise
    return source
