"""The race: several contenders on one problem, in turns, so that their curves grow together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.knobs import Cell
from engine.optimizers.contenders import Contender
from engine.optimizers.order import Shuffles
from engine.optimizers.problem import Problem
from engine.optimizers.record import Chunk, Full, Moved, Trace, joined, mean_and_error
from engine.optimizers.run import Edit, Run
from engine.optimizers.twin import Beside, has_twin

_ROUND_S, _CHUNKS = 1 / 30, 90
"""How long a round of turns takes at least, and how many chunks a second there are at most."""
_YIELD_S, _WAIT_S, _PROGRESS_S = 0.02, 0.01, 0.1
_COMPARED = 16
"""Steps between two comparisons of the parameters with those of torch's twin."""


@dataclass(frozen=True, slots=True)
class RaceKnobs:
    """What moves while a race runs; replaced whole in a `Cell`, read once a round.

    Attributes:
        paused: wait.
        until: wait when this step is reached; None runs to the end. One step more is `until` = its step + 1.
        pace: steps a second at most; 0 is as fast as it goes.
        enough: end now, with the result so far.
        contenders: one a run, in their order, as they are to be from here on; None leaves a run as it is, with what
            it has planned, or all of them.
        edits: parameters that were set by hand since the race began: (number of the contender, which).
    """

    paused: bool = False
    until: int | None = None
    pace: float = 0.0
    enough: bool = False
    contenders: tuple[Contender | None, ...] | None = None
    edits: tuple[tuple[int, Edit], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How a contender ended.

    Attributes:
        contender: as it was at the end.
        steps: that it took.
        steps_per_s: of all its replicates at once, the time of its own steps alone.
        evaluations: gradients of single rows, a replicate's mean.
        final: the full objective at the end.
        diverged: (R,) int64, the step at which a replicate diverged; -1 where it did not.
        theta: (R, P) float64, its answer.
    """

    contender: Contender
    steps: int
    steps_per_s: float
    evaluations: float
    final: Full
    diverged: np.ndarray
    theta: np.ndarray

    @property
    def final_loss(self) -> tuple[float | None, float | None]:
        """Mean and standard error of the full objective over the replicates that have not diverged; None if too few."""
        mean, error = mean_and_error(self.final.train[:, None])
        return _said(mean[0]), _said(error[0])


def _said(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True, slots=True, eq=False)
class RaceResult:
    """A race that has ended.

    Attributes:
        runs: which can be forked, and raced again.
        standings: one a run.
    """

    runs: tuple[Run, ...]
    standings: tuple[Standing, ...]


def race(
    problem: Problem, contenders: Sequence[Contender] = (), steps: int = 1000, replicates: int = 1,
    cell: Cell[RaceKnobs] | None = None, runs: Sequence[Run] = (), every: int | None = None, twins: int = 0,
) -> Job[RaceResult]:  # fmt: skip
    """Let contenders minimise one problem.

    Args:
        problem: what is minimised.
        contenders: who begins, in the order of the numbers in `Chunk`, after `runs`.
        steps: of each new contender.
        replicates: R, of each new contender.
        cell: what moves while it runs.
        runs: of an earlier race, or forked from one, which go on from where they are.
        every: steps between two measurements of the full objective; None takes an epoch, or a twentieth of the
            run where there are no data.
        twins: so many first steps of each new contender are taken by torch.optim as well, where it has the rule.

    Yields:
        `Chunk`, at most about 90 a second over all contenders; `Moved`; `Progress`; a `Notice` for who diverges and
        for a setting that cannot be; None where it can be stopped.

    Raises:
        SightlineError: nobody races, a setting cannot be, or the problem has no value where it begins.
    """
    cell = cell or Cell(RaceKnobs())
    shuffles = Shuffles(problem.rows, replicates)
    lanes = [_Lane(number, run) for number, run in enumerate(runs)]
    for contender in contenders:
        lanes.append(_Lane(len(lanes), Run(problem, contender, steps, replicates, shuffles, every), twins))
        yield None
    if not lanes:
        raise SightlineError("Nobody races: choose one rule or more.")
    said = _Said(lanes)
    size = 1.0
    round_s = max(_ROUND_S, len(lanes) / _CHUNKS)
    while any(not lane.run.over for lane in lanes):
        knobs = cell.value
        if knobs.enough:
            break
        for lane in lanes:
            yield from lane.heed(knobs)
        lowest = min(lane.run.step for lane in lanes if not lane.run.over)
        target = lowest + _turn(size, round_s, knobs, lowest)
        if target <= lowest:
            said.rest()
            time.sleep(_WAIT_S)
            yield None
            continue
        began = time.monotonic()
        for lane in lanes:
            yield from lane.turn(target)
        took = time.monotonic() - began
        yield from said.progress()
        size = min(size * 4, max(1.0, (target - lowest) * round_s / max(took, 1e-4)))
        if knobs.pace:
            yield from _rested(began + (target - lowest) / knobs.pace)
    return RaceResult(tuple(lane.run for lane in lanes), tuple(_standing(lane.run) for lane in lanes))


def _turn(size: float, round_s: float, knobs: RaceKnobs, at: int) -> int:
    """How many steps a round takes; 0 where the race waits."""
    if knobs.paused:
        return 0
    turn = int(size)
    if knobs.pace > 0:
        turn = min(turn, max(1, int(knobs.pace * round_s)))
    return turn if knobs.until is None else min(turn, max(0, knobs.until - at))


def _rested(until: float) -> Iterator[None]:
    """Wait until a time of `time.monotonic`, a little at a time; never more than a second."""
    until = min(until, time.monotonic() + 1.0)
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _WAIT_S))
        yield None


def _standing(run: Run) -> Standing:
    at = run.at
    return Standing(
        run.contender, run.step, run.step / at.seconds if at.seconds else 0.0, at.evaluations, run.measured(),
        at.diverged.numpy().copy(), run.answer(),
    )  # fmt: skip


class _Lane:
    """A run in its race."""

    def __init__(self, number: int, run: Run, twins: int = 0) -> None:
        self.number, self.run = number, run
        self._told = bool((run.at.diverged >= 0).any())
        self._asked: Contender | None = None
        self._edited = 0
        self._twins = twins
        self._beside = Beside(run, _COMPARED) if twins and run.step == 0 and has_twin(run.contender) else None

    def heed(self, knobs: RaceKnobs) -> Iterator[Notice | Moved]:
        """Take other settings over; those that cannot be are told, and left."""
        if self.run.over:
            return
        yield from self._change(knobs)
        edits = [edit for number, edit in knobs.edits[self._edited :] if number == self.number]
        self._edited = len(knobs.edits)
        if edits:
            yield from self._edit(edits)

    def _change(self, knobs: RaceKnobs) -> Iterator[Notice]:
        if knobs.contenders is None or self.number >= len(knobs.contenders):
            return
        wanted = knobs.contenders[self.number]
        # only what is new is asked for: what a run has planned is not put back to what it was
        if wanted is None or wanted == self._asked:
            return
        self._asked = wanted
        if wanted.goes_like(self.run.contender):
            # another name changes nothing of what was planned
            self.run.at.contender = wanted
            return
        try:
            self.run.change(wanted)
        except SightlineError as error:
            yield Notice(str(error))
        if self._beside is not None and not self._beside.fits:
            self._beside = None

    def _edit(self, edits: Sequence[Edit]) -> Iterator[Notice | Moved]:
        for edit in edits:
            try:
                self.run.edit(edit)
            except SightlineError as error:
                yield Notice(str(error))
                continue
            if self._beside is not None:
                self._beside.edit(edit)
        yield Moved(self.number, self.run.answer())

    def turn(self, target: int) -> Job[None]:
        """Go on to a step, and tell what was seen."""
        run = self.run
        traces: list[Trace] = []
        twins: list[np.ndarray] = []
        apart: list[float] = []
        last = time.monotonic()
        while run.step < target and not run.over:
            for _ in run.prepare(target - run.step):
                yield None
            traces.append(run.advance(target - run.step))
            if self._beside is not None and not self._beside.fits:
                self._beside = None
            if self._beside is not None:
                seen = self._beside.follow(traces[-1])
                twins.append(seen.losses)
                apart.append(seen.largest)
                if run.step >= self._twins:
                    self._beside = None
            if time.monotonic() - last > _YIELD_S:
                yield None
                last = time.monotonic()
        if not traces:
            return
        chunk = joined(traces, run.problem.parameters == 2)
        twin = np.concatenate(twins, axis=1) if twins else None
        yield Chunk(self.number, chunk, run.answer(), twin, max(apart, default=None))
        if chunk.diverged and not self._told:
            self._told = True
            yield Notice(
                f"{run.contender.name} diverges: {chunk.diverged} of {run.replicates} replicates went beyond 10¹² "
                f"times the loss of their start and stay where they were; a smaller learning rate may help."
            )


class _Said:
    """Progress of a race, now and then."""

    def __init__(self, lanes: Sequence[_Lane]) -> None:
        self._lanes = lanes
        self._at = 0.0
        self._rest_from()
        count = len(lanes)
        several = f" × {lanes[0].run.replicates} replicates" if lanes[0].run.replicates > 1 else ""
        self._what = f"Racing {count} rule{'s' if count > 1 else ''}{several}"

    def _rest_from(self) -> None:
        self._begun, self._begin = time.monotonic(), self._done()

    def _done(self) -> float:
        steps = [lane.run.steps if lane.run.over else lane.run.step for lane in self._lanes]
        return sum(steps) / len(steps)

    def rest(self) -> None:
        """The race waits: the speed is measured anew after."""
        self._rest_from()

    def progress(self) -> Iterator[Progress]:
        """How far it is, if that was not told just now."""
        now = time.monotonic()
        if now - self._at < _PROGRESS_S:
            return
        self._at = now
        done, total = self._done(), max(lane.run.steps for lane in self._lanes)
        rate = (done - self._begin) / max(now - self._begun, 1e-9)
        yield Progress(self._what, done, total, "steps", (total - done) / rate if rate else None, rate or None)
