"""A race with what is seen on the way: one contender's model a few times a second, the slice that the runs cross,
and how good each model is on the rows kept aside."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.job import Job
from engine.knobs import Cell
from engine.learning.build import Built
from engine.learning.looking import Look, look
from engine.optimizers.race import RaceResult
from engine.optimizers.record import Chunk, Moved, columns_of
from engine.optimizers.slices import Field, Line, Slice, contours, field_of, levels, room, slice_field, slice_of

_LOOK_S, _JUDGE_S, _SLICE_S = 0.1, 1.0, 2.0
_PLACES, _NUMBERS = 240, 2_000_000
"""Places that are kept of each contender for its path, and how many numbers all of them together may be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the page shows; replaced whole in a `Cell`.

    Attributes:
        contender: whose model is looked at.
        look: whether it is looked at: the plane, the neurons.
        judge: whether each contender's figures and curves on the test part are told.
        slice: whether a slice of the loss is drawn.
        part: of the plane that is seen; None for all rows.
        aspect: width over height of the slice's picture.
    """

    contender: int = 0
    look: bool = True
    judge: bool = True
    slice: bool = True
    part: tuple[float, float, float, float] | None = None
    aspect: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is seen of a contender's model.

    Attributes:
        contender: its number.
        look: see `Look`.
    """

    contender: int
    look: Look


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """How good the models are on the rows kept aside, by contender: their first replicate's `Look` without pictures."""

    looks: dict[int, Look]


@dataclass(frozen=True, slots=True, eq=False)
class Sliced:
    """The loss over a plane, and where the contenders went over it.

    Attributes:
        field: the loss; None where only the paths are new.
        lines: its contour lines.
        paths: (number of the contender, (k, 2) float64), of the first replicate.
        slice: the plane in the space of parameters; None where there are two parameters.
    """

    field: Field | None
    lines: tuple[Line, ...]
    paths: tuple[tuple[int, np.ndarray], ...]
    slice: Slice | None


@dataclass(slots=True)
class Places:
    """Where the first replicate of each contender went: few enough places to be kept.

    Attributes:
        most: of each contender; when there are more, every other one goes.
    """

    most: int
    _kept: dict[int, list[np.ndarray]] = field(default_factory=dict)
    _stride: dict[int, int] = field(default_factory=dict)
    _count: dict[int, int] = field(default_factory=dict)

    def take(self, number: int, theta: np.ndarray) -> None:
        """Remember a place, (P,)."""
        kept = self._kept.setdefault(number, [])
        stride, count = self._stride.setdefault(number, 1), self._count.get(number, 0)
        self._count[number] = count + 1
        if count % stride:
            # the newest is always there
            kept[-1] = theta.copy() if len(kept) > 1 else kept[-1]
            return
        kept.append(theta.copy())
        if len(kept) > self.most:
            del kept[1:-1:2]
            self._stride[number] = stride * 2

    def all(self) -> np.ndarray:
        """(k, P), of all contenders."""
        return np.stack([place for kept in self._kept.values() for place in kept])

    def __bool__(self) -> bool:
        return any(self._kept.values())

    def paths(self, cut: Slice | None) -> tuple[tuple[int, np.ndarray], ...]:
        """Their projections on a slice, or the places themselves where there are two parameters."""
        found = ((number, np.stack(kept)) for number, kept in self._kept.items() if kept)
        return tuple((number, kept if cut is None else cut.project(kept)) for number, kept in found)


def watched(racing: Job[RaceResult], built: Built, wanted: Cell[Wanted], contenders: int) -> Job[RaceResult]:
    """Run a race, and look at its models.

    Args:
        racing: the race.
        built: its problem.
        wanted: what is looked at, read once an event.
        contenders: how many race.

    Yields:
        what the race yields; `Seen` at most ten times, `Judged` once a second, `Sliced` every other second.

    Returns:
        What the race returns.
    """
    eyes = _Eyes(built, wanted, contenders)
    try:
        while True:
            try:
                event = next(racing)
            except StopIteration as end:
                yield from eyes.last()
                result: RaceResult = end.value
                return result
            # means over replicates are computed here, and not where the window is drawn
            yield replace(event, columns=columns_of(event.trace)) if isinstance(event, Chunk) else event
            if isinstance(event, Chunk | Moved):
                eyes.take(event)
            yield from eyes.turn()
    finally:
        racing.close()


def seen_at(built: Built, thetas: Sequence[np.ndarray], wanted: Wanted) -> Job[None]:
    """Look at models that do not move: `Seen` of the wanted one, `Judged` of all.

    Args:
        built: their problem.
        thetas: (P,) each, by the number of the contender.
        wanted: what is looked at.
    """
    if built.table is None:
        return
    if wanted.look and wanted.contender < len(thetas):
        yield Seen(wanted.contender, look(built.problem, built.table, thetas[wanted.contender], part=wanted.part))
    if wanted.judge:
        yield Judged({number: judged(built, theta) for number, theta in enumerate(thetas)})


def judged(built: Built, theta: np.ndarray) -> Look:
    """A model's figures and curves on the rows kept aside, without any picture of it."""
    assert built.table is not None
    return look(built.problem, replace(built.table, plane=None), theta)


class _Eyes:
    """What was seen last, and when."""

    def __init__(self, built: Built, wanted: Cell[Wanted], contenders: int) -> None:
        self._built, self._wanted = built, wanted
        parameters = built.problem.parameters
        self._places = Places(max(8, min(_PLACES, _NUMBERS // max(1, parameters * contenders))))
        self._thetas: dict[int, np.ndarray] = {}
        self._told: tuple[Any, ...] = ()
        self._looked = self._judged = 0.0
        # the first slice once there is a path to lay it through
        self._sliced = time.monotonic() - _SLICE_S + 0.4
        self._fresh = False

    def take(self, event: Chunk | Moved) -> None:
        """Remember where a contender is."""
        theta = event.theta[0]
        self._thetas[event.contender] = theta
        if isinstance(event, Chunk) and np.isfinite(theta).all() and self._wanted.value.slice:
            self._places.take(event.contender, theta)
        self._fresh = True

    def turn(self) -> Iterator[Any]:
        """What is due now."""
        now, wanted = time.monotonic(), self._wanted.value
        told = (wanted.contender, wanted.part, wanted.look, id(self._thetas.get(wanted.contender)))
        if wanted.look and told != self._told and now - self._looked > _LOOK_S:
            self._told = told
            yield from self._look(wanted)
            self._looked = time.monotonic()
        if not self._fresh:
            return
        if wanted.judge and now - self._judged > _JUDGE_S:
            yield from self._judge()
            self._judged = time.monotonic()
        if wanted.slice and now - self._sliced > _SLICE_S and self._places:
            yield from self._slice(wanted)
            self._sliced = time.monotonic()
            self._fresh = False

    def last(self) -> Iterator[Any]:
        """Everything, at the end."""
        wanted = self._wanted.value
        if wanted.look:
            yield from self._look(wanted)
        if wanted.judge:
            yield from self._judge()
        if wanted.slice and self._places:
            yield from self._slice(wanted)

    def _look(self, wanted: Wanted) -> Iterator[Seen]:
        theta = self._thetas.get(wanted.contender)
        if theta is not None and self._built.table is not None:
            seen = look(self._built.problem, self._built.table, theta, part=wanted.part, test=False)
            yield Seen(wanted.contender, seen)

    def _judge(self) -> Iterator[Any]:
        if self._built.table is None:
            return
        looks = {}
        for number, theta in self._thetas.items():
            looks[number] = judged(self._built, theta)
            yield None
        yield Judged(looks)

    def _slice(self, wanted: Wanted) -> Iterator[Any]:
        if self._built.problem.parameters == 2:
            return
        try:
            yield from sliced(self._built, self._places, wanted.aspect)
        except SightlineError:
            # all have diverged: the race says so itself
            return


def sliced(built: Built, places: Places, aspect: float) -> Iterator[Any]:
    """The slice through where the contenders went, its loss and their paths: `Sliced`."""
    cut = slice_of(places.all())
    paths = places.paths(cut)
    part = room(np.concatenate([path for _, path in paths]), aspect)
    drawing = slice_field(built.problem, cut, *part)
    while True:
        try:
            next(drawing)
        except StopIteration as end:
            drawn: Field = end.value
            break
        # how far it is the race tells
        yield None
    yield Sliced(drawn, tuple(contours(drawn, levels(drawn))), paths, cut)


def slice_part(built: Built, cut: Slice, part: tuple[float, float, float, float]) -> Job[Sliced]:
    """The loss over another part of a slice that is there already; no paths."""
    drawn: Field = yield from slice_field(built.problem, cut, *part)
    return Sliced(drawn, tuple(contours(drawn, levels(drawn))), (), cut)


def surface(built: Built, part: tuple[float, float, float, float]) -> Job[Sliced]:
    """The objective of two parameters over a part of its plane, with its contour lines."""
    drawn: Field = yield from field_of(built.problem, *part)
    lowest = built.problem.minimum.value if built.problem.minimum is not None else None
    return Sliced(drawn, tuple(contours(drawn, levels(drawn, lowest=lowest))), (), None)
