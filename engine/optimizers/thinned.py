"""What is drawn of a contender's curves: as many points as the plot has pixels, whatever was raced."""

import itertools
from dataclasses import dataclass

import numpy as np

from engine.optimizers.means import Means
from engine.optimizers.pyramid import Pyramid
from engine.optimizers.record import Chunk, Record, mean_and_error

AXES = ("steps", "epochs", "evaluations", "seconds")
QUANTITIES = ("loss", "train", "test", "norm", "distance", "rate")
"""loss is that of the rows of each step, train and test are the full objective where it was measured."""
_PIECES = 12
_STRETCHES = 160
"""Of a noisy curve that is drawn smooth: each is the mean of as many steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line with its band.

    Attributes:
        x, y: (m,) float64; y is NaN where there is no value.
        low, high: (m,) float64, the band; None where there is none.
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


_NOTHING = Line(np.empty(0), np.empty(0))


class Thinned:
    """A `Record` that grows, and the lines that are drawn of it.

    Args:
        record: of the contender; None begins a new one.
        rows: of the problem's data, for epochs; 0 for a surface.
        expected: how many steps there will be, if that is known.
    """

    def __init__(self, record: Record | None = None, rows: int = 0, expected: int = 1024) -> None:
        self.record = Record(expected) if record is None else record
        self._expected = max(expected, len(self.record))
        self.rows = rows
        self.apart: float | None = None
        """The largest relative difference from the twin so far."""
        self._pyramids: dict[str, Pyramid] = {}
        self._means: dict[str, Means] = {}
        self._twin = Pyramid()

    def append(self, chunk: Chunk) -> None:
        """Take what a race tells of this contender."""
        self.record.append(chunk.trace, chunk.columns)
        if chunk.twin is not None:
            self._twin.append(mean_and_error(chunk.twin)[0])
        if chunk.apart is not None:
            self.apart = max(chunk.apart, self.apart or 0.0)

    def __len__(self) -> int:
        return len(self.record)

    def x(self, axis: str) -> np.ndarray:
        """Where each step lies on an axis of `AXES`, (n,) float64, never falling."""
        record = self.record
        if axis == "steps":
            return np.arange(record.first, record.first + len(record), dtype=np.float64)
        if axis == "epochs":
            return record.epochs(self.rows)
        return record.series(axis)

    def end(self, axis: str) -> float:
        """Where its last step lies; 0 before the first."""
        if not len(self.record):
            return 0.0
        if axis == "steps":
            return float(self.record.first + len(self.record) - 1)
        last = float(self.record.series("evaluations" if axis == "epochs" else axis)[-1])
        return last / max(1, self.rows) if axis == "epochs" else last

    def place(self, axis: str, x: float) -> int:
        """The step that lies at a place of an axis, or before it."""
        record = self.record
        if not len(record):
            return record.first
        if axis == "steps":
            at = int(np.floor(x)) - record.first
        else:
            series = record.series("evaluations" if axis == "epochs" else axis)
            at = int(np.searchsorted(series, x * max(1, self.rows) if axis == "epochs" else x, "right")) - 1
        return record.first + min(max(at, 0), len(record) - 1)

    def line(
        self, quantity: str, axis: str, x0: float, x1: float, pixels: int, *, log_x: bool = False, band: float = 0.0,
        smooth: bool = False,
    ) -> Line:  # fmt: skip
        """A line that looks like the whole curve between two places.

        Args:
            quantity: of `QUANTITIES`.
            axis: of `AXES`.
            x0, x1: what is seen of the axis.
            pixels: how wide it is drawn.
            log_x: equal ratios are equally wide.
            band: so many standard errors on both sides; 0 for none. Of the loss alone.
            smooth: means over stretches of steps, as of losses that are noisy: those of batches.

        Returns:
            At most about 2 `pixels` points, each bucket with its lowest and highest value.
        """
        if quantity in ("train", "test"):
            return self._full(quantity, axis)
        if not len(self.record):
            return _NOTHING
        if smooth and quantity in ("loss", "norm"):
            return self._smooth(quantity, axis, x0, x1, log_x, band)
        spans = self._spans(axis, x0, x1, pixels, log_x)
        pyramid = self._pyramid(quantity)
        where, values = _joined([pyramid.view(first, last, some) for first, last, some in spans])
        x = self._at(axis, where)
        if quantity != "loss" or not band:
            return Line(x, values)
        errors = self._pyramid("error")
        # the same spans have the same buckets
        _, error = _joined([errors.view(first, last, some) for first, last, some in spans])
        wide = _widest(where, error) * band
        return Line(x, values, values - wide, values + wide)

    def twin(
        self, axis: str, x0: float, x1: float, pixels: int, *, log_x: bool = False, smooth: bool = False
    ) -> Line:  # fmt: skip
        """The loss of torch's twin, as `line`."""
        count = len(self._twin)
        if not count:
            return _NOTHING
        if smooth:
            edges = self._edges(axis, x0, x1, log_x)
            # the same stretches as the curve's, so that one lies on the other
            edges = edges[edges <= count]
            return self._stretches("twin", axis, edges) if len(edges) > 1 else _NOTHING
        spans = [(a, min(b, count), some) for a, b, some in self._spans(axis, x0, x1, pixels, log_x) if a < count]
        if not spans:
            return _NOTHING
        where, values = _joined([self._twin.view(*span) for span in spans])
        return Line(self._at(axis, where), values)

    def _smooth(self, quantity: str, axis: str, x0: float, x1: float, log_x: bool, band: float) -> Line:
        edges = self._edges(axis, x0, x1, log_x)
        line = self._stretches(quantity, axis, edges)
        if quantity != "loss" or not band:
            return line
        wide = np.nan_to_num(self._mean("error").view(edges)) * band
        return Line(line.x, line.y, line.y - wide, line.y + wide)

    def _stretches(self, name: str, axis: str, edges: np.ndarray) -> Line:
        return Line(self._at(axis, (edges[:-1] + edges[1:] - 1) / 2), self._mean(name).view(edges))

    def _edges(self, axis: str, x0: float, x1: float, log_x: bool) -> np.ndarray:
        """Where the stretches begin, and the last one ends; they stay where they are while the curve grows."""
        first, last = (self.place(axis, x) - self.record.first for x in (x0, x1))
        last = min(len(self.record), last + 1)
        count = last - first
        if log_x:
            cuts = np.unique(np.geomspace(first + 1, last + 1, _STRETCHES + 1).astype(np.int64) - 1)
            return cuts if len(cuts) > 1 else np.array([first, last])
        size = max(1, 2 ** int(np.ceil(np.log2(max(1, count) / _STRETCHES))))
        begin = -(-first // size) * size
        edges = np.arange(begin, last, size, dtype=np.int64)
        return np.unique(np.concatenate([[first], edges, [last]]))

    def _full(self, quantity: str, axis: str) -> Line:
        fulls = [one for one in self.record.fulls if getattr(one, quantity) is not None]
        if not fulls:
            return _NOTHING
        steps = np.array([one.step for one in fulls])
        values = mean_and_error(np.stack([getattr(one, quantity) for one in fulls], 1))[0]
        # after the last step nothing was recorded: it is one further
        where = np.clip(steps - self.record.first, 0, max(0, len(self.record) - 1)).astype(np.float64)
        x = steps.astype(np.float64) if axis == "steps" else self._at(axis, where)
        return Line(x, values)

    def _spans(self, axis: str, x0: float, x1: float, pixels: int, log_x: bool) -> list[tuple[int, int, int]]:
        """First and last step, counted from the record's first, and pixels of the pieces that are seen."""
        first, last = (self.place(axis, x) - self.record.first for x in (x0, x1))
        # one more on both sides: the line leaves the picture
        first, last = max(0, first - 1), min(len(self.record), last + 2)
        if not log_x or last - first < 4 * _PIECES:
            return [(first, last, pixels)]
        cuts = np.unique(np.geomspace(first + 1, last + 1, _PIECES + 1).astype(int) - 1)
        cuts[-1] = last
        some = max(2, pixels // _PIECES)
        return [(int(a), int(b), some) for a, b in itertools.pairwise(cuts)]

    def _at(self, axis: str, where: np.ndarray) -> np.ndarray:
        if axis == "steps":
            return where + self.record.first
        series = self.record.series("evaluations" if axis == "epochs" else axis)
        x = series[where.astype(np.int64)]
        return x / max(1, self.rows) if axis == "epochs" else x

    def _mean(self, name: str) -> Means:
        """The means of one series, as long as the series is now."""
        means = self._means.get(name) or self._means.setdefault(name, Means(self._expected))
        series = self._twin.values if name == "twin" else self.record.series(name)
        if len(means) < len(series):
            means.append(series[len(means) :])
        return means

    def _pyramid(self, name: str) -> Pyramid:
        """The pyramid of one series, as long as the series is now."""
        pyramid = self._pyramids.get(name) or self._pyramids.setdefault(name, Pyramid(self._expected))
        series = self.record.series(name)
        if len(pyramid) < len(series):
            pyramid.append(series[len(pyramid) :])
        return pyramid


def _joined(pieces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if len(pieces) == 1:
        where, values = pieces[0]
    else:
        where = np.concatenate([where for where, _ in pieces])
        values = np.concatenate([values for _, values in pieces])
    return where, values.astype(np.float64)


def _widest(where: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The larger error of the two points of each bucket, for both of them; 0 where there is none."""
    error = np.nan_to_num(error)
    if len(error) > 1:
        same = where[1:] == where[:-1]
        error[:-1] = np.where(same, np.maximum(error[:-1], error[1:]), error[:-1])
        error[1:] = np.where(same, np.maximum(error[:-1], error[1:]), error[1:])
    return error
