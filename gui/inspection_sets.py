"""Which set is open on the page Inspect and which model inspects it, and what changes when one of them does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from engine.inspection.inspector import Use
from engine.inspection.types import Category, Item
from gui.inspection_labels import WHOLE
from gui.inspection_tools import Region

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage


class InspectionSets(QObject):
    """Opens sets and models; what they are is kept by the page, where every part finds it.

    Args:
        page: that shows them.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self._show_abnormal = False

    def use(self, model: Any, *, show_abnormal: bool = False) -> None:
        """Inspect with a fitted model, or with that of a folder; then perhaps show the first abnormal picture."""
        page = self.page
        self._show_abnormal = show_abnormal
        page.ask(Use(model, page.device))

    def ready(self, card: Any) -> None:
        """Another model inspects from now on (its card), or none does."""
        page = self.page
        before, page.card = page.card, card
        page.rows.clear()
        page.threshold = card.threshold if card is not None else 0.5
        page.controls.threshold.show_scores((), ())
        page.controls.threshold.show_threshold(page.threshold)
        page.view.set_threshold(page.threshold)
        page.method.show_models(page.fit.cards, card)
        page.why.show_hint()
        page.settled.emit()
        page.say_ready()
        if card is None:
            if before is not None:
                page.look_again()
            return
        if card.folder is not None and all(card.folder != known.folder for known in page.fit.cards):
            page.fit.list_models()
        if page.category is None and page.looking is None:
            if Path(card.source).is_dir():
                page.source.read(Path(card.source))
            else:
                page.show_empty()
            return
        page.rows.go_through()
        first = self._first_abnormal() if self._show_abnormal else None
        self._show_abnormal = False
        if first is not None:
            page.look(str(first.path))
        else:
            page.look_again()

    def models_listed(self) -> None:
        """The list of fitted models is there: take the one of the set that is open."""
        page = self.page
        renamed, page.renamed = page.renamed, None
        if renamed is not None and page.card is not None and renamed.folder == page.card.folder:
            page.card = renamed
            page.method.show_models(page.fit.cards, page.card)
            page.say_ready()
        self._take_known()

    def _take_known(self) -> bool:
        page = self.page
        if page.card is None and page.category is not None and not page.unlabelled and not page.fit.slot.busy:
            known = page.fit.known_for(page.category)
            if known is not None:
                self.use(known.folder)
                return True
        return False

    # -- sets

    def set_categories(self, known: Sequence[tuple[Category, Region]], place: int, *, fit: bool = False) -> None:
        """Open one of these categories: its pictures, its region of interest, the model that was fitted on it."""
        page = self.page
        page.known = list(known)
        category, page.region = page.known[place]
        page.unlabelled = False
        self._forget()
        page.chosen = replace(page.chosen, folder=str(category.folder))
        # the arrow keys step through its pictures
        page.picture.setFocus()
        self.set_items(category, again=False)
        page.controls.threshold.show_scores((), ())
        if page.card is not None and Path(page.card.source) == category.folder:
            page.rows.go_through()
        else:
            had, page.card = page.card is not None, None
            if not self._take_known():
                if had:
                    page.ask(Use(None))
                if fit:
                    page.fit.start()
        first = self._first_abnormal() or next(iter(category.test or category.items), None)
        if first is not None:
            page.look(str(first.path))
        page.say_ready()

    def _forget(self) -> None:
        """Another set comes: let go of the picture, the scores and the labels of the present one."""
        page = self.page
        page.empty.hide()
        page.live.end()
        page.rows.stop()
        page.looking = page.item = None
        page.view.clear()
        page.labels.forget()
        page.rows.clear()

    def begin_watching(self) -> None:
        """A camera or a video comes: let go of the picture that is shown."""
        page = self.page
        page.labels.stop()
        page.empty.hide()
        page.item = page.looking = None

    def set_items(self, category: Category, *, again: bool = True) -> None:
        """The set as it is now, after a label, a mask or when it is opened; what was not inspected yet is."""
        page = self.page
        page.category = category
        place = next((n for n, (one, _r) in enumerate(page.known) if one.folder == category.folder), -1)
        if place >= 0:
            page.known[place] = category, page.region
        page.items = {str(item.path): item for item in category.items}
        page.rows.keep()
        if page.unlabelled:
            page.data.show_folder(category.name, len(category.items))
        else:
            page.data.show_sets([one for one, _r in page.known], place)
        page.fit.settle()
        page.show_region()
        if page.item is not None:
            page.item = page.items.get(str(page.item.path))
            page.data.show_item(page.item, tuple(category.counts))
        page.rows.refresh()
        page.similar.follow()
        page.truth.follow()
        if again and page.card is not None:
            page.rows.go_through()

    def inspect_folder(self, category: Category) -> None:
        """Go through pictures that nobody has said anything about, with the present model."""
        page = self.page
        page.known, page.unlabelled, page.region = [], True, WHOLE
        self._forget()
        self.set_items(category)
        if category.items:
            page.look(str(category.items[0].path))

    def _first_abnormal(self) -> Item | None:
        page = self.page
        return next((item for item in page.category.test if item.abnormal), None) if page.category else None
