"""What the threshold slider needs: counts, F1 and histogram at any threshold, and the thresholds one press gives."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import SightlineError
from engine.inspection.metrics import Numbers, best_f1

QUANTILE = 0.99


class Confusion(NamedTuple):
    """How many pictures are what they are called."""

    good_as_good: int
    good_as_bad: int
    bad_as_good: int
    bad_as_bad: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many scores lie between each two edges; the last edge belongs to the last bin.

    Attributes:
        edges: (bins + 1,) float64, 0 to 1.
        good, bad: (bins,) int64.
    """

    edges: Numbers
    good: NDArray[np.int64]
    bad: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Preset:
    """A threshold and one sentence that says where it comes from."""

    threshold: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class KnownScores:
    """The calibrated scores of pictures whose truth is known; a picture is called abnormal at score >= threshold.

    Attributes:
        good, bad: (n,) float64, 0..1, rising.
    """

    good: Numbers
    bad: Numbers

    @classmethod
    def of(cls, scores: ArrayLike, abnormal: ArrayLike) -> Self:
        """Take them apart.

        Args:
            scores: (n,) numbers in 0..1, in any order.
            abnormal: (n,) bool, the truth.

        Raises:
            SightlineError: a score is NaN.
        """
        values, truth = np.asarray(scores, np.float64), np.asarray(abnormal, bool)
        if np.isnan(values).any():
            raise SightlineError("Some pictures have no score, so no threshold can be found: fit the model again.")
        return cls(np.sort(values[~truth]), np.sort(values[truth]))

    def confusion(self, threshold: float) -> Confusion:
        """Good called good, good called bad, bad called good, bad called bad."""
        passed, missed = (int(np.searchsorted(scores, threshold, "left")) for scores in (self.good, self.bad))
        return Confusion(passed, len(self.good) - passed, missed, len(self.bad) - missed)

    def f1(self, threshold: float) -> float | None:
        """2 TP / (2 TP + FP + FN); None where no defective picture is known."""
        if not len(self.bad):
            return None
        _passed, alarms, missed, caught = self.confusion(threshold)
        return 2 * caught / (2 * caught + alarms + missed)

    def histogram(self, bins: int = 40) -> Histogram:
        """Counts of both over 0..1, the slider's own range; a score beyond it counts at its end."""
        edges = np.linspace(0, 1, bins + 1)
        good, bad = (np.histogram(np.clip(scores, 0, 1), edges)[0] for scores in (self.good, self.bad))
        return Histogram(edges, good, bad)

    def best_f1(self, quantile: float = QUANTILE) -> Preset:
        """The highest F1; in the middle of the gap between the scores that it may lie between.

        Where no defective picture is known it is `from_good(quantile)`, and the sentence says so.

        Raises:
            SightlineError: no picture is known.
        """
        if not len(self.bad):
            return self.from_good(quantile)
        truth = np.repeat([False, True], [len(self.good), len(self.bad)])
        scores = np.concatenate([self.good, self.bad])
        found = best_f1(scores, truth)
        # with defective ones alone the lowest of them has an F1 of 1
        highest = float(self.bad[0]) if found is None else found.threshold
        below = scores[scores < highest]
        threshold = _between(float(below.max()), highest) if len(below) else highest
        return Preset(threshold, f"Set for the highest F1, {self.f1(threshold):.3f}: {self._says(threshold)}.")

    def no_false_alarm(self) -> Preset:
        """As low as it can be with no good picture called defective.

        Raises:
            SightlineError: no good picture is known.
        """
        if not len(self.good):
            raise SightlineError("No good picture is known, so no false alarm can be ruled out: add good pictures.")
        threshold = _above(self.good[-1])
        return Preset(threshold, f"Set just above the highest good score: {self._says(threshold)}.")

    def no_miss(self, quantile: float = QUANTILE) -> Preset:
        """As high as it can be with no defective picture called good; without any, as `best_f1`.

        Raises:
            SightlineError: no picture is known.
        """
        if not len(self.bad):
            return self.from_good(quantile)
        threshold = float(self.bad[0])
        return Preset(threshold, f"Set at the lowest defective score: {self._says(threshold)}.")

    def from_good(self, quantile: float = QUANTILE) -> Preset:
        """As low as it can be with at least this share of the good pictures called good.

        Args:
            quantile: 0..1.

        Raises:
            SightlineError: no good picture is known.
        """
        if not len(self.good):
            raise SightlineError("No good picture is known to set a threshold from: add good pictures.")
        # 0.07 * 100 is 7.000000000000001, which is 7 pictures
        passing = int(np.ceil(quantile * len(self.good) - 1e-9))
        threshold = _above(self.good[passing - 1]) if passing else float(self.good[0])
        known = f"{len(self.bad)} defective ones are known" if len(self.bad) else "no defective ones are known"
        share = f"{100 * quantile:.4g} % quantile"
        return Preset(threshold, f"Set from the good pictures' {share} ({_many(len(self.good))}); {known}.")

    def _says(self, threshold: float) -> str:
        _passed, alarms, missed, _caught = self.confusion(threshold)
        parts = []
        if len(self.good):
            parts.append(f"{alarms or 'none'} of {_many(len(self.good), 'good ')} called defective")
        if len(self.bad):
            parts.append(f"{missed or 'none'} of {len(self.bad)} defective missed")
        return ", ".join(parts)


def _many(count: int, kind: str = "") -> str:
    return f"{count} {kind}picture{'' if count == 1 else 's'}"


def _above(score: float) -> float:
    """The next number."""
    return float(np.nextafter(score, np.inf))


def _between(low: float, high: float) -> float:
    """The middle, above `low` and not above `high`; infinite scores have none."""
    middle = low + (high - low) / 2
    return middle if low < middle <= high else high
