"""The picture of every page: the only file that makes a QImage. Zoom, pan, overlays, hit test.

The worker resizes a frame to the view (`render`), the GUI paints it 1:1; what changes while nothing runs (zoom, pan,
resize) is rendered here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from gui import theme

Image = NDArray[np.uint8]
MARGIN = 8
MAX_SCALE = 40.0


@dataclass(frozen=True, slots=True)
class View:
    """What of a picture is seen, and how large: captured on the GUI thread, used on any.

    Attributes:
        width, height: of the widget, in device-independent pixels.
        ratio: device pixels in one of them (1.5 at 150 %).
        scale: device-independent pixels a picture pixel; 0 means: as large as fits.
        centre: the picture point in the middle of the widget; ignored when it fits.
    """

    width: int
    height: int
    ratio: float = 1.0
    scale: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)

    def placed(self, picture_width: int, picture_height: int) -> tuple[float, float, float]:
        """Scale and offset: a picture point p is at `offset + scale * p` in the widget."""
        scale = self.scale
        cx, cy = self.centre
        if not scale:
            scale = min(
                max(1, self.width - 2 * MARGIN) / picture_width, max(1, self.height - 2 * MARGIN) / picture_height
            )
            cx, cy = picture_width / 2, picture_height / 2
        return scale, self.width / 2 - scale * cx, self.height / 2 - scale * cy


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture as the view wants it.

    Attributes:
        pixels: (h, w, 4) uint8, BGRA, at device resolution.
        place: left, top, width, height in the widget.
        view: what it was rendered for.
    """

    pixels: Image
    place: tuple[float, float, float, float]
    view: View


def render(image: Image, view: View) -> Rendered:
    """Cut out what is seen, resize it to device pixels and convert to BGRA; on any thread.

    Args:
        image: (H, W, 3) uint8 BGR.
        view: what is wanted.
    """
    import cv2

    height, width = image.shape[:2]
    scale, dx, dy = view.placed(width, height)
    left, top = max(0, int(-dx / scale)), max(0, int(-dy / scale))
    right = min(width, int((view.width - dx) / scale) + 1)
    bottom = min(height, int((view.height - dy) / scale) + 1)
    if right <= left or bottom <= top:
        return Rendered(np.zeros((1, 1, 4), np.uint8), (0, 0, 0, 0), view)
    place = (dx + scale * left, dy + scale * top, scale * (right - left), scale * (bottom - top))
    size = max(1, round(place[2] * view.ratio)), max(1, round(place[3] * view.ratio))
    device = scale * view.ratio
    how = cv2.INTER_AREA if device < 0.5 else cv2.INTER_LINEAR if device < 4 else cv2.INTER_NEAREST
    part = image[top:bottom, left:right]
    if size != (right - left, bottom - top):
        part = cv2.resize(part, size, interpolation=how)
    return Rendered(cv2.cvtColor(part, cv2.COLOR_BGR2BGRA), place, view)


def to_qimage(pixels: Image) -> QImage:
    """Wrap (h, w, 4) BGRA uint8 without a copy; the array must not be written again."""
    height, width = pixels.shape[:2]
    # the stride is explicit: without it Qt assumes rows padded to four bytes
    return QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)


def to_overlay(pixels: Image) -> QImage:
    """Something to be painted over a picture, wrapped without a copy.

    Args:
        pixels: (h, w, 4) uint8, BGRA with the colours already multiplied by alpha; may go on being painted into.
    """
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_ARGB32_Premultiplied)


def to_array(image: QImage) -> Image:
    """(H, W, 3) uint8 BGR from any QImage (a pasted picture)."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return rows[:, : image.width(), :3].copy()


class Tool(Protocol):
    """What the left and the right button do while it is chosen; the middle button pans, the wheel zooms as ever.

    Points are picture points; `event` says which button and which keys.
    """

    cursor: Qt.CursorShape

    def press(self, view: "PictureView", at: QPointF, event: QMouseEvent) -> None: ...

    def drag(self, view: "PictureView", at: QPointF, event: QMouseEvent) -> None: ...

    def release(self, view: "PictureView", at: QPointF, event: QMouseEvent) -> None: ...

    def turn(self, view: "PictureView", steps: float) -> None:
        """The wheel was turned with Ctrl held."""


class PictureView(QWidget):
    """Shows one picture and what is painted over it.

    Wheel zooms to the cursor, dragging pans, a double click changes between fit and 1:1. While `tool` is set, the left
    and the right button belong to it.

    Signals:
        view_changed(): zoom, pan or size changed; `view()` says what is wanted now.
        hovered(object): the QPointF of the picture under the mouse, or None.
        clicked(QPointF): a picture point was clicked (pressed and released in place).
    """

    view_changed = Signal()
    hovered = Signal(object)
    clicked = Signal(QPointF)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.overlay: Callable[[QPainter, PictureView], None] | None = None
        self._tool: Tool | None = None
        self._image: Image | None = None
        self._rendered: Rendered | None = None
        self._shown: QImage | None = None
        self._scale = 0.0
        self._centre = (0.0, 0.0)
        self._pressed: QPointF | None = None
        self._dragged = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Picture")
        self.setMinimumSize(240, 160)

    # -- what is shown

    def show_picture(self, image: Image, rendered: Rendered | None = None) -> None:
        """Show a picture ((H, W, 3) uint8 BGR); `rendered` is used if it was made for the view as it is now."""
        changed_size = self._image is None or self._image.shape != image.shape
        self._image = image
        if changed_size and self._scale:
            self._scale = 0.0
        self._use(rendered if rendered is not None and rendered.view == self.view() else None)

    def clear(self) -> None:
        """Show nothing."""
        self._image = self._rendered = self._shown = None
        self._scale = 0.0
        self.update()

    @property
    def image(self) -> Image | None:
        """The picture that is shown, (H, W, 3) uint8 BGR."""
        return self._image

    def view(self) -> View:
        """What of the picture is seen, for `render` on a worker."""
        return View(self.width(), self.height(), self.devicePixelRatioF(), self._scale, self._centre)

    def _use(self, rendered: Rendered | None) -> None:
        if self._image is None:
            return
        self._rendered = rendered or render(self._image, self.view())
        self._shown = to_qimage(self._rendered.pixels)
        self.update()

    @property
    def tool(self) -> Tool | None:
        """What the mouse does here instead of panning and clicking."""
        return self._tool

    @tool.setter
    def tool(self, tool: Tool | None) -> None:
        self._tool = tool
        self._pressed = None
        self._rest()
        self.update()

    def _rest(self) -> None:
        if self._tool is None:
            self.unsetCursor()
        else:
            self.setCursor(self._tool.cursor)

    # -- where a picture point is

    def scale(self) -> float:
        """Device-independent pixels a picture pixel."""
        return self._placed()[0]

    def _placed(self) -> tuple[float, float, float]:
        if self._image is None:
            return 1.0, 0.0, 0.0
        return self.view().placed(self._image.shape[1], self._image.shape[0])

    def to_view(self, x: float, y: float) -> QPointF:
        """Where a picture point is in the widget."""
        scale, dx, dy = self._placed()
        return QPointF(dx + scale * x, dy + scale * y)

    def to_picture(self, point: QPointF) -> QPointF:
        """Which picture point is at this place of the widget."""
        scale, dx, dy = self._placed()
        return QPointF((point.x() - dx) / scale, (point.y() - dy) / scale)

    def picture_rect(self) -> QRectF:
        """Where the whole picture is in the widget."""
        if self._image is None:
            return QRectF()
        scale, dx, dy = self._placed()
        return QRectF(dx, dy, scale * self._image.shape[1], scale * self._image.shape[0])

    # -- zoom and pan

    def fit(self) -> None:
        """As large as fits."""
        self._scale = 0.0
        self._moved()

    def actual_size(self, at: QPointF | None = None) -> None:
        """One picture pixel on one device pixel."""
        self.zoom_to(1.0 / self.devicePixelRatioF(), at)

    @property
    def fits(self) -> bool:
        """True while the picture follows the size of the widget."""
        return not self._scale

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom by a factor around a place of the widget (the middle if None)."""
        self.zoom_to(self.scale() * factor, at)

    def zoom_to(self, scale: float, at: QPointF | None = None) -> None:
        """Zoom to a scale; what is at `at` stays there."""
        if self._image is None:
            return
        at = at or QPointF(self.width() / 2, self.height() / 2)
        point = self.to_picture(at)
        whole = View(self.width(), self.height()).placed(self._image.shape[1], self._image.shape[0])[0]
        self._scale = min(MAX_SCALE, max(min(whole, 1.0) / 4, scale))
        self._centre = (
            point.x() - (at.x() - self.width() / 2) / self._scale,
            point.y() - (at.y() - self.height() / 2) / self._scale,
        )
        self._keep_inside()
        self._moved()

    def pan(self, dx: float, dy: float) -> None:
        """Move the picture by so many device-independent pixels."""
        if self._image is None or not self._scale:
            return
        self._centre = self._centre[0] - dx / self._scale, self._centre[1] - dy / self._scale
        self._keep_inside()
        self._moved()

    def look_at(self, x: float, y: float, scale: float) -> None:
        """Put this picture point into the middle, at this scale."""
        if self._image is not None:
            self._scale, self._centre = min(MAX_SCALE, scale), (x, y)
            self._keep_inside()
            self._moved()

    def look_as(self, other: "PictureView") -> None:
        """See what another view of a picture of the same size sees, at the same scale; emits nothing."""
        if (self._scale, self._centre) != (other._scale, other._centre):
            self._scale, self._centre = other._scale, other._centre
            self._use(None)

    def _keep_inside(self) -> None:
        assert self._image is not None
        height, width = self._image.shape[:2]
        self._centre = min(width, max(0.0, self._centre[0])), min(height, max(0.0, self._centre[1]))

    def _moved(self) -> None:
        self._use(None)
        self.view_changed.emit()

    # -- Qt

    def sizeHint(self) -> QSize:
        return QSize(640, 420)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.current().picture))
        if self._shown is not None and self._rendered is not None:
            painter.drawImage(QRectF(*self._rendered.place), self._shown)
            if self.overlay is not None:
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                self.overlay(painter, self)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._moved()

    def changeEvent(self, event: Any) -> None:
        if event.type() == event.Type.DevicePixelRatioChange:
            self._moved()
        super().changeEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._tool is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._tool.turn(self, event.angleDelta().y() / 120)
            event.accept()
            return
        self.zoom(1.0015 ** event.angleDelta().y(), event.position())
        event.accept()

    def _of_tool(self, event: QMouseEvent) -> bool:
        """Whether the tool takes this; the middle button stays for panning."""
        panning = (event.button() | event.buttons()) & Qt.MouseButton.MiddleButton
        return self._tool is not None and self._image is not None and not panning

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._of_tool(event):
            self._tool.press(self, self.to_picture(event.position()), event)
            return
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed, self._dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        where = event.position()
        if self._of_tool(event):
            self._tool.drag(self, self.to_picture(where), event)
            return
        if self._pressed is not None and event.buttons():
            moved = where - self._pressed
            if self._dragged or moved.manhattanLength() > 4:
                self._dragged = True
                self.setCursor(Qt.CursorShape.ClosedHandCursor if self._scale else Qt.CursorShape.ArrowCursor)
                self._pressed = where
                self.pan(moved.x(), moved.y())
        elif self._image is not None:
            inside = self.picture_rect().contains(where)
            self.hovered.emit(self.to_picture(where) if inside else None)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._of_tool(event):
            self._tool.release(self, self.to_picture(event.position()), event)
            return
        if self._pressed is not None and not self._dragged and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self.to_picture(event.position()))
        self._pressed = None
        self._rest()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._of_tool(event):
            self._tool.press(self, self.to_picture(event.position()), event)
            return
        if self.fits:
            self.actual_size(event.position())
        else:
            self.fit()

    def leaveEvent(self, event: Any) -> None:
        self.hovered.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = {Qt.Key.Key_Plus: 1.25, Qt.Key.Key_Equal: 1.25, Qt.Key.Key_Minus: 0.8}
        if event.key() in keys:
            self.zoom(keys[Qt.Key(event.key())])
        elif event.key() == Qt.Key.Key_F:
            self.fit()
        elif event.key() == Qt.Key.Key_1:
            self.actual_size()
        else:
            super().keyPressEvent(event)
