"""What a page asks the explainer, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import SightlineError
from engine.job import Job
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.types import Explanation, Image, Map, Prediction, Target

if TYPE_CHECKING:
    from engine.media.frame import Frame
    from engine.saliency.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Use:
    """Question: explain this network from now on.

    Attributes:
        open: makes the job that returns it.
        name: what it is called meanwhile.
    """

    open: Callable[[], Job["Classifier"]]
    name: str


@dataclass(frozen=True, slots=True)
class Look:
    """Question: what does the network say of this picture?

    Attributes:
        name: its path, or what else it came from.
        image: (H, W, 3) uint8 BGR where it is no file.
    """

    name: str
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One map that is wanted.

    Attributes:
        method: its key.
        target: what is asked; None follows the likeliest class.
    """

    method: str
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Explain:
    """Question: these maps of the picture, with these choices."""

    cells: tuple[Cell, ...]
    knobs: ExplainKnobs = field(default_factory=ExplainKnobs)


@dataclass(frozen=True, slots=True)
class Watch:
    """Question: look at a camera or a video, frame by frame; "" stops it."""

    source: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """Question: something that takes longer, while nothing else is asked.

    Attributes:
        kind: of several of one kind only the newest goes on.
        make: of the bench as it is when its turn comes, the job; None only stops the present one.
    """

    kind: str
    make: Callable[["Bench"], Job[Any]] | None = None


Question = Use | Look | Explain | Watch | Aside


@dataclass(frozen=True, slots=True)
class Bench:
    """What lies on the bench: the network, the picture, what was said of it, and the maps that are finished."""

    classifier: "Classifier"
    image: Image
    name: str
    prediction: Prediction
    knobs: ExplainKnobs
    maps: tuple[Explanation, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """Answer to `Use`."""

    classifier: "Classifier"


@dataclass(frozen=True, slots=True)
class Seen:
    """Answer to `Look`: the picture and, once there is a network, what it says of it."""

    asked: Look
    image: Image
    prediction: Prediction | None


@dataclass(frozen=True, slots=True)
class Explained:
    """One map, finished or still sharpening.

    Attributes:
        name: the picture it is of.
        place: of its cell in the question.
        cell: what was wanted.
        explanation: the map.
    """

    name: str
    place: int
    cell: Cell
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame of what is watched, what the network says of it, and Grad-CAM of it."""

    frame: "Frame"
    source: str
    prediction: Prediction
    target: Target
    values: Map


@dataclass(frozen=True, slots=True)
class Told:
    """An event or (`done`) the result of an `Aside`."""

    kind: str
    event: Any
    done: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """All maps that were wanted are there (`name` is the picture), or an `Aside` was stopped ("")."""

    name: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that could not be answered, and the sentence why; `place` of the cell, -1 elsewhere."""

    asked: Question
    error: SightlineError
    place: int = -1
