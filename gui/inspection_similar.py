"""Similar cases on the page Inspect: the panel in the strip, kept up with what the page shows."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from engine.inspection.alike import Box
from engine.inspection.types import GOOD, Image
from gui.inspection_gallery import GalleryPanel
from gui.inspection_gallery_parts import GalleryChoices
from gui.inspection_parts import Shown
from gui.inspection_tools import Region, RegionTool

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage


class InspectionSimilar(QObject):
    """Tells the panel what the page shows, and the page what the panel found.

    Args:
        page: it belongs to.

    Attributes:
        panel: the similar cases.
        guess: what most of them show, for the verdict's card: "crack?"; "" where they do not agree.
        line: the gallery in one line, for the job bar.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.guess = self.line = ""
        self._shown: Shown | None = None
        self._fit: tuple[object, ...] | None = None
        self._kind = ""
        self._tool: RegionTool | None = None
        self._region: Box | None = None
        panel = self.panel = GalleryPanel(page.ask, page.settings, lambda: page.device, lambda: page.threshold)
        panel.set_show(page.show_choice)
        panel.opened.connect(page.look)
        panel.said.connect(page.said)
        panel.asked.connect(page.asked)
        panel.failed.connect(page.failed)
        panel.background.connect(page.background)
        panel.found.connect(self._found)
        panel.told.connect(self._told)
        panel.region_wanted.connect(self._draw_region)
        panel.subject_changed.connect(self._outline)
        self.tab = page.strip_view.add_panel("Similar cases", panel)
        if panel.chosen.front:
            self.tab.click()
        self.tab.toggled.connect(self._front)

    @property
    def actions(self) -> list[QAction]:
        """For the page's menu and keyboard."""
        return self.panel.edit.actions

    def ask_image(self, image: Image, name: str) -> None:
        """Ask by a picture from another page: (H, W, 3) uint8 BGR, and what it is called."""
        self.tab.click()
        self.panel.ask_image(image, name)

    # -- what the page shows

    def follow(self) -> None:
        """The model, the set, the picture or its label may be another one now."""
        page, panel, card = self.page, self.panel, self.page.card
        fit = (card.folder, card.fitted) if card is not None else None
        if fit != self._fit:
            # what is shown was judged by another model
            self._fit, self._shown = fit, page.view.shown
            panel.clear()
            panel.set_model(card)
        panel.card = card
        category = None if page.unlabelled else page.category
        if category is not panel.category:
            panel.set_category(category)
        self._follow_picture()

    def _follow_picture(self) -> None:
        page, panel, shown = self.page, self.panel, self.page.view.shown
        known = page.item is not None and not page.unlabelled
        kind = page.item.kind if known and page.item is not None else ""
        if shown is not self._shown:
            self._shown, self._kind, self.guess = shown, kind, ""
            looked = shown.looked if shown is not None else None
            if shown is None or looked is None or shown.live or looked.verdict is None:
                panel.clear()
            else:
                panel.show_picture(looked.asked.name, looked.image, looked.verdict, kind)
        elif shown is not None and kind and kind != self._kind and panel.shown is not None:
            self._kind = kind
            panel.relabel(panel.shown.name, kind)

    def leave(self) -> None:
        """The window closes."""
        self.panel.leave()

    # -- what the panel found

    def _found(self, kind: str, agree: int, count: int) -> None:
        guess = f"{kind.replace('_', ' ')}?" if kind != GOOD and 2 * agree > count else ""
        if guess != self.guess:
            self.guess = guess
            self.page.show_card()

    def _told(self, line: str) -> None:
        if line != self.line:
            self.line = line
            self.page.say_ready()

    def _front(self, on: bool) -> None:
        panel = self.panel
        panel.chosen = replace(panel.chosen, front=on)
        self.page.settings.save("inspect_gallery", panel.chosen, GalleryChoices())

    # -- a region that is drawn

    def _draw_region(self, on: bool) -> None:
        page = self.page
        page.labels.stop()
        if on:
            self._tool = RegionTool(self._drawn)
            page.set_tool(self._tool)
        elif page.view.over.tool is self._tool:
            page.set_tool(None)

    def _drawn(self, region: Region) -> None:
        self.page.set_tool(None)
        self.tab.click()
        self.panel.ask_region(region)

    def _outline(self) -> None:
        subject, overlays = self.panel.subject, self.page.overlays
        region = subject.region if subject is not None else None
        # a patch that somebody else outlined stays
        if region is not None or overlays.patch is self._region:
            self._region = overlays.patch = region
            self.page.view.refresh()
