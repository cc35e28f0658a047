"""The rules: pure, in place and in torch all the same; each reaches the minimum that is known."""

import numpy as np
import pytest
from problems_drawn import Logistic, Quadratic, Rosenbrock

from engine.errors import SightlineError
from engine.job import drive
from engine.optimizers import wrappers
from engine.optimizers.contenders import parse_contenders, parse_schedule, text_of
from engine.optimizers.race import race
from engine.optimizers.rules import RULES
from engine.optimizers.run import Run

torch = pytest.importorskip("torch")

REACH = {
    "sgd": "sgd:lr=0.03",
    "momentum": "momentum:lr=0.01",
    "nesterov": "nesterov:lr=0.01",
    "nesterov_lookahead": "nesterov_lookahead:lr=0.01",
    "adagrad": "adagrad:lr=1",
    "rmsprop": "rmsprop:lr=0.02",
    "adadelta": "adadelta:lr=5",
    "adam": "adam:lr=0.05",
    "amsgrad": "amsgrad:lr=0.05",
    "adamw": "adamw:lr=0.05:decay=0",
    "nadam": "nadam:lr=0.05",
    "lion": "lion:lr=0.02",
    "lbfgs": "lbfgs",
}
"""One line a rule, with a rate that suits the quadratic; the schedule is linear, so that all come to rest."""
VALLEY = {
    "sgd": "sgd:lr=0.003",
    "momentum": "momentum:lr=0.001",
    "nesterov": "nesterov:lr=0.001",
    "nesterov_lookahead": "nesterov_lookahead:lr=0.001",
    "adagrad": "adagrad:lr=1",
    "rmsprop": "rmsprop:lr=0.003",
    "adadelta": "adadelta:lr=1",
    "adam": "adam:lr=0.01",
    "amsgrad": "amsgrad:lr=0.05",
    "adamw": "adamw:lr=0.01:decay=0",
    "nadam": "nadam:lr=0.01",
    "lion": "lion:lr=0.003",
    "lbfgs": "lbfgs",
}
"""The same for Rosenbrock's bent valley."""


def logistic_minimum(problem):
    """Newton's method with the Hessian of the full objective, to the last bits."""
    x, y = problem.x.numpy(), problem.y.numpy()
    theta = np.zeros(problem.parameters)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ theta))
        hessian = (x.T * (p * (1 - p))) @ x / len(x) + problem.l2 * np.eye(len(theta))
        theta -= np.linalg.solve(hessian, x.T @ (p - y) / len(x) + problem.l2 * theta)
    return theta


def test_every_rule_has_a_line_in_both_tables():
    assert set(REACH) == set(VALLEY) == set(RULES)


@pytest.mark.parametrize("key", RULES)
def test_reaches_the_bottom_of_a_quadratic(key):
    problem = Quadratic()
    (contender,) = parse_contenders(REACH[key], parse_schedule("linear"))
    result = drive(race(problem, [contender], steps=1500, replicates=3))
    assert np.abs(result.standings[0].theta - problem.minimum.theta).max() < 2e-3


@pytest.mark.parametrize("key", RULES)
def test_reaches_the_end_of_the_valley(key):
    problem = Rosenbrock()
    # the steps of AdaGrad fade by themselves
    (contender,) = parse_contenders(VALLEY[key], parse_schedule("constant" if key == "adagrad" else "linear"))
    result = drive(race(problem, [contender], steps=8000, replicates=1))
    assert np.abs(result.standings[0].theta - 1.0).max() < 0.02


@pytest.mark.parametrize("key", RULES)
def test_reaches_the_minimum_that_newton_finds(key):
    problem = Logistic(rows=200)
    scale = {"sgd": 1.0, "momentum": 0.1, "nesterov": 0.1, "nesterov_lookahead": 0.1}.get(key)
    (contender,) = parse_contenders(f"{key}:lr={scale}" if scale else REACH[key], parse_schedule("linear"))
    result = drive(race(problem, [contender], steps=2000, replicates=2))
    assert np.abs(result.standings[0].theta - logistic_minimum(problem)).max() < 3e-3


@pytest.mark.parametrize("key", [key for key in RULES if not RULES[key].searches])
def test_update_is_pure_and_equals_the_step_in_place(key):
    rule = RULES[key]
    knobs = rule.knobs()
    theta = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradient = theta.flip(0) + 0.5
    state = rule.init(theta)
    for _ in range(3):
        before = theta.clone(), gradient.clone(), {k: v.clone() if torch.is_tensor(v) else v for k, v in state.items()}
        moved, kept = rule.update(theta, gradient, state, 0.1, knobs)
        assert torch.equal(theta, before[0])
        assert torch.equal(gradient, before[1])
        assert all(torch.equal(torch.as_tensor(state[k]), torch.as_tensor(before[2][k])) for k in state)
        own = theta.clone()
        rule.step(own, gradient, before[2], 0.1, knobs)
        assert torch.equal(own, moved)
        theta, state = moved, kept


@pytest.mark.parametrize("key", [key for key in RULES if not RULES[key].searches])
def test_replicates_do_not_touch_each_other(key):
    together = Run(Quadratic(), parse_contenders(REACH[key])[0], 50, 4)
    alone = Run(Quadratic(), parse_contenders(REACH[key])[0], 50, 1)
    for run in (together, alone):
        while not run.over:
            run.advance(50)
    assert np.array_equal(together.answer()[:1], alone.answer())


def test_first_steps_by_hand():
    # minimise x^2 / 2 from 1: the gradient is x
    theta, gradient = torch.tensor([[1.0]]).double(), torch.tensor([[1.0]]).double()

    def first(key, **knobs):
        rule = RULES[key]
        return float(rule.update(theta, gradient, rule.init(theta), 0.1, rule.knobs(**knobs))[0])

    assert first("sgd") == pytest.approx(0.9)
    assert first("momentum") == pytest.approx(0.9)
    assert first("nesterov") == pytest.approx(1 - 0.1 * 1.9)
    assert first("adagrad") == pytest.approx(0.9)
    assert first("rmsprop") == pytest.approx(1 - 0.1 / (0.1 + 1e-8))
    assert first("adadelta") == pytest.approx(1 - 0.1 * (1e-6 / (0.1 + 1e-6)) ** 0.5)
    # the bias is corrected, so the first step is the whole rate
    assert first("adam") == pytest.approx(0.9)
    assert first("amsgrad") == pytest.approx(0.9)
    assert first("adamw", decay=0.5) == pytest.approx(0.95 - 0.1)
    assert first("lion") == pytest.approx(0.9)


def test_look_ahead_visits_what_torch_s_form_visits():
    # phi = theta + beta v of the one are the places of the other
    problem = Quadratic()
    rule, other = RULES["nesterov_lookahead"], RULES["nesterov"]
    knobs = rule.knobs(lr=0.01, beta=0.9)
    taught = problem.start(3, 0)
    form = taught.clone()
    state, state2 = rule.init(taught), other.init(form)
    for _ in range(300):
        ahead = rule.ahead(taught, state, 0.01, knobs)
        assert torch.allclose(ahead, form, rtol=1e-10, atol=1e-13)
        rule.step(taught, problem.gradient(ahead, None), state, 0.01, knobs)
        other.step(form, problem.gradient(form, None), state2, 0.01, knobs)


def test_amsgrad_solves_what_adam_does_not():
    # Reddi, Kale and Kumar: gradient 1010 once in 101 steps, else -10, on [-1, 1]; the mean gradient is above 0
    found = {}
    for key in ("adam", "amsgrad"):
        rule = RULES[key]
        knobs = rule.knobs(beta=0.9, beta2=0.99)
        theta = torch.zeros(1, 1).double()
        state = rule.init(theta)
        for step in range(15_000):
            gradient = torch.full((1, 1), 1010.0 if step % 101 == 1 else -10.0).double()
            rule.step(theta, gradient, state, 1.0 / (step + 1) ** 0.5, knobs)
            theta.clamp_(-1, 1)
        found[key] = float(theta)
    assert found["adam"] > 0.9
    assert found["amsgrad"] < -0.7


def test_l2_and_decoupled_decay_are_one_for_sgd_and_two_for_adam():
    def answer(text):
        return drive(race(Quadratic(), parse_contenders(text), steps=200, replicates=2)).standings[0].theta

    assert np.allclose(answer("sgd:lr=0.01:l2=0.1"), answer("sgd:lr=0.01:decay=0.1"), rtol=1e-9)
    assert np.abs(answer("adam:lr=0.1:l2=0.5") - answer("adam:lr=0.1:decay=0.5")).max() > 0.01
    assert np.allclose(answer("adam:lr=0.1:decay=0.5"), answer("adamw:lr=0.1:decay=0.5"), rtol=1e-12)


def test_clipping_keeps_the_direction_of_each_replicate():
    gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4]]).double()
    clipped = wrappers.clip_norm(gradient, 1.0)
    assert torch.allclose(clipped, torch.tensor([[0.6, 0.8], [0.3, 0.4]]).double(), rtol=1e-6)
    assert torch.equal(wrappers.clip_value(gradient, 1.0)[0], torch.tensor([1.0, 1.0]).double())


def test_average_is_the_mean_of_the_last_places():
    problem = Quadratic(noise=1.0)
    runs = []
    for text in ("sgd:lr=0.02", "sgd:lr=0.02:average=0.5"):
        run = Run(problem, parse_contenders(text)[0], 400, 3)
        places = []
        while not run.over:
            run.advance(1)
            places.append(run.at.theta.numpy().copy())
        runs.append((run, np.stack(places)))
    (_, plain), (averaged, same) = runs
    assert np.array_equal(plain, same)
    assert np.allclose(averaged.answer(), plain[200:].mean(0), rtol=1e-12)
    # and it lies nearer to the minimum than the last place, which noise moves about
    place = problem.minimum.theta
    assert np.abs(averaged.answer() - place).mean() < np.abs(plain[-1] - place).mean()


def test_lbfgs_solves_a_quadratic_of_three_in_few_steps():
    result = drive(race(Quadratic(scales=(1.0, 30.0, 900.0)), parse_contenders("lbfgs:flat=0:still=0"), 25, 2))
    assert result.standings[0].final.train.max() < 1e-18


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sgd:lr=0", "SGD cannot learn at a rate of 0: give a number above 0."),
        ("sgd:lr=-1", "SGD cannot learn at a rate of -1: give a number above 0."),
        ("sgd:lr=nan", "SGD cannot learn at a rate of nan: give a number above 0."),
        ("sdg", f"There is no rule sdg: choose of {', '.join(RULES)}."),
        ("", f"There is no rule without a name: choose of {', '.join(RULES)}."),
        ("sgd:lr", "“lr” in sgd:lr cannot be read: write a name and a number, as in lr=0.1."),
        ("sgd:lr=fast", "“lr=fast” in sgd:lr=fast cannot be read: write a name and a number, as in lr=0.1."),
        ("adam:batch=0", "A batch of 0 cannot be: give a number from 1, or all."),
        ("adam:seed=1.5", "seed=1.5 in adam:seed=1.5 is no whole number: give one."),
    ],
)
def test_bad_text_is_one_sentence(text, said):
    with pytest.raises(SightlineError) as error:
        parse_contenders(text)
    assert str(error.value) == said


def test_unknown_number_lists_the_known():
    with pytest.raises(
        SightlineError, match=r"There is no beta in sgd:beta=0.9: choose of lr, clip, .*, batch, seed\."
    ):
        parse_contenders("sgd:beta=0.9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adam:beta=1", "Adam cannot have beta=1: give less than 1."),
        ("adam:eps=-1", "Adam cannot have eps=-1: give 0 or more."),
        ("adam:beta2=inf", "Adam cannot have beta2=inf: give a number."),
        ("sgd:average=2", "SGD cannot have average=2: give a share from 0 to 1."),
        ("sgd:batch=501", "The batch has 501 rows and the data 500: give a smaller one, or all."),
        ("lbfgs:batch=32", "L-BFGS needs all rows at each step: give it batch=all."),
        ("lbfgs:l2=1", "L-BFGS takes no clipping and no decay: leave them at 0."),
        ("sgd:seed=-1", "SGD cannot have seed=-1: give 0 or more."),
    ],
)
def test_what_cannot_race_is_one_sentence(text, said):
    with pytest.raises(SightlineError) as error:
        drive(race(Logistic(rows=500), parse_contenders(text), 10))
    assert str(error.value) == said


def test_text_and_back():
    text = "momentum:lr=0.1:beta=0.5:clip=2.0:batch=32:seed=3"
    (one,) = parse_contenders(text)
    assert text_of(one) == text
    schedule = parse_schedule("cosine:warmup=100:floor=0.01")
    assert text_of(schedule) == "cosine:warmup=100:floor=0.01"
    assert parse_schedule(text_of(schedule)) == schedule
    assert [other.name for other in parse_contenders("adam,sgd,adam:lr=1")] == ["Adam", "SGD", "Adam 2"]
    # a mini-batch for all leaves the rule that needs all rows alone
    assert [other.batch for other in parse_contenders("sgd,lbfgs", batch=32)] == [32, "all"]
