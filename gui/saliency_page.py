"""The page Explain: which pixels made a network say what it says, method beside method, and how far that holds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QRect, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton

from engine.knobs import Cell as Place
from engine.saliency.blend import Show
from engine.saliency.explainer import Explainer
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.questions import (
    Ended,
    Failed,
    Look,
    Opened,
    Question,
    Seen,
    Told,
    Use,
    Watch,
)
from gui import words
from gui.actions import action
from gui.job import JobSlot
from gui.saliency_cells import Cells
from gui.saliency_detection import Detected, SaliencyDetection
from gui.saliency_form import SaliencyForm
from gui.saliency_live import SaliencyLive
from gui.saliency_maps import SaliencyMaps
from gui.saliency_open import SaliencyOpen
from gui.saliency_parts import SaliencyChoices, ShownFrame, ShownMap, layered, shown
from gui.saliency_save import SaliencySave
from gui.saliency_strip import SaliencyStrip
from gui.saliency_trust import SaliencyTrust
from gui.saliency_turned import SaliencyTurned
from gui.settings import Settings
from gui.thumbnails import Thumbnails

EMPTY = "Drop a picture here to see why a network says what it says"
EMPTY_MORE = "A photograph, a folder of them, a video or a camera."
NO_NETWORK = "There is no network on this machine yet"
NO_NETWORK_MORE = (
    "Train the drawn example in a few seconds, or choose a network that was fetched or trained: shapes are told apart, "
    "and you see by which pixels."
)
_KEPT = 4096


class SaliencyPage(SaliencyMaps):
    """Holds the parts together: form, explainer, cells, strip."""

    key, title, icon = "explain", "Explain", "explain"
    prefers = frozenset({"image", "folder", "camera", "screen", "video", "address"})

    def __init__(self, settings: Settings, device: str = "auto") -> None:
        super().__init__()
        self.settings, self.device = settings, device
        self.knobs = settings.load("explain", ExplainKnobs())
        self.show_choice = settings.load("explain_show", Show())
        self.chosen = settings.load("explain_page", SaliencyChoices())
        self.classifier: Any = None
        self.explainer = Explainer()
        self.views: Place[tuple[Any, ...]] = Place(())
        self.shows: Place[Show] = Place(self.show_choice)
        self.slot = JobSlot(self)
        self._build()
        self._connect()
        self.show_empty()

    def _build(self) -> None:
        self.thumbnails = Thumbnails(self)
        self.area.row.removeWidget(self.picture)
        self.cells = Cells(self.picture)
        self.cells.linked = self.chosen.linked
        self.area.row.addWidget(self.cells, 1)
        self.controls = SaliencyForm(self.form_column, self.chosen, self.knobs, self.show_choice)
        self.strip_view = SaliencyStrip(self.strip, self.thumbnails)
        self.live = SaliencyLive(self)
        self.opener = SaliencyOpen(self)
        self.trust = SaliencyTrust(self)
        self.turned = SaliencyTurned(self)
        self.detection = SaliencyDetection(self)
        self.save = SaliencySave(self)
        self.button = QPushButton("Explain ▾")
        self.button.setProperty("primary", True)
        self.button.setAccessibleName("Explain")
        self.button.setToolTip("What can be done with the picture and its maps")
        self.menu = QMenu(self)
        self.button.setMenu(self.menu)
        self._actions = [
            *self.trust.actions,
            *self.turned.actions,
            action(self, "Stop what is under way", self.stop, "Ctrl+."),
            *self.save.actions,
            action(self, "Next picture", lambda: self.opener.step(1), "."),
            action(self, "Previous picture", lambda: self.opener.step(-1), ","),
            action(self, "Play or hold", lambda: self.live.play(not self.explainer.playing), "Space", "K"),
            action(self, "Show the layers", lambda: self.strip_view.show_panel("Layers"), "Alt+L"),
        ]
        self.menu.addActions([*self.trust.actions, *self.turned.actions])
        self.menu.addSeparator()
        self.menu.addActions(self.save.actions)

    def _connect(self) -> None:
        slot, controls = self.slot, self.controls
        slot.batch.connect(self._events)
        slot.progress.connect(lambda now: self.state.emit(now.what, words.progress(now), True))
        slot.notice.connect(lambda notice: self.said.emit(notice.text, "warning"))
        slot.failed.connect(self.failed)
        slot.finished.connect(self._stopped)
        controls.methods_changed.connect(self._methods_changed)
        controls.knobs_changed.connect(self._knobs_changed)
        controls.show_changed.connect(self._show_changed)
        controls.linked_changed.connect(self._link)
        controls.network.changed.connect(self.opener.use)
        controls.network.fetch_wanted.connect(self.opener.fetch)
        controls.network.train_wanted.connect(self.opener.train_example)
        controls.classes.changed.connect(lambda _targets: self.ask_maps())
        controls.classes.refused.connect(lambda text: self.said.emit(text, "warning"))
        self.cells.chosen.connect(self.bring_front)
        self.cells.view_changed.connect(self.views_changed)
        self.strip_view.layers.chosen.connect(self._layer_chosen)
        self.strip_view.layers.wanted.connect(self.turned.preview_layers)
        self.strip_view.pictures.chosen.connect(self.opener.look)

    # -- what the window asks

    def takes(self, kind: str) -> bool:
        return kind != "drawn"

    def claims(self, text: str) -> bool:
        from gui.saliency_routes import claims

        return claims(text)

    def actions(self) -> list[QAction]:
        return self._actions

    def bar_buttons(self) -> list[QPushButton]:
        return [self.live.button, self.button]

    def open(self, text: str) -> None:
        """Open a picture, a folder of them, a camera, a video, an address, or a network that was trained here."""
        self.opener.open(text)

    def receive(self, image: Any, name: str) -> None:
        if isinstance(image, Detected):
            self.detection.show(image)
            return
        self.opener.pictures_gone()
        self.look_at(Look(name, image))

    def escape(self) -> None:
        self.turned.escape()

    def stop(self) -> None:
        """Stop what is under way; what is there stays."""
        self.trust.stop()
        self.turned.stop()
        self.detection.slot.cancel()
        # a question that waits would start it again
        self.explainer.forget()
        self.slot.cancel()
        for place, cell in enumerate(self.cells.shown):
            found = self.maps.get(place)
            if not self.live.watching and not self.turned.mode and (found is None or not found.done):
                cell.show_words(cell.words[0], "stopped")
        self.say_ready()

    def set_device(self, device: str) -> None:
        """Where the network runs; it is opened again there."""
        self.device = device
        if self.classifier is not None:
            self.opener.use(self.chosen.network, self.chosen.weights)

    def leave(self) -> None:
        self.thumbnails.close()
        self._save()

    def notice_room(self) -> QRect:
        return self.area.rect()

    def restyle(self) -> None:
        super().restyle()
        self.cells.refresh()
        self.live.timeline.restyle()
        self.controls.restyle()
        self.strip_view.restyle()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self.controls.methods.names():
            # not before the first paint
            QTimer.singleShot(0, self, self.opener.begin)

    # -- the explainer

    def ask(self, question: Question) -> None:
        """Put a question; its job is started if it is not running."""
        self.explainer.ask(question)
        self.run()

    def run(self) -> None:
        """Answer what waits."""
        if not self.slot.busy:
            explainer = self.explainer
            self.slot.start(
                lambda: shown(explainer, self.views, self.shows), "Explain", keep=_KEPT, newest=(ShownFrame,)
            )

    def _stopped(self) -> None:
        if self.explainer.waiting:
            self.run()

    def _events(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, ShownMap):
                self._show_map(event)
            elif isinstance(event, ShownFrame):
                self.live.show_frame(event)
            elif isinstance(event, Seen):
                self._show_seen(event)
            elif isinstance(event, Opened):
                self._opened(event)
            elif isinstance(event, Told):
                self.trust.told(event)
                self.turned.told(event)
            elif isinstance(event, Ended):
                self.say_ready()
            elif isinstance(event, Failed):
                self._refused(event)

    def _refused(self, event: Failed) -> None:
        if event.place >= 0 and event.place < len(self.cells.shown):
            cell = self.cells.shown[event.place]
            cell.show_map(None)
            cell.show_words(self.title_of(self.wanted[event.place]), str(event.error), str(event.error))
        else:
            self.failed.emit(event.error)
        if isinstance(event.asked, Watch):
            self.live.end()
        if isinstance(event.asked, Use):
            self.opener.refused()
        self.turned.refused(event)
        self.trust.refused(event)
        self.say_ready()
        self.show_empty()

    def _opened(self, event: Opened) -> None:
        self.classifier = event.classifier
        controls = self.controls
        controls.classes.set_names(event.classifier.names)
        names = [layer.name for layer in event.classifier.layers if layer.spatial]
        if self.knobs.layer not in names:
            self.knobs = replace(self.knobs, layer="")
            controls.knobs.set_value(self.knobs)
        found = event.classifier.layer().name if names else ""
        controls.show_layers(event.classifier.layers, found, self.knobs.layer)
        self.strip_view.layers.clear()
        self.maps = {}
        self.trust.clear()
        self.opener.opened()
        self.show_empty()
        self.ask_maps()
        self.say_ready()

    # -- one picture

    def show_empty(self) -> None:
        """Nothing is open: say what to do; where something is shown, say nothing."""
        if self.seen is not None or self.live.watching or self.detection.shown is not None:
            return
        browse = ("Browse …", lambda: self.window().open_bar.ask_file())  # type: ignore[attr-defined]
        example = ("Try the example", lambda: self.open("example:explain"))
        if self.classifier is None and self.opener.none_here:
            self.empty.show_choice("explain", NO_NETWORK, NO_NETWORK_MORE, [("Train the example", example[1]), browse])
        else:
            self.empty.show_choice("explain", EMPTY, EMPTY_MORE, [browse, example])

    def look(self, path: str) -> None:
        """Show a picture, what the network says of it, and why."""
        self.look_at(Look(path))

    def look_at(self, asked: Look) -> None:
        """The same for a picture that is no file."""
        self.live.end()
        self.detection.leave()
        self.turned.escape()
        self.state.emit("Looking", Path(asked.name).name, True)
        self.ask(asked)

    def _show_seen(self, event: Seen) -> None:
        self.live.end()
        self.empty.hide()
        same = self.seen is not None and self.seen.asked.name == event.asked.name
        self.seen = event
        self.maps = {}
        self.trust.clear() if same else self.trust.new_picture()
        self.strip_view.layers.clear()
        if not same:
            self.controls.classes.set_targets(()) if self.controls.classes.targets else None
        self.controls.show_prediction(event.prediction)
        self.cells.show_picture(event.image)
        for cell in (self.cells.plain, *self.cells.maps):
            cell.box = None
            cell.show_map(None)
        self._arrange()
        height, width = event.image.shape[:2]
        name = Path(event.asked.name).name
        self.cells.plain.show_words("Picture", self._said(event), f"{name}, {width} × {height}")
        self.source_shown.emit(f"{name} · {width}×{height}", event.asked.name if event.asked.image is None else "")
        self.opener.seen(event.asked.name)
        self.settle()
        if self.strip_view.panel() == "Layers":
            self.turned.preview_layers()
        if event.prediction is None:
            self.say_ready()
            if self.classifier is None:
                self.opener.want_network()

    def _said(self, event: Seen) -> str:
        from gui.saliency_classes import share

        if event.prediction is None:
            return ""
        said = event.prediction
        return " · ".join(f"{said.names[i]} {share(float(said.probabilities[i]))}" for i in said.top(2))

    # -- choices

    def _methods_changed(self, methods: tuple[str, ...]) -> None:
        self.chosen = replace(self.chosen, methods=methods)
        self.ask_maps()
        self._save()

    def _knobs_changed(self, knobs: ExplainKnobs) -> None:
        self.knobs = knobs
        self.ask_maps()
        self._save()

    def _layer_chosen(self, name: str) -> None:
        self.controls.choose_layer(name)

    def _show_changed(self, show: Show) -> None:
        before, self.show_choice = self.show_choice, show
        self.shows.value = show
        from engine.saliency.methods import METHODS

        only_opacity = replace(before, opacity=show.opacity) == show
        for place, cell in enumerate(self.cells.shown):
            cell.opacity = show.opacity
            found = self.maps.get(place)
            if found is not None and not only_opacity:
                cell.show_map(layered(found.values, METHODS[found.method].fine, found.preprocessing, show))
            cell.view.update()
        if self.detection.shown is not None:
            self.detection.recolour()
        self._save()

    def _link(self, on: bool) -> None:
        self.cells.linked = on
        self.chosen = replace(self.chosen, linked=on)
        self._save()

    def views_changed(self) -> None:
        """What the views want of a frame, for the worker that renders."""
        self.views.value = self.cells.views()

    def _save(self) -> None:
        self.settings.save("explain", self.knobs, ExplainKnobs())
        self.settings.save("explain_show", self.show_choice, Show())
        self.settings.save("explain_page", self.chosen, SaliencyChoices())

    def say_ready(self) -> None:
        """What the page is doing when it waits."""
        if self.live.watching:
            return
        parts = [self.classifier.title] if self.classifier is not None else []
        finished = [found for found in self.maps.values() if found.done]
        if finished:
            parts.append(" · ".join(f"{found.ms:.0f} ms" for found in finished))
        self.state.emit("Ready", " · ".join(parts), False)
