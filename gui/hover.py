"""What follows the mouse over a picture: a ring where it is in another view, and words beside it."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from gui import theme
from gui.picture import PictureView

_AWAY = 14
_BACK = 10


def paint_ring(painter: QPainter, at: QPointF) -> None:
    """A small ring, to be seen on dark and on bright."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QColor(0, 0, 0, 150), 3.0), (QColor("#ffffff"), 1.2)):
        painter.setPen(QPen(colour, width))
        painter.drawEllipse(at, 5, 5)


def paint_words(painter: QPainter, view: PictureView, at: QPointF, text: str, colour: str) -> None:
    """Words on a small panel beside a place of the view, inside it.

    Args:
        painter, view: where.
        at: the place.
        text: what is said.
        colour: of the words, "#rrggbb".
    """
    font = QFont(painter.font())
    font.setPixelSize(11)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    box = QRectF(at.x() + _AWAY, at.y() + _AWAY, metrics.horizontalAdvance(text) + 12, metrics.height() + 6)
    if box.right() > view.width():
        box.moveRight(at.x() - _BACK)
    if box.bottom() > view.height():
        box.moveBottom(at.y() - _BACK)
    now = theme.current()
    ground = QColor(now.panel)
    ground.setAlphaF(0.92)
    painter.setPen(QPen(QColor(now.line), 1))
    painter.setBrush(ground)
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor(colour))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
