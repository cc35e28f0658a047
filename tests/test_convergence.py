"""Convergence, measured on a small scale: slopes beside the theory's, costs, and the duel."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import drive
from engine.learning.convergence import ConvergenceKnobs, Point, conditioned, convergence, eigenvalues

torch = pytest.importorskip("torch")

SMALL = ConvergenceKnobs(
    conditions=(4.0, 16.0), rows=20_000, features=3, steps=4000, replicates=60, gammas=(2.0,), duel_steps=128,
    duel_replicates=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    seen = []
    result = drive(convergence(SMALL), seen.append)
    return result, [one for one in seen if isinstance(one, Point)]


def slope(result, series, condition=0.0):
    return next(one for one in result.slopes if (one.series, one.condition) == (series, condition))


def test_the_problem_has_the_condition_that_was_asked_for():
    problem, hessian = conditioned(9.0, 300, 3, 1.0, 0)
    found = np.linalg.eigvalsh(hessian)
    assert found == pytest.approx([1 / 9, 1 / 3, 1, 1])
    assert eigenvalues(9.0, 3) == pytest.approx([1 / 9, 1 / 3, 1])
    # the gap of a quadratic is known from its second derivative
    off = torch.ones(1, 4, dtype=torch.float64)
    known = torch.from_numpy(problem.minimum.theta)
    gap = float(problem.value(known + off, None)[0]) - problem.minimum.value
    assert gap == pytest.approx(0.5 * hessian.sum())


@pytest.mark.parametrize("k", SMALL.conditions)
def test_gradient_descent_takes_half_k_passes_a_factor_e(measured, k):
    line = slope(measured[0], "gd", k)
    assert line.theory == pytest.approx(k / 2, rel=0.15)
    assert line.measured == pytest.approx(line.theory, rel=0.01)


@pytest.mark.parametrize("k", SMALL.conditions)
def test_sgd_takes_evaluations_as_the_inverse_of_accuracy(measured, k):
    line = slope(measured[0], "sgd", k)
    assert line.theory == 1.0
    assert line.measured == pytest.approx(1.0, rel=0.2)
    assert line.factor == pytest.approx(line.factor_theory, rel=0.2)


def test_both_grow_with_the_condition(measured):
    for series in ("gd k", "sgd k"):
        line = slope(measured[0], series)
        assert line.measured == pytest.approx(line.theory, rel=0.2)
        assert 0.6 < line.theory < 1.2


def test_points_come_while_it_is_measured(measured):
    result, points = measured
    assert tuple(points) == result.points
    assert {(one.series, one.condition) for one in points} == {
        *((series, k) for series in ("gd", "sgd") for k in SMALL.conditions), ("duel sgd", 2.0), ("duel adam", 2.0)
    }  # fmt: skip
    descent = [one for one in points if (one.series, one.condition) == ("gd", 16.0)]
    assert all(one.evaluations % SMALL.rows == 0 for one in descent)
    assert descent[-1].accuracy == pytest.approx(SMALL.accuracy, rel=0.3)


def test_the_costs_are_those_of_the_curves_and_of_the_bounds(measured):
    result, points = measured
    assert len(result.costs) == len(SMALL.conditions) * len(SMALL.exponents)
    cost = next(one for one in result.costs if (one.condition, one.gamma) == (16.0, 1.0))
    assert cost.rho == 1 / 16
    assert cost.gd_bound == pytest.approx(SMALL.rows * 16 * np.log(16))
    assert cost.sgd_bound == pytest.approx(4 * 16**3)
    there = [one.evaluations for one in points
             if (one.series, one.condition) == ("gd", 16.0) and one.accuracy <= 1 / 16]  # fmt: skip
    assert (cost.gd, cost.gd_seen) == (min(there), True)
    # many rows: the one that looks at a row a step is there long before
    assert cost.sgd < cost.gd


def test_the_duel_says_who_came_nearer(measured):
    duel = measured[0].duels[0]
    assert duel.gamma == 2.0
    assert 0 < duel.sgd < 1
    assert 0 < duel.adam < 100
    assert duel.sgd_error > 0
    assert duel.better in ("", "sgd", "adam")


@pytest.mark.parametrize(
    ("knobs", "says"),
    [(ConvergenceKnobs(conditions=(1.0,)), "above 1"), (ConvergenceKnobs(rows=100), "at most 100 steps"),
     (ConvergenceKnobs(features=1), "two features"), (ConvergenceKnobs(accuracy=0.5), "nearer than")],
)  # fmt: skip
def test_what_cannot_be_measured_says_so(knobs, says):
    with pytest.raises(SightlineError, match=says):
        drive(convergence(knobs))
