"""Schedules: equal to torch's where torch has them, with a straight warm-up before."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.optimizers.contenders import parse_schedule
from engine.optimizers.schedules import SCHEDULES, Schedule

torch = pytest.importorskip("torch")
lr_scheduler = torch.optim.lr_scheduler
STEPS, BASE = 400, 0.3


def of_torch(make, steps=STEPS, base=BASE):
    """The rates that a scheduler of torch gives to each step."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


TORCH = {
    "constant": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1.0),
    "step:every=70:gamma=0.4": lambda o: lr_scheduler.StepLR(o, 70, 0.4),
    "exponential:gamma=0.99": lambda o: lr_scheduler.ExponentialLR(o, 0.99),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS),
    "cosine:floor=0.05": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.05),
    "cosine_restarts:every=30:growth=2": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 30, 2),
    "cosine_restarts:every=30:growth=1": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 30, 1),
    "cosine_restarts:every=10:growth=3:floor=0.01": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, 3, 0.01),
    "linear": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, STEPS),
    "polynomial:power=3": lambda o: lr_scheduler.PolynomialLR(o, STEPS, 3.0),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(o, BASE, STEPS, cycle_momentum=False),
    "one_cycle:rise=0.5:start=10": lambda o: lr_scheduler.OneCycleLR(
        o, BASE, STEPS, pct_start=0.5, div_factor=10, cycle_momentum=False
    ),
    "inverse_root:scale=50": lambda o: lr_scheduler.LambdaLR(o, lambda t: (1 + t / 50) ** -0.5),
    "inverse:scale=50": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t / 50)),
    "constant:warmup=40": lambda o: lr_scheduler.LinearLR(o, 1 / 41, 1.0, 40),
}
# torch's schedulers build on the rate before, so rounding adds up; the last steps of one fall to almost nothing
NEAR = {"rtol": 1e-9, "atol": 1e-12}


def test_every_schedule_stands_beside_one_of_torch():
    assert {text.split(":")[0] for text in TORCH} == set(SCHEDULES)


@pytest.mark.parametrize("text", TORCH)
def test_equals_torch(text):
    assert np.allclose(parse_schedule(text).curve(STEPS, BASE), of_torch(TORCH[text]), **NEAR)


@pytest.mark.parametrize("key", SCHEDULES)
def test_one_step_alone_and_any_part_lie_on_the_curve(key):
    schedule = parse_schedule(f"{key}:warmup=17:floor=0.001")
    curve = schedule.curve(STEPS, BASE)
    assert curve.shape == (STEPS,)
    assert np.allclose([schedule.rate(step, STEPS, BASE) for step in range(STEPS)], curve, rtol=1e-14)
    assert np.allclose(schedule.curve(STEPS, BASE, 100, 50), curve[100:150], rtol=1e-14)
    assert (curve > 0).all()


@pytest.mark.parametrize("key", SCHEDULES)
def test_warm_up_rises_straight_to_the_schedule_over_the_steps_left(key):
    warm, cold = parse_schedule(f"{key}:warmup=40"), Schedule(key)
    curve = warm.curve(STEPS, BASE)
    assert np.allclose(curve[40:], cold.curve(STEPS - 40, BASE))
    assert np.allclose(np.diff(curve[:41]), curve[40] / 41)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cosin", f"There is no schedule cosin: choose of {', '.join(SCHEDULES)}."),
        ("", f"There is no schedule without a name: choose of {', '.join(SCHEDULES)}."),
        ("cosine:warm=3", "There is no warm in cosine:warm=3: choose of warmup, floor."),
        ("cosine:warmup=1.5", "warmup=1.5 in cosine:warmup=1.5 is no whole number: give one."),
        ("cosine:warmup", "“warmup” in cosine:warmup cannot be read: write a name and a number, as in lr=0.1."),
    ],
)
def test_bad_text_is_one_sentence(text, said):
    with pytest.raises(SightlineError) as error:
        parse_schedule(text)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "cosine:warmup=100",
            "The warm-up of the schedule cosine takes 100 steps and the run has 100: give a shorter one or more steps.",
        ),
        (
            "step:every=200",
            "The first fall of the schedule step takes 200 steps and the run has 100: give a shorter one or more steps.",  # noqa: E501
        ),
        ("cosine:floor=-1", "Cosine cannot have floor=-1: give 0 or more."),
        ("polynomial:power=nan", "Polynomial cannot have power=nan: give a number."),
        ("exponential:gamma=2", "Exponential cannot have gamma=2: give 1 or less."),
        ("one_cycle:rise=1", "One cycle cannot have rise=1: give 0.99 or less."),
        ("cosine_restarts:every=0", "Cosine with restarts cannot have every=0: give 1 or more."),
    ],
)
def test_what_cannot_be_is_one_sentence(text, said):
    with pytest.raises(SightlineError) as error:
        parse_schedule(text).check(100)
    assert str(error.value) == said
