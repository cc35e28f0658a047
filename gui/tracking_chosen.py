"""One track of the page Track that was chosen: it stands out, has a card, is kept in view, goes to Inspect."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, QRectF

if TYPE_CHECKING:
    from gui.tracking_page import TrackingPage


class TrackingChosen(QObject):
    """Lets a track be chosen, and shows which one it is.

    Args:
        page: whose tracks they are.

    Attributes:
        number: of the track, or None.
    """

    def __init__(self, page: "TrackingPage") -> None:
        super().__init__(page)
        self.page = page
        self.number: int | None = None
        page.picture.clicked.connect(self._clicked)
        page.picture.view_changed.connect(self._place_card)
        page.card.closed.connect(lambda: self.choose(None))
        page.card.focus.connect(self._focus)
        page.card.inspect.connect(self.send)
        page.card.explain.connect(lambda: self.send("explain"))
        page.card.explain_detection.connect(self.explain)
        page.strip_view.table.chosen.connect(self.choose)

    def _clicked(self, point: QPointF) -> None:
        if self.page.frame is None:
            return
        tracks = self.page.frame.seen.tracks
        hit = None
        for number, (left, top, right, bottom) in zip(tracks.ids.tolist(), tracks.boxes.tolist(), strict=True):
            area = (right - left) * (bottom - top)
            if left <= point.x() <= right and top <= point.y() <= bottom and (hit is None or area < hit[1]):
                hit = (number, area)
        self.choose(hit[0] if hit else None)

    def choose(self, number: int | None) -> None:
        """Make a track stand out and show its card; None lets go."""
        page = self.page
        self.number = number
        if number is None and page.card.button.isChecked():
            page.card.button.setChecked(False)
        page.strip_view.table.choose(number)
        page.remark()
        self._place_card()

    def box(self) -> QRectF | None:
        """Where the track is in the frame that is shown, in picture pixels."""
        page = self.page
        if page.frame is None or self.number is None:
            return None
        tracks = page.frame.seen.tracks
        for number, (left, top, right, bottom) in zip(tracks.ids.tolist(), tracks.boxes.tolist(), strict=True):
            if number == self.number:
                return QRectF(QPointF(left, top), QPointF(right, bottom))
        return None

    def send(self, key: str = "inspect") -> None:
        """Let another page look at the track as it is in this frame: its picture is cut out and sent.

        Args:
            key: of the page, "inspect" or "explain".
        """
        box, page = self.box(), self.page
        if box is None or page.frame is None or self.number is None:
            return
        seen = page.frame.seen
        height, width = seen.image.shape[:2]
        left, top = max(0, round(box.left())), max(0, round(box.top()))
        crop = seen.image[top : min(height, round(box.bottom())), left : min(width, round(box.right()))]
        if crop.size:
            page.sent.emit(key, crop.copy(), f"track {self.number}, frame {seen.index}")

    def explain(self) -> None:
        """Let the page Explain show which pixels the detector finds the track by, in this frame."""
        from gui.saliency_detection import Detected

        box, page = self.box(), self.page
        row = page.summary.rows.get(self.number) if self.number is not None else None
        if box is None or row is None or page.frame is None or page.loaded is None:
            return
        seen = page.frame.seen
        weights = str(page.source.weights_for(page.request.text if page.request is not None else ""))
        detected = Detected(
            seen.image, (box.left(), box.top(), box.right(), box.bottom()), row.class_number,
            page.loaded.names.get(row.class_number, str(row.class_number)), row.confidence,
            weights, page.device, page.knobs.value,
        )  # fmt: skip
        page.sent.emit("explain", detected, f"track {self.number}, frame {seen.index}")

    def follow(self) -> None:
        """Another frame is shown."""
        if self.page.card.button.isChecked():
            self._follow_focus()
        self._place_card()

    def _place_card(self) -> None:
        page = self.page
        row = page.summary.rows.get(self.number) if self.number is not None else None
        if row is None or page.loaded is None:
            page.card.hide()
            return
        box = self.box()
        name = page.loaded.names.get(row.class_number, str(row.class_number))
        page.card.show_track(row, name, in_view=box is not None)
        inside = QRectF(page.area.rect())
        if box is not None:
            box = QRectF(
                page.picture.to_view(box.left(), box.top()), page.picture.to_view(box.right(), box.bottom())
            ).intersected(inside)
        # out of view it waits in the corner
        page.card.place(box if box is not None else QRectF(inside.right(), 0, 0, 0), inside)
        page.card.show()

    def _focus(self, on: bool) -> None:
        if on:
            self._follow_focus()
        else:
            self.page.picture.fit()

    def _follow_focus(self) -> None:
        box, picture = self.box(), self.page.picture
        if box is not None:
            scale = 0.45 * min(picture.height() / max(8.0, box.height()), picture.width() / max(8.0, box.width()))
            old = picture.scale()
            # glide: a box that changes its height must not make the picture pump
            scale = old + 0.15 * (scale - old) if not picture.fits else scale
            picture.look_at(box.center().x(), box.center().y(), scale)
