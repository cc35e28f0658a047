"""The window: rail, open bar, pages, job bar, notices; takes what is dropped or pasted to the page that wants it."""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QMimeData, QRect, QSize, Qt, QTimer
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)  # isort: skip

from gui import theme
from gui.job_bar import JobBar
from gui.notice import Notices
from gui.open_bar import OpenBar
from gui.settings import Settings, WindowSettings, window_state
from gui.workspace import LatePage, Workspace

RAIL_WIDTH = 60
DEVICES = (
    ("auto", "The fastest there is"),
    ("cpu", "Processor (CPU)"),
    ("cuda", "NVIDIA (CUDA)"),
    ("mps", "Apple (MPS)"),
)
ABOUT = (
    "Sightline 0.1.0, a desktop workbench for computer vision. Free software under the AGPL-3.0; "
    "it uses Ultralytics YOLO (AGPL-3.0), OpenCV, PyTorch, OpenVINO and Qt."
)


class Window(QMainWindow):
    """The one window.

    Args:
        pages: in the order of the rail; a late one is made when it is first wanted.
        settings: the settings file.
    """

    def __init__(self, pages: Sequence[Workspace | LatePage], settings: Settings) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setWindowTitle("Sightline")
        self.setWindowIcon(theme.icon("sightline"))
        self.setAcceptDrops(True)
        self.setMinimumSize(800, 480)
        self.settings = settings
        self.chosen = settings.load("window", WindowSettings())
        self.pages: dict[str, Workspace | LatePage] = {page.key: page for page in pages}
        self._sources: dict[str, tuple[str, str]] = {}
        self._states: dict[str, tuple[str, str, bool]] = {}
        self.open_bar, self.job_bar = OpenBar(), JobBar()
        self.stack = QStackedWidget()
        self._build()
        self.notices = Notices(self.stack, self._over_picture)
        self._drop_hint = QLabel("Drop it anywhere", self.stack)
        self._drop_hint.setObjectName("dropHint")
        self._drop_hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._drop_hint.hide()
        self._connect()
        self._restore()
        if settings.problem:
            self.notices.say(settings.problem, "warning")

    # -- building

    def _build(self) -> None:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self._rail())
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.open_bar)
        right.addWidget(self.stack, 1)
        middle.addLayout(right, 1)
        column.addLayout(middle, 1)
        column.addWidget(self.job_bar)
        self.setCentralWidget(whole)
        for page in self.pages.values():
            self.stack.addWidget(page)

    def _rail(self) -> QWidget:
        rail = QWidget()
        rail.setObjectName("rail")
        rail.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        rail.setFixedWidth(RAIL_WIDTH)
        column = QVBoxLayout(rail)
        column.setContentsMargins(4, 8, 4, 8)
        column.setSpacing(4)
        self._page_buttons: dict[str, QToolButton] = {}
        for number, page in enumerate(self.pages.values(), 1):
            button = self._rail_button(page.icon, page.title, f"{page.title} (Ctrl+{number})")
            button.setCheckable(True)
            button.clicked.connect(lambda _c=False, key=page.key: self.show_page(key))
            self._page_buttons[page.key] = button
            column.addWidget(button)
        column.addStretch(1)
        self.menu_button = self._rail_button("menu", "Menu", "Everything that can be done here (F10)")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.menu_button.setMenu(self.menu)
        column.addWidget(self.menu_button)
        return rail

    def _rail_button(self, icon: str, text: str, says: str) -> QToolButton:
        button = QToolButton()
        button.setIcon(theme.icon(icon))
        button.setIconSize(QSize(20, 20))
        button.setText(text)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setToolTip(says)
        button.setAccessibleName(text)
        button.setFixedSize(RAIL_WIDTH - 8, 48)
        return button

    def _connect(self) -> None:
        self.open_bar.wanted.connect(self.open)
        self._make_actions()
        for page in self._made():
            self._adopt(page)

    def _adopt(self, page: Workspace) -> None:
        """Listen to a page, and give it what was chosen for the window."""
        page.said.connect(self.notices.say)
        page.asked.connect(lambda text, level, actions: self.notices.say(text, level, actions=actions))
        page.settled.connect(self.notices.settle)
        page.failed.connect(self.notices.error)
        page.state.connect(lambda text, more, busy, p=page: self._page_state(p, text, more, busy))
        page.source_shown.connect(lambda text, address, p=page: self._page_source(p, text, address))
        page.background.connect(self.job_bar.follow)
        page.sent.connect(self._send)
        for one in page.actions():
            page.addAction(one)
        page.form.setVisible(self.chosen.form)
        sizes = window_state().value(f"split/{page.key}")
        if sizes is not None:
            page.split.restoreState(sizes)

    def _make_actions(self) -> None:
        def action(text: str, do: object, *keys: str) -> QAction:
            made = QAction(text, self)
            made.setShortcuts([QKeySequence(key) for key in keys])
            made.triggered.connect(lambda _c=False: do())  # type: ignore[operator]
            self.addAction(made)
            return made

        self.view_actions = [
            action("Show or hide the form", self.toggle_form, "Ctrl+B"),
            action("Full screen", self._full_screen, "F11"),
            action("Dismiss the notices, or go back", self._escape, "Escape"),
        ]
        self.go_actions = [action("Type an address", self.open_bar.address.setFocus, "Ctrl+L")]
        self._paste = action("Paste and open", self._paste_and_open, "Ctrl+Shift+V")
        self._quit = action("Quit", self.close, "Ctrl+Q")
        self._menu_key = action("Menu", self.menu_button.showMenu, "F10")
        self._about = action("About Sightline", lambda: self.notices.say(ABOUT))
        for number, key in enumerate(self.pages, 1):
            action(self.pages[key].title, lambda key=key: self.show_page(key), f"Ctrl+{number}")
        self.theme_group = self._choices(
            "theme", (("system", "As the system"), ("dark", "Dark"), ("light", "Light")), self.set_theme
        )
        self.device_group = self._choices("device", DEVICES, self.set_device)

    def _choices(self, field: str, options: Sequence[tuple[str, str]], do: object) -> QActionGroup:
        group = QActionGroup(self)
        for value, word in options:
            one = group.addAction(word)
            one.setData(value)
            one.setCheckable(True)
            one.setChecked(value == getattr(self.chosen, field))
            one.triggered.connect(lambda _c=False, v=value: do(v))  # type: ignore[operator]
        return group

    def _fill_menu(self) -> None:
        menu = self.menu
        menu.clear()
        menu.addMenu(self.open_bar.browse_menu).setText("Open")
        menu.addMenu(self.open_bar.camera_menu).setText("Camera and screen")
        menu.addActions([*self.go_actions, self._paste])
        menu.addSeparator()
        menu.addActions(self.page.actions())
        menu.addSeparator()
        menu.addActions(self.view_actions)
        menu.addMenu("Theme").addActions(self.theme_group.actions())
        menu.addMenu("Device").addActions(self.device_group.actions())
        menu.addSeparator()
        menu.addActions([self._about, self._quit])

    # -- pages

    @property
    def page(self) -> Workspace:
        """The page in front."""
        page = self.stack.currentWidget()
        assert isinstance(page, Workspace)
        return page

    def _made(self) -> list[Workspace]:
        """The pages that are there already."""
        return [page for page in self.pages.values() if isinstance(page, Workspace)]

    def page_of(self, key: str) -> Workspace:
        """A page; a late one is made now."""
        page = self.pages[key]
        if isinstance(page, LatePage):
            late, page = page, page.make()
            self.pages[key] = page
            self.stack.insertWidget(self.stack.indexOf(late), page)
            self.stack.removeWidget(late)
            late.deleteLater()
            self._adopt(page)
        return page

    def _send(self, key: str, image: object, name: str) -> None:
        page = self.page_of(key)
        self.show_page(key)
        page.receive(image, name)

    def make_pages(self) -> None:
        """Make those that are still to come: the first click on one need not wait."""
        for key in self.pages:
            self.page_of(key)

    def _over_picture(self) -> QRect:
        room = self.page.notice_room()
        return QRect(self.page.area.mapTo(self.stack, room.topLeft()), room.size())

    def show_page(self, key: str) -> None:
        """Bring a page to the front."""
        page = self.page_of(key)
        self.stack.setCurrentWidget(page)
        for name, button in self._page_buttons.items():
            button.setChecked(name == key)
        self.open_bar.set_page_buttons(page.bar_buttons())
        self._page_source(page, *self._sources.get(key, ("", "")))
        self._page_state(page, *self._states.get(key, ("Ready", "", False)))
        self._choose(page=key)
        self.notices.raise_()

    def open(self, text: str) -> None:
        """Open a source on the page that wants it: a video in Track, a picture where pictures were opened last."""
        from engine.media.source import kind_of

        kind = kind_of(text)
        last = self.pages.get(self.chosen.picture_page)
        claimed = next((page.key for page in self.pages.values() if page.claims(text)), None)
        if claimed is not None:
            self.show_page(claimed)
        elif kind in self.page.prefers:
            pass
        elif kind == "image" and last is not None and last.takes(kind):
            self.show_page(last.key)
        elif not self.page.takes(kind):
            self.show_page(next((key for key, page in self.pages.items() if page.takes(kind)), self.page.key))
        if kind == "image":
            self._choose(picture_page=self.page.key)
        self.notices.clear()
        self.page.open(text)

    def _page_state(self, page: Workspace, text: str, more: str, busy: bool) -> None:
        self._states[page.key] = text, more, busy
        if page is self.page:
            self.job_bar.say(text, more, busy=busy)

    def _page_source(self, page: Workspace, text: str, address: str) -> None:
        self._sources[page.key] = text, address
        if page is self.page:
            self.open_bar.show_source(text, address)
            self.setWindowTitle(f"{text.partition(' · ')[0]} – Sightline" if text else "Sightline")

    # -- choices

    def _choose(self, **changes: object) -> None:
        self.chosen = replace(self.chosen, **changes)  # type: ignore[arg-type]
        self.settings.save("window", self.chosen, WindowSettings())

    def set_theme(self, choice: str) -> None:
        """ "system", "dark" or "light"."""
        self._choose(theme=choice)
        self.restyle()

    def restyle(self) -> None:
        """Give everything the colours of the chosen theme."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, theme.wanted(self.chosen.theme))
        for key, button in self._page_buttons.items():
            button.setIcon(theme.icon(self.pages[key].icon))
        self.menu_button.setIcon(theme.icon("menu"))
        self.job_bar.say(self.job_bar.state.text(), self.job_bar.detail.text())
        self.notices.restyle()
        for page in self._made():
            page.restyle()

    def set_device(self, device: str) -> None:
        """Where networks run: "auto", "cpu", "cuda" or "mps"."""
        self._choose(device=device)
        for page in self.pages.values():
            if hasattr(page, "set_device"):
                page.set_device(device)

    def toggle_form(self) -> None:
        """Hide the form, or show it again."""
        self._choose(form=not self.chosen.form)
        for page in self._made():
            page.form.setVisible(self.chosen.form)

    def _escape(self) -> None:
        if self.notices.texts():
            self.notices.clear()
        else:
            self.page.escape()

    def _full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def _restore(self) -> None:
        state = window_state()
        geometry = state.value("geometry")
        if geometry is None or not self.restoreGeometry(geometry):
            self.resize(1280, 800)
        recent = state.value("recent") or []
        self.open_bar.set_recent([recent] if isinstance(recent, str) else list(recent))
        self.open_bar.folder = str(state.value("folder") or "")
        self.show_page(self.chosen.page if self.chosen.page in self.pages else next(iter(self.pages)))
        self.page.picture.setFocus()

    def keep_state(self) -> None:
        """Write down the window's size, splitters and recent sources."""
        state = window_state()
        state.setValue("geometry", self.saveGeometry())
        state.setValue("recent", self.open_bar.recent())
        state.setValue("folder", self.open_bar.folder)
        for page in self._made():
            state.setValue(f"split/{page.key}", page.split.saveState())
        state.sync()

    # -- dropped and pasted

    def _paste_and_open(self) -> None:
        clipboard = QGuiApplication.clipboard()
        self._take(clipboard.mimeData())

    def _take(self, data: QMimeData) -> bool:
        text = ""
        if data.hasUrls():
            url = data.urls()[0]
            text = url.toLocalFile() or url.toString()
        elif data.hasText():
            text = next((line.strip() for line in data.text().splitlines() if line.strip()), "")
        if text:
            # after the drop has been answered: the other program waits for it
            QTimer.singleShot(0, self, lambda: self.open(text))
        return bool(text)

    def keyPressEvent(self, event: object) -> None:
        focus = QApplication.focusWidget()
        if event.matches(QKeySequence.StandardKey.Paste) and not isinstance(focus, QLineEdit):  # type: ignore[attr-defined]
            self._paste_and_open()
            return
        super().keyPressEvent(event)  # type: ignore[arg-type]

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasText():
            event.acceptProposedAction()
            self.show_drop_hint()

    def show_drop_hint(self) -> None:
        """Show where something can be dropped: anywhere."""
        self._drop_hint.setGeometry(self.stack.rect().adjusted(12, 12, -12, -12))
        self._drop_hint.show()
        self._drop_hint.raise_()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._drop_hint.isVisible():
            QTimer.singleShot(0, self, self.show_drop_hint)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._drop_hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._drop_hint.hide()
        if self._take(event.mimeData()):
            event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.keep_state()
        for page in self._made():
            page.leave()
        event.accept()
