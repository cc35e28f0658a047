"""The numbers of the lessons on networks and losses, computed with the layers and problems that are raced."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.learning.lesson import Number


def _clouds(classes: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Points around the corners of a polygon, (rows, 3) with the constant, and their classes (rows,)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, rows)
    turn = 2 * np.pi * y / classes
    x = np.stack([np.cos(turn), np.sin(turn)], 1) + 0.3 * rng.standard_normal((rows, 2))
    return np.concatenate([x, np.ones((rows, 1))], 1), y.astype(np.float64)


def _descended(problem: Any, steps: int, rate: float) -> tuple[Any, float, float]:
    """Where gradient descent ends (1, P), and the objective at its start and there."""
    theta = problem.start(1, 0)
    begin = float(problem.value(theta, None)[0])
    for _ in range(steps):
        theta = theta - rate * problem.gradient(theta, None)
    return theta, begin, float(problem.value(theta, None)[0])


def _numeric(problem: Any, theta: Any, size: float = 1e-5) -> np.ndarray:
    """The gradient at theta (1, P) by central differences, (P,): all 2 P places as replicates at once."""
    import torch

    shifts = size * torch.eye(problem.parameters, dtype=torch.float64)
    values = problem.value(torch.cat([theta + shifts, theta - shifts]), None)
    made: np.ndarray = ((values[: problem.parameters] - values[problem.parameters :]) / (2 * size)).numpy()
    return made


def _softmax() -> Number:
    import torch

    from engine.learning.layers import softmax

    scores = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1000, 5)))
    plain, shifted = softmax(scores), softmax(scores + 1000)
    apart = float((plain - shifted).abs().max())
    off = float((shifted.sum(-1) - 1).abs().max())
    return Number(
        f"Of 1,000 rows of 5 scores, 1000 added to each: no probability moves by more than {apart:.0e}, and no sum is "
        f"further than {off:.0e} from 1. Computed without the shift, exp(1000) is {float(torch.tensor(1e3).exp()):g}.",
        {"apart": apart, "sum_off": off, "least": float(shifted.min())},
    )


def _first_loss() -> Number:
    import torch

    from engine.learning.linear_models import Penalty
    from engine.learning.multiclass import MulticlassSVM, SoftmaxRegression

    x, y = _clouds(10)
    seen = []
    for kind in (SoftmaxRegression, MulticlassSVM):
        problem = kind(x, y, Penalty(), classes=10)
        seen.append(float(problem.value(torch.zeros(1, problem.parameters).double(), None)[0]))
    return Number(
        f"With 10 classes and all scores alike, softmax costs {seen[0]:.6f} (log 10 = {math.log(10):.6f}) and the SVM "
        f"{seen[1]:g} (10 - 1).",
        {"softmax": seen[0], "svm": seen[1], "classes": 10},
    )


def _collapse() -> Number:
    from engine.learning.hand_network import HandNetwork

    x, y = _clouds(3)
    problem = HandNetwork(x, y, classes=3, hidden=(40, 30, 20), activation="linear")
    theta = problem.start(1, 0)[0].numpy()
    theta = theta + 0.1 * np.random.default_rng(0).standard_normal(len(theta))
    weights, biases = np.eye(2), np.zeros(2)
    for matrix, more in problem.layers(theta):
        weights, biases = matrix @ weights, matrix @ biases + more
    one = np.concatenate([weights, biases[:, None]], 1)
    apart = float(np.abs(problem.neurons(theta, x)[-1] - x @ one.T).max())
    return Number(
        f"{len(problem.shapes)} linear layers of {problem.parameters:,} numbers, and the one layer of {one.size} that "
        f"is their product: on {len(x)} rows the answers differ by {apart:.0e} at most.",
        {"apart": apart, "deep": problem.parameters, "one": one.size},
    )


def _tanh() -> Number:
    import torch

    from engine.learning.layers import SIGMOID, TANH

    x = torch.arange(-1000, 1001, dtype=torch.float64) / 100
    # by the exponentials of its definition
    tanh = (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())
    apart = float((tanh - (2 * SIGMOID.value(2 * x) - 1)).abs().max())
    slopes = SIGMOID.slope_from_output(SIGMOID.value(x))
    steep = float(TANH.slope_from_output(TANH.value(x)).max())
    return Number(
        f"At {len(x):,} places from -10 to 10 the two sides differ by {apart:.0e} at most. The steepest slope of the "
        f"sigmoid is {float(slopes.max()):g}, at {float(x[slopes.argmax()]):g}; that of tanh is {steep:g}.",
        {"apart": apart, "steepest": float(slopes.max()), "at": float(x[slopes.argmax()]), "tanh": steep},
    )


def _through(activation: str, init: str, scale: float = 1.0) -> tuple[float, float]:
    """Forwards and back through 10 hidden layers of 50 neurons.

    Returns:
        The standard deviation of what the last of them says, and the length of the slope by the first one's weights
        over that by the last one's.
    """
    from engine.learning.hand_network import HandNetwork

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((100, 50)), np.ones((100, 1))], 1)
    problem = HandNetwork(x, rng.standard_normal(100), hidden=(50,) * 10, activation=activation, init=init)
    theta = scale * problem.start(1, 0)
    slopes = [np.linalg.norm(weights) for weights, _ in problem.layers(problem.gradient(theta, None)[0].numpy())]
    return float(problem.neurons(theta[0].numpy(), x)[-2].std()), float(slopes[0] / slopes[-2])


def _vanishing() -> Number:
    sigmoid, tanh = _through("sigmoid", "xavier")[1], _through("tanh", "xavier")[1]
    return Number(
        f"Through 10 layers of 50 neurons the gradient of the first layer is {sigmoid:.0e} times that of the last with "
        f"sigmoids, and {tanh:.2f} times with tanh, both from Xavier's start.",
        {"sigmoid": sigmoid, "tanh": tanh},
    )


def _zero_start() -> Number:
    from engine.learning.hand_network import HandNetwork

    x, y = _clouds(3)
    ends, spread = {}, {}
    for init in ("zero", "xavier"):
        problem = HandNetwork(x, y, classes=3, hidden=(8,), init=init)
        theta, begin, ends[init] = _descended(problem, 150, 0.5)
        weights, biases = problem.layers(theta[0].numpy())[0]
        neurons = np.concatenate([weights, biases[:, None]], 1)
        spread[init] = float(np.abs(neurons - neurons[0]).max())
        if init == "zero":
            first = begin
    return Number(
        f"After 150 steps from zero the 8 hidden neurons differ by {spread['zero']:g}, and the loss went from "
        f"{first:.3f} to {ends['zero']:.3f}; from Xavier's start they differ by up to {spread['xavier']:.1f}, and "
        f"it is {ends['xavier']:.3f}.",
        {"spread": spread["zero"], "xavier_spread": spread["xavier"], "zero": ends["zero"], "xavier": ends["xavier"],
         "begin": first},
    )  # fmt: skip


def _xavier() -> Number:
    said = _through("tanh", "xavier")[0]
    tiny, huge = (_through("tanh", "normal", scale)[0] for scale in (0.01, 1.0))
    return Number(
        f"After 10 layers of 50 tanh neurons the standard deviation of what is said is {said:.2f} with Xavier's "
        f"weights, {tiny:.0e} with weights of 0.01, and {huge:.2f} (saturated) with weights of 1.",
        {"xavier": said, "small": tiny, "large": huge},
    )


def _backprop() -> Number:
    from engine.learning.hand_network import HandNetwork

    x, y = _clouds(3)
    problem = HandNetwork(x, y, classes=3, hidden=(8, 6))
    theta = problem.start(1, 0)
    by_hand = problem.gradient(theta, None)[0].numpy()
    apart = float(np.abs(by_hand - _numeric(problem, theta)).max() / np.abs(by_hand).max())
    return Number(
        f"All {problem.parameters} slopes of a network of 8 and 6 hidden neurons from one pass back, and from "
        f"{2 * problem.parameters} passes forward by differences: they differ by {apart:.0e} of the largest at most.",
        {"apart": apart, "parameters": problem.parameters},
    )


def _logistic_gradient() -> Number:
    import torch

    from engine.learning.linear_models import LogisticRegression, Penalty

    x, y = _clouds(2)
    problem = LogisticRegression(x, y, Penalty())
    theta = torch.tensor([[0.5, -1.0, 0.25]]).double()
    told = 1 / (1 + np.exp(-(x @ theta[0].numpy())))
    by_formula = x.T @ (told - y) / len(y)
    apart = float(np.abs(by_formula - problem.gradient(theta, None)[0].numpy()).max())
    numeric = float(np.abs(by_formula - _numeric(problem, theta)).max())
    return Number(
        f"On 200 rows the mean of (σ(z) - y) x is ({', '.join(f'{one:.4f}' for one in by_formula)}); differences of "
        f"the loss are within {numeric:.0e} of it.",
        {"apart": apart, "numeric": numeric},
    )


NETWORK_NUMBERS: dict[str, Callable[[], Number]] = {
    "softmax": _softmax, "first_loss": _first_loss, "collapse": _collapse, "tanh": _tanh, "vanishing": _vanishing,
    "zero_start": _zero_start, "xavier": _xavier, "backprop": _backprop, "logistic_gradient": _logistic_gradient,
}  # fmt: skip
"""What computes each number, by key."""
