"""Long calls of a library as jobs: in pieces where it can be asked piece by piece, else in step on a thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from engine.device import out_of_memory
from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.saliency.classifier import BATCH, Shrinking

R = TypeVar("R")

Tell = Callable[[Any], None]
"""Hands an event to whoever drives the job, and returns when it is driven on."""

_SHOWN_S = 0.1
"""A map that sharpens is shown this often."""


class _Stopped(BaseException):
    """Ends a library's call from within; no Exception, so that no library catches it."""


def ticking(work: Callable[[Tell], R]) -> Job[R]:
    """A call that blocks, but calls back now and then, as a job.

    The call has a thread of its own, which runs only while the job is driven and waits in `tell` otherwise: never two
    of them at once, so what both use needs no lock.

    Args:
        work: the call; it hands on its events with the `Tell` that it is given. A `tell` does not return when the job
            is closed.

    Yields:
        What `work` tells.

    Raises:
        Exception: what `work` raises.
    """
    go, come = threading.Semaphore(0), threading.Semaphore(0)
    told: deque[Any] = deque()
    results: list[R] = []
    failures: list[BaseException] = []
    stopped = threading.Event()

    def tell(event: Any) -> None:
        told.append(event)
        come.release()
        go.acquire()
        if stopped.is_set():
            raise _Stopped

    def run() -> None:
        go.acquire()
        try:
            if not stopped.is_set():
                results.append(work(tell))
        except _Stopped:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            come.release()

    thread = threading.Thread(target=run, name="sightline saliency", daemon=True)
    thread.start()
    try:
        while True:
            go.release()
            come.acquire()
            if told:
                yield told.popleft()
            elif failures:
                raise failures.pop()
            else:
                return results.pop()
    finally:
        stopped.set()
        go.release()
        thread.join()


class Pace:
    """How far a job is, and whether it is time to show a map again.

    Args:
        what: as in `Progress`.
        total: of it, in `unit`s.
        unit: likewise.
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._begun = time.perf_counter()
        self._shown = 0.0

    def progress(self, done: int) -> Progress:
        """The event for so much done."""
        done = min(done, self._total)
        left = (time.perf_counter() - self._begun) / done * (self._total - done) if done else None
        return Progress(self._what, done, self._total, self._unit, left)

    def due(self) -> bool:
        """Whether a map is to be shown now; if so, the next is not for a while."""
        now = time.perf_counter()
        if now - self._shown < _SHOWN_S:
            return False
        self._shown = now
        return True


def averaged(
    pace: Pace, count: int, piece: Callable[[range], Any], see: Callable[[Any, int], Any] | None = None
) -> Job[Any]:
    """The mean over many samples, a batch at a time.

    Args:
        pace: of the progress, in samples.
        count: how many samples.
        piece: the sum over the samples of these numbers.
        see: makes what is yielded, of the mean so far and the number of samples in it.

    Raises:
        SightlineError: not even one sample fits into memory.
    """
    shrinking = Shrinking()
    total: Any = 0.0
    at = 0
    while at < count:
        size = shrinking.size
        chosen = range(at, min(count, at + size))
        for part in shrinking.run(piece, chosen):
            total = total + part
        if shrinking.size < size:
            yield running_short(shrinking.size)
        at = chosen.stop
        yield pace.progress(at)
        if see is not None and at < count and pace.due():
            yield see(total / at, at)
    return total / count


def halving(tell: Tell, run: Callable[[int], R], least: int = 1) -> R:
    """A call that is told how many pictures to take at once, begun again with half as many when memory runs short.

    Args:
        tell: hears of it.
        run: the call.
        least: pictures that it needs.

    Raises:
        SightlineError: not even that many fit.
    """
    size = BATCH
    while True:
        try:
            return run(size)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if size <= least:
                raise SightlineError(
                    "There is not enough memory for one picture: close other programs or choose a smaller network."
                ) from None
        size = max(least, size // 2)
        tell(running_short(size))


def running_short(size: int) -> Notice:
    """What a person is told when a batch had to shrink."""
    return Notice(f"Memory runs short: going on with {size} picture{'s' if size > 1 else ''} at a time.")


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Chance that libraries draw from torch's and numpy's common sources, made repeatable; afterwards as if not used.

    Args:
        seed: 0 or more.
        device: whose source it is.
    """
    import numpy as np
    import torch

    state = np.random.get_state()
    index = torch.device(device).index or 0
    try:
        with torch.random.fork_rng([index] if device.startswith("cuda") else []):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        np.random.set_state(state)
