"""Anti-aliased cut-outs with exact outlines, and the pen that draws them. numpy and cv2 only.

A figure is drawn four times too large with cv2's plain shapes and shrunk by area: that gives soft edges, and a coverage
that is known exactly. Lengths inside a figure are given in units of its height, x to the right, y down.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""Blue, green, red, 0..255."""

_OVER = 4
_FAINT = 16  # coverage (of 255) below this is dropped: nobody sees it, but it would widen the box by a pixel


@dataclass(frozen=True, slots=True)
class Look:
    """What makes one figure different from the next; the same look draws the same pixels.

    Attributes:
        kind: one of `KINDS` or `PROPS`.
        height: pixels.
        colours: what each kind makes of them, e.g. skin, hair, top, trousers, shoes, bag.
        variant: bits, what each kind makes of them, e.g. skirt, bag, cap, long hair.
    """

    kind: str
    height: int
    colours: tuple[Colour, ...]
    variant: int = 0


@dataclass(frozen=True, slots=True)
class Sprite:
    """A figure cut out, ready to be laid on a picture.

    Attributes:
        colour: (h, w, 3) uint8, BGR times coverage.
        keep: (h, w, 3) uint8, how much of the picture below stays, 255 is all.
        solid: (h, w) bool, at least half covered.
        dx, dy: pixels from the point where the figure stands (middle of its feet) to the cut-out's left top corner.
        pixels: number of solid pixels.
    """

    colour: NDArray[np.uint8]
    keep: NDArray[np.uint8]
    solid: NDArray[np.bool_]
    dx: int
    dy: int
    pixels: int


def lay(image: NDArray[np.uint8], sprite: Sprite, x: int, y: int) -> None:
    """Draw a cut-out on an (H, W, 3) uint8 BGR picture, standing at (x, y); what lies outside is cut off."""
    left, top = x + sprite.dx, y + sprite.dy
    h, w = sprite.solid.shape
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, image.shape[1]), min(top + h, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    below = image[y0:y1, x0:x1]
    cv2.multiply(below, sprite.keep[inside], dst=below, scale=1 / 255)
    cv2.add(below, sprite.colour[inside], dst=below)


def shade(colour: Colour, factor: float) -> Colour:
    b, g, r = (int(np.clip(c * factor, 0, 255)) for c in colour)
    return b, g, r


class Pen:
    """Draws one figure, four times too large; x = 0 is the middle, y = 1 the ground."""

    def __init__(self, height: int, width: float) -> None:
        self.unit = height * _OVER
        self.half = math.ceil(width * height / 2) + 2
        self.above = math.ceil(height * 0.08) + 2
        rows = height + 2 * self.above
        self.canvas = np.zeros((rows * _OVER, 2 * self.half * _OVER, 4), np.uint8)

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.unit + self.half * _OVER), round(y * self.unit + self.above * _OVER)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        cv2.fillPoly(self.canvas, [np.array([self._at(*p) for p in points], np.int32)], (*colour, 255))

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour, angle: float = 0.0) -> None:
        axes = (max(1, round(rx * self.unit)), max(1, round(ry * self.unit)))
        cv2.ellipse(self.canvas, self._at(x, y), axes, angle, 0, 360, (*colour, 255), -1)

    def slice(self, x: float, y: float, r: float, start: float, end: float, colour: Colour) -> None:
        axes = (round(r * self.unit), round(r * self.unit))
        cv2.ellipse(self.canvas, self._at(x, y), axes, 0, start, end, (*colour, 255), -1)

    def limb(self, points: list[tuple[float, float]], width: float, colour: Colour) -> None:
        line = np.array([self._at(*p) for p in points], np.int32)
        cv2.polylines(self.canvas, [line], False, (*colour, 255), max(1, round(width * self.unit)))

    def block(self, x0: float, y0: float, x1: float, y1: float, r: float, colour: Colour) -> None:
        """A rectangle with round corners."""
        if r <= 0:
            self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)
            return
        self.polygon([(x0 + r, y0), (x1 - r, y0), (x1 - r, y1), (x0 + r, y1)], colour)
        self.polygon([(x0, y0 + r), (x1, y0 + r), (x1, y1 - r), (x0, y1 - r)], colour)
        for x, y in ((x0 + r, y0 + r), (x1 - r, y0 + r), (x0 + r, y1 - r), (x1 - r, y1 - r)):
            self.disc(x, y, r, r, colour)

    def cut(self, flip: bool) -> Sprite:
        rows, columns = self.canvas.shape[0] // _OVER, self.canvas.shape[1] // _OVER
        small = cv2.resize(self.canvas, (columns, rows), interpolation=cv2.INTER_AREA)
        small[small[:, :, 3] < _FAINT] = 0
        x0, y0, w, h = cv2.boundingRect(small[:, :, 3])
        small = small[y0 : y0 + h, x0 : x0 + w]
        # light falls from the left top
        down = np.linspace(1.10, 0.90, rows, dtype=np.float32)[y0 : y0 + h, None]
        light = down * np.linspace(1.08, 0.92, columns, dtype=np.float32)[x0 : x0 + w]
        cover = small[:, :, 3:]
        lit = np.minimum(small[:, :, :3] * light[:, :, None], cover).astype(np.uint8)
        keep = cv2.merge([255 - cover[:, :, 0]] * 3)
        if flip:
            lit, keep, x0 = cv2.flip(lit, 1), cv2.flip(keep, 1), columns - x0 - w
        keep = np.asarray(keep, np.uint8)
        solid = keep[:, :, 0] < 128
        # y = 1 is where the figure stands: row above + height of the small picture
        return Sprite(
            np.asarray(lit, np.uint8), keep, solid, x0 - self.half, y0 - (rows - self.above), int(solid.sum())
        )
