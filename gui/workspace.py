"""The page every page is: a picture, a form, a strip, and what it says to the window."""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.picture import PictureView

FORM_WIDTH = 292
STRIP_HEIGHT = 118


def _empty(layout: QLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()


def keeps_key(control: QWidget | None, event: Any) -> bool:
    """Whether a control uses a key itself: Space presses a button, Home goes to the first row.

    Args:
        control: that has the focus.
        event: a `QKeyEvent`.
    """
    if event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier):
        return False
    key = event.key()
    if key == Qt.Key.Key_Space:
        kinds: tuple[type, ...] = (QAbstractButton, QComboBox, QAbstractItemView)
        return isinstance(control, kinds) or bool(getattr(control, "uses_space", False))
    if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
        return isinstance(control, QAbstractSlider | QAbstractSpinBox | QAbstractItemView | QComboBox)
    return isinstance(control, QComboBox) and bool(event.text().strip())


class EmptyCard(QWidget):
    """What an empty page says: one line, one button, and perhaps a second thing to do."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.setSpacing(12)
        self.image = QLabel()
        self.image.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title = QLabel()
        self.title.setObjectName("emptyTitle")
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title.setWordWrap(True)
        self.text = QLabel()
        self.text.setObjectName("quiet")
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text.setWordWrap(True)
        self.buttons = QHBoxLayout()
        self.buttons.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.buttons.setSpacing(8)
        for widget in (self.image, self.title, self.text):
            widget.setMinimumWidth(520 if widget is not self.image else 0)
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        self.extra = QVBoxLayout()
        self.extra.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addLayout(self.extra)
        column.addLayout(self.buttons)
        self._icon = ""

    def show_choice(
        self,
        icon: str,
        title: str,
        text: str,
        actions: Sequence[tuple[str, object]],
        extra: QWidget | None = None,
    ) -> None:
        """Say something with buttons, the main one first; `extra` stands above them."""
        _empty(self.extra)
        _empty(self.buttons)
        if extra is not None:
            self.extra.addWidget(extra, 0, Qt.AlignmentFlag.AlignCenter)
        self._icon = icon
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))
        for number, (word, do) in enumerate(actions):
            button = QPushButton(word)
            button.setAccessibleName(word)
            button.setProperty("primary", number == 0)
            button.clicked.connect(lambda _c=False, do=do: do())
            self.buttons.addWidget(button)
            # the layout would show it one turn of the event loop later
            button.show()
        self.restyle()
        self.show()
        self.raise_()

    def paintEvent(self, _event: QPaintEvent) -> None:
        # a question may come while a picture is open: it shows through, and the words can be read
        ground = QColor(theme.current().picture)
        ground.setAlphaF(0.9)
        painter = QPainter(self)
        painter.fillRect(self.rect(), ground)
        painter.end()

    def button(self, word: str) -> QPushButton:
        """The button that says this."""
        return next(b for b in self.findChildren(QPushButton) if b.text() == word and not b.isHidden())

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        if self._icon:
            self.image.setPixmap(theme.pixmap(self._icon, theme.current().quiet, 40, self.devicePixelRatioF()))


class PictureArea(QFrame):
    """The picture with the empty card over it; `row` takes a second picture beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(0)
        self.picture = PictureView()
        self.row.addWidget(self.picture, 1)
        self.empty = EmptyCard(self)

    def resizeEvent(self, event: object) -> None:
        self.empty.setGeometry(self.rect())


class Workspace(QWidget):
    """Lays out the five places; a page fills them.

    Attributes:
        key, title, icon: of the rail's button.
        area, picture, empty: the picture and what lies over it.
        form_column: where the form's groups go.
        strip: where the strip's cells go.

    Signals:
        said(str, str): a sentence and its level ("info", "warning", "error"), for the notices.
        asked(str, str, list): a sentence, its level, and `Action`s to choose from.
        settled(): what was asked has been answered otherwise.
        failed(object): an exception, for the notices.
        state(str, str, bool): what the page is doing, details, whether it is busy.
        source_shown(str, str): what is open, in words and as it was typed.
        background(object, str): a job to show in the job bar, and its title.
        sent(str, object, str): the key of another page, a picture for it ((H, W, 3) uint8 BGR), what it shows.
    """

    said = Signal(str, str)
    asked = Signal(str, str, list)
    settled = Signal()
    failed = Signal(object)
    state = Signal(str, str, bool)
    source_shown = Signal(str, str)
    background = Signal(object, str)
    sent = Signal(str, object, str)

    key = ""
    title = ""
    icon = ""
    prefers: frozenset[str] = frozenset()
    """Kinds of source that stay on this page when it is in front, whatever page took such a one last."""

    def __init__(self) -> None:
        super().__init__()
        self._actions: list[QAction] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setChildrenCollapsible(False)
        self.split.setHandleWidth(1)
        upper = QWidget()
        self.upper = QVBoxLayout(upper)
        self.upper.setContentsMargins(0, 0, 0, 0)
        self.upper.setSpacing(0)
        self.area = PictureArea()
        self.picture, self.empty = self.area.picture, self.area.empty
        self.upper.addWidget(self.area, 1)
        self.split.addWidget(upper)
        strip = QWidget()
        strip.setObjectName("strip")
        strip.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        strip.setMinimumHeight(STRIP_HEIGHT)
        strip.setMaximumHeight(STRIP_HEIGHT * 3)
        self.strip = QHBoxLayout(strip)
        self.strip.setContentsMargins(0, 0, 0, 0)
        self.strip.setSpacing(0)
        self.split.addWidget(strip)
        self.split.setStretchFactor(0, 1)
        self.split.setSizes([576, STRIP_HEIGHT + 30])
        row.addWidget(self.split, 1)
        self.form = QScrollArea()
        self.form.setObjectName("form")
        self.form.setFixedWidth(FORM_WIDTH)
        self.form.setWidgetResizable(True)
        self.form.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        self.form_column = QVBoxLayout(inside)
        self.form_column.setContentsMargins(14, 16, 14, 16)
        self.form_column.setSpacing(20)
        self.form_column.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.form.setWidget(inside)
        row.addWidget(self.form)

    # -- what a page answers

    def takes(self, kind: str) -> bool:
        """Whether the page opens this kind of source ("video", "image", "address" ...): any, unless it is choosy."""
        return True

    def claims(self, text: str) -> bool:
        """Whether this can only be meant for this page, whichever is in front (a fitted model's folder)."""
        return False

    def open(self, text: str) -> None:
        """Open a source."""

    def actions(self) -> list[QAction]:
        """What can be done on this page, for the menu and the keyboard."""
        return self._actions

    def bar_buttons(self) -> list[QPushButton]:
        """Buttons for the right end of the open bar."""
        return []

    def notice_room(self) -> QRect:
        """Which part of the picture's area notices may take."""
        return self.area.rect()

    def receive(self, image: Any, name: str) -> None:
        """Another page sends a picture, (H, W, 3) uint8 BGR, and says what it shows."""

    def event(self, event: QEvent) -> bool:
        # a key that the focused control uses itself is no shortcut of the page
        if event.type() == QEvent.Type.ShortcutOverride and keeps_key(QApplication.focusWidget(), event):
            event.accept()
            return True
        return super().event(event)

    def escape(self) -> None:
        """Escape was pressed and no notice is there to be dismissed: leave what lies over the picture."""

    def restyle(self) -> None:
        """The theme has changed."""
        self.empty.restyle()
        self.picture.update()

    def leave(self) -> None:
        """The window closes: keep what was chosen."""

    def sizeHint(self) -> QSize:
        return QSize(1220, 726)


class LatePage(QWidget):
    """Stands for a page that is made when it is first wanted, so that the window's first paint does not wait for it.

    Args:
        key, title, icon: of the rail's button.
        make: builds the page.
        takes: whether it opens a kind of source, as `Workspace.takes`.
        claims: whether a text can only be meant for it, as `Workspace.claims`.
    """

    def __init__(
        self,
        key: str,
        title: str,
        icon: str,
        make: Callable[[], Workspace],
        *,
        takes: Callable[[str], bool] = lambda _kind: False,
        claims: Callable[[str], bool] = lambda _text: False,
    ) -> None:
        super().__init__()
        self.key, self.title, self.icon = key, title, icon
        self.make, self.takes, self.claims = make, takes, claims
