"""Which patches the memory bank keeps: the k-centre greedy choice, exact, and quick through lazy evaluation.

Greedy: begin with one patch; again and again take the patch that lies farthest from all that were taken
(Sener and Savarese, https://arxiv.org/abs/1708.00489; PatchCore, section 3.2, https://arxiv.org/abs/2106.08265).

Written down, every choice compares all n patches with the newest centre, which is a walk through all of memory for
each. But a patch's distance to its nearest centre only ever shrinks, so an old value is an upper bound. Here the
patches with the largest bounds (a few thousand) are brought up to date, against all the centres they have missed, as
one matrix product; choices are made among those alone, in cache, for as long as the farthest of them is farther than
every bound outside. The choices are the same as if all had been compared. Distances that decide are differences squared
and summed, as in anomalib, not differences of squares, so that the choices are its choices to the last index.
"""

import math
import time
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.job import Job, Progress

Array = NDArray[np.float32]
_ROUND = 1024
"""Patches that are brought up to date at once; 1024 x 128 float32 stay in a core's second-level cache."""
_CHUNK = 256
_AT_ONCE = 4096
"""Patches that are projected at once."""
_ROUNDING = 16 * float(np.finfo(np.float32).eps)
"""Of the squares that go into it, what a product of matrices may be wrong by."""
_TELL_S = 0.04


def projection_size(patches: int, dimensions: int, wanted: int) -> int:
    """How many dimensions the choice is made in; 0 means: in all of them, unprojected.

    Args:
        patches: how many there are.
        dimensions: of a patch.
        wanted: as `FitKnobs.projection`; 0 asks for the Johnson-Lindenstrauss bound at a distortion of 0.9, which is
            what anomalib takes. Where that is no less than the patch already has, there is nothing to gain.
    """
    if wanted < 0:
        return 0
    bound = wanted or int(4 * math.log(max(2, patches)) / (0.9**2 / 2 - 0.9**3 / 3))
    return bound if bound < dimensions else 0


def projection_matrix(dimensions: int, into: int, seed: int) -> Array:
    """A very sparse random projection (Li, Hastie and Church, KDD 2006), (dimensions, into) float32."""
    random = np.random.default_rng(seed)
    density = 1 / math.sqrt(dimensions)
    signs = random.integers(0, 2, (dimensions, into)) * 2.0 - 1.0
    kept = random.random((dimensions, into)) < density
    return (signs * kept / math.sqrt(density * into)).astype(np.float32)


def choosing(
    patches: Array, count: int, *, first: int | None = None, projection: Array | None = None, seed: int = 0
) -> Job[NDArray[np.int64]]:
    """Choose `count` of the patches so that none is far from a chosen one; a job that yields `Progress`.

    Args:
        patches: (n, d) float32, contiguous.
        count: how many to choose; fewer are chosen where all the others are copies of chosen ones.
        first: the index to begin with; None draws one.
        projection: (d, e) float32; the choice is made among `patches @ projection`.
        seed: for `first`.

    Returns:
        (k,) int64, k <= count, in the order in which they were chosen.
    """
    import torch

    points = torch.from_numpy(patches)
    if projection is not None:
        into = torch.from_numpy(projection)
        projected = torch.empty((len(points), into.shape[1]))
        for begin in range(0, len(points), _AT_ONCE):
            torch.mm(points[begin : begin + _AT_ONCE], into, out=projected[begin : begin + _AT_ONCE])
            yield Progress("Projecting the patches", min(begin + _AT_ONCE, len(points)), len(points), "patches")
        points = projected
    n = len(points)
    count = min(count, n)
    begin = int(np.random.default_rng(seed).integers(n)) if first is None else first
    threads = torch.get_num_threads()
    # thousands of small steps: a second thread makes them a third quicker, and the window late
    torch.set_num_threads(1)
    try:
        return (yield from _greedy(points.contiguous(), count, begin))
    finally:
        torch.set_num_threads(threads)


def _greedy(points: Any, count: int, first: int) -> Generator[Progress, None, NDArray[np.int64]]:
    import torch

    n, d = points.shape
    chosen = [first]
    centres = _Centres(points, count)
    centres.add(points[first])
    bound = _from_first(points, points[first])
    seen = torch.ones(n, dtype=torch.int32)  # how many centres the bound takes into account
    bound[first] = 0.0
    size = min(_ROUND, n)
    # written into again and again: what the system gives out afresh costs more than what is reckoned in it
    near, apart, new = torch.empty((size, d)), torch.empty((size, d)), torch.empty(size)
    begun = told = time.monotonic()
    while len(chosen) < count:
        if size < n:
            values, rows = bound.topk(size + 1, sorted=True)
            outside, rows = float(values[-1]), rows[:-1]
        else:
            outside, rows = -1.0, torch.arange(n)
        stale = yield from centres.catch_up(bound, seen, rows)
        rows = rows.sort().values  # of equal distances the first index wins, as in torch.max
        if len(rows) != len(near):
            near, apart, new = torch.empty((len(rows), d)), torch.empty((len(rows), d)), torch.empty(len(rows))
        torch.index_select(points, 0, rows, out=near)
        own, taken = bound[rows], 0
        while len(chosen) < count:
            best, place = own.max(0)
            farthest = float(best)
            if farthest <= outside or farthest <= 0.0:
                break
            centres.add(near[place])
            chosen.append(int(rows[place]))
            taken += 1
            if len(chosen) < count:
                torch.sub(near, near[place], out=apart)
                torch.minimum(own, torch.linalg.norm(apart, dim=1, out=new), out=own)
                own[place] = 0.0
            now = time.monotonic()
            if now - told > _TELL_S:
                told = now
                yield _progress(len(chosen), count, begun, now)
        bound[rows] = own
        seen[rows] = len(chosen)
        if size >= n and taken == 0:
            break  # all that are left are copies of chosen ones
        if taken:
            size = max(min(_ROUND, n), size // 2)
        elif not stale:
            size = min(n, size * 2)  # more share the top than were looked at
    return np.asarray(chosen, np.int64)


def _from_first(points: Any, first: Any) -> Any:
    """The distance of every point to the first centre, in pieces: no second copy of all points."""
    import torch

    return torch.cat([torch.linalg.norm(part - first, dim=1) for part in points.split(_CHUNK)])


class _Centres:
    """What was chosen so far, and room to compare points with it.

    Args:
        points: (n, d) float32.
        count: how many will be chosen.
    """

    def __init__(self, points: Any, count: int) -> None:
        import torch

        d = points.shape[1]
        self._points, self._count, self._known = points, count, 0
        # distances do not change when all points move together, and products of small numbers lose less
        self._mean = points.mean(0)
        self._centres, self._moved, self._squares = torch.empty((count, d)), torch.empty((count, d)), torch.empty(count)
        self._own, self._near, self._other = (torch.empty((_CHUNK, d)) for _ in range(3))
        self._products = torch.empty(0)

    def add(self, point: Any) -> None:
        """One more."""
        self._centres[self._known] = point
        self._moved[self._known] = point - self._mean
        self._squares[self._known] = self._moved[self._known].square().sum()
        self._known += 1

    def catch_up(self, bound: Any, seen: Any, rows: Any) -> Generator[Progress, None, bool]:
        """Bring the bounds of `rows` up to date with all centres; whether any was not."""
        stale = False
        order = rows[seen[rows].sort().indices]
        last = time.monotonic()
        for part in order.split(_CHUNK):
            since = int(seen[part[0]])
            if since == self._known:
                continue
            stale = True
            bound[part] = bound[part].minimum(self._nearest(part, since))
            seen[part] = self._known
            now = time.monotonic()
            if now - last > _TELL_S:
                last = now
                yield Progress("Choosing the patches to keep", self._known, self._count, "patches")
        return stale

    def _nearest(self, part: Any, since: int) -> Any:
        """How far the points `part` are from the nearest of the centres from `since` on."""
        import torch

        missed, k = self._known - since, len(part)
        own, near, other = self._own[:k], self._near[:k], self._other[:k]
        torch.index_select(self._points, 0, part, out=own)
        torch.sub(own, self._mean, out=near)
        if len(self._products) < k * missed:
            self._products = torch.empty(_CHUNK * min(self._count, 2 * missed))
        products = self._products[: k * missed].view(k, missed)
        # |x - c|^2 up to |x|^2, which is the same for every centre of a row: which centres are the nearest?
        squares = self._squares[since : self._known]
        torch.addmm(squares, near, self._moved[since : self._known].T, alpha=-2, out=products)
        rough, places = products.topk(min(3, missed), largest=False)
        # and then the distance itself, of the two that may be nearest, as the definition has it
        exact: Any = None
        for place in places[:, :2].T:
            torch.index_select(self._centres, 0, place + since, out=other)
            found = torch.linalg.norm(torch.sub(own, other, out=other), dim=1)
            exact = found if exact is None else exact.minimum(found)
        if missed > 2:
            doubt = rough[:, 2] - rough[:, 0] <= _ROUNDING * (near.square_().sum(1) + squares.max())
            for row in doubt.nonzero().flatten().tolist():
                # rounding may have hidden the nearest behind two others (clusters far from the mean): all are compared
                exact[row] = torch.linalg.norm(self._centres[since : self._known] - own[row], dim=1).min()
        return exact


def _progress(done: int, total: int, begun: float, now: float) -> Progress:
    left = (total - done) * (now - begun) / max(1, done)
    return Progress("Choosing the patches to keep", done, total, "patches", left)
