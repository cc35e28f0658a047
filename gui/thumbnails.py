"""Many pictures as small ones: read on a worker when they come into view, kept while there is room."""

from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QBrush, QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
)

from gui import theme
from gui.job import JobSlot
from gui.picture import to_qimage

KEPT = 600
"""Thumbnails in memory: 600 of 96 x 72 at 200 % are 66 MiB."""
_Index = QModelIndex | QPersistentModelIndex
Key = tuple[str, int, int]
"""Of a thumbnail: path, width and height in device pixels."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture, ready to be shown.

    Attributes:
        key: the path and the size that were asked for.
        pixels: (h, w, 4) uint8 BGRA, cropped to the wanted proportions; None where the file is no picture.
    """

    key: Key
    pixels: NDArray[np.uint8] | None


def shrink(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Cut the middle out of a picture and make it this large: (height, width, 4) uint8 BGRA from (H, W, 3) BGR."""
    import cv2

    have_h, have_w = image.shape[:2]
    scale = max(width / have_w, height / have_h)
    w, h = min(have_w, max(1, round(width / scale))), min(have_h, max(1, round(height / scale)))
    left, top = (have_w - w) // 2, (have_h - h) // 2
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image[top : top + h, left : left + w], (width, height), interpolation=how)
    return cv2.cvtColor(small, cv2.COLOR_BGR2BGRA)


def load(wanted: deque[Key], read: Callable[[Path], NDArray[np.uint8]]) -> Generator[Any, None, None]:
    """Make the thumbnails that are wanted, newest first, until none is; a job.

    Args:
        wanted: path, width, height; more may be put in while it runs.
        read: a file as (H, W, 3) uint8 BGR.
    """
    while wanted:
        key = wanted.pop()
        path, width, height = key
        try:
            yield Thumbnail(key, shrink(read(Path(path)), width, height))
        except Exception:
            # what is wrong with the file is said where the picture itself is opened
            yield Thumbnail(key, None)


def rounded(pixels: NDArray[np.uint8], radius: float = 0.0) -> QPixmap:
    """A pixmap of (h, w, 4) uint8 BGRA with round corners; painted in at once, a clip would cost it at each paint."""
    height, width = pixels.shape[:2]
    made = QPixmap(width, height)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(QPixmap.fromImage(to_qimage(pixels).copy())))
    painter.drawRoundedRect(QRectF(0, 0, width, height), radius or width * 0.05, radius or width * 0.05)
    painter.end()
    return made


def _read(path: Path) -> NDArray[np.uint8]:
    from engine.inspection.pictures import read_any

    return read_any(path)


class Thumbnails(QObject):
    """The thumbnails of a page: asked for by path, read on one worker, the newest request first.

    Signals:
        arrived(str): the thumbnail of this path is there now.
    """

    arrived = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[Key, QPixmap] = OrderedDict()
        self._asked: set[Key] = set()
        self._wanted: deque[Key] = deque(maxlen=KEPT)
        self.slot = JobSlot(self)
        self.slot.batch.connect(self._came)
        self.slot.finished.connect(self._go_on)

    def get(self, path: str, size: QSize, ratio: float) -> QPixmap | None:
        """The thumbnail, or None while it is being read; `arrived` follows."""
        key = (path, round(size.width() * ratio), round(size.height() * ratio))
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            found.setDevicePixelRatio(ratio)
            return found
        if key not in self._asked:
            if len(self._wanted) == KEPT:
                self._asked.discard(self._wanted[0])
            self._asked.add(key)
            self._wanted.append(key)
            self._go_on()
        return None

    def forget(self, path: str) -> None:
        """Read this one anew next time."""
        for key in [key for key in self._kept if key[0] == path]:
            del self._kept[key]

    def close(self) -> None:
        """Stop reading."""
        self._wanted.clear()
        self.slot.cancel()

    def _go_on(self) -> None:
        if self._wanted and not self.slot.busy:
            wanted = self._wanted
            self.slot.start(lambda: load(wanted, _read), "Thumbnails", keep=KEPT)

    def _came(self, thumbnails: list[Thumbnail]) -> None:
        for one in thumbnails:
            self._asked.discard(one.key)
            self._kept[one.key] = QPixmap() if one.pixels is None else rounded(one.pixels)
            self.arrived.emit(one.key[0])
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one picture of a list.

    Attributes:
        path: of the picture.
        left, right: the words under it.
        mark: "good", "bad" or "": the colour of the right word.
        tip: what is said when the mouse rests on it.
    """

    path: str
    left: str = ""
    right: str = ""
    mark: str = ""
    tip: str = ""


class EntriesModel(QAbstractListModel):
    """The list behind a `ThumbnailList`: paths, and a function that says what stands under one when it is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.places: dict[str, int] = {}
        self.describe: Callable[[str], Entry] = Entry

    def show_paths(self, paths: Sequence[str], describe: Callable[[str], Entry]) -> bool:
        """Replace everything; False if the pictures are the same in the same order."""
        self.describe = describe
        paths = list(paths)
        if paths == self.paths:
            return False
        self.beginResetModel()
        self.paths = paths
        self.places = {path: place for place, path in enumerate(paths)}
        self.endResetModel()
        return True

    def entry(self, place: int) -> Entry:
        """What is shown at this place."""
        return self.describe(self.paths[place])

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.paths)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.paths):
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            entry = self.entry(index.row())
            return " ".join(part for part in (Path(entry.path).name, entry.left, entry.right) if part)
        if role == Qt.ItemDataRole.ToolTipRole:
            entry = self.entry(index.row())
            return entry.tip or entry.path
        return None


class _Painter(QStyledItemDelegate):
    """Paints one entry: the thumbnail, and a line of words under it."""

    def __init__(self, owner: "ThumbnailList") -> None:
        super().__init__(owner)
        self._owner = owner

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        return self._owner.cell()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        owner, now = self._owner, theme.current()
        entry = owner.rows.entry(index.row())
        picture = QRect(option.rect.topLeft() + QPoint(2, 2), owner.picture_size)
        pixmap = owner.source.get(entry.path, owner.picture_size, owner.devicePixelRatioF())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if pixmap is not None and not pixmap.isNull():
            painter.drawPixmap(picture.topLeft(), pixmap)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(now.control))
            painter.drawRoundedRect(picture, 5, 5)
        if pixmap is not None and pixmap.isNull():
            painter.setPen(QColor(now.quiet))
            painter.drawText(picture, Qt.AlignmentFlag.AlignCenter, "unreadable")
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(now.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(picture, 5, 5)
        if owner.words:
            self._words(painter, entry, QRect(picture.left(), picture.bottom() + 3, picture.width(), owner.words))
        painter.restore()

    def _words(self, painter: QPainter, entry: Entry, line: QRect) -> None:
        now = theme.current()
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        right = metrics.horizontalAdvance(entry.right)
        painter.setPen(QColor({"good": now.good, "bad": now.danger}.get(entry.mark, now.quiet)))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, entry.right)
        painter.setPen(QColor(now.text))
        left = metrics.elidedText(entry.left, Qt.TextElideMode.ElideRight, line.width() - right - 6)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, left)


class ThumbnailList(QListView):
    """Pictures side by side; only those in view are read.

    Args:
        label: what the list is, for those who cannot see it.
        source: where thumbnails come from; several lists may share it.
        size: of a thumbnail, in device-independent pixels.
        words: height of the line of words under each; 0 for none.
        wrap: several rows that scroll down, instead of one that scrolls sideways.

    Signals:
        chosen(str): the path of the picture that was clicked or reached with the keys.
    """

    chosen = Signal(str)

    def __init__(
        self, label: str, source: Thumbnails, size: QSize, *, words: int = 16, wrap: bool = False, gap: int = 4
    ) -> None:
        super().__init__()
        self.source, self.picture_size, self.words, self._gap = source, size, words, gap
        self.rows = EntriesModel()
        self.setModel(self.rows)
        self.setAccessibleName(label)
        self.setItemDelegate(_Painter(self))
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(wrap)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setLayoutMode(QListView.LayoutMode.SinglePass)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        mode = QAbstractItemView.ScrollMode.ScrollPerPixel
        self.setHorizontalScrollMode(mode)
        self.setVerticalScrollMode(mode)
        off, needed = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setHorizontalScrollBarPolicy(off if wrap else needed)
        self.setVerticalScrollBarPolicy(needed if wrap else off)
        self.setMinimumHeight(self.cell().height() + (0 if wrap else 12))
        self.setMouseTracking(True)
        source.arrived.connect(self._arrived)
        self.selectionModel().currentChanged.connect(self._changed)

    def cell(self) -> QSize:
        """What one entry takes."""
        size = self.picture_size
        return QSize(size.width() + 4 + self._gap, size.height() + 4 + (self.words + 3 if self.words else 0))

    def show_entries(self, paths: Sequence[str], describe: Callable[[str], Entry]) -> None:
        """Show these; what was chosen stays chosen if it is still among them, and the list stays where it is."""
        before = self.current()
        bars = [(bar, bar.value()) for bar in (self.horizontalScrollBar(), self.verticalScrollBar())]
        if self.rows.show_paths(paths, describe):
            self._choose(before)
            self.doItemsLayout()
            for bar, value in bars:
                bar.setValue(value)
        self.viewport().update()

    def current(self) -> str:
        """The path that is chosen, or ""."""
        index = self.currentIndex()
        return self.rows.paths[index.row()] if index.isValid() else ""

    def choose(self, path: str) -> None:
        """Show this one as chosen and bring it into view; emits nothing."""
        self._choose(path)
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())
        self.viewport().update()

    def _choose(self, path: str) -> None:
        place = self.rows.places.get(path)
        model = self.selectionModel()
        model.blockSignals(True)
        if place is None:
            model.clear()
        else:
            model.setCurrentIndex(self.rows.index(place), QItemSelectionModel.SelectionFlag.ClearAndSelect)
        model.blockSignals(False)

    def step(self, by: int) -> str:
        """The path of the entry so many places on, or "" where there is none; nothing is chosen by this."""
        paths = self.rows.paths
        place = self.currentIndex().row() + by if self.currentIndex().isValid() else 0
        return paths[place] if 0 <= place < len(paths) else ""

    def _changed(self, now: QModelIndex, _before: QModelIndex) -> None:
        if now.isValid():
            self.chosen.emit(self.rows.paths[now.row()])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        before = self.current()
        super().mousePressEvent(event)
        # the chosen one is clicked again: something else may have been shown since
        if before and before == self.current() and self.indexAt(event.position().toPoint()) == self.currentIndex():
            self.chosen.emit(before)

    def _arrived(self, path: str) -> None:
        place = self.rows.places.get(path)
        if place is not None:
            self.update(self.rows.index(place))

    def wheelEvent(self, event: Any) -> None:
        if self.isWrapping():
            super().wheelEvent(event)
            return
        bar = self.horizontalScrollBar()
        turned = event.angleDelta()
        bar.setValue(bar.value() - (turned.y() or turned.x()))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current():
            self.chosen.emit(self.current())
        else:
            super().keyPressEvent(event)

    def viewportEvent(self, event: Any) -> bool:
        # a tool tip is made when it is wanted, not for thousands of rows
        if isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            if index.isValid():
                QToolTip.showText(event.globalPos(), str(index.data(Qt.ItemDataRole.ToolTipRole)), self)
                return True
        return super().viewportEvent(event)
