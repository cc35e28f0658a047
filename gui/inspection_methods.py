"""What is evaluated: which categories, and which methods with which settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from engine.inspection.knobs import METHODS, FitKnobs
from engine.inspection.titles import method_title
from engine.inspection.types import Category
from engine.job import Progress
from gui.chips import Chips
from gui.inspection_method import backbone_title, long_words, that_count
from gui.job import JobSlot

OWN = ("patchcore", "efficientad")
"""Always offered, with the form's settings."""


def settings_title(knobs: FitKnobs) -> str:
    """Settings in a few words: "PatchCore · MobileNetV2 · 10 % · 256 px"."""
    parts = [method_title(knobs.method)]
    if knobs.method == "patchcore":
        parts += [backbone_title(knobs.backbone), f"{knobs.coreset * 100:g} %"]
    elif knobs.method == "efficientad":
        parts += [knobs.model_size, f"{knobs.steps:,} steps"]
    parts.append(f"{knobs.size} px")
    if knobs.crop:
        parts.append(f"crop {knobs.crop}")
    return " · ".join(parts)


class MethodChoice(QWidget):
    """Chips for categories and methods.

    Args:
        knobs: the form's settings.
        device: where the networks run; for the time that training takes.

    Signals:
        changed(): something else is chosen.
        said(str, str): a sentence and its level, for the notices.
        failed(object): an exception, for the notices.
    """

    changed = Signal()
    said = Signal(str, str)
    failed = Signal(object)

    def __init__(self, knobs: FitKnobs, device: str = "auto") -> None:
        super().__init__()
        self.knobs, self.device = knobs, device
        self._added: list[FitKnobs] = []
        self._categories: dict[str, Category] = {}
        self.regions: Mapping[Path, tuple[float, float, float, float]] = {}
        self.estimating = JobSlot(self)
        self.estimating.returned.connect(self._estimated)
        self.estimating.failed.connect(self.failed)
        self.all = _chip("all", "All categories, or none")
        self.all.setCheckable(True)
        self.all.clicked.connect(self._all_pressed)
        self.categories = Chips("Category", (), first=24)
        self.categories.changed.connect(self._categories_chosen)
        self.methods = Chips("Method", [method_title(name) for name in OWN], (method_title(OWN[0]),))
        self.methods.changed.connect(lambda _c: self._methods_chosen())
        self.add = _chip("add the form's settings", "Add this form's settings as another method")
        self.add.clicked.connect(lambda _c=False: self.add_settings())
        self.note = QLabel()
        self.note.setObjectName("quiet")
        self.note.setWordWrap(True)
        self.note.hide()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for row, (name, lone, chips) in enumerate(
            (("Categories", self.all, self.categories), ("Methods", self.add, self.methods))
        ):
            label = QLabel(name)
            line = QWidget()
            inside = QHBoxLayout(line)
            inside.setContentsMargins(0, 0, 0, 0)
            inside.setSpacing(4)
            inside.addWidget(chips, 1)
            inside.insertWidget(0 if row == 0 else 1, lone)
            inside.setAlignment(lone, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(line, row, 1)
        grid.addWidget(self.note, 2, 1)
        self._settle()

    # -- what is there

    def show_categories(
        self,
        categories: Sequence[Category],
        chosen: Sequence[str] = (),
        regions: Mapping[Path, tuple[float, float, float, float]] | None = None,
    ) -> None:
        """Offer these; all are chosen unless some are named.

        Args:
            categories: of the data set that is open.
            chosen: their names.
            regions: the region of interest of a category's folder, where there is one.
        """
        # two folders of one name are told apart by a number
        names: dict[str, Category] = {}
        for category in categories:
            name, twice = category.name, 2
            while name in names:
                name, twice = f"{category.name} ({twice})", twice + 1
            names[name] = category
        self._categories, self.regions = names, dict(regions or {})
        self.categories.set_names(list(names), [name for name in names if not chosen or name in chosen])
        self._settle()
        self.changed.emit()

    def set_knobs(self, knobs: FitKnobs) -> None:
        """The form's settings have changed; what was added keeps its own."""
        self.knobs = knobs
        self._tell()
        self._estimate()

    def set_device(self, device: str) -> None:
        """Where the networks run."""
        self.device = device
        self._estimate()

    def add_settings(self) -> None:
        """Add the form's settings, as they are now, as another method."""
        if self.knobs.method not in METHODS:
            from engine.inspection.anomalib_table import why_not

            why = why_not(self.knobs.method)
            if why:
                self.said.emit(why, "warning")
                return
        knobs = that_count(self.knobs)
        if knobs in self._added:
            self.said.emit("The form's settings are there already: change them first, then add them.", "info")
            return
        chosen = list(self.methods.chosen())
        self._added.append(knobs)
        names = self._titles()
        # the form's own of the same method would be the same twice
        same = method_title(self.knobs.method)
        chosen = [name for name in chosen if name != same]
        self.methods.set_names(names, [*chosen, names[-1]])
        self._methods_chosen()

    def _titles(self) -> list[str]:
        names = [method_title(name) for name in OWN]
        for knobs in self._added:
            name, twice = settings_title(knobs), 2
            while name in names:
                name, twice = f"{settings_title(knobs)} ({twice})", twice + 1
            names.append(name)
        return names

    # -- what is chosen

    def chosen_categories(self) -> list[Category]:
        """In the order shown."""
        return [self._categories[name] for name in self.categories.chosen()]

    def chosen_settings(self) -> list[FitKnobs]:
        """In the order shown, the same settings once."""
        offered = [*(replace(self.knobs, method=name) for name in OWN), *self._added]
        on = self.methods.chosen()
        chosen = [knobs for name, knobs in zip(self._titles(), offered, strict=True) if name in on]
        return list(dict.fromkeys(chosen))

    def set_enabled(self, on: bool) -> None:
        """Nothing else can be chosen while it runs."""
        for widget in (self.all, self.categories, self.methods, self.add):
            widget.setEnabled(on)

    def _all_pressed(self) -> None:
        names = self.categories.names()
        every = len(self.categories.chosen()) < len(names)
        self.categories.set_chosen(names if every else ())
        self._settle()
        self.changed.emit()

    def _categories_chosen(self, _chosen: object) -> None:
        self._settle()
        self.changed.emit()

    def _methods_chosen(self) -> None:
        self._tell()
        self._estimate()
        self.changed.emit()

    def _settle(self) -> None:
        names = self.categories.names()
        self.all.setChecked(bool(names) and len(self.categories.chosen()) == len(names))
        self.all.setVisible(len(names) > 1)
        self._tell()

    def _tell(self) -> None:
        first = self.methods.button(method_title(OWN[0]))
        first.setToolTip(f"With the form's settings: {settings_title(replace(self.knobs, method=OWN[0]))}")
        second = self.methods.button(method_title(OWN[1]))
        second.setToolTip(f"With the form's settings: {settings_title(replace(self.knobs, method=OWN[1]))}")
        self.add.setToolTip(f"Add this form's settings as another method: {settings_title(self.knobs)}")

    # -- how long training takes

    def _estimate(self) -> None:
        trained = next((knobs for knobs in self.chosen_settings() if knobs.method == "efficientad"), None)
        self.note.setVisible(trained is not None)
        if trained is None:
            self.estimating.cancel()
            return
        device = self.device
        self.note.setText(f"EfficientAD is trained for {trained.steps:,} steps in each category.")

        def job() -> Any:
            from engine.inspection.efficientad_train import estimate_seconds

            yield Progress("Estimating")
            return trained, estimate_seconds(trained, device)

        self.estimating.start(job, "Estimate")

    def _estimated(self, result: Any) -> None:
        knobs, seconds = result
        self.note.setText(
            f"EfficientAD is trained for {knobs.steps:,} steps in each category: about {long_words(seconds)} each."
        )


def _chip(text: str, says: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("chip", True)
    button.setToolTip(says)
    button.setAccessibleName(says)
    return button
