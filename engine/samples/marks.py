"""Shapes of what goes wrong on a surface: paths, strokes, blots; and the exact mask of what was changed."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.samples.grounds import noise

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]
Points = NDArray[np.float64]


def unit(height: int, width: int) -> float:
    """What the sizes of defects are multiplied by: 1 for 256 pixels, less for small pictures, at most 2."""
    return float(np.clip(min(height, width) / 256, 0.1, 2))


def somewhere(height: int, width: int, rng: np.random.Generator, margin: float = 0.15) -> tuple[float, float]:
    """A point x, y that keeps `margin` of the picture away from its edges."""
    return float(width * rng.uniform(margin, 1 - margin)), float(height * rng.uniform(margin, 1 - margin))


def wander(
    start: tuple[float, float], angle: float, length: float, rng: np.random.Generator, bend: float = 0.25,
    step: float = 5.0, hold: float = 0.0,
) -> Points:  # fmt: skip
    """A path from a point, (n, 2) float64, x, y.

    Args:
        start: x, y where it begins, pixels.
        angle: where it goes at first, radians.
        length: pixels.
        rng: what it strays by.
        bend: radians of turn a step; 0 is straight.
        step: pixels.
        hold: 0 forgets where it went at first and curls; towards 1 it returns to that sooner, as a crack does.
    """
    count = max(2, round(length / step))
    turns, stray = np.empty(count), 0.0
    for i, turn in enumerate(rng.normal(0, bend, count)):
        stray = stray * (1 - hold) + turn
        turns[i] = angle + stray
    moves = np.stack([np.cos(turns), np.sin(turns)], 1) * (length / count)
    begin = np.array([start], np.float64)
    return np.concatenate([begin, begin + np.cumsum(moves, 0)])


def centred(path: Points, at: tuple[float, float]) -> Points:
    """The same path with its middle at a point."""
    middle = (path.min(0) + path.max(0)) / 2
    return np.asarray(path - middle + np.array(at), np.float64)


def stroke(height: int, width: int, path: Points, radii: float | Sequence[float] | Points) -> tuple[Floats, Floats]:
    """A path as a line with round ends whose thickness may change.

    Args:
        height, width: of the picture, pixels.
        path: (n, 2), x, y in pixels; may leave the picture.
        radii: half the thickness, pixels; one for all or one for each point.

    Returns:
        How much of each pixel it covers, (H, W) float32 in 0..1, and how far each pixel is from its middle line in
        radii, (H, W) float32: 0 in the middle, 1 at its rim; up to 4 beside it, 9 far away.
    """
    cover, away = np.zeros((height, width), np.float32), np.full((height, width), 9, np.float32)
    thick = np.broadcast_to(np.asarray(radii, np.float64), len(path))
    for (x0, y0), (x1, y1), r0, r1 in zip(path[:-1], path[1:], thick[:-1], thick[1:], strict=True):
        reach = 4 * max(r0, r1) + 1.5
        left, right = max(0, int(min(x0, x1) - reach)), min(width, int(max(x0, x1) + reach) + 2)
        top, bottom = max(0, int(min(y0, y1) - reach)), min(height, int(max(y0, y1) + reach) + 2)
        if left >= right or top >= bottom:
            continue
        xs = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x0)
        ys = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y0)
        dx, dy = np.float32(x1 - x0), np.float32(y1 - y0)
        along = np.clip((xs * dx + ys * dy) / max(float(dx * dx + dy * dy), 1e-6), 0, 1)
        far = np.hypot(xs - along * dx, ys - along * dy)
        radius = np.maximum(np.float32(r0) + along * np.float32(r1 - r0), 0.05)
        window = slice(top, bottom), slice(left, right)
        # a line thinner than a pixel covers a part of it
        cover[window] = np.maximum(cover[window], np.clip(radius - far + 0.5, 0, np.minimum(1, 2 * radius)))
        away[window] = np.minimum(away[window], np.where(far < reach, far / radius, 9))
    return cover, away


def blot(
    height: int, width: int, at: tuple[float, float], radii: tuple[float, float], rng: np.random.Generator,
    rough: float = 0.25, soft: float = 0.15,
) -> Floats:  # fmt: skip
    """An irregular blot, (H, W) float32: 1 inside, 0 outside.

    Args:
        height, width: of the picture, pixels.
        at: x, y of its middle.
        radii: of the ellipse that it is like, pixels.
        rough: how far its outline strays from that, as a share of the radius.
        soft: how wide its edge is, as a share of the radius.
    """
    turn = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    xs = np.arange(width, dtype=np.float32)[None, :] - np.float32(at[0])
    ys = np.arange(height, dtype=np.float32)[:, None] - np.float32(at[1])
    far = np.hypot((xs * cos + ys * sin) / np.float32(radii[0]), (ys * cos - xs * sin) / np.float32(radii[1]))
    cell = max(2, round(max(radii) * 0.5))
    far = far + np.float32(rough) * noise(width, height, cell, rng)
    far = far + np.float32(rough * 0.4) * noise(width, height, max(2, cell // 3), rng)
    # no edge is sharper than a pixel
    edge = max(soft, 1 / max(1.0, min(radii)))
    inside = np.clip((1 - far) / np.float32(edge) + 0.5, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def mix(values: Floats, other: Floats | float, alpha: Floats) -> Floats:
    """`values` with `other` laid over by `alpha` (H, W) in 0..1; of (H, W) or (H, W, 3)."""
    share = alpha[:, :, None] if values.ndim == 3 else alpha
    return np.asarray(values + (other - values) * share, np.float32)


def changed(before: Picture, after: Picture) -> tuple[Picture, Picture]:
    """Keep of a change what can be seen, and say exactly where it is.

    Args:
        before, after: (H, W, 3) uint8.

    Returns:
        The picture, (H, W, 3) uint8: `after` inside the mask, `before` outside it to the bit; and the mask, (H, W)
        uint8, 0 or 255. It reaches to where the change is a fifth of what it is at its strongest, but to no more
        than 6 grey levels; lone pixels are dropped and pinholes are filled.
    """
    apart = cv2.absdiff(before, after).max(2)
    strongest = float(np.percentile(apart[apart > 0], 95)) if apart.any() else 0.0
    mask = np.where(apart > np.clip(strongest / 5, 1, 6), np.uint8(255), np.uint8(0))
    # a pixel that happens to look as before is part of it where six of its neighbours are
    around = cv2.boxFilter(mask // 255, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    mask[around >= 6] = 255
    count, labels, stats, _centres = cv2.connectedComponentsWithStats(mask)
    areas = stats[:, cv2.CC_STAT_AREA]
    if count > 1:
        kept = areas >= min(6, areas[1:].max())
        kept[0] = False
        mask = np.where(kept[labels], np.uint8(255), np.uint8(0))
    return np.where(mask[:, :, None] > 0, after, before), mask


def enough(mask: Picture) -> bool:
    """Whether a mask shows a defect that can be found at all: some pixels, and not nearly the whole picture."""
    pixels = int(np.count_nonzero(mask))
    return pixels >= min(12, mask.size // 16) and pixels < 0.6 * mask.size


def strength_of(seed: int) -> float:
    """How plain the defect of a seed is, 0.25..1: any run of seeds is spread evenly, as the golden ratio does it."""
    return 0.25 + 0.75 * ((seed * 0.6180339887498949 + 0.31) % 1)
