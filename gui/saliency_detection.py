"""A detection of Track on the page Explain: which pixels support this box and class."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject

from engine.job import Job, Progress
from engine.saliency.types import Explanation, Image
from gui.job import JobSlot
from gui.saliency_parts import Layered, layered

if TYPE_CHECKING:
    from gui.saliency_page import SaliencyPage

LOWEST = 0.01
"""How unsure a detection may be to count through a mask."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A detection that is sent to Explain.

    Attributes:
        image: the frame, (H, W, 3) uint8, BGR.
        box: left, top, right, bottom in pixels.
        index: of its class; name: what that is called.
        confidence: 0..1.
        weights: the detector's file; device: where it runs; knobs: `TrackKnobs` with which it looks.
    """

    image: Image
    box: tuple[float, float, float, float]
    index: int
    name: str
    confidence: float
    weights: str
    device: str
    knobs: Any


class SaliencyDetection(QObject):
    """Runs D-RISE and shows its map as it sharpens.

    Args:
        page: that shows it.

    Attributes:
        shown: the detection, None while the page shows something else.
        maps: what was found of it, by method.
    """

    def __init__(self, page: "SaliencyPage") -> None:
        super().__init__(page)
        self.page = page
        self.shown: Detected | None = None
        self.maps: dict[str, Explanation] = {}
        self.slot = JobSlot(self)
        self.slot.batch.connect(self._came)
        self.slot.progress.connect(
            lambda now: page.state.emit(now.what, f"{now.done:.0f} of {now.total:.0f}" if now.total else "", True)
        )
        self.slot.failed.connect(page.failed)
        self.slot.finished.connect(self._ended)

    def show(self, detected: Detected) -> None:
        """Explain this detection."""
        page = self.page
        page.live.end()
        page.turned.leave()
        page.trust.new_picture()
        page.seen, page.maps = None, {}
        page.opener.pictures_gone()
        page.controls.show_prediction(None)
        page.empty.hide()
        self.shown, self.maps = detected, {}
        height, width = detected.image.shape[:2]
        cells = page.cells
        cells.show_picture(detected.image)
        cells.set_count(2)
        left, top, right, bottom = detected.box
        for cell in (cells.plain, *cells.shown):
            cell.show_map(None)
            cell.chosen = False
            cell.box = (left, top, right - left, bottom - top)
            cell.show_words("", "")
        what = f"{detected.name} {detected.confidence:.2f}"
        cells.plain.show_words("Detection", what)
        cells.shown[0].show_words(f"D-RISE · {detected.name}", "loading the detector …")
        cells.shown[1].show_words("Eigen-CAM of the neck", "…")
        page.strip_view.lesson.show_lesson("d_rise")
        page.strip_view.show_panel("Lesson")
        page.source_shown.emit(f"{what} · {width}×{height}", "")
        page.settle()
        show = page.shows
        job = self.slot.start(lambda: _explaining(detected, show), "Explain the detection", keep=64)
        page.background.emit(job, "Explain the detection")

    def leave(self) -> None:
        """The page shows something else."""
        self.shown = None
        self.slot.cancel()

    def _came(self, events: list[tuple[Explanation, Layered]]) -> None:
        if self.shown is None:
            return
        for found, seen in events:
            self.maps[found.method] = found
            place = 0 if found.method == "d_rise" else 1
            cell = self.page.cells.shown[place]
            cell.opacity = self.page.show_choice.opacity
            cell.show_map(seen)
            if place == 0:
                more = "" if found.done else " so far"
                cell.show_words(f"D-RISE · {self.shown.name}", f"{found.steps} masks{more} · {found.ms / 1000:.1f} s")
            else:
                cell.show_words("Eigen-CAM of the neck", f"{found.layer} · {found.ms:.0f} ms, of no class")

    def recolour(self) -> None:
        """The look of maps has changed."""
        for method, found in self.maps.items():
            cell = self.page.cells.shown[0 if method == "d_rise" else 1]
            cell.opacity = self.page.show_choice.opacity
            cell.show_map(layered(found.values, False, found.preprocessing, self.page.show_choice))

    def _ended(self) -> None:
        if self.shown is not None:
            if "neck_cam" not in self.maps:
                self.page.cells.set_count(1)
            self.page.say_ready()


def _explaining(detected: Detected, show: Any) -> Generator[Any, None, None]:
    """The neck's map first, where the detector is a torch file; then D-RISE through the detector as Track runs it."""
    from dataclasses import replace

    from engine.saliency.detections import Found, d_rise, neck_cam
    from engine.tracking.detector import load_detector
    from engine.weights.fetch import find_weights

    def coloured(found: Explanation) -> tuple[Explanation, Layered]:
        return found, layered(found.values, False, found.preprocessing, show.value)

    path = find_weights(detected.weights)
    if Path(path).suffix == ".pt":
        from engine.weights.load import load_yolo

        yield Progress("Loading the network")
        module = load_yolo(path).module
        yield coloured((yield from neck_cam(module, detected.image, detected.box, detected.index)))
        del module
    detector = yield from load_detector(detected.weights, detected.device)
    with detector:
        knobs = replace(detected.knobs, confidence=LOWEST, classes=())

        def detect(images: Any) -> list[Found]:
            found = [detector.detect(image, knobs) for image in images]
            return [Found(one.boxes, one.confidences, np.asarray(one.classes, np.int64)) for one in found]

        with closing(d_rise(detected.image, detected.box, detected.index, detect)) as job:
            last = yield from _coloured(job, coloured)
        yield coloured(last)


def _coloured(job: Job[Explanation], coloured: Callable[[Explanation], Any]) -> Job[Explanation]:
    while True:
        try:
            event = next(job)
        except StopIteration as end:
            found: Explanation = end.value
            return found
        yield coloured(event) if isinstance(event, Explanation) else event
