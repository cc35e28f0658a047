"""The one place where the window says what went wrong or what is worth knowing."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QRect, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from engine.errors import SightlineError
from gui import theme

KEPT = 3
STAYS_MS = 8000


@dataclass(frozen=True, slots=True)
class Action:
    """A button on a notice: what it says, and what it does."""

    text: str
    do: Callable[[], object]


def describe(error: BaseException) -> tuple[str, str]:
    """The sentence and the details for an error; the traceback is formatted once, then dropped."""
    if isinstance(error, SightlineError):
        return str(error), ""
    details = "".join(traceback.format_exception(error))
    error.__traceback__ = None
    said = str(error).strip().splitlines()
    what = said[0][:160] if said else type(error).__name__
    return f"Something went wrong in Sightline: {what}. The details can be copied for a report.", details


class _Card(QFrame):
    """One notice."""

    def __init__(
        self, text: str, level: str, details: str, actions: Sequence[Action], close: Callable[[], None]
    ) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.setProperty("level", level)
        self.text, self.level, self.details = text, level, details
        self.asks = bool(actions)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        self._image = QLabel()
        self._image.setFixedWidth(20)
        row.addWidget(self._image, 0, Qt.AlignmentFlag.AlignTop)
        words = QLabel(text)
        words.setObjectName("noticeText")
        words.setProperty("level", level)
        words.setWordWrap(True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row.addWidget(words, 1)
        for action in actions:
            button = QPushButton(action.text)
            button.setAccessibleName(action.text)
            button.clicked.connect(lambda _c=False, do=action.do: (close(), do()))
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self._tools = {
            "copy": _tool("Copy this message" + (" and its details" if details else "")),
            "close": _tool("Dismiss"),
        }
        copy, shut = self._tools.values()
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText("\n\n".join(filter(None, (text, details)))))
        row.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)
        shut.clicked.connect(close)
        row.addWidget(shut, 0, Qt.AlignmentFlag.AlignTop)
        self.setAccessibleName(f"{level}: {text}")
        self.restyle()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        now = theme.current()
        colour = {"error": now.danger, "warning": now.warning}.get(self.level, now.accent)
        name = "info" if self.level == "info" else "warning"
        self._image.setPixmap(theme.pixmap(name, colour, 18, self.devicePixelRatioF()))
        for name, tool in self._tools.items():
            tool.setIcon(theme.icon(name))


def _tool(says: str) -> QToolButton:
    button = QToolButton()
    button.setToolTip(says)
    button.setAccessibleName(says)
    button.setFixedSize(26, 26)
    return button


class Notices(QWidget):
    """Notices lie over the top of the picture, newest first; information goes by itself, errors stay.

    Args:
        over: the widget they lie over.
        room: which part of it they may take; all of it if None.
    """

    def __init__(self, over: QWidget, room: Callable[[], QRect] | None = None) -> None:
        super().__init__(over)
        self._over = over
        self._room = room or over.rect
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._cards: list[_Card] = []
        over.installEventFilter(self)
        self.hide()

    def say(self, text: str, level: str = "info", *, details: str = "", actions: Sequence[Action] = ()) -> None:
        """Show a sentence; the same one twice is shown once.

        Args:
            text: what happened and what to do.
            level: "info", "warning" or "error".
            details: what can be copied with it.
            actions: buttons; a notice with buttons stays until it is dealt with.
        """
        for old in [card for card in self._cards if card.text == text]:
            self._drop(old)
        card: _Card
        card = _Card(text, level, details, actions, lambda: self._drop(card))
        self._cards.insert(0, card)
        self._column.insertWidget(0, card)
        for old in self._cards[KEPT:]:
            self._drop(old)
        if level == "info" and not actions:
            timer = QTimer(card)
            timer.setSingleShot(True)
            timer.timeout.connect(lambda: self._drop(card))
            timer.start(STAYS_MS)
        self.show()
        self._place()

    def error(self, error: BaseException) -> None:
        """Show an error: a sentence for bad input, a sentence and copyable details for a defect of ours."""
        text, details = describe(error)
        self.say(text, "error", details=details)

    def texts(self) -> list[str]:
        """What is being said, newest first."""
        return [card.text for card in self._cards]

    def settle(self) -> None:
        """Take the questions away: what they asked has been answered."""
        for card in [card for card in self._cards if card.asks]:
            self._drop(card)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for card in self._cards:
            card.restyle()

    def clear(self) -> None:
        """Take all notices away."""
        for card in list(self._cards):
            self._drop(card)

    def _drop(self, card: _Card) -> None:
        if card in self._cards:
            self._cards.remove(card)
            self._column.removeWidget(card)
            card.hide()
            card.deleteLater()
            self._place()
        if not self._cards:
            self.hide()

    def _place(self) -> None:
        room = self._room()
        width = min(680, room.width() - 32)
        if width < 80:
            return
        height = -self._column.spacing()
        for card in self._cards:
            card.ensurePolished()
            card.setFixedWidth(width)
            layout = card.layout()
            assert layout is not None
            layout.invalidate()
            # a wrapped label wants a little more than it says: descenders were cut
            card.setFixedHeight(max(44, layout.heightForWidth(width) + 4))
            height += card.height() + self._column.spacing()
        self.setGeometry(room.left() + (room.width() - width) // 2, room.top() + 12, width, height)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._over and event.type() == QEvent.Type.Resize:
            self._place()
        return False
