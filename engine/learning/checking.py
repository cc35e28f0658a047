"""Gradients by hand against two others: differences of values, and torch's autograd through torch.nn.

This is the one file of the problems that knows torch.nn and autograd; what is raced never comes through here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.learning.hand_network import HandNetwork
from engine.learning.linear_models import (
    LinearModel,
    LinearRegression,
    LinearSVM,
    LogisticRegression,
    RobustRegression,
    TableModel,
)
from engine.learning.multiclass import ManyClasses, MulticlassSVM
from engine.optimizers.problem import Problem

Floats = NDArray[np.float64]
_PLACES, _STEP, _CORNER = 50, 1e-4, 1e-5
"""Parameters that are moved, how far, and how much two differences may be apart before it is a corner."""


@dataclass(frozen=True, slots=True, eq=False)
class GradientCheck:
    """How far gradients are apart, at one place.

    Differences are relative to the largest number of the gradients that are compared.

    Attributes:
        places: (k,) int64, the parameters that were moved.
        ours: (P,) the gradient by hand.
        numeric: (k,) central differences at the places; NaN where the objective has a corner nearer than the step
            (ReLU, hinges and L1 have them), which has no one slope.
        autograd: (P,) torch's, through torch.nn; None where there is no twin.
        numeric_apart: the largest relative difference to `numeric`.
        autograd_apart: that to `autograd`; None without it.
        corners: places that were left out.
    """

    places: NDArray[np.int64]
    ours: Floats
    numeric: Floats
    autograd: Floats | None
    numeric_apart: float
    autograd_apart: float | None
    corners: int


def gradient_check(problem: Problem, theta: Any, rows: Any = None) -> GradientCheck:
    """Compare the gradient by hand.

    Central differences of two steps h and h / 2 are combined so that errors of h^2 fall out (Richardson 1911):
    (4 d(h/2) - d(h)) / 3.

    Args:
        problem: any.
        theta: (P,) float64, a numpy array or a tensor.
        rows: (B,) int64, of the data; None for all, which takes 200 looks at each of them.
    """
    import torch

    theta = torch.as_tensor(theta, dtype=torch.float64).detach().reshape(1, -1)
    many = theta.shape[1]
    rows = None if rows is None else torch.as_tensor(rows).reshape(1, -1)
    places = np.unique(np.linspace(0, many - 1, min(many, _PLACES)).round().astype(np.int64))
    with torch.no_grad():
        ours: Floats = problem.gradient(theta, rows)[0].numpy().astype(np.float64)
        numeric = _differences(problem, theta, rows, places)
    corners = np.isnan(numeric)
    autograd = _autograd(problem, theta, rows)
    return GradientCheck(
        places, ours, numeric, autograd, _apart(ours[places][~corners], numeric[~corners]),
        None if autograd is None else _apart(ours, autograd), int(corners.sum()),
    )  # fmt: skip


def _apart(ours: Floats, theirs: Floats) -> float:
    """The largest difference over the largest number."""
    if not len(ours):
        return 0.0
    largest = max(np.abs(ours).max(), np.abs(theirs).max())
    return float(np.abs(ours - theirs).max() / largest) if largest > 0 else 0.0


def _differences(problem: Problem, theta: Any, rows: Any, places: NDArray[np.int64]) -> Floats:
    """(k,); all places are moved at once, each as a replicate of its own, four times."""
    import torch

    many = len(places)
    at = torch.from_numpy(places)
    reach = _STEP * theta[0, at].abs().clamp(min=1.0)
    steps = torch.cat([reach, -reach, reach / 2, -reach / 2])
    moved = theta.repeat(4 * many, 1)
    moved[torch.arange(4 * many), at.repeat(4)] += steps
    values = problem.value(moved, None if rows is None else rows.expand(4 * many, -1)).view(4, many)
    wide, narrow = (values[0] - values[1]) / (2 * reach), (values[2] - values[3]) / reach
    corner = (wide - narrow).abs() > _CORNER * torch.maximum(wide.abs(), narrow.abs()).clamp(min=1e-3)
    found: Floats = ((4 * narrow - wide) / 3).masked_fill(corner, float("nan")).numpy()
    return found


def twin_module(problem: Problem) -> Any:
    """The same model of torch.nn, float64: from x without its constant (B, F - 1) to scores (B, 1) or (B, C).

    Its parameters are not those of the problem's start: `load_theta` puts some in. None where there is no such model.
    """
    import torch

    if isinstance(problem, HandNetwork):
        acts = {
            "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU, "linear": torch.nn.Identity
        }  # fmt: skip
        parts: list[Any] = []
        for out, into in problem.shapes:
            parts += [torch.nn.Linear(into, out), acts[problem.activation.key]()]
        return torch.nn.Sequential(*parts[:-1]).double()
    if isinstance(problem, ManyClasses):
        features = problem.parameters // problem.classes
        return torch.nn.Sequential(torch.nn.Linear(features - 1, problem.classes)).double()
    if isinstance(problem, LinearModel):
        return torch.nn.Sequential(torch.nn.Linear(problem.parameters - 1, 1)).double()
    return None


def load_theta(problem: Problem, module: Any, theta: Any) -> None:
    """Put a problem's parameters (P,) into its twin."""
    import torch

    theta = torch.as_tensor(theta, dtype=torch.float64).reshape(-1)
    with torch.no_grad():
        for name, place in _places(problem, module).items():
            module.get_parameter(name).copy_(theta[place])


def twin_loss(problem: TableModel, module: Any, rows: Any = None) -> Any:
    """The objective of some rows (B,), with its penalty, said with torch's own losses; it can be derived."""
    import torch

    x, y = problem.table(rows)
    z = module(x[:, :-1])
    f = torch.nn.functional
    if isinstance(problem, MulticlassSVM):
        # theirs is divided by the number of classes
        loss = problem.classes * f.multi_margin_loss(z, y.long())
    elif isinstance(problem, ManyClasses) or problem.classes > 2:
        loss = f.cross_entropy(z, y.long())
    elif isinstance(problem, LinearSVM):
        loss = (1 - (2 * y - 1) * z[:, 0]).clamp(min=0).mean()
    elif isinstance(problem, RobustRegression):
        loss = ((z[:, 0] - y).abs() ** problem.gamma).mean()
    elif isinstance(problem, LogisticRegression) or problem.classes == 2:
        loss = f.binary_cross_entropy_with_logits(z[:, 0], y)
    else:
        assert isinstance(problem, LinearRegression | HandNetwork)
        loss = f.mse_loss(z[:, 0], y) / 2
    l1, l2 = problem.penalty.parts
    for name, values in module.named_parameters():
        if name.endswith("weight"):
            loss = loss + l1 * values.abs().sum() + l2 / 2 * values.square().sum()
    return loss


def _places(problem: Problem, module: Any) -> dict[str, NDArray[np.int64]]:
    """Where in theta each parameter of the twin lies, an array of its shape."""
    shapes = [part.weight.shape for part in module if hasattr(part, "weight")]
    names = [name for name, part in module.named_children() if hasattr(part, "weight")]
    found = {}
    for layer, ((out, into), name) in enumerate(zip(shapes, names, strict=True)):

        def place(o: int, i: int, layer: int = layer, into: int = into) -> int:
            if isinstance(problem, HandNetwork):
                return problem.place(layer, o, i)
            return o * (into + 1) + (into if i < 0 else i)

        found[f"{name}.weight"] = np.array([[place(o, i) for i in range(into)] for o in range(out)], np.int64)
        found[f"{name}.weight"] = found[f"{name}.weight"].reshape(out, into)
        found[f"{name}.bias"] = np.array([place(o, -1) for o in range(out)], np.int64)
    return found


def _autograd(problem: Problem, theta: Any, rows: Any) -> Floats | None:
    import torch

    module = twin_module(problem)
    if module is None or not isinstance(problem, TableModel):
        return None
    load_theta(problem, module, theta)
    with torch.enable_grad():
        twin_loss(problem, module, None if rows is None else rows[0]).backward()
    gradient = np.zeros(problem.parameters)
    for name, place in _places(problem, module).items():
        gradient[place] = module.get_parameter(name).grad.numpy()
    return gradient
