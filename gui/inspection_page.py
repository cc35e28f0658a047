"""The page Inspect: learn from good pictures, see what is abnormal in others, how sure, and why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QRect, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton

from engine.inspection.inspector import (
    Failed,
    Gone,
    Inspector,
    Look,
    Question,
    Ready,
    Scored,
    Use,
    Watch,
)
from engine.inspection.knobs import FitKnobs
from engine.inspection.types import Category, Item
from engine.job import Progress
from gui import words
from gui.actions import action
from gui.inspection_data import where
from gui.inspection_desk import InspectionDesk
from gui.inspection_fit import InspectionFit
from gui.inspection_form import InspectionForm
from gui.inspection_labels import WHOLE, InspectionLabels
from gui.inspection_live import InspectionLive
from gui.inspection_parts import InspectChoices, InspectShow, Patches, Shown, shown
from gui.inspection_reason import InspectionReason
from gui.inspection_routes import EXAMPLE, claims
from gui.inspection_rows import InspectionRows
from gui.inspection_save import InspectionSave
from gui.inspection_sets import InspectionSets
from gui.inspection_similar import InspectionSimilar
from gui.inspection_source import InspectionSource
from gui.inspection_strip import InspectionStrip
from gui.inspection_tools import Region
from gui.inspection_truth import InspectionTruth
from gui.inspection_view import InspectionView
from gui.job import JobSlot
from gui.picture import Tool
from gui.settings import Settings
from gui.thumbnails import Thumbnails
from gui.workspace import Workspace

EMPTY = "Drop a folder of good pictures here, or a data set"
EMPTY_MORE = (
    "Sightline learns what good looks like and shows what is abnormal in other pictures, how sure it is and why. "
    "A data set laid out as MVTec AD is listed by category."
)
OPEN_MORE = "A picture, a folder of pictures, a camera number or a video."
_KEPT = 4096
"""Scores that may wait for the page: more than come between two looks."""


class InspectionPage(Workspace):
    """Holds the parts together: source, form, inspector, pictures, strip."""

    key, title, icon = "inspect", "Inspect", "inspect"
    prefers = frozenset({"image", "folder"})

    def __init__(self, settings: Settings, device: str = "auto") -> None:
        super().__init__()
        self.settings, self.device = settings, device
        self.knobs = settings.load("inspect_fit", FitKnobs())
        self.show_choice = settings.load("inspect_show", InspectShow())
        self.chosen = settings.load("inspect", InspectChoices())
        self.known: list[tuple[Category, Region]] = []
        self.category: Category | None = None
        self.unlabelled = False
        self.region: Region = WHOLE
        self.item: Item | None = None
        self.card: Any = None
        self.threshold = 0.5
        self.renamed: Any = None
        self.looking: Look | None = None
        self.items: dict[str, Item] = {}
        self.inspector = Inspector()
        self.slot, self.keeping = JobSlot(self), JobSlot(self)
        self._build()
        self._connect()
        self.show_empty()

    def _build(self) -> None:
        self.thumbnails = Thumbnails(self)
        self.view = InspectionView(self.area, self.show_choice)
        self.overlays, self.card_view = self.view.overlays, self.view.card
        self.controls = InspectionForm(self.form_column, self.knobs, self.show_choice)
        self.data, self.method = self.controls.data, self.controls.method
        self.strip_view = InspectionStrip(self.strip, self.thumbnails, self.chosen.order)
        self.pictures, self.why = self.strip_view.pictures, self.strip_view.why
        self.rows, self.sets = InspectionRows(self), InspectionSets(self)
        self.live, self.reason = InspectionLive(self), InspectionReason(self)
        self.source = InspectionSource(self)
        self.fit = InspectionFit(self)
        self.save = InspectionSave(self)
        self.labels = InspectionLabels(self)
        self.desk = InspectionDesk(self)
        self.similar = InspectionSimilar(self)
        self.truth = InspectionTruth(self)

    def _connect(self) -> None:
        slot = self.slot
        slot.batch.connect(self._events)
        slot.progress.connect(lambda now: self.state.emit(now.what, words.progress(now), True))
        slot.notice.connect(lambda notice: self.said.emit(notice.text, "warning"))
        slot.failed.connect(self.failed)
        slot.finished.connect(self._stopped)
        self.keeping.failed.connect(self.failed)
        self.pictures.chosen.connect(self.look)
        self.pictures.order_changed.connect(self._order_chosen)
        self.data.category_chosen.connect(lambda place: self.sets.set_categories(self.known, place))
        self.data.folder_wanted.connect(self.source.ask_folder)
        self.controls.show_changed.connect(self._set_show)
        self.controls.threshold.moved.connect(self._threshold_moved)
        self.controls.threshold.settled.connect(self._threshold_settled)
        threshold = self.controls.threshold
        self._actions = [
            action(self, "Next picture", lambda: self.pictures.step(1), "."),
            action(self, "Previous picture", lambda: self.pictures.step(-1), ","),
            action(self, "Why the hottest spot", self.reason.ask_hottest, "W"),
            action(self, "Play or hold", lambda: self.live.play(not self.inspector.playing), "Space", "K"),
            action(self, "Fit the picture", self.picture.fit, "F"),
            action(self, "Picture at its own size", self.picture.actual_size, "1"),
            *self.fit.actions,
            *(action(self, f"Threshold: {name}", lambda n=name: threshold.press(n)) for name in threshold.chips),
            *(action(self, f"Show or hide: {name}", self.controls.layers.button(name).toggle, f"Alt+{number}")
              for number, name in enumerate(self.controls.layers.names(), 1)),
            *self.labels.actions,
            *self.save.actions,
            *self.similar.actions,
            self.desk.action,
        ]  # fmt: skip

    # -- what the window asks

    def claims(self, text: str) -> bool:
        return claims(text)

    def bar_buttons(self) -> list[QPushButton]:
        return [self.desk.button, self.fit.button]

    def open(self, text: str) -> None:
        """Open a data set, a folder, a picture, a model, a camera or a video."""
        self.desk.hide()
        self.source.open(text)

    def escape(self) -> None:
        self.desk.hide()

    def receive(self, image: Any, name: str) -> None:
        self.look_at(Look(name, image))

    def set_device(self, device: str) -> None:
        """Where the networks run; the present model is opened again there."""
        self.device = device
        if self.card is not None and self.card.folder is not None:
            self.sets.use(self.card.folder)
        self.fit.estimate()
        if self.desk.view is not None:
            self.desk.view.set_device(device)

    def leave(self) -> None:
        self.desk.leave()
        self.similar.leave()
        self.rows.close()
        self.thumbnails.close()
        self._save()

    def notice_room(self) -> QRect:
        room, card = self.area.rect(), self.card_view.covers()
        # beside the verdict, where there is room beside it
        return room.adjusted(card.right(), 0, 0, 0) if room.width() > 2 * card.right() > 0 else room

    def restyle(self) -> None:
        super().restyle()
        self.view.refresh()
        self.card_view.restyle()
        self.live.timeline.restyle()
        self.controls.restyle()
        self.strip_view.restyle()
        self.similar.panel.restyle()
        self.desk.restyle()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self.fit.cards and not self.fit.listing.busy:
            # not before the first paint
            QTimer.singleShot(0, self, self.fit.list_models)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        if event.key() in steps and not event.modifiers():
            self.pictures.step(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    # -- the inspector

    def ask(self, question: Question) -> None:
        """Put a question; its job is started if it is not running."""
        self.inspector.ask(question)
        self.run()

    def run(self) -> None:
        """Answer what waits."""
        if not self.slot.busy:
            views, inspector = self.view.views, self.inspector
            views.value = self.view.over.view(), self.view.plain.view()
            self.slot.start(lambda: shown(inspector.run(), views), "Inspect", keep=_KEPT, newest=(Shown,))

    def _stopped(self) -> None:
        if self.inspector.waiting:
            # a question came while it was ending
            self.run()
        else:
            self.rows.end()

    def _events(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Shown):
                self._show(event)
            elif isinstance(event, Patches):
                self.reason.show(event)
            elif isinstance(event, Ready):
                self.sets.ready(event.card)
            elif isinstance(event, Scored):
                self.rows.scored(event)
            elif isinstance(event, Gone):
                self.rows.gone(event)
            elif isinstance(event, Failed):
                self._refused(event)

    def _refused(self, event: Failed) -> None:
        self.failed.emit(event.error)
        self.say_ready()
        if isinstance(event.asked, Watch):
            self.live.end()
        if isinstance(event.asked, Use):
            self.method.show_models(self.fit.cards, self.card)
        if self.view.shown is None and self.category is None:
            self.show_empty()

    # -- the list

    def _order_chosen(self, order: str) -> None:
        self.chosen = replace(self.chosen, order=order)
        self._save()

    # -- one picture

    def show_empty(self) -> None:
        """Nothing is open."""
        browse = ("Browse …", self.source.browse)
        if self.card is not None:
            self.empty.show_choice(
                "inspect", f"{self.card.name} is open: drop pictures to inspect", OPEN_MORE, [browse]
            )
            return
        actions = [("Try the example", lambda: self.open(EXAMPLE)), browse]
        self.empty.show_choice("inspect", EMPTY, EMPTY_MORE, actions)

    @property
    def shown(self) -> Shown | None:
        """The picture that is shown, with its verdict."""
        return self.view.shown

    def look(self, path: str) -> None:
        """Show a picture and what the model says of it."""
        self.look_at(Look(path))

    def look_at(self, asked: Look) -> None:
        """The same for a picture that is no file."""
        self.desk.hide()
        self.labels.stop()
        self.live.end()
        # not what is shown: an answer that was given before another model came may still be on its way
        self.looking = asked
        self.ask(asked)

    def look_again(self) -> None:
        """The same picture, by another model."""
        if self.looking is not None:
            self.ask(self.looking)

    def _show(self, event: Shown) -> None:
        first = self.view.shown is None or not self.view.shown.live
        self.empty.hide()
        self.view.show_picture(event, self.threshold)
        self.truth.follow()
        self.why.show_hint() if not event.live or first else None
        verdict = event.looked.verdict
        self.controls.threshold.plot.show_mark(verdict.score if verdict is not None else None)
        self.save.settle()
        self.show_card()
        if event.live:
            self.live.show_frame(event.looked, first=first)
            return
        name = event.looked.asked.name
        self.reason.outline(name)
        self.item = self.items.get(name)
        self.pictures.list.choose(name)
        category = self.category
        self.data.show_item(self.item if not self.unlabelled else None, tuple(category.counts) if category else ())
        if self.item is not None and category is not None:
            self.source_shown.emit(where(self.item, category), str(category.folder))
        else:
            height, width = event.looked.image.shape[:2]
            self.source_shown.emit(f"{Path(name).name} · {width}×{height}", name)
        self.say_ready()

    def show_card(self) -> None:
        """Say the verdict over the picture."""
        shown, verdict = self.view.shown, self.view.judged()
        if shown is None or verdict is None or self.labels.brush is not None:
            self.card_view.hide()
        else:
            ms = f"{sum(verdict.ms.values()):.0f} ms" if verdict.ms else ""
            details = " · ".join(part for part in (self.similar.guess, ms) if part)
            self.card_view.show_verdict(verdict.score, self.threshold, details)

    def update_pictures(self) -> None:
        """Paint anew what lies over the picture."""
        self.view.refresh()

    def set_tool(self, tool: Tool | None) -> None:
        """What the mouse does on the picture instead of panning."""
        self.view.set_tool(tool)

    @property
    def drawing_region(self) -> bool:
        """Whether the region of interest is being drawn."""
        return self.view.over.tool is not None and self.labels.brush is None

    def show_region(self) -> None:
        """Show the region of interest as it is now."""
        drawing = self.drawing_region
        self.view.set_region(self.region, drawing=drawing)
        possible = self.category is not None and not self.unlabelled
        self.data.show_region(self.region, possible=possible, drawing=drawing)

    # -- choices

    def _set_show(self, show: InspectShow) -> None:
        self.show_choice = show
        self.view.set_show(show)
        self.similar.panel.set_show(show)
        self._save()

    def set_knobs(self, knobs: FitKnobs) -> None:
        """How the next model is fitted."""
        self.knobs = knobs
        if self.desk.view is not None:
            self.desk.view.set_knobs(knobs)
        self._save()

    def _threshold_moved(self, threshold: float) -> None:
        self.threshold = threshold
        self.view.set_threshold(threshold)
        self.pictures.show_threshold(threshold)
        self.show_card()

    def _threshold_settled(self, threshold: float) -> None:
        folder = self.card.folder if self.card is not None else None
        if folder is None or threshold == self.card.threshold:
            return
        self.card = replace(self.card, threshold=threshold)

        def job() -> Any:
            from engine.inspection.keeping import set_threshold

            yield Progress("Keeping the threshold")
            set_threshold(folder, threshold)

        self.keeping.start(job, "Keep the threshold")

    def _save(self) -> None:
        self.settings.save("inspect_fit", self.knobs, FitKnobs())
        self.settings.save("inspect_show", self.show_choice, InspectShow())
        self.settings.save("inspect", self.chosen, InspectChoices())

    def say_ready(self) -> None:
        """What the page is doing when it waits."""
        self.similar.follow()
        if self.live.watching:
            return
        card = self.card
        parts = [card.name] if card is not None else []
        if card is not None and card.patches:
            parts.append(f"{card.patches:,} patches")
        if self.similar.line:
            parts.append(self.similar.line)
        busy = self.fit.slot.busy
        self.state.emit("Fitting" if busy else "Ready", " · ".join(parts), busy)
