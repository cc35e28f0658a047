"""Where the defects of the picture shown are, as the data says: its mask, read in the background and outlined."""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

from engine.errors import SightlineError
from engine.job import Notice, Progress
from gui.job import JobSlot

if TYPE_CHECKING:
    from gui.inspection_page import InspectionPage

Outlines = tuple[NDArray[np.float32], ...]
_SMOOTH = 0.6
"""Pixels that an outline may lie off: the steps of a slanting edge are drawn as a line."""
_SHORT = 40
"""Points of an outline that is left as it is: a spot of few pixels has no edge to be smoothed."""


class InspectionTruth(QObject):
    """Keeps the overlay's outline of the truth up with the picture.

    Args:
        page: whose picture it is.
    """

    def __init__(self, page: "InspectionPage") -> None:
        super().__init__(page)
        self.page = page
        self._name = ""
        self._told: set[Path] = set()
        self.slot = JobSlot(self)
        self.slot.returned.connect(self._came)
        self.slot.notice.connect(lambda notice: page.said.emit(notice.text, "warning"))
        self.slot.failed.connect(page.failed)

    def follow(self) -> None:
        """Another picture is shown, or its mask may be another one now."""
        page, shown = self.page, self.page.shown
        name = shown.looked.asked.name if shown is not None and not shown.live else ""
        item = page.items.get(name)
        mask = item.mask if item is not None else None
        if shown is None or mask is None or name != self._name:
            self._name = name
            self.slot.cancel()
            page.overlays.set_truth(())
        if shown is not None and mask is not None:
            height, width = shown.looked.image.shape[:2]
            self.slot.start(lambda: _outlining(mask, (height, width), self._told), f"Mask of {Path(name).name}")

    def _came(self, outlines: Outlines) -> None:
        self.page.overlays.set_truth(outlines)
        self.page.update_pictures()


def _outlining(mask: Path, size: tuple[int, int], told: set[Path]) -> Generator[Any, None, Outlines]:
    """Outline a mask of a picture of this height and width; one that cannot be read is told of once."""
    import cv2

    from engine.inspection.outline import contours
    from engine.inspection.pictures import read_mask

    yield Progress("Reading the mask")
    try:
        found = read_mask(mask, size)
    except SightlineError as error:
        if mask not in told:
            told.add(mask)
            yield Notice(str(error))
        return ()
    outlines = contours(found.astype(np.float32), 0.5)
    return tuple(o if len(o) < _SHORT else cv2.approxPolyDP(o[:, None], _SMOOTH, True)[:, 0] for o in outlines)
