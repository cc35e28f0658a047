"""A video file: read in order, and to any frame exactly."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Notice
from engine.media import timeline
from engine.media.ahead import AheadSource, past_end
from engine.media.capture import Capture, open_capture
from engine.media.frame import Frame, Image, SourceInfo

_NEAR = 32
"""Frames that are sooner passed over than jumped over."""
_FAR = 600
"""How far behind the wanted frame a jump may land; beyond, the keyframes are not where the decoder thinks."""
_USUAL_FPS = 25.0

Open = Callable[[], tuple[Capture, Image] | None]


class Stopped(Exception):
    """The reader was told to stop while it counted; nobody is there to hear it."""


class VideoReader:
    """Reads a video frame by frame and finds any of them.

    Frame k is what the decoder gives after k others. A jump is a guess that is checked by the time of the picture it
    landed on; where that cannot be checked or is wrong the frames are counted from the first.

    Args:
        open_: opens the video at its first frame.
        info: text, name and kind; the rest is filled in.
        found: what the container's index says.
        times: gives the time of each frame: empty if the container has none, None if they are taken as even; asked
            once, at the first jump.
        stop: ends a long count.
        explain: the error for a video that cannot be opened.

    Raises:
        SightlineError: it cannot be opened.
    """

    def __init__(
        self,
        open_: Open,
        info: SourceInfo,
        found: timeline.Contents,
        times: Callable[[], NDArray[np.float64] | None],
        stop: threading.Event,
        explain: Callable[[], SightlineError],
    ) -> None:
        self._open, self._times_of, self._stop, self._explain = open_, times, stop, explain
        self._found = found
        self._times: NDArray[np.float64] | None = None
        self._times_known = found.even
        self._capture: Capture | None = None
        self._reopen()
        image = self._held[1] if self._held else np.zeros((1, 1, 3), np.uint8)
        height, width = image.shape[:2]
        assert self._capture is not None
        frames = found.frames if found.frames is not None else self._capture.count
        fps = self._capture.fps or _USUAL_FPS
        self.info: SourceInfo = replace(info, width=width, height=height, fps=fps, frames=frames)

    def _reopen(self) -> None:
        self.close()
        opened = self._open()
        if opened is None:
            raise self._explain()
        self._capture, image = opened
        self._position = 1
        self._begin_s = self._capture.time_s()
        self._held: tuple[int, Image, float] | None = (0, image, 0.0)
        self._last_s = 0.0

    def close(self) -> None:
        """Release the decoder."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def events(self, start: int) -> Iterator[Frame | Notice]:
        """Frames from `start` to the end; a `Notice` if the file has fewer than it promises.

        Raises:
            SightlineError: `start` is past the end.
        """
        self.seek(start)
        while (frame := self.next()) is not None:
            yield frame
        yield from self._ended()

    def frame(self, index: int) -> Frame:
        """The frame with this number.

        Raises:
            SightlineError: it is past the end.
        """
        self.seek(index)
        frame = self.next()
        if frame is None:
            raise self._past_end(index)
        return frame

    def next(self) -> Frame | None:
        """The next frame in order; None where no more comes."""
        if self._held is None and not self._read():
            return None
        assert self._held is not None
        (index, image, time_s), self._held = self._held, None
        return Frame(image, index, time_s, time.monotonic())

    def seek(self, index: int) -> None:
        """Make frame `index` the next one.

        Raises:
            SightlineError: it is past the end.
        """
        if self._capture is None:
            self._reopen()
        at = self._held[0] if self._held else self._position
        if index == at:
            return
        frames = self.info.frames
        if frames is not None and index > frames + max(2, frames // 50):
            raise self._past_end(index)
        if 0 < index - at <= _NEAR:
            self._held = None
            if not self._pass_to(index):
                raise self._past_end(index)
        elif not self._jump(index):
            self._reopen()
            self._held = None if index else self._held
            if not self._pass_to(index):
                raise self._past_end(index)

    def _read(self) -> bool:
        """Decode the next picture into `_held`."""
        assert self._capture is not None
        image = self._capture.read()
        if image is None:
            return False
        time_s = self._capture.time_s() - self._begin_s
        # raw H.264 and the last frame of an AVI have no time: then the number tells it
        if self._position and time_s <= self._last_s:
            time_s = max(self._last_s, self._position / self.info.fps)
        self._held, self._last_s = (self._position, image, time_s), time_s
        self._position += 1
        return True

    def _pass_to(self, index: int) -> bool:
        """Pass over frames until `index` is the next; False if the end comes first."""
        assert self._capture is not None
        while self._position < index:
            if self._stop.is_set():
                raise Stopped
            if not self._capture.grab():
                return False
            self._last_s = max(self._last_s, self._capture.time_s() - self._begin_s)
            self._position += 1
        return True

    def _jump(self, index: int) -> bool:
        """Jump to `index` and check where that led; False if it cannot be made sure of."""
        assert self._capture is not None
        if not self._times_known:
            self._times, self._times_known = self._times_of(), True
        if self._times is not None and index >= len(self._times):
            return False
        target = index
        for _ in range(3):
            self._capture.jump(target)
            image = self._capture.read()
            time_s = self._capture.time_s() - self._begin_s
            landed = None if image is None else self._index_at(time_s)
            if image is None or landed is None:
                return False
            if index - _FAR <= landed <= index:
                self._position, self._last_s = landed + 1, time_s
                self._held = (index, image, time_s) if landed == index else None
                return landed == index or self._pass_to(index)
            if target == 0:
                return False
            target = max(0, target - abs(landed - index) - 8)
        return False

    def _index_at(self, time_s: float) -> int | None:
        """The number of the frame that is shown at this time; None unless exactly one is."""
        if self._times is None:
            step = 1 / self.info.fps
            index = round(time_s / step)
            return index if index >= 0 and abs(time_s - index * step) < 0.2 * step else None
        near = np.flatnonzero(np.abs(self._times - time_s) < 0.6e-3)
        return int(near[0]) if len(near) == 1 else None

    def _ended(self) -> Iterator[Notice]:
        """The decoder gives no more: note the true length, and say so if more was promised."""
        promised, read = self.info.frames, self._position
        self.info = replace(self.info, frames=read)
        short = self._found.frames is not None and read < self._found.frames - max(2, read // 50)
        if self._found.cut or short:
            of = f"{read} of its {promised}" if promised is not None and promised > read else f"its first {read}"
            yield Notice(f"{self.info.name} is cut short: {of} frames could be read.")

    def _past_end(self, index: int) -> SightlineError:
        read = self._position
        return past_end(self.info if self.info.frames is not None else replace(self.info, frames=read), index)


Examined = tuple[timeline.Contents, NDArray[np.float64] | None]
"""What a container says, and the times of its frames where they had to be looked at."""


def examine(path: Path) -> Examined:
    """Look into a file before it is opened; on any thread, up to a second.

    Raises:
        SightlineError: it is missing, may not be read, is empty, or is text.
    """
    look_at(path)
    found, times = timeline.contents(path), None
    if found.frames is None:
        # without a full index what the container says is a guess; its packets are counted, 60,000 in a second
        times = timeline.shown_at(path, 1.0)
        found = replace(found, frames=len(times) if times is not None and len(times) else None)
    return found, times


class VideoFile(AheadSource):
    """A video file.

    Args:
        path: where it is.
        text: what the person typed.
        known: what `examine` said; asked here if it was not before.

    Raises:
        SightlineError: it is missing, empty, damaged, or no video.
    """

    def __init__(self, path: Path, text: str, known: Examined | None = None) -> None:
        self._found, times = known or examine(path)
        self._path, self._text = path, text
        self._times = cache(lambda: timeline.shown_at(path) if times is None else times)
        reader = self._reader(threading.Event())
        super().__init__(reader.info, self._reader, own=reader)

    def _reader(self, stop: threading.Event) -> VideoReader:
        return VideoReader(
            lambda: open_capture(str(self._path.absolute())),
            SourceInfo(self._text, self._path.name, "video", 0, 0, 0.0, None, live=False),
            self._found,
            self._times,
            stop,
            lambda: _unreadable(self._path),
        )


def look_at(path: Path) -> None:
    """Refuse a file that no decoder should be asked about.

    Raises:
        SightlineError: it is missing, may not be read, is empty, or is text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise SightlineError(f"There is no file {path}: check the name and the folder.") from None
    except OSError as error:
        raise SightlineError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    if not head:
        raise SightlineError(f"{path.name} is empty (0 bytes): copy or record it again.")
    if _is_text(head):
        raise SightlineError(f"{path.name} is a text file, not a video: choose a video, a picture or a folder.")


def _is_text(head: bytes) -> bool:
    # playlists and session descriptions are text, and FFmpeg plays them
    if head.startswith((b"#EXTM3U", b"v=0", b"YUV4MPEG2")) or b"\0" in head:
        return False
    try:
        head[:-4].decode() if len(head) == 4096 else head.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(path: Path) -> SightlineError:
    look_at(path)
    name = path.name
    if _lacks_index(path):
        return SightlineError(
            f"{name} is cut short: the index at its end is missing, so nothing of it can be read; copy it again."
        )
    if _has_sound_only(path):
        return SightlineError(f"{name} has sound but no pictures: choose a video.")
    return SightlineError(f"{name} cannot be read: it is damaged or no video; try another copy.")


def _lacks_index(path: Path) -> bool:
    """True for an MP4 or MOV file whose boxes end before its index (ISO/IEC 14496-12, 4.2) was seen."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if (at == 0 and kind != b"ftyp") or kind == b"moov":
                return False
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                break
            at += length
    return at > 0


def _has_sound_only(path: Path) -> bool:
    import av

    try:
        with av.open(str(path)) as container:
            return bool(container.streams.audio) and not container.streams.video
    except (av.error.FFmpegError, OSError):
        return False
