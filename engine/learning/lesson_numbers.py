"""The numbers of the lessons, computed when a lesson is shown: each by the rules, layers and problems of the race.

Nothing here is a constant that was written down: who changes a rule sees its lesson's number move.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.learning.lesson import Number
from engine.learning.lesson_networks import NETWORK_NUMBERS
from engine.learning.surfaces import quadratic, rosenbrock
from engine.optimizers.contenders import parse_contenders, parse_schedule
from engine.optimizers.problem import Problem
from engine.optimizers.rules import RULES
from engine.optimizers.run import Run, one_thread

_K = 25.0
"""The condition number of the valley that most lessons go down."""


def number_of(key: str) -> Number:
    """The number of a lesson; it takes at most about half a second.

    Args:
        key: `Lesson.number` of one of `engine.learning.lessons.LESSONS`.

    Raises:
        SightlineError: there is no such number.
    """
    if key not in NUMBERS:
        raise SightlineError(f"There is no lesson {key or 'without a name'}: choose of {', '.join(NUMBERS)}.")
    # tensors of a few numbers: threads would only wait for each other
    with one_thread(True):
        return NUMBERS[key]()


def _raced(
    text: str, problem: Problem, steps: int, replicates: int = 1, schedule: str = "constant", batch: int | None = None
) -> tuple[Run, np.ndarray, np.ndarray]:
    """A run at its end, its losses (R, n) and its places (n, R, P)."""
    (one,) = parse_contenders(text, parse_schedule(schedule), batch or "all")
    run = Run(problem, one, steps, replicates)
    traces = []
    while not run.over:
        traces.append(run.advance(steps))
    places = [trace.places for trace in traces if trace.places is not None]
    return run, np.concatenate([trace.losses for trace in traces], 1), np.concatenate(places)


def _steps_to(losses: np.ndarray, target: float) -> int:
    """The first step of the first replicate with such a loss; the length of the run where there is none."""
    there = np.flatnonzero(losses[0] <= target)
    return int(there[0]) if len(there) else losses.shape[1]


def _walked(
    key: str, gradients: Callable[[int, Any], Any], theta: Any, steps: int, rate: float, **knobs: float
) -> list[Any]:
    """Where a rule goes from theta (1, P) with gradients that are told step by step: each place, the first included."""
    rule = RULES[key]
    settings, state, places = rule.knobs(**knobs), rule.init(theta), [theta.clone()]
    for step in range(steps):
        theta = theta.clone()
        at = theta if rule.ahead is None else rule.ahead(theta, state, rate, settings)
        rule.step(theta, gradients(step, at), state, rate, settings)
        places.append(theta)
    return places


# -- the rules


def _sgd() -> Number:
    _, _, places = _raced(f"sgd:lr={2 / (_K + 1)!r}", quadratic(_K), 50)
    far = np.linalg.norm(places[:, 0], axis=1)
    left = float((far[-1] / far[0]) ** (1 / (len(far) - 1)))
    theory = (_K - 1) / (_K + 1)
    return Number(
        f"On a valley of condition {_K:g}, at the best rate 2/{_K + 1:g}, a step leaves {100 * left:.2f} % of the "
        f"distance; theory says {100 * theory:.2f} %.",
        {"left": left, "theory": theory},
    )


def _momentum() -> Number:
    root = math.sqrt(_K)
    best = f"momentum:lr={4 / (root + 1) ** 2!r}:beta={((root - 1) / (root + 1)) ** 2!r}"
    rolling, plain = (
        _steps_to(_raced(text, quadratic(_K), 200)[1], 1e-3) for text in (best, f"sgd:lr={2 / (_K + 1)!r}")
    )
    return Number(
        f"On a valley of condition {_K:g}, each at its best rate, momentum reaches a loss of 0.001 in {rolling} steps "
        f"and gradient descent in {plain}.",
        {"momentum": rolling, "sgd": plain},
    )


def _nesterov() -> Number:
    seen = {}
    for key in ("nesterov", "momentum"):
        _, losses, places = _raced(f"{key}:lr={1 / _K!r}:beta=0.9", quadratic(_K), 200)
        seen[key] = _steps_to(losses, 1e-6), float(places[:, 0, 0].max())
    (steps, beyond), (others, other) = seen["nesterov"], seen["momentum"]
    return Number(
        f"From 3 before the bottom of a valley of condition {_K:g}, Nesterov rolls {beyond:.2f} beyond it and momentum "
        f"{other:.2f}; a loss of 10⁻⁶ takes {steps} steps and {others}.",
        {"nesterov": steps, "momentum": others, "beyond": beyond, "momentum_beyond": other},
    )


def _nesterov_lookahead() -> Number:
    import torch

    problem, rate, beta, steps = quadratic(_K), 0.03, 0.9, 100
    start = problem.start(1, 0)
    taught = _walked("nesterov_lookahead", lambda _, at: problem.gradient(at, None), start, steps, rate, beta=beta)
    torch_s = _walked("nesterov", lambda _, at: problem.gradient(at, None), start, steps, rate, beta=beta)
    # theta + beta v, v being the last step
    ahead = [now + beta * (now - before) for before, now in itertools.pairwise(taught)]
    apart = float(torch.stack([(a - b).abs().max() for a, b in zip(ahead, torch_s[1:], strict=True)]).max())
    return Number(
        f"Over {steps} steps the places ahead, θ + βv, and the ones that torch's form visits differ by {apart:.1e} at "
        f"most: rounding.",
        {"apart": apart},
    )


def _adagrad() -> Number:
    from engine.learning.linear_models import LinearRegression, Penalty

    rng = np.random.default_rng(0)
    x = np.stack([rng.standard_normal(400), rng.random(400) < 0.02, np.ones(400)], 1)
    problem = LinearRegression(x, x[:, 0] + x[:, 1], Penalty())
    learned = {
        key: float(_raced(f"{key}:lr={rate}", problem, 200, batch=8)[0].answer()[0, 1])
        for key, rate in (("adagrad", 0.3), ("sgd", 0.3))
    }
    return Number(
        f"A word that stands in {int(x[:, 1].sum())} rows of 400 has a true weight of 1. After 200 steps of 8 rows "
        f"AdaGrad gives it {learned['adagrad']:.2f}, gradient descent of the same rate {learned['sgd']:.2f}.",
        learned,
    )


def _rmsprop() -> Number:
    import torch

    last = {}
    for key in ("rmsprop", "adagrad"):
        places = _walked(key, lambda _, at: torch.ones_like(at), torch.zeros(1, 1).double(), 1000, 1.0)
        last[key] = float(places[-2] - places[-1])
    return Number(
        f"Where the gradient stays 1, the thousandth step of RMSProp is {last['rmsprop']:.3f} η, that of AdaGrad "
        f"{last['adagrad']:.3f} η: 1/√1000.",
        last,
    )


def _adadelta() -> Number:
    problem = quadratic(_K)
    begin = problem.start(1, 0)

    def ended(key: str, rate: float, scale: float) -> Any:
        return _walked(key, lambda _, at: scale * problem.gradient(at, None), begin, 100, rate)[-1]

    moved = {}
    for key, rate in (("adadelta", 1.0), ("sgd", 0.001)):
        there, other = ended(key, rate, 1.0), ended(key, rate, 50.0)
        moved[key] = float((other - there).norm() / (there - begin).norm())
    return Number(
        f"With an objective 50 times as large, 100 steps of AdaDelta end where they did, but for "
        f"{100 * moved['adadelta']:.5f} % of their way; those of gradient descent end {100 * moved['sgd']:.0f} % of "
        f"their way off.",
        moved,
    )


def _adam() -> Number:
    import torch

    noise = np.random.default_rng(0).standard_normal(1000)
    places = _walked(
        "adam", lambda step, _: torch.tensor([[1000.0, 0.001, noise[step]]]).double(), torch.zeros(1, 3).double(), 1000,
        1.0,
    )  # fmt: skip
    moves = torch.cat(places).diff(dim=0)[200:].abs().mean(0).tolist()
    return Number(
        f"Where gradients agree a step is {moves[0]:.2f} η, be they 1000 or 0.001 ({moves[1]:.2f} η); where they are "
        f"noise alone it is {moves[2]:.2f} η on average.",
        {"large": moves[0], "small": moves[1], "noise": moves[2]},
    )


def _amsgrad() -> Number:
    import torch

    ends = {}
    for key in ("adam", "amsgrad"):
        rule = RULES[key]
        knobs = rule.knobs(beta=0.0, beta2=0.1, eps=0.0)
        theta = torch.zeros(1, 1).double()
        state = rule.init(theta)
        for step in range(1, 1501):
            gradient = torch.full_like(theta, 3.0 if step % 3 == 1 else -1.0)
            rule.step(theta, gradient, state, 0.5 / math.sqrt(step), knobs)
            theta.clamp_(-1, 1)
        ends[key] = float(theta)
    return Number(
        f"A slope of 3 in one step of three, of -1 in the others: on [-1, 1] the best place is -1. After 1,500 steps "
        f"AMSGrad is at {ends['amsgrad']:+.2f} and Adam at {ends['adam']:+.2f}.",
        ends,
    )


def _adamw() -> Number:
    import torch

    noise = np.random.default_rng(0).choice([-1.0, 1.0], 300)
    sizes = torch.tensor([[10.0, 0.1]]).double()
    begin = torch.full((1, 2), 5.0).double()
    decoupled, plain = (
        _walked("adamw", lambda step, _: noise[step] * sizes, begin, 300, 0.01, decay=decay)[-1]
        for decay in (0.1, 0.0)
    )  # fmt: skip
    penalised = _walked("adam", lambda step, at: noise[step] * sizes + 0.1 * at, begin, 300, 0.01)[-1]
    shares = [((one - plain) / begin).squeeze(0).tolist() for one in (decoupled, penalised)]
    taken = {"adamw_large": -shares[0][0], "adamw_small": -shares[0][1], "l2_large": -shares[1][0],
             "l2_small": -shares[1][1]}  # fmt: skip
    return Number(
        f"Two weights, one with gradients 100 times as large: in 300 steps AdamW's decay takes "
        f"{100 * taken['adamw_large']:.0f} % and {100 * taken['adamw_small']:.0f} % of them, an L2 penalty in Adam "
        f"{100 * taken['l2_large']:.0f} % and {100 * taken['l2_small']:.0f} %.",
        taken,
    )


def _nadam() -> Number:
    nadam, adam = (_steps_to(_raced(f"{key}:lr=0.2", quadratic(_K), 300)[1], 1e-6) for key in ("nadam", "adam"))
    return Number(
        f"On a valley of condition {_K:g}, both at a rate of 0.2, NAdam reaches a loss of 10⁻⁶ in {nadam} steps and "
        f"Adam in {adam}.",
        {"nadam": nadam, "adam": adam},
    )


def _lion() -> Number:
    import torch

    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.uniform(-6, 6, 1000)
    gradients = torch.from_numpy(rng.standard_normal((1, 1000)) * scales)
    places = _walked("lion", lambda _, __: gradients, torch.zeros(1, 1000).double(), 1, 1.0)
    moves = (places[1] - places[0]).abs()
    widest = float(gradients.abs().max() / gradients.abs().min())
    return Number(
        f"Of 1,000 gradients the largest is {widest:.0e} times the smallest; the smallest step is "
        f"{float(moves.min()):g} η and the largest {float(moves.max()):g} η.",
        {"least": float(moves.min()), "most": float(moves.max()), "widest": widest},
    )


def _lbfgs() -> Number:
    run, losses, _ = _raced("lbfgs", rosenbrock(), 60)
    steps = _steps_to(losses, 1e-6)
    _, others, _ = _raced("momentum:lr=0.001:beta=0.9", rosenbrock(), 1500)
    rolling = _steps_to(others, 1e-6)
    return Number(
        f"In Rosenbrock's bent valley L-BFGS reaches a loss of 10⁻⁶ in {steps} steps ({run.at.evaluations:.0f} "
        f"gradients until it rests), momentum in {rolling:,}.",
        {"lbfgs": steps, "evaluations": run.at.evaluations, "momentum": rolling},
    )


def _schedules() -> Number:
    problem = quadratic(4.0)
    problem.noise = 1.0
    ends = {}
    for schedule in ("constant", "inverse:scale=10"):
        run, _, _ = _raced("sgd:lr=0.2", problem, 400, 20, schedule)
        ends[schedule.partition(":")[0]] = float(run.measured().train.mean())
    return Number(
        f"Under noise, after 400 steps from a rate of 0.2 (mean of 20 runs), a rate that stays ends at a loss of "
        f"{ends['constant']:.3f}, one that falls as 1/t at {ends['inverse']:.4f}.",
        ends,
    )


def _condition() -> Number:
    steps = {}
    for k in (10, 100, 1000):
        _, _, places = _raced(f"sgd:lr={2 / (k + 1)!r}", quadratic(float(k)), 25 * k if k < 1000 else 2500)
        far = np.linalg.norm(places[:, 0], axis=1)
        steps[str(k)] = int(np.flatnonzero(far <= far[0] / 100)[0])
    return Number(
        f"To come 100 times as near, gradient descent at its best rate takes {steps['10']} steps at condition 10, "
        f"{steps['100']} at 100 and {steps['1000']:,} at 1,000.",
        steps,
    )


def _adam_bias() -> Number:
    import torch

    rule = RULES["adam"]
    theta = torch.zeros(1, 1).double()
    state, knobs = rule.init(theta), rule.knobs()
    for _ in range(10):
        rule.step(theta, torch.ones_like(theta), state, 0.001, knobs)
    m, v = float(state["m"]), float(state["v"])
    fair, fair2 = m / (1 - knobs.beta**10), v / (1 - knobs.beta2**10)
    return Number(
        f"After 10 gradients of 1 the averages say {m:.3f} and {v:.4f}; divided by 1 - β₁¹⁰ and 1 - β₂¹⁰ they say "
        f"{fair:.3f} and {fair2:.3f}. Uncorrected, the step would be {m / math.sqrt(v):.1f} η in place of 1.",
        {"m": m, "v": v, "fair": fair, "fair2": fair2, "raw_step": m / math.sqrt(v)},
    )


NUMBERS: dict[str, Callable[[], Number]] = {
    "sgd": _sgd, "momentum": _momentum, "nesterov": _nesterov, "nesterov_lookahead": _nesterov_lookahead,
    "adagrad": _adagrad, "rmsprop": _rmsprop, "adadelta": _adadelta, "adam": _adam, "amsgrad": _amsgrad,
    "adamw": _adamw, "nadam": _nadam, "lion": _lion, "lbfgs": _lbfgs, "schedules": _schedules,
    "condition": _condition, "adam_bias": _adam_bias, **NETWORK_NUMBERS,
}  # fmt: skip
"""What computes each number, by key."""
