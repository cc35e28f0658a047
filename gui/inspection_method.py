"""The group Method of Inspect's form: how a model is fitted, and which fitted model is in use."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from engine.inspection.knobs import AUTO, METHODS, FitKnobs
from engine.inspection.titles import ONE_PASS, method_title
from engine.knobs import KnobInfo
from gui import theme
from gui.form import SHORT, Form, NumberRow, choice

if TYPE_CHECKING:
    from engine.inspection.model import ModelCard

OTHER = "\0other"
BACKBONES = (
    (AUTO, "MobileNetV2"),
    ("resnet18", "ResNet-18"),
    ("wide_resnet50_2", "Wide-ResNet-50-2"),
)
_TRAINED = KnobInfo("Steps", low=100, high=70_000, step=100, help="Training steps; the paper takes 70,000.")
_SIZES = (("small", "small"), ("medium", "medium"))


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was: "just now", "2 min ago", "3 h ago", else the day."""
    minutes = (now - then).total_seconds() / 60
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes:.0f} min ago"
    if minutes < 24 * 60:
        return f"{minutes / 60:.0f} h ago"
    return f"on {then:%Y-%m-%d}"


def fitted_words(card: "ModelCard") -> str:
    """What is known of a fitted model, in one line."""
    try:
        then = datetime.fromisoformat(card.fitted)
        when = ago(then, datetime.now(then.tzinfo))
    except ValueError:
        when = card.fitted
    parts = [f"fitted {when}", f"{card.patches:,} patches" if card.patches else f"{card.pictures:,} pictures"]
    return " · ".join(part for part in parts if part)


def that_count(knobs: FitKnobs) -> FitKnobs:
    """The settings without a backbone that was chosen for another method: anomalib's models bring their own."""
    return knobs if knobs.method in METHODS else replace(knobs, backbone=AUTO, weights="", layers=())


def backbone_title(backbone: str) -> str:
    """A network's name as people write it."""
    return {**dict(BACKBONES), "mobilenet_v2": "MobileNetV2"}.get(backbone, backbone)


class MethodGroup(QObject):
    """Builds the rows and says what was chosen.

    Attributes:
        form: the controls of `FitKnobs`; its group "Method" is the widget to show.

    Signals:
        knobs_changed(FitKnobs): how the next model is fitted.
        model_chosen(str): the folder of a fitted model to inspect with.
        models_wanted(): show the fitted models, to compare, rename and delete them.
        fit_wanted(bool): go on with the fit that was broken off; True begins it anew.
    """

    knobs_changed = Signal(object)
    model_chosen = Signal(str)
    models_wanted = Signal()
    fit_wanted = Signal(bool)

    def __init__(self, knobs: FitKnobs) -> None:
        super().__init__()
        self._why: Mapping[str, str] = {}
        # text fields have rows of their own
        own = [f.name for f in fields(FitKnobs) if isinstance(getattr(knobs, f.name), str)]
        self.form = Form(knobs, skip=own)
        self.form.changed.connect(self.knobs_changed)
        self.widget = self.form.group("Method")
        self.method: QComboBox = choice("Method", (), (), None, "How abnormal is told from good")
        self.widget.insert_row(0, "Method", self.method)
        self.method.activated.connect(self._method_chosen)
        self.method.view().setMinimumWidth(270)
        self.method.setMaxVisibleItems(16)
        self.backbone: QComboBox = choice("Backbone", (), (), None, "The network whose features are compared")
        self._backbone_label = self.widget.insert_row(1, "Backbone", self.backbone)
        self.backbone.activated.connect(self._backbone_chosen)
        self.backbone.view().setMinimumWidth(230)
        self._trained()
        self.note = QLabel()
        self.note.setObjectName("quiet")
        self.note.setWordWrap(True)
        self.widget.add(self.note)
        self._broken_off()
        self.model: QComboBox = choice("Model", (), (), None, "The fitted model that inspects")
        self.model.setPlaceholderText("none is fitted yet")
        self.model.view().setMinimumWidth(300)
        self.model.activated.connect(lambda place: self.model_chosen.emit(self.model.itemData(place)))
        self.more = QToolButton()
        self.more.setIcon(theme.icon("more"))
        self.more.setFixedSize(28, 28)
        self.more.setToolTip("All fitted models: compare, rename, delete")
        self.more.setAccessibleName("All fitted models")
        self.more.clicked.connect(self.models_wanted)
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.model, 1)
        row.addWidget(self.more)
        self.widget.add_row("Model", box)
        self.fitted = QLabel()
        self.fitted.setObjectName("quiet")
        self.fitted.setWordWrap(True)
        self.widget.add(self.fitted)
        self.set_methods(())
        self.set_backbones(BACKBONES)
        self.show_models((), None)
        self.show_note("")
        self.show_unfinished("", "")
        self._settle()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.more.setIcon(theme.icon("more"))

    def _broken_off(self) -> None:
        self.broken_off = QLabel()
        self.broken_off.setObjectName("quiet")
        self.broken_off.setWordWrap(True)
        self.widget.add(self.broken_off)
        self.go_on = QPushButton()
        self.anew = QPushButton("Start anew")
        self.go_on.setToolTip("Fit from the last state that was kept; it ends as if it had never been broken off")
        self.anew.setToolTip("Throw the kept state away and fit from the first step")
        self._choice = QWidget()
        row = QHBoxLayout(self._choice)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for button, anew in ((self.go_on, False), (self.anew, True)):
            button.setProperty("chip", True)
            button.clicked.connect(lambda _c=False, anew=anew: self.fit_wanted.emit(anew))
            row.addWidget(button)
        row.addStretch(1)
        self.widget.add(self._choice)

    def _trained(self) -> None:
        knobs: FitKnobs = self.form.value()
        self.model_size = choice("Network", [v for v, _ in _SIZES], [w for _, w in _SIZES], knobs.model_size)
        self.model_size.currentIndexChanged.connect(
            lambda _i: self.form.set_field("model_size", self.model_size.currentData())
        )
        self._rows = [(self.widget.add_row("Network", self.model_size), self.model_size)]
        self.steps = NumberRow(_TRAINED, knobs.steps)
        self.steps.changed.connect(lambda steps: self.form.set_field("steps", steps))
        self._rows.append((self.widget.add_row("Steps", self.steps), self.steps))
        self.pretraining = _folder("Pictures", "A folder of any pictures that are no defects; EfficientAD's penalty")
        self.pretraining.activated.connect(lambda _i: self._pretraining_chosen())
        self._rows.append((self.widget.add_row("Any pictures", self.pretraining), self.pretraining))
        self.teacher = _folder("Teacher", "The weights of EfficientAD's teacher; without them one is distilled")
        self.teacher.activated.connect(lambda _i: self._teacher_chosen())
        self._rows.append((self.widget.add_row("Teacher", self.teacher), self.teacher))

    # -- what can be chosen

    def set_methods(self, names: Sequence[str], why_not: Mapping[str, str] | None = None) -> None:
        """List Sightline's own methods, then these of anomalib, last those that cannot be run here.

        Args:
            names: of anomalib's image models.
            why_not: name -> why it cannot be run here, in one sentence; "" where it can.
        """
        knobs: FitKnobs = self.form.value()
        self._why = {name: why for name, why in (why_not or {}).items() if why}
        others = {*names, knobs.method} - {*METHODS}
        able = sorted((name for name in others if name not in self._why), key=_alphabetical)
        unable = sorted(others - {*able}, key=_alphabetical)
        self.method.clear()
        for group in (METHODS, able, unable):
            if group and self.method.count():
                self.method.insertSeparator(self.method.count())
            for name in group:
                self.method.addItem(method_title(name), name)
                if name in self._why:
                    place = self.method.count() - 1
                    self.method.setItemText(place, f"{method_title(name)}  ·  not available")
                    self.method.setItemData(place, method_title(name), SHORT)
                    self.method.setItemData(place, self._why[name], Qt.ItemDataRole.ToolTipRole)
        self.method.setCurrentIndex(self.method.findData(knobs.method))

    def why_not(self, method: str) -> str:
        """Why a method cannot be run here, in one sentence; "" where it can, or where nobody has looked yet."""
        return self._why.get(method, "")

    def set_backbones(self, rows: Sequence[tuple[str, str] | tuple[str, str, str]]) -> None:
        """List these networks: value, word, and perhaps what the open list says more."""
        knobs: FitKnobs = self.form.value()
        known = [row[0] for row in rows]
        rows = list(rows) + ([(knobs.backbone, knobs.backbone)] if knobs.backbone not in known else [])
        self.backbone.clear()
        for row in rows:
            more = row[2] if len(row) > 2 else ""
            self.backbone.addItem(row[1] + (f"  ·  {more}" if more else ""), row[0])
            self.backbone.setItemData(self.backbone.count() - 1, row[1], SHORT)
        self.backbone.addItem("another of torchvision or timm …", OTHER)
        self.backbone.setCurrentIndex(self.backbone.findData(knobs.backbone))

    def show_models(self, cards: "Sequence[ModelCard]", now: "ModelCard | None") -> None:
        """List the fitted models; one of them is in use."""
        self.model.clear()
        for card in cards:
            word = f"{card.name}  ·  {method_title(card.method)}, {fitted_words(card)}"
            self.model.addItem(word, str(card.folder))
            self.model.setItemData(self.model.count() - 1, card.name, SHORT)
        self.model.setEnabled(len(cards) > 0)
        self.more.setEnabled(len(cards) > 0)
        self.model.setCurrentIndex(self.model.findData(str(now.folder)) if now is not None else -1)
        self.fitted.setText("" if now is None else fitted_words(now))
        self.fitted.setVisible(now is not None)

    def show_note(self, text: str) -> None:
        """What is to be known before the fit begins ("about 40 min on this machine")."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def show_unfinished(self, text: str, go_on: str) -> None:
        """Offer to go on with a fit that was broken off, or to begin it anew.

        Args:
            text: how far it got; "" offers nothing.
            go_on: what the button says.
        """
        self.broken_off.setText(text)
        self.go_on.setText(go_on)
        self.broken_off.setVisible(bool(text))
        self._choice.setVisible(bool(text))

    def set_knobs(self, knobs: FitKnobs) -> None:
        """Show other settings; emits nothing."""
        self.form.set_value(knobs)
        self.method.setCurrentIndex(max(0, self.method.findData(knobs.method)))
        self.backbone.setCurrentIndex(max(0, self.backbone.findData(knobs.backbone)))
        self._settle()

    # -- what was chosen

    def _method_chosen(self, place: int) -> None:
        self.form.set_field("method", self.method.itemData(place))
        self._settle()

    def _backbone_chosen(self, place: int) -> None:
        value = self.backbone.itemData(place)
        if value == OTHER:
            value = _ask(self.backbone, "Another network", "The name of a network of torchvision or timm:")
            if value:
                kind = "Weights (*.safetensors *.pth *.pt);;All files (*)"
                path, _kind = QFileDialog.getOpenFileName(self.backbone.window(), f"The weights of {value}", "", kind)
                self.form.set_field("weights", path)
        else:
            self.form.set_field("weights", "")
        if value:
            self.form.set_field("backbone", value)
            if self.backbone.findData(value) < 0:
                self.backbone.insertItem(self.backbone.count() - 1, value, value)
        self.backbone.setCurrentIndex(self.backbone.findData(self.form.value().backbone))

    def _pretraining_chosen(self) -> None:
        path = ""
        if self.pretraining.currentData():
            title = "A folder of any pictures"
            path = QFileDialog.getExistingDirectory(self.method.window(), title, self.form.value().pretraining)
        self.form.set_field("pretraining", path)
        self._settle()

    def _teacher_chosen(self) -> None:
        path = ""
        if self.teacher.currentData():
            kind = "Weights (*.pth *.pt *.safetensors);;All files (*)"
            path, _kind = QFileDialog.getOpenFileName(self.method.window(), "EfficientAD's teacher", "", kind)
        self.form.set_field("teacher", path)
        self._settle()

    def _settle(self) -> None:
        """Show the rows that count for the chosen method."""
        knobs: FitKnobs = self.form.value()
        own = knobs.method in METHODS
        self.form.show_field("coreset", knobs.method == "patchcore")
        for widget in (self.backbone, self._backbone_label):
            widget.setVisible(knobs.method == "patchcore")
        for place, (label, control) in enumerate(self._rows):
            # of these rows anomalib's trained models have the steps
            on = knobs.method == "efficientad" or (not own and place == 1 and knobs.method not in ONE_PASS)
            label.setVisible(on)
            control.setVisible(on)
        _show_file(self.pretraining, knobs.pretraining, "the good pictures")
        _show_file(self.teacher, knobs.teacher, "the best at hand")


def _alphabetical(name: str) -> str:
    return method_title(name).casefold()


def _ask(over: QWidget, title: str, text: str) -> str:
    from PySide6.QtWidgets import QInputDialog

    value, given = QInputDialog.getText(over.window(), title, text, QLineEdit.EchoMode.Normal)
    return value.strip() if given else ""


def _folder(label: str, tip: str) -> QComboBox:
    return choice(label, (), (), None, tip)


def _show_file(box: QComboBox, path: str, without: str) -> None:
    box.clear()
    box.addItem(without, "")
    if path:
        box.addItem(Path(path).name, path)
    box.addItem("choose …", OTHER)
    box.setCurrentIndex(1 if path else 0)


def long_words(seconds: float) -> str:
    """About how long something will take: "40 s", "12 min", "1 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min"
