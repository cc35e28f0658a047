"""What the mouse does on the picture of Inspect instead of panning: paint a mask, draw the region of interest."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPen

from gui import theme
from gui.picture import PictureView, to_overlay

Region = tuple[float, float, float, float]
"""Left, top, width, height as shares of the picture, 0..1."""
UNDONE = 60
"""Strokes that can be taken back."""
_TINT = (30, 30, 140, 150)
"""Blue, green, red and alpha of painted pixels, colours already multiplied by alpha."""


class MaskBrush:
    """Paints a mask with the left button and erases with the right; Ctrl and the wheel, or [ and ], change its size.

    Attributes:
        mask: (H, W) uint8, 255 where something was painted.
        radius: in picture pixels.
        changed: called when the mask is another one.
    """

    cursor = Qt.CursorShape.BlankCursor

    def __init__(self, mask: NDArray[np.uint8], changed: Callable[[], None] = lambda: None) -> None:
        self.mask = np.where(mask > 0, 255, 0).astype(np.uint8)
        self.changed = changed
        self.radius = max(2.0, min(mask.shape) / 40)
        self._tinted = np.zeros((*mask.shape, 4), np.uint8)
        self._tinted[self.mask > 0] = _TINT
        self._image = to_overlay(self._tinted)
        self._before: NDArray[np.uint8] | None = None
        self._undo: list[tuple[int, int, NDArray[np.uint8]]] = []
        self._last: QPointF | None = None
        self._at: QPointF | None = None
        self.touched = False

    @property
    def undoable(self) -> bool:
        """Whether there is a stroke to take back."""
        return bool(self._undo)

    def undo(self) -> None:
        """Take the last stroke back."""
        if self._undo:
            top, left, before = self._undo.pop()
            height, width = before.shape
            self.mask[top : top + height, left : left + width] = before
            self._tint(left, top, left + width, top + height)
            self.changed()

    def clear(self) -> None:
        """Erase everything; can be taken back."""
        if self.mask.any():
            self._undo.append((0, 0, self.mask.copy()))
            self.mask[:] = 0
            self._tint(0, 0, self.mask.shape[1], self.mask.shape[0])
            self.touched = True
            self.changed()

    def resize(self, factor: float) -> None:
        """A larger or a smaller brush."""
        self.radius = min(max(self.mask.shape) / 3, max(0.5, self.radius * factor))

    # -- what the view tells

    def press(self, view: PictureView, at: QPointF, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self._before = self.mask.copy()
            self._last = at
            self._stroke(at, erase=event.button() == Qt.MouseButton.RightButton)
        view.update()

    def drag(self, view: PictureView, at: QPointF, event: QMouseEvent) -> None:
        self._at = at
        if self._last is not None:
            self._stroke(at, erase=bool(event.buttons() & Qt.MouseButton.RightButton))
        view.update()

    def release(self, view: PictureView, _at: QPointF, _event: QMouseEvent) -> None:
        before, self._before, self._last = self._before, None, None
        if before is None:
            return
        rows, columns = np.nonzero(before != self.mask)
        if len(rows):
            top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
            # only what the stroke touched is kept
            self._undo.append((int(top), int(left), before[top:bottom, left:right].copy()))
            del self._undo[:-UNDONE]
            self.touched = True
            self.changed()
        view.update()

    def turn(self, view: PictureView, steps: float) -> None:
        self.resize(1.15**steps)
        view.update()

    # -- painting

    def _stroke(self, at: QPointF, *, erase: bool) -> None:
        import cv2

        assert self._last is not None
        width = max(1, round(2 * self.radius))
        start, end = (round(self._last.x()), round(self._last.y())), (round(at.x()), round(at.y()))
        cv2.line(self.mask, start, end, 0 if erase else 255, width, cv2.LINE_8)
        cv2.circle(self.mask, end, max(0, round(self.radius)), 0 if erase else 255, -1)
        room = width + 2
        self._tint(
            min(start[0], end[0]) - room, min(start[1], end[1]) - room,
            max(start[0], end[0]) + room, max(start[1], end[1]) + room,
        )  # fmt: skip
        self._last = at

    def _tint(self, left: int, top: int, right: int, bottom: int) -> None:
        part = (slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right)))
        self._tinted[part] = np.where(self.mask[part][..., None] > 0, np.array(_TINT, np.uint8), np.uint8(0))

    def paint(self, painter: QPainter, view: PictureView, *, ring: bool = True) -> None:
        """Paint the mask, and the brush where the mouse is."""
        painter.drawImage(view.picture_rect(), self._image)
        if ring and self._at is not None and view.underMouse():
            at, radius = view.to_view(self._at.x(), self._at.y()), self.radius * view.scale()
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((QColor(0, 0, 0, 160), 3.0), (QColor("#ffffff"), 1.2)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(at, radius, radius)


class RegionTool:
    """Draws a rectangle: only what lies in it is inspected.

    Attributes:
        done: called with left, top, width, height as shares of the picture, 0..1.
    """

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, done: Callable[[Region], None]) -> None:
        self.done = done
        self._from: QPointF | None = None
        self._to = QPointF()

    def press(self, view: PictureView, at: QPointF, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._from = self._to = at
            view.update()

    def drag(self, view: PictureView, at: QPointF, _event: QMouseEvent) -> None:
        if self._from is not None:
            self._to = at
            view.update()

    def release(self, view: PictureView, at: QPointF, _event: QMouseEvent) -> None:
        start, self._from = self._from, None
        image = view.image
        view.update()
        if start is None or image is None:
            return
        height, width = image.shape[:2]
        x0, x1 = sorted(min(1.0, max(0.0, x / width)) for x in (start.x(), at.x()))
        y0, y1 = sorted(min(1.0, max(0.0, y / height)) for y in (start.y(), at.y()))
        if (x1 - x0) * width >= 8 and (y1 - y0) * height >= 8:
            self.done((x0, y0, x1 - x0, y1 - y0))

    def turn(self, view: PictureView, steps: float) -> None:
        pass

    def paint(self, painter: QPainter, view: PictureView) -> None:
        """Paint the rectangle while it is drawn."""
        if self._from is not None:
            start, end = view.to_view(self._from.x(), self._from.y()), view.to_view(self._to.x(), self._to.y())
            paint_region(painter, view, QRectF(start, end).normalized())


def paint_region(painter: QPainter, view: PictureView, inside: QRectF) -> None:
    """Darken what lies outside of a rectangle (in the view's pixels) and outline it."""
    whole = view.picture_rect()
    shade = QColor(theme.current().picture)
    shade.setAlphaF(0.55)
    inside = inside.intersected(whole)
    for part in (
        QRectF(whole.left(), whole.top(), whole.width(), inside.top() - whole.top()),
        QRectF(whole.left(), inside.bottom(), whole.width(), whole.bottom() - inside.bottom()),
        QRectF(whole.left(), inside.top(), inside.left() - whole.left(), inside.height()),
        QRectF(inside.right(), inside.top(), whole.right() - inside.right(), inside.height()),
    ):
        painter.fillRect(part, shade)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.current().accent), 1.5, Qt.PenStyle.DashLine))
    painter.drawRect(inside)
