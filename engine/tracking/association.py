"""Which detection belongs to which track: overlaps, appearance, and the assignment between the two."""

import numpy as np
from numpy.typing import NDArray

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
    # half a second of imports: not before the first pair, so that the window is there sooner
    from scipy.optimize import linear_sum_assignment

    if not cost.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    row, column = linear_sum_assignment(np.where(cost > limit, limit + 1e-5, cost))
    fits = cost[row, column] <= limit
    return row[fits], column[fits]


class Gallery:
    """How each track has looked, in blocks of memory that are used again.

    Wojke et al. 2017, section 2.2: R_k, the last L_k descriptors of track k. With `momentum` a track has one
    descriptor, the moving average of its embeddings (Wang et al. 2020). A track is known by the number of its place;
    a place that is given back forgets everything.

    Args:
        budget: L_k.
        momentum: share of the old in the moving average; None keeps the last `budget`.
        cut: where the embedding's second part begins; 0: it has one part. Parts are compared apart.
        share: the weight of the second part where it is known on both sides; else the first decides alone.
    """

    def __init__(self, budget: int, momentum: float | None = None, cut: int = 0, share: float = 0.0) -> None:
        self._cut, self._share = cut, share
        self._parts = [_Block(budget, momentum) for _ in range(2 if cut else 1)]
        self._size = 0
        self._free: list[int] = []

    def open(self, n: int) -> Ints:
        """Places for n new tracks."""
        if len(self._free) < n:
            more = max(16, n, self._size)
            self._free += range(self._size + more - 1, self._size - 1, -1)
            self._size += more
            for part in self._parts:
                part.grow(self._size)
        places = np.array([self._free.pop() for _ in range(n)], np.int64)
        for part in self._parts:
            part.count[places] = 0
        return places

    def close(self, places: Ints) -> None:
        """Give places back."""
        self._free += places.tolist()

    def add(self, places: Ints, embeddings: NDArray[np.float32]) -> None:
        """Remember one embedding (n, d) for each place (n,); a part that is NaN is passed over."""
        for part, values in zip(self._parts, self._split(embeddings), strict=True):
            part.add(places, values)

    def distance(self, places: Ints, embeddings: NDArray[np.float32]) -> Floats:
        """Equation 2: d(2), the least cosine distance of a track's descriptors (n) from each embedding (m), (n, m).

        `IMPOSSIBLE` where the first part is unknown on either side.
        """
        values = self._split(embeddings)
        distance = self._parts[0].distance(places, values[0])
        if self._cut and values[1].shape[1]:
            second = self._parts[1].distance(places, values[1])
            known = (distance < IMPOSSIBLE) & (second < IMPOSSIBLE)
            distance[known] += self._share * (second[known] - distance[known])
        return distance

    def _split(self, embeddings: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        if not self._cut:
            return [unit_length(embeddings)]
        return [unit_length(embeddings[:, : self._cut]), unit_length(embeddings[:, self._cut :])]


class _Block:
    """One part of all descriptors: (places, budget, d) float32, and how many were ever added at each place."""

    def __init__(self, budget: int, momentum: float | None) -> None:
        self._momentum = momentum
        self._budget = budget if momentum is None else 1
        self._values = np.zeros((0, self._budget, 0), np.float32)
        self.count: Ints = np.zeros(0, np.int64)

    def grow(self, size: int) -> None:
        have, _, d = self._values.shape
        values = np.zeros((size, self._budget, d), np.float32)
        values[:have] = self._values
        self._values = values
        self.count = np.concatenate([self.count, np.zeros(size - have, np.int64)])

    def add(self, places: Ints, embeddings: NDArray[np.float32]) -> None:
        if embeddings.shape[1] != self._values.shape[2]:
            # another kind of embedding: what was kept cannot be compared with it
            self._values = np.zeros((*self._values.shape[:2], embeddings.shape[1]), np.float32)
            self.count[:] = 0
        if not embeddings.shape[1]:
            return
        known = np.isfinite(embeddings[:, 0])
        places, embeddings = places[known], embeddings[known]
        if self._momentum is None:
            self._values[places, self.count[places] % self._budget] = embeddings
        else:
            old = np.where(self.count[places] > 0, self._momentum, 0.0).astype(np.float32)[:, None]
            self._values[places, 0] = unit_length(old * self._values[places, 0] + (1 - old) * embeddings)
        self.count[places] += 1

    def distance(self, places: Ints, embeddings: NDArray[np.float32]) -> Floats:
        distance = np.full((len(places), len(embeddings)), IMPOSSIBLE)
        count = np.minimum(self.count[places], self._budget)
        row, column = np.flatnonzero(count), np.flatnonzero(np.isfinite(embeddings[:, :1]).all(axis=1))
        if not len(row) or not len(column) or embeddings.shape[1] != self._values.shape[2]:
            return distance
        kept = int(count.max())
        seen = self._values[places[row], :kept].reshape(-1, embeddings.shape[1])
        likeness = (seen @ embeddings[column].T).reshape(len(row), kept, len(column))
        likeness[np.arange(kept) >= count[row, None]] = -np.inf
        distance[np.ix_(row, column)] = 1.0 - likeness.max(axis=1)
        return distance


def unit_length(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, d) of length 1; a row that is all zero or not finite becomes NaN: nothing is known of it."""
    length = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float32))
    length[~(np.isfinite(length) & (length > 0))] = np.nan
    unit: NDArray[np.float32] = (embeddings / length[:, None]).astype(np.float32, copy=False)
    return unit
