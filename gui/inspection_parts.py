"""What the parts of the page Inspect hand each other."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from engine.inspection.inspector import Looked, Near
from engine.inspection.types import Image, Map, NearPatch
from engine.knobs import Cell, knob
from gui.picture import Rendered, View, render

COLOURS = ("inferno", "turbo", "jet", "magma", "viridis", "grey")
"""`engine.inspection.draw.COLOUR_MAPS`, which cannot be imported before the first paint."""
SMALL = 640
"""Longest side of the map that is coloured on the screen, in pixels."""
WORST, IN_ORDER, WRONG = "worst", "order", "wrong"
"""How the list of pictures is put together: by score, as they lie in their folders, only those called wrongly."""
PATCH = 56
"""Size of a patch's picture in the strip."""


@dataclass(frozen=True, slots=True)
class InspectShow:
    """What is drawn over the picture, and how.

    Attributes:
        heat, contour, mask: over the picture, each on or off; the contour and the mask are at the threshold.
        truth: the outline of the mask that comes with the data, where there is one.
        side: the plain picture beside it.
        colours: the heat map's colours.
        opacity: of the heat map, 0..1.
    """

    heat: bool = knob(True, "heat map", group="Show")
    contour: bool = knob(True, "contour", group="Show")
    mask: bool = knob(False, "mask", group="Show")
    truth: bool = knob(True, "truth", group="Show")
    side: bool = knob(True, "side by side", group="Show")
    colours: str = knob("inferno", "Colours", group="Show", choices=COLOURS, help="Colours of the heat map.")
    opacity: float = knob(
        0.6, "Opacity", group="Show", low=0.0, high=1.0, step=0.01, unit="%", help="How much of the heat map is seen."
    )


@dataclass(frozen=True, slots=True)
class InspectChoices:
    """What was chosen on this page, beside the knobs.

    Attributes:
        order: how the list of pictures is put together.
        folder: the data set that was open last.
    """

    order: str = WORST
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that was looked at, as the views want it.

    Attributes:
        looked: the picture and its verdict.
        rendered: for the view with the overlays, and for the plain one beside it.
        small: the verdict's map, at most `SMALL` pixels a side; None without a verdict.
        live: whether it is a frame of a camera or a video.
    """

    looked: Looked
    rendered: tuple[Rendered, Rendered]
    small: Map | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """A near patch with what is shown of it in the strip: (h, w, 4) uint8 BGRA, the patch outlined."""

    near: NearPatch
    pixels: Image


@dataclass(frozen=True, slots=True)
class Patches:
    """The nearest good patches of a spot."""

    asked: Near
    patches: tuple[Patch, ...]


Views = Cell[tuple[View, View]]
"""The view with the overlays and the plain one, as they are now."""


def cut_patch(patch: NearPatch, size: int) -> Image:
    """A square piece of a good picture around a patch, which is outlined: (size, size, 4) uint8 BGRA."""
    import cv2

    left, top, width, height = patch.box
    image = patch.picture
    side = max(8, 3 * max(width, height))
    x, y = left + width // 2 - side // 2, top + height // 2 - side // 2
    have_h, have_w = image.shape[:2]
    side = min(side, have_h, have_w)
    x, y = min(max(0, x), have_w - side), min(max(0, y), have_h - side)
    scale = size / side
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    piece = cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=how)
    piece = cv2.cvtColor(piece, cv2.COLOR_BGR2BGRA)
    start = round((left - x) * scale), round((top - y) * scale)
    end = round((left + width - x) * scale) - 1, round((top + height - y) * scale) - 1
    cv2.rectangle(piece, start, end, (254, 159, 76, 255), max(1, size // 56))
    return piece


def shown(job: Generator[Any, None, Any], views: Views) -> Generator[Any, None, Any]:
    """On the worker's thread: render what was looked at for both views, cut the patches out."""
    from engine.inspection.examine import SeenFrame
    from engine.inspection.inspector import Look

    try:
        for event in job:
            if isinstance(event, SeenFrame):
                frame = event.frame
                event = Looked(Look(event.verdict.name, frame.image), frame.image, event.verdict)
                yield _shown(event, views, live=True)
            elif isinstance(event, Looked):
                yield _shown(event, views)
            elif isinstance(event, Near):
                size = round(PATCH * views.value[0].ratio)
                yield Patches(event, tuple(Patch(near, cut_patch(near, size)) for near in event.patches))
            else:
                yield event
    finally:
        job.close()


def _shown(looked: Looked, views: Views, *, live: bool = False) -> Shown:
    over, plain = views.value
    small = None if looked.verdict is None else shrunk(looked.verdict.map)
    return Shown(looked, (render(looked.image, over), render(looked.image, plain)), small, live)


def shrunk(map: Map) -> Map:
    """A map with at most `SMALL` pixels a side."""
    import cv2

    height, width = map.shape
    scale = SMALL / max(height, width)
    if scale >= 1:
        return map
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(map, size, interpolation=cv2.INTER_AREA)
