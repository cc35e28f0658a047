"""A search that runs beside the window: started, stopped, gone on with; what it found is kept here."""

import shlex
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from engine.errors import SightlineError
from engine.learning.build import settled
from engine.learning.setup import ProblemSetup
from engine.learning.space import applied
from engine.optimizers.contenders import Contender, text_of
from gui.job import JobSlot

if TYPE_CHECKING:
    from engine.learning.search import SearchResult, Trial

_KEPT = 4096
_LOOK_S = 2.0
"""Between two looks at the whole study, which may be far away and large."""
_SHOW_MS = 100
_OVER = ("complete", "pruned", "diverged")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched, and how.

    Attributes: those of `engine.learning.search.search`; of the setup see `plain`.
    """

    setup: ProblemSetup
    contender: Contender
    space: str
    sampler: str
    trials: int
    steps: int
    replicates: int
    prune: bool = True
    study: str = ""
    storage: str = ""

    def same_study(self, other: "Asked | None") -> bool:
        """Whether trials of the two can be compared."""
        return other is not None and self._about() == other._about()

    def _about(self) -> Any:
        who = (text_of(self.contender), text_of(self.contender.schedule))
        return (
            self.setup, who, self.space.replace(" ", ""), self.sampler == "grid", self.steps,
            self.replicates, self.study, self.storage,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Looked:
    """The study as it is now.

    Attributes:
        trials: all of them, also those of other machines.
        shares: how much each setting decides, by name.
    """

    trials: "tuple[Trial, ...]"
    shares: dict[str, float]


def searched(space: str) -> set[str]:
    """The names in the text of a space, also of one that cannot be read yet."""
    return {piece.partition("=")[0].strip() for piece in space.split(",")}


def plain(setup: ProblemSetup, space: str) -> ProblemSetup:
    """The setup without what does not matter: what the space chooses anyway, and the strength of no penalty.

    Two that search the same then say the same, whatever their forms showed.
    """
    usual, names = ProblemSetup(), searched(space)
    setup = settled(setup)
    off = {one.name: getattr(usual, one.name) for one in fields(setup) if one.name in names}
    if setup.penalty == "none" and "penalty" not in names:
        off["strength"] = usual.strength
    return settled(replace(setup, **off))


def command_of(asked: Asked) -> tuple[str, str]:
    """The command line that works on the same study, and a sentence of what it cannot say ("" where it says all)."""
    from engine.commands_race import options_of

    setup = asked.setup
    rules = text_of(asked.contender)
    if setup.seed and not asked.contender.seed:
        rules += ":seed=0"
    said, missing = options_of(setup)
    words = ["uv", "run", "main.py", "search", *said, "--rules", rules]
    if text_of(asked.contender.schedule) != "constant":
        words += ["--schedule", text_of(asked.contender.schedule)]
    words += ["--steps", str(asked.steps), "--replicates", str(asked.replicates), "--space", asked.space]
    words += ["--sampler", asked.sampler, "--trials", str(asked.trials)]
    if not asked.prune:
        words.append("--no-prune")
    if setup.seed:
        words += ["--seed", str(setup.seed)]
    words += ["--study", asked.study or "NAME", "--storage", asked.storage or "ADDRESS"]
    line = " ".join(word if word in ("NAME", "ADDRESS") else shlex.quote(word) for word in words)
    if not missing:
        return line, ""
    return line, (
        f"A command has no option for {', '.join(missing)}: set {'it' if len(missing) == 1 else 'them'} back to the "
        "usual, or work on the study from windows alone."
    )


def look(result: "SearchResult") -> Looked:
    """Read the whole study; on a thread of its own, as it may be far away."""
    from engine.learning.search import importances

    return Looked(result.trials, importances(result.study))


def looking(job: Generator[Any, None, Any], shared: bool) -> Generator[Any, None, Any]:
    """A search, with a look at the whole study now and then.

    Args:
        job: of `engine.learning.search.search`.
        shared: others may work on the study as well.
    """
    from engine.learning.search import Opened, Trial

    with closing(job):
        result: Any = None
        again, new = 0.0, True
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                yield look(end.value)
                return end.value
            if isinstance(event, Opened):
                result = event.result
            new = new or isinstance(event, Trial) or shared
            yield event
            if result is not None and new and time.monotonic() >= again:
                began = time.monotonic()
                yield look(result)
                now = time.monotonic()
                # a large study takes longer to be read: the search has most of the time
                again, new = now + max(_LOOK_S, 10 * (now - began)), False


def once(result: "SearchResult") -> Generator[Any, None, Looked]:
    """One look."""
    yield None
    return look(result)


class Searcher(QObject):
    """One search and its trials.

    Attributes:
        asked: what was asked last; None before.
        result: what is gone on with; None before the study was opened.
        trials: by number.
        shares: how much each setting decides.

    Signals:
        begun(): another study; there are no trials yet.
        found(): there is more to be seen; a few times a second at most.
        changed(): it has begun or ended.
        ended(bool): it is over; whether it came to its end by itself.
        progress(object), notice(object), failed(object): as of `JobSlot`.
    """

    begun = Signal()
    found = Signal()
    changed = Signal()
    ended = Signal(bool)
    progress = Signal(object)
    notice = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.asked: Asked | None = None
        self.result: SearchResult | None = None
        self.trials: dict[int, Trial] = {}
        self.shares: dict[str, float] = {}
        self.slot, self._looks = JobSlot(self), JobSlot(self)
        self.slot.batch.connect(self._events)
        self.slot.progress.connect(self.progress)
        self.slot.notice.connect(self.notice)
        self.slot.failed.connect(self._failed)
        self.slot.returned.connect(self._returned)
        self.slot.finished.connect(self._finished)
        self.slot.changed.connect(lambda _busy: self.changed.emit())
        self._looks.returned.connect(self._looked)
        # a broken storage has been told of when the search ended
        self._looks.failed.connect(lambda _error: None)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_SHOW_MS)
        self._later.timeout.connect(self.found)
        self._over = self._stale = self._left = False

    @property
    def busy(self) -> bool:
        """Whether it runs."""
        return self.slot.busy

    @property
    def finished(self) -> int:
        """Trials that count."""
        return sum(one.state in _OVER for one in self.trials.values())

    @property
    def best(self) -> "Trial | None":
        """The trial of the smallest loss; None before the first."""
        done = [one for one in self.trials.values() if one.state == "complete" and one.value is not None]
        return min(done, key=lambda one: (one.value, one.number), default=None)

    def all_trials(self) -> "list[Trial]":
        """In the order of their numbers."""
        return [self.trials[number] for number in sorted(self.trials)]

    def contender_of(self, trial: "Trial") -> tuple[ProblemSetup, Contender]:
        """The problem and a contender with the settings of a trial."""
        assert self.asked is not None
        setup, contender = applied(trial.parameters, self.asked.setup, self.asked.contender)
        best = self.best
        what = "found" if best is not None and best.number == trial.number else f"trial {trial.number}"
        return setup, replace(contender, name=f"{contender.rule.title}, {what}")

    # -- the search

    def can_go_on(self, asked: Asked) -> bool:
        """Whether there is a study of just this, with a trial in it."""
        return self.result is not None and bool(self.trials) and asked.same_study(self.asked)

    def start(self, asked: Asked, *, go_on: bool) -> None:
        """Search.

        Args:
            asked: what.
            go_on: with the study that is there.
        """
        if asked.storage and not asked.study:
            raise SightlineError("A storage holds many studies: give this one a name under More.")
        if asked.study and not asked.storage:
            raise SightlineError("The study has a name and no place to live: give a storage under More, or no name.")
        earlier = self.result if go_on and not asked.storage else None
        self._looks.cancel()
        self._over = self._left = self._stale = False
        if not go_on:
            self.trials, self.shares, self.result = {}, {}, None
        self.asked = asked
        if not go_on:
            self.begun.emit()

        def make() -> Any:
            from engine.learning.search import search

            job = search(
                asked.setup, asked.contender, asked.space, sampler=asked.sampler, trials=asked.trials,
                steps=asked.steps, replicates=asked.replicates, study=asked.study, storage=asked.storage,
                prune=asked.prune, earlier=earlier,
            )  # fmt: skip
            return looking(job, bool(asked.storage))

        self.slot.start(make, "Search", keep=_KEPT)
        self.changed.emit()

    def stop(self) -> None:
        """Stop; what was finished is kept."""
        self.slot.cancel()

    def leave(self) -> None:
        """Stop everything that is under way; what was finished is read when somebody looks again."""
        self._left = True
        self.slot.cancel()
        self._looks.cancel()
        self._later.stop()

    def come_back(self) -> None:
        """Somebody looks again."""
        self._left = False
        if self._stale and not self.busy:
            self._read()

    def pace(self, cost_s: float) -> None:
        """What it takes to show the trials: it is not done so often that nothing else can be done."""
        self._later.setInterval(max(_SHOW_MS, round(8000 * cost_s)))

    def _read(self) -> None:
        """Look at the study once."""
        result, self._stale = self.result, False
        if result is not None:
            self._looks.start(lambda: once(result), "Reading the study")

    def forget(self) -> None:
        """Stop, and keep nothing."""
        self.leave()
        self.asked, self.result, self.trials, self.shares = None, None, {}, {}
        self.begun.emit()
        self.changed.emit()

    # -- what comes of it

    def _events(self, events: list[Any]) -> None:
        from engine.learning.search import Opened, Trial

        for event in events:
            if isinstance(event, Opened):
                self.result = event.result
            elif isinstance(event, Trial):
                self.trials[event.number] = event
            elif isinstance(event, Looked):
                self._take(event)
        if not self._later.isActive():
            self._later.start()

    def _take(self, looked: Looked) -> None:
        self.trials = {one.number: one for one in looked.trials}
        self.shares = looked.shares

    def _looked(self, looked: Looked) -> None:
        self._take(looked)
        self.found.emit()

    def _returned(self, result: Any) -> None:
        self.result, self._over = result, True

    def _failed(self, error: Any) -> None:
        self.failed.emit(error)

    def _finished(self) -> None:
        over = self._over
        if not over:
            # what was stopped half-way is written down by now
            self._stale = True
            if not self._left:
                self._read()
        self.found.emit()
        self.ended.emit(over)
