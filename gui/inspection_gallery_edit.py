"""What one does to the gallery: label, take out, put in, index pictures, choose another; beside the panel that asks."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu

from engine.inspection.alike import (
    filling_from,
    labelling,
    making,
    putting_back,
    putting_in,
    relabelling,
    taking_out,
)
from engine.inspection.gallery import Case
from engine.inspection.shelf import on_server
from engine.inspection.types import GOOD, Item
from gui.actions import action
from gui.inspection_gallery_filter import ServerDialog
from gui.inspection_gallery_parts import counted
from gui.job import JobSlot
from gui.notice import Action

if TYPE_CHECKING:
    from gui.inspection_gallery import GalleryPanel

ABNORMAL = "abnormal"
"""The kind under which a picture is put in of which nobody has said anything, and the model says that."""
_Work = Callable[[], Generator[Any, None, Any]]


@dataclass(frozen=True, slots=True)
class PutIn:
    """A picture is in the gallery now."""

    case: Case


@dataclass(frozen=True, slots=True)
class TakenOut:
    """Cases were taken out; with their vectors they can be put back."""

    cases: Sequence[Case]


class GalleryEdit(QObject):
    """Changes the gallery of a panel. Changes come one after the other; none takes the place of another.

    Args:
        panel: whose gallery it is.

    Attributes:
        actions: for the page's menu and keyboard.
        menu: the panel's own.
    """

    def __init__(self, panel: "GalleryPanel") -> None:
        super().__init__(panel)
        self.panel = panel
        self._works: deque[_Work] = deque()
        self._left = False
        self.changing, self.filling = JobSlot(self), JobSlot(self)
        self.changing.failed.connect(panel.failed)
        self.changing.batch.connect(self._changed)
        self.changing.finished.connect(self._go_on)
        self.filling.notice.connect(lambda notice: panel.said.emit(notice.text, "warning"))
        self.filling.failed.connect(panel.failed)
        self.filling.returned.connect(self._filled)
        self.filling.finished.connect(panel.ask_again)
        self.put_in_action = action(self, "Put this picture into the gallery", self.put_in, "Ctrl+G")
        self.region_action = action(self, "Ask the gallery by a region", self._toggle_region, "G")
        self.region_action.setCheckable(True)
        self.test_action = action(self, "Index the test pictures …", self.index_test)
        self.folder_action = action(self, "Index a folder of pictures …", self.ask_pictures)
        self.own_action = action(self, "Embedded, in Sightline's own folder", lambda: self.panel.choose_gallery(""))
        self.other_action = action(self, "Embedded, in another folder …", self.ask_folder)
        self.server_action = action(self, "On a Qdrant server …", self.ask_server)
        self.actions = [self.put_in_action, self.region_action, self.test_action, self.folder_action]
        self.menu = QMenu(panel)
        self._fill_menu()

    def _fill_menu(self) -> None:
        menu = self.menu
        menu.addActions([self.put_in_action, self.region_action])
        menu.addSeparator()
        menu.addActions([self.test_action, self.folder_action])
        menu.addSeparator()
        menu.addAction("The gallery lies").setEnabled(False)
        for where in (self.own_action, self.other_action, self.server_action):
            where.setCheckable(True)
            menu.addAction(where)
        menu.aboutToShow.connect(self.settle)

    def settle(self) -> None:
        """Switch on what can be done, and name it."""
        panel = self.panel
        card, category, pictures = panel.card, panel.category, self.test_pictures()
        ready = card is not None and panel.shown is not None
        self.put_in_action.setEnabled(ready and self._shown_file() is not None)
        self.region_action.setEnabled(ready)
        kept = card is not None and card.folder is not None and not self.filling.busy
        which = f" of {category.name} ({len(pictures):,})" if category is not None and pictures else " …"
        self.test_action.setText(f"Index the test pictures{which}")
        self.test_action.setEnabled(kept and bool(pictures))
        self.folder_action.setEnabled(kept)
        where = panel.chosen.where
        server = on_server(where)
        self.own_action.setChecked(not where)
        self.other_action.setChecked(bool(where) and not server)
        self.server_action.setChecked(server)
        self.other_action.setText("Embedded, in another folder …" + (f" ({where})" if where and not server else ""))
        self.server_action.setText("On a Qdrant server …" + (f" ({where})" if server else ""))

    def leave(self) -> None:
        """The window closes."""
        self._left = True
        self._works.clear()
        self.changing.cancel()
        self.filling.cancel()

    # -- one case

    def menu_of(self, case: Case) -> QMenu:
        """What can be done with a case."""
        menu = QMenu(self.panel)
        menu.setToolTipsVisible(True)
        label = menu.addMenu("Label as")
        known = self.panel.facts.kinds if self.panel.facts is not None else ()
        for kind in dict.fromkeys([GOOD, *known]):
            called = label.addAction(kind)
            called.setCheckable(True)
            called.setChecked(kind == case.kind)
            called.triggered.connect(lambda _c=False, kind=kind: self.label(case, kind))
        label.addSeparator()
        label.addAction("Another kind …").triggered.connect(lambda: self._ask_kind(case))
        menu.addAction("Take out of the gallery").triggered.connect(lambda: self.take_out(case))
        menu.addSeparator()
        folder = Path(case.path).parent
        shows = menu.addAction("Open its folder")
        shows.setEnabled(folder.is_dir())
        shows.triggered.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
        menu.addAction("Copy its path").triggered.connect(lambda: QGuiApplication.clipboard().setText(case.path))
        return menu

    def _ask_kind(self, case: Case) -> None:
        kind, given = QInputDialog.getText(self.panel, "Another kind", "What does the picture show?", text=case.kind)
        if given and kind.strip():
            self.label(case, kind.strip())

    def label(self, case: Case, kind: str) -> None:
        """Say what a case shows."""
        if kind != case.kind:
            shelf = self.panel.shelf
            self.change(lambda: labelling(shelf, [case.id], kind))

    def relabel(self, path: str, kind: str) -> None:
        """Say what the cases of a picture show, if there are any."""
        shelf = self.panel.shelf
        if shelf.there:
            self.change(lambda: relabelling(shelf, path, kind))

    def take_out(self, case: Case) -> None:
        """Take a case out; it can be put back while the notice stands."""
        shelf = self.panel.shelf

        def work() -> Generator[Any, None, Any]:
            yield TakenOut((yield from taking_out(shelf, [case.id])))

        self.change(work)

    def put_in(self) -> None:
        """Put the picture that is shown into the gallery, with what is known of it."""
        panel = self.panel
        shown, card, path = panel.shown, panel.card, self._shown_file()
        if shown is None or card is None or path is None:
            return
        from engine.inspection.cases import Labelled

        own = panel.category is not None and path.is_relative_to(panel.category.folder)
        category = panel.category.name if own and panel.category is not None else card.category
        # as a person said, else as the gallery knows it, else as the model says
        kind = shown.kind or panel.known_kind
        if not kind:
            bad = shown.verdict is not None and shown.verdict.score >= panel.threshold()
            kind = ABNORMAL if bad else GOOD
        if shown.verdict is not None:
            shown = replace(shown, verdict=replace(shown.verdict, threshold=panel.threshold()))
        lend = making(shown, Labelled(Item(path, kind), category))
        panel.lend(lend)
        shelf = panel.shelf

        def work() -> Generator[Any, None, Any]:
            yield PutIn((yield from putting_in(shelf, lend)))

        self.change(work)

    def _shown_file(self) -> Path | None:
        shown = self.panel.shown
        path = Path(shown.name) if shown is not None else None
        return path if path is not None and path.is_absolute() and path.is_file() else None

    def change(self, work: _Work) -> None:
        """Do this after what is being done."""
        self._works.append(work)
        self._go_on()

    def _go_on(self) -> None:
        if self._works and not self.changing.busy and not self._left:
            works = self._works
            self.changing.start(lambda: _worked(works), "Change the gallery", keep=64)

    def _changed(self, events: list[Any]) -> None:
        panel = self.panel
        for event in events:
            if isinstance(event, PutIn):
                case = event.case
                words = f"{Path(case.path).name} is in the gallery, as {case.kind.replace('_', ' ')}."
                panel.said.emit(words, "info")
            elif isinstance(event, TakenOut) and event.cases:
                panel.asked.emit(
                    f"{Path(event.cases[0].path).name} was taken out of the gallery.",
                    "info",
                    [Action("Put it back", lambda cases=event.cases: self._put_back(cases))],
                )
        panel.ask_again()

    def _put_back(self, cases: Sequence[Case]) -> None:
        shelf = self.panel.shelf
        self.change(lambda: putting_back(shelf, cases))

    # -- filling it

    def test_pictures(self) -> tuple[Item, ...]:
        """The pictures of the open set that the model was not fitted on, if there are such."""
        category = self.panel.category
        return () if category is None else category.test or category.items

    def index_test(self) -> None:
        """Put the test pictures of the open set into the gallery."""
        category, items = self.panel.category, self.test_pictures()
        if category is not None and items:
            from engine.inspection.cases import Labelled

            pictures = [Labelled(item, category.name) for item in items]
            self._fill(lambda: pictures, f"Index {category.name}")

    def ask_pictures(self) -> None:
        """Choose a folder of pictures to be indexed."""
        folder = QFileDialog.getExistingDirectory(self.panel.window(), "Index a folder of pictures")
        if folder:
            self.index_folder(Path(folder))

    def index_folder(self, folder: Path) -> None:
        """Put the pictures of a folder into the gallery, with what their folders say of them."""

        def find() -> Sequence[Any]:
            from engine.inspection.cases import pictures_at

            return pictures_at(folder)

        self._fill(find, f"Index {folder.name}")

    def _fill(self, find: Callable[[], Sequence[Any]], title: str) -> None:
        panel = self.panel
        card = panel.card
        if self.filling.busy:
            panel.said.emit("Pictures are being put into the gallery: stop that first, or wait for it.", "warning")
        elif card is None or card.folder is None:
            panel.said.emit("No model that was kept is open: fit or open one, then index pictures.", "warning")
        else:
            shelf, folder, device = panel.shelf, card.folder, panel.device()
            job = self.filling.start(lambda: filling_from(shelf, folder, device, find), title)
            panel.background.emit(job, title)
            panel.settle()

    def _filled(self, count: int) -> None:
        verb = "was" if count == 1 else "were"
        self.panel.said.emit(f"{counted(count)} {verb} put into the gallery.", "info")

    # -- which gallery

    def ask_folder(self) -> None:
        """Choose the folder of an embedded gallery."""
        folder = QFileDialog.getExistingDirectory(self.panel.window(), "The gallery's folder, or an empty one")
        if folder:
            self.panel.choose_gallery(folder)
        self.settle()

    def ask_server(self) -> None:
        """Ask for a server's address and key."""
        where = self.panel.shelf.where
        dialog = ServerDialog(self.panel.window(), where if on_server(where) else "")
        dialog.given.connect(self.panel.choose_gallery)
        # deleted later: it is still in its own signal
        dialog.finished.connect(lambda _how: (self.settle(), dialog.deleteLater()))
        dialog.open()

    def _toggle_region(self) -> None:
        self.panel.region_wanted.emit(self.region_action.isChecked())


def _worked(works: deque[_Work]) -> Generator[Any, None, None]:
    while works:
        yield from works.popleft()()
        # said at the end of each, so that the panel asks anew
        yield True
