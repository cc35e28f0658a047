"""Builds a problem and runs its races: start, pause, step, fork, edit; what comes of it is told in signals."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from engine.knobs import Cell
from engine.learning.build import Built, build
from engine.learning.setup import ProblemSetup
from engine.learning.watching import Judged, Seen, Sliced, Wanted, watched
from engine.optimizers.contenders import Contender
from engine.optimizers.race import RaceKnobs, RaceResult, race
from engine.optimizers.record import Chunk, Moved
from engine.optimizers.run import Edit, Run
from gui.job import JobSlot

_KEPT = 4096
TWINS = 1000
"""Steps that torch.optim goes beside each contender."""


class Runner(QObject):
    """One problem and its race.

    Attributes:
        built: the problem; None before the first.
        runs: of the present race, as far as they have been handed back: they can be forked, and go on.
        wanted: what is looked at while it runs.

    Signals:
        opened(Built): a problem is there.
        chunks(list): `Chunk`s and `Moved`, in order.
        seen(object): a `Seen`, `Judged` or `Sliced`.
        ended(RaceResult): the race is over, or was interrupted.
        forked(Run): a run from a point of another.
        resumable(): who interrupted the race is done, and it may go on.
        changed(): whether it runs, waits or is over has changed.
        progress(object), notice(object), failed(object): as of `JobSlot`.
    """

    opened = Signal(object)
    chunks = Signal(list)
    seen = Signal(object)
    ended = Signal(object)
    forked = Signal(object)
    resumable = Signal()
    changed = Signal()
    progress = Signal(object)
    notice = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.built: Built | None = None
        self.runs: tuple[Run, ...] = ()
        self.wanted: Cell[Wanted] = Cell(Wanted())
        self._cell: Cell[RaceKnobs] = Cell(RaceKnobs())
        self._then: list[Callable[[], bool]] = []
        self.building, self.racing, self.forking = JobSlot(self), JobSlot(self), JobSlot(self)
        for slot in (self.building, self.racing, self.forking):
            slot.progress.connect(self.progress)
            slot.notice.connect(self.notice)
            slot.failed.connect(self.failed)
            slot.changed.connect(lambda _busy: self.changed.emit())
        self.building.returned.connect(self._built)
        self.racing.batch.connect(self._events)
        self.racing.returned.connect(self._ended)
        self.forking.returned.connect(self._forked)

    # -- the problem

    def open(self, setup: ProblemSetup) -> None:
        """Make a problem; the race of the old one ends."""
        self.reset()
        self.built = None
        self.building.start(lambda: build(setup), "Reading the data")

    def _built(self, built: Built) -> None:
        self.built = built
        self.opened.emit(built)
        self.changed.emit()

    # -- the race

    @property
    def busy(self) -> bool:
        """Whether a race runs or waits in its job; one that was reset is none, even while its job ends."""
        return self.racing.busy and not self._dead

    @property
    def running(self) -> bool:
        """Whether it runs, and does not wait."""
        knobs = self._cell.value
        return self.busy and not knobs.paused and not self._waits

    @property
    def _waits(self) -> bool:
        return self._cell.value.until is not None and self._at >= (self._cell.value.until or 0)

    @property
    def left(self) -> bool:
        """Whether some run that was handed back can go on."""
        return any(not run.over for run in self.runs)

    def race(self, contenders: Sequence[Contender], steps: int, replicates: int, *, twin: bool, pace: float) -> None:
        """Begin anew."""
        assert self.built is not None
        self.runs = ()
        self._start(tuple(contenders), steps, replicates, twin, RaceKnobs(pace=pace))

    def go_on(self, added: Sequence[Contender] = (), steps: int = 1, replicates: int = 1, **knobs: Any) -> None:
        """Go on with the runs that were handed back, and with others beside them; `knobs` are those of the race."""
        self._start(tuple(added), steps, replicates, False, RaceKnobs(**knobs))

    def _start(
        self, contenders: tuple[Contender, ...], steps: int, replicates: int, twin: bool, knobs: RaceKnobs
    ) -> None:
        built, runs, wanted = self.built, self.runs, self.wanted
        assert built is not None
        self._cell = cell = Cell(knobs)
        self._dead = False
        self._at = min((run.step for run in runs if not run.over), default=0)
        count = len(runs) + len(contenders)

        def make() -> Any:
            racing = race(built.problem, contenders, steps, replicates, cell, runs, twins=TWINS if twin else 0)
            return watched(racing, built, wanted, count)

        self.racing.start(make, "Race", keep=_KEPT)
        self.changed.emit()

    _at = 0
    _dead = False

    def _events(self, events: list[Any]) -> None:
        chunks = [event for event in events if isinstance(event, Chunk | Moved)]
        if chunks:
            before = self.running
            lowest: dict[int, int] = {}
            for chunk in chunks:
                if isinstance(chunk, Chunk):
                    lowest[chunk.contender] = chunk.trace.first + chunk.trace.losses.shape[1]
            self._at = max(lowest.values(), default=self._at)
            self.chunks.emit(chunks)
            if before != self.running:
                self.changed.emit()
        # of each kind only the newest is worth showing
        for kind in (Sliced, Judged, Seen):
            newest = next((event for event in reversed(events) if isinstance(event, kind)), None)
            if newest is not None:
                self.seen.emit(newest)

    def pause(self) -> None:
        """Wait; nothing is lost."""
        self.set_knobs(paused=True, until=None)

    def resume(self) -> None:
        """Go on in the same job."""
        self.set_knobs(paused=False, until=None)

    def step(self, count: int) -> None:
        """Take so many steps, then wait."""
        now = self._cell.value
        begin = now.until if now.until is not None and not self._waits else self._at
        self.set_knobs(paused=False, until=(begin or 0) + count)

    def pace(self, steps_per_s: float) -> None:
        """Steps a second at most; 0 is as fast as it goes."""
        self.set_knobs(pace=steps_per_s)

    def update(self, contenders: Sequence[Contender | None]) -> None:
        """Go on with these settings, one a run; None leaves a run as it is."""
        self.set_knobs(contenders=tuple(contenders))

    def edit(self, contender: int, edit: Edit) -> None:
        """Set one parameter by hand."""
        self.set_knobs(edits=(*self._cell.value.edits, (contender, edit)))

    def set_knobs(self, **changes: Any) -> None:
        """Change knobs of the race that runs, see `RaceKnobs`."""
        self._cell.value = replace(self._cell.value, **changes)
        self.changed.emit()

    def interrupt(self, then: Callable[[], bool]) -> None:
        """Let the race hand its runs back, then do this; at once where none runs. What is asked first is done first.

        Args:
            then: says whether the race is to go on when everybody is done.
        """
        if not self.busy:
            if then():
                self.resumable.emit()
            return
        self._then.append(then)
        self.set_knobs(enough=True)

    def _ended(self, result: RaceResult) -> None:
        self.runs = result.runs
        self.ended.emit(result)
        waiting, self._then = self._then, []
        wanted = [then() for then in waiting]
        if any(wanted) and not self.forking.busy:
            self.resumable.emit()
        self.changed.emit()

    def reset(self) -> None:
        """Forget the race."""
        self._then.clear()
        self._dead = self.racing.busy
        self.racing.cancel()
        self.forking.cancel()
        self.runs = ()
        self._at = 0
        self.changed.emit()

    # -- forks

    def fork(self, number: int, step: int) -> None:
        """Make a run that is at a step what this one was then; the race must have handed its runs back."""
        run = self.runs[number]
        self.forking.start(lambda: run.fork(step), f"Going back to step {step:,}")

    def _forked(self, run: Run) -> None:
        self.runs = (*self.runs, run)
        self.forked.emit(run)
        self.changed.emit()

    def stop(self) -> None:
        """Stop everything that is under way."""
        for slot in (self.building, self.racing, self.forking):
            slot.cancel()
