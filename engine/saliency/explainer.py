"""Owns the network on one thread and answers what a page asks: look at this, explain it so, watch that.

Hooks sit on the network while a method runs, so two threads may not share it. One job holds it; questions are put
beside it from any thread, and of several questions of one kind that wait only the newest is answered. Whatever is
under way gives way to a new question at its next yield.

A page imports this before its first paint: what is heavy is imported where it is used.
"""

import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.questions import (
    Aside,
    Bench,
    Ended,
    Explain,
    Explained,
    Failed,
    Look,
    Opened,
    Question,
    Seen,
    SeenFrame,
    Told,
    Use,
    Watch,
)
from engine.saliency.types import Explanation, Image, Target
from engine.weights.preprocessing import Preprocessing

if TYPE_CHECKING:
    from engine.saliency.classifier import Classifier

_LOOK_S = 0.04
LINGER_S = 20.0
"""How long it waits for the next question before its thread ends; the network stays."""
_KEPT = 48
"""Explanations of one picture that are kept: more than a person compares."""


class Explainer:
    """The questions, and the job that answers them.

    Attributes:
        playing: whether what is watched goes on.
        wanted: of a watched source: the target and the layer, replaced whole from any thread.
    """

    def __init__(self, linger_s: float = LINGER_S) -> None:
        self.playing = True
        self.wanted: tuple[Target | None, str] = None, ""
        self._linger_s = linger_s
        self._wake = threading.Event()
        self._asked: dict[type, deque[Any]] = {kind: deque(maxlen=1) for kind in (Use, Look, Watch, Explain)}
        self._asides: deque[Aside] = deque()
        self._bench: Bench | None = None
        self._classifier: Classifier | None = None
        self._look: tuple[Look, Image] | None = None
        self._cells = Explain(())
        self._kept: dict[Any, Explanation] = {}
        self._explaining: Generator[Any, None, Any] | None = None
        self._watching: Generator[Any, None, Any] | None = None
        self._watched = Watch()
        self._going: dict[str, Generator[Any, None, Any]] = {}

    # -- from any thread

    def ask(self, question: Question) -> None:
        """Put a question; one of the same kind that still waits is forgotten."""
        if isinstance(question, Aside):
            self._asides.append(question)
        else:
            self._asked[type(question)].append(question)
        self._wake.set()

    def forget(self) -> None:
        """Let go of the questions that wait."""
        for waiting in (*self._asked.values(), self._asides):
            waiting.clear()

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How the network's pictures are made; None without a network."""
        return self._classifier.preprocessing if self._classifier is not None else None

    @property
    def waiting(self) -> bool:
        """Whether a question waits."""
        return any(self._asked.values()) or bool(self._asides)

    # -- the job

    def run(self) -> Job[None]:
        """Answer until it is closed, or until nothing has been asked for a while.

        Yields:
            Opened, Seen, Explained, Ended, SeenFrame, Told, Failed, Progress, Notice; None while it waits.
        """
        quiet = time.monotonic()
        try:
            while True:
                self._wake.clear()
                question = self._next()
                if question is not None:
                    yield from self._answer(question)
                elif self._explaining is not None:
                    yield from self._step(self._explaining)
                elif self._watching is not None:
                    yield from self._go_on_watching()
                elif self._going:
                    yield from self._go_on_aside()
                elif time.monotonic() - quiet > self._linger_s:
                    return
                else:
                    self._wake.wait(_LOOK_S)
                    yield None
                    continue
                quiet = time.monotonic()
        finally:
            self._end_watching()
            self._end_asides()
            self._end_explaining()

    def _next(self) -> Question | None:
        for waiting in self._asked.values():
            if waiting:
                question: Question = waiting.popleft()
                return question
        return self._asides.popleft() if self._asides else None

    def _answer(self, question: Question) -> Job[None]:
        try:
            if isinstance(question, Use):
                yield from self._use(question)
            elif isinstance(question, Look):
                yield from self._see(question)
            elif isinstance(question, Watch):
                self._begin_watching(question)
                yield None
            elif isinstance(question, Explain):
                self._cells = question
                self._begin()
            else:
                self._begin_aside(question)
                if question.make is None:
                    # whoever stopped it hears so after the last that it said
                    yield Ended("")
        except SightlineError as error:
            yield Failed(question, error)

    # -- the network and the picture

    def _use(self, question: Use) -> Job[None]:
        self._end_explaining()
        self._end_asides()
        with closing(question.open()) as job:
            self._classifier = yield from job
        assert self._classifier is not None
        self._kept.clear()
        yield Opened(self._classifier)
        if self._watching is not None:
            self._begin_watching(self._watched)
        elif self._look is not None:
            asked, image = self._look
            yield from self._see(replace(asked, image=image))

    def _see(self, question: Look) -> Job[None]:
        self._end_watching()
        self._end_asides()
        self._end_explaining()
        image = question.image
        if image is None:
            from engine.media.pictures import read_picture

            image = read_picture(Path(question.name))
        self._look, self._bench = (question, image), None
        self._kept.clear()
        if self._classifier is None:
            yield Seen(question, image, None)
            return
        try:
            prediction = self._classifier.predict(image)
        except SightlineError:
            # the picture is there, whatever the network says
            yield Seen(question, image, None)
            raise
        self._bench = Bench(self._classifier, image, question.name, prediction, self._cells.knobs)
        yield Seen(question, image, prediction)
        self._begin()

    # -- maps

    def _begin(self) -> None:
        self._end_explaining()
        if self._bench is not None:
            self._bench = replace(self._bench, knobs=self._cells.knobs)
            self._explaining = self._all(self._bench, self._cells)

    def _all(self, bench: Bench, wanted: Explain) -> Job[None]:
        from engine.saliency.explain import explain

        for place, cell in enumerate(wanted.cells):
            target = cell.target or Target(bench.prediction.top(1)[0])
            key = cell.method, target, self._read(cell.method, wanted.knobs)
            if key in self._kept:
                self._put(self._kept[key])
                yield Explained(bench.name, place, cell, self._kept[key])
                continue
            try:
                with closing(
                    explain(
                        bench.image, bench.classifier, cell.method, target, wanted.knobs, prediction=bench.prediction
                    )
                ) as job:
                    while True:
                        try:
                            event = next(job)
                        except StopIteration as end:
                            found: Explanation = end.value
                            break
                        yield Explained(bench.name, place, cell, event) if isinstance(event, Explanation) else event
            except SightlineError as error:
                yield Failed(wanted, error, place)
                continue
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = found
            self._put(found)
            yield Explained(bench.name, place, cell, found)
        yield Ended(bench.name)

    def _read(self, method: str, knobs: ExplainKnobs) -> Any:
        """What of the knobs the method reads: a map is made anew only when that changes."""
        from engine.saliency.methods import METHODS

        names = METHODS[method].knobs if method in METHODS else ()
        return tuple(getattr(knobs, name) for name in names)

    def _put(self, found: Explanation) -> None:
        assert self._bench is not None
        others = [one for one in self._bench.maps if (one.method, one.target) != (found.method, found.target)]
        self._bench = replace(self._bench, maps=(*others, found))

    def _step(self, job: Generator[Any, None, Any]) -> Job[None]:
        try:
            yield next(job)
        except StopIteration:
            self._explaining = None
        except SightlineError as error:
            self._explaining = None
            yield Failed(self._cells, error)

    def _end_explaining(self) -> None:
        if self._explaining is not None:
            self._explaining.close()
            self._explaining = None

    # -- a camera or a video

    def _begin_watching(self, question: Watch) -> None:
        self._end_watching()
        if question.source and self._classifier is not None:
            self._end_explaining()
            self._end_asides()
            self._watched, self._watching = question, self._watch(self._classifier, question.source)

    def _watch(self, classifier: "Classifier", text: str) -> Job[None]:
        from engine.media.frame import Frame
        from engine.media.source import opening
        from engine.saliency.cams import Live

        live = Live(classifier, self.wanted[1])
        with (yield from opening(text)) as source:
            frames: Any = source.frames(0)
            with closing(frames):
                for seen in frames:
                    if not isinstance(seen, Frame):
                        yield seen
                        continue
                    target, layer = self.wanted
                    if layer and layer != live.layer.name:
                        live = Live(classifier, layer)
                    prediction, shown, values = live.look(seen.image, target)
                    yield SeenFrame(seen, source.info.name, prediction, shown, values)

    def _go_on_watching(self) -> Job[None]:
        assert self._watching is not None
        try:
            event = next(self._watching)
        except StopIteration:
            self._end_watching()
        except SightlineError as error:
            asked = self._watched
            self._end_watching()
            yield Failed(asked, error)
        else:
            yield event
            while isinstance(event, SeenFrame) and not self.playing and not self.waiting:
                self._wake.wait(_LOOK_S)
                yield None

    def _end_watching(self) -> None:
        if self._watching is not None:
            self._watching.close()
        self._watching, self._watched = None, Watch()

    # -- what takes longer

    def _begin_aside(self, question: Aside) -> None:
        going = self._going.pop(question.kind, None)
        if going is not None:
            going.close()
        if question.make is None:
            return
        if self._bench is None:
            raise SightlineError("There is no picture and no network yet: open both first.")
        self._going[question.kind] = question.make(self._bench)

    def _go_on_aside(self) -> Job[None]:
        kind, job = next(iter(self._going.items()))
        try:
            event = next(job)
        except StopIteration as end:
            del self._going[kind]
            yield Told(kind, end.value, done=True)
        except SightlineError as error:
            del self._going[kind]
            yield Failed(Aside(kind), error)
        else:
            yield event if event is None or isinstance(event, Progress | Notice) else Told(kind, event)

    def _end_asides(self) -> None:
        for job in self._going.values():
            job.close()
        self._going.clear()
