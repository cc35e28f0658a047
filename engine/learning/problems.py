"""The problems that can be raced, by name, and how good their answers are."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.learning import metrics
from engine.learning.hand_network import HandNetwork
from engine.learning.linear_models import (
    LinearRegression,
    LinearSVM,
    LogisticRegression,
    RobustRegression,
    TableModel,
)
from engine.learning.multiclass import MulticlassSVM, SoftmaxRegression
from engine.learning.surfaces import SURFACES
from engine.optimizers.problem import Problem

_MANY = 100
"""Classes that are told apart at most."""
_DATA = (
    "data", "label", "columns", "group", "rows", "noise", "features", "test_share", "seed", "penalty", "strength",
)  # fmt: skip
_TABLE = (*_DATA, "degree")
_NETWORK = (*_DATA, "hidden", "activation", "init")


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What can be raced.

    Attributes:
        key: how the command line calls it.
        title: how people call it.
        model: what learns from a table; None for a surface.
        classify: whether its label is a class.
        most_classes: how many it tells apart.
        fields: of `engine.learning.setup.ProblemSetup` that matter for it.
        usual: the drawn set that it learns from where none is named.
    """

    key: str
    title: str
    model: type[TableModel] | None = None
    classify: bool = False
    most_classes: int = 2
    fields: tuple[str, ...] = ()
    usual: str = ""

    @property
    def data(self) -> bool:
        """Whether it learns from a table."""
        return self.model is not None


KINDS: dict[str, ProblemKind] = {
    kind.key: kind
    for kind in (
        *(ProblemKind(key, key.capitalize(), fields=("condition",) if key == "quadratic" else ()) for key in SURFACES),
        ProblemKind("linear", LinearRegression.title, LinearRegression, fields=_TABLE, usual="linear"),
        ProblemKind("polynomial", "Polynomial regression", LinearRegression, fields=_TABLE, usual="wave"),
        ProblemKind(
            "robust", RobustRegression.title, RobustRegression, fields=(*_TABLE, "gamma", "shake"), usual="linear"
        ),
        ProblemKind("logistic", LogisticRegression.title, LogisticRegression, True, fields=_TABLE, usual="linear"),
        ProblemKind("svm", LinearSVM.title, LinearSVM, True, fields=_TABLE, usual="linear"),
        ProblemKind("softmax", SoftmaxRegression.title, SoftmaxRegression, True, _MANY, _TABLE, "blobs"),
        ProblemKind("multiclass_svm", MulticlassSVM.title, MulticlassSVM, True, _MANY, _TABLE, "blobs"),
        ProblemKind("network", HandNetwork.title, HandNetwork, True, _MANY, _NETWORK, "moons"),
        ProblemKind("network_regression", "Network for numbers", HandNetwork, fields=_NETWORK, usual="hills"),
    )
}
"""By name, simplest first."""


def test_figures(problem: Problem, theta: Any) -> dict[str, float] | None:
    """How good the answers on the rows kept aside are, the mean over replicates (R, P); None without such rows.

    `roc_auc`, `average_precision` and `accuracy` for classes (of more than two the first two are means over the
    classes, each against all others); `rmse` and `r2` for numbers.
    """
    if not isinstance(problem, TableModel) or not len(theta):
        return None
    answers = problem.answers(theta)
    if answers is None:
        return None
    said, truth = answers
    rows = [figures_of(problem.classes, truth, row) for row in said]
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def figures_of(classes: int, truth: Any, said: Any) -> dict[str, float]:
    if not classes:
        return {"rmse": metrics.rmse(truth, said), "r2": metrics.r2(truth, said)}
    if classes == 2:
        return {
            "roc_auc": metrics.roc_auc(truth, said),
            "average_precision": metrics.average_precision(truth, said),
            "accuracy": metrics.accuracy(truth, said),
        }
    # one class against all others; a class that is not among the rows kept aside has no such figure
    here = [k for k in range(classes) if 0 < (truth == k).sum() < len(truth)]
    ones = [((truth == k).astype(np.float64), said[:, k]) for k in here]
    nan = float("nan")
    return {
        "roc_auc": float(np.mean([metrics.roc_auc(*one) for one in ones])) if ones else nan,
        "average_precision": float(np.mean([metrics.average_precision(*one) for one in ones])) if ones else nan,
        "accuracy": float((said.argmax(1) == truth).mean()),
    }
