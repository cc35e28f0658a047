"""The only file with a thread: runs any engine job (a generator) and brings its events to the GUI thread.

The `Job` stays in the GUI thread; a small `QThread` runs the generator, made *and* closed on that thread. Events cross
through bounded deques that a timer drains, so that a fast job can never flood a slow slot.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot
from shiboken6 import isValid

from engine.job import Notice, Progress

Make = Callable[[], Generator[Any, None, Any]]

_running: set["Job"] = set()
"""Jobs are held here until they end: a dropped reference would destroy a running thread."""


class _Runner(QThread):
    """Runs one generator from its making to its closing."""

    def __init__(self, make: Make, keep: int, newest: tuple[type, ...]) -> None:
        super().__init__()
        self._make = make
        self._newest_of = newest
        self.newest: deque[Any] = deque(maxlen=1)
        self.events: deque[Any] = deque(maxlen=keep)
        self.progress: deque[Progress] = deque(maxlen=1)
        self.notices: deque[Notice] = deque(maxlen=100)
        self.stop = threading.Event()
        self.error: Exception | None = None
        self.result: Any = None
        self.ended = False
        self.closing_s = 0.0

    def run(self) -> None:
        job = None
        try:
            job = self._make()
            while not self.stop.is_set():
                try:
                    event = next(job)
                except StopIteration as end:
                    self.result, self.ended = end.value, True
                    break
                self._keep(event)
        except Exception as error:
            self.error = error
        finally:
            began = time.perf_counter()
            try:
                if job is not None:
                    job.close()
            except Exception as error:
                self.error = self.error or error
            self.closing_s = time.perf_counter() - began
            # the generator's frames may hold pictures: let them go with the thread
            del job
            self._make = None

    def _keep(self, event: Any) -> None:
        if isinstance(event, Progress):
            self.progress.append(event)
        elif isinstance(event, Notice):
            self.notices.append(event)
        elif isinstance(event, self._newest_of):
            self.newest.append(event)
        elif event is not None:
            self.events.append(event)


class Job(QObject):
    """One run of an engine job.

    Args:
        make: builds the generator, on the worker's thread.
        name: what is being done, for the job bar and for the list of those that hang.
        keep: how many events may wait; 1 means that the newest wins.
        newest: kinds of events of which only the newest is worth showing (pictures); they wait apart from the others,
            so that a flood of them pushes nothing else out. None is never passed on: a job yields it to be stoppable.
        hz: how often the GUI looks.

    Signals:
        latest(object): the newest event since the last look.
        batch(list): all kept events since the last look, in order.
        progress(Progress): the newest progress.
        notice(Notice): each notice.
        returned(object): the result; not after an error or a cancel.
        failed(Exception): the error, with its traceback; not after a cancel.
        finished(): exactly once, last, always.
    """

    latest = Signal(object)
    batch = Signal(list)
    progress = Signal(object)
    notice = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    finished = Signal()

    def __init__(self, make: Make, name: str, *, keep: int = 1, newest: tuple[type, ...] = (), hz: int = 60) -> None:
        super().__init__()
        self.name = name
        self.cancelled = False
        self._over = False
        self._runner = _Runner(make, keep, newest)
        self._runner.setObjectName(f"sightline {name}")
        self._runner.finished.connect(self._end)
        self._timer = QTimer(self)
        self._timer.setInterval(round(1000 / hz))
        self._timer.timeout.connect(self._look)

    def start(self) -> "Job":
        """Begin; returns itself."""
        _running.add(self)
        self._timer.start()
        self._runner.start()
        return self

    @property
    def running(self) -> bool:
        """True from `start` until `finished` has been emitted."""
        return self in _running

    def cancel(self) -> None:
        """Ask it to stop at its next yield; `finished` follows, `failed` and `returned` do not."""
        self.cancelled = True
        self._runner.stop.set()

    def wait(self, ms: int) -> bool:
        """Block until the thread has ended; False if it has not within `ms` milliseconds."""
        return bool(self._runner.wait(ms))

    @Slot()
    def _look(self) -> None:
        # only as many as were there when it looked: "until empty" would never end under a fast job
        runner = self._runner
        for _ in range(len(runner.notices)):
            self.notice.emit(runner.notices.popleft())
        if runner.progress and not self.cancelled:
            self.progress.emit(runner.progress.popleft())
        events = [runner.events.popleft() for _ in range(len(runner.events))]
        if runner.newest:
            events.append(runner.newest.popleft())
        if events and not self.cancelled:
            self.latest.emit(events[-1])
            self.batch.emit(events)

    @Slot()
    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._timer.stop()
        try:
            self._look()
            runner = self._runner
            if runner.error is not None and not self.cancelled:
                self.failed.emit(runner.error)
            elif runner.ended and not self.cancelled:
                self.returned.emit(runner.result)
            runner.error = runner.result = None
        finally:
            _running.discard(self)
            self.finished.emit()


class JobSlot(QObject):
    """A place for one job at a time: a new one cancels the old one and starts when that has finished.

    Of several that are asked for meanwhile only the newest starts, and an event of an old run is never passed on.

    Signals: those of `Job`, of the newest run alone; `changed(bool)` when it begins or stops being busy.
    """

    latest = Signal(object)
    batch = Signal(list)
    progress = Signal(object)
    notice = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    finished = Signal()
    changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.job: Job | None = None
        self._waiting: Job | None = None
        self._number = 0

    @property
    def busy(self) -> bool:
        """True while a job runs or waits to run."""
        return self.job is not None or self._waiting is not None

    def start(self, make: Make, name: str, *, keep: int = 1, newest: tuple[type, ...] = (), hz: int = 60) -> Job:
        """Run this job, after the present one has been cancelled and has ended."""
        self._number += 1
        number = self._number
        job = Job(make, name, keep=keep, newest=newest, hz=hz)
        for signal in ("latest", "batch", "progress", "notice", "returned", "failed"):
            getattr(job, signal).connect(self._passer(signal, number))
        job.finished.connect(lambda: self._ended(job, number))
        if self.job is None:
            self._begin(job)
        else:
            self._waiting = job
            self.job.cancel()
        return job

    def cancel(self) -> None:
        """Stop the present job and forget the one that waits."""
        self._waiting = None
        if self.job is not None:
            self.job.cancel()

    def _begin(self, job: Job) -> None:
        self.job = job
        job.start()
        self.changed.emit(True)

    def _passer(self, signal: str, number: int) -> Callable[[Any], None]:
        def pass_on(value: Any) -> None:
            if number == self._number and isValid(self):
                getattr(self, signal).emit(value)

        return pass_on

    def _ended(self, job: Job, number: int) -> None:
        if not isValid(self):
            # the page has gone while its job was ending
            return
        if self.job is job:
            self.job = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._begin(waiting)
        elif self.job is None:
            self.changed.emit(False)
        if number == self._number:
            self.finished.emit()


def running() -> list[Job]:
    """The jobs that have not finished yet."""
    return list(_running)


def shutdown(ms: int) -> list[str]:
    """Cancel every job, wait `ms` milliseconds in all, and return the names of those that did not end."""
    jobs = list(_running)
    for job in jobs:
        job.cancel()
    until = time.monotonic() + ms / 1000
    return [job.name for job in jobs if not job.wait(max(1, round((until - time.monotonic()) * 1000)))]
