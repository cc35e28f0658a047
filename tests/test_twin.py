"""Every rule beside torch.optim, for every schedule: the same path but for rounding."""

import numpy as np
import pytest
from problems_drawn import Logistic, Quadratic

from engine.job import drive
from engine.optimizers.contenders import parse_contenders, parse_schedule
from engine.optimizers.rules import RULES
from engine.optimizers.schedules import SCHEDULES
from engine.optimizers.twin import has_twin, twin

torch = pytest.importorskip("torch")
OWN = {"lion", "nesterov_lookahead"}
RATES = {"sgd": 0.02, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.3, "rmsprop": 0.01, "adadelta": 1.0}
STEPPING = [key for key in RULES if not RULES[key].searches]


def contender(text, schedule="constant", batch="all"):
    return parse_contenders(text, parse_schedule(schedule), batch)[0]


def test_torch_has_all_but_these():
    assert {key for key in RULES if not has_twin(contender(key))} == OWN
    for text in ("sgd:average=0.5", "sgd:decay=0.1", "adam:l2=0.1:decay=0.1", "adamw:l2=0.1"):
        assert not has_twin(contender(text))
    assert drive(twin(Quadratic(), contender("lion"))) is None


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("key", [key for key in STEPPING if key not in OWN])
def test_follows_torch_for_a_thousand_steps(key, schedule):
    one = contender(f"{key}:lr={RATES.get(key, 0.02)}", f"{schedule}:warmup=10")
    found = drive(twin(Quadratic(), one, steps=1000, replicates=3))
    assert found.differences.shape == (1000,)
    assert found.losses.shape == (3, 1000)
    assert found.largest <= 1e-10


@pytest.mark.parametrize("key", [key for key in STEPPING if key not in OWN])
def test_follows_torch_on_batches_of_data(key):
    problem = Logistic(rows=90)
    one = contender(f"{key}:lr={RATES.get(key, 0.02)}", batch=32)
    found = drive(twin(problem, one, steps=1000, replicates=3))
    assert found.largest <= 1e-10
    # it learned something, so that the equality is not one of two that stand still
    assert (found.losses[:, -50:].mean(1) < found.losses[:, :3].mean(1)).all()


@pytest.mark.parametrize(
    "text",
    [
        "sgd:lr=0.02:l2=0.3",
        "momentum:lr=0.02:clip=0.5",
        "adam:lr=0.05:clip_value=0.2:l2=0.1",
        "adam:lr=0.05:decay=0.1",
        "nadam:lr=0.05:decay=0.1",
        "rmsprop:clip=0.1:clip_value=0.05:l2=0.01",
        "nesterov:lr=0.01:beta=0",
    ],
)
def test_follows_torch_with_what_is_put_around(text):
    found = drive(twin(Quadratic(noise=0.5), contender(text), steps=300, replicates=3))
    assert found.largest <= 1e-10


@pytest.mark.parametrize("problem", [Quadratic(scales=(1.0, 30.0, 900.0)), Logistic(rows=200, features=8)])
@pytest.mark.parametrize("text", ["lbfgs", "lbfgs:history=3", "lbfgs:lr=0.1:flat=0:still=1e-14"])
def test_lbfgs_follows_torch_for_fifty_steps(problem, text):
    found = drive(twin(problem, contender(text), steps=50, replicates=3))
    assert len(found.differences) == 50
    assert found.largest <= 1e-10


def test_a_rule_that_is_wrong_is_told_from_torch():
    # Adam with another epsilon is another rule: the comparison must see 1e-6 of it
    from dataclasses import replace

    from engine.optimizers import twin as module

    one = contender("adam:lr=0.05")
    other = module._Stepping(Quadratic(), replace(one, knobs=replace(one.knobs, eps=1e-6)), Quadratic().start(2, 0))
    ours = module._Stepping(Quadratic(), one, Quadratic().start(2, 0))
    for _ in range(20):
        other.step(0.05, None, None)
        ours.step(0.05, None, None)
    assert module._difference(ours.theta, other.theta, torch.ones(2, dtype=torch.bool)) > 1e-9


def test_who_has_diverged_is_left_out():
    found = drive(twin(Quadratic(), contender("sgd:lr=1e9"), steps=100, replicates=2))
    assert np.isnan(found.losses[:, -1]).all()
    assert found.largest <= 1e-10
