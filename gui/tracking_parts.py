"""What the parts of the page Track hand each other."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from engine.knobs import Cell, knob
from engine.tracking.player import Played
from gui.picture import Rendered, View, render


@dataclass(frozen=True, slots=True)
class TrackChoices:
    """What was chosen on this page, beside the knobs."""

    model: str = knob("yolo11n", "Model", group="Detect")
    own_models: tuple[str, ...] = ()
    tracker: str = knob("deepsort", "Tracker", group="Follow")
    height: int = 720


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame with its picture as the view wants it."""

    played: Played
    rendered: Rendered


@dataclass(frozen=True, slots=True)
class Request:
    """What is open: the text, and for a page the height and the entry of a playlist."""

    text: str
    height: int = 720
    entry: int | None = None


def shown(job: Generator[Any, None, Any], view: Cell[View]) -> Generator[Any, None, Any]:
    """Resize each frame to the view on the worker's thread."""
    try:
        for event in job:
            yield Shown(event, render(event.seen.image, view.value)) if isinstance(event, Played) else event
    finally:
        job.close()
