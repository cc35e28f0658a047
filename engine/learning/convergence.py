"""Convergence, measured: how many gradients it takes to come so near to the minimum, beside what theory says.

On least squares over n rows whose second derivative H has eigenvalues from mu = 1/k to L = 1, k is the condition
number, and e the accuracy, the objective less its minimum. One evaluation is the gradient of one row.

Gradient descent takes all rows a step, at the rate 1/L. Each step multiplies the part of theta - theta* along an
eigenvalue lambda by 1 - lambda, so in the end e shrinks by (1 - 1/k)^2 a step (Nesterov 2004, theorem 2.1.15):

    evaluations = n log(1/e) / (-2 log(1 - 1/k)) + constant, about (n k / 2) log(1/e)

SGD takes one row a step, at the rate c / (mu (t + t0)), c being 2. Let the noise of its gradient have the covariance
s^2 H, as it does at the minimum of a well-specified regression, and let a = lambda k. The variance v of theta along
that eigenvalue follows v <- (1 - c a / t)^2 v + (c k / t)^2 s^2 lambda, which in the end is solved by
v = c^2 k a s^2 / ((2 c a - 1) t). With e = sum of lambda v / 2 over eigenvalues:

    evaluations = C / e,  C = (s^2 / 2) sum of c^2 a^2 / (2 c a - 1), about (s^2 c / 4) sum of a

which grows as k. Bottou and Bousquet (2008, "The tradeoffs of large scale learning", table 2) bound both for any
noise: n k log(1/rho) against nu k^2 / rho to come to the accuracy rho, where nu is the trace of H^-1 times the noise's
covariance, here s^2 times the number of parameters. The table of costs takes rho = k^-gamma: n k gamma log k against
nu k^(2 + gamma). It grows with n for the one alone: many rows make SGD the cheaper one, however well it is
conditioned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.learning.linear_models import LinearRegression, Penalty, RobustRegression
from engine.learning.studies import elsewhere
from engine.optimizers.contenders import parse_contenders, parse_schedule
from engine.optimizers.problem import Known
from engine.optimizers.record import Full
from engine.optimizers.run import Run, one_thread

Floats = NDArray[np.float64]
_C = 2.0
"""How many times 1/(mu t) the rate of SGD is: with 1 the memory of the start fades as slowly as the noise."""
_NOISE = 1.0
_LAGS = 100
"""SGD takes at most so many times t0 steps: a decade and more after its start is forgotten."""
_RATIO = 1.15
"""Between the evaluations of two points of a curve."""
_DUEL_BATCH, _DUEL_EVERY = 32, 64
_RATES = (0.003, 0.01, 0.03, 0.1)
"""Of which each rule has its best in the duel."""


@dataclass(frozen=True, slots=True)
class ConvergenceKnobs:
    """How much is measured.

    Attributes:
        conditions: the condition numbers k, above 1.
        rows: n; SGD sees a small part of them, so that each is new to it.
        features: of the problem, their eigenvalues from 1/k to 1, each the same factor from the next.
        accuracy: where gradient descent ends.
        steps: of SGD.
        replicates: of SGD, whose curve is a mean.
        exponents: gamma, of the costs at rho = k^-gamma.
        gammas: of |.|^gamma in the duel.
        duel_steps, duel_replicates: of each run there.
        shake: the standard deviation of the noise on its gradients.
        seed: of all.
    """

    conditions: tuple[float, ...] = (5.0, 15.0, 50.0)
    rows: int = 100_000
    features: int = 4
    accuracy: float = 1e-8
    steps: int = 16_000
    replicates: int = 60
    exponents: tuple[float, ...] = (0.5, 1.0, 2.0)
    gammas: tuple[float, ...] = (1.2, 2.0, 3.0)
    duel_steps: int = 1000
    duel_replicates: int = 20
    shake: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve.

    Attributes:
        series: "gd" or "sgd"; "duel sgd" and "duel adam" in the duel.
        condition: k; in the duel gamma.
        accuracy: the mean over replicates of the objective less its minimum.
        evaluations: gradients of single rows that a replicate has asked for.
        error: the standard error of that mean, in the duel.
    """

    series: str
    condition: float
    accuracy: float
    evaluations: float
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through a curve, beside the theory's.

    Attributes:
        series, condition: of the curve; "gd k" and "sgd k" over all conditions (0).
        measured, theory: "gd": passes through the data a factor e of accuracy; "sgd": the power of 1/e that evaluations
            grow with; "gd k" and "sgd k": the power of k.
        factor, factor_theory: "sgd": evaluations times accuracy; "gd": nothing (0).
    """

    series: str
    condition: float
    measured: float
    theory: float
    factor: float = 0.0
    factor_theory: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Evaluations to come to rho = k^-gamma.

    Attributes:
        condition, gamma, rho: of the row.
        gd, sgd: measured, or of the line through the curve where it does not reach so far.
        gd_seen, sgd_seen: whether the curve reaches so far.
        gd_bound, sgd_bound: n k log(1/rho) and nu k^2 / rho of Bottou and Bousquet.
    """

    condition: float
    gamma: float
    rho: float
    gd: float
    sgd: float
    gd_seen: bool
    sgd_seen: bool
    gd_bound: float
    sgd_bound: float


@dataclass(frozen=True, slots=True)
class Duel:
    """Two rules on |.|^gamma under noise, each at the best of its rates, which fall with the square root of the steps.

    Attributes:
        gamma: the exponent.
        sgd, adam: the mean final objective less its minimum.
        sgd_error, adam_error: standard errors over replicates.
        sgd_rate, adam_rate: the rates.
    """

    gamma: float
    sgd: float
    sgd_error: float
    sgd_rate: float
    adam: float
    adam_error: float
    adam_rate: float

    @property
    def better(self) -> str:
        """ "sgd" or "adam"; "" where they are less than two standard errors apart."""
        apart = self.sgd - self.adam
        if abs(apart) < 2 * float(np.hypot(self.sgd_error, self.adam_error)):
            return ""
        return "adam" if apart > 0 else "sgd"


@dataclass(frozen=True, slots=True)
class ConvergenceResult:
    """All that was measured."""

    points: tuple[Point, ...]
    slopes: tuple[Slope, ...]
    costs: tuple[Cost, ...]
    duels: tuple[Duel, ...]


def convergence(knobs: ConvergenceKnobs | None = None) -> Job[ConvergenceResult]:
    """Measure it.

    Yields:
        `Point` as they come, each curve from its start on; `Progress`; None where it can be stopped.

    Raises:
        SightlineError: a setting cannot be.
    """
    knobs = knobs or ConvergenceKnobs()
    _check(knobs)
    total = 2 * len(knobs.conditions) + len(knobs.gammas)
    points: list[Point] = []
    slopes: list[Slope] = []
    curves: dict[tuple[str, float], Floats] = {}
    done = 0
    for k in knobs.conditions:
        problem, hessian = yield from elsewhere(partial(conditioned, k, knobs.rows, knobs.features, _NOISE, knobs.seed))
        for series in ("gd", "sgd"):
            yield Progress(f"Condition {k:g}", done, total, "curves")
            found: list[Point] = []
            for one in _curve(series, k, problem, hessian, knobs):
                if one is not None:
                    found.append(one)
                yield one
            curve = np.array([(one.evaluations, one.accuracy) for one in found])
            curves[series, k] = curve
            slopes.append(_slope(series, k, curve, knobs))
            points += found
            done += 1
    if len(knobs.conditions) > 1:
        slopes += _over_conditions(slopes)
    costs = [_cost(k, gamma, curves, slopes, knobs) for k in knobs.conditions for gamma in knobs.exponents]
    duels: list[Duel] = []
    for gamma in knobs.gammas:
        yield Progress(f"Adam against SGD, γ = {gamma:g}", done, total, "curves")
        duel, found = yield from _duel(gamma, knobs)
        duels.append(duel)
        points += found
        done += 1
    yield Progress("Convergence", total, total, "curves")
    return ConvergenceResult(tuple(points), tuple(slopes), tuple(costs), tuple(duels))


def _check(knobs: ConvergenceKnobs) -> None:
    if not knobs.conditions or any(not 1 < k < 1e6 for k in knobs.conditions):
        raise SightlineError("Condition numbers are above 1 and below a million: give such as 5, 15 and 50.")
    if knobs.features < 2 or knobs.rows < 10 * knobs.features:
        raise SightlineError("It takes two features and ten rows for each: give more of them.")
    if knobs.steps > knobs.rows:
        raise SightlineError(f"SGD is to see each row once, so give it at most {knobs.rows:,} steps, or more rows.")
    if not 0 < knobs.accuracy < 1e-2:
        raise SightlineError("Gradient descent is to come nearer than 0.01: give a smaller accuracy.")


def conditioned(k: float, rows: int, features: int, noise: float, seed: int) -> tuple[LinearRegression, Floats]:
    """Least squares whose second derivative has eigenvalues from 1/k to 1.

    Args:
        k: the condition number.
        rows: n.
        features: besides the constant, whose eigenvalue is 1.
        noise: standard deviation of the labels around the truth.
        seed: of what is drawn.

    Returns:
        The problem, and its second derivative (P, P).
    """
    rng = np.random.default_rng([seed, 8])
    drawn = rng.standard_normal((rows, features))
    drawn -= drawn.mean(0)
    # columns whose mean products are 0 and 1 exactly, then stretched and turned
    even = np.linalg.qr(drawn)[0] * np.sqrt(rows)
    turn = np.linalg.qr(rng.standard_normal((features, features)))[0]
    x = np.concatenate([even * np.sqrt(eigenvalues(k, features)) @ turn.T, np.ones((rows, 1))], 1)
    truth = np.concatenate([turn @ (1 / np.sqrt(eigenvalues(k, features))), [1.0]]) / np.sqrt(features)
    problem = LinearRegression(x, x @ truth + noise * rng.standard_normal(rows), Penalty())
    return problem, x.T @ x / rows


def eigenvalues(k: float, features: int) -> Floats:
    """(features,) from 1/k to 1, each the same factor from the next."""
    return np.geomspace(1 / k, 1.0, features)


def _curve(series: str, k: float, problem: LinearRegression, hessian: Floats, knobs: ConvergenceKnobs) -> Iterator[Any]:
    """The points of a curve; None in between."""
    assert problem.minimum is not None
    assert problem.minimum.theta is not None
    best = problem.minimum.theta[0]
    if series == "gd":
        contender = parse_contenders("sgd:lr=1", batch="all")[0]
        # the slowest eigenvalue decides; the others are gone before
        steps, replicates = int(2 + np.log(1e2 / knobs.accuracy) / (-2 * np.log1p(-1 / k))), 1
    else:
        lag = _lag(k, knobs.features)
        schedule = parse_schedule(f"inverse:scale={lag!r}")
        contender = parse_contenders(f"sgd:lr={_C * k / lag!r}", schedule, batch=1, seed=knobs.seed)[0]
        steps, replicates = min(knobs.steps, int(_LAGS * lag)), knobs.replicates
    # its first and its last value are those of all rows at once
    run = yield from elsewhere(partial(Run, problem, contender, steps, replicates, every=steps))
    wanted = 1.0
    while not run.over:
        for _ in run.prepare(steps - run.step):
            yield None
        trace = yield from elsewhere(partial(run.advance, steps - run.step))
        assert trace.places is not None
        off = trace.places - best
        gaps = 0.5 * np.einsum("nrp,pq,nrq->nr", off, hessian, off).mean(1)
        for number, gap in enumerate(gaps):
            step = trace.first + number
            if step >= wanted or (series == "gd" and step):
                wanted = max(step + 1.0, wanted * _RATIO)
                if gap < knobs.accuracy:
                    return
                yield Point(series, k, float(gap), float(trace.evaluations[number]))
        yield None


def _slope(series: str, k: float, curve: Floats, knobs: ConvergenceKnobs) -> Slope:
    """The line through the part of a curve that theory speaks of: its end."""
    evaluations, accuracy = curve.T
    if series == "gd":
        # the last half of the way, in orders of magnitude
        end = np.log(accuracy) < np.log(accuracy[-1]) / 2
        measured = np.polyfit(np.log(1 / accuracy[end]), evaluations[end] / knobs.rows, 1)[0]
        return Slope(series, k, float(measured), float(-0.5 / np.log1p(-1 / k)))
    end = _late(k, evaluations, knobs)
    measured = np.polyfit(np.log(1 / accuracy[end]), np.log(evaluations[end]), 1)[0]
    a = np.append(k * eigenvalues(k, knobs.features), k)
    theory = _NOISE**2 / 2 * float((_C**2 * a**2 / (2 * _C * a - 1)).sum())
    return Slope(series, k, float(measured), 1.0, float((evaluations[end] * accuracy[end]).mean()), theory)


def _late(k: float, evaluations: Floats, knobs: ConvergenceKnobs) -> NDArray[np.bool_]:
    """Where the start is forgotten, or at least the last third."""
    return np.asarray(evaluations > min(4 * _lag(k, knobs.features), evaluations[-1] / 3))


def _lag(k: float, features: int) -> float:
    """t0: the rate of SGD begins where a step on one row, whose squared length is the trace of H, is still safe."""
    return 2 * _C * k * (1 + float(eigenvalues(k, features).sum()))


def _over_conditions(slopes: list[Slope]) -> list[Slope]:
    """How the cost grows with k: passes a factor e of gradient descent, and evaluations times accuracy of SGD."""
    made = []
    for series in ("gd", "sgd"):
        some = [one for one in slopes if one.series == series]
        k = np.log([one.condition for one in some])
        seen = [one.measured if series == "gd" else one.factor for one in some]
        said = [one.theory if series == "gd" else one.factor_theory for one in some]
        lines = [float(np.polyfit(k, np.log(values), 1)[0]) for values in (seen, said)]
        made.append(Slope(f"{series} k", 0.0, lines[0], lines[1]))
    return made


def _cost(
    k: float, gamma: float, curves: dict[tuple[str, float], Floats], slopes: list[Slope], knobs: ConvergenceKnobs
) -> Cost:
    rho = float(k**-gamma)
    found: dict[str, tuple[float, bool]] = {}
    for series in ("gd", "sgd"):
        evaluations, accuracy = curves[series, k].T
        near = np.flatnonzero(accuracy <= rho)
        if len(near):
            found[series] = float(evaluations[near[0]]), True
            continue
        line = next(one for one in slopes if (one.series, one.condition) == (series, k))
        further = np.log(accuracy[-1] / rho)
        if series == "gd":
            found[series] = float(evaluations[-1] + knobs.rows * line.measured * further), False
        else:
            found[series] = float(line.factor / rho), False
    noise = _NOISE**2 * (knobs.features + 1)
    return Cost(
        k, gamma, rho, found["gd"][0], found["sgd"][0], found["gd"][1], found["sgd"][1],
        float(knobs.rows * k * np.log(1 / rho)), float(noise * k**2 / rho),
    )  # fmt: skip


def _duel(gamma: float, knobs: ConvergenceKnobs) -> Job[tuple[Duel, list[Point]]]:
    """Adam against SGD on |x'theta - y|^gamma, whose minimum is 0, under noise on every number of the gradient."""
    rng = np.random.default_rng([knobs.seed, 9])
    x = np.concatenate([rng.standard_normal((500, 5)), np.ones((500, 1))], 1)
    truth = rng.standard_normal(6)
    problem = RobustRegression(x, x @ truth, Penalty(), gamma=gamma, noise=knobs.shake)
    problem.minimum = Known(0.0, truth[None])
    points: list[Point] = []
    found: dict[str, tuple[float, float, float]] = {}
    for rule in ("sgd", "adam"):
        curve: list[Point] = []
        for rate in _RATES:
            contender = parse_contenders(
                f"{rule}:lr={rate!r}", parse_schedule("inverse_root"), batch=_DUEL_BATCH, seed=knobs.seed
            )[0]
            run = Run(problem, contender, knobs.duel_steps, knobs.duel_replicates, every=_DUEL_EVERY)
            fulls: list[Full] = []
            while not run.over:
                # threads cost more than they give on so few numbers
                with one_thread(True):
                    fulls += run.advance(knobs.duel_steps - run.step).full
                yield None
            final = fulls[-1].train
            if np.isfinite(final).all() and not final.mean() >= found.get(rule, (np.inf,))[0]:
                found[rule] = float(final.mean()), _error(final), rate
                curve = [
                    Point(
                        f"duel {rule}",
                        gamma,
                        float(one.train.mean()),
                        float(_DUEL_BATCH * one.step),
                        _error(one.train),
                    )
                    for one in fulls
                    if one.step
                ]
        yield from curve
        points += curve
        found.setdefault(rule, (float("nan"),) * 3)
    return Duel(gamma, *found["sgd"], *found["adam"]), points


def _error(values: Any) -> float:
    """The standard error of the mean of (R,) values; 0 for one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
