"""The strip's panel of similar cases: the five past cases that look most like the picture that is shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from engine.errors import SightlineError
from engine.inspection.alike import FIVE, Found, Lend, Subject, asking, looking
from engine.inspection.shelf import Facts, Shelf, dropping, own_folder
from engine.inspection.types import Category, Image, Verdict
from gui import theme
from gui.inspection_gallery_edit import GalleryEdit
from gui.inspection_gallery_filter import FilterPopup
from gui.inspection_gallery_hint import GalleryHint
from gui.inspection_gallery_parts import (
    CaseRow,
    CaseTile,
    GalleryChoices,
    agreeing,
    in_words,
    said_of,
)
from gui.inspection_gallery_seen import GallerySeen
from gui.inspection_parts import InspectShow
from gui.inspection_tools import Region
from gui.job import JobSlot
from gui.settings import Settings

if TYPE_CHECKING:
    from engine.inspection.model import ModelCard

_GAP = 6
_SOON_MS = 80
"""Pictures that are passed over faster than this are not asked about."""


class GalleryPanel(QWidget):
    """The five most similar cases. The page tells it what is shown; the model is asked where it lives, by `lend`.

    Args:
        lend: puts a question to the thread that owns the model.
        settings: where the choices are kept (never a key).
        device: says where the networks run, for the job that fills the gallery.
        threshold: says at which score a picture is called abnormal now, 0..1.

    Attributes:
        edit: what one does to the gallery, with the actions for the page's menu.

    Signals:
        opened(str): show this picture.
        found(str, int, int): the kind that most of the cases show, how many of them, of how many; ("", 0, 0) for none.
        told(str): the gallery in one line, for the job bar.
        subject_changed(): something else is asked for: a region, the picture again.
        region_wanted(bool): let the mouse draw a region of the picture to ask by, or stop that.
        said(str, str), asked(str, str, list), failed(object), background(object, str): as those of `Workspace`.
    """

    opened = Signal(str)
    found = Signal(str, int, int)
    told = Signal(str)
    subject_changed = Signal()
    region_wanted = Signal(bool)
    said = Signal(str, str)
    asked = Signal(str, str, list)
    failed = Signal(object)
    background = Signal(object, str)

    def __init__(
        self,
        lend: Callable[[Lend], None],
        settings: Settings,
        device: Callable[[], str] = lambda: "auto",
        threshold: Callable[[], float] = lambda: 0.5,
    ) -> None:
        super().__init__()
        self.lend, self.settings, self.device, self.threshold = lend, settings, device, threshold
        self.chosen = settings.load("inspect_gallery", GalleryChoices())
        self.shelf = Shelf(self.chosen.where)
        self.card: ModelCard | None = None
        self.category: Category | None = None
        self.subject: Subject | None = None
        self.shown: Subject | None = None
        self.result: Found | None = None
        self.problem: SightlineError | None = None
        self.facts: Facts | None = None
        self.show_choice = InspectShow()
        self._lent: Lend | None = None
        self._waiting = self._left = False
        self.asking = JobSlot(self)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SOON_MS)
        self.edit = GalleryEdit(self)
        self._build()
        self._connect()
        self.settle()

    def _build(self) -> None:
        self.setAccessibleName("Similar cases")
        column = QVBoxLayout(self)
        # a tile's picture begins two pixels within it
        column.setContentsMargins(10, 4, 8, 2)
        column.setSpacing(2)
        head = QHBoxLayout()
        head.setSpacing(4)
        head.setContentsMargins(2, 0, 0, 0)
        self.title = QLabel()
        self.title.setObjectName("plotTitle")
        self.back = _chip("back", "Ask by the whole picture shown again")
        self.filter = _chip("filter ▾", "Which cases are shown, and by what they are compared")
        self.filter.setCheckable(True)
        self.more = QToolButton()
        self.more.setFixedSize(24, 22)
        self.more.setToolTip("Put in, index, choose a gallery")
        self.more.setAccessibleName("Gallery: more")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setMenu(self.edit.menu)
        head.addWidget(self.title, 1)
        for widget in (self.back, self.filter, self.more):
            head.addWidget(widget)
        column.addLayout(head)
        self.place = CaseRow(FIVE)
        self.tiles = self.place.tiles
        self.seen = GallerySeen(self)
        column.addWidget(self.place, 1)
        self.hint = GalleryHint(self)
        column.addWidget(self.hint, 1)
        self.popup = FilterPopup(self, self.chosen)
        self.restyle()

    def _connect(self) -> None:
        self._soon.timeout.connect(self._ask_now)
        self.asking.returned.connect(self._came)
        self.asking.failed.connect(self._refused)
        self.back.clicked.connect(self.ask_picture_shown)
        self.filter.clicked.connect(self._open_filter)
        self.popup.changed.connect(self.choose)
        self.place.opened.connect(self._open)
        self.place.menu_wanted.connect(self._show_menu)

    # -- what the page tells

    def set_model(self, card: "ModelCard | None") -> None:
        """Another model is in use, or none."""
        self.card = card
        self._forget()
        self._ask_soon()

    def set_category(self, category: Category | None) -> None:
        """Another set is open, or none."""
        self.category = category
        self.settle()

    def show_picture(self, name: str, image: Image, verdict: Verdict | None, kind: str = "") -> None:
        """Another picture is shown: ask for what looks like it.

        Args:
            name: its path, or what else it is called.
            image: (H, W, 3) uint8 BGR, never written again.
            verdict: of the present model.
            kind: where somebody said so.
        """
        self.shown = Subject(name, image, verdict, kind)
        self.ask_picture_shown()

    def clear(self) -> None:
        """No picture is shown, or a moving one."""
        self.subject = self.shown = None
        self._forget()
        self.settle()

    def set_show(self, show: InspectShow) -> None:
        """The overlay's colours, its opacity, or none."""
        if show != self.show_choice:
            self.show_choice = show
            self.seen.draw()

    def relabel(self, path: str, kind: str) -> None:
        """Somebody said what a picture shows: if it is a case, the gallery knows it too."""
        shown = self.shown
        if shown is not None and shown.name == path:
            self.shown = replace(shown, kind=kind)
            if self.subject is shown:
                self.subject = self.shown
            elif self.subject is not None and self.subject.name == path:
                self.subject = replace(self.subject, kind=kind)
        self.edit.relabel(path, kind)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.more.setIcon(theme.icon("more"))
        self.place.update()

    def leave(self) -> None:
        """The window closes: stop, and let go of the gallery."""
        self._left = True
        self._forget()
        self.edit.leave()
        self.popup.hide()
        self.shelf.close()

    # -- asking

    def ask_picture_shown(self) -> None:
        """Ask by the picture that is shown."""
        self.subject = self.shown
        self.subject_changed.emit()
        self._ask_soon()

    def ask_region(self, region: Region) -> None:
        """Ask by a part of the picture shown: left, top, width, height as shares of it, 0..1."""
        self.edit.region_action.setChecked(False)
        shown = self.shown
        if shown is None:
            return
        height, width = shown.image.shape[:2]
        left, top = min(width - 1, int(region[0] * width)), min(height - 1, int(region[1] * height))
        size = max(1, round(region[2] * width)), max(1, round(region[3] * height))
        self.subject = replace(shown, region=(left, top, min(size[0], width - left), min(size[1], height - top)))
        self.subject_changed.emit()
        self._ask_soon()

    def ask_image(self, image: Image, name: str) -> None:
        """Ask by a picture from elsewhere: (H, W, 3) uint8 BGR, and what it is called."""
        self.subject = Subject(name, image)
        self.subject_changed.emit()
        self._ask_soon()

    def _ask_soon(self) -> None:
        self.settle()
        if self.card is not None and self.subject is not None and not self._left:
            self._soon.start()

    def _ask_now(self) -> None:
        subject, chosen = self.subject, self.chosen
        if self._left or subject is None or self.card is None or self.problem is not None:
            return
        if not self.shelf.there:
            self.result = self.facts = None
            self.settle()
            return
        if self._lent is not None:
            self._lent.answer.cancel()
        self._lent, self._waiting = looking(subject), True
        lend, shelf = self._lent, self.shelf
        self.lend(lend)
        self.asking.start(
            lambda: asking(shelf, lend, subject, chosen.embedding, chosen.filter, this_model=chosen.this_model),
            "Ask the gallery",
        )

    def _came(self, result: Found | None) -> None:
        self._waiting = False
        self.result, self.facts = result, result.facts if result is not None else None
        self.settle()
        self.seen.show_cases(result.neighbours if result is not None else ())

    def _refused(self, error: Exception) -> None:
        self._waiting = False
        if isinstance(error, SightlineError):
            # not asked again at every picture: a server that is down takes its time to say so
            self.problem, self.result = error, None
            self.settle()
        else:
            self.failed.emit(error)

    @property
    def waits(self) -> bool:
        """Whether an answer is on its way."""
        return self._waiting or self._soon.isActive()

    @property
    def known_kind(self) -> str:
        """The kind of the picture shown as the gallery knows it, or ""."""
        return self.result.kind if self.result is not None and self.subject is self.shown else ""

    def ask_again(self) -> None:
        """The gallery holds something else now."""
        if not self.shelf.there:
            self.result = None
        self.problem = None
        self._ask_soon()

    def _forget(self) -> None:
        self._soon.stop()
        self._waiting = False
        if self._lent is not None:
            self._lent.answer.cancel()
        self.asking.cancel()
        self.seen.cancel()
        self.result = None

    # -- what is shown

    def settle(self) -> None:
        """Say what there is, or what to do."""
        neighbours = self.result.neighbours if self.result is not None else ()
        self.place.setVisible(bool(neighbours))
        self.hint.setVisible(not neighbours)
        elsewhere = self.subject is not None and self.subject is not self.shown
        self.back.setVisible(elsewhere and self.shown is not None)
        active = self.chosen.active
        self.filter.setText(f"filter · {active} ▾" if active else "filter ▾")
        self.filter.setChecked(bool(active))
        if neighbours and self.result is not None:
            self.title.setText(said_of(neighbours, self.result.kind, self._asked_by()))
            self.found.emit(*agreeing(neighbours, ""), len(neighbours))
        else:
            self.title.setText("Similar cases")
            self.found.emit("", 0, 0)
            self.hint.show_state()
        self.title.setAccessibleDescription(self.title.text())
        self.told.emit(in_words(self.facts))
        self.edit.settle()

    def _asked_by(self) -> str:
        subject = self.subject
        if subject is None or subject is self.shown:
            return "cases"
        return "to the region" if subject.region is not None else f"to {Path(subject.name).name}"

    # -- one case

    def _open(self, tile: CaseTile) -> None:
        if tile.neighbour is None:
            return
        path = tile.neighbour.case.path
        if tile.gone:
            self.said.emit(f"{path} is not there any more: take the case out, or put the picture back.", "warning")
        else:
            self.opened.emit(path)

    def _show_menu(self, tile: CaseTile, at: QPoint) -> None:
        if tile.neighbour is not None:
            menu = self.edit.menu_of(tile.neighbour.case)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(at)

    # -- choices

    def _open_filter(self) -> None:
        # it is pressed in only while something is filtered
        self.filter.setChecked(bool(self.chosen.active))
        facts = self.facts
        self.popup.show_facts(facts.kinds if facts else {}, facts.categories if facts else {})
        self.popup.open_over(self.filter)

    def choose(self, chosen: GalleryChoices) -> None:
        """Ask for other cases from now on; the gallery stays."""
        self.chosen = replace(chosen, where=self.chosen.where, front=self.chosen.front)
        self.popup.show_choices(self.chosen)
        self.settings.save("inspect_gallery", self.chosen, GalleryChoices())
        self._ask_soon()

    def choose_gallery(self, where: str, key: str = "") -> None:
        """Use another gallery from now on.

        Args:
            where: a folder or a server's address; "" is Sightline's own folder.
            key: of the server; it is kept until Sightline is closed and written nowhere.
        """
        if self.edit.filling.busy:
            self.said.emit("Pictures are being put into this gallery: stop that first, or wait for it.", "warning")
            self.edit.settle()
            return
        self._forget()
        self.problem, self.facts = None, None
        where = "" if where == str(own_folder()) else where
        self.shelf.choose(where, key)
        self.edit.change(lambda: dropping(self.shelf))
        self.chosen = replace(self.chosen, where=where)
        self.settings.save("inspect_gallery", self.chosen, GalleryChoices())
        self._ask_soon()


def _chip(text: str, says: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("chip", True)
    button.setToolTip(says)
    button.setAccessibleName(says)
    return button
