"""A settings dataclass becomes a form: one control a field, made from its `KnobInfo`."""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPaintEvent, QPalette, QValidator, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from engine.knobs import KnobInfo
from gui.chips import Chips

LABEL_WIDTH = 100
NUMBER_WIDTH = 64


def heading(text: str) -> QLabel:
    """A group's heading: small capitals."""
    label = QLabel(text.upper())
    label.setObjectName("heading")
    return label


class _QuietSlider(QSlider):
    """A slider that leaves the wheel to the form's scrolling unless it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


SHORT = Qt.ItemDataRole.UserRole + 1
"""Item data: what a closed list shows, where the open one says more."""


class _QuietCombo(QComboBox):
    """Leaves the wheel to the form's scrolling unless it has the focus."""

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.currentData(SHORT) or option.currentText
        if self.currentIndex() < 0:
            option.currentText = self.placeholderText()
            option.palette.setBrush(QPalette.ColorRole.ButtonText, option.palette.placeholderText())
        room = self.width() - 36
        option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


_FAR = 1e15


class _PlainNumber(QDoubleSpinBox):
    """Shows 0.0003 and 1e-08 as people write them."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.setDecimals(14)
        self.setRange(low, high)

    def textFromValue(self, value: float) -> str:
        return f"{value:g}"

    def valueFromText(self, text: str) -> float:
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return self.value()

    def validate(self, text: str, at: int) -> Any:
        allowed = set(text) <= set("0123456789.,eE+-")
        state = QValidator.State.Acceptable if allowed and _is_number(text) else QValidator.State.Intermediate
        return (state if allowed else QValidator.State.Invalid), text, at

    def stepBy(self, steps: int) -> None:
        # a tenth more or less, whatever its size
        value = self.value() or 10.0 ** (-6)
        self.setValue(float(f"{value * 1.1**steps:.3g}"))


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


class LogScale:
    """Whole positions of a slider for numbers over many powers of ten, 100 positions a power.

    Args:
        low, high: the range; a `low` of 0 is the leftmost position.
        least: the next position to it; None takes six powers below `high`.
    """

    def __init__(self, low: float, high: float, least: float | None = None) -> None:
        self.zero = low <= 0
        least = (least or high * 1e-6) if self.zero else low
        self.first, self.last = math.floor(100 * math.log10(least)), math.ceil(100 * math.log10(high))

    def position(self, value: float) -> int:
        """Where a number lies."""
        if value <= 0:
            return self.first - 1
        return min(self.last, max(self.first, round(100 * math.log10(value))))

    def value(self, position: int) -> float:
        """The number of a position, three digits of it."""
        if self.zero and position < self.first:
            return 0.0
        return float(f"{10 ** (position / 100):.3g}")


class NumberRow(QWidget):
    """A slider and a field for one number; either moves the other. A share whose unit is "%" is shown in hundredths.

    Signals:
        changed(object): the new int or float.
    """

    changed = Signal(object)

    def __init__(self, info: KnobInfo, value: float) -> None:
        super().__init__()
        self._whole = isinstance(value, int)
        self._step = info.step or (1 if self._whole else 0.01)
        self._times = 100 if info.unit == "%" and not self._whole else 1
        low, high = float(info.low or 0), float(info.high if info.high is not None else 100)
        self._log = LogScale(low, high, info.step) if info.log else None
        self.slider = _QuietSlider(Qt.Orientation.Horizontal)
        if self._log is not None:
            self.slider.setRange(self._log.first - self._log.zero, self._log.last)
        else:
            self.slider.setRange(round(low / self._step), round(high / self._step))
        self.slider.setPageStep(max(1, (self.slider.maximum() - self.slider.minimum()) // 10))
        self.slider.setAccessibleName(info.label)
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.field: QSpinBox | QDoubleSpinBox
        if self._whole:
            self.field = QSpinBox()
            self.field.setRange(int(low), int(high))
            self.field.setSingleStep(int(self._step))
        elif self._log is not None:
            # what is typed beyond the slider is taken: who uses it says in words what cannot be
            self.field = _PlainNumber(-_FAR, _FAR)
        else:
            self.field = QDoubleSpinBox()
            shown = self._step * self._times
            self.field.setDecimals(max(0, len(f"{shown:g}".partition(".")[2])))
            self.field.setRange(low * self._times, high * self._times)
            self.field.setSingleStep(shown)
        if info.unit == "%":
            self.field.setSuffix(" %")
        self.field.setFixedWidth(NUMBER_WIDTH)
        self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.field.setKeyboardTracking(False)
        self.field.setAccessibleName(f"{info.label}, number")
        self.field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        tip = f"{info.help}{f' In {info.unit}.' if info.unit not in ('', '%') else ''}"
        self.slider.setToolTip(tip)
        self.field.setToolTip(tip)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.slider, 1)
        row.addWidget(self.field)
        self.set_value(value)
        self.slider.valueChanged.connect(self._slid)
        self.field.valueChanged.connect(self._typed)

    def value(self) -> Any:
        """The number as it stands."""
        value = self.field.value()
        return value if self._times == 1 else round(value / self._times, 6)

    def set_value(self, value: float) -> None:
        """Show another number; emits nothing."""
        place = round(value / self._step) if self._log is None else self._log.position(value)
        for widget, shown in ((self.slider, place), (self.field, value * self._times)):
            widget.blockSignals(True)
            widget.setValue(shown)  # type: ignore[arg-type]
            widget.blockSignals(False)

    def _slid(self, position: int) -> None:
        if self._log is not None:
            value = self._log.value(position)
            self.set_value(round(value) if self._whole else value)
        else:
            value = position * self._step
            self.set_value(round(value) if self._whole else round(value, 6))
        self.changed.emit(self.value())

    def _typed(self, value: float) -> None:
        self.set_value(value if self._times == 1 else value / self._times)
        self.changed.emit(self.value())


def choice(label: str, values: Sequence[Any], words: Sequence[str], value: Any, tip: str = "") -> QComboBox:
    """A drop-down list; `currentData()` is the value."""
    box = _QuietCombo()
    box.setAccessibleName(label)
    box.setToolTip(tip)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    # it takes the room there is: what does not fit is cut
    box.setMinimumWidth(48)
    for one, word in zip(values, words, strict=True):
        box.addItem(word, one)
    box.setCurrentIndex(max(0, box.findData(value)))
    return box


class Group(QWidget):
    """A heading and labelled rows under it."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        if title:
            self._column.addWidget(heading(title))
        self._first = int(bool(title))

    def add_row(self, label: str, control: QWidget) -> QLabel:
        """A label on the left, a control on the right."""
        return self.insert_row(self._column.count() - self._first, label, control)

    def insert_row(self, place: int, label: str, control: QWidget) -> QLabel:
        """The same, before the `place`-th row under the heading."""
        row = QGridLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setHorizontalSpacing(8)
        text = QLabel(label)
        text.setBuddy(control)
        text.setMinimumWidth(LABEL_WIDTH)
        row.addWidget(text, 0, 0)
        row.addWidget(control, 0, 1)
        row.setColumnStretch(1, 1)
        self._column.insertLayout(place + self._first, row)
        return text

    def add(self, widget: QWidget) -> None:
        """A widget over the whole width."""
        self._column.addWidget(widget)

    def insert(self, place: int, widget: QWidget) -> None:
        """The same, before the `place`-th row under the heading."""
        self._column.insertWidget(place + self._first, widget)


class Form(QWidget):
    """The controls of one frozen settings dataclass.

    Args:
        value: the settings as they stand.
        skip: fields that the page shows in its own way.
        names: field -> the names to choose from, for fields that are tuples of names.
        flat: without headings, to stand under one that is there.

    Signals:
        changed(object): the new settings, whole.
    """

    changed = Signal(object)

    def __init__(
        self, value: Any, *, skip: Sequence[str] = (), names: dict[str, Sequence[str]] | None = None, flat: bool = False
    ) -> None:
        super().__init__()
        self._value = value
        self._flat = flat
        self._controls: dict[str, QWidget] = {}
        self._labels: dict[str, QLabel] = {}
        self._groups: dict[str, Group] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(20)
        for one in fields(value):
            info = one.metadata.get("knob")
            if info is not None and one.name not in skip:
                self._add(one.name, info, getattr(value, one.name), (names or {}).get(one.name, ()))

    def group(self, title: str) -> Group:
        """The group with this heading; made at the end if there is none."""
        if title not in self._groups:
            self._groups[title] = Group(title)
            self._column.addWidget(self._groups[title])
        return self._groups[title]

    def control(self, name: str) -> Any:
        """The control of a field."""
        return self._controls[name]

    def show_field(self, name: str, on: bool) -> None:
        """Show a field's row, or hide it where it does not apply."""
        self._controls[name].setVisible(on)
        if name in self._labels:
            self._labels[name].setVisible(on)

    def value(self) -> Any:
        """The settings as they stand."""
        return self._value

    def set_value(self, value: Any) -> None:
        """Show other settings; emits nothing."""
        self._value = value
        for name, control in self._controls.items():
            new = getattr(value, name)
            control.blockSignals(True)
            if isinstance(control, NumberRow):
                control.set_value(new)
            elif isinstance(control, Chips):
                control.set_chosen(new)
            elif isinstance(control, QCheckBox):
                control.setChecked(new)
            elif isinstance(control, QComboBox):
                control.setCurrentIndex(max(0, control.findData(new)))
            control.blockSignals(False)

    def _add(self, name: str, info: KnobInfo, value: Any, names: Sequence[str]) -> None:
        group = self.group("" if self._flat else info.group)
        control: QWidget
        if info.choices:
            words = info.words or tuple(f"{c}{f' {info.unit}' if info.unit else ''}" for c in info.choices)
            control = choice(info.label, info.choices, words, value, info.help)
            control.currentIndexChanged.connect(lambda _i, box=control: self._set(name, box.currentData()))
            self._labels[name] = group.add_row(info.label, control)
        elif isinstance(value, bool):
            control = QCheckBox(info.label)
            control.setChecked(value)
            control.setToolTip(info.help)
            control.setAccessibleName(info.label)
            control.toggled.connect(lambda on: self._set(name, on))
            group.add(control)
        elif isinstance(value, tuple):
            control = Chips(info.label, names, value, first=5)
            control.setToolTip(info.help)
            control.changed.connect(lambda chosen: self._set(name, chosen))
            group.add(control)
        else:
            control = NumberRow(info, value)
            control.changed.connect(lambda number: self._set(name, number))
            self._labels[name] = group.add_row(info.label, control)
        self._controls[name] = control

    def set_field(self, name: str, new: Any) -> None:
        """Change one field as if the person had."""
        self._set(name, new)

    def _set(self, name: str, new: Any) -> None:
        self._value = replace(self._value, **{name: new})
        self.changed.emit(self._value)
