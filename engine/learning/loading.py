"""What a problem learns from, as numbers: drawn sets, scikit-learn's bundled sets, files."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.learning.columns import Column
from engine.learning.describing import ColumnSketch, Description, describe
from engine.learning.reading import Raw, read_columns
from engine.learning.room import free_memory
from engine.learning.setup import ProblemSetup
from engine.learning.tables import Table, expanded, lifted, prepare_steps
from engine.learning.twins import split
from engine.samples.points import USUAL_NOISE, draw

__all__ = ["BUNDLED", "DRAWN", "BundledSet", "ColumnSketch", "Description", "DrawnSet", "describe", "load"]

TARGET = "target"
"""What the label of a bundled set is called."""
USUAL = "linear"
USUAL_ROWS = 2000
SCALE = 3.0
"""Drawn numbers of about -1..1 are multiplied by it, so that sin x is one whole wave."""


@dataclass(frozen=True, slots=True)
class DrawnSet:
    """Points that are drawn.

    Attributes:
        key: how the command line calls it.
        title: how people call it.
        classify: whether its label is a class; "linear" has either, see `fits`.
        two_numbers: whether a row is made of two numbers, so that features are chosen and a boundary can be drawn.
        count: of classes, 0 for a number.
    """

    key: str
    title: str
    classify: bool
    two_numbers: bool
    count: int = 0

    def fits(self, classify: bool, most_classes: int = 2) -> bool:
        """Whether a problem that tells classes, or numbers, can learn from it."""
        return self.key == USUAL or (self.classify == classify and self.count <= most_classes)


@dataclass(frozen=True, slots=True)
class BundledSet:
    """Data that scikit-learn brings along.

    Attributes:
        key: how the command line calls it.
        title: how people call it.
        classify: whether its label is a class.
        count: of classes, 0 for a number.
    """

    key: str
    title: str
    classify: bool
    count: int = 0

    def fits(self, classify: bool, most_classes: int = 2) -> bool:
        """Whether a problem that tells classes, or numbers, can learn from it."""
        return self.classify == classify and self.count <= most_classes


DRAWN: dict[str, DrawnSet] = {
    one.key: one
    for one in (
        DrawnSet("linear", "Linear, 8 numbers", True, False, 2),
        DrawnSet("lines", "Two bands", True, True, 2),
        DrawnSet("moons", "Moons", True, True, 2),
        DrawnSet("circles", "Circles", True, True, 2),
        DrawnSet("xor", "Exclusive or", True, True, 2),
        DrawnSet("blobs", "Three blobs", True, True, 3),
        DrawnSet("spirals", "Two spirals", True, True, 2),
        DrawnSet("three spirals", "Three spirals", True, True, 3),
        DrawnSet("line", "Line", False, False),
        DrawnSet("wave", "Wave", False, False),
        DrawnSet("plane", "Plane", False, True),
        DrawnSet("hills", "Hills", False, True),
    )
}
BUNDLED: dict[str, BundledSet] = {
    one.key: one
    for one in (
        BundledSet("diabetes", "Diabetes", False),
        BundledSet("breast_cancer", "Breast cancer", True, 2),
        BundledSet("iris", "Iris", True, 3),
        BundledSet("wine", "Wine", True, 3),
        BundledSet("digits", "Digits", True, 10),
    )
}


def load(setup: ProblemSetup, *, classify: bool, most_classes: int, free: int | None = None) -> Job[Table]:
    """The table that a problem learns from.

    Args:
        setup: its data, label, columns, group, rows, noise, features, degree, test_share and seed are heeded.
        classify: whether the label is a class; a number otherwise.
        most_classes: that the problem can tell apart.
        free: bytes of memory that may be used; what the machine has free where None.

    Raises:
        SightlineError: no such data, or such that cannot be learned from.
    """
    free = free_memory() if free is None else free
    known: dict[str, DrawnSet | BundledSet] = {**DRAWN, **BUNDLED}
    kind = known.get(setup.data or USUAL)
    if kind is not None and not kind.fits(classify, most_classes):
        fitting = ", ".join(key for key, one in known.items() if one.fits(classify, most_classes))
        has = f"{kind.count} classes" if kind.classify else "a number to tell and no classes"
        raise SightlineError(f"{kind.title} has {has}, which this problem cannot learn: choose of {fitting}.")
    if isinstance(kind, DrawnSet):
        return (yield from _drawn(kind, setup, classify, free))
    if isinstance(kind, BundledSet):
        yield Progress(f"Reading {kind.title}")
        raw, label, columns = _bundled(kind.key), TARGET, setup.columns
    else:
        path, label = Path(setup.data).expanduser(), setup.label
        if not label:
            raise SightlineError("It is not said which column is to be told: choose a label (--label).")
        columns = setup.columns
        asked = (label, *columns, *([setup.group] if setup.group else [])) if columns else ()
        raw = yield from read_columns(path, asked, free=free)
    return (
        yield from prepare_steps(
            raw, label, columns, classify=classify, most_classes=most_classes,
            group="" if isinstance(kind, BundledSet) else setup.group, test_share=setup.test_share, seed=setup.seed,
            features=setup.features, degree=setup.degree, free=free,
        )
    )  # fmt: skip


def _drawn(kind: DrawnSet, setup: ProblemSetup, classify: bool, free: int | None) -> Job[Table]:
    yield Progress(f"Drawing {kind.title}")
    # what is not said is the set of all the figures that are told of elsewhere
    rows, noise = (setup.rows, setup.noise) if setup.data else (USUAL_ROWS, USUAL_NOISE)
    if rows < 2:
        raise SightlineError(f"{rows} rows are asked for: a table to learn from needs two and more.")
    if not 0 <= noise <= 1:
        raise SightlineError(f"A noise of {noise:g} is asked for: choose one of 0 to 1.")
    xy, y = draw(kind.key, rows, noise, setup.seed, classify)
    train, test = split(rows, setup.test_share, setup.seed)
    if classify and len(np.unique(y[train])) < 2:
        raise SightlineError("The training part has one class alone: draw more rows, or keep fewer aside.")
    if kind.two_numbers:
        table = yield from lifted(
            ("x", "y"), xy[train], xy[test], np.zeros(2), np.full(2, 1 / SCALE), setup.features, setup.degree, free,
            standard=False,
        )  # fmt: skip
    else:
        names = ("x",) if xy.shape[1] == 1 else tuple(f"x{k + 1}" for k in range(xy.shape[1]))
        table = yield from expanded(xy[train], xy[test], names, setup.degree, free)
    classes = tuple(str(k) for k in range(kind.count)) if classify else ()
    return replace(table, y=y[train], test_y=y[test], classes=classes)


def _bundled(key: str) -> Raw:
    """A set that lies in scikit-learn's own files; nothing is downloaded."""
    from sklearn import datasets

    made = {
        "diabetes": lambda: datasets.load_diabetes(scaled=False),
        "breast_cancer": datasets.load_breast_cancer,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "digits": datasets.load_digits,
    }[key]()
    columns = {
        str(name): Column(str(name), numbers=np.ascontiguousarray(values, np.float64))
        for name, values in zip(made.feature_names, made.data.T, strict=True)
    }
    if BUNDLED[key].classify:
        words = tuple(str(name) for name in made.target_names)
        columns[TARGET] = Column(TARGET, codes=made.target.astype(np.int32), words=words)
    else:
        columns[TARGET] = Column(TARGET, numbers=made.target.astype(np.float64))
    return Raw(columns, len(made.target), total=len(made.target))
