"""A camera or a video on the page Explain: Grad-CAM of each frame, held and played."""

import time
from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPushButton

from engine.saliency.questions import Look, SeenFrame, Watch
from gui.saliency_parts import ShownFrame
from gui.timeline import Timeline

if TYPE_CHECKING:
    from gui.saliency_page import SaliencyPage


class SaliencyLive(QObject):
    """What is watched, and the bar to hold it.

    Args:
        page: that shows it.

    Attributes:
        watching: the source as it was typed, "" while none is watched.
        frame: the last that was shown.
    """

    def __init__(self, page: "SaliencyPage") -> None:
        super().__init__(page)
        self.page = page
        self.watching = ""
        self.frame: SeenFrame | None = None
        self._times: deque[float] = deque(maxlen=30)
        self.timeline = Timeline()
        self.timeline.hide()
        self.timeline.play.connect(self.play)
        page.upper.addWidget(self.timeline)
        self.button = QPushButton("Explain this frame")
        self.button.setAccessibleName("Explain this frame")
        self.button.setToolTip("Hold the frame that is shown and make every chosen map of it")
        self.button.clicked.connect(self.hold_frame)
        self.button.setEnabled(False)

    def watch(self, text: str) -> None:
        """Explain a camera or a video as it runs; that needs a network."""
        page = self.page
        if page.classifier is None:
            page.said.emit(
                "There is no network yet: choose one in the form, then a camera or a video can be explained.", "warning"
            )
            return
        page.opener.pictures_gone()
        page.detection.leave()
        page.turned.escape()
        page.trust.clear()
        self.watching, self.frame = text, None
        self._times.clear()
        self.follow()
        page.explainer.playing = True
        self.timeline.reset(live=True)
        self.timeline.set_playing(True)
        self.timeline.show()
        page.ask(Watch(text))
        page.state.emit("Opening", text, True)

    def follow(self) -> None:
        """The class and the layer that are explained now."""
        page = self.page
        targets = page.controls.classes.targets
        page.explainer.wanted = targets[0] if targets else None, page.knobs.layer

    def play(self, on: bool) -> None:
        """Go on, or hold the frame that is shown."""
        if self.watching:
            self.page.explainer.playing = on
            self.timeline.set_playing(on)
            self.page.run()

    def show_frame(self, shown: ShownFrame) -> None:
        """One frame with its map."""
        page, event = self.page, shown.event
        if not self.watching:
            return
        first = self.frame is None
        self.frame = event
        self._times.append(time.monotonic())
        if first:
            page.seen, page.maps = None, {}
            page.empty.hide()
            page.cells.plain.box = None
            self.button.setEnabled(True)
            height, width = event.frame.image.shape[:2]
            page.source_shown.emit(f"{event.source} · {width}×{height}", self.watching)
        if len(page.cells.shown) != 1:
            page.cells.set_count(1)
            shown_cell = page.cells.shown[0]
            shown_cell.chosen = False
        page.cells.show_picture(event.frame.image, shown.rendered)
        cell = page.cells.shown[0]
        cell.opacity = page.show_choice.opacity
        cell.show_map(shown.layered)
        page.controls.show_prediction(event.prediction)
        name = page.controls.classes.name_of(event.target)
        cell.show_words(f"Grad-CAM · {name}", f"{event.prediction.ms:.0f} ms")
        page.cells.plain.show_words("Picture", "")
        if first:
            page.views_changed()
        self.timeline.where.setText(f"frame {event.frame.index + 1:,}")
        page.state.emit(f"Explaining {self.rate():.0f} pictures/s", f"{event.prediction.ms:.0f} ms a picture", True)

    def rate(self) -> float:
        """Pictures a second, over the last second or so."""
        took = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
        return (len(self._times) - 1) / took if took > 0 else 0.0

    def hold_frame(self) -> None:
        """Make every chosen map of the frame that is shown."""
        if self.frame is not None:
            event = self.frame
            self.end()
            self.page.look_at(Look(f"{event.source}, frame {event.frame.index + 1}", event.frame.image))

    def end(self) -> None:
        """Nothing is watched any more."""
        if self.watching:
            self.watching = ""
            self.timeline.hide()
            self.button.setEnabled(False)
            self.page.explainer.ask(Watch())
