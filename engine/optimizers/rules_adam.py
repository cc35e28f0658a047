"""The rules that average the gradient and its square, in order of complexity. Symbols as in `rules.py`."""

from dataclasses import dataclass

from engine.knobs import knob
from engine.optimizers.problem import Tensor
from engine.optimizers.rule import Rule, State, beta_knob, eps_knob, rate_knob, zeros

_FIRST = "How much of the average of gradients is kept."
_SECOND = "How much of the average of squared gradients is kept."


@dataclass(frozen=True, slots=True)
class AdamKnobs:
    """Settings of Adam and AMSGrad."""

    lr: float = rate_knob(0.001)
    beta: float = beta_knob(0.9, "β₁", _FIRST)
    beta2: float = beta_knob(0.999, "β₂", _SECOND)
    eps: float = eps_knob(1e-8)


def adam_init(theta: Tensor) -> State:
    """Averages of the gradient and of its square, and the number of steps."""
    return {"t": 0, **zeros(theta, "m", "v")}


def _moments(gradient: Tensor, state: State, knobs: AdamKnobs) -> tuple[float, float]:
    """Take a gradient into both averages, and return what each is short of: 1 - beta^t."""
    state["t"] += 1
    state["m"].lerp_(gradient, 1 - knobs.beta)
    state["v"].mul_(knobs.beta2).addcmul_(gradient, gradient, value=1 - knobs.beta2)
    return 1 - knobs.beta ** state["t"], 1 - knobs.beta2 ** state["t"]


def adam_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: AdamKnobs) -> None:
    r"""RMSProp with momentum, both started fairly.

    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2,
    theta <- theta - eta m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).

    m begins at zero: if g has mean c then E m = c (1 - b1) (1 + b1 + ... + b1^(t-1)) = c (1 - b1^t), so dividing by
    1 - b1^t takes the bias away; likewise v. The step is the ratio of mean and root mean square: near eta where
    gradients agree, small where they are noise.

    Kingma and Ba 2015 (arXiv 1412.6980). eps stands outside of the root, as in the paper and in torch.
    """
    short, short2 = _moments(gradient, state, knobs)
    root = (state["v"].sqrt() / short2**0.5).add_(knobs.eps)
    theta.addcdiv_(state["m"], root, value=-(rate / short))


def amsgrad_init(theta: Tensor) -> State:
    """Adam's, and the largest average of squares so far."""
    return {"t": 0, **zeros(theta, "m", "v", "top")}


def amsgrad_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: AdamKnobs) -> None:
    r"""Adam whose steps never grow again: top <- max(top, v) stands under the root in place of v.

    Adam forgets a rare large gradient and then steps too far the other way; there are convex problems that it
    does not solve. With the largest v the effective rate cannot rise, and the proof of convergence holds.

    Reddi, Kale and Kumar 2018 (arXiv 1904.09237). As in torch, the maximum is taken before the bias is corrected.
    """
    import torch

    short, short2 = _moments(gradient, state, knobs)
    torch.maximum(state["top"], state["v"], out=state["top"])
    root = (state["top"].sqrt() / short2**0.5).add_(knobs.eps)
    theta.addcdiv_(state["m"], root, value=-(rate / short))


@dataclass(frozen=True, slots=True)
class AdamwKnobs(AdamKnobs):
    """Settings of AdamW."""

    decay: float = knob(
        0.01, "Weight decay", low=0.0, high=1.0, step=0.001, help="What share of theta a step of rate 1 takes away."
    )


def adamw_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: AdamwKnobs) -> None:
    r"""Adam with decoupled weight decay: theta <- (1 - eta lambda) theta, then Adam's step.

    An L2 penalty adds lambda theta to g, and Adam divides it by sqrt(v) like the rest: parameters with large
    gradients decay least. Taken out of the gradient, all decay alike.

    Loshchilov and Hutter 2019 (arXiv 1711.05101).
    """
    theta.mul_(1 - rate * knobs.decay)
    adam_step(theta, gradient, state, rate, knobs)


@dataclass(frozen=True, slots=True)
class NadamKnobs(AdamKnobs):
    """Settings of NAdam."""

    lr: float = rate_knob(0.002)
    psi: float = knob(
        0.004, "Momentum decay ψ", low=0.0, high=1.0, step=0.001, help="How fast the momentum rises to its full value."
    )


def nadam_init(theta: Tensor) -> State:
    """Adam's, and the product of the momenta so far."""
    return {"product": 1.0, **adam_init(theta)}


def nadam_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: NadamKnobs) -> None:
    r"""Adam that looks ahead as Nesterov does.

    mu_t = b1 (1 - 0.96^(t psi) / 2), p = mu_1 ... mu_t, and with Adam's m and v:
    theta <- theta - eta [mu_(t+1) m / (1 - p mu_(t+1)) + (1 - mu_t) g / (1 - p)] / (sqrt(v / (1 - b2^t)) + eps).

    Nesterov's step is (gradient + the next momentum) where momentum's is the old one; here the gradient enters at
    once with weight 1 - mu_t, and m with the weight of the step to come. The warm-up of mu keeps early steps short.

    Dozat 2016 (ICLR workshop).
    """
    _, short2 = _moments(gradient, state, knobs)
    now, after = (knobs.beta * (1.0 - 0.5 * 0.96 ** (t * knobs.psi)) for t in (state["t"], state["t"] + 1))
    state["product"] *= now
    root = state["v"].div(short2).sqrt_().add_(knobs.eps)
    theta.addcdiv_(gradient, root, value=-rate * (1.0 - now) / (1.0 - state["product"]))
    theta.addcdiv_(state["m"], root, value=-rate * after / (1.0 - state["product"] * after))


@dataclass(frozen=True, slots=True)
class LionKnobs:
    """Settings of Lion."""

    lr: float = rate_knob(0.0001)
    beta: float = beta_knob(0.9, "β₁", "How much of the average goes into the step, the rest being the gradient.")
    beta2: float = beta_knob(0.99, "β₂", _FIRST)


def lion_init(theta: Tensor) -> State:
    """The average of gradients."""
    return zeros(theta, "m")


def lion_step(theta: Tensor, gradient: Tensor, state: State, rate: float, knobs: LionKnobs) -> None:
    r"""Only the sign counts: theta <- theta - eta sign(b1 m + (1 - b1) g), then m <- b2 m + (1 - b2) g.

    Every component moves by eta, so noise and scale do not matter and one average is enough; near the minimum it
    steps to and fro until the rate falls, which is why it wants a schedule and a rate a tenth of Adam's. Found by a
    search over programs, not derived.

    Chen et al. 2023 (arXiv 2302.06675). torch has no such rule.
    """
    theta.add_(state["m"].lerp(gradient, 1 - knobs.beta).sign_(), alpha=-rate)
    state["m"].lerp_(gradient, 1 - knobs.beta2)


_ADAM = r"\theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)"

ADAM_RULES = (
    Rule(
        "adam", "Adam", AdamKnobs, adam_init, adam_step,
        "Momentum and a rate for each parameter; a good first try almost everywhere.", f"${_ADAM}$",
        "Kingma and Ba 2015",
    ),
    Rule(
        "amsgrad", "AMSGrad", AdamKnobs, amsgrad_init, amsgrad_step,
        "Never forgets the largest gradient; helps where rare rows matter.",
        r"$\theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\max_t v_t / (1-\beta_2^t)} + \epsilon)$",
        "Reddi, Kale and Kumar 2018",
    ),
    Rule(
        "adamw", "AdamW", AdamwKnobs, adam_init, adamw_step,
        "Lets all parameters decay alike, whatever their gradients; helps against overfitting.",
        rf"$\theta \leftarrow (1-\eta\lambda)\,\theta,\quad {_ADAM}$", "Loshchilov and Hutter 2019",
    ),
    Rule(
        "nadam", "NAdam", NadamKnobs, nadam_init, nadam_step,
        "Adam with Nesterov's look ahead; often a little faster.",
        r"$\theta \leftarrow \theta - \eta\,(\mu'\hat m + (1-\mu)\hat g) / (\sqrt{\hat v} + \epsilon)$", "Dozat 2016",
    ),
    Rule(
        "lion", "Lion", LionKnobs, lion_init, lion_step,
        "Moves every parameter by the same amount; needs a small rate that falls.",
        r"$\theta \leftarrow \theta - \eta\,\mathrm{sign}(\beta_1 m + (1-\beta_1) g)$", "Chen et al. 2023",
    ),
)  # fmt: skip
