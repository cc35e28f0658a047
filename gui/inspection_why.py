"""Why a spot is called abnormal: the good patches that come nearest to it, as pieces of the pictures they came from."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from engine.inspection.types import NearPatch
from gui.chips import FlowLayout
from gui.inspection_parts import PATCH, Patch
from gui.swatch import Swatch

_GAP = 2
HINT = "Click a spot of the picture: the good patches nearest to it are shown here."


class WhyPanel(QWidget):
    """The right part of the strip.

    Signals:
        wanted(object): the `NearPatch` whose picture is to be shown.
    """

    wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Why here")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 4)
        column.setSpacing(4)
        self.title = QLabel("Why here: nearest good patches")
        self.title.setObjectName("plotTitle")
        column.addWidget(self.title)
        self.hint = QLabel(HINT)
        self.hint.setObjectName("quiet")
        self.hint.setWordWrap(True)
        column.addWidget(self.hint)
        self.area = QWidget()
        # as many rows as the strip has room for
        self._row = FlowLayout(_GAP)
        self.area.setLayout(self._row)
        self.area.hide()
        column.addWidget(self.area, 1)
        column.addStretch(0)
        self.swatches: list[Swatch] = []
        self._near: list[NearPatch] = []
        self._count = 0

    def show_hint(self, text: str = HINT) -> None:
        """Nothing has been asked yet, or there is nothing to show."""
        self.title.setText("Why here: nearest good patches")
        self.hint.setText(text)
        self.hint.show()
        self.area.hide()

    def show_patches(self, patches: Sequence[Patch], where: str) -> None:
        """Show these, nearest first.

        Args:
            where: the spot, in words.
        """
        self.title.setText(f"Why here: nearest good patches · {where}")
        self._near = [patch.near for patch in patches]
        while len(self.swatches) < len(patches):
            number = len(self.swatches)
            swatch = Swatch(QSize(PATCH, PATCH), f"Good patch {number + 1}")
            swatch.clicked.connect(lambda n=number: self.wanted.emit(self._near[n]))
            self.swatches.append(swatch)
            self._row.addWidget(swatch)
        self._count = len(patches)
        for swatch, patch in zip(self.swatches, patches, strict=False):
            near = patch.near
            tip = f"{near.path}. Distance {near.distance:.3f} in the features; click to see where it is."
            swatch.show_pixels(patch.pixels, f"{near.distance:.2f}", tip, patch.pixels.shape[0] / PATCH)
        self.hint.hide()
        self.area.show()
        self._fill()

    def _fill(self) -> None:
        """Show as many as there is room for; a row that is cut says nothing."""
        if not self.swatches:
            return
        cell = self.swatches[0].size()
        columns = max(1, (self.area.width() + _GAP) // (cell.width() + _GAP))
        rows = max(1, (self.area.height() + _GAP) // (cell.height() + _GAP))
        for place, swatch in enumerate(self.swatches):
            swatch.setVisible(place < min(self._count, rows * columns))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # the area takes its new size after this
        QTimer.singleShot(0, self, self._fill)
