"""Play, pause, step, seek and speed, with what has been tracked shaded on the line."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gui import theme, words
from gui.actions import icon_button, show_icon
from gui.form import choice

HEIGHT = 40
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 0.0)
SPEED_WORDS = ("0.25×", "0.5×", "1×", "2×", "4×", "as fast as it goes")


class Line(QWidget):
    """The line itself: where one is, what has been tracked, drag to seek.

    Signals:
        wanted(int): the frame that the person asks for.
    """

    wanted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Position")
        self.setToolTip("Drag to seek. Shaded: already tracked.")
        self.setMinimumWidth(80)
        self.setFixedHeight(28)
        self.frames, self.index, self.fps = 0, 0, 0.0
        self._ranges: Sequence[tuple[int, int]] = ()

    def show_position(self, index: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Where one is, and the tracked stretches (first, last)."""
        self.index, self._ranges = index, ranges
        self.setAccessibleDescription(f"frame {index + 1} of {self.frames}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, 28)

    def _x(self, index: float) -> float:
        return 7 + (self.width() - 14) * index / max(1, self.frames - 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle = self.height() / 2
        painter.setBrush(QColor(now.line))
        painter.drawRoundedRect(QRectF(7, middle - 2, self.width() - 14, 4), 2, 2)
        if self.frames:
            shade = QColor(now.accent)
            shade.setAlphaF(0.45)
            painter.setBrush(shade)
            for first, last in self._ranges:
                left = self._x(first)
                painter.drawRoundedRect(QRectF(left, middle - 2, max(2.0, self._x(last) - left), 4), 2, 2)
            painter.setBrush(QColor(now.accent if self.hasFocus() else now.text))
            painter.drawEllipse(QRectF(self._x(self.index) - 7, middle - 7, 14, 14))
        painter.end()

    def _seek(self, x: float) -> None:
        if self.frames:
            share = (x - 7) / max(1, self.width() - 14)
            self.wanted.emit(round(min(1.0, max(0.0, share)) * (self.frames - 1)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._seek(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        second = max(1, round(self.fps or 25))
        steps = {
            Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_PageDown: second, Qt.Key.Key_PageUp: -second,
            Qt.Key.Key_Home: -self.frames, Qt.Key.Key_End: self.frames,
        }  # fmt: skip
        if self.frames and event.key() in steps:
            self.wanted.emit(min(self.frames - 1, max(0, self.index + steps[Qt.Key(event.key())])))
        else:
            super().keyPressEvent(event)


class Timeline(QWidget):
    """Transport buttons, the line, where one is, and the speed.

    Signals:
        play(bool): play or hold.
        go_to(int): show this frame.
        step(int): so many frames on (or back).
        speed(float): 1.0 is the source's rate; 0.0 as fast as it goes.
    """

    play = Signal(bool)
    go_to = Signal(int)
    step = Signal(int)
    speed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("timeline")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 12, 0)
        row.setSpacing(4)
        self.back = icon_button("previous", "One frame back (,)")
        self.toggle = icon_button("play", "Play (Space)")
        self.on = icon_button("next", "One frame on (.)")
        self.back.clicked.connect(lambda: self.step.emit(-1))
        self.on.clicked.connect(lambda: self.step.emit(1))
        self.toggle.clicked.connect(lambda: self.play.emit(not self.playing))
        self.line = Line()
        self.line.wanted.connect(self.go_to)
        self.where = QLabel()
        self.where.setObjectName("quiet")
        self.where.setMinimumWidth(150)
        self.where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.rate = choice("Speed", SPEEDS, SPEED_WORDS, 1.0, "How fast a file plays")
        self.rate.setFixedWidth(84)
        self.rate.view().setMinimumWidth(150)
        self.rate.currentIndexChanged.connect(lambda _i: self.speed.emit(self.rate.currentData()))
        for widget in (self.back, self.toggle, self.on):
            row.addWidget(widget)
        row.addSpacing(4)
        row.addWidget(self.line, 1)
        row.addSpacing(8)
        row.addWidget(self.where)
        row.addSpacing(8)
        row.addWidget(self.rate)
        self.playing = False
        self.reset()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.back.setIcon(theme.icon("previous"))
        self.on.setIcon(theme.icon("next"))
        self.set_playing(self.playing)

    def reset(self, frames: int | None = None, fps: float = 0.0, *, live: bool = False) -> None:
        """Another source: its length and rate; None frames where there is no length."""
        self.line.frames, self.line.fps = (0 if live else frames or 0), fps
        self.line.show_position(0, ())
        single = not live and (frames or 0) <= 1
        for widget in (self.back, self.on, self.line, self.rate):
            widget.setEnabled(not live and not single)
        self.toggle.setEnabled(live or not single)
        self.where.setText("live" if live else "")

    def set_playing(self, playing: bool) -> None:
        """Show that it plays, or that it holds."""
        self.playing = playing
        show_icon(self.toggle, *(("pause", "Hold (Space)") if playing else ("play", "Play (Space)")))

    def show_position(self, index: int, time_s: float, ranges: Sequence[tuple[int, int]]) -> None:
        """Where one is now."""
        self.line.show_position(index, ranges)
        if self.line.frames:
            self.where.setText(f"frame {index + 1:,} / {self.line.frames:,} · {words.clock(time_s)}")
        else:
            self.where.setText(f"live · {words.clock(time_s)}")
