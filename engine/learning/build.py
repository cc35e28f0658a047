"""From what a person sets to a problem that can be raced."""

import sys
from dataclasses import dataclass, fields, replace
from typing import Any

from engine.errors import SightlineError
from engine.job import Job
from engine.learning.hand_network import HandNetwork
from engine.learning.linear_models import LinearRegression, RobustRegression, TableModel
from engine.learning.loading import load
from engine.learning.multiclass import ManyClasses
from engine.learning.problems import KINDS, ProblemKind
from engine.learning.setup import ProblemSetup
from engine.learning.surfaces import SURFACES, quadratic
from engine.learning.tables import Table
from engine.optimizers.problem import Problem

_USUAL_DEGREE = 3
"""Of polynomial regression where the setup says 1: that would be linear regression."""
_BEYOND = ("strength", "condition", "gamma", "shake", "rows", "seed")
"""Settings that may be larger than a form offers."""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A problem, ready to be raced.

    Attributes:
        setup: what it was made of: settings that do not matter for it are the usual ones, data that
            were left open are named, except the usual linear ones.
        problem: what is raced.
        table: what it learns from; None for a surface.
        notes: what a person should know of the data, a sentence each.
    """

    setup: ProblemSetup
    problem: Problem
    table: Table | None
    notes: tuple[str, ...] = ()


def kind_of(key: str) -> ProblemKind:
    """The kind of a problem by its key, in any case.

    Raises:
        SightlineError: there is none.
    """
    kind = KINDS.get(key.strip().lower())
    if kind is None:
        raise SightlineError(f"There is no problem {key}: choose of {', '.join(KINDS)}.")
    return kind


def settled(setup: ProblemSetup) -> ProblemSetup:
    """A setup in which only what matters for its problem is set, and what was left open is named.

    Raises:
        SightlineError: there is no such problem.
    """
    kind = kind_of(setup.problem)
    usual = ProblemSetup()
    off = {one.name: getattr(usual, one.name) for one in fields(setup) if one.name not in (*kind.fields, "problem")}
    setup = replace(setup, **off, problem=kind.key)
    if kind.usual != "linear" and not setup.data:
        # the usual linear set is 2,000 rows of a noise of its own as long as it is not named
        setup = replace(setup, data=kind.usual)
    if kind.key == "polynomial" and setup.degree == 1:
        setup = replace(setup, degree=_USUAL_DEGREE)
    return setup


def build(setup: ProblemSetup) -> Job[Built]:
    """Read or draw the data of a problem, and make it.

    Yields:
        `Progress` while a file is read; None where it can be stopped.

    Raises:
        SightlineError: no such problem, data that cannot be learned from, or a setting that cannot be.
    """
    setup = settled(setup)
    check_setup(setup)
    kind = kind_of(setup.problem)
    if not kind.data:
        surface = quadratic(setup.condition) if kind.key == "quadratic" else SURFACES[kind.key]()
        return Built(setup, surface, None)
    table: Table = yield from load(setup, classify=kind.classify, most_classes=kind.most_classes)
    yield None
    problem = model_of(kind, setup, table)
    yield None
    if isinstance(problem, LinearRegression):
        yield from problem.solving()
    notes = list(table.notes)
    if table.filled:
        notes.append(f"{table.filled:,} gaps in the table were filled with the training part's median.")
    return Built(setup, problem, table, tuple(notes))


def check_setup(setup: ProblemSetup) -> None:
    """Refuse numbers that no form would offer; a text may say any."""
    for one in fields(setup):
        info, value = one.metadata.get("knob"), getattr(setup, one.name)
        if info is not None and info.choices and value not in info.choices:
            raise SightlineError(f"{info.label} cannot be {value}: choose of {', '.join(info.choices)}.")
        if info is None or info.low is None:
            continue
        high = info.high if info.high is not None and one.name not in _BEYOND else sys.float_info.max
        if not info.low <= value <= high:
            wanted = f"{info.low:g} or more" if high == sys.float_info.max else f"{info.low:g} to {high:g}"
            raise SightlineError(f"{info.label} is a number of {wanted} and not {value:g}: choose another.")


def model_of(kind: ProblemKind, setup: ProblemSetup, table: Table) -> TableModel:
    """The problem that a kind makes of a table; of linear regression the minimum is not looked for."""
    model: Any = kind.model
    extra: dict[str, Any] = {}
    classes = max(2, len(table.classes)) if kind.classify else 0
    if issubclass(model, RobustRegression):
        extra = {"gamma": setup.gamma, "noise": setup.shake}
    elif issubclass(model, LinearRegression):
        extra = {"solve": False}
    elif issubclass(model, ManyClasses):
        extra = {"classes": classes}
    elif issubclass(model, HandNetwork):
        extra = {
            "classes": classes, "hidden": setup.hidden, "activation": setup.activation, "init": setup.init,
        }  # fmt: skip
    made: TableModel = model(table.x, table.y, setup.penalised, (table.test_x, table.test_y), **extra)
    made.title = kind.title
    return made
