"""How a CSV is written, told from its first lines: separator, encoding, header, and about how many rows it has."""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.errors import SightlineError

SAMPLE = 1 << 20
"""Bytes of a file that its layout is told from."""
_SEPARATORS = (",", ";", "\t", "|")
_MISSING = ["?"]
"""Besides what pandas takes for a gap: the empty cell, NA, NaN, null and the like."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a CSV is written.

    Attributes:
        names: of its columns, none twice.
        separator, encoding, decimal: what they say.
        header: whether its first line holds the names.
        rows: how many it has, about.
        sample: its first lines.
    """

    names: tuple[str, ...]
    separator: str = ","
    encoding: str = "utf-8-sig"
    decimal: str = "."
    header: bool = True
    rows: float = 0.0
    sample: str = ""

    def read(self, source: Any, columns: Sequence[str], words: set[str], **more: Any) -> Any:
        """The columns with pandas, some of them as words whatever they hold."""
        import pandas as pd

        # without a choice pandas says which line has too many cells
        places = None if len(columns) == len(self.names) else sorted(self.names.index(name) for name in columns)
        return pd.read_csv(
            source, sep=self.separator, encoding=self.encoding, decimal=self.decimal, header=0 if self.header else None,
            names=list(self.names), usecols=places, dtype=dict.fromkeys(words, "str"), na_values=_MISSING,
            skipinitialspace=True, **more,
        )  # fmt: skip


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """The file, unpacked where it is packed with gzip, and how many of its bytes have been read."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.open(file) as inside:
                yield inside, file.tell  # type: ignore[misc]
        else:
            yield file, file.tell


def layout_of(path: Path, start: bytes, encoding: str = "") -> Layout:
    """The layout of a CSV.

    Args:
        path: the file.
        start: its first `SAMPLE` bytes, unpacked.
        encoding: what it is read as; "" tells UTF-16 by its mark, and takes all else for UTF-8.

    Raises:
        SightlineError: it is no text.
    """
    if not encoding:
        encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in start:
        raise SightlineError(f"{path} is no text and no Parquet: give a CSV or Parquet file.")
    text = start.decode(encoding, errors="replace")
    lines = re.split(r"\r\n|\n|\r", text.removesuffix("\n"))
    whole = len(start) < SAMPLE
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    separator, rows = _best_separator([line for line in lines[:50] if line.strip()])
    first = [cell.strip() for cell in rows[0]]
    header = not _looks_like_values(first)
    names = unique_names([name or f"column {k + 1}" for k, name in enumerate(first)]) if header else []
    # rows may be longer than the header, by a separator at their end
    width = max(len(first), Counter(map(len, rows)).most_common(1)[0][0])
    names = unique_names([*names, *(f"column {k + 1}" for k in range(len(names), width))])
    cells = [cell.strip() for row in rows[1:] for cell in row]
    comma = separator != "," and any(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in cells)
    point = any(re.fullmatch(r"[+-]?\d+\.\d+", cell) for cell in cells)
    sample = "\n".join(lines) + "\n"
    used = len(sample.encode(encoding, errors="replace"))
    packed = _is_packed(path)
    # how well it packs is not known beforehand: tables take about a fifth
    size = path.stat().st_size * (5 if packed else 1)
    count = float(len(lines)) if whole else size / max(1, used) * len(lines)
    return Layout(
        tuple(names), separator, encoding, "," if comma and not point else ".", header, max(0.0, count - header),
        sample,
    )  # fmt: skip


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _best_separator(lines: list[str]) -> tuple[str, list[list[str]]]:
    """The separator that cuts most lines into as many cells, and more than one; and the lines cut by it."""
    best: tuple[float, str, list[list[str]]] | None = None
    for separator in _SEPARATORS:
        try:
            rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        # the header may be shorter or longer than all other rows
        alike = max(Counter(map(len, rows)).values(), default=0) / max(1, len(rows))
        score = alike * min(width, 50) if width > 1 else 0.5
        if rows and (best is None or score > best[0]):
            best = score, separator, rows
    if best is None:
        raise csv.Error("no lines of cells")
    return best[1], best[2]


def _looks_like_values(first: list[str]) -> bool:
    """Whether the first line is no header: numbers alone, or numbers with cells that are empty or occur twice."""
    numbers = [cell for cell in first if _is_number(cell)]
    if not numbers:
        return False
    named = [cell for cell in first if cell]
    return len(numbers) == len(named) or (len(set(named)) < len(first) and len(numbers) > 1)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lower().strip("+-") not in ("nan", "inf", "infinity")


def unique_names(names: list[str]) -> list[str]:
    """Names of which none occurs twice: a second "a" is "a.1"."""
    seen: set[str] = set()
    made = []
    for name in names:
        one, k = name, 1
        while one in seen or (one != name and one in names):
            one, k = f"{name}.{k}", k + 1
        seen.add(one)
        made.append(one)
    return made
