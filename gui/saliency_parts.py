"""What the page Explain remembers, and what its worker makes ready to be painted."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from engine.knobs import Cell as Place
from engine.knobs import knob
from engine.saliency.blend import Show, heat
from engine.saliency.explainer import Explainer
from engine.saliency.questions import Explained, SeenFrame
from gui.picture import Rendered, View, render
from gui.saliency_cells import Layered

MOST = 4
"""Maps side by side."""


@dataclass(frozen=True, slots=True)
class SaliencyChoices:
    """What is remembered of the page.

    Attributes:
        network: a name, or the folder of a trained one.
        weights: the file that was given for it.
        methods: keys of those that are shown.
        linked: whether the pictures zoom together.
        folder: where something was opened last.
    """

    network: str = knob("mobilenet_v2", "Network")
    weights: str = knob("", "Weights")
    methods: tuple[str, ...] = knob(("grad_cam", "integrated_gradients"), "Methods")
    linked: bool = knob(True, "Linked zoom")
    folder: str = knob("", "Folder")


@dataclass(frozen=True, slots=True)
class ShownMap:
    """A map made ready to be painted."""

    event: Explained
    layered: Layered


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame of what is watched, made ready to be painted: the picture for each view, and its map."""

    event: SeenFrame
    rendered: tuple[Rendered, ...]
    layered: Layered


def shown(explainer: Explainer, views: "Place[tuple[View, ...]]", show: "Place[Show]") -> Generator[Any, None, None]:
    """The explainer's job, with what is to be painted made on its thread."""
    from engine.saliency.methods import METHODS

    with closing(explainer.run()) as job:
        for event in job:
            if isinstance(event, Explained):
                found = event.explanation
                fine = METHODS[found.method].fine
                yield ShownMap(event, layered(found.values, fine, found.preprocessing, show.value))
            elif isinstance(event, SeenFrame):
                rendered = tuple(render(event.frame.image, view) for view in views.value)
                assert explainer.preprocessing is not None
                yield ShownFrame(event, rendered, layered(event.values, False, explainer.preprocessing, show.value))
            else:
                yield event


def layered(values: Any, fine: bool, preprocessing: Any, show: Show) -> Layered:
    """A map in its colours, opaque: the opacity is the painter's, so that its slider costs nothing."""
    pixels, smoothed = heat(values, show, fine=fine)
    return Layered(pixels, smoothed, preprocessing)
