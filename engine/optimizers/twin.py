"""The twin: the same contender through torch.optim, which no other file here uses.

Both begin at the same place, see the same rows and noise and ask the same problem for their gradients, each at its
own place; what differs is the rule alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.job import Job, Progress
from engine.optimizers.contenders import Contender
from engine.optimizers.problem import Problem, Tensor
from engine.optimizers.record import Trace
from engine.optimizers.run import Edit, Run, one_thread
from engine.optimizers.wolfe import MOST

_BLOCK = 64


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """How torch.optim fared beside a contender.

    Attributes:
        differences: (n,) float64, after each step the largest difference of a parameter, relative to the largest
            parameter of its replicate; of replicates that have not diverged.
        losses: (R, n) float64, torch's, before each step; NaN after a replicate has diverged.
    """

    differences: np.ndarray
    losses: np.ndarray

    @property
    def largest(self) -> float:
        """The largest difference of all steps."""
        return float(self.differences.max(initial=0.0))


def has_twin(contender: Contender) -> bool:
    """Whether torch.optim has such a rule with all that is put around it."""
    wraps = contender.wraps
    decays = not wraps.decay or (contender.key in ("adam", "nadam") and not wraps.l2)
    return contender.key in _MAKERS and not wraps.average and decays and not (contender.key == "adamw" and wraps.l2)


def prepare() -> Job[None]:
    """Import what torch.optim itself imports with its first optimizer: some seconds, better spent before a race."""
    import torch

    yield Progress("Getting torch.optim ready")
    torch.optim.SGD([torch.zeros(1)], lr=1.0).step()


def twin(
    problem: Problem, contender: Contender, steps: int = 1000, replicates: int = 1, first: int = 1000
) -> Job[Twin | None]:
    """Run a contender and torch.optim side by side.

    Args:
        problem: what is minimised.
        contender: as in the race.
        steps: of the race; the schedule goes by it.
        replicates: R, as in the race.
        first: so many steps are compared, at most.

    Yields:
        `Progress`.

    Returns:
        The comparison; None where torch has no such rule.

    Raises:
        SightlineError: as `Run`.
    """
    if not has_twin(contender):
        return None
    run = Run(problem, contender, steps, replicates, every=steps)
    beside = Beside(run)
    count = min(first, steps)
    seen: list[Twin] = []
    while run.step < count and not run.over:
        seen.append(beside.follow(run.advance(min(_BLOCK, count - run.step))))
        yield Progress(f"Comparing {contender.name} with torch", run.step, count, "steps")
    return Twin(
        np.concatenate([one.differences for one in seen]), np.concatenate([one.losses for one in seen], axis=1)
    )  # fmt: skip


class Beside:
    """torch.optim that goes beside a run from its first step.

    Args:
        run: at its first step, of a contender that has a twin.
        every: so many steps lie between two comparisons of the parameters; those at the end of a trace are compared.
    """

    def __init__(self, run: Run, every: int = 1) -> None:
        self._run, self._before, self._every = run, run.contender, every
        kind = _Searching if run.contender.rule.searches else _Stepping
        self._other = kind(run.problem, run.contender, run.at.theta.clone())

    @property
    def fits(self) -> bool:
        """Whether torch can still follow: another rate, schedule, batch or seed is no matter, any other knob is."""
        now, before = self._run.contender, self._before
        same = replace(
            now, knobs=replace(now.knobs, lr=before.knobs.lr) if now.key == before.key else now.knobs,
            schedule=before.schedule, batch=before.batch, seed=before.seed, name=before.name, colour=before.colour,
        )  # fmt: skip
        return same == before

    def edit(self, edit: Edit) -> None:
        """Set the same parameter by hand."""
        self._other.edit(edit)

    def follow(self, trace: Trace) -> Twin:
        """Take the steps that the run has just taken, with its rows and noise."""
        import torch

        run, other = self._run, self._other
        rows, noise = run.taken
        gone = run.at.diverged
        ours = [torch.from_numpy(place) for place in trace.places[1:]] if trace.places is not None else []
        seen, differences = [], []
        with one_thread(run.tiny):
            for number, place in enumerate([*ours, run.at.theta]):
                rate = float(trace.rates[number])
                seen.append(other.step(rate, rows[number], None if noise is None else noise[number]))
                after = trace.first + number + 1
                if after % self._every and number < len(ours):
                    continue
                differences.append(_difference(place, other.theta, (gone < 0) | (after <= gone)))
        losses = np.where(np.isnan(trace.losses), np.nan, torch.stack(seen, dim=1).numpy())
        return Twin(np.array(differences), losses)


def _difference(ours: Tensor, other: Tensor, alive: Tensor) -> float:
    """The largest difference, relative to the largest parameter of its replicate, of those that are alive."""
    if not bool(alive.any()):
        return 0.0
    ours, other = ours[alive], other[alive]
    apart = (ours - other).abs().amax(1)
    size = other.abs().amax(1).clamp(min=1e-300)
    return float((apart / size).nan_to_num(nan=float("inf")).max())


class _Stepping:
    """An optimizer of torch's on all replicates as one tensor."""

    def __init__(self, problem: Problem, contender: Contender, theta: Tensor) -> None:
        self._problem, self._wraps = problem, contender.wraps
        self.theta = theta
        self._optimizer = _MAKERS[contender.key]([theta], contender.knobs, contender.wraps)

    def edit(self, edit: Edit) -> None:
        """Set a parameter by hand."""
        self.theta[edit.replicate, edit.place] = edit.value

    def step(self, rate: float, rows: Tensor | None, noise: Tensor | None) -> Tensor:
        """Take a step; returns the losses before it."""
        loss, gradient = self._problem.value_and_gradient(self.theta, rows)
        self.theta.grad = gradient if noise is None else gradient + noise
        self._clip()
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        return loss

    def _clip(self) -> None:
        """By torch's own functions, each replicate by itself."""
        from torch.nn import utils

        if self._wraps.clip:
            for row, gradient in zip(self.theta, self.theta.grad, strict=True):
                row.grad = gradient
                utils.clip_grad_norm_([row], self._wraps.clip)
        if self._wraps.clip_value:
            utils.clip_grad_value_([self.theta], self._wraps.clip_value)


class _Searching:
    """A torch.optim.LBFGS for each replicate, an iteration a step."""

    def __init__(self, problem: Problem, contender: Contender, theta: Tensor) -> None:
        self._problem = problem
        self._rows = [row.clone() for row in theta]
        self._optimizers = [_MAKERS[contender.key]([row], contender.knobs, contender.wraps) for row in self._rows]

    def edit(self, edit: Edit) -> None:
        """Set a parameter by hand."""
        self._rows[edit.replicate][edit.place] = edit.value

    @property
    def theta(self) -> Tensor:
        """(R, P), where the replicates are."""
        import torch

        return torch.stack(self._rows)

    def step(self, rate: float, rows: Tensor | None, noise: Tensor | None) -> Tensor:
        """Take a step; returns the losses before it."""
        import torch

        losses = []
        for row, optimizer in zip(self._rows, self._optimizers, strict=True):
            optimizer.param_groups[0]["lr"] = rate

            def closure(row: Tensor = row) -> Tensor:
                value, gradient = self._problem.value_and_gradient(row[None], None)
                row.grad = gradient[0]
                return value[0]

            losses.append(optimizer.step(closure))
        return torch.stack(losses)


def _sgd(nesterov: bool) -> Callable[..., Any]:
    def make(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
        from torch import optim

        beta = getattr(knobs, "beta", 0.0)
        # torch takes no Nesterov without momentum, where it would be plain descent
        return optim.SGD(
            parameters, lr=knobs.lr, momentum=beta, nesterov=nesterov and beta > 0, weight_decay=wraps.l2
        )  # fmt: skip

    return make


def _adagrad(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
    from torch import optim

    return optim.Adagrad(parameters, lr=knobs.lr, eps=knobs.eps, weight_decay=wraps.l2)


def _rmsprop(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
    from torch import optim

    return optim.RMSprop(parameters, lr=knobs.lr, alpha=knobs.alpha, eps=knobs.eps, weight_decay=wraps.l2)


def _adadelta(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
    from torch import optim

    return optim.Adadelta(parameters, lr=knobs.lr, rho=knobs.rho, eps=knobs.eps, weight_decay=wraps.l2)


def _adam(amsgrad: bool) -> Callable[..., Any]:
    def make(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
        from torch import optim

        kind = optim.AdamW if wraps.decay else optim.Adam
        return kind(
            parameters, lr=knobs.lr, betas=(knobs.beta, knobs.beta2), eps=knobs.eps, amsgrad=amsgrad,
            weight_decay=wraps.decay or wraps.l2,
        )  # fmt: skip

    return make


def _adamw(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
    from torch import optim

    return optim.AdamW(
        parameters, lr=knobs.lr, betas=(knobs.beta, knobs.beta2), eps=knobs.eps, weight_decay=knobs.decay
    )


def _nadam(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
    import torch

    made = torch.optim.NAdam(
        parameters, lr=knobs.lr, betas=(knobs.beta, knobs.beta2), eps=knobs.eps, momentum_decay=knobs.psi,
        weight_decay=wraps.decay or wraps.l2, decoupled_weight_decay=bool(wraps.decay),
    )  # fmt: skip
    for one in parameters:
        # torch would multiply its momenta in float32, whatever the dtype of the parameters
        product = torch.ones((), dtype=one.dtype)
        zeros = {name: torch.zeros_like(one) for name in ("exp_avg", "exp_avg_sq")}
        made.state[one] = {"step": torch.tensor(0.0), "mu_product": product, **zeros}
    return made


def _lbfgs(parameters: list[Tensor], knobs: Any, wraps: Any) -> Any:
    from torch import optim

    return optim.LBFGS(
        parameters, lr=knobs.lr, max_iter=1, max_eval=MOST + 1, tolerance_grad=knobs.flat,
        tolerance_change=knobs.still, history_size=knobs.history, line_search_fn="strong_wolfe",
    )  # fmt: skip


_MAKERS: dict[str, Callable[..., Any]] = {
    "sgd": _sgd(False),
    "momentum": _sgd(False),
    "nesterov": _sgd(True),
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adadelta": _adadelta,
    "adam": _adam(False),
    "amsgrad": _adam(True),
    "adamw": _adamw,
    "nadam": _nadam,
    "lbfgs": _lbfgs,
}
