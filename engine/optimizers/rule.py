"""What a rule is, and what all rules share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.knobs import knob
from engine.optimizers.problem import Tensor

State: TypeAlias = dict[str, Any]
"""What a rule remembers: tensors of theta's shape and plain numbers, by name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a gradient becomes a step.

    The rule stands once, in `step`, which works in place on tensors that its caller owns: a vector of a million
    numbers is not copied for each step. `update` is the same as a pure function.

    Attributes:
        key: what it is called in text ("adam").
        title: what it is called on the screen.
        knobs: the dataclass of its settings, with torch's defaults; each has `lr`.
        init: (theta) -> state.
        step: (theta, gradient, state, rate, knobs) -> None; theta (R, P) and state are moved, the gradient is not.
        idea: one sentence: what it adds to the rule before it, and when that helps.
        formula: in mathtext, the gradient being g and the rate \\eta.
        paper: where it comes from.
        ahead: (theta, state, rate, knobs) -> where the gradient is taken, a new tensor; None takes it at theta.
        searches: it asks for the full objective itself (a line search); then `init` and `step` are those of
            `lbfgs.py`.
    """

    key: str
    title: str
    knobs: type
    init: Callable[[Tensor], State]
    step: Callable[..., Any]
    idea: str
    formula: str
    paper: str
    ahead: Callable[..., Tensor] | None = field(default=None)
    searches: bool = False

    def update(self, theta: Tensor, gradient: Tensor, state: Mapping[str, Any], rate: float, knobs: Any) -> Any:
        """One step as a pure function.

        Args:
            theta: (R, P); nothing that is handed in is changed.
            gradient: (R, P), of the objective at `theta`, or where `ahead` says.
            state: of `init`, or of the update before.
            rate: the learning rate of this step.
            knobs: of the type `self.knobs`.

        Returns:
            The new theta and the new state.
        """
        moved, kept = theta.clone(), copied(state)
        self.step(moved, gradient, kept, rate, knobs)
        return moved, kept


def copied(state: Mapping[str, Any]) -> State:
    """A state that can be moved without the other one noticing."""
    return {key: value.clone() if hasattr(value, "clone") else value for key, value in state.items()}


def rate_knob(default: float) -> Any:
    """The field of a learning rate."""
    return knob(default, "Learning rate", low=1e-6, high=10.0, log=True, help="How large a step is.")


def beta_knob(default: float, label: str, text: str) -> Any:
    """The field of a share that a moving average keeps, 0 to below 1."""
    return knob(default, label, low=0.0, high=0.9999, step=0.0001, help=text)


def eps_knob(default: float) -> Any:
    """The field of the small number that keeps a division from going wrong."""
    return knob(
        default, "Epsilon", low=0.0, high=1.0, step=1e-12, log=True, help="Added to what the step is divided by."
    )


def zeros(theta: Tensor, *names: str) -> State:
    """A state of zeros of theta's shape."""
    import torch

    return {name: torch.zeros_like(theta) for name in names}
