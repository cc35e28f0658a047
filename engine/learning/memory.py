"""What is done when memory runs short: the same work in smaller batches."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from engine.device import out_of_memory
from engine.errors import SightlineError

T = TypeVar("T")


def too_large() -> SightlineError:
    """What is said when not even one picture fits."""
    return SightlineError(
        "There is too little memory for even one picture at a time: close other programs, or choose a smaller size."
    )


def halving(places: Sequence[int], batch: int, work: Callable[[Sequence[int]], T]) -> Iterator[T]:
    """Do work on one batch after the other; one for which memory is short is tried again in halves.

    Raises:
        SightlineError: not even one fits.
    """
    at = 0
    while at < len(places):
        some = places[at : at + batch]
        try:
            result = work(some)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(some) == 1:
                raise too_large() from None
            batch = len(some) // 2
            continue
        yield result
        at += len(some)
