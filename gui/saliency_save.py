"""Saving from the page Explain: what is shown as a picture, a map as numbers, to the clipboard or a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from engine.job import Job, Progress
from engine.saliency.types import Explanation, Image
from gui.actions import action
from gui.job import JobSlot
from gui.picture import to_qimage

if TYPE_CHECKING:
    from gui.saliency_page import SaliencyPage

_GAP = 12


class SaliencySave(QObject):
    """The actions that copy and save what is shown.

    Args:
        page: whose maps are saved.
    """

    def __init__(self, page: "SaliencyPage") -> None:
        super().__init__(page)
        self.page = page
        self.folder = ""
        self.slot = JobSlot(self)
        self.slot.returned.connect(self._done)
        self.slot.failed.connect(page.failed)
        self.copy_action = action(self, "Copy the pictures side by side", self.copy, "Ctrl+C")
        self.picture_action = action(self, "Save the map over the picture …", lambda: self.ask("png"), "Ctrl+S")
        self.row_action = action(self, "Save the pictures side by side …", lambda: self.ask("row"), "Ctrl+Alt+S")
        self.map_action = action(self, "Save the map as numbers …", lambda: self.ask("npy"), "Ctrl+Shift+S")
        self.actions = [self.copy_action, self.picture_action, self.row_action, self.map_action]
        self.settle()

    def settle(self) -> None:
        """Switch on what can be saved."""
        for one in (self.copy_action, self.row_action):
            one.setEnabled(self.page.seen is not None)
        for one in (self.picture_action, self.map_action):
            one.setEnabled(self.page.front in self.page.maps)

    def copy(self) -> None:
        """Put the picture and its maps, side by side, on the clipboard."""
        if self.page.seen is not None:
            self.slot.start(lambda: _drawing(None, *self._row()), "Copy the pictures")

    def ask(self, kind: str) -> None:
        """Choose where to save."""
        page = self.page
        if page.seen is None or (kind != "row" and page.front not in page.maps):
            return
        stem = Path(page.seen.asked.name).stem or "picture"
        found = page.maps.get(page.front)
        more = f"{found.method}.{found.target.index}" if found is not None and kind != "row" else "explained"
        suffix = "npy" if kind == "npy" else "png"
        filters = {"png": "Picture (*.png)", "npy": "Numbers for NumPy (*.npy)"}[suffix]
        start = str(Path(self.folder) / f"{stem}.{more}.{suffix}")
        path, _kind = QFileDialog.getSaveFileName(page.window(), "Save", start, filters)
        if path:
            target = Path(path)
            self.folder = str(target.parent)
            self.save(target if target.suffix else target.with_suffix(f".{suffix}"), row=kind == "row")

    def save(self, path: Path, *, row: bool = False) -> None:
        """Write the chosen map, as numbers on the full picture (.npy) or over it, or all that is shown in a row."""
        page = self.page
        if page.seen is None:
            return
        found = page.maps.get(page.front)
        if path.suffix == ".npy":
            if found is not None:
                self.slot.start(lambda: _writing_map(path, found), f"Save {path.name}")
        elif row:
            self.slot.start(lambda: _drawing(path, *self._row()), f"Save {path.name}")
        elif found is not None:
            image, show = page.seen.image, page.show_choice
            self.slot.start(lambda: _drawing(path, image, [found], show, plain=False), f"Save {path.name}")

    def _row(self) -> tuple[Image, list[Explanation], Any]:
        page = self.page
        assert page.seen is not None
        return page.seen.image, [page.maps[place] for place in sorted(page.maps)], page.show_choice

    def _done(self, result: Any) -> None:
        if isinstance(result, Path):
            self.page.said.emit(f"{result.name} is written, in {result.parent}.", "info")
        else:
            QGuiApplication.clipboard().setImage(to_qimage(result).copy())
            self.page.said.emit("The pictures are on the clipboard.", "info")


def _drawing(path: Path | None, image: Image, maps: list[Explanation], show: Any, plain: bool = True) -> Job[Any]:
    import cv2

    from engine.files import write_whole
    from engine.saliency.blend import blended

    drawn = [image] if plain else []
    for found in maps:
        yield Progress("Drawing")
        drawn.append(blended(image, found, show))
    gap = np.full((image.shape[0], _GAP, 3), 255, np.uint8)
    parts = [part for one in drawn for part in (one, gap)][:-1]
    row = np.concatenate(parts, axis=1)
    if path is None:
        return cv2.cvtColor(row, cv2.COLOR_BGR2BGRA)
    yield Progress("Saving")
    _good, data = cv2.imencode(path.suffix if path.suffix in (".png", ".jpg", ".webp") else ".png", row)
    write_whole(path, data.tobytes())
    return path


def _writing_map(path: Path, found: Explanation) -> Job[Path]:
    import io

    from engine.files import write_whole

    yield Progress("Saving")
    data = io.BytesIO()
    np.save(data, found.full(), allow_pickle=False)
    write_whole(path, data.getvalue())
    return path
