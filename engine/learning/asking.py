"""Who gives out the trials of a study, so that all who work on it end with as many as were asked for."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.job import Job, Progress
from engine.learning.space import Values
from engine.learning.studies import Watch, quiet

UNWANTED, _CELL = "unwanted", "cell"
"""What is noted of a trial: that it was taken back as another had its place, and its cell of the grid."""
_FIRST, _EARLIEST = 5, 2
"""Trials before the first is given up, and points before it can be."""
_WAIT_S, _LOOK_S = 0.025, 0.5
"""Seconds between two yields, and between two looks at the study, while others finish theirs."""


class Asking:
    """Gives out trials until the study has enough finished ones, counting those that others work on."""

    def __init__(
        self, study: Any, sampler: str, grid: Sequence[Values] | None, total: int, seeds: np.random.SeedSequence,
        prune: bool,
    ) -> None:  # fmt: skip
        optuna = quiet()
        number = int(seeds.generate_state(1)[0])
        self._states = optuna.trial.TrialState
        self._samplers = optuna.samplers
        self.study, self._grid, self.total = study, grid, total
        self._order = np.random.default_rng(0).permutation(len(grid)) if grid else np.zeros(0, int)
        self._random = optuna.samplers.RandomSampler(seed=number)
        study.sampler = optuna.samplers.TPESampler(seed=number) if sampler == "tpe" else self._random
        study.pruner = (
            optuna.pruners.MedianPruner(n_startup_trials=_FIRST, n_warmup_steps=_EARLIEST)
            if prune
            else optuna.pruners.NopPruner()
        )
        self._watch = Watch()
        self.finished = 0

    def _there(self) -> tuple[list[Any], list[Any]]:
        """Trials that are finished, and those that are being worked on."""
        everything = self.study.get_trials(deepcopy=False)
        done = [one for one in everything if one.state in (self._states.COMPLETE, self._states.PRUNED)]
        return done, [one for one in everything if one.state == self._states.RUNNING]

    def count(self) -> int:
        """How many are finished."""
        self.finished = len(self._there()[0])
        return self.finished

    def next(self) -> Job[Any]:
        """The next trial; None when the study has enough."""
        waits = False
        while True:
            done, running = self._there()
            self.finished = len(done)
            if len(done) >= self.total:
                return None
            for number in self._watch.gone(running):
                self.end(number, "FAIL")
            if len(done) + len(running) >= self.total or self._unsaid(running):
                if not waits and len(done) + len(running) >= self.total:
                    waits = True
                    yield Progress("Waiting for the others' trials", len(done), self.total, "trials")
                until = time.monotonic() + _LOOK_S
                while time.monotonic() < until:
                    time.sleep(_WAIT_S)
                    yield None
                continue
            # no yield until somebody has it in hand who writes down how it ends
            trial = self._asked([*done, *running])
            if self._superfluous(trial):
                trial.set_user_attr(UNWANTED, True)
                self.end(trial.number, "FAIL")
                continue
            return trial

    def _asked(self, there: Sequence[Any]) -> Any:
        if self._grid is None:
            return self.study.ask()
        taken = {one.user_attrs.get(_CELL) for one in there}
        free = next((int(cell) for cell in self._order if cell not in taken), int(self._order[0]))
        self.study.sampler = self._samplers.PartialFixedSampler(dict(self._grid[free]), self._random)
        trial = self.study.ask()
        trial.set_user_attr(_CELL, free)
        return trial

    def _superfluous(self, trial: Any) -> bool:
        """Whether others asked at the same time and were first: all places are taken, or this cell of the grid.

        Numbers are given out one after another, so of two that ask at once one sees the other.
        """
        done, running = self._there()
        before = [one for one in (*done, *running) if one.number < trial.number]
        cell = trial.user_attrs.get(_CELL)
        if len(before) >= self.total or self._unsaid(before):
            return True
        return self._grid is not None and any(one.user_attrs.get(_CELL) == cell for one in before)

    def _unsaid(self, trials: Sequence[Any]) -> bool:
        """Whether one of the grid has just begun, and its cell is not written down yet."""
        return self._grid is not None and any(_CELL not in one.user_attrs for one in trials)

    def end(self, trial: Any, state: str, value: float | None = None) -> Any:
        """Write down how a trial ended; None where somebody else has done so before."""
        try:
            return self.study.tell(trial, value, state=self._states[state])
        except (ValueError, quiet().exceptions.UpdateFinishedTrialError):
            return None
