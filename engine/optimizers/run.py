"""One contender on its way: steps, what is seen at them, and the way back to any of them."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.optimizers import order, wrappers
from engine.optimizers.contenders import Contender
from engine.optimizers.moment import Moment, Moments
from engine.optimizers.problem import Problem, Tensor
from engine.optimizers.record import Full, Trace

_BLOCK, _BLOCK_NUMBERS = 64, 2**18
"""Steps, and numbers of parameters, whose places and gradients are gathered before they are looked at."""
_BLOCK_S = 0.02
"""Seconds that they take, about: in between a race can be stopped."""
_TINY = 2**19
"""Multiplications of a step below which threads cost more than they give."""
_MOST_STEPS, _MOST_REPLICATES, _MOST_NUMBERS = 10**8, 10_000, 2 * 10**8
"""Beyond them memory would run out: the last is replicates times parameters, and times rows."""
_BEYOND = 1e12
"""A loss so many times that of the start has diverged."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One parameter that a person has set by hand.

    Attributes:
        place: its place in theta, 0 to P - 1.
        value: what it is from now on.
        replicate: whose it is.
    """

    place: int
    value: float
    replicate: int = 0


Turn: TypeAlias = Contender | Edit
"""What a person changes on the way: all settings, or one parameter."""


@contextlib.contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Torch on one thread in here, if that is wanted."""
    import torch

    before = torch.get_num_threads()
    if not wanted or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Run:
    """A contender that moves all its replicates at once.

    Args:
        problem: what it minimises.
        contender: as it begins.
        steps: of the whole run; the schedule goes by it.
        replicates: R, each with its own start and order of the data.
        shuffles: the orders of the data, shared by the runs of a race.
        every: steps between two measurements of the full objective; None takes an epoch, or a twentieth of the run
            where there are no data.

    Attributes:
        every_asked: `every` as it was handed in.
        history: the contender of the first step, and what was changed on the way: (step, change).
        taken: the rows of each of the last steps, and the noise on their gradients: what a twin must see as well.

    Raises:
        SightlineError: a setting cannot be, or the problem has no value where it begins.
    """

    def __init__(
        self, problem: Problem, contender: Contender, steps: int, replicates: int,
        shuffles: order.Shuffles | None = None, every: int | None = None,
    ) -> None:  # fmt: skip
        if steps < 1 or replicates < 1:
            raise SightlineError(
                f"A race of {steps} steps and {replicates} replicates cannot be: give 1 or more of each."
            )
        most = max(1, min(_MOST_REPLICATES, _MOST_NUMBERS // max(problem.parameters, problem.rows)))
        if steps > _MOST_STEPS or replicates > most:
            raise SightlineError(
                f"A race of {steps:,} steps and {replicates:,} replicates is too large for this problem: give at most "
                f"{_MOST_STEPS:,} steps and {most:,} replicates."
            )
        contender.check(problem.rows, steps)
        self.problem, self.steps, self.replicates = problem, steps, replicates
        self.history: list[tuple[int, Turn]] = [(0, contender)]
        self.taken: tuple[list[Tensor | None], Tensor | None] = ([], None)
        self._shuffles = shuffles or order.Shuffles(problem.rows, replicates)
        self.every_asked = every
        self.at, self._limit = self._begun(contender)
        self._moments = Moments(self.at)
        self._places = None if problem.minimum is None else problem.minimum.theta
        self._block = max(1, min(_BLOCK, _BLOCK_NUMBERS // (replicates * problem.parameters)))
        self._planned: list[tuple[int, Turn]] = []
        # steps that fit into `_BLOCK_S`, as far as is known
        self._fit = 1
        self._take(contender)

    def _begun(self, contender: Contender) -> tuple[Moment, Tensor]:
        """The first moment, and (R,) the size of a loss beyond which a replicate has diverged."""
        import torch

        theta = self.problem.start(self.replicates, contender.seed).clone()
        value = self.problem.value(theta, None)
        if not bool(torch.isfinite(value).all()):
            raise SightlineError(
                f"{self.problem.title} has no value where it begins: look for missing or infinite numbers in its data."
            )
        never = torch.full((self.replicates,), -1)
        moment = Moment(
            0, contender, theta, contender.rule.init(theta), None, 0, 0.0, 0.0, never, theta.clone(), (0, 0)
        )  # fmt: skip
        return moment, _BEYOND * value.abs().clamp(min=1.0)

    def _take(self, contender: Contender) -> None:
        """Go by the settings of a contender."""
        self.at.contender = contender
        rows, batch = self.problem.rows, contender.batch
        self._batch = None if batch == "all" or not rows else int(batch)
        seen = self._batch or max(1, rows)
        self.tiny = self.replicates * seen * self.problem.parameters <= _TINY
        self._rates = contender.schedule.curve(self.steps, contender.knobs.lr)
        self._average_from = contender.wraps.average_from(self.steps)
        self.every = self.every_asked or (-(-rows // self._batch) if self._batch else max(1, self.steps // 20))

    @property
    def contender(self) -> Contender:
        """As it is now."""
        return self.at.contender

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return self.at.step

    @property
    def over(self) -> bool:
        """Whether it has taken all its steps, or all its replicates have diverged."""
        return self.at.step >= self.steps or bool((self.at.diverged >= 0).all())

    def answer(self) -> np.ndarray:
        """(R, P) float64, what it answers now: where it is, or the mean of where it was."""
        made: np.ndarray = self.at.answer().numpy()
        return made

    @property
    def changes(self) -> list[tuple[int, Contender]]:
        """The settings so far: (the step from which they hold, the contender)."""
        return [(step, change) for step, change in self.history if isinstance(change, Contender)]

    @property
    def edits(self) -> list[tuple[int, Edit]]:
        """The parameters that were set by hand so far: (step, which)."""
        return [(step, change) for step, change in self.history if isinstance(change, Edit)]

    def edit(self, edit: Edit) -> None:
        """Set one parameter by hand; the rule remembers what it did.

        Raises:
            SightlineError: there is no such parameter, or it is no number; the run is as it was.
        """
        if not (0 <= edit.place < self.problem.parameters and 0 <= edit.replicate < self.replicates):
            raise SightlineError(f"{self.contender.name} has no parameter {edit.place}: choose one that is drawn.")
        if not np.isfinite(edit.value):
            raise SightlineError("A parameter cannot be set to what is no number: type one, such as 0.5.")
        self._planned.clear()
        self.at.theta[edit.replicate, edit.place] = edit.value
        self.history.append((self.at.step, edit))

    def rename(self, name: str, colour: int) -> None:
        """Call it otherwise; nothing else changes."""
        self.at.contender = replace(self.at.contender, name=name, colour=colour)
        last = max(place for place, (_, change) in enumerate(self.history) if isinstance(change, Contender))
        step, contender = self.history[last]
        assert isinstance(contender, Contender)
        self.history[last] = step, replace(contender, name=name, colour=colour)

    def replay(self, history: list[tuple[int, Turn]]) -> None:
        """Make the changes of a run that began alike again, each at its step: one that was saved goes the same way."""
        self._planned = list(history[1:])

    def change(self, contender: Contender) -> None:
        """Go on with other settings from here.

        Another rule begins with nothing remembered; another batch or seed begins a new epoch.

        Raises:
            SightlineError: a setting cannot be; the run is as it was.
        """
        contender.check(self.problem.rows, self.steps)
        # who turns a knob takes the run in hand: what a fork would have repeated is off
        self._planned.clear()
        self._switch(contender)
        self.history.append((self.at.step, contender))

    def _switch(self, contender: Contender) -> None:
        at, before = self.at, self.at.contender
        if contender.key != before.key:
            at.state = contender.rule.init(at.theta)
        if contender.wraps.average != before.wraps.average:
            at.average, at.averaged = None, 0
        if (contender.batch, contender.seed) != (before.batch, before.seed):
            at.origin = (at.step, self._epoch(at.step)[0] + 1)
        self._take(contender)

    def prepare(self, count: int) -> Iterator[None]:
        """Shuffle the epochs of the next steps, in pieces between which it may be stopped."""
        if self._batch:
            last = min(self.at.step + count, self.steps) - 1
            for epoch in range(self._epoch(self.at.step)[0], self._epoch(last)[0] + 1):
                yield from self._shuffles.prepare(self.at.contender.seed, epoch)

    def advance(self, count: int) -> Trace:
        """Take at least one step and at most `count`: as many as are gathered before they are looked at."""
        import torch

        at = self.at
        self._heed_plan()
        full = [self.measured()] if at.step % self.every == 0 else []
        self._moments.take(at)
        room = [self.every - at.step % self.every, self._moments.stride - at.step % self._moments.stride]
        room += [step - at.step for step, _ in self._planned[:1]]
        count = min(count, self._block, self._fit, self.steps - at.step, *room)
        first, evaluated, spent = at.step, at.evaluations, at.seconds
        rates = self._rates[first : first + count]
        batches = self.batches(count)
        began = time.perf_counter()
        with one_thread(self.tiny), torch.no_grad():
            if at.contender.rule.searches:
                losses, gradients, places, taken = self._searched(rates.tolist())
            else:
                losses, gradients, places = self._stepped(rates.tolist(), batches)
                taken = np.array([self._seen(rows) for rows in batches], float)
            at.step += count
            at.evaluations += float(taken.sum())
            took = time.perf_counter() - began
            self._fit = max(1, min(4 * self._fit, int(count * _BLOCK_S / max(took, 1e-9))))
            at.seconds += took
            self._freeze(first, losses, gradients, places)
            norms, distances = torch.linalg.vector_norm(gradients, dim=2), self._distances(places)
        if at.step == self.steps:
            full.append(self.measured())
        return Trace(
            first, losses.T.numpy(), norms.T.numpy(), distances, rates, evaluated + np.cumsum(taken) - taken,
            spent + (at.seconds - spent) * np.arange(count) / count, places.numpy(), tuple(full),
            int((at.diverged >= 0).sum()),
        )  # fmt: skip

    def _heed_plan(self) -> None:
        """Make the changes again that the run this one is forked from went through at this step."""
        while self._planned and self._planned[0][0] == self.at.step:
            step, change = self._planned.pop(0)
            if isinstance(change, Edit):
                self.at.theta[change.replicate, change.place] = change.value
            else:
                self._switch(change)
            self.history.append((step, change))

    def measured(self) -> Full:
        """The full objective now."""
        import torch

        answer, gone = self.at.answer(), self.at.diverged >= 0
        with torch.no_grad():
            train, test = self.problem.value(answer, None), self.problem.test_value(answer)
        nan = float("nan")
        return Full(
            self.at.step,
            train.masked_fill(gone, nan).numpy().astype(np.float64),
            None if test is None else test.masked_fill(gone, nan).numpy().astype(np.float64),
        )

    def fork(self, step: int, contender: Contender | None = None) -> "Job[Run]":
        """Another run that is at a step what this one was then: parameters, state, order of the data and noise.

        Args:
            step: at most the steps that this one has taken.
            contender: what goes on from there; None repeats this run bit for bit, its later changes of settings too.

        Yields:
            `Progress` while the steps since the last kept moment are taken again.

        Raises:
            SightlineError: the run has not been there, or a setting cannot be.
        """
        if not 0 <= step <= self.at.step:
            raise SightlineError(
                f"{self.contender.name} has taken {self.at.step:,} steps and cannot be forked at step {step:,}: "
                f"choose an earlier one."
            )
        made = Run(self.problem, self.changes[0][1], self.steps, self.replicates, self._shuffles, self.every_asked)
        made.at = self._moments.before(step)
        made._moments = self._moments.until(step)
        begin = made.at.step
        made._take(made.at.contender)
        later = [*self.history, *self._planned]
        # the first moment is older than the changes of its own step, all others are younger
        done = 1 if begin == 0 else sum(at <= begin for at, _ in later)
        made.history = later[:done]
        made._planned = [change for change in later[done:] if change[0] < step or contender is None]
        while made.at.step < step:
            made.advance(step - made.at.step)
            yield Progress("Going back", made.at.step - begin, step - begin, "steps")
        if contender is not None:
            made.change(contender)
        return made

    def _epoch(self, step: int) -> tuple[int, int]:
        """The number of the epoch that a step lies in, and its place there."""
        begin, epoch = self.at.origin
        a_pass = -(-self.problem.rows // self._batch) if self._batch else 1
        return epoch + (step - begin) // a_pass, (step - begin) % a_pass

    def batches(self, count: int) -> list[Tensor | None]:
        """The rows of the next steps, (R, B) int64 each; None for all rows."""
        if not self._batch:
            return [None] * count
        made: list[Tensor | None] = []
        a_pass = -(-self.problem.rows // self._batch)
        while len(made) < count:
            epoch, place = self._epoch(self.at.step + len(made))
            some = min(count - len(made), a_pass - place)
            made += self._shuffles.batches(self.at.contender.seed, epoch, self._batch, place, some)
        return made

    def _seen(self, rows: Tensor | None) -> int:
        return max(1, self.problem.rows) if rows is None else int(rows.shape[1])

    def _stepped(self, rates: list[float], batches: list[Tensor | None]) -> tuple[Tensor, Tensor, Tensor]:
        """Take steps; returns (n, R) losses, (n, R, P) gradients and (n, R, P) places before each."""
        import torch

        at, both = self.at, self.problem.value_and_gradient
        theta, state, contender = at.theta, at.state, at.contender
        rule, knobs, wraps = contender.rule, contender.knobs, contender.wraps
        step, ahead = rule.step, rule.ahead
        shaken = self.noise(len(rates))
        self.taken = batches, shaken
        losses, gradients, places = [], [], []
        for number, (rate, rows) in enumerate(zip(rates, batches, strict=True)):
            loss, gradient = both(theta if ahead is None else ahead(theta, state, rate, knobs), rows)
            losses.append(loss)
            gradients.append(gradient)
            places.append((theta if at.average is None else at.average).clone())
            if shaken is not None:
                gradient = gradient + shaken[number]
            if wraps.touches_step:
                gradient = wrappers.prepared(theta, gradient, rate, wraps)
            step(theta, gradient, state, rate, knobs)
            if at.step + number >= self._average_from:
                at.averaged += 1
                at.average = wrappers.averaged(at.average, theta, at.averaged)
        return torch.stack(losses), torch.stack(gradients), torch.stack(places)

    def _searched(self, rates: list[float]) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
        """Steps of a rule with a line search; returns also the rows that each step looked at, a replicate's mean."""
        import torch

        at = self.at
        losses, gradients, places, taken = [], [], [], []
        self.taken = [None] * len(rates), None
        for number, rate in enumerate(rates):
            places.append((at.theta if at.average is None else at.average).clone())
            loss, gradient, took = at.contender.rule.step(
                at.theta, lambda here: self.problem.value_and_gradient(here, None), at.state, rate, at.contender.knobs
            )
            losses.append(loss)
            gradients.append(gradient)
            taken.append(float(took.double().mean()) * max(1, self.problem.rows))
            if at.step + number >= self._average_from:
                at.averaged += 1
                at.average = wrappers.averaged(at.average, at.theta, at.averaged)
        return torch.stack(losses), torch.stack(gradients), torch.stack(places), np.array(taken)

    def noise(self, count: int) -> Tensor | None:
        """What is added to the gradients of the next steps, (count, R, P); None where nothing is."""
        problem = self.problem
        if not problem.noise:
            return None
        return order.noise(
            self.at.contender.seed, self.replicates, problem.parameters, self.at.step, count, problem.noise,
            problem.dtype,
        )  # fmt: skip

    def _freeze(self, first: int, losses: Tensor, gradients: Tensor, places: Tensor) -> None:
        """Find who has diverged, and leave those where they were then, with no values after."""
        import torch

        at = self.at
        gone = at.diverged >= 0
        beyond = ~(losses.abs() <= self._limit)
        if not bool(beyond.any()) and not bool(gone.any()):
            return
        # the first column beyond the limit; -1 for those that have been gone before
        column = torch.where(gone, -1, torch.where(beyond.any(0), beyond.int().argmax(0), len(losses)))
        new = ~gone & (column < len(losses))
        at.diverged = torch.where(new, first + column, at.diverged)
        there = places.gather(0, column.clamp(0, len(losses) - 1)[None, :, None].expand(1, -1, places.shape[2]))[0]
        at.frozen = torch.where(new[:, None], there, at.frozen)
        after = torch.arange(len(losses))[:, None] > column
        losses.masked_fill_(after, float("nan"))
        gradients.masked_fill_(after[:, :, None], float("nan"))
        places.copy_(torch.where(after[:, :, None], at.frozen, places))
        at.theta.copy_(torch.where(at.diverged[:, None] >= 0, at.frozen, at.theta))

    def _distances(self, places: Tensor) -> Any:
        """(R, n), how far the nearest known minimum is."""
        import torch

        if self._places is None:
            return None
        known = torch.from_numpy(self._places).to(places.dtype)
        return torch.stack([torch.linalg.vector_norm(places - one, dim=2) for one in known]).amin(0).T.numpy()
