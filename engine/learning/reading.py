"""CSV and Parquet files column by column, in pieces: memory is said beforehand and needed once."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.learning.columns import FEW, HASHED, Column, as_dates, settled
from engine.learning.layout import SAMPLE, Layout, layout_of, opened, unique_names
from engine.learning.room import check_room, free_memory, said_bytes
from engine.learning.studies import elsewhere

_CELLS = 250_000
"""Cells of a piece: what pandas reads in some 25 ms."""
_WIDE = 1_000_000
"""Cells of a piece of many columns: each costs as much to be asked for as hundreds of its rows."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A table as it is read.

    Attributes:
        columns: by name, in the order of the file; those alone that were asked for.
        rows: how many.
        source: name of the file; "" for a table that comes from none.
        notes: what a person should know of how it was read.
        total: rows of the whole file.
        exact: whether `total` was counted, or is about right.
    """

    columns: dict[str, Column]
    rows: int
    source: str = ""
    notes: tuple[str, ...] = ()
    total: int = 0
    exact: bool = True


@dataclass(slots=True)
class _Growing:
    """A column that is being read: one array with room for what is to come."""

    name: str
    room: int
    numbers: NDArray[np.float64] | None = None
    codes: NDArray[np.int32] | None = None
    words: dict[str, int] = field(default_factory=dict)
    truths: bool = True
    mixed: bool = False

    def take(self, piece: Any, at: int, forced: bool) -> None:
        """Put a piece of a pandas column at its rows."""
        numbers, truths = (None, False) if forced else _numbers_of(piece)
        if numbers is not None:
            self.take_numbers(numbers, at, truths)
            return
        import pandas as pd

        codes, words = pd.factorize(piece.astype("str"), use_na_sentinel=True)
        if not len(words):
            return
        self.mixed |= self.numbers is not None
        # "yes " is "yes", and blanks alone are a gap
        bare = [str(word).strip() for word in words]
        places = np.array(
            [self.words.setdefault(word, len(self.words)) if word else -1 for word in bare] + [-1], np.int32
        )
        self.codes = _with_room(self.codes, at + len(piece), self.room, -1)
        self.codes[at : at + len(piece)] = places[codes]

    def take_numbers(self, numbers: NDArray[np.float64], at: int, truths: bool) -> None:
        """Put numbers at their rows."""
        if np.isnan(numbers).all():
            return
        self.mixed |= self.codes is not None
        self.truths &= truths
        self.numbers = _with_room(self.numbers, at + len(numbers), self.room, np.nan)
        self.numbers[at : at + len(numbers)] = numbers

    def whole(self, rows: int) -> Column:
        """What was read."""
        if self.codes is not None:
            codes = _with_room(self.codes, rows, rows, -1)[:rows]
            return settled(Column(self.name, codes=codes, words=tuple(self.words)))
        numbers = _with_room(self.numbers, rows, rows, np.nan)[:rows]
        return Column(self.name, numbers=numbers, truths=self.truths and self.numbers is not None)


def _with_room(values: Any, end: int, room: int, gap: float) -> Any:
    kind = np.float64 if np.isnan(gap) else np.int32
    if values is None:
        return np.full(max(end, room), gap, kind)
    if len(values) >= end:
        return values
    return np.concatenate([values, np.full(max(end - len(values), len(values) // 4), gap, values.dtype)])


def _numbers_of(piece: Any) -> tuple[NDArray[np.float64] | None, bool]:
    """A piece of a pandas column as numbers, and whether they are truths; None for words."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(piece.dtype):
        return piece.to_numpy(np.float64, na_value=np.nan), True
    if pd.api.types.is_numeric_dtype(piece.dtype) and not pd.api.types.is_complex_dtype(piece.dtype):
        return piece.to_numpy(np.float64, na_value=np.nan), False
    known = piece.dropna()
    if not len(known):
        return np.full(len(piece), np.nan), True
    if pd.api.types.is_object_dtype(piece.dtype) and pd.api.types.infer_dtype(known) == "boolean":
        return piece.astype("boolean").to_numpy(np.float64, na_value=np.nan), True
    if pd.api.types.is_datetime64_any_dtype(piece.dtype):
        return None, False
    try:
        # integers too large for pandas, and decimals, come as objects; words give up at their first
        float(known.iloc[0])
        numbers = pd.to_numeric(known.astype("object"), errors="raise")
    except (ValueError, TypeError, OverflowError):
        return None, False
    return numbers.astype(np.float64).reindex(piece.index).to_numpy(np.float64), False


def raw_of_frame(frame: Any) -> Raw:
    """A pandas frame as it would have been read."""
    names = unique_names([str(name) for name in frame.columns])
    columns = {}
    for place, name in enumerate(names):
        one = _Growing(name, len(frame))
        one.take(frame.iloc[:, place].reset_index(drop=True), 0, False)
        columns[name] = one.whole(len(frame))
    return Raw(columns, len(frame), total=len(frame))


def read_columns(
    path: Path, columns: Sequence[str] = (), *, limit: int | None = None, free: int | None = None
) -> Job[Raw]:
    """Columns of a CSV or Parquet file, piece by piece; what they will take in memory is said in the progress.

    A CSV may have commas, semicolons, tabulators or bars, be in UTF-8, UTF-16 or Latin-1, and be packed with gzip.

    Args:
        path: the file; what it is is told from what it begins with.
        columns: those that are read; all where empty.
        limit: rows that are read at most.
        free: bytes of memory that may be used; what the machine has free where None.

    Raises:
        SightlineError: it is not there, is no table, lacks a column, has fewer than two rows, or does not fit.
    """
    start = _first_bytes(path)
    free = free_memory() if free is None else free
    notes: list[str] = []
    try:
        if start[:4] == b"PAR1":
            raw = yield from _parquet(path, columns, limit, free)
        else:
            layout = layout_of(path, start)
            try:
                raw = yield from _csv(path, layout, columns, limit, free)
            except UnicodeDecodeError:
                layout = layout_of(path, start, "latin-1")
                notes.append(f"{path.name} is not UTF-8 and was read as Latin-1.")
                raw = yield from _csv(path, layout, columns, limit, free)
            if not layout.header:
                notes.append(f"The first line of {path.name} holds values: its columns are called by their numbers.")
    except SightlineError:
        raise
    except MemoryError:
        raise SightlineError(f"There is too little memory for {path.name}: choose fewer columns.") from None
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rpartition("C error: ")[2][:100]
        said = said.rstrip(".")
        raise SightlineError(f"{path} could not be read as a table ({said}): give a CSV or Parquet file.") from None
    if raw.rows < 2:
        count = "1 row" if raw.rows == 1 else f"{raw.rows} rows"
        raise SightlineError(f"{path} has {count}: a table to learn from needs two and more.")
    return replace(raw, notes=tuple(notes))


def _first_bytes(path: Path) -> bytes:
    try:
        with opened(path) as (file, _place):
            start = file.read(SAMPLE)
    except FileNotFoundError:
        raise SightlineError(f"There is no file {path}: check its path.") from None
    except IsADirectoryError:
        raise SightlineError(f"{path} is a folder: give a CSV or Parquet file in it.") from None
    except (OSError, EOFError) as error:
        if path.is_dir():
            raise SightlineError(f"{path} is a folder: give a CSV or Parquet file in it.") from None
        said = getattr(error, "strerror", None) or "it is damaged"
        raise SightlineError(f"{path} could not be opened ({said}): check the file.") from None
    if not start.strip():
        raise SightlineError(f"{path} has 0 rows: a table to learn from needs two and more.")
    return start


def _chosen(columns: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    for name in columns:
        if name not in known:
            more = f" and {len(known) - 12} more" if len(known) > 12 else ""
            raise SightlineError(f"The table has no column {name}: choose of {', '.join(known[:12])}{more}.")
    return tuple(name for name in known if name in columns) if columns else tuple(known)


def _piece(columns: int) -> int:
    """Rows that are read at once."""
    return max(20, _CELLS // max(1, columns), min(1000, _WIDE // max(1, columns)))


def _is_plain(kind: Any) -> bool:
    return isinstance(kind, np.dtype) and kind.kind in "iuf"


def _numbers_made(frame: Any) -> int:
    """How many numbers the columns of a piece become, about, with the constant."""
    count = 1
    for place, kind in enumerate(frame.dtypes):
        if _is_plain(kind):
            count += 1
            continue
        one = frame.iloc[:, place]
        if _numbers_of(one)[0] is not None:
            count += 1
            continue
        words = one.dropna().astype("str").unique()
        if len(words) <= FEW:
            count += 1 if len(words) == 2 else len(words)
        else:
            count += 3 if as_dates(tuple(str(word) for word in words[:50])) is not None else HASHED
    return count


def _what(name: str, rows: float, numbers: int, limit: int | None) -> str:
    if limit is not None:
        return f"Looking at {name}"
    return f"Reading {name}: about {rows:,.0f} rows, {said_bytes(8 * rows * numbers)} in memory"


def _csv(path: Path, layout: Layout, columns: Sequence[str], limit: int | None, free: int | None) -> Job[Raw]:
    chosen = _chosen(columns, layout.names)
    expected = layout.rows if limit is None else min(limit, layout.rows)
    sample = replace(layout, encoding="utf-8")
    numbers = yield from elsewhere(
        lambda: _numbers_made(sample.read(StringIO(layout.sample), chosen, set(), nrows=1000)), finish=True
    )
    check_room(path.name, int(expected), numbers, free, len(chosen))
    what = _what(path.name, expected, numbers, limit)
    size = path.stat().st_size
    yield Progress(what, 0, size, "bytes")
    step = _piece(len(layout.names))
    words: set[str] = set()
    while True:
        growing = [_Growing(name, int(1.02 * expected) + 100) for name in chosen]
        rows = 0
        with opened(path) as (file, place), layout.read(file, chosen, words, chunksize=step) as pieces:
            while (piece := (yield from elsewhere(partial(next, pieces, None), finish=True))) is not None:
                if limit is not None:
                    piece = piece.iloc[: limit - rows]
                yield from _take(growing, piece.reset_index(drop=True), rows, words)
                rows += len(piece)
                if rows > 1.02 * expected + 100 and limit is None:
                    # there are more than the first lines had let expect
                    check_room(path.name, rows, numbers, free, len(chosen))
                yield Progress(what, min(size, place()), size, "bytes")
                if limit is not None and rows >= limit:
                    break
        mixed = {one.name for one in growing if one.mixed}
        if not mixed:
            break
        # words far below numbers: all of the column is read again as words
        words |= mixed
    exact = limit is None or rows < limit
    whole = yield from _whole(growing, rows)
    return Raw(whole, rows, path.name, total=rows if exact else int(layout.rows), exact=exact)


def _parquet(path: Path, columns: Sequence[str], limit: int | None, free: int | None) -> Job[Raw]:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    # pages are read as they are needed and not a group of rows, which may be all, at once
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        stored = [str(name) for name in file.schema_arrow.names]
        names = unique_names(stored)
        chosen = _chosen(columns, names)
        twice = len(set(stored)) < len(stored)
        places = [names.index(name) for name in chosen]
        asked = None if twice else [stored[k] for k in places]
        total = file.metadata.num_rows
        expected = total if limit is None else min(limit, total)

        if not total:
            return Raw({}, 0, path.name)
        what, numbers, rows = f"Reading {path.name}", 0, 0
        growing = [_Growing(name, expected) for name in chosen]
        yield Progress(what, 0, expected, "rows")
        for batch in file.iter_batches(_piece(len(chosen)), columns=asked):
            piece = batch.to_pandas()
            if twice:
                piece = piece.iloc[:, places]
            if limit is not None:
                piece = piece.iloc[: limit - rows]
            if not numbers:
                numbers = yield from elsewhere(partial(_numbers_made, piece.head(1000)), finish=True)
                check_room(path.name, expected, numbers, free, len(chosen))
                what = _what(path.name, expected, numbers, limit)
            yield from _take(growing, piece, rows, set())
            rows += len(piece)
            yield Progress(what, rows, expected, "rows")
            if limit is not None and rows >= limit:
                break
    return Raw((yield from _whole(growing, rows)), rows, path.name, total=total)


def _take(growing: list[_Growing], piece: Any, rows: int, words: set[str]) -> Generator[None, None, None]:
    fast = [
        place
        for place, (one, kind) in enumerate(zip(growing, piece.dtypes, strict=True))
        if _is_plain(kind) and one.name not in words
    ]
    # all numbers at once: a column of pandas takes longer to be asked for than its rows to be copied
    some = piece if len(fast) == len(growing) else piece.iloc[:, fast]
    block = np.ascontiguousarray(some.to_numpy(np.float64).T)
    yield None
    for k, (numbers, place) in enumerate(zip(block, fast, strict=True)):
        growing[place].take_numbers(numbers, rows, False)
        if k % 500 == 499:
            yield None
    yield None
    for k, place in enumerate(sorted(set(range(len(growing))) - set(fast))):
        growing[place].take(piece.iloc[:, place], rows, growing[place].name in words)
        if k % 20 == 19:
            yield None


def _whole(growing: list[_Growing], rows: int) -> Job[dict[str, Column]]:
    """What was read, each column cut to its rows and its room given back one after the other."""
    columns = {}
    while growing:
        one = growing.pop(0)
        if one.codes is None:
            columns[one.name] = one.whole(rows)
            yield None
        else:
            columns[one.name] = yield from elsewhere(partial(one.whole, rows), finish=True)
    return columns
