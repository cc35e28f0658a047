"""What a race tells while it goes on, and the series that are kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Full:
    """The full objective at one step.

    Attributes:
        step: how many steps were taken before.
        train: (R,) float64, the objective over all rows, with its penalty; NaN where a replicate has diverged.
        test: (R,) float64, on the rows that are kept aside; None where there are none.
    """

    step: int
    train: np.ndarray
    test: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Some steps of one run. The n columns belong to the steps `first`, `first` + 1, ...; each is what was seen
    before the step was taken, so the first loss of a run is that of its start.

    Attributes:
        first: the first step.
        losses: (R, n) float64, the objective on the rows of the step, where its gradient was taken: with a batch this
            is noisy, with all rows it is the full objective. NaN after a replicate has diverged.
        norms: (R, n) float64, the length of the gradient.
        distances: (R, n) float64, from the nearest known place of the minimum; None where none is known.
        rates: (n,) float64, the learning rate.
        evaluations: (n,) float64, gradients of single rows so far, those of a surface counting one each.
        seconds: (n,) float64, that the rule and its gradients took so far.
        places: (n, R, P) float64, where it was (or its average); None where that is not kept.
        full: the full objective at some steps.
        diverged: how many replicates have diverged so far.
    """

    first: int
    losses: np.ndarray
    norms: np.ndarray
    distances: np.ndarray | None
    rates: np.ndarray
    evaluations: np.ndarray
    seconds: np.ndarray
    places: np.ndarray | None
    full: tuple[Full, ...]
    diverged: int


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some steps of one contender of a race.

    Attributes:
        contender: its number.
        trace: the steps. `places` is kept of two parameters alone: the path over a surface.
        theta: (R, P), where it is after the last step (or its average).
        twin: (R, m) float64, the losses of torch's twin at the first m of these steps; None where it does not follow.
        apart: the largest relative difference of a parameter from the twin's in these steps; None without a twin.
        columns: what `columns_of` says of the trace, where somebody has computed it.
    """

    contender: int
    trace: Trace
    theta: np.ndarray
    twin: np.ndarray | None = None
    apart: float | None = None
    columns: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """A contender was moved by hand.

    Attributes:
        contender: its number.
        theta: (R, P), where it is now.
    """

    contender: int
    theta: np.ndarray


def joined(traces: list[Trace], keep_places: bool) -> Trace:
    """Traces that follow each other as one."""
    first, last = traces[0], traces[-1]
    kept = [trace.places for trace in traces if trace.places is not None] if keep_places else []
    near = [trace.distances for trace in traces if trace.distances is not None]
    return Trace(
        first.first,
        np.concatenate([trace.losses for trace in traces], axis=1),
        np.concatenate([trace.norms for trace in traces], axis=1),
        np.concatenate(near, axis=1) if near else None,
        np.concatenate([trace.rates for trace in traces]),
        np.concatenate([trace.evaluations for trace in traces]),
        np.concatenate([trace.seconds for trace in traces]),
        np.concatenate(kept) if kept else None,
        tuple(full for trace in traces for full in trace.full),
        last.diverged,
    )


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over the replicates that have a value.

    Args:
        values: (R, n) float64, NaN where there is none.

    Returns:
        (n,) means, NaN where no replicate has a value, and (n,) standard errors, NaN where fewer than two have.
    """
    there = np.isfinite(values)
    count = there.sum(axis=0)
    with np.errstate(all="ignore"):
        mean = np.where(there, values, 0.0).sum(axis=0) / count
        squares = np.where(there, values - mean, 0.0) ** 2
        error = np.sqrt(squares.sum(axis=0) / (count - 1) / count)
    return np.where(count > 0, mean, np.nan), np.where(count > 1, error, np.nan)


def columns_of(trace: Trace) -> np.ndarray:
    """What a `Record` keeps of a trace: (7, n) float64, a row for each of `Record.NAMES`."""
    loss, error = mean_and_error(trace.losses)
    made = np.empty((len(Record.NAMES), len(loss)))
    made[0], made[1], made[2] = loss, error, mean_and_error(trace.norms)[0]
    made[3] = np.nan if trace.distances is None else mean_and_error(trace.distances)[0]
    made[4], made[5], made[6] = trace.rates, trace.evaluations, trace.seconds
    return made


class Record:
    """The series of one contender, appended chunk by chunk: means and standard errors over the replicates.

    Attributes:
        first: the step of the first column; a fork begins late.
        diverged: how many replicates have diverged so far.
        fulls: the full objective, step by step as it was measured.

    Args:
        expected: how many steps there will be, if that is known.
    """

    NAMES = ("loss", "error", "norm", "distance", "rate", "evaluations", "seconds")
    """loss and norm are means, error the standard error of the loss."""

    def __init__(self, expected: int = 1024) -> None:
        self.first = 0
        self.diverged = 0
        self.fulls: list[Full] = []
        self._length = 0
        # memory that is never written costs nothing: a run of known length is never copied
        self._data = np.empty((len(self.NAMES), max(1, expected)))

    @classmethod
    def restored(cls, first: int, diverged: int, series: Mapping[str, np.ndarray], fulls: Sequence[Full]) -> "Record":
        """A record that was kept.

        Args:
            first, diverged, fulls: as the attributes.
            series: (n,) float64 by `NAMES`; one that is left out is NaN.

        Raises:
            ValueError: they are not of one length.
        """
        length = max((len(column) for column in series.values()), default=0)
        made = cls(length)
        made.first, made.diverged, made.fulls, made._length = first, diverged, list(fulls), length
        for number, name in enumerate(cls.NAMES):
            column = series.get(name)
            if column is not None and len(column) != length:
                raise ValueError(f"{name} has {len(column)} numbers and not {length}")
            made._data[number, :length] = np.nan if column is None else column
        return made

    def __len__(self) -> int:
        return self._length

    def append(self, trace: Trace, columns: np.ndarray | None = None) -> None:
        """Take a trace that follows the last one.

        Args:
            trace: the steps.
            columns: what `columns_of` says of it, where that is known.
        """
        if not self._length:
            self.first = trace.first
        columns = columns_of(trace) if columns is None else columns
        end = self._length + columns.shape[1]
        if end > self._data.shape[1]:
            grown = np.empty((len(self.NAMES), max(end, 2 * self._data.shape[1])))
            grown[:, : self._length] = self._data[:, : self._length]
            self._data = grown
        self._data[:, self._length : end] = columns
        self._length = end
        self.fulls.extend(trace.full)
        self.diverged = trace.diverged

    def series(self, name: str) -> np.ndarray:
        """One of `NAMES` so far, (n,) float64; not to be written."""
        view = self._data[self.NAMES.index(name), : self._length]
        view.flags.writeable = False
        return view

    def epochs(self, rows: int) -> np.ndarray:
        """Passes through the data at each step, (n,) float64; of a surface (0 rows), evaluations."""
        return self.series("evaluations") / max(1, rows)

    def steps_to(self, loss: float) -> int | None:
        """The first step at which the mean loss was at most this; None where it never was."""
        there = np.flatnonzero(self.series("loss") <= loss)
        return self.first + int(there[0]) if len(there) else None

    def area(self) -> float:
        """The area under the curve of the mean loss, over its length in steps."""
        seen = self.series("loss")
        return float(seen.mean()) if self._length else float("nan")
