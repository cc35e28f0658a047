"""How tracks look: one description, painted by the window over the clean picture and by OpenCV into exported video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.knobs import knob
from engine.palette import bgr, series
from engine.tracking.types import Floats, TrackedFrame

# COCO's 17 keypoints, as Ultralytics orders them
_LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10),
    (0, 1), (0, 2), (1, 3), (2, 4),
)  # fmt: skip
_LEAST_VISIBLE = 0.5


@dataclass(frozen=True, slots=True)
class Layers:
    """What is drawn over the picture."""

    boxes: bool = knob(True, "boxes", group="Show")
    numbers: bool = knob(True, "numbers", group="Show")
    trails: bool = knob(True, "trails", group="Show")
    masks: bool = knob(True, "masks", group="Show")
    points: bool = knob(True, "points", group="Show")


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline in picture pixels.

    Attributes:
        points: (k, 2) float32.
        colour: "#rrggbb".
        width: in pixels of the screen, not of the picture.
        closed: True for a box or an outline.
        fill: 0..1, how opaque its inside is.
    """

    points: Floats
    colour: str
    width: float = 2.0
    closed: bool = False
    fill: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """A tag that stands on a point: dark text on the track's colour."""

    x: float
    y: float
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Dots:
    """Keypoints: (k, 2) float32 in picture pixels."""

    points: Floats
    colour: str
    radius: float = 3.0


Mark = Line | Label | Dots


def marks(seen: TrackedFrame, names: dict[int, str], layers: Layers, chosen: int | None = None) -> list[Mark]:
    """What is to be drawn over a frame, back to front.

    Args:
        seen: the frame and its tracks.
        names: class number -> class name.
        layers: what is switched on.
        chosen: the id that stands out, if any.
    """
    made: list[Mark] = []
    tracks = seen.tracks
    now = {int(i) for i in tracks.ids}
    if layers.trails:
        made += [Line(trail, series(i), 1.6) for i, trail in seen.trails.items() if i in now and len(trail) > 1]
    for row in range(len(tracks)):
        number = int(tracks.ids[row])
        colour = series(number)
        if layers.masks and tracks.masks is not None and len(tracks.masks[row]) > 2:
            made.append(Line(tracks.masks[row], colour, 1.0, closed=True, fill=0.35))
        if layers.points and tracks.keypoints is not None:
            made += _skeleton(tracks.keypoints[row], colour)
        left, top, right, bottom = (float(v) for v in tracks.boxes[row])
        if layers.boxes:
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
            made.append(Line(corners, colour, 3.0 if number == chosen else 2.0, closed=True))
        if layers.numbers:
            name = names.get(int(tracks.classes[row]), str(int(tracks.classes[row])))
            made.append(Label(left, top, f"{number} {name}", colour))
    return made


def _skeleton(points: NDArray[np.float32], colour: str) -> list[Mark]:
    seen = points[:, 2] >= _LEAST_VISIBLE
    made: list[Mark] = []
    if len(points) == 17:
        made += [Line(points[[a, b], :2], colour, 2.0) for a, b in _LIMBS if seen[a] and seen[b]]
    return [*made, Dots(points[seen, :2], colour)]


def paint(image: NDArray[np.uint8], what: Sequence[Mark]) -> NDArray[np.uint8]:
    """A copy of a picture with the marks drawn on it.

    Args:
        image: (H, W, 3) uint8 BGR; not written.
        what: from `marks`.
    """
    import cv2

    drawn = image.copy()
    # marks are sized for a picture of about 900 pixels on a screen
    unit = max(1.0, max(image.shape[:2]) / 900)
    for mark in what:
        if isinstance(mark, Line):
            _paint_line(drawn, mark, unit)
        elif isinstance(mark, Dots):
            for x, y in mark.points:
                cv2.circle(
                    drawn, (round(float(x)), round(float(y))), round(mark.radius * unit), bgr(mark.colour), -1, 16
                )
        else:
            _paint_label(drawn, mark, unit)
    return drawn


def _paint_line(drawn: NDArray[np.uint8], mark: Line, unit: float) -> None:
    import cv2

    points = np.round(mark.points).astype(np.int32)
    if mark.fill:
        left, top = np.maximum(points.min(0), 0)
        right, bottom = points.max(0) + 1
        part = drawn[top:bottom, left:right]
        if part.size:
            over = part.copy()
            cv2.fillPoly(over, [points - (left, top)], bgr(mark.colour))
            cv2.addWeighted(over, mark.fill, part, 1 - mark.fill, 0, dst=part)
    is_box = mark.closed and len(points) == 4 and not mark.fill
    # a box has no slanted line that anti-aliasing would help
    cv2.polylines(drawn, [points], mark.closed, bgr(mark.colour), max(1, round(mark.width * unit)), 8 if is_box else 16)


def _paint_label(drawn: NDArray[np.uint8], mark: Label, unit: float) -> None:
    import cv2

    size = 0.42 * unit
    (width, height), base = cv2.getTextSize(mark.text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    pad = round(3 * unit)
    left = max(0, min(round(mark.x), drawn.shape[1] - width - 2 * pad))
    bottom = max(round(mark.y), height + base + pad)
    cv2.rectangle(drawn, (left, bottom - height - base - pad), (left + width + 2 * pad, bottom), bgr(mark.colour), -1)
    where = (left + pad, bottom - base)
    cv2.putText(drawn, mark.text, where, cv2.FONT_HERSHEY_SIMPLEX, size, (20, 18, 16), max(1, round(unit)), 16)
