"""Opening on the page Track: routes what was given, looks pages up, downloads videos and networks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import QComboBox, QListWidget, QMenu, QVBoxLayout, QWidget

from engine.errors import SightlineError
from gui import words
from gui.form import choice
from gui.job import Job, JobSlot
from gui.notice import Action
from gui.tracking_parts import Request

if TYPE_CHECKING:
    from gui.tracking_page import TrackingPage


class TrackingSource(QObject):
    """What happens between "open this" and the first picture.

    Args:
        page: that shows it.
    """

    def __init__(self, page: "TrackingPage") -> None:
        super().__init__(page)
        self.page = page
        self.looking = JobSlot(self)
        self.looking.returned.connect(self._looked_up)
        self.looking.failed.connect(self._look_failed)
        self.looking.progress.connect(lambda now: page.state.emit(now.what, "", True))
        self.downloads: list[Job] = []
        self.list_menu = QMenu(page)
        self.list_menu.setTitle("Downloads")
        self.list_menu.aboutToShow.connect(self._list_downloads)
        self.actions: list[QAction] = [self.list_menu.menuAction()]

    def browse(self) -> None:
        """Choose a file with the window's own dialog."""
        window: Any = self.page.window()
        window.open_bar.ask_file()

    # -- sources

    def open(self, text: str) -> None:
        """Open anything; an address of the web is looked up first, for it may be a page."""
        from engine.media.source import kind_of

        self.looking.cancel()
        if kind_of(text) != "address":
            self.page.start(Request(text))
            return
        self._look_up(text, None)

    def _look_up(self, text: str, entry: int | None) -> None:
        def job() -> Any:
            from engine.media.page import page_at

            found = yield from page_at(text, entry=entry)
            return text, entry, found

        self.looking.start(job, f"Look up {text}")
        self.page.state.emit("Looking the address up", "", True)

    def _look_failed(self, error: BaseException) -> None:
        self.page.failed.emit(error)
        self.page.state.emit("Ready", "", False)

    def _looked_up(self, result: Any) -> None:
        text, entry, found = result
        self.page.state.emit("Ready", "", False)
        if found is None:
            self.page.start(Request(text))
        elif found.entries and entry is None:
            self._ask_entry(text, found)
        else:
            self._ask_how(text, found, entry)

    def _ask_entry(self, text: str, found: Any) -> None:
        """A list: which of its videos."""
        names = QListWidget()
        names.setAccessibleName("Videos of this page")
        names.setFixedSize(460, min(200, 8 + 26 * len(found.entries)))
        for one in found.entries:
            names.addItem(one.title + (f"  ·  {words.clock(one.duration_s)}" if one.duration_s else ""))
        names.setCurrentRow(0)

        def take() -> None:
            self._look_up(text, max(0, names.currentRow()))

        names.itemActivated.connect(lambda _item: take())
        actions = [("Take this one", take), ("Cancel", self._dismiss)]
        title = f"{found.title} holds {len(found.entries)} videos"
        self.page.empty.show_choice("film", title, "Which one?", actions, names)
        names.setFocus()

    def _ask_how(self, asked: str, found: Any, entry: int | None) -> None:
        """A page: watch it at some height, or download it."""
        title = found.title
        heights = list(found.heights)
        parts = ["live" if found.live else "", words.clock(found.duration_s) if found.duration_s else ""]
        parts.append(f"up to {heights[0]} lines" if heights else "")
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        options = heights or [self.page.chosen.height]
        usual = max((h for h in options if h <= self.page.chosen.height), default=options[-1])
        height: QComboBox = choice("Height", options, [f"Watch at {h} lines" for h in options], usual)
        height.setMinimumWidth(180)
        column.addWidget(height)
        height.setVisible(len(options) > 1)

        def watch() -> None:
            self.page.remember_height(height.currentData())
            self.page.start(Request(asked, height.currentData(), entry))

        actions: list[tuple[str, Any]] = [("Watch", watch)]
        if not found.live:
            actions.append(("Download, best quality", lambda: (self._dismiss(), self.download(asked, entry, title))))
        actions.append(("Cancel", self._dismiss))
        text = " · ".join(p for p in parts if p)
        self.page.empty.show_choice("film", title, text, actions, box)

    def _dismiss(self) -> None:
        if self.page.request is None:
            self.page.show_empty()
        else:
            self.page.empty.hide()

    def download(self, address: str, entry: int | None, title: str) -> Job:
        """Fetch a video in the background; it opens when it is there, unless something else was opened since."""

        def make() -> Any:
            from engine.media.youtube import download

            return download(address, entry=entry)

        job = Job(make, f"Download {title}")
        before = self.page.request

        def arrived(path: Path) -> None:
            if self.page.request is before:
                self.page.open(str(path))
            else:
                open_it = Action("Open", lambda: self.page.open(str(path)))
                self.page.asked.emit(f"{path.name} is downloaded.", "info", [open_it])

        job.returned.connect(arrived)
        job.failed.connect(self.page.failed)
        job.notice.connect(lambda notice: self.page.said.emit(notice.text, "warning"))
        self.page.background.emit(job, f"Download {title}")
        return job.start()

    def _list_downloads(self) -> None:
        from engine.media.youtube import downloads
        from engine.runtime import downloads_folder

        self.list_menu.clear()
        for one in downloads():
            action = self.list_menu.addAction(f"{one.title.replace('&', '&&')}  ·  {words.size(one.bytes)}")
            action.triggered.connect(lambda _c=False, path=one.path: self.page.open(str(path)))
        if not self.list_menu.isEmpty():
            self.list_menu.addSeparator()
        folder = downloads_folder()
        self.list_menu.addAction("Show the folder").triggered.connect(
            lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
        )

    # -- networks

    def weights_for(self, text: str) -> str | None:
        """The network for a source, if it is here; else None.

        The drawn example has its own: that network knows drawn things only, and is not used on anything else.
        """
        from engine.tracking.example import EXAMPLE_WEIGHTS
        from engine.weights.fetch import locate

        if text.startswith("example:"):
            return str(EXAMPLE_WEIGHTS)
        path = locate(self.page.chosen.model)
        return None if path is None else str(path)

    def offer(self) -> None:
        """Say that the chosen network is not here, and offer to fetch it or to choose a file."""
        from engine.weights.cards import find_card
        from gui.models import offer as cost

        model = self.page.controls.model
        choose = Action("Choose a file …", model.ask_file)
        name = self.page.chosen.model
        card = find_card(name)
        if card is None:
            self.page.asked.emit(f"{Path(name).name} is no longer there; choose another network.", "warning", [choose])
            return
        text = f"{card.title} is not on this machine yet. Its licence is {card.licence}."
        fetch = Action(cost(card).capitalize(), lambda: self.fetch(card))
        self.page.asked.emit(text, "info", [fetch, choose])

    def fetch(self, card: Any) -> Job:
        """Fetch a network in the background, then go on with it."""

        def make() -> Any:
            from engine.weights.fetch import fetch

            return fetch(card)

        job = Job(make, f"Download {card.title}")
        job.returned.connect(lambda _path: (self.page.controls.model.fill(), self.page.restart()))
        job.failed.connect(lambda error: self._fetch_failed(error))
        self.page.background.emit(job, f"Download {card.title}")
        return job.start()

    def _fetch_failed(self, error: BaseException) -> None:
        if isinstance(error, SightlineError):
            choose = Action("Choose a file …", self.page.controls.model.ask_file)
            self.page.asked.emit(str(error), "error", [choose])
        else:
            self.page.failed.emit(error)
