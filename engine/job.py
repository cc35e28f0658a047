"""The job protocol: anything that can take longer than 50 ms is a generator.

A job yields frozen dataclasses (its own events, `Progress`, `Notice`), returns its result, raises ordinary
exceptions and opens everything in `with`. Stopping it is `close()`: Python raises `GeneratorExit` at its `yield` and
every `with` runs on the way out. It yields at least every 50 ms where the library lets it, at most about 100 times a
second, and never writes again into what it has handed out.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

R = TypeVar("R")

Job = Generator[Any, None, R]
"""What every long function returns: events out, nothing in, a result at the end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        what: what is being done, as a person would say it ("Downloading yolo11n.pt").
        done: how much is done, in `unit`s.
        total: how much there is; None where nobody knows.
        unit: "bytes", "frames", "steps" ... or "" for a plain share.
        left_s: seconds that remain; None while unknown.
        rate: `unit`s a second; None while unknown.
    """

    what: str
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    left_s: float | None = None
    rate: float | None = None

    @property
    def share(self) -> float | None:
        """How much is done as 0..1, None where the total is unknown."""
        return None if not self.total else min(1.0, max(0.0, self.done / self.total))


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth telling the person while the job goes on (a fallback, a skipped file, a reconnect)."""

    text: str


def drive(job: Job[R], see: Callable[[Any], None] = lambda _event: None) -> R:
    """Run a job to its end on this thread, hand each event to `see`, and return its result.

    Raises:
        Exception: whatever the job raises; the job is closed in every case.
    """
    with closing(job):
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                result: R = end.value
                return result
            see(event)
