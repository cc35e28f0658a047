"""A picture of any shape laid into the input of a network, and points taken back out of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.tracking.types import Floats

Image = NDArray[np.uint8]
PADDING = 114
"""The grey that YOLO networks were trained to ignore."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in a network's input: scaled evenly, centred, padded up to whole strides.

    The rectangle is kept (a 1280x720 picture becomes 640x384, not 640x640), as by Ultralytics.

    Attributes:
        picture: (height, width) of the full picture.
        inner: (height, width) of the picture inside the input.
        outer: (height, width) of the input.
        top, left: where the picture begins in the input, in pixels.
    """

    picture: tuple[int, int]
    inner: tuple[int, int]
    outer: tuple[int, int]
    top: int
    left: int

    @staticmethod
    def fit(
        picture: tuple[int, int], size: int, stride: int = 32, fixed: tuple[int, int] | None = None, least: int = 32
    ) -> "Letterbox":
        """Lay a picture of (height, width) into an input whose longer side is `size` pixels.

        Args:
            picture: (height, width) of the full picture.
            size: the longer side of the input; rounded up to whole strides.
            stride: what the sides of the input are multiples of.
            fixed: (height, width) of an input that cannot change; `size` is then ignored.
            least: the shorter side of the input is at least this.
        """
        height, width = picture
        side = max(-(-size // stride) * stride, stride)
        room = fixed or (side, side)
        gain = min(room[0] / height, room[1] / width)
        inner = (max(round(height * gain), 1), max(round(width * gain), 1))
        spare = [room[0] - inner[0], room[1] - inner[1]]
        if fixed is None:
            spare = [s % stride for s in spare]
            spare = [s + max(0, least - (s + i)) for s, i in zip(spare, inner, strict=True)]
        outer = (inner[0] + spare[0], inner[1] + spare[1])
        # Ultralytics' own rounding: an odd spare pixel goes to the bottom and to the right
        return Letterbox(picture, inner, outer, round(spare[0] / 2 - 0.1), round(spare[1] / 2 - 0.1))

    def paste(self, image: Image, out: Image) -> None:
        """Write the scaled picture into `out`, whose margins hold `PADDING` already.

        Args:
            image: (H, W, 3) uint8, the full picture.
            out: (outer height, outer width, 3) uint8, written in place.
        """
        inside = out[self.top : self.top + self.inner[0], self.left : self.left + self.inner[1]]
        if self.inner == self.picture:
            np.copyto(inside, image)
        else:
            cv2.resize(image, self.inner[::-1], dst=inside, interpolation=cv2.INTER_LINEAR)

    def points_out(self, points: Floats) -> Floats:
        """Points of the input as points of the full picture, clipped to it.

        Args:
            points: (..., 2) float32, x and y in pixels of the input.
        """
        scale = np.array([self.inner[1] / self.picture[1], self.inner[0] / self.picture[0]], np.float32)
        moved = (points - np.array([self.left, self.top], np.float32)) / scale
        inside: Floats = np.clip(moved, 0, np.array([self.picture[1], self.picture[0]], np.float32))
        return inside
