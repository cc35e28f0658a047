"""The group Threshold of Inspect's form: histogram, slider, three presses, and what the threshold does to the set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from engine.knobs import KnobInfo
from gui.chips import FlowLayout
from gui.form import Group, NumberRow
from gui.threshold_plot import ThresholdPlot

if TYPE_CHECKING:
    from engine.inspection.threshold import KnownScores, Preset

_INFO = KnobInfo("Threshold", low=0.0, high=1.0, step=0.01, help="At or above it a picture is called abnormal.")
HEADS = ("", "called good", "called bad")
NO_SCORES = "Fit a model, or open one: the scores of the test pictures are shown here."
UNKNOWN = "Nobody has said which of these pictures are good."
FROM_GOOD = "99 % of the good"


class ThresholdGroup(QObject):
    """Builds the rows and says what was chosen.

    Signals:
        moved(float): another threshold, 0..1, while it is dragged.
        settled(float): it stays there.
    """

    moved = Signal(float)
    settled = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.widget = Group("Threshold")
        self.plot = ThresholdPlot()
        self.plot.moved.connect(self._moved)
        self.plot.settled.connect(self.settled)
        self.widget.add(self.plot)
        self.slider = NumberRow(_INFO, 0.5)
        self.slider.changed.connect(self._slid)
        self.slider.slider.sliderReleased.connect(lambda: self.settled.emit(self.threshold))
        self.widget.add(self.slider)
        self._chip_box = QWidget()
        flow = FlowLayout()
        self._chip_box.setLayout(flow)
        self.chips: dict[str, QPushButton] = {}
        for name, tip in (
            ("best F1", "Where precision and recall are best together"),
            ("no false alarm", "The lowest threshold at which no good picture is called abnormal"),
            ("no miss", "The highest threshold at which every defective picture is called abnormal"),
            (FROM_GOOD, "The lowest threshold at which 99 % of the good pictures pass"),
        ):
            chip = QPushButton(name, self._chip_box)
            chip.setProperty("chip", True)
            chip.setCheckable(True)
            chip.setToolTip(tip)
            chip.setAccessibleName(f"Threshold: {name}")
            chip.clicked.connect(lambda _c=False, name=name: self.press(name))
            self.chips[name] = chip
            flow.addWidget(chip)
        self.widget.add(self._chip_box)
        self._table()
        self.text = QLabel(NO_SCORES)
        self.text.setObjectName("quiet")
        self.text.setWordWrap(True)
        self.widget.add(self.text)
        self.threshold = 0.5
        self._known: KnownScores | None = None
        self._presets: dict[str, Preset] = {}
        self.show_scores((), ())

    def _table(self) -> None:
        self.table = QWidget()
        self.table.setAccessibleName("How many pictures are called what")
        grid = QGridLayout(self.table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(0)
        grid.setColumnStretch(0, 1)
        self.cells: dict[tuple[int, int], QLabel] = {}
        words = (HEADS, ("good", "", ""), ("defective", "", ""))
        for row, texts in enumerate(words):
            for column, text in enumerate(texts):
                cell = QLabel(text)
                cell.setObjectName("tableHead" if row == 0 else "tableCell")
                side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
                cell.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                self.cells[row, column] = cell
                grid.addWidget(cell, row, column)
        self.widget.add(self.table)

    # -- what is shown

    def show_scores(self, good: Sequence[float], bad: Sequence[float], other: Sequence[float] = ()) -> None:
        """Show these scores, 0..1 each.

        Args:
            good, bad: of pictures whose truth is known.
            other: of pictures nobody has said anything about.
        """
        self._known, self._presets = None, {}
        if len(good) or len(bad):
            from engine.inspection.threshold import KnownScores

            known = KnownScores.of([*good, *bad], [False] * len(good) + [True] * len(bad))
            self._known = known
            if len(bad):
                self._presets["best F1"] = known.best_f1()
                self._presets["no miss"] = known.no_miss()
            else:
                self._presets[FROM_GOOD] = known.from_good()
            if len(good):
                self._presets["no false alarm"] = known.no_false_alarm()
        some = bool(len(good) or len(bad) or len(other))
        self.plot.setVisible(some)
        self._chip_box.setVisible(bool(self._presets))
        self.table.setVisible(len(bad) > 0)
        for name, chip in self.chips.items():
            chip.setVisible(name in self._presets)
        if "best F1" in self._presets and self._known is not None:
            best = self._known.f1(self._presets["best F1"].threshold) or 0.0
            self.chips["best F1"].setText(f"best F1 {best:.2f}".replace(" 0.", " ."))
        self.plot.show_scores(good, bad, other)
        self._chip_box.updateGeometry()
        self.show_threshold(self.threshold)

    def show_threshold(self, threshold: float) -> None:
        """Show another threshold and what it does; emits nothing."""
        self.threshold = threshold
        self.plot.show_threshold(threshold)
        self.slider.set_value(threshold)
        self._recount()

    def press(self, name: str) -> None:
        """Take one of the thresholds as if its chip had been pressed."""
        if name in self._presets:
            self._moved(self._presets[name].threshold)
            self.settled.emit(self.threshold)

    def preset(self, name: str) -> "Preset | None":
        """The threshold behind a chip, and where it comes from."""
        return self._presets.get(name)

    def _recount(self) -> None:
        known = self._known
        now = next((p for p in self._presets.values() if p.threshold == self.threshold), None)
        for name, chip in self.chips.items():
            chip.setChecked(name in self._presets and self._presets[name].threshold == self.threshold)
        if known is None:
            self.text.setText(NO_SCORES if not self.plot.isVisibleTo(self.widget) else UNKNOWN)
            return
        counts = known.confusion(self.threshold)
        for place, count in zip(((1, 1), (1, 2), (2, 1), (2, 2)), counts, strict=True):
            self.cells[place].setText(f"{count:,}")
        if not len(known.bad):
            alarms = f"{counts.good_as_bad} of {len(known.good)} good pictures are called abnormal"
            self.text.setText(now.text if now is not None else f"{alarms}; no defective ones are known.")
            return
        f1 = known.f1(self.threshold)
        self.text.setText(f"F1 {f1:.3f} · {counts.good_as_bad:,} false alarms · {counts.bad_as_good:,} missed")

    # -- what was chosen

    def _slid(self, value: float) -> None:
        self._moved(value)
        if not self.slider.slider.isSliderDown():
            self.settled.emit(value)

    def _moved(self, threshold: float) -> None:
        self.show_threshold(threshold)
        self.moved.emit(threshold)
