"""A growing series that can be drawn at any zoom in the time that its pixels take, not its points."""

import numpy as np

_LEAST = 4
"""The finest level that is kept has buckets of 2 to the power of this; finer ones are read from the series."""


class Pyramid:
    """The smallest and largest values of buckets of 2, 4, 8 ... points of a series that is only appended to.

    NaN is a gap: a bucket leaves it out, and is NaN where it holds nothing else.

    Args:
        expected: how many points there will be, if that is known: memory for more is copied over when it is used up.
    """

    def __init__(self, expected: int = 1024) -> None:
        self._series = np.empty(max(1, expected), np.float32)
        self._length = 0
        # by level from _LEAST on: lows and highs of the buckets that are complete
        self._levels: list[tuple[np.ndarray, np.ndarray]] = []
        self._filled: list[int] = []

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> np.ndarray:
        """(n,) float32, the series so far; not to be written."""
        view = self._series[: self._length]
        view.flags.writeable = False
        return view

    def append(self, values: np.ndarray) -> None:
        """Add (n,) numbers at the end."""
        end = self._length + len(values)
        self._series = _grown(self._series, end)
        self._series[self._length : end] = values
        self._length = end

    def _raise(self, level: int) -> None:
        """Fill the buckets of the levels up to this one that have become complete: only what is looked at is."""
        for one in range(_LEAST, level + 1):
            self._fill(one)

    def _fill(self, level: int) -> None:
        number = level - _LEAST
        complete = self._length >> level
        if number == len(self._levels):
            self._levels.append((np.empty(64, np.float32), np.empty(64, np.float32)))
            self._filled.append(0)
        done = self._filled[number]
        if complete == done:
            return
        lows, highs = (_grown(one, complete) for one in self._levels[number])
        if number:
            below = slice(2 * done, 2 * complete)
            finer = self._levels[number - 1]
            lows[done:complete] = np.fmin.reduce(finer[0][below].reshape(-1, 2), axis=1)
            highs[done:complete] = np.fmax.reduce(finer[1][below].reshape(-1, 2), axis=1)
        else:
            some = self._series[done << level : complete << level].reshape(-1, 1 << level)
            lows[done:complete] = np.fmin.reduce(some, axis=1)
            highs[done:complete] = np.fmax.reduce(some, axis=1)
        self._levels[number] = (lows, highs)
        self._filled[number] = complete

    def view(self, first: int, last: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
        """A line that looks like the series on so many pixels.

        Args:
            first, last: the points that are seen, `last` left out; cut to what there is.
            pixels: how wide the line is drawn.

        Returns:
            (m,) float64 numbers of points and (m,) float32 values, m at most 2 `pixels`: the series itself where it
            has so few points, else the lowest and the highest value of each bucket at the place of its first point,
            the buckets at both ends cut to what is seen.
        """
        first, last = max(0, first), min(last, self._length)
        pixels = max(1, pixels)
        if last - first <= 2 * pixels:
            return np.arange(first, max(first, last), dtype=np.float64), self._series[first : max(first, last)].copy()
        level = 1
        # counted with the cut ones at both ends
        while ((last - 1) >> level) - (first >> level) + 1 > pixels:
            level += 1
        begin, end = -(-first >> level), last >> level
        left = [(first, min(begin << level, last))] if first < begin << level else []
        right = [(end << level, last)] if begin <= end and end << level < last else []
        sides = _ends(self._series, left), self._buckets(level, begin, end), _ends(self._series, right)
        lows, highs = (np.concatenate(one) for one in zip(*sides, strict=True))
        at = [*(one[0] for one in left), *(np.arange(begin, end) << level), *(one[0] for one in right)]
        x = np.repeat(np.asarray(at, dtype=np.float64), 2)
        return x, np.stack([lows, highs], axis=1).reshape(-1)

    def _buckets(self, level: int, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Lows and highs of some complete buckets of a level; there may be none."""
        if begin >= end:
            return _ends(self._series, [])
        if level >= _LEAST:
            self._raise(level)
            lows, highs = self._levels[level - _LEAST]
            return lows[begin:end], highs[begin:end]
        some = self._series[begin << level : end << level].reshape(-1, 1 << level)
        return np.fmin.reduce(some, axis=1), np.fmax.reduce(some, axis=1)


def _ends(series: np.ndarray, spans: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Lows and highs of a few spans of the series."""
    lows = [np.fmin.reduce(series[a:b]) for a, b in spans]
    highs = [np.fmax.reduce(series[a:b]) for a, b in spans]
    return np.array(lows, np.float32), np.array(highs, np.float32)


def _grown(array: np.ndarray, length: int) -> np.ndarray:
    """An array with room for a length, doubled where it has too little."""
    if length <= len(array):
        return array
    made = np.empty(max(length, 2 * len(array)), array.dtype)
    made[: len(array)] = array
    return made
