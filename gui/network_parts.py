"""Pieces of the drawing of a network: where everything is, the editor of a weight, the buttons that count."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLocale, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QWidget

from engine.palette import bgr
from gui import theme
from gui.plane_parts import sides

MOST_SHOWN = 8
"""Neurons of a layer that are drawn; more are counted."""
SQUARE, _GAP, _LEAST = 34, 10, 16
_BIAS, _REACH = 7, 6.0
_BLUR, _FINEST = 1.35, 1.7
"""OpenCV's smooth edges make a polygon so much broader, and none is finer than this: those become fainter."""
_HEAVY, _THIN, _THICK = 4.0, 0.8, 5.2
"""A weight of this size has the thickest line; the width of a line without weight, and what is added to it."""
_BENDS = 13
"""Points of a line between two neurons."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A weight or a bias.

    Attributes:
        layer: of weights, 0 between the features and what comes next.
        out: the neuron it belongs to.
        into: where it comes from; -1 for the bias.
    """

    layer: int
    out: int
    into: int


def ribbons(
    lines: NDArray[np.float64], widths: NDArray[np.float64], colours: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Lines of a width each, painted in their order; hundreds take a few milliseconds, with pens it were tens.

    Args:
        lines: (E, k, 2) pixels.
        widths: (E,) pixels.
        colours: (E, 3) BGR, 0..255.
        size: width and height.

    Returns:
        (h, w, 4) uint8 BGRA, the colours multiplied by alpha.
    """
    import cv2

    painted = np.zeros((size[1], size[0], 4), np.uint8)
    along = np.gradient(lines, axis=1)
    away = np.stack([-along[..., 1], along[..., 0]], -1)
    away *= (np.maximum(0, widths - _BLUR) / 2)[:, None, None] / np.maximum(
        np.linalg.norm(away, axis=-1, keepdims=True), 1e-9
    )
    edges = np.concatenate([lines + away, (lines - away)[:, ::-1]], 1)
    seen = np.minimum(1, widths / _FINEST)[:, None] * np.concatenate([colours, np.full((len(colours), 1), 255.0)], 1)
    # sixteenths of a pixel
    for edge, colour in zip((edges * 16).round().astype(np.int32), seen.tolist(), strict=True):
        cv2.fillPoly(painted, [edge], colour, cv2.LINE_AA, 4)
    return painted


def line_width(value: float) -> float:
    """Pixels, of a weight's line."""
    return _THIN + _THICK * (min(1.0, abs(value) / _HEAVY) if np.isfinite(value) else 1.0)


def woven(
    lines: NDArray[np.float64], values: list[float | None], ratio: float, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The lines of these weights as one picture, as `ribbons`; the strong ones on top, None has no line.

    Args:
        lines: (E, k, 2) pixels.
        values: E of them.
        ratio: device pixels in a pixel.
        size: device pixels across and down.
    """
    known = [number for number, value in enumerate(values) if value is not None]
    order = sorted(known, key=lambda number: abs(values[number]))
    seen = np.array([values[number] for number in order], np.float64)
    widths = np.array([line_width(value) for value in seen])
    low_high = np.array([bgr(colour) for colour in sides()], np.float64)
    ground = np.array(bgr(theme.current().picture), np.float64)
    # mixed with the ground and not transparent, which would take far longer
    strength = (0.35 + 0.65 * np.minimum(1.0, 2 * (widths - _THIN) / _THICK))[:, None]
    colours = ground + (low_high[(seen > 0).astype(int)] - ground) * strength
    return ribbons(lines[order] * ratio, widths * ratio, colours, size)


@dataclass(slots=True)
class Places:
    """Where everything of a network is drawn.

    Attributes:
        columns: the squares of features, hidden layers and outputs.
        hidden: how many of each column are not drawn.
        spots: of every line, those of `lines`.
        lines: (E, 13, 2) pixels.
    """

    columns: list[list[QRectF]] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    lines: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, _BENDS, 2)))

    def bias(self, spot: Spot) -> QRectF:
        """The small square of a neuron's bias."""
        square = self.columns[spot.layer + 1][spot.out]
        return QRectF(square.left() - _BIAS - 1, square.bottom() - _BIAS, _BIAS, _BIAS)

    def biases(self) -> list[Spot]:
        """All that are drawn."""
        return [
            Spot(layer, out, -1)
            for layer, column in enumerate(self.columns[1:])
            for out in range(len(column))
        ]  # fmt: skip

    def spot_at(self, at: QPointF) -> Spot | None:
        """The bias or the line at a point, the nearest one."""
        for spot in self.biases():
            if self.bias(spot).adjusted(-2, -2, 2, 2).contains(at):
                return spot
        if not len(self.lines):
            return None
        begin, end = self.lines[:, :-1], self.lines[:, 1:]
        along = end - begin
        point = np.array([at.x(), at.y()])
        share = ((point - begin) * along).sum(2) / np.maximum((along * along).sum(2), 1e-12)
        away = point - begin - np.clip(share, 0, 1)[..., None] * along
        distances = np.sqrt((away * away).sum(2)).min(1)
        nearest = int(distances.argmin())
        return self.spots[nearest] if distances[nearest] <= _REACH else None

    def middle(self, spot: Spot) -> QPointF:
        """Where words about it, or its editor, are put."""
        if spot.into < 0:
            return self.bias(spot).center()
        return QPointF(*self.lines[self.spots.index(spot)][_BENDS // 2])


def placed(area: QRectF, counts: list[int], inputs: list[int]) -> Places:
    """Lay a network out.

    Args:
        area: where the squares may be.
        counts: of the squares wanted in each column.
        inputs: rows of the first column that lines begin at, one for each number that goes in, in order.
    """
    shown = [min(count, MOST_SHOWN) for count in counts]
    rows = max([*shown, 1])
    pitch = min(SQUARE + _GAP, area.height() / (rows + 0.5))
    side = max(_LEAST, min(SQUARE, pitch - 4))
    places = Places(hidden=[count - now for count, now in zip(counts, shown, strict=True)])
    step = (area.width() - side) / max(1, len(counts) - 1)
    for number, now in enumerate(shown):
        left, top = round(area.left() + number * step), area.top()
        places.columns.append([QRectF(left, round(top + row * pitch), side, side) for row in range(now)])
    share = np.linspace(0, 1, _BENDS)[:, None]
    # a Bezier curve that leaves and arrives level
    basis = [(1 - share) ** 3, 3 * (1 - share) ** 2 * share, 3 * (1 - share) * share**2, share**3]
    lines = []
    for layer, (before, after) in enumerate(zip(places.columns[:-1], places.columns[1:], strict=True)):
        sources = list(enumerate(inputs if layer == 0 else range(len(before))))
        for out, target in enumerate(after):
            for into, row in sources:
                if row >= len(before):
                    continue
                x0, y0 = before[row].right(), before[row].center().y()
                x1, y1 = target.left(), target.center().y()
                corners = [(x0, y0), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1)]
                lines.append(sum(part * np.array(corner) for part, corner in zip(basis, corners, strict=True)))
                places.spots.append(Spot(layer, out, into))
    if lines:
        places.lines = np.stack(lines)
    return places


class WeightEditor(QDoubleSpinBox):
    """Asks for one number: Enter takes it, Escape and a click elsewhere leave it.

    Signals:
        taken(float): it was entered.
        left(): it is not to be changed.
    """

    taken = Signal(float)
    left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setDecimals(3)
        self.setRange(-1000.0, 1000.0)
        self.setSingleStep(0.1)
        self.setKeyboardTracking(False)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setLocale(QLocale.c())
        self.setFixedWidth(76)
        self.hide()

    def ask(self, value: float, at: QPointF, words: str) -> None:
        """Open at a place of the parent, inside it."""
        self.setAccessibleName(words)
        self.setValue(value)
        height = self.sizeHint().height()
        room = self.parentWidget().rect()
        self.move(
            round(min(max(0.0, at.x() - 38), room.width() - 76)),
            round(min(max(0.0, at.y() - height - 6), room.height() - height)),
        )
        self.show()
        self.raise_()
        self.setFocus()
        self.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.interpretText()
            self.hide()
            self.taken.emit(self.value())
        elif event.key() == Qt.Key.Key_Escape:
            self.hide()
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if self.isVisible():
            self.hide()
            self.left.emit()


class Counter(QWidget):
    """Words between two buttons, one less and one more.

    Signals:
        stepped(int): -1 or 1.
    """

    stepped = Signal(int)

    def __init__(self, parent: QWidget, less: str, more: str) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.words = QLabel()
        self.words.setObjectName("plotTitle")
        self.less, self.more = self._button("−", less, -1), self._button("+", more, 1)
        for part in (self.less, self.words, self.more):
            row.addWidget(part)

    def _button(self, text: str, name: str, step: int) -> QPushButton:
        made = QPushButton(text)
        made.setProperty("chip", True)
        made.setFixedWidth(22)
        made.setAccessibleName(name)
        made.setToolTip(name)
        made.clicked.connect(lambda: self.stepped.emit(step))
        return made

    def show_words(self, words: str, *, less: bool, more: bool) -> None:
        """Say how many there are, and whether there can be fewer and more."""
        self.words.setText(words)
        self.less.setEnabled(less)
        self.more.setEnabled(more)
        self.adjustSize()
