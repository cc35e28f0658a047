"""The pictures of Explain: the plain one and up to four maps of it side by side, which zoom and pan together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QLabel, QWidget

from engine.weights.preprocessing import Preprocessing
from gui import theme
from gui.hover import paint_ring, paint_words
from gui.picture import MARGIN, PictureView, Rendered, to_overlay

CAPTION = 40
_GAP = 8
_LEAST = 60

Box = tuple[float, float, float, float]
"""Left, top, width, height in picture pixels."""


@dataclass(frozen=True, slots=True)
class Layered:
    """A map in colours, and where it lies.

    Attributes:
        pixels: (size, size, 4) uint8, BGRA, premultiplied.
        values: (size, size) float32, what stands behind the colours.
        preprocessing: how the picture became the square.
    """

    pixels: NDArray[np.uint8]
    values: NDArray[np.float32]
    preprocessing: Preprocessing


class MapCell(QWidget):
    """One picture with a map over it and two lines under it.

    Signals:
        pressed(): its caption was pressed.
    """

    pressed = Signal()

    def __init__(self, name: str, view: PictureView | None = None) -> None:
        super().__init__()
        self.view = view or PictureView()
        self.view.setParent(self)
        self.view.setMinimumSize(_LEAST, _LEAST)
        self.view.setAccessibleName(name)
        self.title, self.line = QLabel(self), QLabel(self)
        self.title.setObjectName("title")
        self.line.setObjectName("quiet")
        self._words = "", ""
        self.layered: Layered | None = None
        self.opacity = 0.65
        self.box: Box | None = None
        self.hover: tuple[float, float] | None = None
        self.chosen = False
        self._heat: QImage | None = None
        self.view.overlay = self._paint

    def show_words(self, title: str, line: str, tip: str = "") -> None:
        """What stands under the picture."""
        self._words = title, line
        self.title.setToolTip(tip)
        self.line.setToolTip(tip or line)
        self._elide()

    @property
    def words(self) -> tuple[str, str]:
        """What stands under the picture: its title and its line."""
        return self._words

    def show_map(self, layered: Layered | None) -> None:
        """Lay a map over the picture."""
        self.layered = layered
        self._heat = None if layered is None else to_overlay(layered.pixels)
        self.view.update()

    def value_at(self, x: float, y: float) -> float | None:
        """The map's value at a picture point; None where the network saw nothing."""
        if self.layered is None or self.view.image is None:
            return None
        place = self.layered.preprocessing.placement(*self.view.image.shape[:2])
        (left, top, wide, high), (to_left, to_top, w, h) = place.source, place.target
        if not (left <= x < left + wide and top <= y < top + high):
            return None
        column, row = int(to_left + (x - left) / wide * w), int(to_top + (y - top) / high * h)
        values = self.layered.values
        return float(values[min(row, values.shape[0] - 1), min(column, values.shape[1] - 1)])

    def resizeEvent(self, _event: Any) -> None:
        self.view.setGeometry(0, 0, self.width(), max(_LEAST, self.height() - CAPTION))
        top = self.height() - CAPTION
        room = self.width() - 2 * MARGIN
        self.title.setGeometry(MARGIN, top, room, 18)
        self.line.setGeometry(MARGIN, top + 18, room, 18)
        self._elide()

    def _elide(self) -> None:
        for label, text in ((self.title, self._words[0]), (self.line, self._words[1])):
            label.setText(label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, max(20, label.width())))

    def mouseReleaseEvent(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.pressed.emit()

    def _paint(self, painter: QPainter, view: PictureView) -> None:
        image = view.image
        if self._heat is not None and self.layered is not None and image is not None:
            place = self.layered.preprocessing.placement(*image.shape[:2])
            left, top, wide, high = place.source
            over = QRectF(view.to_view(left, top), view.to_view(left + wide, top + high))
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setOpacity(self.opacity)
            painter.drawImage(over, self._heat, QRectF(*place.target))
            painter.setOpacity(1.0)
            if (wide, high) != (image.shape[1], image.shape[0]):
                # the network saw no more than this
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(255, 255, 255, 110), 1, Qt.PenStyle.DotLine))
                painter.drawRect(over)
        if self.box is not None:
            left, top, wide, high = self.box
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((QColor(0, 0, 0, 150), 3.5), (QColor(theme.current().accent), 1.6)):
                painter.setPen(QPen(colour, width))
                painter.drawRect(QRectF(view.to_view(left, top), view.to_view(left + wide, top + high)))
        if self.chosen:
            painter.setPen(QPen(QColor(theme.current().accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(view.picture_rect().adjusted(-2, -2, 2, 2))
        self._paint_hover(painter, view)

    def _paint_hover(self, painter: QPainter, view: PictureView) -> None:
        if self.hover is None:
            return
        at = view.to_view(*self.hover)
        if not view.underMouse():
            paint_ring(painter, at)
        value = self.value_at(*self.hover)
        if value is None:
            return
        paint_words(painter, view, at, f"{value:+.3g}", theme.current().text)


class Cells(QWidget):
    """The plain picture first, the maps beside it; arranged so that the pictures are as large as can be.

    Signals:
        chosen(int): the map in this place was pressed; -1 is the plain picture.
        clicked(int, QPointF): a picture point of it was clicked.
        view_changed(): zoom, pan or size changed.
    """

    chosen = Signal(int)
    clicked = Signal(int, QPointF)
    view_changed = Signal()

    def __init__(self, picture: PictureView) -> None:
        super().__init__()
        self.setSizePolicy(self.sizePolicy().Policy.Expanding, self.sizePolicy().Policy.Expanding)
        self.linked = True
        self.plain = MapCell("Picture", picture)
        self.maps: list[MapCell] = []
        self._shown: list[MapCell] = [self.plain]
        self._adopt(self.plain, -1)

    def sizeHint(self) -> QSize:
        return QSize(640, 460)

    def _adopt(self, cell: MapCell, place: int) -> None:
        cell.setParent(self)
        cell.view.view_changed.connect(lambda: self._moved(cell))
        cell.view.hovered.connect(self._hovered)
        cell.view.clicked.connect(lambda point: self._clicked(place, point))
        cell.pressed.connect(lambda: self._clicked(place, None))

    def _clicked(self, place: int, point: QPointF | None) -> None:
        self.chosen.emit(place)
        if point is not None:
            self.clicked.emit(place, point)

    def set_count(self, count: int) -> None:
        """How many maps are shown."""
        while len(self.maps) < count:
            cell = MapCell(f"Map {len(self.maps) + 1}")
            self._adopt(cell, len(self.maps))
            self.maps.append(cell)
        self._shown = [self.plain, *self.maps[:count]]
        for cell in self.maps:
            cell.setVisible(cell in self._shown)
            image = self.plain.view.image
            if cell in self._shown and image is not None and cell.view.image is not image:
                cell.view.show_picture(image)
                cell.view.look_as(self.plain.view)
        self.plain.show()
        self.arrange()

    @property
    def shown(self) -> Sequence[MapCell]:
        """The cells of the maps that are shown."""
        return self._shown[1:]

    def show_picture(self, image: NDArray[np.uint8], rendered: Sequence[Rendered] = ()) -> None:
        """Another picture in all of them ((H, W, 3) uint8 BGR); `rendered` for the views, as far as it goes."""
        before = self.plain.view.image
        for number, cell in enumerate(self._shown):
            cell.view.show_picture(image, rendered[number] if number < len(rendered) else None)
        if before is None or before.shape[:2] != image.shape[:2]:
            self.arrange()

    def clear(self) -> None:
        """Show nothing."""
        for cell in (self.plain, *self.maps):
            cell.view.clear()
            cell.show_map(None)
            cell.show_words("", "")
            cell.box = None
        self.set_count(0)

    def refresh(self) -> None:
        """Paint anew."""
        for cell in self._shown:
            cell.view.update()

    def views(self) -> tuple[Any, ...]:
        """What the shown views want, for the worker that renders."""
        return tuple(cell.view.view() for cell in self._shown)

    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.current().picture))
        painter.end()

    def resizeEvent(self, _event: Any) -> None:
        self.arrange()

    def arrange(self) -> None:
        """Choose rows and columns, and give each cell its place."""
        count = len(self._shown)
        image = self.plain.view.image
        ratio = image.shape[1] / image.shape[0] if image is not None else 1.4
        caption = CAPTION if image is not None else 0
        best: tuple[float, int, int] = (0.0, -count, 1)
        for columns in range(1, count + 1):
            rows = -(-count // columns)
            wide = (self.width() - _GAP * (columns + 1)) / columns - 2 * MARGIN
            high = (self.height() - _GAP * (rows + 1)) / rows - caption - 2 * MARGIN
            # of two ways that make the pictures as large, the one that leaves fewer places empty
            best = max(best, (min(wide, high * ratio), count - rows * columns, columns))
        columns = best[2]
        rows = -(-count // columns)
        if image is None or count == 1:
            cell_w, cell_h = self.width(), self.height()
        else:
            cell_w = int(best[0]) + 2 * MARGIN
            cell_h = int(best[0] / ratio) + 2 * MARGIN + caption
            cell_w, cell_h = max(cell_w, _LEAST), max(cell_h, _LEAST + caption)
        left = (self.width() - columns * cell_w - (columns - 1) * _GAP) // 2
        top = (self.height() - rows * cell_h - (rows - 1) * _GAP) // 2
        for number, cell in enumerate(self._shown):
            row, column = divmod(number, columns)
            cell.setGeometry(QRect(left + column * (cell_w + _GAP), top + row * (cell_h + _GAP), cell_w, cell_h))

    def _moved(self, cell: MapCell) -> None:
        if self.linked:
            for other in self._shown:
                if other is not cell and other.view.image is not None:
                    other.view.look_as(cell.view)
        self.view_changed.emit()

    def _hovered(self, point: QPointF | None) -> None:
        now = None if point is None else (point.x(), point.y())
        for cell in self._shown:
            if cell.hover != now:
                cell.hover = now
                cell.view.update()
