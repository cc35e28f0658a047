"""Measuring on the page Explain: curves and table of the maps that are shown, and methods ranked over a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPen

from engine.job import Job
from engine.saliency.questions import Aside, Bench, Failed, Told
from engine.saliency.types import Explanation
from gui import theme
from gui.actions import action
from gui.picture import PictureView
from gui.saliency_strip import TrustRow

if TYPE_CHECKING:
    from gui.saliency_page import SaliencyPage

Box = tuple[float, float, float, float]
KIND, RANK = "trust", "rank"


class BoxTool:
    """Draw a box on the picture: where the thing is, for the pointing game."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, done: Any) -> None:
        self._done = done
        self._from: QPointF | None = None
        self._to: QPointF | None = None

    def press(self, _view: PictureView, at: QPointF, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._from = self._to = at
        else:
            self._done(None)

    def drag(self, view: PictureView, at: QPointF, _event: QMouseEvent) -> None:
        if self._from is not None:
            self._to = at
            view.update()

    def release(self, view: PictureView, at: QPointF, _event: QMouseEvent) -> None:
        if self._from is None or view.image is None:
            return
        height, width = view.image.shape[:2]
        left, right = sorted((self._from.x(), at.x()))
        top, bottom = sorted((self._from.y(), at.y()))
        left, top = max(0.0, left), max(0.0, top)
        right, bottom = min(float(width), right), min(float(height), bottom)
        self._from = None
        big = right - left >= 2 and bottom - top >= 2
        self._done((left, top, right - left, bottom - top) if big else None)

    def turn(self, view: PictureView, steps: float) -> None:
        """The wheel does nothing here."""

    def paint(self, painter: QPainter, view: PictureView) -> None:
        """The box as it is drawn."""
        if self._from is not None and self._to is not None:
            painter.setPen(QPen(QColor(theme.current().accent), 1.5, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            corners = view.to_view(self._from.x(), self._from.y()), view.to_view(self._to.x(), self._to.y())
            painter.drawRect(QRectF(*corners).normalized())


class SaliencyTrust(QObject):
    """What is measured of the maps that are shown.

    Args:
        page: whose maps they are.

    Attributes:
        box: where the thing is, in picture pixels; None while nobody has drawn it.
        measured: what is known, by place.
        ranking: the table over a folder, once there is one.
    """

    def __init__(self, page: "SaliencyPage") -> None:
        super().__init__(page)
        self.page = page
        self.box: Box | None = None
        self.measured: dict[int, Any] = {}
        self.chance: Any = None
        self.ranking: Any = None
        self.busy = ""
        self.measure_action = action(self, "Measure how far the maps can be trusted", self.measure, "M")
        self.box_action = action(self, "Draw a box around the thing …", self.draw_box, "B")
        self.rank_action = action(self, "Rank the methods over the folder", self.rank)
        self.actions = [self.measure_action, self.box_action, self.rank_action]
        page.strip_view.measure.clicked.connect(self.measure)
        page.strip_view.table.row_chosen.connect(self._row_chosen)
        self.settle()

    def settle(self) -> None:
        """Switch on what can be done."""
        page = self.page
        some = page.seen is not None and page.seen.prediction is not None
        self.measure_action.setEnabled(some and not self.busy)
        self.box_action.setEnabled(some)
        self.rank_action.setEnabled(page.classifier is not None and len(page.opener.paths) > 1 and not self.busy)
        strip = page.strip_view
        strip.measure.setEnabled(some)
        strip.measure.setText("Measure" if not self.busy else "Stop")

    def line(self, found: Explanation) -> str:
        """What stands under a map, in a line."""
        if not found.done:
            return f"{found.steps} steps so far" if found.steps else "sharpening …"
        parts = [found.layer] if found.layer else []
        parts.append(f"{found.ms:.0f} ms" if found.ms < 2000 else f"{found.ms / 1000:.1f} s")
        trust = next((one for one in self.measured.values() if one.explanation is found), None)
        if trust is not None:
            from gui.saliency_classes import share

            insertion, deletion = trust.curves.areas
            parts = [f"insertion {share(insertion)}", f"deletion {share(deletion)}"]
        return " · ".join(parts)

    # -- measuring

    def measure(self) -> None:
        """Measure the maps that are shown; pressed again, stop."""
        page = self.page
        if self.busy:
            self.stop()
            return
        if page.seen is None or page.seen.prediction is None:
            return
        if any(place not in page.maps or not page.maps[place].done for place in range(len(page.wanted))):
            page.said.emit("The maps are not finished yet: measure them when they are.", "info")
            return
        self.clear()
        maps = [page.maps[place] for place in range(len(page.wanted)) if place in page.maps]
        box, knobs = self.box, page.knobs

        def make(bench: Bench) -> Job[Any]:
            from engine.saliency.trust import Wanted, measure

            return measure(bench.classifier, bench.image, bench.prediction, maps, knobs, Wanted(box=box))

        self.busy = KIND
        page.strip_view.show_panel("Trust")
        page.state.emit("Measuring", "", True)
        page.ask(Aside(KIND, make))
        self.settle()

    def rank(self) -> None:
        """Rank the shown methods over the folder that is open."""
        page = self.page
        paths = [Path(one) for one in page.opener.paths]
        methods, knobs = page.controls.chosen_methods, page.knobs
        if len(paths) < 2 or self.busy:
            return

        def make(bench: Bench) -> Job[Any]:
            from engine.saliency.ranking import rank

            return rank(bench.classifier, paths, methods, knobs)

        self.clear()
        self.busy = RANK
        page.strip_view.show_panel("Trust")
        page.state.emit("Ranking", f"{len(paths)} pictures", True)
        page.ask(Aside(RANK, make))
        self.settle()

    def stop(self) -> None:
        """Measure no further; what is there stays."""
        if self.busy:
            self.page.explainer.ask(Aside(self.busy))
            self.busy = ""
            self.settle()
            self.page.say_ready()

    def clear(self) -> None:
        """Other maps: nothing is measured of them."""
        if self.busy:
            self.page.explainer.ask(Aside(self.busy))
        self.busy = ""
        self.measured, self.chance, self.ranking = {}, None, None
        self.page.strip_view.clear_trust()
        self.settle()

    def new_picture(self) -> None:
        """Another picture: its thing is elsewhere."""
        self.box = None
        self.clear()

    # -- what comes back

    def told(self, event: Told) -> None:
        """Something was measured."""
        if event.kind == KIND and self.busy == KIND:
            self._measured(event)
        elif event.kind == RANK and self.busy == RANK:
            self._ranked(event)

    def _measured(self, event: Told) -> None:
        from engine.saliency.trust import Chance, Trust

        strip = self.page.strip_view
        if event.done:
            self.busy = ""
            self.page.say_ready()
        elif isinstance(event.event, Chance):
            self.chance = event.event
            strip.show_curve("random", -1, event.event.curves.insertion, event.event.curves.deletion)
        elif isinstance(event.event, Trust):
            trust = event.event
            place = next((n for n, found in self.page.maps.items() if found is trust.explanation), None)
            if place is None:
                return
            self.measured[place] = trust
            strip.show_curve(self._name(place), place, trust.curves.insertion, trust.curves.deletion)
            if trust.sanity is not None:
                strip.show_similarity(self._name(place), place, trust.sanity.similarity)
            self.page.refresh_lines()
        self._show_rows()
        self.settle()

    def _name(self, place: int) -> str:
        return self.page.title_of(self.page.wanted[place])

    def _show_rows(self) -> None:
        rows = []
        for place, trust in sorted(self.measured.items()):
            insertion, deletion = trust.curves.areas
            sanity, tip = "", ""
            if trust.sanity is not None:
                sanity = "passes" if trust.sanity.passes else "fails"
                tip = f"Similarity with randomised weights: {trust.sanity.last:.2f}. " + (
                    "" if trust.sanity.passes else "It hardly changes: read it as an edge detector."
                )
            hit = "" if trust.hit is None else "yes" if trust.hit else "no"
            rows.append(TrustRow(self._name(place), place, insertion, deletion, trust.noise, sanity, hit, tip))
        if self.chance is not None:
            rows.append(TrustRow("random", -1, self.chance.insertion, self.chance.deletion))
        self.page.strip_view.table.show_rows(rows)
        failing = [row.name for row in rows if row.sanity == "fails"]
        if failing and not self.busy:
            title = failing[0].partition(" · ")[0]
            self.page.state.emit(
                "Ready", f"{title} hardly changes when the weights are randomised: read it as an edge detector.", False
            )

    def _ranked(self, event: Told) -> None:
        from engine.saliency.methods import METHODS
        from engine.saliency.ranking import CHANCE, RankedPicture, Ranking, table

        if isinstance(event.event, RankedPicture):
            pictures = (*(self.ranking.pictures if self.ranking is not None else ()), event.event)
            self.ranking = table(pictures)
        elif isinstance(event.event, Ranking):
            self.ranking, self.busy = event.event, ""
            self.page.say_ready()
        if self.ranking is None:
            return
        rows = []
        for number, row in enumerate(self.ranking.rows):
            known = row.method != CHANCE
            name = METHODS[row.method].title if known else CHANCE
            count = len(self.ranking.pictures)
            tip = f"Mean over {count} pictures; better than random maps in both on {100 * row.better:.0f} % of them."
            rows.append(TrustRow(f"{name} · {count} pictures", number if known else -1, row.insertion, row.deletion,
                                 tip=tip))  # fmt: skip
        self.page.strip_view.table.show_rows(rows)
        self.settle()

    def refused(self, event: Failed) -> None:
        """It could not be measured."""
        if isinstance(event.asked, Aside) and event.asked.kind == self.busy:
            self.busy = ""
            self.settle()

    def _row_chosen(self, row: int) -> None:
        places = sorted(self.measured)
        if self.ranking is None and row < len(places):
            self.page.bring_front(places[row])

    # -- the box

    def draw_box(self) -> None:
        """Let the mouse draw where the thing is."""
        view = self.page.cells.plain.view
        tool = BoxTool(self._boxed)
        view.tool = tool
        self.page.state.emit("Draw a box around the thing", "on the plain picture; Escape leaves it", False)

    def _boxed(self, box: Box | None) -> None:
        self.page.cells.plain.view.tool = None
        self.box = box
        for cell in (self.page.cells.plain, *self.page.cells.shown):
            cell.box = box
            cell.view.update()
        self._judge_hits()
        self.page.say_ready()

    def _judge_hits(self) -> None:
        from dataclasses import replace

        from engine.saliency.trust import hits

        for place, trust in self.measured.items():
            hit = None if self.box is None else hits(trust.explanation, self.box)
            self.measured[place] = replace(trust, hit=hit)
        if self.measured:
            self._show_rows()

    def escape(self) -> None:
        """Leave the drawing of a box."""
        if self.page.cells.plain.view.tool is not None:
            self.page.cells.plain.view.tool = None
            self.page.say_ready()
