"""Video over a network: a file that a server has, and what goes on whether anybody watches or not."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from engine.errors import SightlineError
from engine.job import Job, Notice
from engine.media.address import silent
from engine.media.ahead import AheadSource, Reader, opening
from engine.media.capture import Capture, open_capture
from engine.media.frame import Frame, Image, SourceInfo
from engine.media.patience import Patience
from engine.media.timeline import Contents
from engine.media.video import VideoReader

_USUAL_FPS = 25.0
_MOST_AHEAD_S = 5.0
"""A live picture that is due later than this has a wrong time, and is shown at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be played, and under which name.

    Attributes:
        address: what the decoder opens.
        text: what the person typed.
        name: shown in the bar.
        live: None where only the decoder will know.
        finite: True if the server named a length.
        options: FFmpeg's options for the protocol.
        renew: a fresh address for a live target whose old one has run out.
    """

    address: str
    text: str
    name: str
    live: bool | None = None
    finite: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    renew: "Callable[[], Target] | None" = None


def opening_stream(target: Target, patience: Patience) -> Job[AheadSource]:
    """Connect to a stream or a remote file.

    Raises:
        SightlineError: it does not answer or is no video.
    """
    return (yield from opening(target.name, lambda stop: _reader(target, patience, stop)))


def _reader(target: Target, patience: Patience, stop: threading.Event) -> Reader:
    began = time.monotonic()
    opened = open_capture(target.address, patience, target.options)
    if opened is None:
        raise _unplayable(target, patience, time.monotonic() - began)
    live = target.live
    if live is None:
        live = opened[0].count is None and not target.finite
    if live:
        return _LiveReader(target, opened, patience, stop)
    return _RemoteReader(target, opened, patience, stop)


def _unplayable(target: Target, patience: Patience, took_s: float) -> SightlineError:
    if took_s > 0.9 * min(patience.open_s, patience.read_s):
        return SightlineError(silent(target.text, min(patience.open_s, patience.read_s)))
    if not target.address.startswith("http"):
        # nobody was asked before: it may be the network as well
        return SightlineError(f"{target.text} cannot be reached or has no video: check the address and the network.")
    return SightlineError(f"{target.text} cannot be played: there is no video, or it is damaged; check the address.")


class _RemoteReader(VideoReader):
    """A file on a server: it has an end, and any frame can be gone to."""

    def __init__(
        self, target: Target, opened: tuple[Capture, Image], patience: Patience, stop: threading.Event
    ) -> None:
        self._patience = patience
        ready = [opened]

        def open_() -> tuple[Capture, Image] | None:
            return ready.pop() if ready else open_capture(target.address, patience, target.options)

        info = SourceInfo(target.text, target.name, "stream", 0, 0, 0.0, None, live=False)
        super().__init__(
            open_,
            info,
            Contents(opened[0].count),
            # the packets of a remote file are not fetched only to learn their times
            lambda: None,
            stop,
            lambda: _unplayable(target, patience, 0.0),
        )

    def events(self, start: int) -> Iterator[Frame | Notice]:
        """Frames from `start` to the end. A connection that breaks is made anew; an end is told from it by the length.

        Raises:
            SightlineError: `start` is past the end, or the server no longer sends.
        """
        self.seek(start)
        attempt, resumed_at, stalled = 0, -1, False
        while True:
            began = time.monotonic()
            frame = self.next() if self._capture is not None else None
            # a decoder that waited in vain still hands out the pictures it held back: the stall was before them
            stalled = stalled or self._capture is None or self._silent_since(began)
            if frame is not None:
                attempt = 0
                yield frame
                continue
            read, promised = self._position, self.info.frames
            short = promised is not None and promised - read > max(2, promised // 50)
            if not short and (promised is not None or not stalled):
                break
            if short and not stalled and read == resumed_at:
                # connected again, and again no more than this: the file itself is short
                break
            if attempt >= self._patience.tries:
                of = f" of {promised}" if promised is not None else ""
                raise SightlineError(
                    f"{self.info.name} stopped after {read}{of} frames and did not go on after {attempt} tries: "
                    "check the network and open it again."
                )
            wait_s = self._patience.wait_s(attempt)
            yield Notice(f"{self.info.name} {'sends nothing' if stalled else 'broke off'}; {_again(wait_s)}")
            attempt += 1
            if self._stop.wait(wait_s):
                return
            began = time.monotonic()
            if self._resume(read):
                resumed_at = read
            stalled = self._silent_since(began)
        yield from self._ended()

    def frame(self, index: int) -> Frame:
        """The frame with this number.

        Raises:
            SightlineError: it is past the end, or the server does not send it.
        """
        began = time.monotonic()
        try:
            return super().frame(index)
        except SightlineError:
            if not self._silent_since(began):
                raise
            self.close()
            raise SightlineError(silent(self.info.text, self._patience.read_s)) from None

    def _silent_since(self, began: float) -> bool:
        return time.monotonic() - began > 0.9 * self._patience.read_s

    def _resume(self, index: int) -> bool:
        """Connect again and make frame `index` the next; True if the server answered, whether or not it has that."""
        began = time.monotonic()
        try:
            self._reopen()
            self.seek(index)
        except SightlineError:
            if self._silent_since(began):
                self.close()
            self._held, self._position = None, index
        return self._capture is not None


class _LiveReader:
    """A broadcast or a network camera: shown as it comes, connected again when it falls silent."""

    def __init__(
        self, target: Target, opened: tuple[Capture, Image], patience: Patience, stop: threading.Event
    ) -> None:
        self._target, self._patience, self._stop = target, patience, stop
        self._capture: Capture | None = opened[0]
        self._image: Image | None = opened[1]
        height, width = opened[1].shape[:2]
        fps = opened[0].fps or _USUAL_FPS
        self.info = SourceInfo(target.text, target.name, "stream", width, height, fps, None, live=True)

    def events(self, _start: int) -> Iterator[Frame | Notice]:
        """Frames at the rate of the broadcast: what arrives in bursts (HLS) is held until it is due.

        Raises:
            SightlineError: it fell silent and did not come back.
        """
        index, began = 0, time.monotonic()
        while self._capture is not None and not self._stop.is_set():
            # time_s: `since` at the connection, then what the broadcast says
            since = time.monotonic() - began
            first_s, last_s, anchor = self._capture.time_s(), 0.0, time.monotonic()
            while self._image is not None and not self._stop.is_set():
                now = time.monotonic()
                if 0 < anchor + last_s - now < _MOST_AHEAD_S:
                    self._stop.wait(anchor + last_s - now)
                else:
                    anchor = now - last_s
                yield Frame(self._image, index, since + last_s, time.monotonic())
                index += 1
                self._image = self._capture.read()
                shown_s = self._capture.time_s() - first_s
                last_s = shown_s if shown_s > last_s else last_s + 1 / self.info.fps
            if not self._stop.is_set():
                yield from self._connect()

    def _connect(self) -> Iterator[Notice]:
        """Connect again, waiting longer each time; afterwards there is a picture, or the broadcast is over."""
        name, silent_since = self.info.name, time.monotonic()
        self.close()
        for attempt in range(self._patience.tries):
            wait_s = self._patience.wait_s(attempt)
            yield Notice(f"{name} sends nothing; {_again(wait_s)}")
            if self._stop.wait(wait_s):
                return
            target = self._target
            if attempt and target.renew is not None:
                try:
                    target = target.renew()
                except SightlineError:
                    continue
            opened = open_capture(target.address, self._patience, target.options)
            if opened is None:
                continue
            if opened[0].count is not None:
                # what was live has a length now
                opened[0].release()
                yield Notice(f"{name} has ended.")
                return
            self._capture, self._image = opened
            yield Notice(f"{name} is back after {time.monotonic() - silent_since:.0f} s.")
            return
        raise SightlineError(
            f"{name} has sent nothing for {time.monotonic() - silent_since:.0f} s, and did not come back after "
            f"{self._patience.tries} tries: check the network and open it again."
        )

    def close(self) -> None:
        """Release the decoder."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _again(wait_s: float) -> str:
    return f"connecting again in {wait_s:g} s." if wait_s else "connecting again."
