"""One small picture with words under it, that can be pressed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.thumbnails import rounded


class Swatch(QWidget):
    """One small picture with words under it, that can be pressed.

    Signals:
        clicked(): it was pressed.
    """

    clicked = Signal()

    def __init__(self, size: QSize, label: str) -> None:
        super().__init__()
        self._size, self._words, self._pixmap = size, "", QPixmap()
        self.setAccessibleName(label)
        self.setFixedSize(size.width() + 4, size.height() + 22)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_pixels(self, pixels: NDArray[np.uint8], words: str, tip: str, ratio: float) -> None:
        """Show (h, w, 4) uint8 BGRA and what is to be said of it."""
        self._pixmap = rounded(pixels, 5 * ratio)
        self._pixmap.setDevicePixelRatio(ratio)
        self._words = words
        self.setToolTip(tip)
        self.setAccessibleDescription(f"{words}. {tip}")
        self.update()

    @property
    def words(self) -> str:
        """What stands under it."""
        return self._words

    def paintEvent(self, _event: Any) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        picture = QRect(QPoint(2, 2), self._size)
        painter.drawPixmap(picture, self._pixmap)
        if self.hasFocus():
            painter.setPen(QPen(QColor(now.accent), 2))
            painter.drawRoundedRect(picture, 5, 5)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(now.quiet))
        line = QRect(2, picture.bottom() + 3, picture.width(), 16)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._words)
        painter.end()

    def mouseReleaseEvent(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)
