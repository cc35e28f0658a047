"""The pieces of the strip's panel of similar cases: what was chosen, how it is said, a tile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from engine.inspection.alike import Seen
from engine.inspection.gallery import DEFECT, Filter, Neighbour
from engine.inspection.shelf import Facts
from gui import theme
from gui.inspection_parts import InspectShow
from gui.picture import to_qimage

PROPORTION = 98 / 78
"""Width by height of a tile's picture."""
LEAST = QSize(56, 32)
"""The smallest picture of a tile."""
_GAP = 6
WORDS = 17
"""Height of the words under a picture."""
_LOW = 0.3
"""Up to this value of the map the picture stays as it is."""
LARGEST = QSize(160, 127)
"""The largest picture of a tile, in device-independent pixels."""
COUNTED = ("no", "one", "two", "three", "four", "five")
_THINGS = frozenset(
    {"blob", "blowhole", "break", "bubble", "chip", "crack", "cut", "dent", "fold", "gap", "hole", "line", "scratch",
     "smudge", "spot", "stain", "streak", "stroke", "strip", "tear", "thread", "void", "wrinkle"}
)  # fmt: skip
"""Words for defects that there can be two of; what is none of them is said as it is ("rough", "uneven")."""


@dataclass(frozen=True, slots=True)
class GalleryChoices:
    """What was chosen of the gallery; a server's key is not among it.

    Attributes:
        where: the folder or address; "" is Sightline's own folder.
        embedding: what is compared, "defect" or "whole".
        category: only cases of it; "" means any.
        kinds: only cases of these; none means any.
        lowest, highest: of the score, 0..1.
        since, until: days, ISO 8601; "" means any.
        this_model: only cases of the present fit of the model.
        front: whether the similar cases stand before the list of pictures in the strip.
    """

    where: str = ""
    embedding: str = DEFECT
    category: str = ""
    kinds: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 1.0
    since: str = ""
    until: str = ""
    this_model: bool = True
    front: bool = False

    @property
    def filter(self) -> Filter:
        """As the gallery takes it, without the model."""
        return Filter(
            category=self.category,
            kinds=self.kinds,
            lowest=self.lowest if self.lowest > 0 else None,
            highest=self.highest if self.highest < 1 else None,
            since=self.since,
            until=self.until,
        )

    @property
    def active(self) -> int:
        """How many things are filtered by."""
        scored = self.lowest > 0 or self.highest < 1
        dated = bool(self.since or self.until)
        return bool(self.category) + bool(self.kinds) + scored + dated + (not self.this_model)

    def cleared(self) -> "GalleryChoices":
        """The same gallery and embedding without a filter."""
        return GalleryChoices(where=self.where, embedding=self.embedding, front=self.front)


def many(kind: str) -> str:
    """A kind as one says it of several: "cracks", "glue strips", "good", "rough"."""
    words = kind.replace("_", " ").replace("-", " ")
    if words.rpartition(" ")[2].lower() not in _THINGS:
        return words
    return f"{words}es" if words.endswith(("s", "x", "ch", "sh")) else f"{words}s"


def agreeing(neighbours: Sequence[Neighbour], kind: str) -> tuple[str, int]:
    """The kind that is meant (that of the picture, else the most common one) and how many are of it."""
    kinds = [found.case.kind for found in neighbours]
    meant = kind or max(kinds, key=lambda one: (kinds.count(one), -kinds.index(one)), default="")
    return meant, kinds.count(meant)


def said_of(neighbours: Sequence[Neighbour], kind: str, to: str = "cases") -> str:
    """The panel's title: "Five most similar cases · 4 of 5 are cracks".

    Args:
        to: "cases", or what was asked for where that is not the picture shown ("to the region").
    """
    count = len(neighbours)
    number = COUNTED[count] if count < len(COUNTED) else f"{count}"
    title = f"{number.capitalize()} most similar {to}" if count > 1 else f"Most similar {to.removesuffix('s')}"
    meant, agree = agreeing(neighbours, kind)
    if count == 1:
        return f"{title} · {neighbours[0].case.kind.replace('_', ' ')}"
    if not agree:
        common, most = agreeing(neighbours, "")
        rest = f", {most} are {many(common)}" if most > 1 else ""
        return f"{title} · none are {many(meant)}{rest}"
    share = f"all {count}" if agree == count else f"{agree} of {count}"
    return f"{title} · {share} are {many(meant)}"


def short(value: float) -> str:
    """A cosine or a score as ".94"."""
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def in_words(facts: Facts | None) -> str:
    """A gallery in one line: "gallery: 260 cases, embedded"."""
    if facts is None:
        return ""
    cases = f"{facts.count:,} case{'s' if facts.count != 1 else ''}"
    return f"gallery: {cases}, {f'on {facts.where}' if '://' in facts.where else 'embedded'}"


def counted(count: int) -> str:
    """So many pictures, in words."""
    return f"{count:,} picture{'' if count == 1 else 's'}"


def tip_of(found: Neighbour) -> str:
    """What is said of a case when the mouse rests on it."""
    case = found.case
    called = "abnormal" if case.score >= case.threshold else "good"
    return (
        f"{case.path}\n{case.kind.replace('_', ' ')} · score {case.score:.2f}, called {called} · {case.date[:10]} · "
        f"similarity {short(found.similarity)}"
    )


def drawn(seen: Seen, show: InspectShow) -> NDArray[np.uint8] | None:
    """A case's small picture as (h, w, 4) uint8 BGRA, with its overlay if one is shown; None where it is gone."""
    if seen.picture is None:
        return None
    import cv2

    image = seen.picture
    if seen.map is not None and show.heat:
        from engine.inspection.draw import overlay

        image = overlay(image, seen.map, opacity=show.opacity, colour_map=show.colours, low=_LOW)
    return cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)


class CaseTile(QWidget):
    """One similar case: its picture with the overlay, its kind and similarity under it.

    Signals:
        clicked(): it was pressed.
        menu_wanted(QPoint): its menu, at this place of the screen.
        stepped(int): the arrow keys: to the tile before (-1) or after (1).
    """

    clicked = Signal()
    menu_wanted = Signal(QPoint)
    stepped = Signal(int)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.neighbour: Neighbour | None = None
        self.picture = QSize(98, 78)
        self._pixmap: QPixmap | None = None
        self._state = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def fit(self, picture: QSize) -> None:
        """Take this size of the picture; the words come on top."""
        self.picture = picture
        self.setFixedSize(picture.width() + 4, picture.height() + 4 + WORDS)

    def show_case(self, neighbour: Neighbour, tip: str) -> None:
        """Show another case; its picture follows."""
        self.neighbour, self._pixmap, self._state = neighbour, None, ""
        case = neighbour.case
        self.setToolTip(tip)
        self.setAccessibleName(f"Similar case {self.number}: {case.kind}, similarity {neighbour.similarity:.2f}")
        self.setAccessibleDescription(tip)
        self.update()

    def show_pixels(self, pixels: NDArray[np.uint8] | None, ratio: float) -> None:
        """Show (h, w, 4) uint8 BGRA; None says that the picture is gone."""
        self._state = "" if pixels is not None else "file gone"
        self._pixmap = None
        if pixels is not None:
            self._pixmap = QPixmap.fromImage(to_qimage(pixels).copy())
            self._pixmap.setDevicePixelRatio(ratio)
        self.update()

    @property
    def gone(self) -> bool:
        """Whether the picture could not be read."""
        return bool(self._state)

    @property
    def words(self) -> tuple[str, str]:
        """What stands under it: kind and similarity."""
        found = self.neighbour
        return ("", "") if found is None else (found.case.kind.replace("_", " "), short(found.similarity))

    def paintEvent(self, _event: Any) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        picture = QRect(QPoint(2, 2), self.picture)
        path = QPainterPath()
        path.addRoundedRect(picture, 6, 6)
        painter.setClipPath(path)
        painter.fillRect(picture, QColor(now.control))
        if self._pixmap is not None:
            painter.drawPixmap(QRectF(picture), self._pixmap, self._part(self._pixmap))
        elif self._state:
            painter.setPen(QColor(now.quiet))
            painter.drawText(picture, Qt.AlignmentFlag.AlignCenter, self._state)
        painter.setClipping(False)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(QColor(now.accent), 2 if self.hasFocus() else 1))
            painter.drawRoundedRect(picture, 6, 6)
        self._paint_words(painter, QRect(2, picture.bottom() + 3, picture.width(), WORDS - 2))
        painter.end()

    def _part(self, pixmap: QPixmap) -> QRectF:
        """The middle of it, in the proportions of the place that it takes."""
        width, height = pixmap.width(), pixmap.height()
        scale = max(self.picture.width() / width, self.picture.height() / height)
        w, h = self.picture.width() / scale, self.picture.height() / scale
        return QRectF((width - w) / 2, (height - h) / 2, w, h)

    def _paint_words(self, painter: QPainter, line: QRect) -> None:
        now = theme.current()
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        kind, similarity = self.words
        metrics = painter.fontMetrics()
        painter.setPen(QColor(now.quiet))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, similarity)
        painter.setPen(QColor(now.text))
        room = line.width() - metrics.horizontalAdvance(similarity) - 6
        kind = metrics.elidedText(kind, Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, kind)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit()
        elif event.key() in steps:
            self.stepped.emit(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        mouse = event.reason() == QContextMenuEvent.Reason.Mouse
        self.menu_wanted.emit(event.globalPos() if mouse else self.mapToGlobal(self.rect().center()))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()


class CaseRow(QWidget):
    """Similar cases side by side, as large as there is room for.

    Args:
        count: of tiles.

    Signals:
        opened(object): the tile that was pressed.
        menu_wanted(object, QPoint): a tile's menu, at this place of the screen.
    """

    opened = Signal(object)
    menu_wanted = Signal(object, QPoint)

    def __init__(self, count: int) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(_GAP)
        row.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.tiles = [CaseTile(number + 1) for number in range(count)]
        for tile in self.tiles:
            tile.hide()
            tile.clicked.connect(lambda tile=tile: self.opened.emit(tile))
            tile.menu_wanted.connect(lambda at, tile=tile: self.menu_wanted.emit(tile, at))
            tile.stepped.connect(lambda by, tile=tile: self._step(tile, by))
            row.addWidget(tile)
        # the tiles take the room that there is, they do not ask for more
        self.setMinimumSize(count * (LEAST.width() + 4 + _GAP) - _GAP, LEAST.height() + 4 + WORDS)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def show_cases(self, neighbours: Sequence[Neighbour]) -> None:
        """Show these; their pictures follow."""
        for place, tile in enumerate(self.tiles):
            tile.setVisible(place < len(neighbours))
            if place < len(neighbours):
                tile.show_case(neighbours[place], tip_of(neighbours[place]))

    def _step(self, tile: CaseTile, by: int) -> None:
        place = tile.number - 1 + by
        if 0 <= place < len(self.tiles) and self.tiles[place].isVisible():
            self.tiles[place].setFocus(Qt.FocusReason.TabFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        count = len(self.tiles)
        wide = (self.width() - (count - 1) * _GAP) // count - 4
        high = min(LARGEST.height(), max(LEAST.height(), self.height() - 4 - WORDS))
        # low and wide where the strip is low, so that the words below have room
        width = max(LEAST.width(), min(wide, LARGEST.width(), round(max(84, high * PROPORTION))))
        size = QSize(width, min(high, round(width / PROPORTION)))
        for tile in self.tiles:
            tile.fit(size)
