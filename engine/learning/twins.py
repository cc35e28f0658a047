"""Rows of the test part that the training part as good as holds, and splits that keep groups together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.learning.columns import Column

Rows = NDArray[np.int64]
BITS = 10
"""Numbers that agree to so many bits, which is about three digits, count as the same."""
_STEP = np.uint64(0x9E3779B97F4A7C15)


def split(rows: int, test_share: float, seed: int) -> tuple[Rows, Rows]:
    """Rows of the training part, one at least, and of the test part: the last ones of a permutation."""
    order = np.random.default_rng(seed).permutation(rows)
    cut = max(1, rows - round(test_share * rows))
    return order[:cut], order[cut:]


def split_groups(groups: NDArray[np.int64], name: str, test_share: float, seed: int) -> tuple[Rows, Rows]:
    """Rows of the training and of the test part, no group on both sides.

    The groups are permuted, and the last ones kept aside until they hold the wanted share of the rows as nearly as
    can be; both parts have at least one.

    Args:
        groups: (n,) int64, which group each row is of; -1, where it has none, is a group too.
        name: of the column, for the sentence.
        test_share: of the rows.
        seed: of the permutation.

    Raises:
        SightlineError: there is one group alone.
    """
    kinds, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(kinds) < 2:
        raise SightlineError(f"All rows have the same {name}: choose another column that keeps rows together, or none.")
    order = np.random.default_rng(seed).permutation(len(kinds))
    held = np.cumsum(counts[order][::-1])[:-1]
    taken = int(np.abs(held - test_share * len(groups)).argmin()) + 1
    aside = np.zeros(len(kinds), bool)
    aside[order[-taken:]] = True
    test = aside[place]
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    return shuffled[~test[shuffled]], shuffled[test[shuffled]]


def row_marks(columns: Sequence[Column]) -> Job[NDArray[np.uint64]]:
    """(n,): a number for each row, the same for rows whose numbers agree to a thousandth and whose words all do."""
    marks = np.zeros(len(columns[0]), np.uint64)
    for k, column in enumerate(columns):
        if column.codes is not None:
            one = column.codes.astype(np.int64).view(np.uint64)
        else:
            assert column.numbers is not None
            one = _rounded(column.numbers)
        # splitmix64: every bit of the sum moves every bit of the mark
        marks = (marks ^ one) + _STEP
        marks = (marks ^ (marks >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        marks = (marks ^ (marks >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        marks ^= marks >> np.uint64(31)
        yield Progress("Looking for near twins", k, len(columns), "columns")
    return marks


def _rounded(numbers: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Numbers rounded to `BITS` bits: what is no number is one value, and so are 0 and -0."""
    rest = np.uint64(52 - BITS)
    one = np.where(np.isfinite(numbers), numbers, np.nan) + 0.0
    half = np.uint64(1) << (rest - np.uint64(1))
    return ((one.view(np.uint64) + half) >> rest) << rest


def count_twins(marks: NDArray[np.uint64], train: Rows, test: Rows) -> tuple[int, bool]:
    """How many test rows have a twin in the training part, and whether that says something.

    It says nothing where all rows are of few kinds, as a table of two columns of words is.
    """
    kinds = np.unique(marks[train])
    return int(np.isin(marks[test], kinds).sum()), len(kinds) > len(train) / 10
