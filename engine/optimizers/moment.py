"""All that a run is at one step, and the moments that are kept so that it can be forked."""

from dataclasses import dataclass, replace

from engine.optimizers.contenders import Contender
from engine.optimizers.problem import Tensor
from engine.optimizers.rule import State, copied

_MOST, _MOST_BYTES = 64, 64 * 2**20
_FIRST_STRIDE = 256


@dataclass(slots=True)
class Moment:
    """A run at one step.

    Attributes:
        step: how many steps were taken.
        contender: as it is now.
        theta: (R, P).
        state: of the rule.
        average: (R, P), the mean of places; None before the first.
        averaged: how many places are in it.
        evaluations: gradients of single rows that were asked for, a replicate's mean; of a surface, gradients.
        seconds: that the steps took.
        diverged: (R,) int64, the step at which a replicate's loss went beyond the limit; -1 where it did not.
        frozen: (R, P), where the diverged ones were then.
        origin: the step and the number of the epoch at which the present order of the data began.
    """

    step: int
    contender: Contender
    theta: Tensor
    state: State
    average: Tensor | None
    averaged: int
    evaluations: float
    seconds: float
    diverged: Tensor
    frozen: Tensor
    origin: tuple[int, int]

    def copy(self) -> "Moment":
        """A moment that can go on without this one noticing."""
        return replace(
            self,
            theta=self.theta.clone(),
            state=copied(self.state),
            average=None if self.average is None else self.average.clone(),
            diverged=self.diverged.clone(),
            frozen=self.frozen.clone(),
        )

    def answer(self) -> Tensor:
        """What the rule would answer now, (R, P): where it is, or the mean of where it was; a new tensor."""
        import torch

        here = self.theta if self.average is None else self.average
        return torch.where(self.diverged[:, None] >= 0, self.frozen, here)


class Moments:
    """Some moments of a run, far enough apart to be few and near enough to be quickly at any step from one of them.

    The first is always kept. When there are too many, every other one goes.

    Attributes:
        stride: steps between two that are kept.
    """

    def __init__(self, first: Moment, stride: int = _FIRST_STRIDE) -> None:
        self._kept = [first.copy()]
        self.stride = stride
        # theta, what is frozen and about three tensors of a rule
        self._most = max(2, min(_MOST, _MOST_BYTES // max(1, 5 * first.theta.nbytes)))

    def take(self, moment: Moment) -> None:
        """Keep a moment, if its step is one of those that are kept."""
        if moment.step % self.stride or moment.step <= self._kept[-1].step:
            return
        self._kept.append(moment.copy())
        while len(self._kept) > self._most:
            self.stride *= 2
            self._kept = [one for one in self._kept if one.step % self.stride == 0 or one is self._kept[0]]

    def before(self, step: int) -> Moment:
        """A copy of the last one that is kept at or before a step."""
        return next(one for one in reversed(self._kept) if one.step <= step).copy()

    def until(self, step: int) -> "Moments":
        """These moments up to a step, as those of another run."""
        made = Moments(self._kept[0], self.stride)
        made._kept = [one for one in self._kept if one.step <= step]
        return made
