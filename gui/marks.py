"""Paints the engine's description of tracks over a picture view: sharp at any zoom, the frame stays clean."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from engine.tracking.draw import Dots, Label, Line, Mark
from gui.picture import PictureView

_DARK_TEXT = QColor("#101216")


def paint_marks(painter: QPainter, view: PictureView, marks: Sequence[Mark]) -> None:
    """Paint lines, dots and labels; widths and text are in screen pixels."""
    font = QFont(painter.font())
    font.setPixelSize(11)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    clip = view.picture_rect()
    for mark in marks:
        if isinstance(mark, Line):
            colour = QColor(mark.colour)
            painter.setPen(QPen(colour, mark.width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            polygon = QPolygonF([view.to_view(float(x), float(y)) for x, y in mark.points])
            if mark.fill:
                inside = QColor(colour)
                inside.setAlphaF(mark.fill)
                painter.setBrush(inside)
            if mark.closed:
                painter.drawPolygon(polygon)
            else:
                painter.drawPolyline(polygon)
        elif isinstance(mark, Dots):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(mark.colour))
            for x, y in mark.points:
                painter.drawEllipse(view.to_view(float(x), float(y)), mark.radius, mark.radius)
        elif isinstance(mark, Label):
            _paint_label(painter, view, mark, metrics, clip)


def _paint_label(painter: QPainter, view: PictureView, mark: Label, metrics: QFontMetricsF, clip: QRectF) -> None:
    at = view.to_view(mark.x, mark.y)
    width, height = metrics.horizontalAdvance(mark.text) + 8, metrics.height() + 2
    left = min(max(at.x() - 1, clip.left()), clip.right() - width)
    # above the box; inside it where the picture ends
    top = at.y() - height if at.y() - height >= clip.top() else at.y()
    box = QRectF(left, top, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(mark.colour))
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(_DARK_TEXT)
    painter.drawText(QPointF(left + 4, top + 1 + metrics.ascent()), mark.text)
