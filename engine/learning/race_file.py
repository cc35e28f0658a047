"""A race as one file, NAME.race: a zip of JSON and plain numbers, nothing in it can run.

race.json         the set-up as its sharing text, what was changed on the way and when, and which arrays follow
RUN/NAME.npy      a series of one contender, float64; `numpy.load("NAME.race")` reads them too

Nothing is packed, so that no file can claim to hold more than it weighs.
"""

import io
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.errors import SightlineError
from engine.files import written_beside
from engine.job import Job, Progress
from engine.learning.race_text import RaceSetup, parse_contender, parse_race, text_of_contender, text_of_race
from engine.learning.setup import ProblemSetup
from engine.optimizers.contenders import Contender
from engine.optimizers.order import Shuffles
from engine.optimizers.problem import Problem
from engine.optimizers.record import Full, Record
from engine.optimizers.run import Edit, Run, Turn

FORMAT = 1
SUFFIX = ".race"
_HEAD = "race.json"
_PIECE = 4 * 2**20
"""Bytes that are read or written before a job can be stopped."""
_MOST_HEAD, _MOST_HEADER, _MOST_ENTRIES = 64 * 2**20, 1024, 20_000
_AGAIN = "save the race again"
_SAME = 1e-6
"""How much, relatively, the first loss may differ where a problem is built again on another machine."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptRun:
    """One contender of a race that was kept.

    Attributes:
        history: the contender of the first step, and what was changed on the way: (step, change).
        steps: of the whole run.
        step: how many of them it has taken.
        every: what the run was told of its measurements, see `Run`.
        record: its curves.
        theta: (R, P) float64, its answer when it was kept.
        diverged: (R,) int64, the step at which a replicate diverged; -1 where it did not.
        extras: more arrays of float64 that belong to it, by name: its path, its twin's losses.
    """

    history: tuple[tuple[int, Turn], ...]
    steps: int
    step: int
    every: int | None
    record: Record
    theta: np.ndarray
    diverged: np.ndarray
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def contender(self) -> Contender:
        """As it was when it was kept."""
        return [change for _, change in self.history if isinstance(change, Contender)][-1]

    @property
    def replicates(self) -> int:
        """R."""
        return len(self.theta)


@dataclass(frozen=True, slots=True, eq=False)
class KeptRace:
    """A race that was kept.

    Attributes:
        setup: as it began; `setup.contenders` are those of the first steps.
        runs: one a contender.
        rows: of the data; 0 for a surface.
        begins: (runs,) float64, the objective where each run's first replicate began: other data are noticed by it.
        made: when, as ISO 8601 with the time zone.
    """

    setup: RaceSetup
    runs: tuple[KeptRun, ...]
    rows: int
    begins: np.ndarray
    made: str

    @property
    def records(self) -> tuple[Record, ...]:
        """The curves of all runs."""
        return tuple(run.record for run in self.runs)


def kept_race(
    setup: ProblemSetup, runs: Sequence[Run], records: Sequence[Record],
    extras: Sequence[Mapping[str, np.ndarray]] = (),
) -> KeptRace:  # fmt: skip
    """A race as it is now, to be saved; runs that go on do not change it.

    Args:
        setup: of the problem that the runs minimise.
        runs: one or more.
        records: one a run.
        extras: one a run, or none at all.

    Raises:
        SightlineError: nobody has raced.
    """
    if not runs:
        raise SightlineError("Nothing has been raced yet: start a race before it is saved.")
    made = []
    for number, (run, record) in enumerate(zip(runs, records, strict=True)):
        series = {name: record.series(name).copy() for name in Record.NAMES}
        copy = Record.restored(record.first, record.diverged, series, record.fulls)
        made.append(
            KeptRun(
                tuple(run.history), run.steps, run.step, run.every_asked, copy, run.answer(),
                run.at.diverged.numpy().copy(), dict(extras[number]) if extras else {},
            )
        )  # fmt: skip
    firsts = tuple(_first(run) for run in made)
    race = RaceSetup(setup, firsts, max(run.steps for run in runs), max(run.replicates for run in runs))
    problem = runs[0].problem
    begins = np.array([_begin(problem, one) for one in firsts])
    return KeptRace(race, tuple(made), problem.rows, begins, datetime.now().astimezone().isoformat(timespec="seconds"))


def replayed(kept: KeptRace, problem: Problem) -> list[Run]:
    """Runs at step 0 that go the way of the kept ones again, changes and edits at their steps included.

    Args:
        kept: a race.
        problem: built of `kept.setup.problem`.

    Returns:
        One run a kept one, for `race(problem, runs=...)`. All they tell but the seconds is the same, bit for bit.

    Raises:
        SightlineError: the data have changed since.
    """
    made: list[Run] = []
    shuffles: dict[int, Shuffles] = {}
    for run, begin in zip(kept.runs, kept.begins, strict=True):
        alike = problem.rows == kept.rows and problem.parameters == run.theta.shape[1]
        if not alike or not math.isclose(_begin(problem, _first(run)), begin, rel_tol=_SAME):
            raise SightlineError(
                "The data of this race have changed since it was saved, so it cannot be raced again: its curves can "
                "still be looked at."
            )
        shared = shuffles.setdefault(run.replicates, Shuffles(problem.rows, run.replicates))
        again = Run(problem, _first(run), run.steps, run.replicates, shared, run.every)
        again.replay(list(run.history))
        made.append(again)
    return made


def _first(run: KeptRun) -> Contender:
    first = run.history[0][1]
    assert isinstance(first, Contender)
    return first


def _begin(problem: Problem, contender: Contender) -> float:
    """The objective where a contender's first replicate begins."""
    return float(problem.value(problem.start(1, contender.seed), None)[0])


def save_race(path: Path, kept: KeptRace) -> Job[Path]:
    """Write a race as one file: yields `Progress`, returns where it is. An old file goes when the new one is whole.

    Args:
        path: `.race` is added where it does not end so.
        kept: of `kept_race`, or one that was opened.

    Raises:
        SightlineError: it cannot be written, or the disk is full.
    """
    path = path.expanduser()
    target = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
    arrays = [dict(_arrays(run)) for run in kept.runs]
    named = {f"{number}/{name}": one for number, some in enumerate(arrays) for name, one in some.items()}
    total = sum(array.nbytes for array in named.values())
    done = 0
    with written_beside(target) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as file:
        file.writestr(_HEAD, json.dumps(_head(kept, arrays), ensure_ascii=False, allow_nan=False))
        for name, array in named.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                for piece in _pieces(array):
                    entry.write(piece)
                    done += len(piece)
                    yield Progress(f"Saving {target.name}", done, total, "bytes")
    return target


def open_race(path: Path) -> Job[KeptRace]:
    """Read a race that was saved: yields `Progress`, returns it. Nothing of the file is run.

    Raises:
        SightlineError: it is no such file, damaged, or from another version.
    """
    path = path.expanduser()
    if not path.is_file():
        raise SightlineError(f"There is no file {path}: choose one that ends in {SUFFIX}.")
    try:
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            with zipfile.ZipFile(opened) as file:
                entries = _checked(path, file, size)
                head = _json(path, file, entries)
                yield Progress(f"Opening {path.name}")
                return (yield from _read(path, file, entries, head))
    except OSError as error:
        reason = (error.strerror or "the system refused").lower()
        raise SightlineError(f"{path} cannot be read ({reason}): choose another file.") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        raise SightlineError(f"{path.name} is no race, or was cut off: {_AGAIN}, or choose another file.") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError):
        raise SightlineError(f"{path.name} holds entries that cannot be: {_AGAIN}, or choose another file.") from None


def _arrays(run: KeptRun) -> Iterator[tuple[str, np.ndarray]]:
    """All numbers of a run by name; a series that is NaN throughout is left out."""
    for name in Record.NAMES:
        series = run.record.series(name)
        if name == "loss" or not np.isnan(series).all():
            yield name, series
    yield "theta", run.theta
    yield "diverged", run.diverged.astype(np.float64)
    fulls = run.record.fulls
    if fulls:
        yield "full_steps", np.array([full.step for full in fulls], np.float64)
        yield "full_train", np.stack([full.train for full in fulls])
        if fulls[0].test is not None:
            yield "full_test", np.stack([full.test for full in fulls if full.test is not None])
    for name, array in run.extras.items():
        yield f"extra_{name}", np.atleast_1d(np.asarray(array, np.float64))


def _pieces(array: np.ndarray) -> Iterator[bytes]:
    """An array as a .npy file, a piece at a time."""
    whole = np.ascontiguousarray(array, "<f8")
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, {"descr": "<f8", "fortran_order": False, "shape": whole.shape})
    yield start.getvalue()
    flat = whole.reshape(-1)
    for at in range(0, len(flat), _PIECE // 8):
        yield flat[at : at + _PIECE // 8].tobytes()


def _head(kept: KeptRace, arrays: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    return {
        "sightline": "race", "format": FORMAT, "made": kept.made, "setup": text_of_race(kept.setup),
        "rows": kept.rows, "begins": [float(one) for one in kept.begins],
        "runs": [
            {
                "history": [[step, *_told(change)] for step, change in run.history],
                "steps": run.steps, "step": run.step, "every": run.every,
                "first": run.record.first, "diverged": run.record.diverged,
                "arrays": list(some),
            }
            for run, some in zip(kept.runs, arrays, strict=True)
        ],
    }  # fmt: skip


def _told(change: Turn) -> list[Any]:
    if isinstance(change, Edit):
        return ["edit", int(change.place), float(change.value), int(change.replicate)]
    return ["settings", text_of_contender(change)]


def _turn(step: int, kind: str, *said: Any) -> tuple[int, Turn]:
    if kind == "settings":
        (text,) = said
        return _count(step), parse_contender(text)
    place, value, replicate = said
    if kind != "edit" or not math.isfinite(value):
        raise ValueError(kind)
    return _count(step), Edit(_count(place), float(value), _count(replicate))


def _count(value: Any, low: int = 0) -> int:
    if type(value) is not int or not low <= value < 2**62:
        raise ValueError(value)
    return value


def _checked(path: Path, file: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The entries by name, none of which is larger than what is really there."""
    entries = {one.filename: one for one in file.infolist()}
    plain = all(one.compress_type == zipfile.ZIP_STORED and not one.flag_bits & 1 for one in entries.values())
    claimed = sum(one.file_size for one in file.infolist())
    if not plain or claimed > size or len(file.infolist()) > _MOST_ENTRIES:
        raise SightlineError(
            f"{path.name} claims to hold more than it weighs and was not opened: choose a race that Sightline saved."
        )
    return entries


def _json(path: Path, file: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> dict[str, Any]:
    if _HEAD not in entries or entries[_HEAD].file_size > _MOST_HEAD:
        raise SightlineError(f"{path.name} is no race of Sightline's: choose a file that ends in {SUFFIX}.")
    head = json.loads(file.read(_HEAD))
    if not isinstance(head, dict) or head.get("sightline") != "race":
        raise SightlineError(f"{path.name} is no race of Sightline's: choose a file that ends in {SUFFIX}.")
    if head.get("format") != FORMAT:
        raise SightlineError(
            f"{path.name} was saved by another version of Sightline (this one reads format {FORMAT}): open it with "
            f"that version."
        )
    return head


def _read(
    path: Path, file: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], head: Mapping[str, Any]
) -> Job[KeptRace]:
    setup = parse_race(head["setup"])
    total = sum(one.file_size for one in entries.values())
    begins = np.array(head["begins"], np.float64)
    if len(head["runs"]) != len(setup.contenders) or begins.shape != (len(setup.contenders),):
        raise ValueError("runs")
    runs, done = [], 0
    for number, told in enumerate(head["runs"]):
        arrays: dict[str, np.ndarray] = {}
        for name in told["arrays"]:
            with file.open(f"{number}/{name}.npy") as entry:
                shape, left = _header(entry, entries[f"{number}/{name}.npy"].file_size)
                read = bytearray()
                while piece := entry.read(_PIECE):
                    read += piece
                    done += len(piece)
                    yield Progress(f"Opening {path.name}", done, total, "bytes")
                if len(read) != left:
                    raise EOFError(name)
            arrays[name] = np.frombuffer(read, "<f8").reshape(shape)
        runs.append(_run(told, arrays))
        if _first(runs[-1]) != setup.contenders[number]:
            raise ValueError("contenders")
    made = datetime.fromisoformat(head["made"]).isoformat(timespec="seconds")
    return KeptRace(setup, tuple(runs), _count(head["rows"]), begins, made)


def _header(entry: IO[bytes], size: int) -> tuple[tuple[int, ...], int]:
    """The shape that a .npy entry tells, and how many bytes follow; it must be of float64 and of just this size."""
    if np.lib.format.read_magic(entry) != (1, 0):
        raise ValueError("another kind of array")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(entry, max_header_size=_MOST_HEADER)
    left = size - entry.tell()
    if fortran or kind != np.dtype("<f8") or not 1 <= len(shape) <= 4 or math.prod(shape) * 8 != left:
        raise ValueError("another kind of array")
    return shape, left


def _run(told: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> KeptRun:
    history = tuple(_turn(*one) for one in told["history"])
    steps, step, first = (_count(told[name]) for name in ("steps", "step", "first"))
    every = None if told["every"] is None else _count(told["every"], 1)
    theta, diverged = arrays["theta"], arrays["diverged"]
    at = [when for when, _ in history]
    fits = at == sorted(at) and at[0] == 0 and isinstance(history[0][1], Contender) and steps >= 1
    if not fits or step > steps or at[-1] > step or theta.ndim != 2 or diverged.shape != theta.shape[:1]:
        raise ValueError("run")
    edits = [change for _, change in history if isinstance(change, Edit)]
    if any(edit.replicate >= len(theta) or edit.place >= theta.shape[1] for edit in edits):
        raise ValueError("edit")
    if not np.isfinite(diverged).all():
        raise ValueError("diverged")
    series = {name: arrays[name] for name in Record.NAMES if name in arrays}
    if any(column.ndim != 1 for column in series.values()) or first + len(series["loss"]) > steps:
        raise ValueError("series")
    record = Record.restored(first, _count(told["diverged"]), series, _fulls(arrays, len(theta)))
    extras = {name.removeprefix("extra_"): array for name, array in arrays.items() if name.startswith("extra_")}
    return KeptRun(history, steps, step, every, record, theta, diverged.astype(np.int64), extras)


def _fulls(arrays: Mapping[str, np.ndarray], replicates: int) -> list[Full]:
    if "full_steps" not in arrays:
        return []
    steps, train, test = arrays["full_steps"], arrays["full_train"], arrays.get("full_test")
    shape = (len(steps), replicates)
    if steps.ndim != 1 or train.shape != shape or (test is not None and test.shape != shape):
        raise ValueError("full")
    tests: Sequence[np.ndarray | None] = [None] * len(steps) if test is None else list(test)
    return [Full(int(step), one, other) for step, one, other in zip(steps, train, tests, strict=True)]
