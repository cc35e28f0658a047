"""Search: which settings learn best, by the loss on rows that are neither learned from nor kept aside for the test."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.learning import build as building
from engine.learning.asking import UNWANTED, Asking
from engine.learning.loading import load
from engine.learning.setup import ProblemSetup, text_of_setup
from engine.learning.space import (
    Choice,
    Range,
    Space,
    Values,
    applied,
    cells,
    check_space,
    chosen,
    parse_space,
    text_of_space,
    usual_space,
)
from engine.learning.studies import Beat, begin_study, elsewhere, lost, quiet
from engine.learning.tables import Table
from engine.optimizers.contenders import Contender, text_of
from engine.optimizers.problem import Problem
from engine.optimizers.run import Run

SAMPLERS = ("tpe", "random", "grid")
VALIDATION_SHARE = 0.2
"""Of the training rows: the last ones of a permutation."""
_POINTS = 10
"""How often a run is compared with those before it, and may be given up."""
_YIELD_S, _TELL_S, _WEIGH_S = 0.02, 0.1, 1.0
_SPLIT = 5
"""Keeps the permutation of the validation part apart from that of the test part."""
_ABOUT = "sightline"


@dataclass(frozen=True, slots=True)
class Trial:
    """One choice of settings that was tried.

    Attributes:
        number: of the study, from 0.
        value: the median over replicates of the mean loss on the validation rows, without the penalty (of a surface,
            of the objective); that of the moment where a run was given up; None where it diverged or failed.
        parameters: what was chosen, by name.
        state: "complete", "pruned" (given up, being worse than most at the same point), "diverged", "failed" (it was
            stopped or killed half-way) or "running".
    """

    number: int
    value: float | None
    parameters: Values
    state: str


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """A search: what was asked, and a study that can be read at any time, and gone on with.

    Attributes:
        setup, contender: where nothing was chosen.
        space: what was chosen from.
        study: Optuna's.
    """

    setup: ProblemSetup
    contender: Contender
    space: Space
    study: Any

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All of the study as they are now, those of other processes too."""
        return tuple(trial_of(one) for one in self.study.get_trials(deepcopy=False) if not _unwanted(one))

    @property
    def best(self) -> Trial | None:
        """The one of the smallest value among those that were not given up; None before the first."""
        there = [one for one in self.trials if one.state == "complete" and one.value is not None]
        return min(there, key=lambda one: (one.value, one.number), default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The study is there: from here on `result` can be read, also after the job was stopped."""

    result: SearchResult


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """What decides so far: see `importances`."""

    shares: dict[str, float]


def search(
    setup: ProblemSetup, contender: Contender, space: str | Space = "", *, sampler: str = "tpe", trials: int = 50,
    steps: int = 500, replicates: int = 3, study: str = "", storage: str = "", seed: int = 0, prune: bool = True,
    earlier: SearchResult | None = None, importance: bool = False,
) -> Job[SearchResult]:  # fmt: skip
    """Try settings, and keep what each came to.

    Args:
        setup: the problem, with what the space leaves open.
        contender: likewise who learns.
        space: see `engine.learning.space`; "" takes what is usual for the problem.
        sampler: "tpe" chooses by what went well (Bergstra and others 2011), "random" does not look, "grid" tries
            every cell once.
        trials: finished ones that the study is to have in the end, over all processes that work on it.
        steps, replicates: of each run.
        study, storage: see `engine.learning.studies.begin_study`.
        seed: of the sampler. Who joins a study that is there already draws differently.
        prune: give a run up when its loss is worse than the median of the others at the same point.
        earlier: a search in memory that is gone on with.
        importance: tell also which settings decide.

    Yields:
        `Opened` once, then a `Trial` for each that was finished here, now and then an `Importance`, and `Progress`;
        None where it can be stopped. What was finished then is in the study.

    Raises:
        SightlineError: settings that cannot be, a storage that cannot be reached, or a study that was begun otherwise.
    """
    if sampler not in SAMPLERS:
        raise SightlineError(f"There is no sampler {sampler}: choose of {', '.join(SAMPLERS)}.")
    if trials < 1:
        raise SightlineError(f"A search of {trials} trials cannot be: give 1 or more.")
    yield Progress("Making the data ready")
    yield from elsewhere(quiet)
    setup = building.settled(setup)
    building.check_setup(setup)
    wanted = space or usual_space(setup)
    space = parse_space(wanted) if isinstance(wanted, str) else wanted
    bench = _Bench(setup)
    problem = yield from bench.problem(setup)
    check_space(space, setup, contender, problem.rows, steps)
    grid = cells(space, setup, contender) if sampler == "grid" else None
    total = trials if grid is None else min(trials, len(grid))
    about = _about(setup, contender, space, sampler, steps, replicates, problem)
    if earlier is not None:
        made, new = earlier.study, False
    else:
        made, new = yield from begin_study(study, storage)
    try:
        _same(made, about, study)
        result = SearchResult(setup, contender, space, made)
        yield Opened(result)
        seeds = np.random.SeedSequence([seed] if new else [seed, len(made.get_trials(deepcopy=False)), time.time_ns()])
        asking = Asking(made, sampler, grid, total, seeds, prune)
        began, first, told, weighed = time.monotonic(), -1, 0.0, 0.0
        while (trial := (yield from asking.next())) is not None:
            if first < 0:
                first = asking.finished
            tried: Trial | None = yield from _tried(result, trial, bench, steps, replicates, asking)
            if tried is not None:
                yield tried
            now = time.monotonic()
            if importance and now - weighed > _WEIGH_S:
                yield Importance((yield from elsewhere(lambda: importances(made))))
                weighed = time.monotonic()
            if now - told > _TELL_S:
                done = asking.count()
                rate = (done - first) / max(now - began, 1e-9)
                yield Progress("Searching", done, total, "trials", (total - done) / rate if rate > 0 else None, rate)
                told = now
        if importance:
            yield Importance((yield from elsewhere(lambda: importances(made))))
        yield Progress("Searching", asking.finished, total, "trials")
    except _storage_errors() as error:
        raise lost(storage, error) from None
    return result


def best_of(result: SearchResult) -> tuple[ProblemSetup, Contender] | None:
    """The problem and a contender with the best settings that were found; None where nothing was finished."""
    best = result.best
    if best is None:
        return None
    setup, contender = applied(best.parameters, result.setup, result.contender)
    return setup, replace(contender, name=f"{contender.rule.title}, found")


def importances(study: Any) -> dict[str, float]:
    """How much each setting decides about being among the best, as shares of 1, most first (PED-ANOVA, Watanabe and
    others 2023); {} while too little is known. The first call imports for seconds: the job tells it too."""
    optuna = quiet()
    done = [
        one
        for one in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if one.value is not None and np.isfinite(one.value)
    ]
    names = {name for one in done for name in one.params}
    if len(done) < 4 or len(names) < 2:
        return {}
    # of few trials a tenth is none
    quantile = max(0.1, 2 / len(done))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
    try:
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (ValueError, RuntimeError, AssertionError):
        return {}
    return {name: float(value) for name, value in found.items()}


def trial_of(frozen: Any) -> Trial:
    """A trial of Optuna's as ours."""
    state = frozen.state.name.lower()
    value = None if frozen.value is None else float(frozen.value)
    if value is not None and not np.isfinite(value):
        state, value = ("diverged", None) if state == "complete" else (state, None)
    return Trial(frozen.number, value, dict(frozen.params), {"fail": "failed", "waiting": "running"}.get(state, state))


def _unwanted(frozen: Any) -> bool:
    """Whether it was taken back before it began, as another had its place."""
    return bool(frozen.user_attrs.get(UNWANTED))


def _storage_errors() -> tuple[type[Exception], ...]:
    import sqlalchemy
    from optuna.exceptions import StorageInternalError

    return (StorageInternalError, sqlalchemy.exc.SQLAlchemyError)


def _about(
    setup: ProblemSetup, contender: Contender, space: Space, sampler: str, steps: int, replicates: int, problem: Problem
) -> str:
    """What trials must have in common to be compared. Of a file, its name: its folder is each machine's own."""
    setup = replace(setup, data=PurePath(setup.data).name)
    grid = ["grid"] if sampler == "grid" else []
    return " ".join(
        [text_of_setup(setup), text_of(contender), text_of(contender.schedule), text_of_space(space), str(steps),
         str(replicates), str(problem.rows), *grid]
    )  # fmt: skip


def _same(study: Any, about: str, name: str) -> None:
    """Leave a note of what the study is about, or compare it with the one that is there."""
    there = study.user_attrs.get(_ABOUT)
    if there is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_ABOUT, about)
    elif there != about:
        raise SightlineError(
            f"The study {name or 'at hand'} was begun with other settings, and its trials cannot be compared: give the "
            f"same problem, rule, space, steps and replicates, or name another study."
        )


class _Bench:
    """Problems to try settings on: made of a part of the training rows, with the other part beside them.

    What is read is kept as long as the next trial needs the same; the rows kept aside for the test are never looked at.
    """

    def __init__(self, setup: ProblemSetup) -> None:
        self._seed = setup.seed
        self._read: ProblemSetup | None = None
        self._table: Table | None = None
        self._made: ProblemSetup | None = None
        self._problem: Problem | None = None

    def problem(self, setup: ProblemSetup) -> Job[Problem]:
        """The problem of a setup, its `test_value` being that of the validation rows."""
        if setup == self._made and self._problem is not None:
            return self._problem
        kind = building.kind_of(setup.problem)
        if not kind.data:
            self._problem = (yield from building.build(setup)).problem
        else:
            read = replace(setup, penalty="none", strength=0.0, hidden=(1,), activation="linear", init="zero")
            if read != self._read:
                whole: Table = yield from load(read, classify=kind.classify, most_classes=kind.most_classes)
                for note in whole.notes if self._read is None else ():
                    yield Notice(note)
                self._table, self._read = validated(whole, self._seed), read
                yield None
            assert self._table is not None
            self._problem = building.model_of(kind, setup, self._table)
        self._made = setup
        yield None
        return self._problem


def validated(table: Table, seed: int) -> Table:
    """A table whose test part are rows of the training part: the last 20 % of a permutation.

    Raises:
        SightlineError: it has one row.
    """
    rows = len(table.x)
    if rows < 2:
        raise SightlineError(
            "The training part has one row: a search needs two and more, to learn from and to compare."
        )
    order = np.random.default_rng([seed, _SPLIT]).permutation(rows)
    cut = rows - min(rows - 1, max(1, round(VALIDATION_SHARE * rows)))
    fit, seen = order[:cut], order[cut:]
    return replace(table, x=table.x[fit], y=table.y[fit], test_x=table.x[seen], test_y=table.y[seen], plane=None)


def _tried(
    result: SearchResult, trial: Any, bench: _Bench, steps: int, replicates: int, asking: Asking
) -> Job[Trial | None]:
    """Run one trial to its end; what is stopped on the way is a failed one."""
    ended = False
    try:
        beat = Beat(trial)
        values = chosen(result.space, result.setup, result.contender, lambda one: _suggested(trial, one))
        setup, contender = applied(values, result.setup, result.contender)
        problem = yield from _quietly(bench.problem(setup), beat)
        run = Run(problem, contender, steps, replicates, every=max(1, steps))
        state, value = "COMPLETE", float("nan")
        for point in range(1, _POINTS + 1):
            yield from _until(run, steps * point // _POINTS, beat)
            value = _median(run)
            if run.over:
                break
            trial.report(value, point)
            if trial.should_prune():
                state = "PRUNED"
                break
        frozen = asking.end(trial, state, value if state == "COMPLETE" else None)
        ended = True
        return None if frozen is None else trial_of(frozen)
    except quiet().exceptions.UpdateFinishedTrialError:
        # given up by others, as nothing was heard of it: they have taken its place
        return None
    finally:
        if not ended:
            asking.end(trial, "FAIL")


def _quietly(job: Job[Problem], beat: Beat) -> Job[Problem]:
    """Wait for the problem of a trial, without what it tells."""
    with closing(job):
        while True:
            try:
                next(job)
            except StopIteration as end:
                made: Problem = end.value
                return made
            beat.still_here()
            yield None


def _suggested(trial: Any, one: Range | Choice) -> Any:
    if isinstance(one, Choice):
        return trial.suggest_categorical(one.name, one.values)
    if one.whole:
        return trial.suggest_int(one.name, round(one.low), round(one.high), log=one.log)
    return trial.suggest_float(one.name, one.low, one.high, log=one.log)


def _until(run: Run, step: int, beat: Beat) -> Iterator[None]:
    """Take steps, in between which it can be stopped."""
    last = time.monotonic()
    while run.step < step and not run.over:
        for _ in run.prepare(step - run.step):
            yield None
        run.advance(step - run.step)
        if time.monotonic() - last > _YIELD_S:
            beat.still_here()
            yield None
            last = time.monotonic()


def _median(run: Run) -> float:
    """The median over replicates of the loss on the validation rows; infinite where that half has diverged."""
    full = run.measured()
    seen = full.train if full.test is None else full.test
    return float(np.median(np.where(np.isfinite(seen), seen, np.inf)))
