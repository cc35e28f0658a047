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
    """

    contender: int
    trace: Trace
    theta: np.ndarray
    twin: np.ndarray | None = None
    apart: float | None = None


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


class Record:
    """The series of one contender, appended chunk by chunk: means and standard errors over the replicates.

    Attributes:
        first: the step of the first column; a fork begins late.
        diverged: how many replicates have diverged so far.
        fulls: the full objective, step by step as it was measured.
    """

    NAMES = ("loss", "error", "norm", "distance", "rate", "evaluations", "seconds")
    """loss and norm are means, error the standard error of the loss."""

    def __init__(self) -> None:
        self.first = 0
        self.diverged = 0
        self.fulls: list[Full] = []
        self._length = 0
        self._series = {name: np.empty(1024) for name in self.NAMES}

    @classmethod
    def restored(cls, first: int, diverged: int, series: Mapping[str, np.ndarray], fulls: Sequence[Full]) -> "Record":
        """A record that was kept.

        Args:
            first, diverged, fulls: as the attributes.
            series: (n,) float64 by `NAMES`; one that is left out is NaN.

        Raises:
            ValueError: they are not of one length.
        """
        made = cls()
        made.first, made.diverged, made.fulls = first, diverged, list(fulls)
        made._length = max((len(column) for column in series.values()), default=0)
        for name in cls.NAMES:
            column = series.get(name)
            made._series[name] = np.full(max(1, made._length), np.nan) if column is None else np.asarray(column)
            if made._length and len(made._series[name]) != made._length:
                raise ValueError(f"{name} has {len(made._series[name])} numbers and not {made._length}")
        return made

    def __len__(self) -> int:
        return self._length

    def append(self, trace: Trace) -> None:
        """Take a trace that follows the last one."""
        if not self._length:
            self.first = trace.first
        loss, error = mean_and_error(trace.losses)
        none = np.full(len(loss), np.nan)
        columns = (
            loss, error, mean_and_error(trace.norms)[0],
            none if trace.distances is None else mean_and_error(trace.distances)[0],
            trace.rates, trace.evaluations, trace.seconds,
        )  # fmt: skip
        end = self._length + len(loss)
        for name, column in zip(self.NAMES, columns, strict=True):
            if end > len(self._series[name]):
                self._series[name] = np.concatenate([self._series[name], np.empty(max(end, len(self._series[name])))])
            self._series[name][self._length : end] = column
        self._length = end
        self.fulls.extend(trace.full)
        self.diverged = trace.diverged

    def series(self, name: str) -> np.ndarray:
        """One of `NAMES` so far, (n,) float64; not to be written."""
        view = self._series[name][: self._length]
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
