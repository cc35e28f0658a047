"""Curves and rankings of a race for other programs: CSV files, and the event files that TensorBoard reads."""

import contextlib
import csv
import io
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.files import cannot_write, swap_folder, write_whole, written_beside
from engine.job import Job, Progress
from engine.optimizers.record import Full, Record, mean_and_error

_BLOCK = 500
"""Steps that are written at once."""
_POINTS = 10_000
"""Of one curve in an event file; TensorBoard itself draws a thousand."""
_EVENTS = 250
"""Points that are written before a job can be stopped."""
_MARK = "events.out.tfevents"

SERIES = {
    "loss": "loss", "error": "loss_standard_error", "norm": "gradient_norm", "rate": "learning_rate",
    "distance": "distance_to_minimum",
}  # fmt: skip
"""The names of a `Record`, and what their columns are called."""
FULLS = ("objective", "objective_standard_error", "test_loss", "test_loss_standard_error")
"""Columns of what is measured now and then: over all training rows, and on the rows kept aside."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A contender's record with its name.

    Attributes:
        name: what it is called.
        record: its series.
        rows: of the data, for epochs; 0 for a surface.
        rule: its text, for the ranking.
    """

    name: str
    record: Record
    rows: int
    rule: str = ""


def write_curves(path: Path, curves: Sequence[Curve]) -> Job[Path]:
    """All series as one long CSV: a row a contender and step. Yields `Progress`, returns the path.

    Columns: contender, step, epoch, evaluations, seconds, then `SERIES` and `FULLS`; a cell is empty where nothing
    was measured. The last row of a run that has ended has its final objective alone.

    Raises:
        SightlineError: there are no curves, or the file cannot be written.
    """
    _some(curves)
    header = ["contender", "step", "epoch", "evaluations", "seconds", *SERIES.values(), *FULLS]
    total = sum(len(curve.record) for curve in curves)

    def blocks() -> Iterator[tuple[list[list[Any]], int]]:
        for curve in curves:
            yield from _long(curve)

    return (yield from _written(path, header, blocks(), total))


def write_wide(path: Path, curves: Sequence[Curve], series: str = "loss") -> Job[Path]:
    """One series as a CSV with a column a contender: a row a step. Yields `Progress`, returns the path.

    Args:
        path: of the file.
        curves: one or more.
        series: one of `Record.NAMES`.

    Raises:
        SightlineError: there are no curves, or the file cannot be written.
    """
    _some(curves)
    begin = min(curve.record.first for curve in curves)
    end = max(curve.record.first + len(curve.record) for curve in curves)

    def blocks() -> Iterator[tuple[list[list[Any]], int]]:
        size = max(10, 24 * _BLOCK // max(12, len(curves)))
        for at in range(begin, end, size):
            until = min(end, at + size)
            columns = [_part(curve.record, series, at, until) for curve in curves]
            yield [[step, *cells] for step, *cells in zip(range(at, until), *columns, strict=True)], until - begin

    return (yield from _written(path, ["step", *_unique(curves)], blocks(), end - begin))


def _some(curves: Sequence[Curve]) -> None:
    if not curves:
        raise SightlineError("There are no curves to write: start a race first.")


def _part(record: Record, series: str, begin: int, end: int) -> list[Any]:
    """A series from one step to another, None where it has no number there."""
    values = record.series(series)
    at, until = max(begin, record.first), min(end, record.first + len(values))
    there = values[at - record.first : max(until, at) - record.first].tolist()
    made: list[Any] = [None] * min(at - begin, end - begin) + there
    return made + [None] * (end - begin - len(made))


def _long(curve: Curve) -> Iterator[tuple[list[list[Any]], int]]:
    """Blocks of rows, and how many steps each has."""
    record = curve.record
    measured = {full.step: full for full in record.fulls}
    passes = max(1, curve.rows)
    nothing = [None] * len(FULLS)
    for at in range(0, len(record), _BLOCK):
        until = min(len(record), at + _BLOCK)
        steps = range(record.first + at, record.first + until)
        evaluations = record.series("evaluations")[at:until]
        columns = [
            steps, (evaluations / passes).tolist(), evaluations.tolist(), record.series("seconds")[at:until].tolist(),
            *(record.series(name)[at:until].tolist() for name in SERIES),
        ]  # fmt: skip
        yield (
            [
                [curve.name, *row, *(_full(measured[row[0]]) if row[0] in measured else nothing)]
                for row in zip(*columns, strict=True)
            ],
            until - at,
        )
    end = record.first + len(record)
    blanks = [None] * (3 + len(SERIES))
    yield [[curve.name, step, *blanks, *_full(measured[step])] for step in sorted(measured) if step >= end], 0


def _full(full: Full) -> list[float | None]:
    """The cells of `FULLS`."""
    made: list[float | None] = []
    for values in (full.train, full.test):
        if values is None:
            made += [None, None]
            continue
        mean, error = mean_and_error(values[:, None])
        made += [float(mean[0]), float(error[0])]
    return made


def _cell(value: Any) -> Any:
    """As it is written: nothing for what is no number, and no name that a spreadsheet would take for a formula."""
    if isinstance(value, float):
        return "" if value != value else repr(value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def _written(path: Path, header: Sequence[str], blocks: Iterator[tuple[list[list[Any]], int]], total: int) -> Job[Path]:
    """Write a CSV beside, block by block, then rename it."""
    path = path.expanduser()
    done = 0
    with written_beside(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_cell(one) for one in header])
        for rows, count in blocks:
            writer.writerows([_cell(one) for one in row] for row in rows)
            done += count
            yield Progress(f"Writing {path.name}", done, total, "steps")
    return path


# -- the ranking


def ranking(curves: Sequence[Curve], target: float | None = None, by: str = "final_loss") -> list[dict[str, Any]]:
    """A row a contender, best first; those without the number that ranks come last.

    Args:
        curves: of the race.
        target: a loss; None leaves `steps_to_target` empty.
        by: "final_loss", "steps_to_target" or "area".

    Returns:
        name, rule, steps, final_loss and its standard error (of the last full objective), test_loss,
        steps_to_target, area, evaluations, seconds, diverged.
    """
    rows = [_row(curve, target) for curve in curves]
    return sorted(rows, key=lambda row: (row[by] is None, 0.0 if row[by] is None else row[by]))


def _row(curve: Curve, target: float | None) -> dict[str, Any]:
    record = curve.record
    last = record.fulls[-1] if record.fulls else None
    # where all have diverged the last measurement is of a time before
    gone = last is None or record.diverged >= len(last.train)
    final, error, test, _ = (None,) * 4 if last is None or gone else _full(last)
    spent = {name: float(record.series(name)[-1]) if len(record) else 0.0 for name in ("evaluations", "seconds")}
    return {
        "name": curve.name, "rule": curve.rule, "steps": record.first + len(record), "final_loss": _finite(final),
        "final_loss_standard_error": _finite(error), "test_loss": _finite(test),
        "steps_to_target": None if target is None else record.steps_to(target), "area": _finite(record.area()),
        **spent, "diverged": record.diverged,
    }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A table as CSV, its columns those of all rows in the order in which they come; returns the path.

    Raises:
        SightlineError: there are no rows, or it cannot be written.
    """
    if not rows:
        raise SightlineError("There is nothing in the table yet: start a race first.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return write_whole(path.expanduser(), text.getvalue().encode())


# -- TensorBoard


def write_events(folder: Path, curves: Sequence[Curve], began: float | None = None) -> Job[Path]:
    """Event files for TensorBoard, a folder a contender: yields `Progress`, returns the folder.

    Each curve is thinned to 10,000 points at most, its first and last among them. Tags: loss, gradient_norm,
    learning_rate, distance_to_minimum, objective/train, objective/test.

    Args:
        folder: new, empty, or of event files, which go when the new ones are whole.
        curves: one or more.
        began: the time (as of `time.time`) that a step's seconds count from; None takes now.

    Raises:
        SightlineError: there are no curves, the folder holds something else, or cannot be written.
    """
    _some(curves)
    folder = folder.expanduser()
    _check_folder(folder)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    begin = time.time() if began is None else began
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        try:
            for number, (name, curve) in enumerate(zip(_unique(curves, _file_name), curves, strict=True)):
                inside = part / name
                inside.mkdir(parents=True)
                yield Progress(f"Writing {curve.name} for TensorBoard", number, len(curves))
                for share in _events(inside, curve, begin):
                    yield Progress(f"Writing {curve.name} for TensorBoard", number + share, len(curves))
            swap_folder(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    return folder


def _check_folder(folder: Path) -> None:
    """Nothing else than event files is ever replaced."""
    try:
        if not folder.exists():
            return
        inside = [one for one in folder.rglob("*") if not one.is_dir()] if folder.is_dir() else [folder]
    except OSError as error:
        raise cannot_write(folder, error) from None
    if any(not one.name.startswith(_MARK) for one in inside):
        raise SightlineError(f"{folder} holds something else than event files: choose a new or an empty folder.")


def _events(inside: Path, curve: Curve, begin: float) -> Iterator[float]:
    """Write one contender's file; yields the share that is done."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    curves = list(_points(curve))
    total, done = max(1, sum(len(steps) for _, steps, _, _ in curves)), 0
    # the writer of SummaryWriter goes on in a thread, which waits for ever once a disk is full; this one raises
    with contextlib.closing(EventsWriter(str(inside / "events"))) as writer:
        for tag, steps, values, seconds in curves:
            for step, value, at in zip(steps.tolist(), values.tolist(), seconds.tolist(), strict=True):
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                writer.write_event(Event(summary=summary, step=int(step), wall_time=begin + at))
                done += 1
                if done % _EVENTS == 0:
                    yield done / total
    yield 1.0


def _points(curve: Curve) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Tag, steps, values and seconds of each curve, thinned, without what is no number."""
    record = curve.record
    steps, seconds = record.first + np.arange(len(record)), record.series("seconds")
    for name in ("loss", "norm", "rate", "distance"):
        yield SERIES[name], *_thinned(steps, record.series(name), seconds)
    if not record.fulls:
        return
    at = np.array([full.step for full in record.fulls])
    when = seconds[np.clip(at - record.first, 0, len(record) - 1)] if len(record) else np.zeros(len(at))
    train = mean_and_error(np.stack([full.train for full in record.fulls], 1))[0]
    yield "objective/train", *_thinned(at, train, when)
    tests = [full.test for full in record.fulls if full.test is not None]
    if len(tests) == len(at):
        yield "objective/test", *_thinned(at, mean_and_error(np.stack(tests, 1))[0], when)


def _thinned(steps: np.ndarray, values: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # event files hold 32 bits a number
    there = np.flatnonzero(np.abs(values) < np.finfo(np.float32).max)
    if len(there) > _POINTS:
        there = there[np.linspace(0, len(there) - 1, _POINTS).round().astype(int)]
    return steps[there], values[there], seconds[there]


def _file_name(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.-]+", "_", name)[:60].strip("._") or "run"


def _unique(curves: Sequence[Curve], said: Callable[[str], str] = str) -> list[str]:
    """The names of all curves, a number after those that come again."""
    made: list[str] = []
    # a file system may take "Adam" and "adam" for one
    taken: set[str] = set()
    for curve in curves:
        name, number = said(curve.name), 2
        while name.lower() in taken:
            name, number = f"{said(curve.name)} {number}", number + 1
        taken.add(name.lower())
        made.append(name)
    return made
