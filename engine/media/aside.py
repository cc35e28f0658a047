"""Run something that cannot be interrupted beside a job, so that the job can be stopped at any time."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from engine.job import Job

R = TypeVar("R")

_LOOK_S = 0.04
"""How often the job looks; the protocol asks for an event every 50 ms."""
_CLOSE_S = 1.5
"""How long closing waits for the thread; it may be inside a library call that no one can break off."""


class Line(Generic[R]):
    """What the thread and the job say to each other.

    Attributes:
        stopped: set when the job was closed; the work looks at it wherever it can.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._newest: deque[Any] = deque(maxlen=1)
        self._all: deque[Any] = deque()
        self._over = threading.Event()
        self._result: R | None = None
        self._error: BaseException | None = None

    def show(self, event: Any) -> None:
        """Hand a `Progress` to the job; an older one that nobody has seen yet is forgotten."""
        self._newest.append(event)

    def say(self, event: Any) -> None:
        """Hand a `Notice` to the job; none is lost."""
        self._all.append(event)

    def _run(self, work: Callable[["Line[R]"], R]) -> None:
        try:
            self._result = work(self)
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()


def aside(work: Callable[[Line[R]], R], idle: Any, name: str) -> Job[R]:
    """Run `work(line)` on a thread of its own and yield what it says; while it says nothing, what it said last.

    Args:
        work: takes a `Line`; what it returns is the result.
        idle: what is yielded until it has said anything.
        name: for the thread.

    Closing the job sets `line.stopped` and waits 1.5 s at most; a thread that is then still inside a library's call
    is left to end by itself, and its result is dropped.

    Raises:
        Exception: whatever `work` raises.
    """
    line: Line[R] = Line()
    thread = threading.Thread(target=line._run, args=(work,), name=f"sightline-{name}", daemon=True)
    thread.start()
    try:
        while not line._over.wait(_LOOK_S):
            while line._all:
                yield line._all.popleft()
            idle = line._newest.popleft() if line._newest else idle
            yield idle
        while line._all or line._newest:
            yield (line._all or line._newest).popleft()
    finally:
        line.stopped.set()
        thread.join(_CLOSE_S)
    if line._error is not None:
        raise line._error
    return line._result  # type: ignore[return-value]
