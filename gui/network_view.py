"""A network, drawn as in TensorFlow's Playground: each neuron's picture, lines as thick as the weights."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.hover import paint_words
from gui.network_parts import MOST_SHOWN, Counter, Places, Spot, WeightEditor, line_width, placed, woven
from gui.picture import to_overlay, to_qimage
from gui.plane_parts import polygon, sides

if TYPE_CHECKING:
    from engine.learning.looking import Look

MOST_LAYERS, MOST_NEURONS = 6, 256
_TOP, _BOTTOM, _SIDE, _NAMES = 66, 22, 16, 64


class NetworkView(QWidget):
    """Columns of features, hidden layers and outputs, with the lines between them.

    Hovering a line or a bias says its value, a click edits it; with the keyboard Left and Right go from layer to layer,
    Up and Down from weight to weight, Enter edits, and on a feature switches.

    Signals:
        edited(layer, out, into, value): a weight is to be this; into is -1 for a bias.
        hidden_changed(object): the tuple of neurons in each hidden layer that is wanted.
        features_changed(object): the tuple of the features that are wanted.
    """

    edited = Signal(int, int, int, float)
    hidden_changed = Signal(object)
    features_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Network")
        self.setMinimumSize(320, 200)
        self.look: Look | None = None
        self.hidden: tuple[int, ...] = ()
        self.features: tuple[str, ...] = ()
        self._offered: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._images: tuple[QImage, NDArray[np.uint8], str] | None = None
        self._woven: tuple[QImage, NDArray[np.uint8], Any] | None = None
        self._rows: list[int] = []
        self._places = Places()
        self._shape: Any = None
        self._hovered: Spot | int | None = None
        self._chosen: Spot | int | None = None
        self._named = 0.0
        self._mouse: QPointF | None = None
        self.layers = Counter(self, "One hidden layer less", "One hidden layer more")
        self.layers.stepped.connect(self._step_layers)
        self.counters: list[Counter] = []
        self.editor = WeightEditor(self)
        self.editor.taken.connect(self._take)
        self.editor.left.connect(self._leave)

    # -- what is shown

    def show_network(
        self, look: "Look | None", hidden: Sequence[int], *, offered: Sequence[str] = (), features: Sequence[str] = ()
    ) -> None:
        """Show a network as it is now; quick enough for every frame.

        Args:
            look: at the network; None before there is one.
            hidden: neurons of each hidden layer.
            offered: features that can be switched; () where what goes in is given by the data.
            features: those of them that are on.
        """
        self.look, self.hidden = look, tuple(hidden)
        self._images = self._woven = None
        self._offered = tuple(offered)
        self.features = tuple(name for name in self._offered if name in features)
        inputs = look.inputs if look is not None else self.features
        # a polynomial makes more of the features than can be switched
        if self._offered and set(inputs) <= set(self._offered):
            self._names, self._rows = self._offered, [self._offered.index(name) for name in inputs]
        else:
            self._names, self._rows = tuple(inputs), list(range(len(inputs)))
        self._lay_out()
        # a screen reader is not told thirty times a second
        if self._chosen is not None and (not isinstance(self._chosen, Spot) or time.monotonic() > self._named + 1):
            self._choose(self._chosen)
        self.update()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self._images = self._woven = None
        self.update()

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        if self.look is not None and self.look.weights:
            return len(self.look.weights[-1][1])
        return 1 if self.look is None or len(self.look.classes) < 3 else len(self.look.classes)

    def value(self, spot: Spot) -> float | None:
        """A weight or a bias; None where there is no such."""
        weights = self.look.weights if self.look is not None else ()
        if spot.layer >= len(weights):
            return None
        matrix, biases = weights[spot.layer]
        if spot.out >= len(biases) or spot.into >= matrix.shape[1]:
            return None
        return float(biases[spot.out] if spot.into < 0 else matrix[spot.out, spot.into])

    def words(self, spot: Spot) -> str:
        """ "weight from x to neuron 2 of layer 1: 0.53"."""
        value = self.value(spot)
        said = "" if value is None else f": {value:.2f}"
        to = self._word(spot.layer + 1, spot.out)
        if spot.into < 0:
            return f"bias of {to}{said}"
        return f"weight from {self._word(spot.layer, spot.into)} to {to}{said}"

    def _word(self, column: int, number: int) -> str:
        if column == 0:
            return self._names[self._rows[number]] if number < len(self._rows) else "a feature"
        if column <= len(self.hidden):
            return f"neuron {number + 1} of layer {column}"
        names = self.look.classes if self.look is not None else ()
        return f"output {names[number]}" if self.outputs > 1 and number < len(names) else "the output"

    # -- where it is

    def _lay_out(self) -> None:
        shape = (self.size(), self.hidden, self._names, tuple(self._rows), self.outputs)
        if shape == self._shape:
            return
        self._shape = shape
        margin = _SIDE + _NAMES
        area = QRectF(
            margin, _TOP, max(80.0, self.width() - 2 * margin), max(40.0, self.height() - _TOP - _BOTTOM)
        )  # fmt: skip
        self._places = placed(area, [len(self._names), *self.hidden, self.outputs], self._rows)
        if self._chosen is not None and self._chosen not in self._stops():
            self._choose(None)
        self._hovered = self._woven = None
        self._lay_counters()

    def _lay_counters(self) -> None:
        many = len(self.hidden)
        self.layers.show_words(
            f"{many} hidden layer{'s' if many != 1 else ''}", less=many > 1, more=many < MOST_LAYERS
        )  # fmt: skip
        self.layers.move(max(_SIDE, round((self.width() - self.layers.width()) / 2)), 8)
        while len(self.counters) < many:
            number = len(self.counters)
            made = Counter(self, f"One neuron less in layer {number + 1}", f"One neuron more in layer {number + 1}")
            made.stepped.connect(lambda step, number=number: self._step_neurons(number, step))
            self.counters.append(made)
        for number, counter in enumerate(self.counters):
            counter.setVisible(number < many)
            if number < many:
                count = self.hidden[number]
                counter.show_words(str(count), less=count > 1, more=count < MOST_NEURONS)
                middle = self._places.columns[number + 1][0].center().x()
                counter.move(round(middle - counter.width() / 2), _TOP - 28)

    def resizeEvent(self, _event: QResizeEvent) -> None:
        self._lay_out()

    def sizeHint(self) -> QSize:
        return QSize(620, 440)

    # -- painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(now.picture))
        if not self._places.columns:
            painter.setPen(QColor(now.quiet))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "The network is drawn here.")
            painter.end()
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_lines(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self._paint_squares(painter)
        self._paint_names(painter)
        spot = self._hovered
        if isinstance(spot, Spot) and self._mouse is not None and not self.editor.isVisible():
            self._say(painter, spot, self._mouse)
        elif isinstance(self._chosen, Spot) and self.hasFocus():
            self._say(painter, self._chosen, self._places.middle(self._chosen))
        painter.end()

    def _say(self, painter: QPainter, spot: Spot, at: QPointF) -> None:
        value = self.value(spot)
        if value is not None:
            kind = "bias" if spot.into < 0 else "weight"
            paint_words(painter, self, at, f"{kind} {value:.3g}", theme.current().text)

    def _lit(self) -> Spot | int | None:
        return self._hovered if self._hovered is not None else self._chosen if self.hasFocus() else None

    def _paint_lines(self, painter: QPainter) -> None:
        ratio = self.devicePixelRatioF()
        key = (ratio, theme.current().name)
        if self._woven is None or self._woven[2] != key:
            size = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
            pixels = woven(self._places.lines, [self.value(spot) for spot in self._places.spots], ratio, size)
            self._woven = to_overlay(pixels), pixels, key
        painter.drawImage(QRectF(self.rect()), self._woven[0])
        lit = self._lit()
        value = self.value(lit) if isinstance(lit, Spot) and lit.into >= 0 else None
        if value is not None:
            pen = QPen(QColor(sides()[value > 0]), line_width(value) + 1.6)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            painter.drawPolyline(polygon(self._places.lines[self._places.spots.index(lit)]))

    def _paint_squares(self, painter: QPainter) -> None:
        now, lit = theme.current(), self._lit()
        low_high = [QColor(colour) for colour in sides()]
        image, pictured, side = self._pictures()
        for column, squares in enumerate(self._places.columns):
            for row, square in enumerate(squares):
                off = column == 0 and row not in self._rows
                number = self._rows.index(row) if column == 0 and not off else row
                painter.fillRect(square, QColor(now.panel))
                if image is not None and not off and number < len(pictured[column]):
                    painter.drawImage(square, image, QRectF(0, pictured[column][number] * side, side, side))
                edge = QColor(now.accent if column == 0 and lit == row else now.line if off else now.quiet)
                painter.setPen(QPen(edge, 2 if column == 0 and lit == row else 1, Qt.PenStyle.SolidLine))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(square.adjusted(0, 0, -1, -1))
        for spot in self._places.biases():
            value = self.value(spot)
            if value is None:
                continue
            colour = low_high[value > 0]
            colour.setAlphaF(0.35 + 0.65 * min(1.0, abs(value) / 2) if np.isfinite(value) else 1.0)
            box = self._places.bias(spot)
            painter.fillRect(box, QColor(now.picture))
            painter.fillRect(box, colour)
            if spot == lit:
                painter.setPen(QPen(QColor(now.text), 1))
                painter.drawRect(box.adjusted(-1, -1, 0, 0))

    def _pictures(self) -> tuple[QImage | None, list[range], int]:
        """All pictures in one image, one below the other; which of them are each column's; and their side."""
        look, columns = self.look, len(self._places.columns)
        if look is None or look.neurons is None or look.input_pictures is None:
            return None, [range(0)] * columns, 1
        parts = [look.input_pictures, *look.neurons]
        side = parts[0].shape[-1]
        if self._images is None or self._images[2] != theme.current().name:
            from engine.learning.looking import neuron_shades

            pixels = neuron_shades(look, sides(), theme.current().picture, MOST_SHOWN)
            pixels = np.ascontiguousarray(np.concatenate(pixels).reshape(-1, side, 4))
            self._images = to_qimage(pixels), pixels, theme.current().name
        ends = np.cumsum([0, *(min(MOST_SHOWN, len(part)) for part in parts)]).tolist()
        pictured = [range(first, end) for first, end in pairwise(ends)]
        # for a moment a network that is wanted has more layers than the one that is seen
        return self._images[0], [*pictured, *[range(0)] * columns][:columns], side

    def _paint_names(self, painter: QPainter) -> None:
        now = theme.current()
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for row, (square, name) in enumerate(zip(self._places.columns[0], self._names, strict=False)):
            painter.setPen(QColor(now.text if row in self._rows else now.quiet))
            box = QRectF(4, square.top(), square.left() - 12, square.height())
            words = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, int(box.width()))
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
        painter.setPen(QColor(now.text))
        classes = self.look.classes if self.look is not None and self.outputs > 1 else ()
        for square, name in zip(self._places.columns[-1], classes, strict=False):
            box = QRectF(square.right() + 8, square.top(), self.width() - square.right() - 10, square.height())
            words = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, int(box.width()))
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
        painter.setPen(QColor(now.quiet))
        for number, (column, more) in enumerate(zip(self._places.columns, self._places.hidden, strict=True)):
            if not column:
                continue
            if number in (0, len(self._places.columns) - 1):
                head = QRectF(column[0].center().x() - 60, _TOP - 28, 120, 20)
                painter.drawText(head, Qt.AlignmentFlag.AlignCenter, "Output" if number else "Features")
            if more:
                foot = QRectF(column[0].center().x() - 40, column[-1].bottom() + 2, 80, 16)
                painter.drawText(foot, Qt.AlignmentFlag.AlignCenter, f"+ {more}")

    # -- counting

    def _step_layers(self, step: int) -> None:
        wanted = (*self.hidden, min((*self.hidden[-1:], 4))) if step > 0 else self.hidden[:-1]
        if 1 <= len(wanted) <= MOST_LAYERS:
            self.hidden_changed.emit(wanted)

    def _step_neurons(self, number: int, step: int) -> None:
        wanted = list(self.hidden)
        wanted[number] = min(MOST_NEURONS, max(1, wanted[number] + step))
        if tuple(wanted) != self.hidden:
            self.hidden_changed.emit(tuple(wanted))

    # -- features and weights

    def _switchable(self) -> bool:
        return bool(self._offered) and self._names == self._offered

    def toggle_feature(self, row: int) -> None:
        """Switch a feature; the last one stays on."""
        name = self._names[row]
        wanted = tuple(one for one in self._offered if (one in self.features) != (one == name))
        if wanted:
            self.features_changed.emit(wanted)

    def edit(self, spot: Spot) -> None:
        """Open the editor of a weight or a bias."""
        value = self.value(spot)
        if value is not None:
            self._choose(spot)
            self.editor.ask(value, self._places.middle(spot), self.words(spot))

    def _leave(self) -> None:
        self.setFocus()

    def _take(self, value: float) -> None:
        self.setFocus()
        spot = self._chosen
        if isinstance(spot, Spot):
            self.edited.emit(spot.layer, spot.out, spot.into, value)

    def _choose(self, what: Spot | int | None) -> None:
        self._chosen, self._named = what, time.monotonic()
        if isinstance(what, Spot):
            self.setAccessibleName(self.words(what))
        elif what is not None:
            on = "on" if what in self._rows else "off"
            self.setAccessibleName(f"feature {self._names[what]}: {on}")
        else:
            self.setAccessibleName("Network")
        self.update()

    def _groups(self) -> list[list[Spot | int]]:
        """What the keys walk through: features, then each layer's weights, each neuron's bias first."""
        groups: list[list[Spot | int]] = []
        if self._switchable():
            groups.append(list(range(len(self._places.columns[0]))))
        spots = sorted([*self._places.biases(), *self._places.spots], key=lambda s: (s.layer, s.out, s.into))
        for layer in range(len(self._places.columns) - 1):
            groups.append([spot for spot in spots if spot.layer == layer])
        return [group for group in groups if group]

    def _stops(self) -> list[Spot | int]:
        return [one for group in self._groups() for one in group]

    # -- mouse and keys

    def _at(self, point: QPointF) -> Spot | int | None:
        if self._switchable():
            for row, square in enumerate(self._places.columns[0]):
                if square.adjusted(-_NAMES, -2, 0, 2).contains(point):
                    return row
        spot = self._places.spot_at(point)
        return spot if spot is not None and self.value(spot) is not None else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        self._hovered = self._at(self._mouse)
        self.setCursor(
            Qt.CursorShape.ArrowCursor if self._hovered is None else Qt.CursorShape.PointingHandCursor
        )  # fmt: skip
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        found = self._at(event.position())
        if isinstance(found, Spot):
            self.edit(found)
        elif found is not None:
            self.toggle_feature(found)

    def leaveEvent(self, _event: Any) -> None:
        self._hovered = self._mouse = None
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        if self._chosen is None and event.reason() in (
            Qt.FocusReason.TabFocusReason,
            Qt.FocusReason.BacktabFocusReason,
        ):
            self._choose(next(iter(self._stops()), None))
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        groups, key = self._groups(), event.key()
        moves = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        if key in moves and groups:
            self._walk(groups, *moves[Qt.Key(key)])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._chosen is not None:
            if isinstance(self._chosen, Spot):
                self.edit(self._chosen)
            else:
                self.toggle_feature(self._chosen)
        else:
            super().keyPressEvent(event)

    def _walk(self, groups: list[list[Spot | int]], across: int, down: int) -> None:
        for number, group in enumerate(groups):
            if self._chosen in group:
                to = groups[min(len(groups) - 1, max(0, number + across))]
                place = group.index(self._chosen) + down
                self._choose(to[min(len(to) - 1, max(0, place if not across else 0))])
                return
        self._choose(groups[0][0])
