"""Settings as data: one dataclass, from which the form, the command line and the saved file are made."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KnobInfo:
    """How one field of a settings dataclass is shown and checked.

    Attributes:
        label: the words beside the control, sentence case.
        group: the heading it stands under.
        help: one sentence for the tool tip.
        low, high, step: the range of a number; None for anything else.
        unit: shown behind the number.
        choices: the allowed values, in the order shown; empty for a free value.
        words: what to show for each of `choices`, where the value itself is no good word.
        log: equal ratios are equally far apart on the slider (a learning rate); 0 is its left end where it is allowed,
            beside `step`, the least number above it. Whatever is typed is taken, and checked where it is used.
    """

    label: str
    group: str = ""
    help: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()
    log: bool = False


def knob(default: Any, label: str, **info: Any) -> Any:
    """A dataclass field with a default and a `KnobInfo` (its keyword arguments) in `metadata["knob"]`."""
    return field(default=default, metadata={"knob": KnobInfo(label, **info)})


class Cell(Generic[T]):
    """A place for one frozen settings value that is replaced whole while a job reads it once an iteration.

    No lock: an attribute assignment is atomic.
    """

    def __init__(self, value: T) -> None:
        self.value = value
