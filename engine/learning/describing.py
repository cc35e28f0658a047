"""What a file's columns are, from its first rows: what a form offers to choose from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.job import Job, Progress
from engine.learning.columns import FEW, NUMBER, Column, make
from engine.learning.reading import read_columns

FIRST = 20_000
"""Rows that are looked at."""


@dataclass(frozen=True, slots=True)
class ColumnSketch:
    """A column.

    Attributes:
        name: its own.
        kind: "number", "words", "many words" or "date".
        distinct: how many different values the first rows have.
        missing: share of the first rows without one, 0..1.
        examples: up to three values.
    """

    name: str
    kind: str
    distinct: int
    missing: float
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """A file.

    Attributes:
        path: its own.
        rows: of the whole file; about, where `exact` is not set.
        exact: whether all rows were looked at, or the file says how many it has.
        columns: in the file's order.
        label: the last column with few different values, which is most often what is to be told.
        notes: what a person should know of how it was read.
    """

    path: Path
    rows: int
    exact: bool
    columns: tuple[ColumnSketch, ...]
    label: str
    notes: tuple[str, ...] = ()


def describe(path: Path) -> Job[Description]:
    """Columns of a CSV or Parquet file, from its first 20,000 rows.

    Raises:
        SightlineError: it is not there, is no table, or has fewer than two rows.
    """
    raw = yield from read_columns(path, limit=FIRST)
    sketches = []
    for k, column in enumerate(raw.columns.values()):
        sketches.append(_sketch(column))
        if k % 4 == 0:
            yield Progress(f"Looking at {path.name}", k, len(raw.columns), "columns")
    few = [one.name for one in sketches if 2 <= one.distinct <= FEW]
    label = few[-1] if few else sketches[-1].name
    return Description(path, raw.total, raw.exact, tuple(sketches), label, raw.notes)


def _sketch(column: Column) -> ColumnSketch:
    gone = column.missing()
    if column.codes is not None:
        seen = np.unique(column.codes[~gone])
        kind = make(column, np.arange(len(column))).kind
        examples = tuple(column.words[k][:40] for k in seen[:3])
        return ColumnSketch(column.name, kind, len(seen), float(gone.mean()), examples)
    assert column.numbers is not None
    values = np.unique(column.numbers[~gone])
    some = tuple(f"{value:g}" for value in values[:: max(1, len(values) // 3)][:3])
    return ColumnSketch(column.name, NUMBER, len(values), float(gone.mean()), some)
