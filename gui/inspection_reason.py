"""Why a spot is abnormal: asks for the nearest good patches, shows them and the pictures they came from."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF

from engine.inspection.inspector import Look, Why
from engine.inspection.types import NearPatch
from gui.inspection_method import method_title
from gui.inspection_parts import Patches

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage


class InspectionReason(QObject):
    """The questions that start with why.

    Args:
        page: whose picture is asked about.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self._patch: tuple[str, tuple[int, int, int, int]] | None = None
        page.view.spot_clicked.connect(self.ask)
        page.why.wanted.connect(self.show_patch)

    def ask(self, point: QPointF) -> None:
        """Which good patches are nearest to this spot of the picture?"""
        page, shown = self.page, self.page.shown
        if shown is None or shown.looked.verdict is None or page.card is None:
            return
        image = shown.looked.image
        x = min(image.shape[1] - 1, max(0, int(point.x())))
        y = min(image.shape[0] - 1, max(0, int(point.y())))
        if shown.live:
            page.live.play(False)
        page.overlays.spot, page.overlays.patch = QPointF(x + 0.5, y + 0.5), None
        page.view.refresh()
        page.ask(Why(image, x, y))

    def ask_hottest(self) -> None:
        """The same for the hottest spot."""
        verdict = self.page.view.judged()
        if verdict is not None:
            self.ask(QPointF(*verdict.hottest))

    def show(self, event: Patches) -> None:
        """Show the answer, unless another picture has come since."""
        page, asked = self.page, event.asked.asked
        if page.shown is None or asked.image is not page.shown.looked.image:
            return
        card = page.card
        if event.patches:
            value = page.overlays.value_at(QPointF(asked.x, asked.y))
            page.why.show_patches(event.patches, f"{value:.2f} at {asked.x}, {asked.y}")
        elif card is not None and card.patches:
            page.why.show_hint("The model does not look there: choose a spot within its region.")
        else:
            title = method_title(card.method) if card is not None else "This method"
            page.why.show_hint(f"{title} keeps no patches to compare with; PatchCore does.")

    def show_patch(self, near: NearPatch) -> None:
        """Show the good picture that a patch was cut from, the patch outlined."""
        path = near.path if Path(near.path).is_file() else f"kept copy of {Path(near.path).name}"
        self._patch = path, near.box
        self.page.look_at(Look(path, near.picture))

    def outline(self, name: str) -> None:
        """A picture is shown: outline the patch if it is the one that was asked for."""
        patch, self._patch = self._patch, None
        if patch is not None and patch[0] == name:
            self.page.overlays.patch = patch[1]
