"""What is painted over an inspected picture: heat map, contour and mask at the threshold, truth, a spot's value."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from engine.inspection.types import Map, Verdict
from gui import theme
from gui.hover import paint_words
from gui.inspection_parts import InspectShow
from gui.inspection_tools import Region, paint_region
from gui.picture import PictureView, to_overlay

_CONTOUR, _TRUTH = "#dc2626", "#22d3ee"
"""`engine.inspection.draw.ABNORMAL` and `TRUTH`, which cannot be imported before the first paint."""
_DASH, _GAP = 7.0, 4.0
"""Of the truth's outline, in screen pixels: through the gaps a contour at the same place is seen."""
_MASK_OPACITY = 0.55
_LOW = 0.3
"""Up to this value the picture stays as it is."""


class Overlays:
    """The layers of one picture; worked out when the verdict, the threshold or a choice changes, painted at any zoom.

    Attributes:
        region: left, top, width, height of the region of interest, as shares of the picture.
        spot: the picture point whose nearest patches are shown, or None.
        patch: left, top, width, height of a patch to be outlined, in picture pixels, or None.
        truth: outlines of the mask that comes with the data: each (n, 2) float32, x and y in picture pixels.
    """

    def __init__(self, show: InspectShow) -> None:
        self.show = show
        self.region: Region = (0.0, 0.0, 1.0, 1.0)
        self.spot: QPointF | None = None
        self.patch: tuple[int, int, int, int] | None = None
        self.hover: tuple[float, float] | None = None
        self.truth: tuple[NDArray[np.float32], ...] = ()
        self.threshold = 0.5
        self._verdict: Verdict | None = None
        self._small: Map | None = None
        self._heat: tuple[QImage, NDArray[np.uint8]] | None = None
        self._mask: tuple[QImage, NDArray[np.uint8]] | None = None
        self._outlines: list[QPolygonF] = []
        self._truth: list[QPolygonF] = []

    # -- what is shown

    def set_verdict(self, verdict: Verdict | None, small: Map | None, threshold: float) -> None:
        """Another picture: its verdict, its map made small enough to be coloured at once, the threshold."""
        self._verdict, self._small, self.threshold = verdict, small, threshold
        self.spot = self.patch = None
        self._colour()
        self._trace()

    def set_truth(self, outlines: tuple[NDArray[np.float32], ...]) -> None:
        """Where the defects of the picture are, as the data says."""
        self.truth = outlines
        self._truth = [_polygon(outline) for outline in outlines]

    def set_threshold(self, threshold: float) -> None:
        """Another threshold, 0..1."""
        if threshold != self.threshold:
            self.threshold = threshold
            self._trace()

    def set_show(self, show: InspectShow) -> None:
        """Other layers, colours or opacity."""
        before, self.show = self.show, show
        if before.colours != show.colours or before.heat != show.heat:
            self._colour()
        if (before.contour, before.mask) != (show.contour, show.mask):
            self._trace()

    def value_at(self, point: QPointF) -> float | None:
        """The map's value at a picture point, 0..1; None where there is none."""
        if self._verdict is None:
            return None
        x, y = int(point.x()), int(point.y())
        height, width = self._verdict.map.shape
        return float(self._verdict.map[y, x]) if 0 <= x < width and 0 <= y < height else None

    # -- working it out

    def _colour(self) -> None:
        self._heat = None
        if self._small is not None and self.show.heat:
            from engine.inspection.draw import layer

            # the opacity is the painter's: its slider costs nothing
            pixels = layer(self._small, opacity=1.0, colour_map=self.show.colours, low=_LOW)
            self._heat = to_overlay(pixels), pixels

    def _trace(self) -> None:
        self._mask, self._outlines = None, []
        if self._small is None or self._verdict is None:
            return
        if self.show.mask:
            from engine.inspection.draw import layer

            pixels = layer(self._small, opacity=_MASK_OPACITY, mode="mask", threshold=self.threshold)
            self._mask = to_overlay(pixels), pixels
        if self.show.contour:
            from engine.inspection.outline import contours

            height, width = self._verdict.map.shape
            times = np.array([width / self._small.shape[1], height / self._small.shape[0]], np.float32)
            for outline in contours(self._small, self.threshold)[:200]:
                self._outlines.append(_polygon(outline * times))

    # -- painting

    def paint(self, painter: QPainter, view: PictureView) -> None:
        """Paint the layers over the picture."""
        whole = view.picture_rect()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._heat is not None:
            painter.setOpacity(self.show.opacity)
            painter.drawImage(whole, self._heat[0])
            painter.setOpacity(1.0)
        if self._mask is not None:
            painter.drawImage(whole, self._mask[0])
        _paint_outlines(painter, view, self._outlines, [QPen(QColor(_CONTOUR), 1.6)])
        if self.show.truth:
            _paint_outlines(painter, view, self._truth, [_dashed(QColor(0, 0, 0, 140), 3.6), _dashed(_TRUTH, 2.2)])
        self._paint_spot(painter, view)

    def paint_both(self, painter: QPainter, view: PictureView) -> None:
        """Paint what belongs over the plain picture too: the region of interest, a patch."""
        if self.region[2] * self.region[3] < 1 - 1e-6:
            paint_region(painter, view, self.region_in(view))
        if self.patch is not None:
            left, top, width, height = self.patch
            box = QRectF(view.to_view(left, top), view.to_view(left + width, top + height))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(0, 0, 0, 150), 4))
            painter.drawRect(box)
            painter.setPen(QPen(QColor(theme.current().accent), 2))
            painter.drawRect(box)

    def region_in(self, view: PictureView) -> QRectF:
        """The region of interest in a view's pixels."""
        whole = view.picture_rect()
        left, top, width, height = self.region
        return QRectF(
            whole.left() + left * whole.width(),
            whole.top() + top * whole.height(),
            width * whole.width(),
            height * whole.height(),
        )

    def _paint_spot(self, painter: QPainter, view: PictureView) -> None:
        if self.spot is None:
            return
        at = view.to_view(self.spot.x(), self.spot.y())
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor(0, 0, 0, 170), 3.5), (QColor("#ffffff"), 1.5)):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(at, 6, 6)
            painter.drawLine(at + QPointF(-10, 0), at + QPointF(-3, 0))
            painter.drawLine(at + QPointF(3, 0), at + QPointF(10, 0))
            painter.drawLine(at + QPointF(0, -10), at + QPointF(0, -3))
            painter.drawLine(at + QPointF(0, 3), at + QPointF(0, 10))

    def paint_value(self, painter: QPainter, view: PictureView) -> None:
        """Say the map's value and the pixel under the mouse, beside it."""
        if self.hover is None:
            return
        point = QPointF(*self.hover)
        value = self.value_at(point)
        if value is None:
            return
        text = f"{value:.2f} · {int(point.x())}, {int(point.y())}"
        colour = theme.current().danger if value >= self.threshold else theme.current().text
        paint_words(painter, view, view.to_view(point.x(), point.y()), text, colour)

    def judged(self) -> Verdict | None:
        """The verdict at the present threshold."""
        return None if self._verdict is None else replace(self._verdict, threshold=self.threshold)


def _polygon(outline: NDArray[np.float32]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in outline.tolist()])


def _dashed(colour: QColor | str, width: float) -> QPen:
    pen = QPen(QColor(colour), width)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    # the pattern counts in widths
    pen.setDashPattern([_DASH / width, _GAP / width])
    return pen


def _paint_outlines(painter: QPainter, view: PictureView, outlines: Sequence[QPolygonF], pens: Sequence[QPen]) -> None:
    """Paint closed outlines (in picture pixels), once with each pen."""
    if not outlines:
        return
    painter.save()
    painter.translate(view.picture_rect().topLeft())
    painter.scale(view.scale(), view.scale())
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in pens:
        # the width is in screen pixels however far one has zoomed in
        pen.setCosmetic(True)
        painter.setPen(pen)
        for outline in outlines:
            painter.drawPolygon(outline)
    painter.restore()
