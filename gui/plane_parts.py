"""What plots of a plane are painted with: polygons, colours of classes, the points of a path, ticks."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPolygonF

from engine.palette import SERIES
from gui import theme

Points = NDArray[np.float64]
OCTAVE = 128
"""Of a path so many points are drawn as they are, then of each stretch twice as far as the one before."""
_FARTHEST = 1e6
_SIDES = {"dark": (SERIES[1], SERIES[0]), "light": ("#d67c00", "#1f74e0")}
"""Areas and broad lines on light take a brighter orange than text would."""


def polygon(points: Points) -> QPolygonF:
    """(k, 2) floats as a polygon, in one copy."""
    from shiboken6 import VoidPtr

    made = QPolygonF()
    made.resize(len(points))
    if len(points):
        memory = np.frombuffer(VoidPtr(made.data(), len(points) * 16, True), np.float64)
        memory.reshape(-1, 2)[:] = points
    return made


def sides() -> tuple[str, str]:
    """The colours of what is low or negative, and of what is high or positive: orange and blue."""
    return _SIDES[theme.current().name]


def class_colours(classes: int) -> tuple[str, ...]:
    """A colour for each class: two have those of `sides`, more those of the series; for a number (0) one a band."""
    if classes > 2:
        return tuple(theme.series_text(number) for number in range(classes))
    if classes:
        return sides()
    from engine.learning.looking import BANDS, shades

    ramp = np.arange(BANDS, dtype=np.float32)[None]
    made = shades(ramp, 0, BANDS - 1, sides(), theme.current().quiet)[0]
    return tuple(QColor(int(red), int(green), int(blue)).name() for blue, green, red, _ in made)


@lru_cache(maxsize=64)
def _chosen(count: int) -> NDArray[np.int64]:
    """Which of so many points of a path are drawn: all at first, where it moves fast, and ever fewer, and the last.

    While a path grows those chosen stay chosen.
    """
    parts, first, step = [], 0, 1
    while first < count:
        parts.append(np.arange(first, min(count, first + OCTAVE * step), step))
        first, step = first + OCTAVE * step, 2 * step
    return np.unique(np.append(np.concatenate(parts), count - 1)) if parts else np.empty(0, np.int64)


def thinned(points: Points) -> Points:
    """Of a path (k, 2) a few hundred points that show its way."""
    return points[_chosen(len(points))]


def told_apart(pixels: Points) -> Points:
    """Of a path's (k, 2) pixels those that a person can tell apart; it ends where it leaves all bounds."""
    with np.errstate(invalid="ignore"):
        beyond = ~(np.abs(pixels) <= _FARTHEST).all(1)
    if beyond.any():
        pixels = pixels[: int(np.argmax(beyond))]
    if len(pixels) > 2:
        moved = np.diff(pixels.astype(np.int32), axis=0).any(1)
        moved[-1] = True
        pixels = pixels[np.append(True, moved)]
    return pixels


def ticks(low: float, high: float, most: float) -> list[tuple[float, str]]:
    """A few round values between two, with their words."""
    rough = (high - low) / max(2.0, most)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = int(np.ceil(low / step))
    digits = max(0, -int(np.floor(np.log10(step))))
    words = [number * step for number in range(first, int(np.floor(high / step)) + 1)]
    return [(value, f"{value:.{digits}f}" if digits < 7 else f"{value:.3g}") for value in words]


def paint_ticks(
    painter: QPainter, rect: QRectF, part: tuple[float, float, float, float], place: Callable[[float, float], QPointF]
) -> None:
    """A few quiet numbers left of a plot and below it.

    Args:
        painter, rect: where the plot is.
        part: x0, x1, y0, y1 that is seen.
        place: where a place of the plane is painted.
    """
    now = theme.current()
    font = QFont(painter.font())
    font.setPixelSize(10)
    painter.setFont(font)
    x0, x1, y0, y1 = part
    found = [(True, one) for one in ticks(x0, x1, rect.width() / 90)]
    found += [(False, one) for one in ticks(y0, y1, rect.height() / 70)]
    for along, (value, words) in found:
        at = place(value, value)
        painter.setPen(QColor(now.line))
        if along:
            painter.drawLine(QPointF(at.x(), rect.bottom()), QPointF(at.x(), rect.bottom() + 3))
            box = QRectF(at.x() - 40, rect.bottom() + 4, 80, 14)
            how = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter
        else:
            painter.drawLine(QPointF(rect.left() - 3, at.y()), QPointF(rect.left(), at.y()))
            box = QRectF(0, at.y() - 7, rect.left() - 6, 14)
            how = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(now.quiet))
        painter.drawText(box, how, words)
