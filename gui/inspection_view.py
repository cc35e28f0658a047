"""The picture of Inspect: with what is drawn over it, and the plain one beside it; both zoom and pan together."""

from PySide6.QtCore import QPointF, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from engine.inspection.types import Verdict
from gui.hover import paint_ring
from gui.inspection_card import VerdictCard
from gui.inspection_overlay import Overlays
from gui.inspection_parts import InspectShow, Shown, Views
from gui.inspection_tools import MaskBrush, Region, RegionTool
from gui.picture import PictureView, Tool
from gui.workspace import PictureArea


class InspectionView(QWidget):
    """Holds the two views, the overlays and the verdict's card. It has no place of its own on the screen.

    Attributes:
        over: the view with the overlays; plain: the one beside it.
        views: what both show now, for the worker that renders.
        overlays: what is drawn.
        card: the verdict.

    Signals:
        spot_clicked(QPointF): a picture point was clicked.
    """

    spot_clicked = Signal(QPointF)

    def __init__(self, area: PictureArea, show: InspectShow) -> None:
        super().__init__(area)
        self.hide()
        self.over, self.plain = area.picture, PictureView()
        self.plain.setAccessibleName("Picture without overlay")
        self.plain.hide()
        area.row.insertWidget(0, self.plain, 1)
        self.overlays = Overlays(show)
        self.card = VerdictCard(area)
        self.shown: Shown | None = None
        self.views: Views = Views((self.over.view(), self.plain.view()))
        self.drawing = False
        for view, other in ((self.over, self.plain), (self.plain, self.over)):
            view.view_changed.connect(lambda view=view, other=other: self._moved(view, other))
            view.hovered.connect(self._hovered)
            view.clicked.connect(self.spot_clicked)
        self.over.overlay = self._paint_over
        self.plain.overlay = self._paint_plain

    # -- what is shown

    def show_picture(self, shown: Shown, threshold: float) -> None:
        """Show a picture and its verdict at this threshold."""
        self.shown = shown
        self._settle_side()
        self.overlays.set_verdict(shown.looked.verdict, shown.small, threshold)
        self.over.show_picture(shown.looked.image, shown.rendered[0])
        self.plain.show_picture(shown.looked.image, shown.rendered[1])
        self.plain.look_as(self.over)

    def clear(self) -> None:
        """Show nothing."""
        self.shown = None
        self.overlays.set_verdict(None, None, self.overlays.threshold)
        self.overlays.set_truth(())
        self.over.clear()
        self.plain.clear()
        self.card.hide()
        self._settle_side()

    def set_show(self, show: InspectShow) -> None:
        """Other layers, colours or opacity."""
        self.overlays.set_show(show)
        self._settle_side()
        self.refresh()

    def set_threshold(self, threshold: float) -> None:
        """Another threshold."""
        self.overlays.set_threshold(threshold)
        self.refresh()

    def set_region(self, region: Region, *, drawing: bool) -> None:
        """The region of interest; while another one is drawn, the old one is not shown."""
        self.overlays.region, self.drawing = region, drawing
        self.refresh()

    def set_tool(self, tool: Tool | None) -> None:
        """What the mouse does instead of panning."""
        self.over.tool = self.plain.tool = tool

    def refresh(self) -> None:
        """Paint anew."""
        self.over.update()
        self.plain.update()

    def judged(self) -> Verdict | None:
        """The verdict at the present threshold."""
        return self.overlays.judged()

    def _settle_side(self) -> None:
        verdict = self.shown.looked.verdict if self.shown is not None else None
        side = verdict is not None and self.overlays.show.side
        if side != self.plain.isVisibleTo(self.parentWidget()):
            if side and self.over.image is not None:
                self.plain.show_picture(self.over.image)
            self.plain.setVisible(side)

    def _moved(self, view: PictureView, other: PictureView) -> None:
        if other.isVisible():
            other.look_as(view)
        self.views.value = self.over.view(), self.plain.view()

    def _hovered(self, point: QPointF | None) -> None:
        now = None if point is None else (point.x(), point.y())
        if now != self.overlays.hover:
            self.overlays.hover = now
            if self.overlays.judged() is not None:
                self.refresh()

    # -- painting

    def _paint_over(self, painter: QPainter, view: PictureView) -> None:
        if not isinstance(view.tool, MaskBrush):
            self.overlays.paint(painter, view)
        self._paint_both(painter, view)

    def _paint_plain(self, painter: QPainter, view: PictureView) -> None:
        self._paint_both(painter, view)

    def _paint_both(self, painter: QPainter, view: PictureView) -> None:
        tool = view.tool
        if not self.drawing:
            self.overlays.paint_both(painter, view)
        if isinstance(tool, MaskBrush | RegionTool):
            tool.paint(painter, view)
        elif view.underMouse():
            self.overlays.paint_value(painter, view)
        elif self.overlays.hover is not None and self.overlays.judged() is not None:
            paint_ring(painter, view.to_view(*self.overlays.hover))
