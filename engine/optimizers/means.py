"""The mean of a growing series over stretches of it, in the time that the stretches take and not their points."""

import numpy as np

_EVERY = 16
"""Sums are kept for every so many points; shorter stretches are added up."""


class Means:
    """Means of a series that is only appended to; NaN is left out.

    Args:
        expected: how many points there will be, if that is known.
    """

    def __init__(self, expected: int = 1024) -> None:
        self._series = np.empty(max(1, expected), np.float32)
        self._length = 0
        # sums and counts of all points before each 16th
        self._sums, self._counts = np.zeros(1), np.zeros(1)
        self._filled = 1

    def __len__(self) -> int:
        return self._length

    def append(self, values: np.ndarray) -> None:
        """Add (n,) numbers at the end."""
        end = self._length + len(values)
        if end > len(self._series):
            self._series = np.concatenate([self._series, np.empty(max(end, len(self._series)), np.float32)])
        self._series[self._length : end] = values
        self._length = end
        done, complete = self._filled - 1, end // _EVERY
        if complete == done:
            return
        if complete >= len(self._sums):
            room = max(complete + 1, 2 * len(self._sums)) - len(self._sums)
            self._sums = np.concatenate([self._sums, np.zeros(room)])
            self._counts = np.concatenate([self._counts, np.zeros(room)])
        some = self._series[done * _EVERY : complete * _EVERY].reshape(-1, _EVERY).astype(np.float64)
        there = np.isfinite(some)
        self._sums[done + 1 : complete + 1] = self._sums[done] + np.cumsum(np.where(there, some, 0.0).sum(1))
        self._counts[done + 1 : complete + 1] = self._counts[done] + np.cumsum(there.sum(1))
        self._filled = complete + 1

    def view(self, edges: np.ndarray) -> np.ndarray:
        """The means of stretches.

        Args:
            edges: (m + 1,) int64, rising, from 0 to the length: stretch k begins at edge k and ends before edge k + 1.

        Returns:
            (m,) float64, NaN where a stretch has no number.
        """
        blocks = np.minimum(edges // _EVERY, self._filled - 1)
        # what lies between the last kept sum and each edge: fewer than 16 points
        offsets = np.arange(_EVERY)
        places = np.minimum(blocks[:, None] * _EVERY + offsets, max(0, self._length - 1))
        rest = self._series[places].astype(np.float64)
        there = np.isfinite(rest) & (offsets < (edges - blocks * _EVERY)[:, None])
        total = np.diff(self._sums[blocks] + np.where(there, rest, 0.0).sum(1))
        count = np.diff(self._counts[blocks] + there.sum(1))
        with np.errstate(all="ignore"):
            return np.where(count > 0, total / count, np.nan)
