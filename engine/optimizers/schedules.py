"""How the learning rate moves over a run: a shape that the base rate is multiplied by, after a linear warm-up.

rate = floor + (base - floor) shape(t, T), where t is the step and T the steps of the run, both counted after the
warm-up. In the w steps of the warm-up the rate rises in a straight line to what the first step after it has:
rate(w) (t + 1) / (w + 1). Where torch.optim.lr_scheduler has the schedule, the rates are equal.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.knobs import knob

_LAST = 1e-4
"""One-cycle ends at this share of where it began."""


@dataclass(frozen=True, slots=True)
class ScheduleKnobs:
    """What every schedule has."""

    warmup: int = knob(0, "Warm-up", low=0, high=100_000, step=1, unit="steps", help="Steps in which the rate rises.")
    floor: float = knob(0.0, "Floor", low=0.0, high=10.0, step=0.0001, help="The rate that it falls towards.")


@dataclass(frozen=True, slots=True)
class StepKnobs(ScheduleKnobs):
    """Settings of step decay."""

    every: int = knob(100, "Every", low=1, high=100_000, step=1, unit="steps", help="Steps between two falls.")
    gamma: float = knob(0.5, "Factor", low=0.0, high=1.0, step=0.01, help="What the rate is multiplied by at a fall.")


@dataclass(frozen=True, slots=True)
class ExponentialKnobs(ScheduleKnobs):
    """Settings of exponential decay."""

    gamma: float = knob(0.999, "Factor", low=0.0, high=1.0, step=0.0001, help="What each step multiplies the rate by.")


@dataclass(frozen=True, slots=True)
class RestartsKnobs(ScheduleKnobs):
    """Settings of cosine decay with restarts."""

    every: int = knob(100, "First cycle", low=1, high=100_000, step=1, unit="steps", help="Steps before a restart.")
    growth: int = knob(2, "Growth", low=1, high=10, step=1, help="How many times longer each cycle is.")


@dataclass(frozen=True, slots=True)
class ScaleKnobs(ScheduleKnobs):
    """Settings of the decays that theory asks for."""

    scale: float = knob(
        100.0, "Scale", low=1.0, high=100_000.0, step=1.0, unit="steps", help="Steps before the rate falls in earnest."
    )


@dataclass(frozen=True, slots=True)
class PolynomialKnobs(ScheduleKnobs):
    """Settings of polynomial decay."""

    power: float = knob(2.0, "Power", low=0.1, high=10.0, step=0.1, help="1 falls in a straight line.")


@dataclass(frozen=True, slots=True)
class OneCycleKnobs(ScheduleKnobs):
    """Settings of one cycle."""

    rise: float = knob(
        0.3, "Rise", low=0.01, high=0.99, step=0.01, unit="%", help="Share of the run in which it rises."
    )
    start: float = knob(
        25.0, "Start", low=1.0, high=1000.0, step=1.0, help="The first rate is the base rate over this."
    )


Shape = Callable[[np.ndarray, int, Any], np.ndarray]


def _constant(t: np.ndarray, steps: int, knobs: ScheduleKnobs) -> np.ndarray:
    return np.ones_like(t)


def _step(t: np.ndarray, steps: int, knobs: StepKnobs) -> np.ndarray:
    return np.asarray(knobs.gamma ** np.floor(t / knobs.every))


def _exponential(t: np.ndarray, steps: int, knobs: ExponentialKnobs) -> np.ndarray:
    return np.asarray(knobs.gamma**t)


def _cosine(t: np.ndarray, steps: int, knobs: ScheduleKnobs) -> np.ndarray:
    return (1 + np.cos(np.pi * np.minimum(t / steps, 1.0))) / 2


def _restarts(t: np.ndarray, steps: int, knobs: RestartsKnobs) -> np.ndarray:
    if knobs.growth == 1:
        return (1 + np.cos(np.pi * (t % knobs.every) / knobs.every)) / 2
    # cycle n begins after every (growth^n - 1) / (growth - 1) steps; found by searching, as a logarithm rounds
    count = max(1, math.ceil(math.log(float(t.max(initial=0)) + knobs.every + 1, knobs.growth)) + 1)
    lengths = knobs.every * float(knobs.growth) ** np.arange(count)
    begins = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    cycle = np.searchsorted(begins, t, side="right") - 1
    return np.asarray((1 + np.cos(np.pi * (t - begins[cycle]) / lengths[cycle])) / 2)


def _linear(t: np.ndarray, steps: int, knobs: ScheduleKnobs) -> np.ndarray:
    return 1 - np.minimum(t / steps, 1.0)


def _inverse_root(t: np.ndarray, steps: int, knobs: ScaleKnobs) -> np.ndarray:
    return 1 / np.sqrt(1 + t / knobs.scale)


def _inverse(t: np.ndarray, steps: int, knobs: ScaleKnobs) -> np.ndarray:
    return 1 / (1 + t / knobs.scale)


def _polynomial(t: np.ndarray, steps: int, knobs: PolynomialKnobs) -> np.ndarray:
    return np.asarray((1 - np.minimum(t / steps, 1.0)) ** knobs.power)


def _one_cycle(t: np.ndarray, steps: int, knobs: OneCycleKnobs) -> np.ndarray:
    top, last = knobs.rise * steps - 1, steps - 1
    up = np.clip(t / top, 0.0, 1.0) if top > 0 else np.ones_like(t)
    down = np.clip((t - top) / (last - top), 0.0, 1.0) if last > top else np.ones_like(t)
    first = 1 / knobs.start
    rising = 1 + (first - 1) * (1 + np.cos(np.pi * up)) / 2
    falling = first * _LAST + (1 - first * _LAST) * (1 + np.cos(np.pi * down)) / 2
    return np.where(t <= top, rising, falling)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of schedule.

    Attributes:
        key, title: what it is called in text and on the screen.
        knobs: the dataclass of its settings.
        shape: (t, T, knobs) -> what the base rate is multiplied by at the steps t, float64.
        idea: one sentence.
        formula: in mathtext.
    """

    key: str
    title: str
    knobs: type
    shape: Shape
    idea: str
    formula: str


SCHEDULES: dict[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind("constant", "Constant", ScheduleKnobs, _constant, "The same rate at every step.", r"$\eta_t = \eta$"),
        Kind("step", "Step", StepKnobs, _step, "Falls by a factor every so many steps.",
             r"$\eta_t = \eta\,\gamma^{\lfloor t/k \rfloor}$"),
        Kind("exponential", "Exponential", ExponentialKnobs, _exponential, "Falls by the same factor at every step.",
             r"$\eta_t = \eta\,\gamma^t$"),
        Kind("cosine", "Cosine", ScheduleKnobs, _cosine,
             "Falls slowly, then fast, then slowly (Loshchilov and Hutter 2017).",
             r"$\eta_t = \eta\,(1 + \cos(\pi t / T)) / 2$"),
        Kind("cosine_restarts", "Cosine with restarts", RestartsKnobs, _restarts,
             "Starts anew after each fall, each cycle longer (Loshchilov and Hutter 2017).",
             r"$\eta_t = \eta\,(1 + \cos(\pi t_c / T_c)) / 2$"),
        Kind("linear", "Linear", ScheduleKnobs, _linear, "Falls in a straight line.", r"$\eta_t = \eta\,(1 - t/T)$"),
        Kind("inverse_root", "Inverse square root", ScaleKnobs, _inverse_root,
             "As theory asks for convex problems under noise.", r"$\eta_t = \eta / \sqrt{1 + t/s}$"),
        Kind("inverse", "1/t", ScaleKnobs, _inverse,
             "As theory asks for strongly convex problems under noise (Robbins and Monro 1951).",
             r"$\eta_t = \eta / (1 + t/s)$"),
        Kind("polynomial", "Polynomial", PolynomialKnobs, _polynomial, "Falls as a power of what is left.",
             r"$\eta_t = \eta\,(1 - t/T)^p$"),
        Kind("one_cycle", "One cycle", OneCycleKnobs, _one_cycle,
             "Rises, then falls to almost nothing (Smith and Topin 2017).",
             r"$\eta/d \rightarrow \eta \rightarrow 10^{-4}\,\eta/d$"),
    )
}  # fmt: skip
"""Every schedule by its key."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule with its settings.

    Attributes:
        key: one of `SCHEDULES`.
        knobs: of the type that the kind names; None takes its defaults.
    """

    key: str = "constant"
    knobs: Any = None

    def __post_init__(self) -> None:
        if self.key not in SCHEDULES:
            raise SightlineError(f"There is no schedule {self.key}: choose of {', '.join(SCHEDULES)}.")
        if self.knobs is None:
            object.__setattr__(self, "knobs", SCHEDULES[self.key].knobs())

    @property
    def kind(self) -> Kind:
        """What is known of it."""
        return SCHEDULES[self.key]

    def curve(self, steps: int, base: float, first: int = 0, count: int | None = None) -> np.ndarray:
        """The rates of some steps of a run.

        Args:
            steps: of the whole run.
            base: the rate that the shape multiplies.
            first: the first step that is wanted.
            count: how many; None takes all that are left.

        Returns:
            (count,) float64.
        """
        wanted = np.arange(first, steps if count is None else first + count, dtype=np.float64)
        warmup, floor = self.knobs.warmup, self.knobs.floor
        after = np.maximum(wanted - warmup, 0.0)
        shape = self.kind.shape(after, max(1, steps - warmup), self.knobs)
        rates: np.ndarray = floor + (base - floor) * shape
        return np.where(wanted < warmup, rates * (wanted + 1) / (warmup + 1), rates)

    def rate(self, step: int, steps: int, base: float) -> float:
        """The rate of one step, from 0, of a run of `steps`."""
        return float(self.curve(steps, base, step, 1)[0])

    def check(self, steps: int) -> None:
        """Settings that a person may have typed, beside a run of `steps`.

        Raises:
            SightlineError: one of them cannot be, or what it plans is longer than the run.
        """
        for field in fields(self.knobs):
            check_knob(self.kind.title, field.name, getattr(self.knobs, field.name), field.metadata["knob"].low)
        longest = {"warmup": self.knobs.warmup, "every": getattr(self.knobs, "every", 0)}
        for name, length in longest.items():
            if length >= steps and length:
                what = "warm-up" if name == "warmup" else "first fall"
                raise SightlineError(
                    f"The {what} of the schedule {self.key} takes {length:,} steps and the run has {steps:,}: "
                    f"give a shorter one or more steps."
                )
        for name, most in (("gamma", 1.0), ("rise", 0.99)):
            if (value := getattr(self.knobs, name, 0.0)) > most:
                raise SightlineError(f"{self.kind.title} cannot have {name}={value:g}: give {most:g} or less.")


def check_knob(title: str, name: str, value: float, low: float | None) -> None:
    """One number that a person may have typed.

    Raises:
        SightlineError: it is no number, or less than the least that can be.
    """
    if not math.isfinite(value):
        raise SightlineError(f"{title} cannot have {name}={value}: give a number.")
    if low is not None and value < low:
        raise SightlineError(f"{title} cannot have {name}={value:g}: give {low:g} or more.")
