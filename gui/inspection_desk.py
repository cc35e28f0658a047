"""Evaluate on the page Inspect: the button in the open bar, and the view that takes the picture's place."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QPushButton

from gui.inspection_evaluate import InspectionEvaluate

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage


class InspectionDesk(QObject):
    """Shows the view and brings the picture back. The view is made when it is first wanted.

    Args:
        page: it belongs to.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.view: InspectionEvaluate | None = None
        self.button = QPushButton("Evaluate")
        self.button.setCheckable(True)
        self.button.setAccessibleName("Evaluate")
        self.button.setToolTip("AUROC and more of each category and method, on average, with a report (Ctrl+T)")
        self.button.toggled.connect(self._toggled)
        self.action = QAction("Evaluate categories and methods", page)
        self.action.setShortcut("Ctrl+T")
        self.action.triggered.connect(lambda _c=False: self.button.toggle())

    @property
    def open(self) -> bool:
        """Whether the view stands in the picture's place."""
        return self.button.isChecked()

    def hide(self) -> None:
        """Bring the picture back."""
        self.button.setChecked(False)

    def refresh(self) -> None:
        """The categories that are open have changed."""
        if self.view is not None:
            known = self.page.known if not self.page.unlabelled else []
            regions = {category.folder: region for category, region in known}
            self.view.show_categories([category for category, _region in known], regions=regions)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        if self.view is not None:
            self.view.restyle()

    def leave(self) -> None:
        """The window closes."""
        if self.view is not None:
            self.view.leave()

    def _toggled(self, on: bool) -> None:
        if on:
            view = self.view or self._make()
            view.set_knobs(self.page.knobs)
            view.set_device(self.page.device)
            self.refresh()
            self.page.area.hide()
            view.show()
            view.setFocus()
        elif self.view is not None:
            self.view.hide()
            self.page.area.show()
            self.page.picture.setFocus()

    def _make(self) -> InspectionEvaluate:
        page = self.page
        view = self.view = InspectionEvaluate(page.knobs, device=page.device, thumbnails=page.thumbnails)
        page.upper.insertWidget(0, view, 1)
        view.opened.connect(page.look)
        view.wanted.connect(page.source.ask_folder)
        view.closed.connect(self.hide)
        view.said.connect(page.said)
        view.failed.connect(page.failed)
        view.background.connect(page.background)
        return view
