"""What every source hands out, and what it says about itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8, BGR."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8, BGR; never written again.
        index: from 0; of a live source, the number of frames captured before it (dropped ones count).
        time_s: seconds from the first frame.
        captured_s: `time.monotonic()` when it left the decoder or the camera.
    """

    image: Image
    index: int
    time_s: float
    captured_s: float


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source knows about itself before the first frame is read.

    Attributes:
        text: what the person typed or dropped; opens the same source again.
        name: short, for the bar and for file names ("street.mp4", "camera 0", a page's title).
        kind: "video", "camera", "screen", "image", "folder", "stream", "drawn".
        width, height: pixels of the full picture.
        fps: frames a second; 0.0 where there is no rate (an image).
        frames: how many there are; None for a live source or where nobody knows.
        live: True where time goes on whether or not anybody reads; only then may frames be dropped.
    """

    text: str
    name: str
    kind: str
    width: int
    height: int
    fps: float
    frames: int | None
    live: bool

    @property
    def duration_s(self) -> float | None:
        """Seconds from the first frame to the end; None where the length or the rate is unknown."""
        return self.frames / self.fps if self.frames and self.fps else None


class Source(Protocol):
    """A place that frames come from. Opened, read and closed on one thread."""

    @property
    def info(self) -> SourceInfo: ...

    def frames(self, start: int = 0) -> Iterator["Frame | object"]:
        """Frames from number `start` on, decoded ahead of the reader; `Notice`s between them where there is something
        to say (a skipped picture, a reconnect). A live source ignores `start`. Closing the iterator stops the decoder.
        """
        ...

    def at(self, index: int) -> Frame:
        """The frame with exactly this number.

        Raises:
            SightlineError: past the end, or the source is live.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...
