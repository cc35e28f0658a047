"""Reset, race, step, a hundred steps, how far it is, how fast it may go, and the fork."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from gui import theme
from gui.actions import icon_button, show_icon
from gui.form import choice
from gui.timeline import HEIGHT, Line

PACES = (0.0, 1000.0, 100.0, 10.0)
PACE_WORDS = ("fastest", "1,000/s", "100/s", "10/s")


class Transport(QWidget):
    """The row under the curves.

    Signals:
        reset(), step(int): forget the race; take so many steps.
        play(bool): run or wait.
        go_to(int): look at this step.
        pace(float): steps a second at most; 0 is as fast as it goes.
        fork(): from where one looks.
    """

    reset = Signal()
    play = Signal(bool)
    step = Signal(int)
    go_to = Signal(int)
    pace = Signal(float)
    fork = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("timeline")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self.running = False
        self.back = icon_button("reset", "Reset (Home)")
        self.toggle = icon_button("play", "Race (Space)")
        self.on = icon_button("next", "One step (.)")
        self.many = QPushButton("×100")
        self.many.setProperty("chip", True)
        self.many.setToolTip("A hundred steps (Shift+.)")
        self.many.setAccessibleName("A hundred steps")
        self.line = Line()
        self.line.setToolTip("Drag to look at an earlier step; a fork begins where you look.")
        self.where = QLabel()
        self.where.setObjectName("quiet")
        self.where.setMinimumWidth(196)
        self.where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.rate = choice("Speed", PACES, PACE_WORDS, 0.0, "Steps a second that the race may take")
        self.rate.setFixedWidth(92)
        self.split = QPushButton("Fork here")
        self.split.setToolTip("Another run of the chosen contender from this step on (F)")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 12, 0)
        row.setSpacing(4)
        for widget in (self.back, self.toggle, self.on, self.many):
            row.addWidget(widget)
        row.addSpacing(4)
        row.addWidget(self.line, 1)
        row.addSpacing(8)
        row.addWidget(self.where)
        row.addSpacing(8)
        row.addWidget(self.rate)
        row.addWidget(self.split)
        self.back.clicked.connect(self.reset)
        self.toggle.clicked.connect(lambda: self.play.emit(not self.running))
        self.on.clicked.connect(lambda: self.step.emit(1))
        self.many.clicked.connect(lambda: self.step.emit(100))
        self.line.wanted.connect(self.go_to)
        self.rate.currentIndexChanged.connect(lambda _i: self.pace.emit(self.rate.currentData()))
        self.split.clicked.connect(self.fork)

    def set_running(self, running: bool) -> None:
        """Show that it runs, or that it waits."""
        self.running = running
        show_icon(self.toggle, *(("pause", "Wait (Space)") if running else ("play", "Race (Space)")))

    def allow(self, *, ready: bool, begun: bool, forkable: bool) -> None:
        """What can be done now."""
        for widget in (self.toggle, self.on, self.many):
            widget.setEnabled(ready)
        for widget in (self.back, self.line):
            widget.setEnabled(begun)
        self.split.setEnabled(forkable)

    def show_position(self, looked: int, done: int, steps: int, speed: float) -> None:
        """Which step one looks at, how many are done of how many, and steps a second of all contenders together."""
        self.line.frames = steps + 1 if steps else 0
        self.line.show_position(looked, ((0, done),) if done else ())
        self.line.setAccessibleDescription(f"step {looked:,} of {steps:,}")
        pace = f" · {speed:,.0f} steps/s" if speed else ""
        self.where.setText(f"step {looked:,} / {steps:,}{pace}" if steps else "")

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.back.setIcon(theme.icon("reset"))
        self.on.setIcon(theme.icon("next"))
        self.set_running(self.running)
