"""Track's form: the network, the knobs, the tracker, what is shown, and the score against ground truth."""

from dataclasses import fields
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout

from engine.tracking.draw import Layers
from engine.tracking.history import Summary
from engine.tracking.knobs import TrackKnobs
from engine.tracking.trackers import TRACKERS
from gui.chips import Chips
from gui.form import Form, choice
from gui.models import ModelChoice

TASKS = ("detect", "segment", "pose")


class TrackingForm(QObject):
    """Builds the controls and says what changed.

    Signals:
        knobs_changed(TrackKnobs): the knobs, whole.
        layers_changed(Layers): what is drawn.
        choices_changed(str, tuple, str): the model, the files chosen by hand, the tracker.
        truth_wanted(): a ground truth file is to be chosen.
    """

    knobs_changed = Signal(object)
    layers_changed = Signal(object)
    choices_changed = Signal(str, tuple, str)
    truth_wanted = Signal()

    def __init__(self, column: QVBoxLayout, knobs: TrackKnobs, layers: Layers, chosen: Any) -> None:
        super().__init__()
        self.form = Form(knobs, names={"classes": knobs.classes})
        self.form.changed.connect(self.knobs_changed)
        detect, follow = self.form.group("Detect"), self.form.group("Follow")
        self.model = ModelChoice(TASKS, chosen.own_models, chosen.model)
        detect.insert_row(0, "Model", self.model.box)
        self.tracker = choice(
            "Tracker",
            list(TRACKERS),
            [card.title for card in TRACKERS.values()],
            chosen.tracker,
            "How identities are kept",
        )
        for place, card in enumerate(TRACKERS.values()):
            self.tracker.setItemData(place, card.sentence, 3)
        follow.insert_row(0, "Tracker", self.tracker)
        show = self.form.group("Show")
        names = [one.metadata["knob"].label for one in fields(layers)]
        self.layers = Chips(
            "Show", names, [n for n, f in zip(names, fields(layers), strict=True) if getattr(layers, f.name)]
        )
        self.layers.changed.connect(self._layers_chosen)
        show.insert(0, self.layers)
        score = self.form.group("Score")
        self.truth = QPushButton("Choose …")
        self.truth.setAccessibleName("Ground truth")
        self.truth.setToolTip("Compare the tracks with a MOT ground truth file: HOTA, IDF1, MOTA, switches")
        self.truth.clicked.connect(self.truth_wanted)
        score.add_row("Ground truth", self.truth)
        self.scores = QLabel()
        self.scores.setObjectName("quiet")
        self.scores.setWordWrap(True)
        self.scores.hide()
        score.add(self.scores)
        column.addWidget(self.form)
        self.model.changed.connect(lambda _v: self._choices())
        self.tracker.currentIndexChanged.connect(lambda _i: self._choices())
        self._names: tuple[str, ...] = ()
        self._seen: set[int] = set()

    def set_names(self, names: tuple[str, ...], chosen: tuple[str, ...]) -> None:
        """The classes that the network knows; those that were chosen for another network and are not known go."""
        self._names = names
        kept = tuple(name for name in chosen if name in names)
        chips: Chips = self.form.control("classes")
        chips.set_names(names, kept)
        if kept != chosen:
            self.form.set_field("classes", kept)

    def show_classes(self, summary: Summary) -> None:
        """Bring the classes that were seen to the front of the chips."""
        seen = {row.class_number for row in summary.rows.values()}
        if seen - self._seen and self._names:
            self._seen |= seen
            first = [self._names[n] for n in sorted(self._seen) if n < len(self._names)]
            chips: Chips = self.form.control("classes")
            rest = [name for name in self._names if name not in first]
            chips.set_names([*first, *rest], chips.chosen())

    def show_scores(self, text: str) -> None:
        """What the comparison gave, or why it could not be made."""
        self.scores.setText(text)
        self.scores.setVisible(bool(text))

    def _layers_chosen(self, chosen: tuple[str, ...]) -> None:
        on = {one.name: one.metadata["knob"].label in chosen for one in fields(Layers)}
        self.layers_changed.emit(Layers(**on))

    def _choices(self) -> None:
        self.choices_changed.emit(self.model.value, tuple(self.model.own), self.tracker.currentData())
