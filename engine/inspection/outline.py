"""Where a map reaches the threshold, as smooth outlines: marching squares with crossings between the pixels.

Lorensen and Cline, Marching Cubes, SIGGRAPH 1987, in two dimensions.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.inspection.types import Map

_RIGHT, _DOWN = 0, 1
"""A crossing lies on the grid line from a pixel's centre to the next one's on the right, or below."""

# the corners of a cell: 1 upper left, 2 upper right, 4 lower right, 8 lower left; its sides: top, right, bottom, left
_TOP, _RIGHTSIDE, _BOTTOM, _LEFT = range(4)
_SEGMENTS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_TOP, _LEFT),), 2: ((_RIGHTSIDE, _TOP),), 3: ((_RIGHTSIDE, _LEFT),), 4: ((_BOTTOM, _RIGHTSIDE),),
    6: ((_BOTTOM, _TOP),), 7: ((_BOTTOM, _LEFT),), 8: ((_LEFT, _BOTTOM),), 9: ((_TOP, _BOTTOM),),
    11: ((_RIGHTSIDE, _BOTTOM),), 12: ((_LEFT, _RIGHTSIDE),), 13: ((_TOP, _RIGHTSIDE),), 14: ((_LEFT, _TOP),),
    # two opposite corners: the middle of the cell decides whether they hang together (16 more) or not
    5: ((_TOP, _LEFT), (_BOTTOM, _RIGHTSIDE)), 21: ((_BOTTOM, _LEFT), (_TOP, _RIGHTSIDE)),
    10: ((_RIGHTSIDE, _TOP), (_LEFT, _BOTTOM)), 26: ((_LEFT, _TOP), (_RIGHTSIDE, _BOTTOM)),
}  # fmt: skip
"""From where to where the outline runs, the high side on its right."""


def contours(map: Map, threshold: float) -> list[NDArray[np.float32]]:
    """The outlines of where a map is at or above a threshold.

    A place at the picture's edge is closed along the edge; a hole has an outline of its own.

    Args:
        map: (H, W) float32; NaN counts as below.
        threshold: in the map's units.

    Returns:
        Closed polygons, the longest first: each (n, 2) float32, x and y in picture pixels, where the first pixel
        reaches from 0 to 1 (its centre is at 0.5) and the edge is at W and H; the first point is not repeated. Places
        run clockwise, holes the other way round.
    """
    limit = np.float32(threshold)
    inside = map >= limit
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(columns[0])
    # one more on each side, which is outside: either it is below the threshold or beyond the picture's edge
    high = np.pad(inside[top : rows[-1] + 1, left : columns[-1] + 1], 1)

    def values(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far above the threshold, at places of `high`."""
        y, x = y + (top - 1), x + (left - 1)
        there_y, there_x = np.clip(y, 0, map.shape[0] - 1), np.clip(x, 0, map.shape[1] - 1)
        found = np.nan_to_num(map[there_y, there_x].astype(np.float64) - limit, nan=-1.0)
        # beyond the edge as far below as the edge is above: the outline runs along the edge itself
        beyond = (there_y != y) | (there_x != x)
        return np.where(beyond, -np.abs(found) - 1e-9, found)

    after, points = _crossings(high, values)
    points += (left - 0.5, top - 0.5)
    return sorted(_loops(after, points), key=len, reverse=True)


def _crossings(
    high: NDArray[np.bool_], values: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each crossing's successor along the outline, and where it is (x, y; the first place is at 0, 0)."""
    width = high.shape[1]
    # rows in pairs, then columns in pairs: 1 + 8, then 2 + 4
    pairs = high[:-1].view(np.uint8) + (high[1:].view(np.uint8) << 3)
    spread = np.array([0, 2, 0, 0, 0, 0, 0, 0, 4, 6], np.uint8)
    cells = pairs[:, :-1] + spread[pairs[:, 1:]]
    ys, xs = np.nonzero((cells != 0) & (cells != 15))
    kinds = cells[ys, xs]
    saddle = (kinds == 5) | (kinds == 10)
    if saddle.any():
        y, x = ys[saddle], xs[saddle]
        middle = values(y, x) + values(y, x + 1) + values(y + 1, x) + values(y + 1, x + 1)
        kinds[saddle] += np.where(middle >= 0, 16, 0).astype(np.uint8)
    starts, ends = [], []
    for kind, segments in _SEGMENTS.items():
        chosen = np.flatnonzero(kinds == kind)
        for first, last in segments if chosen.size else ():
            starts.append(_edge(xs[chosen], ys[chosen], width, first))
            ends.append(_edge(xs[chosen], ys[chosen], width, last))
    # a crossing is shared by two cells: it ends a segment in one and starts one in the other
    start = np.concatenate(starts)
    order = np.argsort(start)
    edges = start[order]
    after = np.searchsorted(edges, np.concatenate(ends)[order])
    y, x = np.divmod(edges >> 1, width)
    down = (edges & 1) == _DOWN
    here, there = values(y, x), values(y + down, x + ~down)
    share = here / (here - there)
    return after, np.stack([np.where(down, x, x + share), np.where(down, y + share, y)], axis=1)


def _edge(x: NDArray[np.int64], y: NDArray[np.int64], width: int, side: int) -> NDArray[np.int64]:
    """The number of a cell's side: twice the number of the value it begins at, one more if it goes down."""
    if side == _RIGHTSIDE:
        x = x + 1
    elif side == _BOTTOM:
        y = y + 1
    return (y * width + x) * 2 + (_DOWN if side in (_LEFT, _RIGHTSIDE) else _RIGHT)


def _loops(after: NDArray[np.int64], points: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    following = after.tolist()
    seen = bytearray(len(following))
    found = []
    for first in range(len(following)):
        if seen[first]:
            continue
        loop, at = [], first
        while not seen[at]:
            seen[at] = 1
            loop.append(at)
            at = following[at]
        outline = points[loop].astype(np.float32)
        # a pixel that is exactly at the threshold is passed more than once
        outline = outline[(outline != np.roll(outline, 1, axis=0)).any(axis=1)]
        if len(outline) > 2:
            found.append(outline)
    return found
