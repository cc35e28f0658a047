"""A source that is drawn while it is read: the samples, and whatever a notebook wants to try."""

import threading
import time
from collections.abc import Callable, Iterator

from engine.media.ahead import AheadSource, past_end
from engine.media.frame import Frame, Image, SourceInfo

Draw = Callable[[int], Image]


class DrawnSource(AheadSource):
    """Frames from a function; seeks exactly, is not live.

    Args:
        name: shown in the bar.
        width, height: pixels of what `draw` returns.
        fps: frames a second.
        frames: how many there are.
        draw: (index) -> (height, width, 3) uint8, BGR; a new array each time. It is called on the decode thread and on
            the thread of `at`, never on both at once.
        text: opens the same source again, where somebody knows how.
    """

    def __init__(
        self, name: str, width: int, height: int, fps: float, frames: int, draw: Draw, *, text: str = ""
    ) -> None:
        info = SourceInfo(text or f"drawn:{name}", name, "drawn", width, height, fps, frames, live=False)
        lock = threading.Lock()
        super().__init__(info, lambda _stop: _DrawnReader(info, draw, lock))


class _DrawnReader:
    def __init__(self, info: SourceInfo, draw: Draw, lock: threading.Lock) -> None:
        self.info = info
        self._draw, self._lock = draw, lock

    def events(self, start: int) -> Iterator[Frame]:
        yield self.frame(start)
        for index in range(start + 1, self.info.frames or 0):
            yield self.frame(index)

    def frame(self, index: int) -> Frame:
        if index >= (self.info.frames or 0):
            raise past_end(self.info, index)
        with self._lock:
            image = self._draw(index)
        return Frame(image, index, index / self.info.fps if self.info.fps else 0.0, time.monotonic())

    def close(self) -> None:
        pass
