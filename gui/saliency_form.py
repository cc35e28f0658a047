"""The form of Explain: the network, its classes, the methods and their choices, how maps are shown."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QLabel, QVBoxLayout

from engine.saliency.blend import Show
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.types import Layer
from gui.chips import Chips
from gui.form import SHORT, Form, Group, choice
from gui.saliency_classes import ClassList
from gui.saliency_networks import NetworkChoice
from gui.saliency_parts import MOST, SaliencyChoices

_FIRST = 7
"""Methods that are shown as chips before "more"."""


class SaliencyForm(QObject):
    """Fills the form.

    Attributes:
        network: the choice of the network.
        classes: what it says.
        methods: the chips.
        linked: "linked zoom".

    Signals:
        methods_changed(object): keys of the methods that are shown, in order.
        knobs_changed(object): the new `ExplainKnobs`.
        show_changed(object): the new `Show`.
        linked_changed(bool): whether the pictures zoom together.
    """

    methods_changed = Signal(object)
    knobs_changed = Signal(object)
    show_changed = Signal(object)
    linked_changed = Signal(bool)

    def __init__(self, column: QVBoxLayout, chosen: SaliencyChoices, knobs: ExplainKnobs, show: Show) -> None:
        super().__init__()
        self._titles: dict[str, str] = {}
        self._reads: dict[str, tuple[str, ...]] = {}
        network = Group("Network")
        self.network = NetworkChoice(chosen.network, chosen.weights)
        network.add_row("Network", self.network.box)
        self.layer: QComboBox = choice("Layer", (), (), None, "Which layer the class activation maps look at")
        self.layer.view().setMinimumWidth(280)
        self.layer_label = network.add_row("Layer", self.layer)
        self.layer.activated.connect(self._layer_chosen)
        column.addWidget(network)
        classes = Group("Class")
        self.classes = ClassList()
        classes.add(self.classes)
        self.none = QLabel("Open a picture: the network's classes stand here.")
        self.none.setObjectName("quiet")
        self.none.setWordWrap(True)
        classes.add(self.none)
        self.classes.hide()
        column.addWidget(classes)
        methods = Group("Methods")
        self.methods = Chips("Method", (), (), first=_FIRST)
        self.methods.setToolTip(f"Up to {MOST} maps are shown side by side")
        self.methods.changed.connect(self._chips)
        methods.add(self.methods)
        column.addWidget(methods)
        self.knobs = Form(knobs, skip=("layer",))
        self.knobs.changed.connect(self.knobs_changed)
        column.addWidget(self.knobs)
        self.complete = QLabel()
        self.complete.setObjectName("quiet")
        self.complete.setWordWrap(True)
        self.knobs.group("Integrated Gradients").add(self.complete)
        self.show_form = Form(show)
        self.show_form.changed.connect(self.show_changed)
        column.addWidget(self.show_form)
        self.linked = Chips("Pictures", ("linked zoom",), ("linked zoom",) if chosen.linked else ())
        self.linked.changed.connect(lambda on: self.linked_changed.emit(bool(on)))
        self.show_form.group("Show").add(self.linked)
        self._wanted = chosen.methods

    def fill_methods(self) -> None:
        """Show the methods, once the table of them may be imported."""
        from engine.saliency.methods import METHODS

        self._titles = {key: one.title for key, one in METHODS.items()}
        self._reads = {key: one.knobs for key, one in METHODS.items()}
        chosen = [self._titles[key] for key in self._wanted if key in self._titles]
        self.methods.set_names(list(self._titles.values()), chosen)
        for key, one in METHODS.items():
            self.methods.button(one.title).setToolTip(one.paper.partition(", http")[0])
            self.methods.button(one.title).setProperty("method", key)
        self._settle()

    @property
    def chosen_methods(self) -> tuple[str, ...]:
        """Keys of the methods that are shown, in the order in which they were chosen."""
        return self._wanted

    def choose_methods(self, keys: Sequence[str]) -> None:
        """Show these methods; emits `methods_changed`."""
        self._wanted = tuple(keys)
        self.methods.set_chosen([self._titles[key] for key in keys if key in self._titles])
        self._settle()
        self.methods_changed.emit(self._wanted)

    def _chips(self, titles: Sequence[str]) -> None:
        on = [key for key, title in self._titles.items() if title in titles]
        kept = [key for key in self._wanted if key in on]
        # the newest is on; the oldest gives way when there are too many
        now = (kept + [key for key in on if key not in kept])[-MOST:]
        if not now:
            now = list(self._wanted[:1])
        self.choose_methods(now)

    def _settle(self) -> None:
        """Show the choices that the shown methods read, and no others."""
        read = {name for key in self._wanted for name in self._reads.get(key, ())}
        groups: dict[str, bool] = {}
        for one in fields(ExplainKnobs):
            info = one.metadata["knob"]
            if one.name == "layer":
                continue
            self.knobs.show_field(one.name, one.name in read)
            groups[info.group] = groups.get(info.group, False) or one.name in read
        for title, on in groups.items():
            self.knobs.group(title).setVisible(on)
        self.complete.setVisible("integrated_gradients" in self._wanted and bool(self.complete.text()))
        for widget in (self.layer, self.layer_label):
            widget.setEnabled("layer" in read)

    # -- the network

    def show_layers(self, layers: Sequence[Layer], found: str, chosen: str) -> None:
        """The layers that can be looked at; `found` is the one that is taken when none is chosen."""
        self.layer.clear()
        self.layer.addItem(f"{found}  ·  found by itself" if found else "none has a place", "")
        self.layer.setItemData(0, found or "none", SHORT)
        for layer in reversed([one for one in layers if one.spatial]):
            channels, height, width = layer.shape
            self.layer.addItem(f"{layer.name}  ·  {layer.kind}, {channels} × {height} × {width}", layer.name)
            self.layer.setItemData(self.layer.count() - 1, layer.name, SHORT)
        self.layer.setCurrentIndex(max(0, self.layer.findData(chosen)))

    def choose_layer(self, name: str) -> None:
        """Look at this layer; "" finds it. Emits `knobs_changed`."""
        self.layer.setCurrentIndex(max(0, self.layer.findData(name)))
        self.knobs.set_field("layer", name)

    def _layer_chosen(self, place: int) -> None:
        self.knobs.set_field("layer", self.layer.itemData(place) or "")

    def show_prediction(self, prediction: Any) -> None:
        """What the network says of the picture that is shown."""
        self.none.setVisible(prediction is None)
        self.classes.setVisible(prediction is not None)
        self.classes.show_prediction(prediction)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for row in self.classes.rows:
            row.update()
