"""How far to go along a direction: a line search for the strong Wolfe conditions."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from engine.optimizers.problem import Tensor

ARMIJO, CURVATURE = 1e-4, 0.9
"""c1 and c2 of the conditions: how much must be gained, and how much of the slope may be left."""
MOST = 25
"""Places that are tried after the first."""
_EDGE = 0.1
"""A place nearer than this share of the bracket to its edge is no progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A point on the line.

    Attributes:
        length: how far along the direction it lies, in directions.
        value: of the objective there.
        gradient: (P,), there.
        slope: the gradient along the direction.
    """

    length: float
    value: float
    gradient: Tensor
    slope: float


def strong_wolfe(
    along: Callable[[float], Place], start: Place, length: float, reach: float, tolerance: float
) -> tuple[Place, int]:
    """A place that is low enough, f <= f0 + c1 t s0, and flat enough, |s| <= c2 |s0|.

    First steps grow until two of them hold a minimum between them, then the bracket is narrowed by cubic
    interpolation. Where the conditions cannot be met in `MOST` places, the lowest end of the bracket is returned.

    Args:
        along: evaluates the place at a length.
        start: at length 0, with a negative slope.
        length: what is tried first.
        reach: the largest component of the direction.
        tolerance: a bracket that moves no component by more than this is not narrowed.

    Returns:
        The place, and how many were evaluated.

    Reference:
        Nocedal and Wright 2006, Numerical Optimization, algorithms 3.5 and 3.6; the safeguards are those of Schmidt's
        minFunc, which torch's L-BFGS follows too.
    """
    last, now, tries = start, along(length), 0
    while tries < MOST:
        if _high(now, start) or (tries > 1 and now.value >= last.value):
            ends = [last, now]
            break
        if _flat(now, start):
            return now, tries + 1
        if now.slope >= 0:
            ends = [last, now]
            break
        further = _lowest(last, now, now.length + 0.01 * (now.length - last.length), now.length * 10)
        last, now, tries = now, along(further), tries + 1
    else:
        ends = [start, now]
    return _narrowed(along, start, ends, tries, reach, tolerance)


def _narrowed(
    along: Callable[[float], Place], start: Place, ends: list[Place], tries: int, reach: float, tolerance: float
) -> tuple[Place, int]:
    """Narrow a bracket until its lower end meets the conditions; returns that end and the places tried in all."""
    low = _lower(ends)
    stuck = False
    while tries < MOST:
        left, right = sorted(end.length for end in ends)
        if (right - left) * reach < tolerance:
            break
        length = _lowest(ends[0], ends[1], left, right)
        margin = _EDGE * (right - left)
        if min(right - length, length - left) < margin:
            # twice near an edge, or on it: step away from it
            if stuck or length >= right or length <= left:
                length = right - margin if abs(length - right) < abs(length - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now, tries = along(length), tries + 1
        if _high(now, start) or now.value >= ends[low].value:
            ends[1 - low] = now
            low = _lower(ends)
            continue
        if _flat(now, start):
            ends[low] = now
            break
        if now.slope * (ends[1 - low].length - ends[low].length) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
    return ends[low], tries + 1


def _high(now: Place, start: Place) -> bool:
    return now.value > start.value + ARMIJO * now.length * start.slope


def _flat(now: Place, start: Place) -> bool:
    return abs(now.slope) <= -CURVATURE * start.slope


def _lower(ends: list[Place]) -> int:
    return 0 if ends[0].value <= ends[1].value else 1


def _lowest(one: Place, other: Place, least: float, most: float) -> float:
    """Where the cubic through two places with their slopes is lowest, kept within limits; else their middle."""
    a, b = (one, other) if one.length <= other.length else (other, one)
    if a.length == b.length:
        return a.length
    first = one.slope + other.slope - 3 * (one.value - other.value) / (one.length - other.length)
    square = first**2 - one.slope * other.slope
    if not square >= 0:
        return (least + most) / 2
    root = math.sqrt(square)
    below = b.slope - a.slope + 2 * root
    if below == 0:
        return (least + most) / 2
    return min(max(b.length - (b.length - a.length) * ((b.slope + root - first) / below), least), most)
