"""The two decoders behind one small face: OpenCV's, and PyAV's for what OpenCV's wheel cannot decode.

OpenCV is the first choice: for BGR it is 1.2 (720p) to 2 times (432p) as fast. Its wheel lacks an AV1 decoder, which
PyAV's has.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import cv2
import numpy as np

from engine import runtime
from engine.media.frame import Image
from engine.media.patience import Patience

runtime.drop_qt_variables_of_cv2()
if os.environ.get("OPENCV_LOG_LEVEL") == "SILENT":
    # for a process that had loaded cv2 before it came here
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_options_lock = threading.Lock()
_MOST_FRAMES = 1e9
"""A count above this (or below 1) is a decoder's way to say that it does not know."""


class Capture(Protocol):
    """An open decoder.

    Attributes:
        fps: frames a second; 0.0 if unknown.
        count: how many frames the container promises; None if it promises nothing.
    """

    fps: float
    count: int | None

    def read(self) -> Image | None:
        """The next picture; None at the end, at a stall and at damage alike."""
        ...

    def grab(self) -> bool:
        """Pass over the next picture."""
        ...

    def time_s(self) -> float:
        """Presentation time of the picture that was read or grabbed last, from wherever the container begins."""
        ...

    def jump(self, index: int) -> None:
        """Go near this frame: what is read next may be it, one before or one after."""
        ...

    def release(self) -> None: ...


class _OpenCv:
    """`cv2.VideoCapture` with its FFmpeg."""

    def __init__(self, address: str, patience: Patience | None, options: Mapping[str, str]) -> None:
        limits = []
        if patience is not None:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(1e3 * patience.open_s)]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1e3 * patience.read_s)]
        with _capture_options(options):
            self._capture: Any = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
        self.opened: bool = self._capture.isOpened()
        fps, count = (self._capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.fps = fps if 0 < fps < 10_000 else 0.0
        self.count = round(count) if 1 <= count < _MOST_FRAMES else None

    def read(self) -> Image | None:
        ok, image = self._capture.read()
        return image if ok else None

    def grab(self) -> bool:
        return bool(self._capture.grab())

    def time_s(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3

    def jump(self, index: int) -> None:
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)

    def release(self) -> None:
        self._capture.release()


class _PyAv:
    """PyAV's container and decoder."""

    def __init__(self, address: str, patience: Patience | None, options: Mapping[str, str]) -> None:
        import av

        limits = (patience.open_s, patience.read_s) if patience is not None else None
        self._errors = (av.error.FFmpegError, OSError)
        self._container = av.open(address, options=dict(options), timeout=limits)
        try:
            self._stream = self._container.streams.video[0]
        except IndexError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self._frames: Iterator[Any] = self._container.decode(self._stream)
        self._time_s = 0.0
        self.fps = float(self._stream.average_rate or 0.0)
        self.count = self._stream.frames or None
        if self.count is None and self._container.duration and self.fps:
            self.count = round(self._container.duration / av.time_base * self.fps)

    def _next(self) -> Any:
        try:
            frame = next(self._frames, None)
        except self._errors:
            return None
        if frame is not None:
            self._time_s = frame.time or 0.0
        return frame

    def read(self) -> Image | None:
        frame = self._next()
        if frame is None:
            return None
        image: Image = frame.to_ndarray(format="bgr24")
        # OpenCV turns a picture upright by itself
        return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90))) if frame.rotation else image

    def grab(self) -> bool:
        return self._next() is not None

    def time_s(self) -> float:
        return self._time_s

    def jump(self, index: int) -> None:
        begin = self._stream.start_time or 0
        target = begin + round(index / (self.fps or 25.0) / self._stream.time_base)
        try:
            self._container.seek(target, stream=self._stream, backward=True)
        except self._errors:
            return
        self._frames = self._container.decode(self._stream)

    def release(self) -> None:
        self._container.close()


def open_capture(
    address: str, patience: Patience | None = None, options: Mapping[str, str] | None = None
) -> tuple[Capture, Image] | None:
    """Open a file or an address with the first decoder that gets a picture out of it.

    Args:
        address: a path or anything FFmpeg can open.
        patience: the limits for opening and reading; None for a local file.
        options: FFmpeg's, for the protocol (`headers`, `user_agent`).

    Returns:
        The decoder and the first picture; None if there is none to be had.
    """
    first = _OpenCv(address, patience, options or {})
    if not first.opened:
        return None
    began = time.monotonic()
    image = first.read()
    if image is not None:
        return first, image
    first.release()
    if patience is not None and time.monotonic() - began > 0.9 * patience.read_s:
        # it fell silent: another decoder would only wait as long once more
        return None
    try:
        second = _PyAv(address, patience, options or {})
    except (OSError, IndexError, ValueError):
        return None
    image = second.read()
    if image is not None:
        return second, image
    second.release()
    return None


@contextmanager
def _capture_options(options: Mapping[str, str]) -> Iterator[None]:
    """OpenCV takes the protocol's options from one variable of the process, at the moment of opening."""
    if not options:
        yield
        return
    with _options_lock:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = "|".join(f"{key};{_escaped(value)}" for key, value in options.items())
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before


def _escaped(value: str) -> str:
    return "".join("\\" + letter if letter in "\\'|" else letter for letter in value)
