"""The pictures on the tiles of similar cases: read and examined anew where the model lives, kept for a while."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from engine.inspection.alike import FIVE, Seen, seeing, showing
from engine.inspection.gallery import Neighbour
from gui.inspection_gallery_parts import LARGEST, drawn
from gui.job import JobSlot

if TYPE_CHECKING:
    from gui.inspection_gallery import GalleryPanel

_KEPT = 120


class GallerySeen(QObject):
    """Draws the tiles of a panel.

    Args:
        panel: whose tiles they are.
    """

    def __init__(self, panel: "GalleryPanel") -> None:
        super().__init__(panel)
        self.panel = panel
        self.kept: OrderedDict[tuple[str, str], Seen] = OrderedDict()
        self.slot = JobSlot(self)
        self.slot.batch.connect(self._came)
        self.slot.failed.connect(panel.failed)

    def show_cases(self, neighbours: Sequence[Neighbour]) -> None:
        """Other cases: what is known of them is drawn at once, the rest as it comes."""
        panel = self.panel
        panel.place.show_cases(neighbours)
        self.draw()
        missing = [n.case for n in neighbours if (n.case.path, self._fit()) not in self.kept]
        if missing:
            ratio = panel.devicePixelRatioF()
            lends = seeing(missing, (round(LARGEST.width() * ratio), round(LARGEST.height() * ratio)))
            for lend in lends:
                panel.lend(lend)
            self.slot.start(lambda: showing(lends), "Similar cases", keep=2 * FIVE)

    def draw(self) -> None:
        """Draw them as the overlay is chosen now."""
        panel = self.panel
        for tile in panel.tiles:
            if tile.neighbour is not None and tile.isVisibleTo(panel):
                seen = self.kept.get((tile.neighbour.case.path, self._fit()))
                if seen is not None:
                    self.kept.move_to_end((seen.path, seen.fit))
                    tile.show_pixels(drawn(seen, panel.show_choice), panel.devicePixelRatioF())

    def cancel(self) -> None:
        """What is still to come is not wanted any more."""
        self.slot.cancel()

    def _fit(self) -> str:
        return self.panel.card.fitted if self.panel.card is not None else ""

    def _came(self, events: list[Seen]) -> None:
        for seen in events:
            self.kept[seen.path, seen.fit] = seen
        while len(self.kept) > _KEPT:
            self.kept.popitem(last=False)
        self.draw()
