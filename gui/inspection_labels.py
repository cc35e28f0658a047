"""What a person says about the pictures of a set: other kinds, painted masks, the region of interest."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from engine.inspection.types import Category, Item
from engine.job import Progress
from gui.actions import action
from gui.inspection_tools import MaskBrush, Region, RegionTool
from gui.job import JobSlot
from gui.notice import Action

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)


class PaintBar(QFrame):
    """What can be done while a mask is painted; a card over the top of the picture.

    Signals:
        undo(), clear(), save(), leave(): the buttons.
    """

    undo = Signal()
    clear = Signal()
    save = Signal()
    leave = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("card")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(6)
        words = QLabel("Left paints, right erases. Ctrl and the wheel, or [ and ], change the brush.")
        words.setObjectName("quiet")
        words.setWordWrap(True)
        words.setMinimumWidth(230)
        row.addWidget(words, 1)
        self.buttons: dict[str, QPushButton] = {}
        words_of = {"Undo": self.undo, "Clear": self.clear, "Cancel": self.leave, "Save mask": self.save}
        for word, signal in words_of.items():
            button = QPushButton(word)
            button.setAccessibleName(f"Mask: {word.lower()}")
            button.setProperty("primary", word == "Save mask")
            button.clicked.connect(lambda _c=False, signal=signal: signal.emit())
            self.buttons[word] = button
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.hide()

    def place(self) -> None:
        """Stand at the top of the picture."""
        over = self.parentWidget()
        assert over is not None
        self.setFixedWidth(min(600, over.width() - 32))
        self.adjustSize()
        self.move(over.width() - self.width() - 16, 14)
        self.raise_()


class InspectionLabels(QObject):
    """Relabels, paints masks, sets the region.

    Args:
        page: whose pictures are spoken of.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.brush: MaskBrush | None = None
        self._painted: Item | None = None
        self._before: list[Item] = []
        self.slot = JobSlot(self)
        self.slot.returned.connect(lambda do: do())
        self.slot.failed.connect(page.failed)
        self.bar = PaintBar(page.area)
        self.bar.undo.connect(self.undo)
        self.bar.clear.connect(lambda: self.brush and self.brush.clear())
        self.bar.save.connect(self.save_mask)
        self.bar.leave.connect(self.stop)
        page.picture.view_changed.connect(lambda: self.bar.place() if self.bar.isVisible() else None)
        data = page.data
        data.labelled.connect(self.relabel)
        data.undo_wanted.connect(self.undo)
        data.region_wanted.connect(self.region)
        data.paint_wanted.connect(lambda on: self.paint() if on else self.stop())
        self.undo_action = action(self, "Take the last label or stroke back", self.undo, "Ctrl+Z")
        self.actions = [
            action(self, "Paint the mask of the picture", lambda: self.stop() if self.brush else self.paint(), "M"),
            action(self, "A larger brush", lambda: self._resize(1.25), "]"),
            action(self, "A smaller brush", lambda: self._resize(0.8), "["),
            action(self, "Draw the region of interest", lambda: self.region(True), "R"),
            action(self, "Inspect the whole picture again", lambda: self.region(False), "Shift+R"),
            self.undo_action,
        ]

    def forget(self) -> None:
        """Another set is open."""
        self._before.clear()
        self.page.data.set_undoable(False)
        self.stop()

    # -- labels

    def relabel(self, kind: str) -> None:
        """Call the picture shown good, or defective of some kind."""
        item = self.page.item
        if item is not None and kind != item.kind:
            self._before.append(item)
            self._relabel(item, kind, None)

    def undo(self) -> None:
        """Take the last stroke of the brush back, or the last label."""
        if self.brush is not None:
            self.brush.undo()
            self.page.update_pictures()
        elif self._before and not self.slot.busy:
            was = self._before.pop()
            self._relabel(was, was.kind, was.split, again=False)

    def _relabel(self, item: Item, kind: str, split: str | None, *, again: bool = True) -> None:
        category = self.page.category
        if category is None:
            return

        def job() -> Any:
            from engine.inspection.labels import relabel

            yield Progress("Labelling")
            made = relabel(category, item, kind, split)
            return lambda: self._relabelled(made, item, again=again)

        self.slot.start(job, f"Label {item.path.name}")

    def _relabelled(self, category: Category, item: Item, *, again: bool) -> None:
        page = self.page
        now = next(one for one in category.items if one.path == item.path)
        page.sets.set_items(category)
        page.data.set_undoable(bool(self._before))
        if again and (now.split == "train") != (item.split == "train"):
            text = f"{item.path.name} is called {now.kind} now; the next fit knows it."
            page.asked.emit(text, "info", [Action("Fit again", page.fit.start), Action("Undo", self.undo)])

    # -- masks

    def paint(self) -> None:
        """Begin to paint the mask of the picture shown."""
        page, item, shown = self.page, self.page.item, self.page.shown
        if item is None or shown is None:
            page.data.paint.setChecked(False)
            page.said.emit("A mask belongs to a picture of the set: choose one first.", "warning")
            return
        if not item.abnormal:
            page.data.paint.setChecked(False)
            page.said.emit(f"{item.path.name} is labelled good: say first what kind of defect it shows.", "warning")
            return
        image = shown.looked.image

        def job() -> Any:
            from engine.inspection.pictures import read_mask

            yield Progress("Reading the mask")
            size = image.shape[:2]
            mask = read_mask(item.mask, size) if item.mask is not None else np.zeros(size, bool)
            return lambda: self._begin(item, mask.astype(np.uint8))

        self.slot.start(job, f"Mask of {item.path.name}")

    def _begin(self, item: Item, mask: Any) -> None:
        page = self.page
        if page.item is None or page.item.path != item.path:
            return
        self._painted = item
        self.brush = MaskBrush(mask, self._strokes)
        page.set_tool(self.brush)
        page.data.paint.setChecked(True)
        self._strokes()
        self.bar.place()
        self.bar.show()
        page.card_view.hide()

    def _strokes(self) -> None:
        if self.brush is not None:
            self.bar.buttons["Undo"].setEnabled(self.brush.undoable)
            self.page.update_pictures()

    def _resize(self, factor: float) -> None:
        if self.brush is not None:
            self.brush.resize(factor)
            self.page.update_pictures()

    def save_mask(self) -> None:
        """Keep the painted mask in the data set's own layout."""
        category, item, brush = self.page.category, self._painted, self.brush
        if category is None or item is None or brush is None:
            return
        mask = brush.mask > 0

        def job() -> Any:
            from engine.inspection.labels import save_mask, with_mask

            yield Progress("Saving the mask")
            path = save_mask(category, item, mask)
            made = with_mask(category, item, path)
            return lambda: self._saved(made, path)

        self.slot.start(job, f"Save the mask of {item.path.name}")

    def _saved(self, category: Category, path: Path) -> None:
        self.stop()
        self.page.sets.set_items(category)
        self.page.said.emit(f"{path.name} is written, in {path.parent}.", "info")

    def stop(self) -> None:
        """Leave the brush; what was painted and not saved is gone."""
        if self.brush is not None:
            self.brush = self._painted = None
            self.page.set_tool(None)
            self.bar.hide()
            self.page.show_card()
        self.page.data.paint.setChecked(False)

    # -- the region of interest

    def region(self, draw: bool) -> None:
        """Draw the region of interest on the picture, or inspect the whole picture again."""
        page = self.page
        if page.category is None:
            return
        if not draw:
            if page.drawing_region:
                page.set_tool(None)
                page.show_region()
            else:
                self._set_region(WHOLE)
            return
        self.stop()
        page.set_tool(RegionTool(self._set_region))
        page.show_region()

    def _set_region(self, region: Region) -> None:
        category = self.page.category
        assert category is not None

        def job() -> Any:
            from engine.inspection.labels import set_region

            yield Progress("Keeping the region")
            set_region(category, region)
            return lambda: self._region_set(region)

        self.slot.start(job, f"Region of {category.name}")

    def _region_set(self, region: Region) -> None:
        page = self.page
        changed, page.region = page.region != region, region
        page.set_tool(None)
        page.show_region()
        if changed and page.card is not None:
            page.asked.emit("The region counts from the next fit on.", "info", [Action("Fit again", page.fit.start)])
