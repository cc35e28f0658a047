"""The problems that can be raced, by name; data is drawn where none is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.learning import metrics
from engine.learning.linear_models import (
    LinearModel,
    LinearRegression,
    LinearSVM,
    LogisticRegression,
    Penalty,
    RobustRegression,
)
from engine.learning.surfaces import SURFACES
from engine.learning.tables import Table, prepare, read_table
from engine.optimizers.problem import Problem

_DRAWN_ROWS, _DRAWN_FEATURES = 2000, 8


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What can be raced.

    Attributes:
        key: how the command line calls it.
        title: how people call it.
        model: what learns from a table; None for a surface.
        classify: whether its label has two classes.
    """

    key: str
    title: str
    model: type[LinearModel] | None = None
    classify: bool = False

    @property
    def data(self) -> bool:
        """Whether it learns from a table."""
        return self.model is not None


KINDS: dict[str, ProblemKind] = {
    **{key: ProblemKind(key, key.capitalize()) for key in SURFACES},
    "linear": ProblemKind("linear", LinearRegression.title, LinearRegression),
    "robust": ProblemKind("robust", RobustRegression.title, RobustRegression),
    "logistic": ProblemKind("logistic", LogisticRegression.title, LogisticRegression, classify=True),
    "svm": ProblemKind("svm", LinearSVM.title, LinearSVM, classify=True),
}
"""By name, simplest first."""


def build_problem(
    name: str,
    data: Path | None = None,
    label: str = "",
    columns: Sequence[str] = (),
    penalty: Penalty | None = None,
    seed: int = 0,
) -> tuple[Problem, Table | None]:
    """A problem, and the table it learns from.

    Args:
        name: one of `KINDS`.
        data: a CSV or Parquet file; drawn data where None.
        label, columns: of the file, see `engine.learning.tables.prepare`.
        penalty: of regressions.
        seed: of the permutation that takes the test part, and of what is drawn.

    Raises:
        SightlineError: no such problem, or data that cannot be learned from.
    """
    kind = KINDS.get(name.strip().lower())
    if kind is None:
        raise SightlineError(f"There is no problem {name}: choose of {', '.join(KINDS)}.")
    if kind.model is None:
        if data is not None:
            raise SightlineError(f"{kind.title} is a surface and learns from no data: leave --data out.")
        if penalty is not None and penalty.strength:
            raise SightlineError(f"{kind.title} is a surface and has no penalty: leave it out.")
        return SURFACES[kind.key](), None
    if data is None:
        table = drawn(kind.classify, seed)
    elif not label:
        raise SightlineError("It is not said which column is to be told: name it with --label.")
    else:
        table = prepare(read_table(data), label, columns, classify=kind.classify, seed=seed)
    return kind.model(table.x, table.y, penalty or Penalty(), (table.test_x, table.test_y)), table


def drawn(classify: bool, seed: int = 0) -> Table:
    """Normal features and a linear truth with noise, the last 20 % of a permutation kept aside."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((_DRAWN_ROWS, _DRAWN_FEATURES))
    said = x @ rng.standard_normal(_DRAWN_FEATURES) + 0.5
    noisy = said + rng.logistic(size=_DRAWN_ROWS) if classify else said + 0.5 * rng.standard_normal(_DRAWN_ROWS)
    y = (noisy > 0).astype(np.float64) if classify else noisy
    x = np.concatenate([x, np.ones((_DRAWN_ROWS, 1))], 1)
    order = np.random.default_rng(seed).permutation(_DRAWN_ROWS)
    train, test = np.split(order, [int(0.8 * _DRAWN_ROWS)])
    names = (*(f"x{k + 1}" for k in range(_DRAWN_FEATURES)), "constant")
    return Table(names, x[train], y[train], x[test], y[test], ("0", "1") if classify else ())


def test_figures(problem: Problem, theta: Any) -> dict[str, float] | None:
    """How good the answers on the rows kept aside are, the mean over replicates (R, P); None without such rows.

    `roc_auc`, `average_precision` and `accuracy` for two classes; `rmse` and `r2` for numbers.
    """
    if not isinstance(problem, LinearModel) or not len(theta):
        return None
    answers = problem.answers(theta)
    if answers is None:
        return None
    said, truth = answers
    measures = (
        {"roc_auc": metrics.roc_auc, "average_precision": metrics.average_precision, "accuracy": metrics.accuracy}
        if isinstance(problem, LogisticRegression | LinearSVM)
        else {"rmse": metrics.rmse, "r2": metrics.r2}
    )
    return {key: float(np.mean([measure(truth, row) for row in said])) for key, measure in measures.items()}
