"""The k nearest neighbours: what a rule that learns nothing says, as the baseline beside those that learn.

A row is told by the k training rows that are nearest to it: the mean of their numbers, or the shares of their classes
(Cover and Hart 1967, IEEE Transactions on Information Theory 13). Every k up to `MOST_K` costs one pass, as the
neighbours of a smaller k are the first of those of a larger one.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.learning import problems
from engine.learning.tables import Table

Floats = NDArray[np.float64]
METRICS = ("l2", "l1", "minkowski")
MOST_K = 50
_SHARE, _SPLIT = 0.2, 6
"""Of the training rows, that k is chosen on; and what keeps their permutation apart from others."""
_MOST_ASKED = 5_000
"""Rows that k is chosen on at most."""
_MOST_WORK, _POWER = 1e11, 10
"""Differences that are taken at most: a few minutes; and how many of them one with a broken exponent costs."""
_MOST_PAIRS = 2**22
"""Distances that are kept at once: 32 MB."""
_BLOCK_S = 0.02
"""Seconds that a block takes, about."""


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What the nearest neighbours say.

    Attributes:
        k: how many.
        metric: one of `METRICS`.
        p: the exponent of Minkowski's distance.
        figures: on the rows kept aside, under the names of `engine.learning.problems.test_figures`; None without any.
        scores: of those rows: (m,) the number, or of two classes the share of class 1 less a half; (m, C) the shares
            of more classes.
        errors: (K,) by k from 1, on the validation rows: the share that is told wrongly, or the root of the mean
            squared difference. Empty where k was given.
        rows: of the training part that neighbours are looked for in.
    """

    k: int
    metric: str
    p: float
    figures: dict[str, float] | None
    scores: Floats
    errors: Floats
    rows: int

    @property
    def title(self) -> str:
        """What it is called in a table."""
        how = {"l1": "L1", "l2": "L2", "minkowski": f"Minkowski {self.p:g}"}[self.metric]
        return f"{self.k} nearest neighbour{'s' if self.k > 1 else ''}, {how}"


def baseline(table: Table, metric: str = "l2", p: float = 3.0, k: int | None = None, seed: int = 0) -> Job[Baseline]:
    """Tell the rows kept aside by their neighbours.

    Args:
        table: its last column, the constant, is left out.
        metric: "l2", "l1" or "minkowski".
        p: the exponent of the last, 1 or more.
        k: how many neighbours; None chooses by the last 20 % of a permutation of the training rows.
        seed: of that permutation.

    Yields:
        `Progress`; a `Notice` where the table is so large that a part of it must do.

    Raises:
        SightlineError: a metric, an exponent or a k that cannot be, or a table without rows or columns.
    """
    if metric not in METRICS:
        raise SightlineError(f"There is no distance {metric}: choose of {', '.join(METRICS)}.")
    if not 1 <= p < float("inf"):
        raise SightlineError(
            f"The exponent of Minkowski's distance is 1 or more and not {p:g}: 2 is the usual distance."
        )
    exponent = {"l1": 1.0, "l2": 2.0, "minkowski": float(p)}[metric]
    x, y = table.x[:, :-1], table.y
    if not len(x) or not x.shape[1]:
        raise SightlineError("Neighbours need a row and a column besides the constant: choose other data.")
    if k is not None and not 1 <= k <= len(x):
        raise SightlineError(f"{k:,} neighbours cannot be: give 1 to {len(x):,}, the rows of the training part.")
    order = np.random.default_rng([seed, _SPLIT]).permutation(len(x))
    asked = len(table.test_x) + (0 if k is not None else min(_MOST_ASKED, round(_SHARE * len(x))))
    most = max(1000, k or 0, int(_MOST_WORK / max(1, asked * x.shape[1] * (1 if exponent in (1, 2, 3) else _POWER))))
    if most < len(x):
        yield Notice(f"The table is large: neighbours are looked for among {most:,} of its {len(x):,} training rows.")
        order = order[-most:]
        # in their own order, so that of two alike the first one stays the first
        kept = np.sort(order)
        x, y = x[kept], y[kept]
        order = np.random.default_rng([seed, _SPLIT]).permutation(most)
    classes = len(table.classes)
    errors = np.zeros(0)
    if k is None:
        seen = max(1, round(_SHARE * len(x))) if len(x) > 1 else 0
        # one row says what it is told itself
        k = 1
        if seen:
            fit, seen_rows = np.sort(order[:-seen]), order[-min(seen, _MOST_ASKED) :]
            errors = yield from _errors(x[fit], y[fit], x[seen_rows], y[seen_rows], classes, exponent)
            k = 1 + int(np.argmin(errors))
    parts: list[Floats] = []
    total = len(table.test_x)
    for begin, near in _nearest(x, table.test_x[:, :-1], k, exponent):
        if near is not None:
            parts.append(_said(y[near], classes, np.array([k]))[:, 0])
        yield Progress("Looking for neighbours", begin, total, "rows")
    scores = np.concatenate(parts) if parts else np.zeros((0, classes) if classes > 2 else 0)
    figures = problems.figures_of(max(2, classes) if table.classes else 0, table.test_y, scores) if total else None
    return Baseline(k, metric, exponent, figures, scores, errors, len(x))


def _errors(x: Floats, y: Floats, seen: Floats, truth: Floats, classes: int, exponent: float) -> Job[Floats]:
    """(K,) how wrong each k is on rows whose label is known."""
    ks = np.arange(1, min(MOST_K, len(x)) + 1)
    total, done = np.zeros(len(ks)), 0
    for end, near in _nearest(x, seen, len(ks), exponent):
        if near is not None:
            right = truth[done:end, None]
            said = _said(y[near], classes, ks)
            if not classes:
                wrong = (said - right) ** 2
            elif classes > 2:
                wrong = said.argmax(2) != right
            else:
                wrong = (said > 0) != (right > 0)
            total += wrong.sum(0)
            done = end
        yield Progress("Choosing k", end, len(seen), "rows")
    return total / len(seen) if classes else np.sqrt(total / len(seen))


def _said(labels: Floats, classes: int, ks: NDArray[np.int64]) -> Floats:
    """What neighbours say.

    Args:
        labels: (b, K) float64 of the neighbours, the nearest first.
        classes: C, 0 for numbers.
        ks: (j,) how many of them count.

    Returns:
        (b, j) means, or shares of class 1 less a half; (b, j, C) shares of more classes.
    """
    if classes <= 2:
        mean: Floats = np.cumsum(labels, 1)[:, ks - 1] / ks
        # a half of small numbers is exact, so that a tie stays one
        return mean - 0.5 if classes else mean
    shares = np.empty((len(labels), len(ks), classes))
    for one in range(classes):
        shares[:, :, one] = np.cumsum(labels == one, 1)[:, ks - 1] / ks
    return shares


def _nearest(x: Floats, asked: Floats, k: int, exponent: float) -> Iterator[tuple[int, NDArray[np.int64] | None]]:
    """The nearest rows of some, a block after the other.

    Args:
        x: (n, P) where they are looked for.
        asked: (m, P).
        k: how many, at most n.
        exponent: of the distance.

    Yields:
        How many rows are done, and (b, k) the places in x of the neighbours of the last b, nearest first and of two as
        near the first; None for these in between.
    """
    import torch

    known, wanted = torch.from_numpy(np.ascontiguousarray(x.T)), torch.from_numpy(np.ascontiguousarray(asked))
    most = max(1, _MOST_PAIRS // len(x))
    wide, rows, begin = 4096, 1, 0
    while begin < len(asked):
        some = wanted[begin : begin + rows]
        far = torch.empty((len(some), len(x)), dtype=torch.float64)
        at = 0
        while at < len(x):
            began = time.monotonic()
            far[:, at : at + wide] = distances(some, known[:, at : at + wide], exponent)
            at += wide
            took = time.monotonic() - began
            wide = max(256, min(4 * wide, int(wide * _BLOCK_S / max(took, 1e-6))))
            if took > _BLOCK_S / 4:
                yield begin, None
        began = time.monotonic()
        near = _smallest(far, k)
        begin += len(some)
        yield begin, near
        took = max(time.monotonic() - began, 1e-6)
        if at <= wide:
            # all fits into one block: more rows at once, as long as it is quick
            took += len(x) / wide * _BLOCK_S
        rows = max(1, min(most, 4 * rows, int(rows * 2 * _BLOCK_S / took)))


def distances(some: Any, known: Any, exponent: float) -> Any:
    """(b, n) the sums of |difference|^exponent over the columns, which order rows as the distance does.

    Args:
        some, known: (b, P) and (P, n) float64 tensors.
        exponent: 1 or more.
    """
    import torch

    total = torch.zeros((len(some), known.shape[1]), dtype=torch.float64)
    off, square = torch.empty_like(total), torch.empty_like(total)
    for one, other in zip(some.unbind(1), known, strict=True):
        torch.sub(other[None, :], one[:, None], out=off)
        if exponent == 2:
            total.addcmul_(off, off)
        elif exponent == 1:
            total += off.abs_()
        elif exponent == 3:
            # a power costs ten times a product
            total.addcmul_(torch.mul(off, off, out=square), off.abs_())
        else:
            total += off.abs_().pow_(exponent)
    return total


def _smallest(far: Any, k: int) -> NDArray[np.int64]:
    """(b, k) the places of the smallest numbers of each row, smallest first, and of equal ones the first."""
    limit = far.topk(k, dim=1, largest=False).values[:, -1:]
    mask = far <= limit
    row, column = mask.nonzero(as_tuple=True)
    value, row, column = far[mask].numpy(), row.numpy(), column.numpy()
    # columns rise within a row already, and the sort leaves equal ones in their order
    order = np.lexsort((value, row))
    counts = np.bincount(row, minlength=len(far))
    begins = np.cumsum(counts) - counts
    found: NDArray[np.int64] = column[order][begins[:, None] + np.arange(k)]
    return found
