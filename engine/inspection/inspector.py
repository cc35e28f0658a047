"""Owns the fitted model on one thread and answers what a page asks: look at this, why there, go through all of these.

A fitted model is not for two threads at once. So one job holds it, questions are put beside it from any thread, and of
several questions of one kind that wait only the newest is answered. A long row of pictures gives way to a question.

A page imports this before its first paint: what is heavy is imported where it is used.
"""

import threading
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import SightlineError
from engine.inspection.alike import Lend
from engine.inspection.types import Image, Item, NearPatch, Verdict
from engine.job import Job, Progress

if TYPE_CHECKING:
    from engine.inspection.model import FittedModel, ModelCard

_LOOK_S = 0.04
"""How often an idle inspector looks whether it is to stop."""
LINGER_S = 20.0
"""How long it waits for the next question before its thread ends; the model stays."""


@dataclass(frozen=True, slots=True)
class Use:
    """Question: inspect with this model from now on.

    Attributes:
        model: a fitted one, or the folder of one; None lets go of the present one.
        device: where a folder's networks run.
    """

    model: "FittedModel | Path | None"
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Look:
    """Question: what is to be said of this picture?

    Attributes:
        name: its path, or what else it came from.
        image: (H, W, 3) uint8 BGR where it is no file.
    """

    name: str
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Question: which good patches are nearest to this spot?

    Attributes:
        image: (H, W, 3) uint8 BGR, never written again.
        x, y: pixels of it.
        top: how many.
    """

    image: Image
    x: int
    y: int
    top: int = 10


@dataclass(frozen=True, slots=True)
class Many:
    """Question: go through all of these while nothing else is asked; none stops it."""

    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """Question: look at a camera or a video, frame by frame; "" stops it."""

    source: str = ""


Question = Use | Look | Why | Lend | Many | Watch


@dataclass(frozen=True, slots=True)
class Ready:
    """Answer to `Use`: the card of the model that is used now, None without one."""

    card: "ModelCard | None"


@dataclass(frozen=True, slots=True)
class Looked:
    """Answer to `Look`: the picture, and the verdict if there is a model."""

    asked: Look
    image: Image
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Near:
    """Answer to `Why`: the nearest good patches, nearest first; none where the method keeps no patches."""

    asked: Why
    patches: tuple[NearPatch, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """One picture of `Many`: what is kept of its verdict."""

    item: Item
    score: float
    raw: float
    hottest: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Gone:
    """How far `Many` is; `over` when it ends."""

    asked: Many
    progress: Progress
    over: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that could not be answered, and the sentence why."""

    asked: Question
    error: SightlineError


class Inspector:
    """The questions, and the job that answers them.

    Attributes:
        playing: whether a watched camera or video goes on; held, its last frame can be asked about.
    """

    def __init__(self, linger_s: float = LINGER_S) -> None:
        self.playing = True
        self._linger_s = linger_s
        self._wake = threading.Event()
        # in the order in which they are answered
        self._asked: dict[type, deque[Any]] = {kind: deque(maxlen=1) for kind in (Use, Look, Why, Lend, Watch, Many)}
        # somebody waits for each of these; one that nobody waits for any more is cancelled
        self._asked[Lend] = deque()
        self._model: FittedModel | None = None
        self._many: Generator[Any, None, Any] | None = None
        self._row = Many()
        self._watched: Generator[Any, None, Any] | None = None
        self._watching = Watch()

    # -- from any thread

    def ask(self, question: Question) -> None:
        """Put a question; one of the same kind that still waits is forgotten, but for a `Lend`."""
        self._asked[type(question)].append(question)
        self._wake.set()

    @property
    def waiting(self) -> bool:
        """Whether a question waits, or a row of pictures is not through."""
        return any(self._asked.values()) or self._many is not None

    # -- the job

    def run(self) -> Job[None]:
        """Answer until it is closed, or until nothing has been asked for a while.

        Yields:
            Ready, Looked, Near, Scored, Gone, SeenFrame, Failed, Progress, Notice; None while it waits.
        """
        quiet = time.monotonic()
        try:
            while True:
                self._wake.clear()
                question = self._next()
                if question is not None:
                    yield from self._answer(question)
                elif self._watched is not None:
                    yield from self._go_on_watching()
                elif self._many is not None:
                    yield from self._go_on_with_many(self._many)
                elif time.monotonic() - quiet > self._linger_s:
                    return
                else:
                    self._wake.wait(_LOOK_S)
                    yield None
                    continue
                quiet = time.monotonic()
        finally:
            self._end_watching()
            if self._many is not None:
                self._many.close()
                self._many = None

    def _next(self) -> Question | None:
        for waiting in self._asked.values():
            if waiting:
                question: Question = waiting.popleft()
                return question
        return None

    def _answer(self, question: Question) -> Job[None]:
        try:
            if isinstance(question, Use):
                yield from self._use(question)
            elif isinstance(question, Look):
                self._end_watching()
                yield self._look(question)
            elif isinstance(question, Why):
                model = self._model
                near = model.nearest_patches(question.image, question.x, question.y, question.top) if model else ()
                yield Near(question, near)
            elif isinstance(question, Lend):
                question.give(self._model)
                yield None
            elif isinstance(question, Watch):
                self._end_watching()
                if question.source and self._model is not None:
                    from engine.inspection.examine import examine_source

                    self._watching, self._watched = question, examine_source(self._model, question.source)
            else:
                yield from self._begin_many(question)
        except SightlineError as error:
            yield Failed(question, error)

    def _use(self, question: Use) -> Job[None]:
        made = question.model
        if isinstance(made, Path):
            from engine.inspection.keeping import open_model

            made = yield from open_model(made, question.device)
        old, self._model = self._model, made
        yield from self._begin_many(Many())
        if old is not None and old is not made:
            # what is watched holds the old one
            self._end_watching()
            old.close()
        yield Ready(made.card if made is not None else None)

    def _look(self, question: Look) -> Looked:
        from engine.inspection.pictures import read_any

        image, model = question.image, self._model
        if image is None:
            # as the training pictures were read: 12 or 16 bits have more than one white
            image = model.read(Path(question.name)) if model is not None else read_any(Path(question.name))
        verdict = model.examine(image, question.name) if model is not None else None
        return Looked(question, image, verdict)

    def _begin_many(self, question: Many) -> Job[None]:
        if self._many is not None:
            self._many.close()
            self._many = None
            yield Gone(self._row, Progress(""), over=True)
        if question.items and self._model is not None:
            from engine.inspection.examine import examine_all

            self._row, self._many = question, examine_all(self._model, question.items)
        elif question.items:
            yield Gone(question, Progress(""), over=True)

    def _go_on_with_many(self, many: Generator[Any, None, Any]) -> Job[None]:
        from engine.inspection.examine import Examined

        try:
            event = next(many)
        except StopIteration:
            self._many = None
            yield Gone(self._row, Progress(""), over=True)
        except SightlineError as error:
            self._many = None
            yield Gone(self._row, Progress(""), over=True)
            yield Failed(Many(), error)
        else:
            if isinstance(event, Examined):
                verdict = event.verdict
                yield Scored(event.item, verdict.score, verdict.raw, verdict.hottest)
            elif isinstance(event, Progress):
                yield Gone(self._row, event)
            else:
                yield event

    def _go_on_watching(self) -> Job[None]:
        assert self._watched is not None
        try:
            event = next(self._watched)
        except StopIteration:
            self._end_watching()
        except SightlineError as error:
            asked = self._watching
            self._end_watching()
            yield Failed(asked, error)
        else:
            yield event
            yield from self._hold(event)

    def _hold(self, event: Any) -> Job[None]:
        from engine.inspection.examine import SeenFrame

        while isinstance(event, SeenFrame) and not self.playing and not any(self._asked.values()):
            self._wake.wait(_LOOK_S)
            yield None

    def _end_watching(self) -> None:
        if self._watched is not None:
            self._watched.close()
        self._watched, self._watching = None, Watch()
