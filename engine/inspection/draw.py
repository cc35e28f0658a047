"""How a verdict looks: the map's colours, what is laid over the picture, outlines. numpy and cv2 only.

The window lays `layer` over a clean picture; files and reports get `overlay` and `picture_with_verdict`. Both are made
from one table of colours, so they look the same.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.inspection.outline import contours
from engine.inspection.types import Image, Map, Verdict
from engine.palette import bgr

runtime.drop_qt_variables_of_cv2()

__all__ = ["COLOUR_MAPS", "MODES", "colour", "contours", "layer", "outlined", "overlay", "picture_with_verdict",
           "side_by_side"]  # fmt: skip

COLOUR_MAPS = ("inferno", "turbo", "jet", "magma", "viridis", "grey")
"""From calm to abnormal."""
MODES = ("heat map", "mask")
ABNORMAL, NORMAL = "#dc2626", "#16a34a"
"""The outline, the mask and the word of a verdict."""
TRUTH = "#22d3ee"
"""The outline of a mask that comes with the data: far from a verdict's colours, and from what a heat map glows in."""

_TABLES = {"inferno": cv2.COLORMAP_INFERNO, "turbo": cv2.COLORMAP_TURBO, "jet": cv2.COLORMAP_JET,
           "magma": cv2.COLORMAP_MAGMA, "viridis": cv2.COLORMAP_VIRIDIS}  # fmt: skip
_GAP = 12
_GROUND = "#16181d"
_WORDS = "#ffffff"


def colour(map: Map, name: str = "inferno") -> Image:
    """A map in colours.

    Args:
        map: (H, W) float32; 0..1, what is beyond is cut off, NaN counts as 0.
        name: one of `COLOUR_MAPS`.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    coloured: Image = cv2.applyColorMap(_levels(map), _table(name))
    return coloured


def overlay(
    image: Image,
    map: Map,
    *,
    opacity: float = 0.6,
    colour_map: str = "inferno",
    low: float = 0.3,
    mode: str = "heat map",
    threshold: float = 0.5,
) -> Image:
    """A picture with what is abnormal glowing on it.

    Args:
        image: (H, W, 3) uint8, BGR; not written.
        map: (H, W) float32 in 0..1.
        opacity: 0..1, of the highest values.
        colour_map: one of `COLOUR_MAPS`.
        low: up to this value the picture stays as it is; above it the colour comes in smoothly.
        mode: "heat map", or "mask": one colour, flat, from `threshold` on.
        threshold: 0..1, for the mask.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    _check(image, map)
    levels = _levels(map)
    colours, alpha = _glow(opacity, colour_map, low, mode, threshold)
    over = cv2.applyColorMap(levels, colours)
    under = cv2.applyColorMap(levels, np.repeat(255 - alpha[:, :, None], 3, axis=2))
    cv2.multiply(image, under, dst=under, scale=1 / 255)
    glowing: Image = cv2.add(under, over, dst=under)
    return glowing


def layer(
    map: Map,
    *,
    opacity: float = 0.6,
    colour_map: str = "inferno",
    low: float = 0.3,
    mode: str = "heat map",
    threshold: float = 0.5,
) -> NDArray[np.uint8]:
    """What `overlay` lays over a picture, alone: for a window that keeps the picture clean.

    Args:
        map: (H, W) float32 in 0..1.
        opacity, colour_map, low, mode, threshold: as in `overlay`.

    Returns:
        (H, W, 4) uint8, BGRA, premultiplied (Qt: `Format_ARGB32_Premultiplied`).
    """
    colours, alpha = _glow(opacity, colour_map, low, mode, threshold)
    table = np.concatenate([colours, alpha[:, :, None]], axis=2).reshape(256, 4)
    # one number a pixel is looked up four times as fast as four
    packed = np.ascontiguousarray(table).view(np.uint32).ravel()
    return packed[_levels(map)].view(np.uint8).reshape(*map.shape, 4)


def outlined(image: Image, outlines: Sequence[NDArray[np.float32]], hue: str = ABNORMAL) -> Image:
    """A copy of a picture with outlines drawn on it.

    Args:
        image: (H, W, 3) uint8, BGR; not written.
        outlines: as `contours` gives them.
        hue: "#rrggbb".
    """
    drawn = image.copy()
    # OpenCV counts from the middle of the first pixel, and takes sixteenths
    points = [np.round((outline - 0.5) * 16).astype(np.int32) for outline in outlines]
    width = max(1, round(1.6 * _unit(image)))
    cv2.polylines(drawn, points, True, bgr(hue), width, cv2.LINE_AA, 4)
    return drawn


def picture_with_verdict(
    image: Image,
    verdict: Verdict,
    *,
    opacity: float = 0.6,
    colour_map: str = "inferno",
    low: float = 0.3,
    mode: str = "heat map",
    contour: bool = True,
    words: bool = True,
) -> Image:
    """A picture as files and reports show it: the glow, the outline at the threshold, the verdict in words.

    Args:
        image: (H, W, 3) uint8, BGR; the picture that the verdict is about; not written.
        verdict: of this picture.
        opacity, colour_map, low, mode: as in `overlay`.
        contour: draw the outline of what reaches the threshold.
        words: write the verdict into the corner; left out where the picture is too small to read it.

    Returns:
        (H, W, 3) uint8, BGR, of the picture's size.
    """
    drawn = overlay(
        image, verdict.map, opacity=opacity, colour_map=colour_map, low=low, mode=mode, threshold=verdict.threshold
    )
    if contour:
        drawn = outlined(drawn, contours(verdict.map, verdict.threshold))
    if words:
        word = "Abnormal" if verdict.abnormal else "Normal"
        text = f"{word} {verdict.score:.2f} (threshold {verdict.threshold:.2f})"
        _tag(drawn, text, ABNORMAL if verdict.abnormal else NORMAL)
    return drawn


def side_by_side(images: Sequence[Image], ground: str = _GROUND) -> Image:
    """Pictures in a row, all as high as the first one.

    Args:
        images: each (H, W, 3) uint8, BGR; at least one.
        ground: "#rrggbb" of the gap between them.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    height = images[0].shape[0]
    gap = np.empty((height, max(2, round(_GAP * _unit(images[0]))), 3), np.uint8)
    gap[:] = bgr(ground)
    row: list[Any] = []
    for image in images:
        if image.shape[0] != height:
            width = max(1, round(image.shape[1] * height / image.shape[0]))
            smaller = image.shape[0] > height
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        row += [gap, image]
    return np.concatenate(row[1:], axis=1)


def _levels(map: Map) -> NDArray[np.uint8]:
    """0..1 as 0..255."""
    scaled = cv2.multiply(map, 255.0)
    cv2.patchNaNs(scaled, 0.0)
    # negative numbers would come back as positive ones
    levels: NDArray[np.uint8] = cv2.convertScaleAbs(np.clip(scaled, 0, 255, out=scaled))
    return levels


def _table(name: str) -> NDArray[np.uint8]:
    """(256, 1, 3) uint8, BGR: the colours of a map's values."""
    steps = np.arange(256, dtype=np.uint8)[:, None]
    if name == "grey":
        return np.repeat(steps[:, :, None], 3, axis=2)
    table: NDArray[np.uint8] = cv2.applyColorMap(steps, _TABLES[name])
    return table


def _glow(
    opacity: float, colour_map: str, low: float, mode: str, threshold: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The table of premultiplied colours (256, 1, 3) and that of opacities (256, 1), both uint8."""
    values = np.arange(256)[:, None] / 255
    if mode == "mask":
        # the level that the threshold itself falls on belongs to the mask
        alpha = np.where(np.arange(256)[:, None] >= round(threshold * 255), opacity, 0.0)
        colours = np.tile(np.array(bgr(ABNORMAL), np.float64), (256, 1, 1))
    elif mode == "heat map":
        along = np.clip((values - low) / max(1 - low, 1e-6), 0, 1)
        # rises at once and levels off: what is above the threshold shows, what is calm stays clear
        alpha = opacity * along * (2 - along)
        colours = _table(colour_map).astype(np.float64)
    else:
        raise ValueError(f"{mode} is none of {MODES}")
    whole = np.round(255 * np.clip(alpha, 0, 1)).astype(np.uint8)
    return np.round(colours * (whole[:, :, None] / 255)).astype(np.uint8), whole


def _tag(drawn: Image, text: str, hue: str) -> None:
    """Write into the upper left corner, smaller where there is no room, not at all where nobody could read it."""
    size = 0.5 * max(0.75, max(drawn.shape[:2]) / 700)
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    pad = round(height * 0.6)
    fits = min(1.0, (drawn.shape[1] - 2 * pad) / width)
    if size * fits < 0.28:
        return
    size *= fits
    thick = max(1, round(1.2 * size))
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
    cv2.rectangle(drawn, (0, 0), (width + 2 * pad, height + base + 2 * pad), bgr(hue), -1)
    cv2.putText(drawn, text, (pad, pad + height), cv2.FONT_HERSHEY_SIMPLEX, size, bgr(_WORDS), thick, cv2.LINE_AA)


def _unit(image: Image) -> float:
    """How many of its pixels are one on a screen that shows the picture about 700 pixels large."""
    longer: int = max(image.shape[:2])
    return max(1.0, longer / 700)


def _check(image: Image, map: Map) -> None:
    if image.shape[:2] != map.shape:
        raise ValueError(f"a map of {map.shape} over a picture of {image.shape}")
