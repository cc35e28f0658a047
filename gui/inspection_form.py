"""Inspect's form: data, method, threshold, and what is shown."""

from dataclasses import fields, replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QVBoxLayout

from engine.inspection.knobs import FitKnobs
from gui.chips import Chips
from gui.form import Form
from gui.inspection_data import DataGroup
from gui.inspection_method import MethodGroup
from gui.inspection_parts import InspectShow
from gui.inspection_threshold import ThresholdGroup


class InspectionForm(QObject):
    """Builds the four groups.

    Signals:
        show_changed(InspectShow): what is drawn.
    """

    show_changed = Signal(object)

    def __init__(self, column: QVBoxLayout, knobs: FitKnobs, show: InspectShow) -> None:
        super().__init__()
        self.data, self.method, self.threshold = DataGroup(), MethodGroup(knobs), ThresholdGroup()
        self._layers = {
            f.metadata["knob"].label: f.name for f in fields(InspectShow) if isinstance(getattr(show, f.name), bool)
        }
        self.form = Form(show, skip=list(self._layers.values()))
        chosen = [label for label, name in self._layers.items() if getattr(show, name)]
        self.layers = Chips("Show", list(self._layers), chosen)
        self.layers.changed.connect(self._layers_chosen)
        self.form.group("Show").insert(0, self.layers)
        self.form.changed.connect(self.show_changed)
        for widget in (self.data.widget, self.method.widget, self.threshold.widget, self.form):
            column.addWidget(widget)

    def _layers_chosen(self, chosen: tuple[str, ...]) -> None:
        on = {name: label in chosen for label, name in self._layers.items()}
        show = replace(self.form.value(), **on)
        self.form.set_value(show)
        self.show_changed.emit(show)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.data.restyle()
        self.method.restyle()
        self.threshold.plot.update()
