"""Which detection belongs to which track: overlaps, appearance, and the assignment between the two."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IMPOSSIBLE = 1e5
"""The cost of a pair that a gate has shut out."""


def iou(a: Floats, b: Floats) -> Floats:
    """(n, m) intersection over union of (n, 4) and (m, 4) boxes left, top, right, bottom."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    side = np.maximum(high - low, 0.0)
    inside = side[..., 0] * side[..., 1]
    size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    union = (size_a[:, 0] * size_a[:, 1])[:, None] + (size_b[:, 0] * size_b[:, 1])[None] - inside
    overlap: Floats = inside / np.maximum(union, 1e-12)
    return overlap


def assign(cost: Floats, limit: float) -> tuple[Ints, Ints]:
    """The pairs (rows, columns) of least total cost, none of which costs more than `limit` (the Hungarian method).

    Args:
        cost: (n, m).
        limit: dearer pairs are no pairs.
    """
    if not cost.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    row, column = linear_sum_assignment(np.where(cost > limit, limit + 1e-5, cost))
    fits = cost[row, column] <= limit
    return row[fits], column[fits]


class Gallery:
    """What each track has looked like: the last `budget` embeddings of it, in one block of memory that is used again.

    Wojke et al. 2017, section 2.2: R_k, the last L_k descriptors of track k. With `momentum` a track has one
    descriptor, the moving average of its embeddings (Wang et al. 2020, StrongSORT). A track is known by the number of
    its place; a place that is given back forgets everything.
    """

    def __init__(self, budget: int, momentum: float | None = None) -> None:
        self._budget = 1 if momentum is not None else budget
        self._momentum = momentum
        self._block = np.zeros((0, self._budget, 0), np.float32)
        self._count = np.zeros(0, np.int64)
        self._free: list[int] = []

    def open(self, n: int) -> Ints:
        """Places for n new tracks."""
        while len(self._free) < n:
            have = len(self._count)
            more = max(16, have)
            self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
            grown = np.zeros((have + more, *self._block.shape[1:]), np.float32)
            grown[:have] = self._block
            self._block = grown
            self._free += range(have + more - 1, have - 1, -1)
        places = np.array([self._free.pop() for _ in range(n)], np.int64)
        self._count[places] = 0
        return places

    def close(self, places: Ints) -> None:
        """Give places back."""
        self._free += places.tolist()

    def add(self, places: Ints, embeddings: NDArray[np.float32]) -> None:
        """Remember one embedding (n, d) of unit length for each place (n,); rows of NaN are passed over."""
        if embeddings.shape[1] != self._block.shape[2]:
            self._block = np.zeros((*self._block.shape[:2], embeddings.shape[1]), np.float32)
            self._count[:] = 0
        known = np.isfinite(embeddings[:, 0])
        if not known.all():
            places, embeddings = places[known], embeddings[known]
        if self._momentum is not None:
            old = self._block[places, 0]
            share = np.where(self._count[places] > 0, self._momentum, 0.0).astype(np.float32)[:, None]
            self._block[places, 0] = unit_length(share * old + (1 - share) * embeddings)
        else:
            self._block[places, self._count[places] % self._budget] = embeddings
        self._count[places] += 1

    def distance(self, places: Ints, embeddings: NDArray[np.float32]) -> Floats:
        """Equation 2: d(2), the least cosine distance of a track's descriptors (n) from each embedding (m), (n, m).

        `IMPOSSIBLE` where either is unknown.
        """
        distance = np.full((len(places), len(embeddings)), IMPOSSIBLE)
        if not distance.size or embeddings.shape[1] != self._block.shape[2]:
            return distance
        count = np.minimum(self._count[places], self._budget)
        kept = int(count.max())
        if not kept:
            return distance
        seen = self._block[places, :kept]
        likeness = (seen.reshape(-1, seen.shape[2]) @ embeddings.T).reshape(len(places), kept, -1)
        likeness[np.arange(kept)[None] >= count[:, None]] = -np.inf
        nearest = 1.0 - likeness.max(axis=1).astype(np.float64)
        known = np.isfinite(nearest)
        distance[known] = nearest[known]
        return distance


def unit_length(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, d) of length 1; a row that is all zero or not finite becomes NaN: nothing is known of it."""
    length = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float32))
    length[~(np.isfinite(length) & (length > 0))] = np.nan
    unit: NDArray[np.float32] = (embeddings / length[:, None]).astype(np.float32, copy=False)
    return unit
