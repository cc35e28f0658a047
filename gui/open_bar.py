"""One bar that takes anything: paste, type, browse, camera, screen; and what the page in front can do."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QStringListModel, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFocusEvent, QGuiApplication, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCompleter, QFileDialog, QHBoxLayout, QLineEdit, QMenu, QPushButton, QWidget

HINT = "Paste an address, drop a file, or type a camera number"
HEIGHT = 48
RECENT = 12
_VIDEOS = "*.mp4 *.mov *.mkv *.avi *.webm *.m4v *.mpg *.mpeg *.ts *.wmv *.flv *.gif"
_PICTURES = "*.jpg *.jpeg *.jfif *.png *.bmp *.webp *.tif *.tiff"


class _Address(QLineEdit):
    """Shows what is open; becomes the address itself while it is edited."""

    def __init__(self) -> None:
        super().__init__()
        self.summary, self.address = "", ""

    def show_source(self, summary: str, address: str) -> None:
        self.summary, self.address = summary, address
        if not self.hasFocus():
            self.setText(summary)
        else:
            self.setText(address)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if self.text() == self.summary:
            self.setText(self.address)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if self.text() in ("", self.address) and event.reason() != Qt.FocusReason.PopupFocusReason:
            self.setText(self.summary)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self.address)
            self.clearFocus()
        else:
            super().keyPressEvent(event)


class ScreenPicker(QWidget):
    """Covers the screen so that a part of it can be drawn with the mouse.

    Signals:
        picked(str): "screen:left,top,width,height" in device pixels.
    """

    picked = Signal(str)

    def __init__(self) -> None:
        super().__init__(None, Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Draw the part of the screen to watch; Escape to leave")
        self.setGeometry(QGuiApplication.primaryScreen().geometry())
        self._from: QPoint | None = None
        self._to = QPoint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 90))
        if self._from is not None:
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            painter.fillRect(self._area(), QColor(76, 159, 254, 40))
        painter.end()

    def _area(self) -> QRect:
        assert self._from is not None
        return QRect(self._from, self._to).normalized()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._from = self._to = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._from is not None:
            self._to = event.position().toPoint()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._from is None:
            return
        area, ratio = self._area(), self.devicePixelRatioF()
        self.close()
        if area.width() > 15 and area.height() > 15:
            area.translate(self.geometry().topLeft())
            numbers = (area.x(), area.y(), area.width(), area.height())
            self.picked.emit("screen:" + ",".join(str(round(n * ratio)) for n in numbers))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close()


class OpenBar(QWidget):
    """The bar along the top.

    Signals:
        wanted(str): open this: a path, an address, a camera number, "screen".
    """

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("openBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(8)
        self.address = _Address()
        self.address.setPlaceholderText(HINT)
        self.address.setAccessibleName("Source")
        self.address.setClearButtonEnabled(False)
        self.address.setMinimumHeight(30)
        self.address.returnPressed.connect(self._entered)
        self._recent = QStringListModel()
        completer = QCompleter(self._recent, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.address.setCompleter(completer)
        self.browse = self._button("Browse", "Open a file or a folder")
        self.camera = self._button("Camera", "Open a camera or the screen")
        self.browse_menu = QMenu(self)
        self._add(self.browse_menu, "Video or picture …", self.ask_file, "Ctrl+O")
        self._add(self.browse_menu, "Folder of pictures …", self.ask_folder, "Ctrl+Shift+O")
        self.recent_menu = self.browse_menu.addMenu("Recent")
        self.browse.setMenu(self.browse_menu)
        self.camera_menu = QMenu(self)
        for number in range(3):
            self._add(self.camera_menu, f"Camera {number}", lambda n=number: self.wanted.emit(str(n)))
        self.camera_menu.addSeparator()
        self._add(self.camera_menu, "Whole screen", lambda: self.wanted.emit("screen"))
        self._add(self.camera_menu, "Part of the screen …", self.pick_screen)
        self.camera.setMenu(self.camera_menu)
        row.addWidget(self.address, 1)
        row.addWidget(self.browse)
        row.addWidget(self.camera)
        self._row = row
        self._page_buttons: list[QPushButton] = []
        self.folder = ""

    def _button(self, text: str, says: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(says)
        button.setAccessibleName(text)
        return button

    def _add(self, menu: QMenu, text: str, do: object, keys: str = "") -> QAction:
        action = menu.addAction(text)
        if keys:
            action.setShortcut(keys)
        action.triggered.connect(lambda _c=False: do())  # type: ignore[operator]
        return action

    def set_page_buttons(self, buttons: Sequence[QPushButton]) -> None:
        """What the page in front can do, at the right end."""
        for old in self._page_buttons:
            self._row.removeWidget(old)
            old.hide()
        self._page_buttons = list(buttons)
        for button in buttons:
            self._row.addWidget(button)
            button.show()

    def show_source(self, summary: str, address: str) -> None:
        """What is open: in words, and as it was typed."""
        self.address.show_source(summary, address)
        if address:
            rest = [text for text in self.recent() if text != address]
            self.set_recent([address, *rest])

    def recent(self) -> list[str]:
        """The sources that were opened last, newest first."""
        return self._recent.stringList()

    def set_recent(self, texts: Sequence[str]) -> None:
        """Show these as recent sources."""
        self._recent.setStringList(list(texts)[:RECENT])
        self.recent_menu.clear()
        for text in self.recent():
            # an ampersand in an address is no shortcut
            self._add(self.recent_menu, text.replace("&", "&&"), lambda t=text: self.wanted.emit(t))
        self.recent_menu.setEnabled(bool(self.recent()))

    def ask_file(self) -> None:
        """Choose a file to open."""
        kinds = f"Videos and pictures ({_VIDEOS} {_PICTURES});;All files (*)"
        path, _kind = QFileDialog.getOpenFileName(self, "Open a video or a picture", self.folder, kinds)
        if path:
            self.folder = str(Path(path).parent)
            self.wanted.emit(path)

    def ask_folder(self) -> None:
        """Choose a folder of pictures to open."""
        path = QFileDialog.getExistingDirectory(self, "Open a folder of pictures", self.folder)
        if path:
            self.folder = path
            self.wanted.emit(path)

    def pick_screen(self) -> ScreenPicker:
        """Draw the part of the screen to watch."""
        picker = ScreenPicker()
        picker.picked.connect(self.wanted)
        picker.show()
        return picker

    def _entered(self) -> None:
        text = self.address.text().strip().strip('"')
        if text:
            self.address.address = text
            self.address.clearFocus()
            self.wanted.emit(text)
