"""What can be put around any rule: clipping, weight decay and averaging.

In the order in which torch does it: the raw gradient is clipped, the L2 penalty's share is added, theta decays, the
rule steps.
"""

from dataclasses import dataclass

from engine.knobs import knob
from engine.optimizers.problem import Tensor

_TINY = 1e-6
"""Added to the norm that a gradient is clipped by, as torch does."""


@dataclass(frozen=True, slots=True)
class Wraps:
    """What is put around a rule; a 0 leaves it out.

    Attributes:
        clip: the largest norm of a replicate's gradient: a step off a cliff keeps its direction and loses its length
            (Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063).
        clip_value: the largest size of each number of a gradient.
        l2: lambda of L2 weight decay, g <- g + lambda theta: the gradient of (lambda / 2) |theta|^2.
        decay: lambda of decoupled weight decay, theta <- (1 - eta lambda) theta (Loshchilov and Hutter 2019). It is L2
            decay for plain gradient descent, and another thing for rules that divide the gradient.
        average: the answer is the mean of the places in this last share of the run (Polyak and Juditsky 1992, SIAM
            Journal on Control and Optimization 30): noise around the minimum averages out, so that a large rate
            does no harm.
    """

    clip: float = knob(
        0.0, "Clip norm", low=0.0, high=100.0, step=0.1, help="The largest norm of a gradient; 0 is off."
    )
    clip_value: float = knob(
        0.0, "Clip value", low=0.0, high=100.0, step=0.1, help="The largest number in a gradient; 0 is off."
    )
    l2: float = knob(0.0, "L2 decay", low=0.0, high=1.0, log=True, help="Added to the gradient; 0 is off.")
    decay: float = knob(0.0, "Decoupled decay", low=0.0, high=1.0, log=True, help="Beside the gradient; 0 is off.")
    average: float = knob(
        0.0, "Average", low=0.0, high=1.0, step=0.01, unit="%",
        help="The answer is the mean over this last share of the run; 0 is off.",
    )  # fmt: skip

    @property
    def touches_step(self) -> bool:
        """Whether anything but the average is on."""
        return bool(self.clip or self.clip_value or self.l2 or self.decay)

    def average_from(self, steps: int) -> int:
        """The first step, of a run of `steps`, whose place is averaged; `steps` + 1 where it is off."""
        return steps + 1 if not self.average else round(steps * (1 - min(1.0, self.average)))


def clip_norm(gradient: Tensor, most: float) -> Tensor:
    """Gradients (R, P) whose norm is at most `most`, each replicate's by itself."""
    import torch

    norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    return gradient * (most / (norms + _TINY)).clamp_(max=1.0)


def clip_value(gradient: Tensor, most: float) -> Tensor:
    """Gradients whose numbers lie between -`most` and `most`."""
    return gradient.clamp(-most, most)


def prepared(theta: Tensor, gradient: Tensor, rate: float, wraps: Wraps) -> Tensor:
    """Clip and decay before a rule steps.

    Args:
        theta: (R, P), decays in place.
        gradient: (R, P), left as it is.
        rate: of the step.
        wraps: what is on.

    Returns:
        The gradient that the rule is given.
    """
    if wraps.clip:
        gradient = clip_norm(gradient, wraps.clip)
    if wraps.clip_value:
        gradient = clip_value(gradient, wraps.clip_value)
    if wraps.l2:
        gradient = gradient.add(theta, alpha=wraps.l2)
    if wraps.decay:
        theta.mul_(1 - rate * wraps.decay)
    return gradient


def averaged(average: Tensor | None, theta: Tensor, count: int) -> Tensor:
    """The mean of `count` places, the last of which is `theta`; in place where there is one already."""
    return theta.clone() if average is None else average.lerp_(theta, 1.0 / count)
