"""The rules in order of complexity: each is one before plus one idea.

In the formulas theta is what is learned, g the gradient of the objective at theta, eta the learning rate of the step,
t the number of the step from 1; all operations are by component. Where torch has the rule, the operations come in
torch's order, so that both follow the same path but for rounding. Batch size makes gradient descent (all rows),
stochastic gradient descent (one) and mini-batch out of one rule.
"""

from dataclasses import dataclass

from engine.optimizers import lbfgs
from engine.optimizers.problem import Tensor
from engine.optimizers.rule import Rule, State, beta_knob, eps_knob, rate_knob, zeros
from engine.optimizers.rules_adam import ADAM_RULES


@dataclass(frozen=True, slots=True)
class SgdKnobs:
    """Settings of gradient descent."""

    lr: float = rate_knob(0.001)


def sgd_init(theta: Tensor) -> State:
    """Nothing is remembered."""
    return {}


def sgd_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: SgdKnobs) -> None:
    r"""Gradient descent: theta <- theta - eta g.

    To first order f(theta + d) = f(theta) + g'd, which falls fastest for a given length of d along -g. With
    curvature at most L every eta < 2 / L descends; the slowest direction shrinks by 1 - eta mu a step, which is why
    a problem of condition number L / mu takes about that many steps.

    Robbins and Monro 1951 (Annals of Mathematical Statistics 22): with the gradient of a few rows in place of all.
    """
    theta.add_(gradient, alpha=-rate)


@dataclass(frozen=True, slots=True)
class MomentumKnobs:
    """Settings of momentum, both forms of Nesterov's included."""

    lr: float = rate_knob(0.001)
    beta: float = beta_knob(0.9, "Momentum β", "How much of the last step goes on.")


def momentum_init(theta: Tensor) -> State:
    """The sum of past gradients."""
    return zeros(theta, "b")


def momentum_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: MomentumKnobs) -> None:
    r"""Gradient descent that keeps rolling: b <- beta b + g, theta <- theta - eta b.

    Where gradients agree the steps add up to eta / (1 - beta); where they alternate they cancel. On a quadratic the
    best beta makes the number of steps go with the root of the condition number.

    Polyak 1964 (USSR Computational Mathematics 4). torch writes it in the same way, with the rate outside of b.
    """
    state["b"].mul_(knobs.beta).add_(gradient)
    theta.add_(state["b"], alpha=-rate)


def nesterov_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: MomentumKnobs) -> None:
    r"""Momentum that looks where it is going, in torch's form: b <- beta b + g, theta <- theta - eta (g + beta b).

    It is `nesterov_lookahead` after the change of variable phi = theta + beta v: the parameters that are kept are
    the ones ahead, so that the gradient is taken where they are. With v = -eta b:
    phi' = theta' + beta v' = (phi - beta v) + v' + beta v' = phi - eta g + beta v' = phi - eta (g + beta b').

    Nesterov 1983 (Doklady AN SSSR 269); Sutskever et al. 2013 (ICML).
    """
    state["b"].mul_(knobs.beta).add_(gradient)
    # two steps rather than one of the sum: no third vector is made
    theta.add_(gradient, alpha=-rate).add_(state["b"], alpha=-rate * knobs.beta)


def lookahead_init(theta: Tensor) -> State:
    """The last step."""
    return zeros(theta, "v")


def lookahead_place(theta: Tensor, state: State, rate: float, knobs: MomentumKnobs) -> Tensor:
    """Where momentum alone would lead: theta + beta v."""
    return theta.add(state["v"], alpha=knobs.beta)


def lookahead_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: MomentumKnobs) -> None:
    r"""Nesterov's momentum as it is taught: g is taken at theta + beta v; v <- beta v - eta g, theta <- theta + v.

    A step that momentum carries too far is corrected by the gradient at its end, one step earlier than momentum
    would. At a constant rate the places ahead are the ones that `nesterov_step` visits.

    Nesterov 1983 (Doklady AN SSSR 269).
    """
    state["v"].mul_(knobs.beta).add_(gradient, alpha=-rate)
    theta.add_(state["v"])


@dataclass(frozen=True, slots=True)
class AdagradKnobs:
    """Settings of AdaGrad."""

    lr: float = rate_knob(0.01)
    eps: float = eps_knob(1e-10)


def adagrad_init(theta: Tensor) -> State:
    """The sum of squared gradients."""
    return zeros(theta, "s")


def adagrad_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: AdagradKnobs) -> None:
    r"""A rate for each parameter: s <- s + g^2, theta <- theta - eta g / (sqrt(s) + eps).

    Minimising the bound on the regret of online descent over diagonal metrics gives the root of the summed squares:
    a parameter that is seldom moved (a rare word) keeps large steps. The sum never shrinks, so the steps fade as
    1 / sqrt(t).

    Duchi, Hazan and Singer 2011 (JMLR 12).
    """
    state["s"].addcmul_(gradient, gradient)
    theta.addcdiv_(gradient, state["s"].sqrt().add_(knobs.eps), value=-rate)


@dataclass(frozen=True, slots=True)
class RmspropKnobs:
    """Settings of RMSProp."""

    lr: float = rate_knob(0.01)
    alpha: float = beta_knob(0.99, "Smoothing α", "How much of the average of squared gradients is kept.")
    eps: float = eps_knob(1e-8)


def rmsprop_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: RmspropKnobs) -> None:
    r"""AdaGrad that forgets: s <- alpha s + (1 - alpha) g^2, theta <- theta - eta g / (sqrt(s) + eps).

    The sum becomes a moving average over about 1 / (1 - alpha) steps, so that steps do not fade; each component
    moves by about eta, whatever the scale of its gradient.

    Tieleman and Hinton 2012 (Coursera, Neural networks for machine learning, lecture 6.5).
    """
    state["s"].mul_(knobs.alpha).addcmul_(gradient, gradient, value=1 - knobs.alpha)
    theta.addcdiv_(gradient, state["s"].sqrt().add_(knobs.eps), value=-rate)


@dataclass(frozen=True, slots=True)
class AdadeltaKnobs:
    """Settings of AdaDelta."""

    lr: float = rate_knob(1.0)
    rho: float = beta_knob(0.9, "Smoothing ρ", "How much of the averages of squared gradients and steps is kept.")
    eps: float = eps_knob(1e-6)


def adadelta_init(theta: Tensor) -> State:
    """Averages of the squared gradients and of the squared steps."""
    return zeros(theta, "s", "u")


def adadelta_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: AdadeltaKnobs) -> None:
    r"""RMSProp whose steps have the unit of theta.

    s <- rho s + (1 - rho) g^2, d = sqrt(u + eps) / sqrt(s + eps) g, u <- rho u + (1 - rho) d^2, theta <- theta - eta d.

    g / sqrt(s) has no unit, while a Newton step g / f'' has theta's. The average size of past steps gives the unit
    back, and with it the rate that the others must be told; eps is what the first step is made of.

    Zeiler 2012 (arXiv 1212.5701).
    """
    state["s"].mul_(knobs.rho).addcmul_(gradient, gradient, value=1 - knobs.rho)
    root = state["s"].add(knobs.eps).sqrt_()
    delta = state["u"].add(knobs.eps).sqrt_().div_(root).mul_(gradient)
    state["u"].mul_(knobs.rho).addcmul_(delta, delta, value=1 - knobs.rho)
    theta.add_(delta, alpha=-rate)


_SIMPLE = (
    Rule(
        "sgd", "SGD", SgdKnobs, sgd_init, sgd_step,
        "Steps down the slope; slow where the slope is flat in one direction and steep in another.",
        r"$\theta \leftarrow \theta - \eta\, g$", "Robbins and Monro 1951",
    ),
    Rule(
        "momentum", "Momentum", MomentumKnobs, momentum_init, momentum_step,
        "Adds up steps that agree; helps in long valleys.",
        r"$b \leftarrow \beta b + g,\quad \theta \leftarrow \theta - \eta\, b$", "Polyak 1964",
    ),
    Rule(
        "nesterov", "Nesterov", MomentumKnobs, momentum_init, nesterov_step,
        "Takes the gradient where momentum leads, and so brakes earlier; torch's form.",
        r"$b \leftarrow \beta b + g,\quad \theta \leftarrow \theta - \eta\,(g + \beta b)$", "Nesterov 1983",
    ),
    Rule(
        "nesterov_lookahead", "Nesterov, look-ahead", MomentumKnobs, lookahead_init, lookahead_step,
        "The same as it is taught: first look ahead, then step.",
        r"$v \leftarrow \beta v - \eta\, g(\theta + \beta v),\quad \theta \leftarrow \theta + v$", "Nesterov 1983",
        ahead=lookahead_place,
    ),
    Rule(
        "adagrad", "AdaGrad", AdagradKnobs, adagrad_init, adagrad_step,
        "Gives each parameter its own rate, large for those that seldom move; helps with rare features.",
        r"$s \leftarrow s + g^2,\quad \theta \leftarrow \theta - \eta\, g / (\sqrt{s} + \epsilon)$",
        "Duchi, Hazan and Singer 2011",
    ),
    Rule(
        "rmsprop", "RMSProp", RmspropKnobs, adagrad_init, rmsprop_step,
        "Forgets old gradients, so that the steps do not fade; helps where the slope changes on the way.",
        r"$s \leftarrow \alpha s + (1-\alpha) g^2,\quad \theta \leftarrow \theta - \eta\, g / (\sqrt{s} + \epsilon)$",
        "Tieleman and Hinton 2012",
    ),
    Rule(
        "adadelta", "AdaDelta", AdadeltaKnobs, adadelta_init, adadelta_step,
        "Takes its scale from its own past steps; helps where no good rate is known.",
        r"$d = g\,\sqrt{u + \epsilon} / \sqrt{s + \epsilon},\quad \theta \leftarrow \theta - \eta\, d$",
        "Zeiler 2012",
    ),
)  # fmt: skip

RULES: dict[str, Rule] = {rule.key: rule for rule in (*_SIMPLE, *ADAM_RULES, lbfgs.RULE)}
"""Every rule by its key, in order of complexity."""
