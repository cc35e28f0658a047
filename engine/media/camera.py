"""A camera at this machine."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from engine import runtime
from engine.errors import SightlineError
from engine.job import Job, Notice
from engine.media.ahead import AheadSource, opening
from engine.media.frame import Frame, Image, SourceInfo

runtime.drop_qt_variables_of_cv2()

_USUAL_FPS = 30.0
_SILENT_S = 2.0
"""A camera that gives no picture for this long is gone; a single failed read happens."""
_PAUSE_S = 0.05


def cameras() -> list[int]:
    """The numbers of the cameras that this machine shows; empty where it does not say (only Linux does)."""
    return sorted(int(file.name[5:]) for file in Path("/dev").glob("video[0-9]*") if file.name[5:].isdecimal())


def opening_camera(number: int) -> Job[AheadSource]:
    """Open a camera on a thread of its own; drivers take from 0.1 to some seconds. The newest frame wins.

    Raises:
        SightlineError: it is not there or gives no picture.
    """
    return (yield from opening(f"camera {number}", lambda stop: _CameraReader(number, stop)))


class _CameraReader:
    def __init__(self, number: int, stop: threading.Event) -> None:
        self._number, self._stop = number, stop
        self._capture: Any = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise SightlineError(_not_there(number))
        # what waits in the driver is old; not every driver listens
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._first: Image | None = self._read()
        if self._first is None:
            self.close()
            raise SightlineError(
                f"Camera {number} gives no picture: close the program that uses it, or plug it in again."
            )
        height, width = self._first.shape[:2]
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        fps = fps if 0 < fps < 1000 else _USUAL_FPS
        self.info = SourceInfo(str(number), f"camera {number}", "camera", width, height, fps, None, live=True)

    def _read(self) -> Image | None:
        """The next picture; None if none came for too long, or it was stopped."""
        since = time.monotonic()
        while not self._stop.is_set():
            ok, image = self._capture.read()
            if ok and image is not None:
                return image  # type: ignore[no-any-return]
            if time.monotonic() - since > _SILENT_S:
                return None
            self._stop.wait(_PAUSE_S)
        return None

    def events(self, _start: int) -> Iterator[Frame | Notice]:
        image, self._first = self._first, None
        index, began = 0, time.monotonic()
        while not self._stop.is_set():
            if image is None:
                image = self._read()
            if image is None:
                if self._stop.is_set():
                    return
                raise SightlineError(f"Camera {self._number} sends no more pictures: plug it in again and reopen it.")
            now = time.monotonic()
            yield Frame(image, index, now - began, now)
            image, index = None, index + 1

    def close(self) -> None:
        self._capture.release()


def _not_there(number: int) -> str:
    known = cameras()
    if known:
        others = ", ".join(map(str, known))
        return f"Camera {number} cannot be opened: it is in use or not there; this machine shows {others}."
    if sys.platform.startswith("linux"):
        return f"There is no camera {number}: this machine shows none; plug one in."
    return f"There is no camera {number}, or it may not be used: plug it in, or allow it in the system's settings."
