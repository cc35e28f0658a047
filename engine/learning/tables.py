"""Tables as numbers: columns by kind, gaps, categories, standardised on the training part alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress, drive
from engine.learning.columns import HASHED, NUMBER, Column, Made, make
from engine.learning.expand import Lift, checked_features, feature_names, fit_polynomial, make_features
from engine.learning.reading import Raw, raw_of_frame, read_columns
from engine.learning.room import check_room, free_memory, said_bytes
from engine.learning.studies import elsewhere
from engine.learning.twins import count_twins, row_marks, split, split_groups

__all__ = ["HASHED", "TEST_SHARE", "Plane", "Table", "expanded", "lifted", "prepare", "prepare_steps", "read_table"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
TEST_SHARE = 0.2
_NONE = np.empty(0)


@dataclass(frozen=True, slots=True)
class Plane:
    """The two numbers that each row of a table is made of: what a decision boundary is drawn over.

    Attributes:
        names: of the two.
        train, test: (n, 2) and (m, 2) float64, as they are drawn or read.
        lift: rows (k, P) of the table's numbers, the constant included, from (k, 2) points.
    """

    names: tuple[str, str]
    train: Floats
    test: Floats
    lift: Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Table:
    """A table made ready to be learned from.

    Attributes:
        names: of the numbers, the last one "constant".
        x, y: training part, (n, P) and (n,) float64; y is a number, or the index of a class.
        test_x, test_y: the part kept aside, (m, P) and (m,).
        classes: the labels that 0, 1, ... stand for; empty for a label that is a number.
        filled: gaps that were filled, over all columns.
        plane: where a row is made of two numbers.
        notes: what a person should know of the data, a sentence each.
        twins: rows of the test part that have a near twin in the training part.
    """

    names: tuple[str, ...]
    x: Floats
    y: Floats
    test_x: Floats
    test_y: Floats
    classes: tuple[str, ...] = ()
    filled: int = 0
    plane: Plane | None = None
    notes: tuple[str, ...] = ()
    twins: int = 0


def read_table(path: Path) -> Raw:
    """A CSV or Parquet file, whole.

    Raises:
        SightlineError: it is not there, no such table, or has no row.
    """
    return drive(read_columns(path))


def prepare(
    table: Any, label: str, columns: Sequence[str] = (), *, classify: bool, seed: int = 0, most_classes: int = 2
) -> Table:
    """Numbers to learn from, as `prepare_steps` makes them, at once.

    Args:
        table: as `read_table` gives it, or a pandas frame.
        label, columns, classify, seed, most_classes: see `prepare_steps`.

    Raises:
        SightlineError: no such column, a label that cannot be told, or too many numbers.
    """
    raw = table if isinstance(table, Raw) else raw_of_frame(table)
    return drive(prepare_steps(raw, label, columns, classify=classify, seed=seed, most_classes=most_classes))


def prepare_steps(
    raw: Raw,
    label: str,
    columns: Sequence[str] = (),
    *,
    classify: bool,
    most_classes: int = 2,
    group: str = "",
    test_share: float = TEST_SHARE,
    seed: int = 0,
    features: Sequence[str] = ("x", "y"),
    degree: int = 1,
    free: int | None = None,
) -> Job[Table]:
    """Numbers to learn from; the test part is the last share of a permutation of the rows.

    Memory is needed for the table as it is read and for what it becomes; the former is given back column by column,
    so that `raw` is empty afterwards.

    Args:
        raw: as `read_columns` gives it.
        label: the column that is to be told.
        columns: those it is told from; all others, but for the group, where empty.
        classify: whether the label is a class; a number otherwise.
        most_classes: that can be told apart.
        group: a column whose rows of one value stay on one side of the split; "" for none.
        test_share: of the rows, kept aside.
        seed: of the permutation.
        features: see `engine.learning.setup.FEATURES`; heeded where there are two columns, both of numbers.
        degree: of the polynomial of the columns' numbers.
        free: bytes of memory that may be used; what the machine has free where None.

    Raises:
        SightlineError: no such column, a label that cannot be told, or too many numbers.
    """
    known = list(raw.columns)
    for name in (label, *columns, *([group] if group else [])):
        if name not in known:
            raise SightlineError(f"The table has no column {name}: choose of {', '.join(known[:12])}.")
    wanted = columns or [name for name in known if name != group]
    chosen = [name for name in dict.fromkeys(wanted) if name != label]
    if not chosen:
        raise SightlineError("There is no column to learn from besides the label: choose others.")
    free = free_memory() if free is None else free
    notes = list(raw.notes)
    y, classes, kept = _label(raw.columns[label], classify, most_classes)
    if len(kept) < raw.rows:
        notes.append(f"{raw.rows - len(kept):,} rows without a {label} are left out.")
    if len(kept) < 2:
        raise SightlineError(f"{len(kept)} rows have a {label}: a table to learn from needs two and more.")
    if group:
        train, test = split_groups(raw.columns[group].kinds()[0][kept], group, test_share, seed)
    else:
        train, test = split(len(kept), test_share, seed)
    if classify:
        seen = np.unique(y[train]).astype(int)
        if len(seen) < 2:
            raise SightlineError(f"The training part has one class of {label} alone: it takes two to tell them apart.")
        unseen = [name for k, name in enumerate(classes) if k not in seen]
        if unseen:
            notes.append(f"No row of the training part has the {label} {', '.join(unseen[:5])}: it cannot be learned.")
    y, test_y = y[train], y[test]
    train, test = kept[train], kept[test]
    marks = yield from row_marks([raw.columns[name] for name in chosen])
    yield None
    twins, telling = yield from elsewhere(partial(count_twins, marks, train, test), finish=True)
    if raw.source and twins and telling:
        notes.append(
            f"{twins:,} of {len(test):,} test rows have a near twin in the training part"
            + (": choose a group column to keep them apart." if not group else ".")
        )
    made: dict[str, Made] = {}
    for k, name in enumerate(chosen):
        one = raw.columns[name]
        # dates among many words take a second to be read
        made[name] = make(one, train) if len(one.words) < 1000 else (yield from elsewhere(partial(make, one, train)))
        if k % 4 == 0:
            yield Progress("Looking at the columns", k, len(chosen), "columns")
    left = [name for name, one in made.items() if not one.names]
    if left:
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        notes.append(f"Left out, for it has one value in the training part: {', '.join(left[:5])}{more}.")
    filled = sum(one.gaps for one in made.values())
    raw.columns.pop(label)
    if len(made) == 2 and all(one.kind == NUMBER and one.names for one in made.values()):
        table = yield from _of_plane(raw, chosen, list(made.values()), (train, test), features, degree, free)
    else:
        table = yield from _of_columns(raw, made, (train, test), degree, free)
    raw.columns.clear()
    if raw.source:
        size = said_bytes(table.x.nbytes + table.test_x.nbytes)
        notes.insert(0, f"{raw.source}: {raw.rows:,} rows, {size} in memory.")
    return replace(table, y=y, test_y=test_y, classes=classes, filled=filled, twins=twins, notes=tuple(notes))


def lifted(
    names: tuple[str, str],
    train: Floats,
    test: Floats,
    shift: Floats,
    spread: Floats,
    features: Sequence[str],
    degree: int,
    free: int | None = None,
    *,
    standard: bool,
) -> Job[Table]:
    """A table, its label not yet there, of points of two numbers.

    Args:
        names: of the two numbers.
        train, test: (n, 2) and (m, 2), as they are drawn or read.
        shift, spread: (2,): features are made of (point - shift) / spread.
        features: see `engine.learning.setup.FEATURES`.
        degree: of the polynomial of the features.
        free: bytes of memory that may be used.
        standard: whether features are made mean 0 and deviation 1 on the training part; a polynomial always is.

    Raises:
        SightlineError: no feature is chosen, or the polynomial is too large.
    """
    chosen = checked_features(features)
    said = feature_names(chosen, names)
    polynomial = None
    # x and y are standardised already
    if degree > 1 or (standard and set(chosen) - {"x", "y"}):
        polynomial = yield from fit_polynomial(make_features((train - shift) / spread, chosen), degree)
        said = polynomial.names(said)
        check_room("The polynomial", len(train) + len(test), len(said) + 1, free, len(chosen))
    lift = Lift(shift, spread, chosen, polynomial)
    x = yield from lift.steps(train)
    test_x = yield from lift.steps(test)
    return Table((*said, "constant"), x, _NONE, test_x, _NONE, plane=Plane(names, train, test, lift))


def expanded(x: Floats, test_x: Floats, names: Sequence[str], degree: int, free: int | None) -> Job[Table]:
    """A table, its label not yet there, of the polynomial of numbers (n, F), or of these alone for a degree of 1.

    Raises:
        SightlineError: the polynomial is too large.
    """
    if degree <= 1:
        x, test_x = (np.concatenate([part, np.ones((len(part), 1))], 1) for part in (x, test_x))
        return Table((*names, "constant"), x, _NONE, test_x, _NONE)
    polynomial = yield from fit_polynomial(x, degree)
    check_room("The polynomial", len(x) + len(test_x), len(polynomial.terms) + 1, free, x.shape[1])
    parts = []
    for part in (x, test_x):
        parts.append(np.ones((len(part), len(polynomial.terms) + 1)))
        yield from polynomial.write(part, parts[-1])
    return Table((*polynomial.names(names), "constant"), parts[0], _NONE, parts[1], _NONE)


def _label(column: Column, classify: bool, most_classes: int) -> tuple[Floats, tuple[str, ...], Rows]:
    """Labels of the rows that have one, (k,), the classes, and which rows these are."""
    kept = np.flatnonzero(~column.missing())
    if classify:
        places, said = column.kinds()
        if len(said) < 2:
            count = "1 class" if len(said) == 1 else f"{len(said)} classes"
            raise SightlineError(f"The label {column.name} has {count}: it takes two to tell them apart.")
        if len(said) > most_classes:
            most = "two" if most_classes == 2 else f"{most_classes} at most"
            raise SightlineError(
                f"The label {column.name} has {len(said):,} classes and this problem tells apart {most}: "
                "choose another label or another problem."
            )
        return places[kept].astype(np.float64), tuple(said), kept
    if column.numbers is None:
        raise SightlineError(f"The label {column.name} holds what is no number: choose another, or clean the column.")
    return column.numbers[kept], (), kept


def _of_columns(raw: Raw, made: dict[str, Made], parts: tuple[Rows, Rows], degree: int, free: int | None) -> Job[Table]:
    names = [name for one in made.values() for name in one.names]
    if not names:
        raise SightlineError("No column moves on the training part: there is nothing to learn from, choose others.")
    numbers = len(names) + 1
    check_room(raw.source or "The table", sum(map(len, parts)), numbers, free, len(raw.columns))
    x, test_x = (np.empty((len(part), numbers)) for part in parts)
    for out in (x, test_x):
        for some in _blocks(out):
            # memory is taken a little at a time, which can be stopped
            out[some] = 1
            yield None
    at, total = 0, len(made)
    for k, name in enumerate(list(made)):
        one = made.pop(name)
        for rows, out in zip(parts, (x, test_x), strict=True):
            for some in _blocks(rows):
                one.write(rows[some], out[some, at : at + len(one.names)])
                yield None
        at += len(one.names)
        # what it was read as is given back before the next is made
        del one
        raw.columns.pop(name, None)
        yield Progress("Making numbers", k, total, "columns")
    if degree <= 1:
        return Table((*names, "constant"), x, _NONE, test_x, _NONE)
    return (yield from expanded(x[:, :-1], test_x[:, :-1], names, degree, free))


def _of_plane(
    raw: Raw, names: list[str], made: list[Made], parts: tuple[Rows, Rows], features: Sequence[str], degree: int,
    free: int | None,
) -> Job[Table]:  # fmt: skip
    points = []
    for rows in parts:
        columns = [raw.columns[name].numbers[rows] for name in names]  # type: ignore[index]
        full = [np.where(np.isfinite(one), one, how.middle) for one, how in zip(columns, made, strict=True)]
        points.append(np.stack(full, 1))
    mean = np.array([one.mean for one in made])
    spread = np.array([one.spread for one in made])
    return (
        yield from lifted(
            (names[0], names[1]), points[0], points[1], mean, spread, features, degree, free, standard=True
        )
    )


def _blocks(rows: NDArray[Any]) -> Iterator[slice]:
    """Pieces of rows that are written in a few ms."""
    step = max(1, 500_000 // max(1, rows[:1].size)) if rows.ndim > 1 else 200_000
    return (slice(start, start + step) for start in range(0, len(rows), step))
