"""The lessons of the page Optimize: idea, formula, derivation and paper, and a number that is computed here and now."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from engine.errors import SightlineError
from gui.job import JobSlot
from gui.lesson import LessonPanel, Paper, Part

if TYPE_CHECKING:
    from engine.learning.lesson import Lesson, Number

HINT = "Choose a lesson, or a contender: its lesson is shown here."
COMPUTING = "Computing …"
AGAIN = "Compute it again"
_ABOVE = 1
"""Parts above the number: the idea with the formula."""


def parts_of(lesson: "Lesson") -> list[Part]:
    """What a lesson says, in order; the first stands above its number."""
    steps = [
        Part("How it follows" if number == 0 else "", text, lesson.step_picture(number), formula)
        for number, (text, formula) in enumerate(lesson.derivation)
    ]
    return [Part("", lesson.idea, lesson.picture, lesson.formula), *steps, Part("When it helps", lesson.when)]


def computing(key: str) -> Generator[Any, None, "Number"]:
    """A job: the number of a lesson, of `engine.learning.lesson_numbers`."""
    yield None
    from engine.learning.lesson_numbers import number_of

    return number_of(key)


class LiveNumber(QWidget):
    """What was computed for a lesson, or that it is being computed.

    Attributes:
        number: what is shown; None while there is none.

    Signals:
        again(): it is to be computed once more.
    """

    again = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.number: Number | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(2)
        top = QHBoxLayout()
        top.setSpacing(8)
        heading = QLabel("Computed live")
        heading.setObjectName("heading")
        self.button = QPushButton("Again")
        self.button.setProperty("chip", True)
        self.button.setToolTip(AGAIN)
        self.button.setAccessibleName(AGAIN)
        self.button.clicked.connect(self.again)
        top.addWidget(heading)
        top.addWidget(self.button)
        top.addStretch(1)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addLayout(top)
        column.addWidget(self.text)

    def wait(self) -> None:
        """It is being computed."""
        self.number = None
        self.button.setEnabled(False)
        self._say(COMPUTING, quiet=True)

    def show_number(self, number: "Number") -> None:
        """It is there."""
        self.number = number
        self.button.setEnabled(True)
        self._say(number.text)

    def refuse(self, why: str) -> None:
        """It cannot be computed."""
        self.button.setEnabled(True)
        self._say(why, quiet=True)

    def _say(self, text: str, *, quiet: bool = False) -> None:
        self.text.setText(text)
        self.text.setObjectName("quiet" if quiet else "")
        self.text.style().polish(self.text)


class OptimizerLessons(QWidget):
    """All lessons in a list, the chosen one below.

    Attributes:
        names: the list.
        panel: the lesson.
        live: its number.

    Signals:
        failed(object): something broke that was not foreseen.
    """

    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._due = ""
        self.names = QComboBox()
        self.names.setObjectName("small")
        self.names.setAccessibleName("Lesson")
        self.names.setPlaceholderText("Lessons")
        self.names.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.names.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.names.setMinimumContentsLength(12)
        self.live = LiveNumber()
        self.panel = LessonPanel(HINT, self.live, _ABOVE)
        self.slot = JobSlot(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 4, 4)
        column.setSpacing(4)
        column.addWidget(self.names)
        column.addWidget(self.panel, 1)
        self.names.activated.connect(lambda _row: self.show_lesson(self.names.currentData()))
        self.live.again.connect(self.compute)
        self.slot.returned.connect(self.live.show_number)
        self.slot.failed.connect(self._failed)

    def sizeHint(self) -> QSize:
        return QSize(330, 150)

    @property
    def key(self) -> str:
        """Of the lesson that is shown; "" before the first."""
        return self.panel.key

    def show_lesson(self, key: str | None) -> None:
        """Show the lesson with this key of `engine.learning.lessons.LESSONS`; no such key, no change."""
        from engine.learning.lessons import LESSONS

        self._fill()
        if key not in LESSONS or key == self.key:
            return
        lesson = LESSONS[key]
        self.names.setCurrentIndex(self.names.findData(key))
        self.panel.show_parts(key, "", parts_of(lesson), Paper(lesson.paper, lesson.address, lesson.paper))
        self.compute()

    def compute(self) -> None:
        """Compute the number of the lesson that is shown; one that nobody sees waits until it is seen."""
        from engine.learning.lessons import LESSONS

        if not self.key:
            return
        self.live.wait()
        self._due = self.key
        if self.isVisible():
            self._due = ""
            key = LESSONS[self.key].number
            self.slot.start(lambda: computing(key), f"Number of the lesson {LESSONS[self.key].title}")

    def leave(self) -> None:
        """The page is left: nothing is computed any more."""
        if self.slot.busy:
            self._due = self.key
            self.slot.cancel()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.panel.restyle()

    def _fill(self) -> None:
        """The list, once it is wanted: the rules, then what lies under them."""
        if self.names.count():
            return
        from engine.learning.lessons import LESSONS
        from engine.optimizers.rules import RULES

        ruled = True
        for key, lesson in LESSONS.items():
            if ruled and key not in RULES:
                self.names.insertSeparator(self.names.count())
                ruled = False
            self.names.addItem(lesson.title, key)
        self.names.setMaxVisibleItems(30)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, SightlineError):
            self.live.refuse(str(error))
            return
        self.live.refuse("It could not be computed: choose another lesson, or compute it again.")
        self.failed.emit(error)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._fill()
        if self._due:
            self.compute()
