"""What an objective looks like over a plane: a grid of its values, its contour lines, and the plane where runs went."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.optimizers.problem import Problem, Tensor

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
ROWS = 20_000
"""Objectives over more rows of data are drawn from `SAMPLE` of them: the shape is what is looked at."""
SAMPLE = 2048
_PIECE_S, _MOST_NUMBERS = 0.02, 4_000_000
"""How long a piece of the grid takes, and how many places times rows of data it has at most (32 MB)."""
_MOST_PLACES = 400
_FAR, _FARTHEST = 1e6, 1e9
"""A coordinate beyond is no place that a picture is made to fit, and none that a slice is laid through."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Values over a part of a plane.

    Attributes:
        x0, x1, y0, y1: the places of the outermost values.
        values: (h, w) float32; row 0 is at y0, column 0 at x0. Infinite or NaN where the objective is.
        rows: of the data that they are a mean over, where a sample was taken; 0 means all of them.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    values: Singles
    rows: int = 0

    def at(self, x: float, y: float) -> float | None:
        """The value at a place, between the four around it; None outside."""
        height, width = self.values.shape
        across = (x - self.x0) / (self.x1 - self.x0) * (width - 1)
        up = (y - self.y0) / (self.y1 - self.y0) * (height - 1)
        if not (0 <= across <= width - 1 and 0 <= up <= height - 1):
            return None
        left, low = min(int(across), width - 2), min(int(up), height - 2)
        part = self.values[low : low + 2, left : left + 2].astype(np.float64)
        shares_x, shares_y = np.array([1 - across + left, across - left]), np.array([1 - up + low, up - low])
        # a neighbour that does not count may be infinite: 0 times that is no number
        weights = np.outer(shares_y, shares_x)
        return float(np.sum(part[weights > 0] * weights[weights > 0]))


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A piece of a contour line.

    Attributes:
        level: the value along it.
        share: 0 for the lowest level of those drawn, 1 for the highest.
        points: (k, 2) float64, in the plane.
    """

    level: float
    share: float
    points: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A plane in the space of parameters.

    Attributes:
        origin: (P,) float64, the place that is (0, 0).
        along, across: (P,) float64, of length 1 and at right angles; all zero where there are too few parameters.
    """

    origin: Floats
    along: Floats
    across: Floats

    def project(self, thetas: Floats) -> Floats:
        """Where places (n, P) fall on the plane, (n, 2)."""
        away = np.asarray(thetas, np.float64) - self.origin
        return np.stack([away @ self.along, away @ self.across], -1)

    def lift(self, points: Floats) -> Floats:
        """The places (k, P) of points (k, 2) of the plane."""
        points = np.asarray(points, np.float64)
        return self.origin + points[:, :1] * self.along + points[:, 1:] * self.across


def grid(x0: float, x1: float, y0: float, y1: float, size: int) -> Floats:
    """(size * size, 2) places of a `Field`, row by row."""
    across, up = np.linspace(x0, x1, size), np.linspace(y0, y1, size)
    return np.stack([np.tile(across, size), np.repeat(up, size)], 1)


def field_of(problem: Problem, x0: float, x1: float, y0: float, y1: float, size: int = 96) -> Job[Field]:
    """The objective of two parameters over a part of their plane.

    Args:
        problem: has two parameters.
        x0, x1, y0, y1: the part.
        size: values along each side, 2 and more.

    Yields:
        `Progress`, at least every 50 ms.

    Raises:
        SightlineError: it has another number of parameters, or the part is none.
    """
    if problem.parameters != 2:
        raise SightlineError(f"{problem.title} has {problem.parameters} parameters and no plane: take a slice of it.")
    return (yield from _field(problem, lambda points: points, (x0, x1, y0, y1), size))


def slice_field(problem: Problem, cut: Slice, x0: float, x1: float, y0: float, y1: float, size: int = 64) -> Job[Field]:
    """The full objective over a part of a slice; arguments, events and errors as in `field_of`.

    Over more than `ROWS` rows of data it is the mean over the same `SAMPLE` rows everywhere, and `Field.rows` says so.
    """
    return (yield from _field(problem, cut.lift, (x0, x1, y0, y1), size))


def _field(
    problem: Problem, lift: Callable[[Floats], Floats], part: tuple[float, float, float, float], size: int
) -> Job[Field]:
    import torch

    x0, x1, y0, y1 = part
    if not (np.isfinite(part).all() and x0 < x1 and y0 < y1 and size >= 2):
        raise SightlineError(
            "The part of the plane that is to be drawn is empty: choose one with a width and a height."
        )
    points = grid(x0, x1, y0, y1, size)
    chosen = _sample(problem)
    rows = problem.rows if chosen is None else SAMPLE
    most = max(1, _MOST_NUMBERS // max(1, rows, problem.parameters))
    values = np.empty(len(points), np.float32)
    done, piece = 0, min(most, size)
    while done < len(points):
        began = time.perf_counter()
        theta = torch.from_numpy(np.ascontiguousarray(lift(points[done : done + piece]))).to(problem.dtype)
        seen = problem.value(theta, None if chosen is None else chosen.expand(len(theta), -1))
        with np.errstate(over="ignore"):
            values[done : done + len(theta)] = seen.cpu().numpy()
        done += len(theta)
        took = time.perf_counter() - began
        # the next piece takes about as long as a person does not notice
        piece = max(1, min(most, int(piece * min(4.0, _PIECE_S / max(took, 1e-6)))))
        yield Progress("Drawing the objective", done, len(points))
    return Field(x0, x1, y0, y1, values.reshape(size, size), 0 if chosen is None else SAMPLE)


def _sample(problem: Problem) -> Tensor | None:
    """(1, SAMPLE) rows of a large set of data, the same each time; None where all are taken."""
    import torch

    if problem.rows <= ROWS:
        return None
    chosen = np.sort(np.random.default_rng(0).choice(problem.rows, SAMPLE, replace=False))
    return torch.from_numpy(chosen.astype(np.int64))[None]


def slice_of(thetas: Floats, origin: Floats | None = None) -> Slice:
    """The plane in which runs moved most: the two principal directions of their places (Li et al. 2018).

    Args:
        thetas: (k, P), places along the way, of one run or of several; those that have diverged are left out.
        origin: (P,), what directions are counted from; the last place if None.

    Raises:
        SightlineError: all places have diverged.
    """
    thetas = np.asarray(thetas, np.float64)
    thetas = thetas[(np.abs(thetas) <= _FARTHEST).all(1)]
    if not len(thetas):
        raise SightlineError(
            "All runs have diverged and none is left to lay a slice through: lower the learning rates."
        )
    origin = thetas[-1] if origin is None else np.asarray(origin, np.float64)
    if len(thetas) > _MOST_PLACES:
        thetas = thetas[np.linspace(0, len(thetas) - 1, _MOST_PLACES).round().astype(int)]
    away = thetas - origin
    lengths = np.linalg.norm(away, axis=1)
    # a place far beyond all others would be the only one seen
    away = away[lengths <= 1e3 * max(float(np.median(lengths)), float(lengths[0]), 1e-12)]
    scale = float(np.abs(away).max()) if away.size else 0.0
    axes: list[Floats] = []
    if scale > 0:
        strength, found = np.linalg.svd(away / scale, full_matrices=False)[1:]
        axes = [row for row, share in zip(found[:2], strength[:2], strict=False) if share > 1e-9 * strength[0]]
    along, across = _completed(axes, len(origin))
    return Slice(origin, along, across)


def _completed(axes: list[Floats], size: int) -> tuple[Floats, Floats]:
    """Two directions, each with its largest number above 0; what is missing is taken from the axes of the space."""
    while len(axes) < min(2, size):
        used = np.abs(np.stack(axes)).max(0) if axes else np.zeros(size)
        new = np.zeros(size)
        new[int(np.argmin(used))] = 1
        for axis in axes:
            new -= (new @ axis) * axis
        axes.append(new / np.linalg.norm(new))
    axes += [np.zeros(size)] * (2 - len(axes))
    along, across = (axis * (1.0 if axis[np.argmax(np.abs(axis))] >= 0 else -1.0) for axis in axes)
    return along, across


def room(points: Floats, aspect: float = 1.0, margin: float = 0.15) -> tuple[float, float, float, float]:
    """A part of the plane with all points in it, both axes to one scale.

    Args:
        points: (k, 2); what is not finite or lies beyond a million is left out, as of runs that diverge.
        aspect: width over height of the picture.
        margin: around the points, a share of the larger side.

    Returns:
        x0, x1, y0, y1; -1..1 around the origin where there is no point.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    points = points[(np.abs(points) <= _FAR).all(1)]
    if not len(points):
        points = np.array([[-0.75, -0.75], [0.75, 0.75]])
    low, high = points.min(0), points.max(0)
    middle, span = (low + high) / 2, high - low
    tall = max(float(span[1]), float(span[0]) / aspect)
    if tall < 1e-9 * max(1.0, float(np.abs(middle).max())):
        tall = 1.0
    tall *= 1 + 2 * margin
    x, y = float(middle[0]), float(middle[1])
    return x - tall * aspect / 2, x + tall * aspect / 2, y - tall / 2, y + tall / 2


def levels(field: Field, count: int = 14, lowest: float | None = None) -> tuple[float, ...]:
    """Values for contour lines, each above the lowest by a factor more than the one before: narrow valleys are seen.

    Args:
        field: what is drawn.
        count: of levels.
        lowest: the smallest value there is, where it is known; the smallest of the field otherwise.

    Returns:
        Rising; none for a field that is flat.
    """
    seen = field.values[np.isfinite(field.values)].astype(np.float64)
    if not len(seen):
        return ()
    low = float(seen.min()) if lowest is None else min(lowest, float(seen.min()))
    high = float(seen.max()) - low
    if high <= 1e-7 * max(1.0, abs(low)):
        return ()
    # below the 2 % that are lowest a grid breaks a valley up into islands
    first = max(float(np.quantile(seen, 0.02)) - low, 1e-5 * high)
    return tuple(low + step for step in np.geomspace(first, max(high * 0.9, first * 1.01), count).tolist())


def contours(field: Field, levels: Sequence[float]) -> list[Line]:
    """The lines along which a field has these values, lowest first; about 10 ms for 14 levels of 96 x 96 values."""
    from skimage.measure import find_contours

    height, width = field.values.shape
    values = np.where(np.isfinite(field.values), field.values, np.nan).astype(np.float64)
    step = np.array([(field.x1 - field.x0) / (width - 1), (field.y1 - field.y0) / (height - 1)])
    found = []
    for number, level in enumerate(levels):
        share = number / max(1, len(levels) - 1)
        for piece in find_contours(values, level):
            found.append(Line(level, share, piece[:, ::-1] * step + (field.x0, field.y0)))
    return found
