"""A camera or a video on the page Inspect: frame by frame, held and played."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from engine.inspection.inspector import Looked, Watch
from gui.timeline import Timeline

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage


class InspectionLive(QObject):
    """What is watched, and the bar to hold it.

    Args:
        page: that shows it.

    Attributes:
        watching: the source as it was typed, "" while none is watched.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.watching = ""
        self.timeline = Timeline()
        self.timeline.hide()
        self.timeline.play.connect(self.play)
        page.upper.addWidget(self.timeline)

    def watch(self, text: str) -> None:
        """Inspect a camera or a video; that needs a model."""
        page = self.page
        if page.card is None:
            page.said.emit(
                "There is no model yet: fit one, or open one, then a camera or a video can be inspected.", "warning"
            )
            return
        page.sets.begin_watching()
        self.watching = text
        page.inspector.playing = True
        self.timeline.reset(live=True)
        self.timeline.set_playing(True)
        self.timeline.show()
        page.ask(Watch(text))
        page.state.emit("Opening", "", True)

    def play(self, on: bool) -> None:
        """Go on, or hold the frame that is shown."""
        if self.watching:
            self.page.inspector.playing = on
            self.timeline.set_playing(on)
            self.page.run()

    def show_frame(self, looked: Looked, *, first: bool) -> None:
        """Say where one is and how fast it goes."""
        page = self.page
        source, _space, number = looked.asked.name.rpartition(" ")
        if first:
            height, width = looked.image.shape[:2]
            page.source_shown.emit(f"{source} · {width}×{height}", self.watching)
            page.pictures.list.choose("")
            page.data.show_item(None, ())
        self.timeline.where.setText(f"frame {int(number) + 1:,}")
        if looked.verdict is not None:
            ms = sum(looked.verdict.ms.values())
            page.state.emit(f"Inspecting {1000 / max(1.0, ms):.0f} fps", f"{ms:.0f} ms a frame", True)

    def end(self) -> None:
        """Nothing is watched any more."""
        if self.watching:
            self.watching = ""
            self.timeline.hide()
            self.page.inspector.ask(Watch())
