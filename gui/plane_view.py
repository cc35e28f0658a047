"""A plane to look at: contour lines with paths over them, or a model's answers with the rows it learned from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QLabel, QWidget

from gui import theme
from gui.hover import paint_words
from gui.picture import to_qimage
from gui.plane_parts import Points, class_colours, paint_ticks, polygon, thinned, told_apart

if TYPE_CHECKING:
    from engine.learning.looking import Look
    from engine.learning.tables import Table
    from engine.optimizers.slices import Field, Line

_LEFT, _TOP, _RIGHT, _BOTTOM = 40, 28, 10, 20
"""Pixels around the plot, for the title and the ticks."""
_MOST_ROWS, _SHORT = 4000, 3000
_SMALL, _LARGE = 1e-3, 1e7
"""How far it can be zoomed, as parts of the scale at which everything is seen."""


class PlaneView(QWidget):
    """Wheel zooms about the mouse, dragging pans, a double click shows everything; both axes have one scale.

    Signals:
        view_changed(x0, x1, y0, y1): this part of the plane is seen now, and may be computed anew.
        clicked(x, y): a place was clicked.
    """

    view_changed = Signal(float, float, float, float)
    clicked = Signal(float, float)

    def __init__(self, title: str = "", empty: str = "The paths are drawn here while a race runs.") -> None:
        super().__init__()
        self.title = QLabel(title, self)
        self.title.setObjectName("plotTitle")
        self.title.move(12, 7)
        self.empty = empty
        self.axes = ("x", "y")
        self.unit = "loss"
        """What the value at the mouse is called."""
        self.setAccessibleName(title or "Plane")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(180, 150)
        self.clear()
        self._home = (-1.0, 1.0, -1.0, 1.0)
        self._centre, self._scale, self._fits = (0.0, 0.0), 1.0, True
        self._pressed: QPointF | None = None
        self._dragged = False
        self._mouse: QPointF | None = None
        # a double click is no click: it is told when no second one can follow
        self._click = QTimer(self)
        self._click.setSingleShot(True)
        self._click.timeout.connect(self._tell_click)
        self._place()

    # -- what is shown

    def clear(self) -> None:
        """Show nothing."""
        self._field: Field | None = None
        self._lines: Sequence[Line] = ()
        self._paths: list[tuple[int, Points]] = []
        self._minima = np.empty((0, 2))
        self._look: Look | None = None
        self._table: Table | None = None
        self._test = True
        self._image: tuple[QImage, NDArray[np.uint8], str] | None = None
        self._still: tuple[Any, QPixmap] | None = None
        self.update()

    def set_title(self, title: str) -> None:
        """What stands above the plot."""
        self.title.setText(title)
        self.title.adjustSize()
        self.setAccessibleName(title or "Plane")

    def set_axes(self, across: str, up: str, unit: str = "loss") -> None:
        """What the coordinates and the value at the mouse are called."""
        self.axes, self.unit = (across, up), unit
        self.update()

    def set_surface(self, field: "Field | None", lines: Sequence["Line"] = ()) -> None:
        """Show an objective.

        Args:
            field: its values.
            lines: of `engine.optimizers.slices.contours`.
        """
        self._field, self._lines, self._still = field, tuple(lines), None
        self.update()

    def set_paths(self, paths: Sequence[tuple[int, Points]]) -> None:
        """Where runs went, drawn over everything.

        Args:
            paths: of each the number of its colour in the series, and (k, 2) float64 places, the newest last.
        """
        # a copy of what is drawn: what is handed in may be long, and go on growing
        self._paths = [(number, thinned(np.asarray(points, np.float64).reshape(-1, 2))) for number, points in paths]
        self.update()

    def set_minima(self, points: Points | None) -> None:
        """Places (m, 2) known to be lowest; None for none."""
        self._minima = np.empty((0, 2)) if points is None else np.asarray(points, np.float64).reshape(-1, 2)
        self.update()

    def show_decision(self, look: "Look", table: "Table", *, test: bool = True) -> None:
        """Show a model's answers, and the rows it learns from.

        Args:
            look: at the model now.
            table: what it learns from.
            test: whether the rows kept aside are shown, ringed.
        """
        if table is not self._table or test != self._test:
            self._still = None
        self._look, self._table, self._test, self._image = look, table, test, None
        if table.plane is not None:
            self.axes = table.plane.names
        self.update()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self._image = self._still = None
        self.update()

    # -- which part is seen

    def show_part(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """Show this part of the plane, and more where the plot is wider or taller; a double click comes back to it."""
        if self._home != (x0, x1, y0, y1) or not self._fits:
            self._home = (x0, x1, y0, y1)
            self.fit()

    @property
    def fits(self) -> bool:
        """Whether it shows what `show_part` said: nobody has zoomed or panned."""
        return self._fits

    def fit(self) -> None:
        """Back to the part that `show_part` said."""
        self._fits = True
        self._place()
        self._moved()

    def plot_rect(self) -> QRectF:
        """Where the plot is in the widget."""
        return QRectF(
            _LEFT, _TOP, max(1, self.width() - _LEFT - _RIGHT), max(1, self.height() - _TOP - _BOTTOM)
        )  # fmt: skip

    def part(self) -> tuple[float, float, float, float]:
        """x0, x1, y0, y1 of what is seen."""
        rect = self.plot_rect()
        half = rect.width() / 2 / self._scale, rect.height() / 2 / self._scale
        x, y = self._centre
        return x - half[0], x + half[0], y - half[1], y + half[1]

    def to_view(self, x: float, y: float) -> QPointF:
        """Where a place of the plane is in the widget."""
        middle = self.plot_rect().center()
        return QPointF(
            middle.x() + (x - self._centre[0]) * self._scale, middle.y() - (y - self._centre[1]) * self._scale
        )

    def to_plane(self, point: QPointF) -> tuple[float, float]:
        """Which place of the plane is at this point of the widget."""
        middle = self.plot_rect().center()
        return (
            self._centre[0] + (point.x() - middle.x()) / self._scale,
            self._centre[1] - (point.y() - middle.y()) / self._scale,
        )

    def _home_scale(self) -> float:
        x0, x1, y0, y1 = self._home
        rect = self.plot_rect()
        return min(rect.width() / max(x1 - x0, 1e-12), rect.height() / max(y1 - y0, 1e-12))

    def _place(self) -> None:
        if self._fits:
            x0, x1, y0, y1 = self._home
            self._centre, self._scale = ((x0 + x1) / 2, (y0 + y1) / 2), self._home_scale()

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a point of the widget, the middle if None."""
        at = at or self.plot_rect().center()
        x, y = self.to_plane(at)
        home = self._home_scale()
        self._scale = min(_LARGE * home, max(_SMALL * home, self._scale * factor))
        now = self.to_plane(at)
        self._centre = self._centre[0] + x - now[0], self._centre[1] + y - now[1]
        self._fits = False
        self._moved()

    def pan(self, dx: float, dy: float) -> None:
        """Move the plane by so many pixels."""
        self._centre = self._centre[0] - dx / self._scale, self._centre[1] + dy / self._scale
        self._fits = False
        self._moved()

    def _moved(self) -> None:
        self.update()
        self.view_changed.emit(*self.part())

    # -- painting

    def sizeHint(self) -> QSize:
        return QSize(320, 300)

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(now.picture))
        rect = self.plot_rect()
        if self._field is None and self._look is None and not self._paths:
            painter.setPen(QColor(now.quiet))
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty)
            painter.end()
            return
        painter.setClipRect(rect)
        self._paint_boundary(painter)
        painter.drawPixmap(0, 0, self._still_layer())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_paths(painter)
        self._paint_minima(painter)
        painter.setClipping(False)
        paint_ticks(painter, rect, self.part(), self.to_view)
        if self._mouse is not None and rect.contains(self._mouse) and not self._dragged:
            paint_words(painter, self, self._mouse, self.words_at(*self.to_plane(self._mouse)), now.text)
        painter.end()

    def _paint_boundary(self, painter: QPainter) -> None:
        field = None if self._look is None else self._look.boundary
        if field is None:
            return
        if self._image is None or self._image[2] != theme.current().name:
            pixels = self._pixels()
            self._image = to_qimage(pixels), pixels, theme.current().name
        height, width = field.values.shape
        # the outermost values are in the middle of their pixels
        dx, dy = (field.x1 - field.x0) / (width - 1) / 2, (field.y1 - field.y0) / (height - 1) / 2
        corners = self.to_view(field.x0 - dx, field.y1 + dy), self.to_view(field.x1 + dx, field.y0 - dy)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(0.5)
        painter.drawImage(QRectF(*corners), self._image[0])
        painter.setOpacity(1)

    def _pixels(self) -> NDArray[np.uint8]:
        from engine.learning.looking import boundary_shades

        return boundary_shades(self._look, class_colours(len(self._look.classes)), theme.current().picture)

    def _still_layer(self) -> QPixmap:
        """Contour lines and rows: painted again only where they or the view have changed."""
        ratio = self.devicePixelRatioF()
        key = (self.size(), ratio, self._centre, self._scale, theme.current().name)
        if self._still is None or self._still[0] != key:
            layer = QPixmap(self.size() * ratio)
            layer.setDevicePixelRatio(ratio)
            layer.fill(Qt.GlobalColor.transparent)
            painter = QPainter(layer)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_lines(painter)
            self._paint_rows(painter)
            painter.end()
            self._still = key, layer
        return self._still[1]

    def _pixels_of(self, points: Points) -> Points:
        middle = self.plot_rect().center()
        return (points - self._centre) * (self._scale, -self._scale) + (middle.x(), middle.y())

    def _paint_lines(self, painter: QPainter) -> None:
        for line in self._lines:
            colour = QColor(theme.current().text)
            # the valley floor is what is looked for: it is brightest
            colour.setAlphaF(0.46 - 0.34 * line.share)
            painter.setPen(QPen(colour, 1))
            painter.drawPolyline(polygon(self._pixels_of(line.points)))

    def _paint_rows(self, painter: QPainter) -> None:
        table, seen = self._table, self._look
        if table is None or seen is None or table.plane is None:
            return
        from engine.learning.looking import bands

        colours = [QColor(colour) for colour in class_colours(len(seen.classes))]
        parts = [(table.plane.train, bands(table.y, seen), False)]
        if self._test:
            parts.append((table.plane.test, bands(table.test_y, seen), True))
        ground = QColor(theme.current().picture)
        for places, groups, ringed in parts:
            step = max(1, -(-len(places) // _MOST_ROWS))
            for (x, y), group in zip(self._pixels_of(places[::step]), groups[::step], strict=True):
                colour = colours[int(group) % len(colours)]
                painter.setPen(QPen(colour, 1.4) if ringed else QPen(ground, 0.8))
                painter.setBrush(ground if ringed else colour)
                painter.drawEllipse(QPointF(x, y), 2.8, 2.8)

    def _paint_minima(self, painter: QPainter) -> None:
        painter.setPen(QPen(QColor(theme.current().text), 1.4))
        for x, y in self._pixels_of(self._minima):
            painter.drawLine(QPointF(x - 4, y - 4), QPointF(x + 4, y + 4))
            painter.drawLine(QPointF(x - 4, y + 4), QPointF(x + 4, y - 4))

    def _paint_paths(self, painter: QPainter) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            drawn = [(QColor(theme.series_text(number)), told_apart(self._pixels_of(p))) for number, p in self._paths]
        drawn = [(colour, pixels) for colour, pixels in drawn if len(pixels)]
        # a pen broader than a pixel is twenty times slower: short paths are drawn again beside instead
        short = sum(len(pixels) for _colour, pixels in drawn) <= _SHORT
        times = 1 + round(self.devicePixelRatioF()) if short else 1
        for colour, pixels in drawn:
            pen = QPen(colour, 1)
            pen.setCosmetic(True)
            painter.setPen(pen)
            for time in range(times):
                painter.drawPolyline(polygon(pixels + 0.45 * time))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.current().text), 1.2))
        for _colour, pixels in drawn:
            painter.drawEllipse(QPointF(*pixels[0]), 4.5, 4.5)
        painter.setPen(QPen(QColor(theme.current().picture), 1.2))
        for colour, pixels in drawn:
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(*pixels[-1]), 4.2, 4.2)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def words_at(self, x: float, y: float) -> str:
        """What is said of a place at the mouse."""
        digits = max(0, int(np.ceil(np.log10(max(self._scale, 1e-12)))))
        words = f"{self.axes[0]} {x:.{digits}f} · {self.axes[1]} {y:.{digits}f}"
        if self._look is not None:
            from engine.learning.looking import said_at

            said = said_at(self._look, x, y)
            return f"{words} · {said}" if said else words
        value = None if self._field is None else self._field.at(x, y)
        return words if value is None else f"{words} · {self.unit} {value:.4g}"

    # -- mouse and keys

    def resizeEvent(self, _event: QResizeEvent) -> None:
        self._place()
        self._moved()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.zoom(1.0015 ** event.angleDelta().y(), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed, self._dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        if self._pressed is not None and event.buttons():
            moved = self._mouse - self._pressed
            if self._dragged or moved.manhattanLength() > 4:
                self._dragged = True
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
                self._pressed = self._mouse
                self.pan(moved.x(), moved.y())
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        inside = self.plot_rect().contains(event.position())
        if self._pressed is not None and not self._dragged and inside and event.button() == Qt.MouseButton.LeftButton:
            self._clicked_at = self.to_plane(event.position())
            self._click.start(QGuiApplication.styleHints().mouseDoubleClickInterval())
        self._pressed, self._dragged = None, False
        self.unsetCursor()
        self.update()

    def _tell_click(self) -> None:
        self.clicked.emit(*self._clicked_at)

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        self._click.stop()
        self._pressed = None
        self.fit()

    def leaveEvent(self, _event: Any) -> None:
        self._mouse = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: (40, 0), Qt.Key.Key_Right: (-40, 0), Qt.Key.Key_Up: (0, 40), Qt.Key.Key_Down: (0, -40),
        }  # fmt: skip
        zooms = {Qt.Key.Key_Plus: 1.25, Qt.Key.Key_Equal: 1.25, Qt.Key.Key_Minus: 0.8}
        if event.key() in moves:
            self.pan(*moves[Qt.Key(event.key())])
        elif event.key() in zooms:
            self.zoom(zooms[Qt.Key(event.key())])
        elif event.key() == Qt.Key.Key_F:
            self.fit()
        else:
            super().keyPressEvent(event)
