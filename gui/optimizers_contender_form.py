"""The settings of one contender: rule, its knobs, schedule with its curve, batch, seed, what is put around it."""

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from engine.errors import SightlineError
from engine.knobs import KnobInfo
from engine.optimizers.contenders import Contender
from engine.optimizers.rules import RULES
from engine.optimizers.schedules import SCHEDULES, Schedule
from gui import theme
from gui.form import Form, Group, NumberRow, choice

BATCHES: tuple[int | str, ...] = ("all", 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class RateCurve(QWidget):
    """The learning rate over the run, small."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(56)
        self._rates = np.empty(0)
        self._colour = 0

    def show_schedule(self, contender: Contender, steps: int) -> None:
        """Draw the schedule of a contender over a run of so many steps."""
        count = min(steps, 400)
        wanted = np.unique(np.linspace(0, steps - 1, count).round().astype(int))
        schedule, base = contender.schedule, contender.knobs.lr
        try:
            schedule.check(steps)
            whole = schedule.curve(steps, base) if steps <= 20_000 else None
            rates = whole[wanted] if whole is not None else np.array(
                [schedule.rate(int(step), steps, base) for step in wanted]
            )  # fmt: skip
        except SightlineError:
            # the race says what is wrong with it
            rates = np.empty(0)
        self._rates, self._colour = rates, contender.colour
        first, last = (f"{rates[0]:.3g}", f"{rates[-1]:.3g}") if len(rates) else ("–", "–")
        self.setToolTip(f"The learning rate, from {first} at the first step to {last} at step {steps:,}.")
        self.setAccessibleName(f"Learning rate from {first} to {last}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, 56)

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 2.5, -0.5, -2.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(now.ground))
        painter.drawRoundedRect(box, 6, 6)
        if len(self._rates) > 1 and self._rates.max() > 0:
            inside = box.adjusted(8, 7, -8, -7)
            x = np.linspace(inside.left(), inside.right(), len(self._rates))
            y = inside.bottom() - self._rates / self._rates.max() * inside.height()
            painter.setPen(QPen(QColor(theme.series_text(self._colour)), 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x, y, strict=True)]))
        painter.end()


class ContenderForm(QWidget):
    """The form of one contender.

    Signals:
        changed(Contender): with the new settings.
    """

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._contender = Contender("sgd")
        self._steps, self._rows = 1000, 0
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(20)
        self._group: Group | None = None
        self._knobs: Form | None = None
        self._schedule_form: Form | None = None
        self._more_open = False
        self.curve = RateCurve()
        self._shape: tuple[Any, ...] = ()

    def show_contender(self, contender: Contender, steps: int, rows: int) -> None:
        """Show the settings of this one, in a race of so many steps on so many rows of data."""
        self._contender, self._steps, self._rows = contender, steps, rows
        shape = (contender.key, contender.schedule.key, bool(rows), self._more_open, contender.rule.title)
        if shape != self._shape:
            self._shape = shape
            self._build()
        self._fill()

    def _build(self) -> None:
        if self._group is not None:
            self._column.removeWidget(self._group)
            self.curve.setParent(None)
            self._group.hide()
            self._group.deleteLater()
        one = self._contender
        group = self._group = Group(one.rule.title)
        self.rule = choice("Rule", tuple(RULES), [rule.title for rule in RULES.values()], one.key, one.rule.idea)
        self.rule.currentIndexChanged.connect(lambda _i: self._take_rule(self.rule.currentData()))
        group.add_row("Rule", self.rule)
        self._knobs = _rows_of(group, one.knobs, self._take_knobs)
        self.schedule = choice(
            "Schedule", tuple(SCHEDULES), [kind.title for kind in SCHEDULES.values()], one.schedule.key,
            one.schedule.kind.idea,
        )  # fmt: skip
        self.schedule.currentIndexChanged.connect(lambda _i: self._take_schedule(Schedule(self.schedule.currentData())))
        group.add_row("Schedule", self.schedule)
        self._schedule_form = _rows_of(
            group, one.schedule.knobs, lambda knobs: self._take_schedule(replace(self._contender.schedule, knobs=knobs))
        )
        group.add(self.curve)
        self.curve.show()
        if self._rows:
            self.batch = choice(
                "Batch", (), (), None, "Rows of one step: all is gradient descent, 1 is stochastic gradient descent."
            )
            self.batch.currentIndexChanged.connect(lambda _i: self._take(batch=self.batch.currentData()))
            group.add_row("Batch", self.batch)
        self.seed = NumberRow(
            KnobInfo("Seed", help="Of its start, its order of the data and its noise.", low=0, high=9999, step=1),
            one.seed,
        )
        self.seed.changed.connect(lambda seed: self._take(seed=seed))
        group.add_row("Seed", self.seed)
        self.more = QPushButton("Fewer settings" if self._more_open else "Clipping, decay, averaging …")
        self.more.setAccessibleName(self.more.text())
        self.more.clicked.connect(self._toggle_more)
        self._wraps = _rows_of(group, one.wraps, lambda wraps: self._take(wraps=wraps)) if self._more_open else None
        group.add(self.more)
        self._column.addWidget(group)
        group.show()

    def _fill(self) -> None:
        one = self._contender
        for form, value in (
            (self._knobs, one.knobs),
            (self._schedule_form, one.schedule.knobs),
            (self._wraps, one.wraps),
        ):
            if form is not None and form.value() != value:
                form.set_value(value)
        for box, value in ((self.rule, one.key), (self.schedule, one.schedule.key)):
            box.blockSignals(True)
            box.setCurrentIndex(box.findData(value))
            box.blockSignals(False)
        self.schedule.setToolTip(one.schedule.kind.idea)
        self.rule.setToolTip(one.rule.idea)
        self.seed.set_value(one.seed)
        if self._rows:
            self._fill_batch()
        self.curve.show_schedule(one, self._steps)

    def _fill_batch(self) -> None:
        one = self._contender
        known = [size for size in BATCHES if size == "all" or (isinstance(size, int) and size <= self._rows)]
        if one.rule.searches:
            known = ["all"]
        if one.batch not in known:
            known.append(one.batch)
        self.batch.blockSignals(True)
        self.batch.clear()
        for size in known:
            self.batch.addItem(f"All {self._rows:,} rows" if size == "all" else f"{size:,}", size)
        self.batch.setCurrentIndex(self.batch.findData(one.batch))
        self.batch.blockSignals(False)

    def _toggle_more(self) -> None:
        self._more_open = not self._more_open
        self.show_contender(self._contender, self._steps, self._rows)

    # -- what is changed

    def _take(self, **changes: Any) -> None:
        self._contender = replace(self._contender, **changes)
        self.curve.show_schedule(self._contender, self._steps)
        self.changed.emit(self._contender)

    def _take_knobs(self, knobs: Any) -> None:
        self._take(knobs=knobs)

    def _take_schedule(self, schedule: Schedule) -> None:
        rebuilt = schedule.key != self._contender.schedule.key
        self._take(schedule=schedule)
        if rebuilt:
            self.show_contender(self._contender, self._steps, self._rows)

    def _take_rule(self, key: str) -> None:
        before = self._contender
        rule = RULES[key]
        knobs = rule.knobs()
        # what both rules have stays, but for a rate that means something else
        name = rule.title if before.name == before.rule.title else before.name
        batch = "all" if rule.searches else before.batch
        self._take(key=key, knobs=knobs, name=name, batch=batch)
        self.show_contender(self._contender, self._steps, self._rows)


def _rows_of(group: Group, value: Any, take: Any) -> Form:
    """A dataclass as rows of a group that is there already."""
    form = Form(value, flat=True)
    form.changed.connect(take)
    group.add(form)
    return form
