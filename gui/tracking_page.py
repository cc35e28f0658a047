"""The page Track: open anything, see what moves outlined, numbered and followed, go back, save it."""

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QPushButton

from engine.job import Progress
from engine.knobs import Cell
from engine.media.frame import SourceInfo
from engine.tracking.draw import Layers, Mark, marks
from engine.tracking.history import History, Summary
from engine.tracking.knobs import TrackKnobs
from engine.tracking.player import Ended, Playback, Played
from engine.tracking.session import Loaded, Opened, watch
from gui import words
from gui.actions import action
from gui.job import JobSlot
from gui.marks import paint_marks
from gui.settings import Settings
from gui.timeline import Timeline
from gui.track_card import TrackCard
from gui.tracking_chosen import TrackingChosen
from gui.tracking_export import TrackingExport
from gui.tracking_form import TrackingForm
from gui.tracking_parts import Request, Shown, TrackChoices, shown
from gui.tracking_source import TrackingSource
from gui.tracking_strip import TrackingStrip
from gui.workspace import Workspace

EMPTY = "Drop a video here, or paste an address"
EMPTY_MORE = (
    "A file, a folder of pictures, a camera, the screen or a stream: "
    "people, cars and more are outlined, numbered and followed."
)


class TrackingPage(Workspace):
    """Holds the parts together: source, form, player, strip, export."""

    key, title, icon = "track", "Track", "track"

    def __init__(self, settings: Settings, device: str = "auto") -> None:
        super().__init__()
        self.settings, self.device = settings, device
        self.knobs = Cell(settings.load("track", TrackKnobs()))
        self.layers = settings.load("show", Layers())
        self.chosen = settings.load("track_choices", TrackChoices())
        self.playback = Cell(Playback())
        self.request: Request | None = None
        self.info: SourceInfo | None = None
        self.loaded: Loaded | None = None
        self.history = History()
        self.summary = Summary(self.history, 0.0)
        self.frame: Played | None = None
        self._marks: list[Mark] = []
        self._view = Cell(self.picture.view())
        self.slot = JobSlot(self)
        self._build()
        self._connect()
        self.show_empty()

    def _build(self) -> None:
        self.timeline = Timeline()
        self.upper.addWidget(self.timeline)
        self.strip_view = TrackingStrip(self.strip)
        self.controls = TrackingForm(self.form_column, self.knobs.value, self.layers, self.chosen)
        self.card = TrackCard(self.area)
        self.source = TrackingSource(self)
        self.export = TrackingExport(self)
        self.track = TrackingChosen(self)
        self.rate = QLabel()
        self.picture.overlay = self._paint
        self._tick = QTimer(self)
        self._tick.setInterval(150)
        self._tick.timeout.connect(self._refresh_strip)

    def _connect(self) -> None:
        slot = self.slot
        slot.batch.connect(self._events)
        slot.progress.connect(self._progress)
        slot.notice.connect(lambda notice: self.said.emit(notice.text, "warning"))
        slot.failed.connect(self._failed)
        slot.finished.connect(self._stopped)
        self.picture.view_changed.connect(lambda: setattr(self._view, "value", self.picture.view()))
        line = self.timeline
        line.play.connect(self.play)
        line.go_to.connect(self.go_to)
        line.step.connect(lambda n: self.go_to(self.index + n, hold=True))
        line.speed.connect(lambda speed: self._play_as(speed=speed))
        self.controls.knobs_changed.connect(self._set_knobs)
        self.controls.layers_changed.connect(self._set_layers)
        self.controls.choices_changed.connect(self._set_choices)
        self._actions = [
            action(self, "Play or hold", lambda: self.play(not self.playback.value.playing), "Space", "K"),
            action(self, "One frame on", lambda: self.go_to(self.index + 1, hold=True), "."),
            action(self, "One frame back", lambda: self.go_to(self.index - 1, hold=True), ","),
            action(self, "A second on", lambda: self.go_to(self.index + self._second()), "L"),
            action(self, "A second back", lambda: self.go_to(self.index - self._second()), "J"),
            action(self, "To the start", lambda: self.go_to(0), "Ctrl+Home"),
            action(self, "Fit the picture", self.picture.fit, "F"),
            action(self, "Picture at its own size", self.picture.actual_size, "1"),
            action(self, "Focus the chosen track", self.card.button.toggle, "T"),
            action(self, "Send the chosen track to Inspect", self.track.send, "Ctrl+I"),
            action(self, "Send the chosen track to Explain", lambda: self.track.send("explain"), "Ctrl+Shift+I"),
            action(self, "Why the chosen track was found", self.track.explain, "W"),
            *self.export.actions,
            *self.source.actions,
        ]

    # -- what the window asks

    def bar_buttons(self) -> list[QPushButton]:
        return [self.export.button]

    def open(self, text: str) -> None:
        """Open a source; a page of the web is looked up first."""
        self.source.open(text)

    def set_device(self, device: str) -> None:
        """Where the networks run; the source is opened again at the frame that is shown."""
        self.device = device
        self.restart()

    def leave(self) -> None:
        self._tick.stop()
        self._save()

    def restyle(self) -> None:
        super().restyle()
        self.timeline.restyle()
        self.strip_view.restyle()
        self.card.restyle()
        self.remark()

    # -- opening

    def show_empty(self) -> None:
        """Nothing is open."""
        actions = [("Try the example", lambda: self.open("example:crowd")), ("Browse …", self.source.browse)]
        self.empty.show_choice("film", EMPTY, EMPTY_MORE, actions)

    def start(self, request: Request) -> None:
        """Follow what moves in a source, from its first frame."""
        self.request = request
        self.info = self.loaded = self.frame = None
        self.history, self.playback.value = History(), Playback(speed=self.playback.value.speed)
        self.summary = Summary(self.history, 0.0)
        self.track.choose(None)
        self.strip_view.clear()
        self.controls.show_scores("")
        self.empty.hide()
        self._run(None)

    def restart(self) -> None:
        """Open the same source again with other networks, at the frame that is shown; what was tracked is forgotten."""
        if self.request is None:
            return
        live = self.info is not None and self.info.live
        self.playback.value = replace(self.playback.value, go_to=0 if live else self.index)
        self.loaded = None
        self._run(None)

    def _run(self, history: History | None) -> None:
        request = self.request
        assert request is not None
        weights = self.source.weights_for(request.text)
        made = (weights, self.chosen.tracker, self.knobs, self.playback)
        more = {"device": self.device, "height": request.height, "entry": request.entry, "history": history}
        self._view.value = self.picture.view()
        self.slot.start(
            lambda: shown(watch(request.text, *made, **more), self._view),
            f"Track {request.text}",
            keep=64,
            newest=(Shown,),
        )
        self.timeline.set_playing(self.playback.value.playing)
        self._tick.start()

    def _events(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Shown):
                self._show(event)
            elif isinstance(event, Opened):
                self._opened(event)
            elif isinstance(event, Loaded):
                self.loaded = event
                self.settled.emit()
                self.controls.set_names(tuple(event.names.values()), self.knobs.value.classes)
                self.remark()
            elif isinstance(event, Ended):
                self._play_as(playing=False)
                self.state.emit("At the end", self._how_much(), False)

    def _opened(self, event: Opened) -> None:
        info = self.info = event.info
        self.history, self.summary = event.history, Summary(event.history, info.fps)
        self.timeline.reset(info.frames, info.fps, live=info.live)
        parts = [info.name, f"{info.width}×{info.height}", f"{info.fps:g} fps" if info.fps else ""]
        parts.append("live" if info.live else words.clock(info.duration_s) if info.duration_s else "")
        self.source_shown.emit(" · ".join(p for p in parts if p), info.text)
        assert self.request is not None
        without = self.source.weights_for(self.request.text) is None
        self.export.set_ready(live=info.live, ready=not without)
        if without:
            self.source.offer()
            self.state.emit("Shown without tracks: no network is here", "", False)

    def _progress(self, now: Progress) -> None:
        # loading; or a stream that lets us wait
        if self.loaded is None or (self.info is not None and self.info.live):
            self.state.emit(now.what, words.progress(now), True)

    def _failed(self, error: BaseException) -> None:
        self.failed.emit(error)
        self.state.emit("Ready", "", False)
        if self.frame is None or self.info is None:
            self.request = None
            self.picture.clear()
            self.show_empty()

    def _stopped(self) -> None:
        self.timeline.set_playing(False)
        self._refresh_strip()
        if not self.slot.busy:
            self._tick.stop()

    # -- playing

    @property
    def index(self) -> int:
        """The number of the frame that is shown."""
        return self.frame.seen.index if self.frame is not None else 0

    def _second(self) -> int:
        return max(1, round(self.info.fps if self.info else 25))

    def play(self, on: bool) -> None:
        """Play, or hold the picture; at the end it begins again."""
        info = self.info
        if info is None:
            return
        if on and not self.slot.busy:
            self.restart()
        if on and info.frames and not info.live and self.index >= info.frames - 1:
            self.playback.value = replace(self.playback.value, go_to=0, request=self.playback.value.request + 1)
        self._play_as(playing=on)
        if not on:
            self.state.emit("Held", self._how_much(), False)

    def _play_as(self, **changes: Any) -> None:
        self.playback.value = replace(self.playback.value, **changes)
        self.timeline.set_playing(self.playback.value.playing)

    def go_to(self, index: int, *, hold: bool = False) -> None:
        """Show this frame; what was tracked there is shown at once."""
        info = self.info
        if info is None or info.live or not info.frames:
            return
        index = min(info.frames - 1, max(0, index))
        now = self.playback.value
        playing = now.playing and not hold
        self.playback.value = replace(now, go_to=index, request=now.request + 1, playing=playing)
        self.timeline.set_playing(playing)
        if not self.slot.busy:
            self.restart()

    def _show(self, event: Shown) -> None:
        played = self.frame = event.played
        seen = played.seen
        self._marks = self._make_marks()
        self.picture.show_picture(seen.image, event.rendered)
        self.timeline.show_position(seen.index, seen.time_s, self.history.ranges())
        self.track.follow()
        if self.loaded is not None and self.playback.value.playing:
            self._say_rate(played)

    def _say_rate(self, played: Played) -> None:
        ms, live = played.seen.ms, self.info is not None and self.info.live
        if not played.fresh:
            self.state.emit("Playing what was tracked", "", True)
            return
        rate = self.strip_view.rate(played.seen.index)
        text = f"Tracking {rate:.1f} fps" if rate else "Tracking"
        if played.behind < 0.95 and not live:
            text += f" · {played.behind * 100:.0f} % of real time"
        stages = [("detect", "detect"), ("embed", "embed"), ("associate", "follow")]
        detail = " · ".join(f"{word} {ms[key]:.0f}" for key, word in stages if key in ms)
        if live:
            detail += f" ms · {played.seen.late_ms:.0f} ms old · {played.seen.dropped:,} dropped"
        elif detail:
            detail += " ms"
        assert self.loaded is not None
        self.state.emit(text, f"{detail}   {self.loaded.runtime}", True)

    def _how_much(self) -> str:
        known, whole = len(self.history.frames), self.info.frames if self.info else None
        ids = len(self.summary.rows)
        part = f"{known / whole * 100:.0f} % tracked · " if whole else ""
        return f"{part}{ids} track{'s' if ids != 1 else ''}"

    # -- what is drawn

    def _make_marks(self) -> list[Mark]:
        if self.frame is None or self.loaded is None:
            return []
        return marks(self.frame.seen, self.loaded.names, self.layers, self.track.number)

    def remark(self) -> None:
        """Draw anew what lies over the picture."""
        self._marks = self._make_marks()
        self.picture.update()

    def _paint(self, painter: QPainter, view: Any) -> None:
        paint_marks(painter, view, self._marks)

    def _set_layers(self, layers: Layers) -> None:
        self.layers = layers
        self.remark()
        self._save()

    # -- choices

    def _set_knobs(self, knobs: TrackKnobs) -> None:
        self.knobs.value = knobs
        self._save()

    def _set_choices(self, model: str, own: tuple[str, ...], tracker: str) -> None:
        self.chosen = replace(self.chosen, model=model, own_models=own, tracker=tracker)
        self._save()
        self.restart()

    def _save(self) -> None:
        self.settings.save("track", self.knobs.value, TrackKnobs())
        self.settings.save("show", self.layers, Layers())
        self.settings.save("track_choices", self.chosen, TrackChoices())

    def _refresh_strip(self) -> None:
        if self.info is not None and self.loaded is not None:
            self.strip_view.refresh(self.summary, self.info, self.loaded.names, self.frame, whole=not self.slot.busy)
            self.controls.show_classes(self.summary)

    def remember_height(self, height: int) -> None:
        """The picture height at which pages are watched."""
        self.chosen = replace(self.chosen, height=height)
        self._save()
