"""A network by hand: its gradient, its twin of torch.nn, what it learns, and why it does not begin at zero."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.learning.checking import gradient_check, load_theta, twin_loss, twin_module
from engine.learning.hand_network import HandNetwork
from engine.learning.linear_models import LogisticRegression, Penalty
from engine.optimizers.contenders import parse_contenders
from engine.optimizers.run import Run

torch = pytest.importorskip("torch")


def table(classes=2, rows=60, features=3, seed=0):
    """Rows with a constant, and labels that follow from them by a bent rule."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.standard_normal((rows, features)), np.ones((rows, 1))], 1)
    bent = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    if not classes:
        return x, bent
    return x, np.searchsorted(np.quantile(bent, np.arange(1, classes) / classes), bent).astype(float)


def network(classes=2, penalty=None, **settings):
    x, y = table(classes)
    return HandNetwork(x[:40], y[:40], penalty, (x[40:], y[40:]), classes=classes, **settings)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "linear"])
@pytest.mark.parametrize("hidden", [(1,), (8,), (5, 4), (3, 1, 4)])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_back_propagation_is_what_differences_and_autograd_say(classes, hidden, activation):
    problem = network(classes, Penalty("elastic", 0.1), hidden=hidden, activation=activation)
    theta = problem.start(2, 3)[1] + 0.05  # biases are not 0 then
    for rows in (None, np.arange(0, 40, 3)):
        found = gradient_check(problem, theta, rows)
        assert found.autograd_apart < 1e-12
        assert found.numeric_apart < 1e-8
        assert found.corners < 10
        assert len(found.ours) == problem.parameters


def test_a_wrong_gradient_is_found():
    problem = network()
    right = problem.gradient
    problem.gradient = lambda theta, rows: right(theta, rows) * 1.01
    found = gradient_check(problem, problem.start(1, 0)[0])
    assert found.numeric_apart > 5e-3
    assert found.autograd_apart > 5e-3


@pytest.mark.parametrize("classes", [0, 2, 5])
def test_values_and_gradients_are_those_of_each_replicate_alone(classes):
    problem = network(classes, Penalty("l2", 0.01), hidden=(6, 3))
    theta = problem.start(3, 1)
    rows = torch.randint(0, 40, (3, 8), generator=torch.Generator().manual_seed(0))
    for chosen in (None, rows):
        value, slope = problem.value_and_gradient(theta, chosen)
        assert torch.allclose(problem.value(theta, chosen), value, atol=1e-13)
        assert torch.allclose(problem.gradient(theta, chosen), slope, atol=1e-13)
        for r in range(3):
            alone = problem.value_and_gradient(theta[r : r + 1], None if chosen is None else chosen[r : r + 1])
            assert torch.allclose(alone[0], value[r : r + 1], atol=1e-13)
            assert torch.allclose(alone[1], slope[r : r + 1], atol=1e-13)


def test_three_replicates_are_raced_as_three_alone():
    problem = network(3, hidden=(6,))
    contender = parse_contenders("momentum:lr=0.1", batch=8)[0]
    together = Run(problem, contender, 50, 3)
    while not together.over:
        together.advance(50)
    # the r-th replicate is a matter of the seed and r alone
    for count in (1, 2):
        fewer = Run(problem, contender, 50, count)
        while not fewer.over:
            fewer.advance(50)
        assert np.allclose(fewer.answer(), together.answer()[:count], atol=1e-12)


def test_the_twin_says_and_costs_the_same():
    for classes in (0, 2, 4):
        problem = network(classes, Penalty("l1", 0.1), hidden=(5, 4), activation="relu")
        theta = problem.start(1, 0)
        module = twin_module(problem)
        load_theta(problem, module, theta)
        x, _y = problem.table()
        theirs = module(x[:, :-1])
        ours = problem.scores(theta, x)[0]
        assert torch.allclose(ours, theirs if classes > 2 else theirs[:, 0], atol=1e-13)
        assert float(twin_loss(problem, module).detach()) == pytest.approx(
            float(problem.value(theta, None)[0]), abs=1e-13
        )


def test_all_rows_in_pieces_are_all_rows():
    x, y = table(3, rows=3000)
    whole, parts = (HandNetwork(x, y, classes=3, hidden=(6,)) for _ in range(2))
    parts._pieces = lambda count, replicates: (slice(k, k + 700) for k in range(0, count, 700))
    theta = whole.start(2, 0)
    for ours, theirs in zip(whole.value_and_gradient(theta, None), parts.value_and_gradient(theta, None), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-13)
    assert torch.allclose(whole.value(theta, None), parts.value(theta, None), atol=1e-13)


def test_a_table_too_large_to_be_kept_twice_gives_the_same(monkeypatch):
    problem = network(3)
    monkeypatch.setattr("engine.learning.linear_models._BESIDE", 0)
    lean = network(3)
    theta, rows = problem.start(2, 0), torch.tensor([[1, 5, 9], [0, 0, 39]])
    for chosen in (None, rows):
        assert torch.allclose(problem.gradient(theta, chosen), lean.gradient(theta, chosen), atol=1e-14)


def test_weights_are_found_where_place_says():
    problem = network(3, hidden=(4, 2))
    theta = problem.start(1, 0)[0].numpy()
    theta = theta + np.arange(len(theta))
    assert problem.shapes == ((4, 3), (2, 4), (3, 2))
    seen = set()
    for layer, (weights, biases) in enumerate(problem.layers(theta)):
        assert weights.shape == problem.shapes[layer]
        for out in range(len(weights)):
            assert theta[problem.place(layer, out, -1)] == biases[out]
            seen.add(problem.place(layer, out, -1))
            for into in range(weights.shape[1]):
                assert theta[problem.place(layer, out, into)] == weights[out, into]
                seen.add(problem.place(layer, out, into))
    assert seen == set(range(problem.parameters))


def test_neurons_say_what_the_layers_make():
    problem = network(3, hidden=(4, 2), activation="tanh")
    theta = problem.start(1, 0)[0].numpy()
    x, _y = table(3)
    (w1, b1), (w2, b2), (w3, b3) = problem.layers(theta)
    first = np.tanh(x[:, :-1] @ w1.T + b1)
    second = np.tanh(first @ w2.T + b2)
    for ours, theirs in zip(problem.neurons(theta, x), (first, second, second @ w3.T + b3), strict=True):
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, atol=1e-13)


def test_from_zero_all_neurons_stay_alike():
    for activation in ("tanh", "sigmoid"):
        problem = network(2, hidden=(4,), activation=activation, init="zero")
        theta = problem.start(1, 0)
        assert not theta.any()
        for _ in range(50):
            theta = theta - 0.5 * problem.gradient(theta, None)
        weights, _biases = problem.layers(theta[0].numpy())[0]
        assert np.ptp(weights, axis=0).max() == 0
    other = network(2, hidden=(4,), activation="sigmoid", init="xavier")
    assert np.ptp(other.layers(other.start(1, 0)[0].numpy())[0][0], axis=0).max() > 0.1


def test_it_begins_as_it_is_told():
    problem = network(2, hidden=(200, 300), init="normal")
    theta = problem.start(3, 5)
    weights, biases = problem.layers(theta[2].numpy())[1]
    assert weights.std() == pytest.approx(1, rel=0.02)
    assert not biases.any()
    assert torch.equal(theta[:2], problem.start(2, 5))
    assert not torch.equal(theta[0], theta[1])
    glorot = network(2, hidden=(200, 300)).layers(network(2, hidden=(200, 300)).start(1, 5)[0].numpy())[1][0]
    assert glorot.std() == pytest.approx(np.sqrt(2 / 500), rel=0.02)


def test_the_penalty_leaves_biases_out():
    problem, bare = network(2, Penalty("l2", 0.5), hidden=(3,)), network(2, hidden=(3,))
    theta = torch.ones(1, problem.parameters).double()
    weights = 3 * 3 + 3
    more = float(problem.value(theta, None)[0] - bare.value(theta, None)[0])
    assert more == pytest.approx(0.25 * weights)


def test_without_a_bend_it_is_logistic_regression():
    x, y = table(2)
    problem = HandNetwork(x, y, classes=2, hidden=(2,), activation="linear")
    plain = LogisticRegression(x, y, Penalty())
    theta = problem.start(1, 0)
    (w1, b1), (w2, b2) = problem.layers(theta[0].numpy())
    folded = np.concatenate([(w2 @ w1)[0], w2 @ b1 + b2])
    assert float(problem.value(theta, None)[0]) == pytest.approx(
        float(plain.value(torch.from_numpy(folded)[None], None)[0]), abs=1e-13
    )


def test_it_learns_what_no_straight_line_can():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-1, 1, (400, 2)), np.ones((400, 1))], 1)
    y = (x[:, 0] * x[:, 1] > 0).astype(float)
    problem = HandNetwork(x[:300], y[:300], None, (x[300:], y[300:]), classes=2, hidden=(8,))
    run = Run(problem, parse_contenders("adam:lr=0.05", batch=32)[0], 1500, 2)
    while not run.over:
        run.advance(1500)
    said, truth = problem.answers(torch.from_numpy(run.answer()))
    assert said.shape == (2, 100)
    assert ((said > 0) == truth).mean() > 0.95


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"hidden": (0,)}, "1 or more neurons"),
        ({"hidden": ()}, "1 or more neurons"),
        ({"hidden": (4, -1)}, "1 or more neurons"),
        ({"hidden": (10**6, 10**3)}, "parameters"),
        ({"activation": "step"}, "activation"),
        ({"init": "magic"}, "magic"),
        ({"classes": 3}, "none of the 3 classes"),
    ],
)
def test_a_network_that_cannot_be_is_one_sentence(settings, says):
    x, y = table(5)
    with pytest.raises(SightlineError, match=says):
        HandNetwork(x, y, **{"classes": 5, **settings})
