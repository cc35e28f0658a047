"""The group Data of Inspect's form: the set, what is in it, what the picture is called, the region of interest."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QLabel, QMenu, QPushButton, QToolButton, QWidget

from engine.inspection.types import GOOD, Category, Item
from gui import theme
from gui.form import Group, choice
from gui.inspection_tools import Region

OTHER = "\0other"


def counted(category: Category) -> str:
    """What a set holds, in words: "120 good to learn · 40 good and 100 defective to test"."""
    learn, counts = len(category.train), category.counts
    good = counts.get(GOOD, 0)
    bad = sum(counts.values()) - good
    parts = [f"{count:,} {word}" for count, word in ((good, "good"), (bad, "defective")) if count]
    test = f"{' and '.join(parts)} to test" if parts else "nothing to test"
    return f"{learn:,} good to learn · {test}"


class DataGroup(QObject):
    """Builds the rows and says what was chosen.

    Signals:
        category_chosen(int): the place of a category in the list.
        labelled(str): the picture shown is of this kind; "good" or a kind of defect.
        undo_wanted(): take the last label back.
        region_wanted(bool): draw the region of interest (True) or clear it.
        paint_wanted(bool): paint the mask of the picture shown, or stop.
        folder_wanted(str): "set" (a data set or good pictures) or "bad" (a folder of bad pictures).
    """

    category_chosen = Signal(int)
    labelled = Signal(str)
    undo_wanted = Signal()
    region_wanted = Signal(bool)
    paint_wanted = Signal(bool)
    folder_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.widget = Group("Data")
        self.set: QComboBox = choice("Set", (), (), None, "The category that is learned and tested")
        self.set.setPlaceholderText("none is open")
        self.set.activated.connect(self.category_chosen)
        self.more = _tool("more", "Choose folders")
        menu = QMenu(self.more)
        menu.addAction("Open a data set or good pictures …").triggered.connect(lambda: self.folder_wanted.emit("set"))
        self.add_bad = menu.addAction("Add a folder of bad pictures …")
        self.add_bad.triggered.connect(lambda: self.folder_wanted.emit("bad"))
        self.more.setMenu(menu)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.widget.add_row("Set", _beside(self.set, self.more))
        self.counts = QLabel()
        self.counts.setObjectName("quiet")
        self.counts.setWordWrap(True)
        self.widget.add(self.counts)
        self.label: QComboBox = choice("Label", (), (), None, "What the picture shown is; the next fit knows it")
        self.label.setPlaceholderText("–")
        self.label.activated.connect(self._label_chosen)
        self.undo = _tool("undo", "Take the last label back (Ctrl+Z)")
        self.undo.clicked.connect(self.undo_wanted)
        self.paint = _tool("brush", "Paint the mask of the picture's defect (M)")
        self.paint.setCheckable(True)
        self.paint.clicked.connect(self.paint_wanted)
        self.widget.add_row("Label", _beside(self.label, self.undo, self.paint))
        self.draw = QPushButton("Draw …")
        self.draw.setCheckable(True)
        self.draw.setAccessibleName("Draw the region of interest")
        self.draw.setToolTip("Drag a rectangle over the picture: only what lies in it is learned and inspected (R)")
        self.draw.clicked.connect(lambda on: self.region_wanted.emit(True) if on else self.region_wanted.emit(False))
        self.clear = _tool("close", "Inspect the whole picture again")
        self.clear.clicked.connect(lambda: self.region_wanted.emit(False))
        self.widget.add_row("Region", _beside(self.draw, self.clear))
        self._kinds: tuple[str, ...] = ()
        self.show_sets((), -1)
        self.show_item(None, ())
        self.show_region((0.0, 0.0, 1.0, 1.0), possible=False)
        self.set_undoable(False)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for tool, icon in ((self.more, "more"), (self.undo, "undo"), (self.paint, "brush"), (self.clear, "close")):
            tool.setIcon(theme.icon(icon))

    def show_sets(self, categories: Sequence[Category], place: int) -> None:
        """List these categories, one of them chosen."""
        self.set.clear()
        for category in categories:
            self.set.addItem(category.name)
        self.set.setCurrentIndex(place)
        self.set.setEnabled(len(categories) > 0)
        self.add_bad.setEnabled(place >= 0)
        self.counts.setText(
            counted(categories[place]) if place >= 0 else "Open a data set, or a folder of good pictures."
        )

    def show_folder(self, name: str, count: int) -> None:
        """A folder of pictures that nobody has said anything about."""
        self.set.clear()
        self.set.addItem(name)
        self.set.setEnabled(False)
        self.add_bad.setEnabled(False)
        self.counts.setText(f"{count:,} picture{'s' if count != 1 else ''} that nobody has labelled")

    def show_item(self, item: Item | None, kinds: Sequence[str]) -> None:
        """What the picture shown is called, among these kinds; None where it is not of the set."""
        self._kinds = (GOOD, *(kind for kind in kinds if kind != GOOD))
        self.label.clear()
        for kind in self._kinds:
            self.label.addItem(kind, kind)
        self.label.addItem("another kind …", OTHER)
        self.label.setCurrentIndex(self.label.findData(item.kind) if item is not None else -1)
        self.label.setEnabled(item is not None)
        self.paint.setEnabled(item is not None)

    def show_region(self, region: Region, *, possible: bool = True, drawing: bool = False) -> None:
        """Whether there is a region of interest, and whether one can be drawn now."""
        whole = region[2] * region[3] >= 1 - 1e-6
        text = "Drag on it" if drawing else "Draw …" if whole else f"Redraw ({region[2] * region[3] * 100:.0f} %)"
        self.draw.setText(text)
        self.draw.setChecked(drawing)
        self.draw.setEnabled(possible)
        self.clear.setEnabled(possible and not whole)

    def set_undoable(self, on: bool) -> None:
        """Whether there is a label to take back."""
        self.undo.setEnabled(on)
        # without it there is more room for the label
        self.undo.setVisible(on)

    def _label_chosen(self, place: int) -> None:
        kind = self.label.itemData(place)
        if kind == OTHER:
            kind, given = QInputDialog.getText(self.label.window(), "Another kind", "What kind of defect is it?")
            kind = kind.strip() if given else ""
        if kind:
            self.labelled.emit(kind)


def _tool(icon: str, says: str) -> QToolButton:
    button = QToolButton()
    button.setIcon(theme.icon(icon))
    button.setToolTip(says)
    button.setAccessibleName(says.partition(" (")[0])
    button.setFixedSize(28, 28)
    return button


def _beside(*widgets: QWidget) -> QWidget:
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(2)
    for place, widget in enumerate(widgets):
        row.addWidget(widget, 1 if place == 0 else 0)
    box.setFocusProxy(widgets[0])
    return box


def where(item: Item, category: Category) -> str:
    """A picture's place in its set, for the open bar: "tile / test / crack / 000.png"."""
    path = item.path
    try:
        inside = path.relative_to(category.folder)
    except ValueError:
        return path.name
    return " / ".join((category.name, *Path(inside).parts))
