"""How a map looks: its colours, what is laid over the picture. numpy and cv2 only.

The window lays `heat` over a clean picture; files get `blended`. Both are made from one table of colours.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.knobs import knob
from engine.saliency.types import Explanation, Image, Map

runtime.drop_qt_variables_of_cv2()

COLOURS = ("turbo", "viridis", "magma", "inferno", "grey")
SIGNS = ("for", "against", "both")
_TABLES = {
    "turbo": cv2.COLORMAP_TURBO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "magma": cv2.COLORMAP_MAGMA,
    "inferno": cv2.COLORMAP_INFERNO,
}
_FOR, _AGAINST = (46, 102, 230), (214, 120, 30)
"""Evidence for and against, where both are shown: orange red and blue, BGR."""
FINE_SIGMA = 4.0
_ROWS = 256
"""At a time, where floating-point numbers of a whole large picture would not fit in memory."""
_QUANTILE = 0.995
"""Of a fine map, whose single highest pixel says little; of a coarse one it is the maximum."""


@dataclass(frozen=True, slots=True)
class Show:
    """How maps are shown.

    Attributes:
        how: "blend" lays the map over the picture, "mask" darkens what does not count.
        opacity: 0..1, of the strongest evidence.
        colours: one of `COLOURS`; where both signs are shown there are two colours instead.
        sign: one of `SIGNS`.
        threshold: share of the strongest under which nothing is shown, 0..1.
        smoothing: how much a fine map is blurred before it is shown, pixels of the network's square.
    """

    how: str = knob("blend", "Show as", group="Show", choices=("blend", "mask"), words=("heat map", "mask"),
                    help="Lay the map over the picture, or darken what does not count.")  # fmt: skip
    opacity: float = knob(0.65, "Opacity", group="Show", low=0.0, high=1.0, step=0.05, unit="%")
    colours: str = knob("turbo", "Colours", group="Show", choices=COLOURS)
    sign: str = knob("for", "Evidence", group="Show", choices=SIGNS,
                     help="What speaks for the class, what speaks against it, or both in two colours.")  # fmt: skip
    threshold: float = knob(0.15, "Threshold", group="Show", low=0.0, high=0.95, step=0.05, unit="%",
                            help="Evidence weaker than this share of the strongest is not shown.")  # fmt: skip
    smoothing: float = knob(FINE_SIGMA, "Smoothing", group="Show", low=0.0, high=16.0, step=0.5, unit="px",
                            help="Maps as fine as the picture are blurred before they are shown.")  # fmt: skip


def evidence(values: Map, fine: bool, sign: str = "for", smoothing: float = FINE_SIGMA) -> Map:
    """A map as it is looked at: one side of it, and blurred if it is as fine as the picture.

    The side is taken before the blur. On both sides of an edge a fine map has numbers of opposite sign, which tell of
    the same edge: blurred together they would cancel each other.

    Args:
        values: (h, w) float32, above 0 for the target. What is not finite counts as 0.
        fine: whether it is as fine as the picture, see `Method.fine`.
        sign: "for" or "against".
        smoothing: standard deviation of the blur, pixels.

    Returns:
        (h, w) float32, 0 and above.
    """
    clean = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    side: Map = (clean if sign == "for" else -clean).clip(min=0)
    if not fine or smoothing <= 0:
        return side
    blurred: Map = cv2.GaussianBlur(side, (0, 0), smoothing, borderType=cv2.BORDER_REPLICATE)
    return blurred


def _largest(side: Map, fine: bool) -> float:
    """What is shown at full strength: one pixel of a fine map must not darken all others."""
    return float(np.quantile(side, _QUANTILE) if fine else side.max()) or float(side.max()) or 1.0


def heat(values: Map, show: Show, *, fine: bool = False) -> tuple[NDArray[np.uint8], Map]:
    """What is laid over the picture, at full opacity: that is for whoever paints it to choose.

    Args:
        values: (h, w) float32, above 0 for the target.
        show: how.
        fine: whether the map is as fine as the picture.

    Returns:
        (h, w, 4) uint8, BGRA, premultiplied (Qt: `Format_ARGB32_Premultiplied`), and the evidence that was coloured,
        (h, w) float32, what speaks against the target below 0.
    """
    sides = [
        evidence(values, fine, sign, show.smoothing) if show.sign in (sign, "both") else np.zeros_like(values)
        for sign in ("for", "against")
    ]
    speaks, against = sides
    largest = max(_largest(side, fine) if side.any() else 0.0 for side in sides) or 1.0
    strength = np.clip(np.maximum(speaks, against) / largest, 0, 1)
    shown = np.where(speaks >= against, speaks, -against).astype(np.float32)
    if show.how == "mask":
        return _mask(strength.astype(np.float32), show.threshold), shown
    if show.sign == "both":
        colours = np.where((speaks >= against)[..., None], np.array(_FOR, np.uint8), np.array(_AGAINST, np.uint8))
    else:
        levels = np.round(255 * strength).astype(np.uint8)
        colours = (
            cv2.cvtColor(levels, cv2.COLOR_GRAY2BGR)
            if show.colours == "grey"
            else cv2.applyColorMap(levels, _TABLES[show.colours])
        )
    # it comes in smoothly above the threshold
    low = show.threshold
    alpha = np.clip((strength - low) / max(0.05, min(0.35, 1 - low)), 0, 1)
    alpha[strength <= 0] = 0
    return _premultiplied(colours, alpha), shown


def _mask(strength: Map, low: float) -> NDArray[np.uint8]:
    """Black over what does not count."""
    kept = np.clip((strength - low) / max(0.05, 0.25 * (1 - low)), 0, 1)
    return _premultiplied(np.zeros((*strength.shape, 3), np.uint8), 1 - kept)


def _premultiplied(colours: Any, alpha: Any) -> NDArray[np.uint8]:
    pixels = np.empty((*alpha.shape, 4), np.uint8)
    pixels[..., :3] = np.round(colours * alpha[..., None])
    pixels[..., 3] = np.round(255 * alpha)
    return pixels


def blended(image: Image, explanation: Explanation, show: Show, *, fine: bool | None = None) -> Image:
    """A picture with a map over it, for a file.

    Args:
        image: (H, W, 3) uint8, BGR; not written.
        explanation: of this picture.
        show: how.
        fine: whether the map is as fine as the picture; None looks the method up.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    if fine is None:
        from engine.saliency.methods import METHODS

        fine = METHODS[explanation.method].fine
    pixels, _values = heat(explanation.values, show, fine=fine)
    height, width = image.shape[:2]
    place = explanation.preprocessing.placement(height, width)
    x, y, wide, high = place.source
    left, top, w, h = place.target
    over = cv2.resize(pixels[top : top + h, left : left + w], (wide, high), interpolation=cv2.INTER_LINEAR)
    drawn = image.copy()
    for row in range(0, high, _ROWS):
        part, some = drawn[y + row : y + min(high, row + _ROWS), x : x + wide], over[row : row + _ROWS]
        weight = show.opacity * some[..., 3:].astype(np.float32) / 255
        part[:] = np.clip(part * (1 - weight) + show.opacity * some[..., :3], 0, 255).round().astype(np.uint8)
    return drawn
