"""Saving from the page Inspect: the picture with its overlay, the map as numbers, to the clipboard or a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from engine.files import write_whole
from engine.inspection.types import Image, Verdict
from engine.job import Progress
from gui.actions import action
from gui.inspection_parts import InspectShow
from gui.inspection_truth import Outlines
from gui.job import JobSlot
from gui.picture import to_qimage

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage


class InspectionSave(QObject):
    """The actions that copy and save what is shown.

    Args:
        page: whose picture is saved.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self.folder = ""
        self.slot = JobSlot(self)
        self.slot.returned.connect(self._done)
        self.slot.failed.connect(page.failed)
        self.copy_action = action(self, "Copy the picture with its overlay", self.copy, "Ctrl+C")
        self.picture_action = action(self, "Save the picture with its overlay …", lambda: self.ask("png"), "Ctrl+S")
        self.map_action = action(self, "Save the map as numbers …", lambda: self.ask("npy"), "Ctrl+Shift+S")
        self.actions = [self.copy_action, self.picture_action, self.map_action]
        self.settle()

    def settle(self) -> None:
        """Switch on what can be saved."""
        some, judged = self.page.shown is not None, self.page.overlays.judged() is not None
        self.copy_action.setEnabled(some)
        self.picture_action.setEnabled(some)
        self.map_action.setEnabled(judged)

    def copy(self) -> None:
        """Put the picture with its overlay on the clipboard."""
        self._draw(None)

    def ask(self, suffix: str) -> None:
        """Choose where to save."""
        if self.page.shown is None:
            return
        kind = {"png": "Picture (*.png)", "npy": "Numbers for NumPy (*.npy)"}[suffix]
        stem = Path(self.page.shown.looked.asked.name).stem or "picture"
        start = str(Path(self.folder) / f"{stem}_{'overlay' if suffix == 'png' else 'map'}.{suffix}")
        path, _kind = QFileDialog.getSaveFileName(self.page.window(), "Save", start, kind)
        if path:
            target = Path(path)
            self.folder = str(target.parent)
            self.save(target if target.suffix else target.with_suffix(f".{suffix}"))

    def save(self, path: Path) -> None:
        """Write the picture with its overlay (.png), or the map ((H, W) float32, 0..1, .npy), in the background."""
        if path.suffix == ".npy":
            judged = self.page.overlays.judged()
            if judged is not None:
                self.slot.start(lambda: _writing_map(path, judged), f"Save {path.name}")
        else:
            self._draw(path)

    def _draw(self, path: Path | None) -> None:
        shown = self.page.shown
        if shown is not None:
            overlays = self.page.overlays
            made = (shown.looked.image, overlays.judged(), self.page.show_choice, overlays.truth)
            self.slot.start(lambda: _drawing(path, *made), "Save the picture")

    def _done(self, result: Any) -> None:
        if isinstance(result, Path):
            self.page.said.emit(f"{result.name} is written, in {result.parent}.", "info")
        else:
            QGuiApplication.clipboard().setImage(to_qimage(result).copy())
            self.page.said.emit("The picture is on the clipboard.", "info")


def drawn(image: Image, verdict: Verdict | None, show: InspectShow, truth: Outlines = ()) -> Image:
    """A picture as the page shows it: the chosen layers over it, the plain one beside it if that is chosen."""
    from engine.inspection.draw import TRUTH, outlined, picture_with_verdict, side_by_side

    if not show.truth:
        truth = ()
    if verdict is None:
        return outlined(image, truth, TRUTH)
    over = picture_with_verdict(
        image, verdict, opacity=show.opacity if show.heat else 0.0, colour_map=show.colours, contour=show.contour
    )
    if show.mask:
        over = picture_with_verdict(over, verdict, opacity=0.55, mode="mask", contour=show.contour, words=False)
    over = outlined(over, truth, TRUTH)
    return side_by_side([image, over]) if show.side else over


def _drawing(path: Path | None, image: Image, verdict: Verdict | None, show: InspectShow, truth: Outlines) -> Any:
    import cv2

    yield Progress("Drawing")
    over = drawn(image, verdict, show, truth)
    if path is None:
        return cv2.cvtColor(over, cv2.COLOR_BGR2BGRA)
    yield Progress("Saving")
    good, data = cv2.imencode(path.suffix if path.suffix in (".png", ".jpg", ".webp") else ".png", over)
    assert good
    write_whole(path, data.tobytes())
    return path


def _writing_map(path: Path, verdict: Verdict) -> Any:
    import io

    import numpy as np

    yield Progress("Saving")
    data = io.BytesIO()
    np.save(data, verdict.map, allow_pickle=False)
    write_whole(path, data.getvalue())
    return path
