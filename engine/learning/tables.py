"""Tables as numbers: columns by kind, gaps, categories, standardised on the training part alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError

Floats = NDArray[np.float64]
TEST_SHARE = 0.2
FEW = 20
"""A column of words with at most so many different ones gets a number each; others share `HASHED` numbers."""
HASHED = 32
MOST_NUMBERS = 2_000_000_000
"""Rows times columns of numbers that are made at most: 16 GB."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table made ready to be learned from.

    Attributes:
        names: of the numbers, the last one "constant".
        x, y: training part, (n, P) and (n,) float64.
        test_x, test_y: the part kept aside, (m, P) and (m,).
        classes: the two labels that 0 and 1 stand for; empty for a label that is a number.
        filled: gaps that were filled, over all columns.
    """

    names: tuple[str, ...]
    x: Floats
    y: Floats
    test_x: Floats
    test_y: Floats
    classes: tuple[str, ...] = ()
    filled: int = 0


def read_table(path: Path) -> Any:
    """A CSV or Parquet file as a pandas frame.

    Raises:
        SightlineError: it is not there, no such table, or has no row.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else pd.read_csv(path)
    except FileNotFoundError:
        raise SightlineError(f"There is no file {path}: check its path.") from None
    except ImportError:
        raise SightlineError(
            f"{path} is Parquet, which needs the package pyarrow: install it, or give a CSV."
        ) from None
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
        raise SightlineError(f"{path} could not be read as a table ({said}): give a CSV or Parquet file.") from None
    if len(frame) < 2:
        raise SightlineError(f"{path} has {len(frame)} rows: a table to learn from needs two and more.")
    return frame


def prepare(frame: Any, label: str, columns: Sequence[str] = (), *, classify: bool, seed: int = 0) -> Table:
    """Numbers to learn from; the test part is the last 20 % of a permutation of the rows.

    Args:
        frame: as `read_table` gives it.
        label: the column that is to be told.
        columns: those it is told from; all others where empty.
        classify: whether the label has two classes; a number otherwise.
        seed: of the permutation.

    Raises:
        SightlineError: no such column, a label that cannot be told, or too many numbers.
    """
    known = [str(name) for name in frame.columns]
    frame = frame.set_axis(known, axis=1)
    for name in (label, *columns):
        if name not in known:
            raise SightlineError(f"The table has no column {name}: choose of {', '.join(known[:12])}.")
    chosen = [name for name in (columns or known) if name != label]
    if not chosen:
        raise SightlineError("There is no column to learn from besides the label: choose others.")
    frame = frame[frame[label].notna()]
    y, classes = _label(frame[label], label, classify)
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = len(order) - round(TEST_SHARE * len(order))
    train, test = order[:cut], order[cut:]
    if classify and len(np.unique(y[train])) < 2:
        raise SightlineError(f"The training part has one class of {label} alone: it takes two to tell them apart.")
    parts, names, filled = [], [], 0
    for name in chosen:
        numbers, words, gaps = _numbers(frame[name], name, train)
        parts.append(numbers)
        names += words
        filled += gaps
        if sum(part.shape[1] for part in parts) * len(frame) > MOST_NUMBERS:
            raise SightlineError(f"The table makes more than {MOST_NUMBERS:,} numbers: choose fewer columns.")
    x = np.concatenate([*parts, np.ones((len(frame), 1))], 1)
    return Table((*names, "constant"), x[train], y[train], x[test], y[test], classes, filled)


def _label(column: Any, name: str, classify: bool) -> tuple[Floats, tuple[str, ...]]:
    import pandas as pd

    if classify:
        values = sorted(column.unique().tolist(), key=str)
        if len(values) != 2:
            raise SightlineError(f"The label {name} has {len(values)} classes: logistic regression takes two.")
        return (column == values[1]).to_numpy(np.float64), (str(values[0]), str(values[1]))
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    if not np.isfinite(numbers).all():
        raise SightlineError(f"The label {name} holds what is no number: choose another, or clean the column.")
    return numbers, ()


def _numbers(column: Any, name: str, train: NDArray[np.int64]) -> tuple[Floats, list[str], int]:
    """One column as numbers, standardised on the training rows; a constant one gives none."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return _standard(column.to_numpy(np.float64, na_value=np.nan)[:, None], [name], train)
    text = column.astype("string")
    distinct = text.iloc[train].nunique()
    if distinct > FEW:
        dates = pd.to_datetime(text, errors="coerce", format="mixed", dayfirst=True)
        if dates.notna().mean() > 0.9:
            days = (dates - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)
            made = np.stack([days.to_numpy(np.float64), dates.dt.hour.to_numpy(np.float64),
                             dates.dt.day_of_week.to_numpy(np.float64)], 1)  # fmt: skip
            return _standard(made, [f"{name} day", f"{name} hour", f"{name} weekday"], train)
        # the same word has the same number on every machine
        places = pd.util.hash_array(text.fillna("").to_numpy(object)) % HASHED
        return np.eye(HASHED)[places.astype(int)], [f"{name} #{k}" for k in range(HASHED)], int(text.isna().sum())
    words = sorted(text.iloc[train].dropna().unique().tolist())
    if len(words) < 2:
        return np.empty((len(column), 0)), [], 0
    # two words are one number: the other is its absence
    kept = words[1:] if len(words) == 2 else words
    made = np.stack([(text == word).fillna(False).to_numpy(np.float64) for word in kept], 1)
    made, names, _gaps = _standard(made, [f"{name} = {word}" for word in kept], train)
    return made, names, int(text.isna().sum())


def _standard(made: Floats, names: list[str], train: NDArray[np.int64]) -> tuple[Floats, list[str], int]:
    """Gaps and infinities become the training part's median; then mean 0 and deviation 1 on that part."""
    made = np.where(np.isfinite(made), made, np.nan)
    gaps = int(np.isnan(made).sum())
    seen = made[train]
    full = np.asarray(~np.isnan(seen).all(0))
    made, seen = made[:, full], seen[:, full]
    names = [name for name, on in zip(names, full, strict=True) if on]
    made = np.where(np.isnan(made), np.nanmedian(seen, 0) if made.shape[1] else 0, made)
    mean, spread = made[train].mean(0), made[train].std(0)
    moving = spread > 1e-12 * (1 + np.abs(mean))
    names = [name for name, on in zip(names, moving, strict=True) if on]
    return (made[:, moving] - mean[moving]) / spread[moving], names, gaps
