"""The screen, or a part of it."""

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Notice
from engine.media.ahead import AheadSource, opening
from engine.media.frame import Frame, Image, SourceInfo

SCREEN_FPS = 30.0
_REGION = re.compile(r"screen(?::\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*)?", re.IGNORECASE)


def region_of(text: str) -> tuple[int, int, int, int] | None:
    """The part of the screen that a text names ("screen:left,top,width,height"); None for the whole ("screen").

    Raises:
        SightlineError: it names neither.
    """
    match = _REGION.fullmatch(text.strip())
    if match is None or (match[1] is not None and not (int(match[3]) and int(match[4]))):
        raise SightlineError(f'"{text}" names no part of the screen: write screen:left,top,width,height in pixels.')
    return None if match[1] is None else (int(match[1]), int(match[2]), int(match[3]), int(match[4]))


def opening_screen(text: str) -> Job[AheadSource]:
    """Open the first monitor or a region of the desktop: up to 30 pictures a second, the newest wins.

    Args:
        text: "screen" or "screen:left,top,width,height", pixels of the desktop.

    Raises:
        SightlineError: the screen cannot be captured, or the region is outside it.
    """
    region = region_of(text)
    return (yield from opening("screen", lambda stop: _ScreenReader(text, region, stop)))


class _ScreenReader:
    def __init__(self, text: str, region: tuple[int, int, int, int] | None, stop: threading.Event) -> None:
        import mss

        self._errors = (mss.ScreenShotError, OSError)
        self._stop = stop
        try:
            self._screen: Any = mss.MSS()
            desktop, monitors = self._screen.monitors[0], self._screen.monitors[1:]
            self._area = _area(region, desktop, monitors[0] if monitors else desktop)
            height, width = self._grab().shape[:2]
        except SightlineError:
            self.close()
            raise
        except self._errors as error:
            self.close()
            raise SightlineError(f"The screen cannot be captured here: {_reason(error)}.") from error
        self.info = SourceInfo(text, "screen", "screen", width, height, SCREEN_FPS, None, live=True)

    def _grab(self) -> Image:
        shot = self._screen.grab(self._area)
        bgra = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
        return np.ascontiguousarray(bgra[:, :, :3])

    def events(self, _start: int) -> Iterator[Frame | Notice]:
        index, began = 0, time.monotonic()
        due = began
        while not self._stop.is_set():
            try:
                image = self._grab()
            except self._errors as error:
                raise SightlineError(f"The screen can no longer be captured: {_reason(error)}.") from error
            now = time.monotonic()
            yield Frame(image, index, now - began, now)
            index += 1
            due = max(due + 1 / SCREEN_FPS, now)
            self._stop.wait(due - now)

    def close(self) -> None:
        screen = getattr(self, "_screen", None)
        if screen is not None:
            screen.close()


def _area(region: tuple[int, int, int, int] | None, desktop: dict[str, int], monitor: dict[str, int]) -> dict[str, int]:
    """The region inside the desktop, as mss wants it."""
    if region is None:
        return {key: monitor[key] for key in ("left", "top", "width", "height")}
    left, top = max(region[0], desktop["left"]), max(region[1], desktop["top"])
    right = min(region[0] + region[2], desktop["left"] + desktop["width"])
    bottom = min(region[1] + region[3], desktop["top"] + desktop["height"])
    if right <= left or bottom <= top:
        raise SightlineError(
            f"The region {','.join(map(str, region))} lies outside the screen, "
            f"which is {desktop['width']} x {desktop['height']}: choose one inside it."
        )
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}


def _reason(error: Exception) -> str:
    text = str(error).strip().rstrip(".").split("\n")[0]
    if "display" in text.lower():
        return "there is no display (on Wayland, start Sightline under X11)"
    return text[:1].lower() + text[1:] if text else "the system refused"
