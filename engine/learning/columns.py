"""Columns as they are read, and as numbers by their kind: numbers, few words, many words, dates."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
FEW = 20
"""A column of words with at most so many different ones gets a number each; others share `HASHED` numbers."""
HASHED = 32
_CHUNK = 5_000
"""Words whose dates are read at once: in some 10 ms."""
_NUMBER = re.compile(
    r"[$€£¥]?\s*(?P<sign>[+-]?)\s*[$€£¥]?\s*(?P<digits>\d+(?:[.,]\d+)*|"
    r"\d{1,3}(?:[ '’\u00a0\u202f]\d{3})+(?:[.,]\d+)?)\s*[%€$£¥]?"
)
_SURE = 0.9
"""Of the words of a column, how many must be dates (or numbers) so that it is a column of such."""
NUMBER, WORDS, MANY_WORDS, DATE = "number", "words", "many words", "date"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is read.

    Attributes:
        name: its own.
        numbers: (n,) float64, NaN where there is none; None for words.
        codes: (n,) int32, places in `words`, -1 where there is none; None for numbers.
        words: the different words.
        truths: whether its numbers stand for false and true.
    """

    name: str
    numbers: Floats | None = None
    codes: NDArray[np.int32] | None = None
    words: tuple[str, ...] = ()
    truths: bool = False

    def __len__(self) -> int:
        return len(self.numbers if self.codes is None else self.codes)  # type: ignore[arg-type]

    def missing(self) -> NDArray[np.bool_]:
        """(n,): where there is no word, or no finite number."""
        return ~np.isfinite(self.numbers) if self.codes is None else self.codes < 0  # type: ignore[arg-type]

    def kinds(self) -> tuple[NDArray[np.int64], list[str]]:
        """(n,): which of the different values each row has, and these as words sorted as such; -1 for none."""
        gone = self.missing()
        if self.codes is not None:
            seen = np.unique(self.codes[~gone])
            said = [self.words[k] for k in seen]
            at = np.searchsorted(seen, self.codes).clip(max=max(0, len(seen) - 1))
        else:
            assert self.numbers is not None
            values, inverse = np.unique(self.numbers[~gone], return_inverse=True)
            said = [self._said(value) for value in values]
            at = np.zeros(len(self.numbers), np.int64)
            at[~gone] = inverse
        order = sorted(range(len(said)), key=said.__getitem__)
        rank = np.empty(len(said), np.int64)
        rank[order] = np.arange(len(said))
        places = rank[at] if len(said) else np.zeros(len(self), np.int64)
        return np.where(gone, -1, places), [said[k] for k in order]

    def _said(self, value: float) -> str:
        if self.truths:
            return str(bool(value))
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


@dataclass(frozen=True, slots=True)
class Made:
    """How a column becomes numbers.

    Attributes:
        kind: `NUMBER`, `WORDS`, `MANY_WORDS` or `DATE`.
        names: of the numbers; () for a column that does not move on the training part.
        gaps: rows without a value.
        write: puts the numbers of some rows into (k, len(names)) float64.
        middle, mean, spread: of a column of numbers: what gaps become, and what it is standardised with.
    """

    kind: str
    names: tuple[str, ...]
    gaps: int
    write: Callable[[Rows, Floats], None]
    middle: float = 0.0
    mean: float = 0.0
    spread: float = 1.0


def make(column: Column, train: Rows) -> Made:
    """How a column becomes numbers, by what its training rows hold.

    Numbers and dates (day, hour, weekday) have their gaps filled with the median of the training rows, and mean 0 and
    deviation 1 on these; few words have a number each, many share `HASHED` of them.
    """
    if column.codes is None:
        assert column.numbers is not None
        return _numbers(column.name, column.numbers, train)
    codes, words = column.codes, column.words
    gaps = int((codes < 0).sum())
    seen = np.bincount(codes[train] + 1, minlength=len(words) + 1)[1:]
    present = np.flatnonzero(seen)
    if len(present) > FEW:
        days = as_dates(words)
        if days is not None:
            return _looked_up(
                DATE, [f"{column.name} {part}" for part in ("day", "hour", "weekday")], days, codes, train, gaps
            )
        return _hashed(column.name, words, codes, gaps)
    kept = sorted(present, key=words.__getitem__)
    if len(kept) < 2:
        return Made(WORDS, (), 0, _nothing)
    # two words are one number: the other is its absence
    kept = kept[1:] if len(kept) == 2 else kept
    table = (np.arange(len(words) + 1)[:, None] == np.array(kept)).astype(np.float64)
    return _looked_up(WORDS, [f"{column.name} = {words[k]}" for k in kept], table, codes, train, gaps)


def as_dates(words: tuple[str, ...]) -> Floats | None:
    """(W + 1, 3): day since 1970, hour and weekday of each word, a last row of NaN; None where they are no dates."""
    import pandas as pd

    def read(some: Any, **how: Any) -> Any:
        try:
            return pd.to_datetime(some, errors="coerce", utc=True, **how)
        except (ValueError, TypeError, OverflowError):
            return pd.Series(pd.NaT, index=some.index)

    def parts(dates: Any) -> Floats:
        dates = dates.dt.tz_localize(None)
        days = (dates - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)
        return np.stack([np.asarray(part, np.float64) for part in (days, dates.dt.hour, dates.dt.day_of_week)], 1)

    text = pd.Series(list(words), dtype="object")
    few = text.iloc[:: max(1, len(text) // 200)]
    with warnings.catch_warnings():
        # pandas warns of each format it guesses
        warnings.simplefilter("ignore")
        if read(few, format="mixed", dayfirst=True).notna().mean() <= _SURE:
            return None
        # one format for all is a hundred times as fast as a guess for each
        guess = pd.tseries.api.guess_datetime_format
        guesses = ["ISO8601", *(guess(str(few.iloc[k]), dayfirst=first) for first in (True, False) for k in (0, -1))]
        shares = {one: float(read(few, format=one).notna().mean()) for one in guesses if one}
        form = max(shares, key=shares.__getitem__)
        made = np.full((len(text) + 1, 3), np.nan)
        if shares[form] > _SURE:
            for k in range(0, len(text), _CHUNK):
                made[k : min(k + _CHUNK, len(text))] = parts(read(text.iloc[k : k + _CHUNK], format=form))
        # those of other formats, or all of them where there is not one
        rest = np.flatnonzero(np.isnan(made[:-1, 0]))
        for some in (rest[k : k + _CHUNK // 100] for k in range(0, len(rest), _CHUNK // 100)):
            made[some] = parts(read(text.iloc[some], format="mixed", dayfirst=True))
    return made if np.isfinite(made[:-1, 0]).mean() > _SURE else None


def settled(column: Column) -> Column:
    """A column of many words, nearly all of them numbers, as one of numbers with gaps; any other as it is.

    "1,234.5", "12 %", "€ 3" and "1 234" are numbers too.
    """
    import pandas as pd

    def plain(words: Sequence[str]) -> Floats:
        return np.asarray(pd.to_numeric(pd.Series(list(words), dtype="object"), errors="coerce"), np.float64)

    words = column.words
    if column.codes is None or len(words) <= FEW:
        return column
    few = words[:: max(1, len(words) // 200)]
    for numbers in (plain, _dressed):
        if (~np.isnan(numbers(few))).mean() > _SURE:
            made = np.append(numbers(words), np.nan)[column.codes]
            # a word or two for what is not known may stand in many rows
            if (~np.isnan(made)).sum() > 0.5 * (column.codes >= 0).sum():
                return Column(column.name, made)
    return column


def _dressed(words: Sequence[str]) -> Floats:
    """(W,): numbers with a unit or with separators of thousands; NaN for other words."""
    found = [_NUMBER.fullmatch(word) for word in words]
    digits = [re.sub(r"[^\d.,]", "", one["digits"]) if one else "" for one in found]
    # one comma, or one point after others: of what, the whole column says
    commas = any("," in one and not re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", one) for one in digits)
    made = np.full(len(words), np.nan)
    for k, (one, text) in enumerate(zip(found, digits, strict=True)):
        if one is None:
            continue
        text = text.replace(".", "").replace(",", ".") if commas else text.replace(",", "")
        if text.count(".") > 1:
            continue
        made[k] = float(one["sign"] + text)
    return made


def _moments(values: Floats) -> tuple[float, float, float] | None:
    """Median, and mean and deviation with the gaps filled; None for what does not move."""
    known = np.isfinite(values)
    if not known.any():
        return None
    whole = bool(known.all())
    middle = 0.0 if whole else float(np.median(values[known]))
    full = values if whole else np.where(known, values, middle)
    largest = float(np.abs(full).max())
    if not largest:
        return None
    # squares of numbers above 1e154 are too large, and those below 1e-154 are 0
    scale = 1.0 if 1e-100 < largest < 1e100 else largest
    mean, spread = scale * float((full / scale).mean()), scale * float((full / scale).std())
    return (middle, mean, spread) if spread > 1e-12 * largest else None


def _numbers(name: str, numbers: Floats, train: Rows) -> Made:
    gaps = int((~np.isfinite(numbers)).sum())
    found = _moments(numbers[train])
    if found is None:
        return Made(NUMBER, (), gaps, _nothing)
    middle, mean, spread = found

    def write(rows: Rows, out: Floats) -> None:
        some = numbers[rows]
        if gaps:
            some[~np.isfinite(some)] = middle
        np.subtract(some, mean, out=some)
        np.divide(some, spread, out=out[:, 0])

    return Made(NUMBER, (name,), gaps, write, middle, mean, spread)


def _looked_up(kind: str, names: list[str], table: Floats, codes: Any, train: Rows, gaps: int) -> Made:
    """Numbers that each word has, standardised; the last row of the table is that of a gap."""
    kept, columns = [], []
    for name, column in zip(names, table.T, strict=True):
        found = _moments(column[codes[train]])
        if found is not None:
            middle, mean, spread = found
            kept.append(name)
            columns.append((np.where(np.isfinite(column), column, middle) - mean) / spread)
    if not kept:
        return Made(kind, (), gaps, _nothing)
    ready = np.stack(columns, 1)

    def write(rows: Rows, out: Floats) -> None:
        out[:] = ready[codes[rows]]

    return Made(kind, tuple(kept), gaps, write)


def _hashed(name: str, words: tuple[str, ...], codes: Any, gaps: int) -> Made:
    import pandas as pd

    # the same word has the same number on every machine
    places = (pd.util.hash_array(np.array([*words, ""], object)) % HASHED).astype(np.int64)

    def write(rows: Rows, out: Floats) -> None:
        out[:] = 0
        out[np.arange(len(rows)), places[codes[rows]]] = 1

    return Made(MANY_WORDS, tuple(f"{name} #{k}" for k in range(HASHED)), gaps, write)


def _nothing(_rows: Rows, _out: Floats) -> None:
    """Writes no number."""
