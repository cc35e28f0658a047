"""The curves of a race: many points drawn as few, bands, the torch twin under each.

Of all files only `curves*.py` import pyqtgraph."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout

from engine.optimizers.thinned import Line
from gui import theme
from gui.curves_race_axes import RaceAxes
from gui.curves_race_parts import PlotChoices, Shown, band_shape

REPAINT_MS = 33
_QUIET_PIXELS, _QUIET_ALL = 96, 12_000
"""How wide an earlier run is drawn at most, and all of them together: hundreds lie behind."""
_AT_ONCE = 3
"""Curves that are drawn anew in one turn of the event loop while they grow."""
_EMPTY, _BEGINS = "Press Race, and watch each rule learn.", "The first steps are being taken."
_BELOW = "Values of 0 and below have no place on a logarithmic axis."
_FLOOR = 1e-300
_EACH_STEP = ("loss", "norm", "distance", "rate")
"""What is recorded of every step."""


class RacePlot(RaceAxes):
    """The large plot of a race.

    Signals:
        pointed(int): the step that was pressed.
    """

    pointed = Signal(int)

    def __init__(self, choices: PlotChoices | None = None) -> None:
        super().__init__()
        self.setAccessibleName("Curves of the race")
        self.choices = choices or PlotChoices()
        self.shown: list[Shown] = []
        self.rows = 0
        self.following = True
        self.repaints = 0
        self._plot: Any = None
        self._items: list[Any] = []
        self._quiet: list[Any] = []
        self._cursor_at: int | None = None
        self._dirty = False
        self._growing = self._below = False
        self._drawn: dict[int, Any] = {}
        self._turn = self._next = 0
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 12, 6)
        column.setSpacing(2)
        top = QHBoxLayout()
        top.setSpacing(8)
        self.title = QLabel()
        self.title.setObjectName("plotTitle")
        self.title.setMinimumWidth(60)
        self.corner = QHBoxLayout()
        self.corner.setSpacing(4)
        top.addWidget(self.title, 1)
        top.addLayout(self.corner)
        column.addLayout(top)
        self.readout = QLabel(" ")
        self.readout.setObjectName("plotTitle")
        self.readout.setTextFormat(Qt.TextFormat.RichText)
        column.addWidget(self.readout)
        self._place = QVBoxLayout()
        column.addLayout(self._place, 1)
        self.empty = QLabel(_EMPTY, self)
        self.empty.setObjectName("quiet")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._timer = QTimer(self)
        self._timer.setInterval(REPAINT_MS)
        self._timer.timeout.connect(self._repaint)

    def sizeHint(self) -> QSize:
        return QSize(620, 420)

    # -- what is shown

    def show_curves(self, shown: Sequence[Shown]) -> None:
        """Draw these curves from now on; they may grow."""
        self.shown = list(shown)
        self.empty.setText(_BEGINS if self.shown else _EMPTY)
        self._below = False
        plot = self._ready()
        self._show_empty()
        loud = [one for one in self.shown if not one.quiet]
        while len(self._items) < len(loud):
            import pyqtgraph as pg

            pair = (pg.PlotCurveItem(connect="finite"), pg.PlotCurveItem(connect="finite"))
            for z, item in zip((2, 3), pair, strict=True):
                item.setZValue(z)
                plot.addItem(item)
            self._items.append(pair)
        for pair in self._items[len(loud) :]:
            for item in pair:
                item.setData([], [])
        self._pens()
        self._drawn = {}
        self._draw_quiet()
        self.grown()

    def _show_empty(self) -> None:
        """Words in place of axes until there is a point."""
        nothing = not any(len(one.curve) for one in self.shown)
        self.empty.setVisible(nothing)
        self._plot.setVisible(not nothing)

    def choose(self, **changes: Any) -> None:
        """Draw it otherwise."""
        before, self.choices = self.choices, replace(self.choices, **changes)
        if (before.axis, before.quantity, before.log_x, before.log_y) != (
            self.choices.axis, self.choices.quantity, self.choices.log_x, self.choices.log_y,
        ):  # fmt: skip
            self.following = True
        if self._plot is not None:
            self._axes()
        self._draw_quiet()
        self.grown()

    def set_growing(self, growing: bool) -> None:
        """Whether the curves grow now: room is kept ahead of them."""
        if growing != self._growing:
            self._growing = growing
            self.grown()

    def grown(self) -> None:
        """The curves have grown: they are drawn at the next turn, at most 30 times a second."""
        self._dirty = True
        if not self._timer.isActive() and self.isVisible():
            self._timer.start()

    def fit(self) -> None:
        """Show all there is, and follow what comes."""
        self.following = True
        self.grown()

    def mark(self, step: int | None) -> None:
        """Where one looks at the race."""
        if step != self._cursor_at:
            self._cursor_at = step
            self.grown()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        if self._plot is not None:
            self._colour()
            self._pens()
            self._drawn = {}
            self._draw_quiet()
            self.grown()

    # -- drawing

    def _repaint(self) -> None:
        if not self._dirty:
            self._timer.stop()
            return
        self._dirty = False
        if self._plot is None:
            return
        if self.empty.isVisible():
            self._show_empty()
        loud = [one for one in self.shown if not one.quiet]
        if self.following:
            self._follow_x(loud)
        lows, highs, bands = self._draw_curves(loud)
        lows += self._quiet_ends[:1]
        highs += self._quiet_ends[1:]
        if self.following and lows:
            self._follow_y(min(lows), max(highs))
        view = self._plot.getViewBox().viewRect()
        self._bands.show_bands(bands, view)
        self._draw_cursor()
        self._number_axes()
        if self._below and self.readout.text() == " ":
            self._say_below()
        self.repaints += 1

    def _draw_curves(self, loud: list[Shown]) -> tuple[list[float], list[float], list[Any]]:
        """Draw what has changed; while curves grow a few at a time, so that the window never waits long.

        Returns:
            The lowest and highest values, and the bands, of all curves.
        """
        x0, x1 = self._range_x()
        # a bucket a pixel and a half: nobody sees the difference, and painting takes two thirds
        pixels = max(50, round(self._plot.getViewBox().width() / 1.5))
        left = _AT_ONCE if self._growing else len(loud)
        count = len(loud)
        for turn in range(count):
            number = (self._turn + turn) % count
            one = loud[number]
            state = (
                id(one.curve),
                len(one.curve),
                len(one.curve.record.fulls),
                x0,
                x1,
                pixels,
                self.choices,
                one.noisy,
            )
            kept = self._drawn.get(number)
            if kept is not None and (kept[0] == state or not left):
                # the rest has its turn next time
                self._dirty = self._dirty or kept[0] != state
                continue
            left -= bool(left)
            self._drawn[number] = (state, *self._draw_one(one, self._items[number], x0, x1, pixels))
            self._next = number + 1
        self._turn = self._next % count if count else 0
        kept_all = [self._drawn[number] for number in range(count)]
        known = [(end, one) for (_state, end, _band), one in zip(kept_all, loud, strict=True) if end is not None]
        # one that has diverged would press all others flat
        ends = [end for end, one in known if not one.curve.record.diverged] or [end for end, _one in known]
        return (
            [low for low, _ in ends],
            [high for _, high in ends],
            [band for *_more, band in kept_all if band is not None],
        )

    def _draw_one(self, one: Shown, pair: tuple[Any, Any], x0: float, x1: float, pixels: int) -> tuple[Any, Any]:
        """Draw one curve and its twin; returns its lowest and highest value, and its band."""
        under, over = pair
        choices, smooth = self.choices, self.choices.smooth and one.noisy
        line = one.curve.line(
            choices.quantity, choices.axis, x0, x1, pixels, log_x=choices.log_x, band=choices.band, smooth=smooth
        )
        x, y = self._scaled(line)
        self._below = self._below or (self._log_y and bool((line.y <= 0).any()))
        over.setData(x, y)
        twin = one.curve.twin(choices.axis, x0, x1, pixels, log_x=choices.log_x, smooth=smooth)
        shown = choices.twin and choices.quantity == "loss" and len(twin.x)
        under.setData(*(self._scaled(twin) if shown else ([], [])))
        band = self._band(line, one.number, x0, x1, pixels, smooth) if line.low is not None else None
        seen = y[np.isfinite(y)]
        return ((float(seen.min()), float(seen.max())) if len(seen) else None), band

    def _range_x(self) -> tuple[float, float]:
        low, high = self._plot.getViewBox().viewRange()[0]
        return (10.0**low, 10.0**high) if self.choices.log_x else (low, high)

    def _scaled(self, line: Line) -> tuple[np.ndarray, np.ndarray]:
        """As the axes are: their logarithms, where these are wanted."""
        return self._scaled_x(line.x), self._scaled_y(line.y)

    def _scaled_x(self, x: np.ndarray) -> np.ndarray:
        # the start has no logarithm: it stands at the left end
        return np.log10(np.maximum(x, self._least_x())) if self.choices.log_x else x

    def _least_x(self) -> float:
        return {"steps": 1.0, "epochs": 1e-2, "evaluations": 1.0, "seconds": 1e-4}[self.choices.axis]

    def _scaled_y(self, y: np.ndarray) -> np.ndarray:
        if not self._log_y:
            return y
        with np.errstate(all="ignore"):
            return np.where(y > _FLOOR, np.log10(np.maximum(y, _FLOOR)), np.nan)

    def _band(
        self, line: Line, number: int, x0: float, x1: float, pixels: int, smooth: bool
    ) -> tuple[Any, QColor] | None:
        """What is filled between the two sides of a band, and its colour."""
        assert line.low is not None
        assert line.high is not None
        bottom = self._plot.getViewBox().viewRange()[1][0]
        lowest = 10.0 ** max(-300.0, bottom - 1) if self._log_y else -np.inf
        there = np.isfinite(line.low) & np.isfinite(line.high)
        x = self._scaled_x(line.x[there])
        low, high = (self._scaled_y(np.maximum(side[there], lowest)) for side in (line.low, line.high))
        colour = QColor(theme.series_text(number))
        colour.setAlphaF(0.16)
        left, right = self._scaled_x(np.array([x0, x1]))
        shape = band_shape(x, low, high, left, right, pixels, smooth)
        return None if shape is None else (shape, colour)

    def _follow_x(self, loud: list[Shown]) -> None:
        drawn = loud or self.shown
        end = max((one.curve.end(self.choices.axis) for one in drawn), default=0.0)
        first = min((one.curve.record.first for one in drawn), default=0) if self.choices.axis == "steps" else 0
        least = self._least_x()
        low, high = (np.log10(least), np.log10(max(end, 10 * least))) if self.choices.log_x else (
            float(first), max(end, first + 10 * least),
        )  # fmt: skip
        now = self._plot.getViewBox().viewRange()[0]
        if self._growing and now[0] == low and 0.9 * (now[1] - low) < high - low <= now[1] - low:
            # a little room ahead: not every curve is drawn anew for each step of one
            return
        if self._growing:
            high += 0.04 * (high - low)
        self._plot.getViewBox().setXRange(float(low), float(high), padding=0.0)

    def _follow_y(self, low: float, high: float) -> None:
        room = 0.05 * (high - low) or (0.5 if self.choices.log_y else abs(high) * 0.1 or 1.0)
        self._plot.getViewBox().setYRange(low - room, high + room, padding=0.0)

    def _draw_quiet(self) -> None:
        """Earlier runs, drawn once; they lie in a picture of their own that is painted as it is."""
        if self._plot is None:
            return
        import pyqtgraph as pg

        for item in self._quiet:
            self._plot.removeItem(item)
        self._quiet, self._quiet_ends = [], []
        colours: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        choices = self.choices
        quiet = [one for one in self.shown if one.quiet]
        pixels = max(16, min(_QUIET_PIXELS, _QUIET_ALL // max(1, len(quiet))))
        for one in quiet:
            end = max(1e-9, one.curve.end(choices.axis))
            x, y = self._scaled(one.curve.line(choices.quantity, choices.axis, 0, end, pixels, log_x=choices.log_x))
            colours.setdefault(one.number % len(theme.current().series_text), []).append((x, y))
        seen = np.concatenate([y for lines in colours.values() for _, y in lines]) if colours else np.empty(0)
        seen = seen[np.isfinite(seen)]
        self._quiet_ends = [float(seen.min()), float(seen.max())] if len(seen) else []
        gap = np.array([np.nan])
        for number, lines in colours.items():
            colour = QColor(theme.series_text(number))
            colour.setAlphaF(0.35)
            x = np.concatenate([part for line in lines for part in (line[0], gap)])
            y = np.concatenate([part for line in lines for part in (line[1], gap)])
            item = pg.PlotCurveItem(x, y, pen=pg.mkPen(colour, width=1), connect="finite")
            item.setZValue(0)
            item.setCacheMode(pg.QtWidgets.QGraphicsItem.CacheMode.DeviceCoordinateCache)
            self._plot.addItem(item)
            self._quiet.append(item)

    def _draw_cursor(self) -> None:
        at = self._cursor_at
        self._cursor.setVisible(at is not None)
        if at is None or not self.shown:
            return
        curve = max((one.curve for one in self.shown if not one.quiet), key=len, default=self.shown[0].curve)
        x = curve.x(self.choices.axis)
        place = min(max(at - curve.record.first, 0), len(x) - 1)
        if len(x):
            self._cursor.setPos(float(self._scaled_x(x[place : place + 1])[0]))

    # -- pens and the mouse

    def _ready(self) -> Any:
        new = self._plot is None
        plot = super()._ready()
        if new:
            plot.getViewBox().sigRangeChangedManually.connect(lambda *_: self._moved())
            plot.scene().sigMouseClicked.connect(self._clicked)
            plot.scene().sigMouseMoved.connect(self._hovered)
        return plot

    def _pens(self) -> None:
        import pyqtgraph as pg

        loud = [one for one in self.shown if not one.quiet]
        for one, (under, over) in zip(loud, self._items, strict=False):
            over.setPen(pg.mkPen(theme.series_text(one.number), width=1))
            # torch's line lies under the curve, broader and pale: where both agree it is a seam
            pale = QColor(theme.current().text)
            pale.setAlphaF(0.55 if theme.current().name == "dark" else 0.35)
            under.setPen(pg.mkPen(pale, width=1, style=Qt.PenStyle.DotLine))
            under.setZValue(4)

    def _moved(self) -> None:
        self.following = False
        self.grown()

    def _clicked(self, event: Any) -> None:
        if event.double():
            self.fit()
            return
        if event.button() == Qt.MouseButton.LeftButton and self.shown:
            self.pointed.emit(self._step_at(event.scenePos()))

    def _step_at(self, place: QPointF) -> int:
        x = float(self._plot.getViewBox().mapSceneToView(place).x())
        x = 10.0**x if self.choices.log_x else x
        curve = max((one.curve for one in self.shown if not one.quiet), key=len, default=self.shown[0].curve)
        return curve.place(self.choices.axis, x)

    def _hovered(self, place: QPointF) -> None:
        if not self.shown or not self._plot.getViewBox().sceneBoundingRect().contains(place):
            self._say_below()
            return
        self.readout.setText(self.words_at(self._step_at(place)))

    def _say_below(self) -> None:
        self.readout.setText(_BELOW if self._below else " ")

    def words_at(self, step: int) -> str:
        """What the curves say at a step, as rich text."""
        name = self.choices.quantity if self.choices.quantity in _EACH_STEP else "loss"
        parts = [f"step {step:,}"]
        for one in self.shown:
            if one.quiet or not len(one.curve):
                continue
            at = step - one.curve.record.first
            if 0 <= at < len(one.curve):
                value = one.curve.record.series(name)[at]
                parts.append(f"<span style='color:{theme.series_text(one.number)}'>{one.name} {value:.4g}</span>")
        return " · ".join(parts[:8])

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if self._dirty:
            self._timer.start()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.empty.setGeometry(self.rect())
        self.grown()
