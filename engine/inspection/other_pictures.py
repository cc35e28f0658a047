"""Pictures of anything but what is inspected: a folder given by hand (ImageNette in the paper), or drawn scenes."""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.pictures import read_any
from engine.inspection.types import Image
from engine.job import Job, Notice, Progress
from engine.media.suffixes import PICTURE_SUFFIXES
from engine.samples.pictures import training_pictures

Array = NDArray[np.float32]
DRAWN = 64
_KEPT_MIB = 256
"""Pictures of a folder that are kept in memory, scaled, once read."""


class OtherPictures:
    """Pictures to choose from at random.

    Args:
        side: the shorter side that pictures of a folder are scaled to.
        paths: of pictures; they are read when they are wanted.
        drawn: pictures that there are already, (H, W, 3) uint8 BGR.
        note: what they are, for the model's card.
    """

    def __init__(self, side: int, paths: list[Path], drawn: list[Image], note: str) -> None:
        self._side, self._paths, self._drawn, self.note = side, paths, drawn, note
        self._read: dict[Path, Image] = {}
        self._room = _KEPT_MIB << 20

    def any(self, random: np.random.Generator) -> Array:
        """One of them, (3, H, W) float32 RGB 0..1.

        Raises:
            SightlineError: ten in a row could not be read.
        """
        if self._drawn:
            return _planes(self._drawn[int(random.integers(len(self._drawn)))])
        for _ in range(10):
            path = self._paths[int(random.integers(len(self._paths)))]
            try:
                return _planes(self._scaled(path))
            except SightlineError:
                continue
        raise SightlineError(
            f"Most pictures of {self._paths[0].parent} cannot be read: choose another folder of any pictures."
        )

    def _scaled(self, path: Path) -> Image:
        if path not in self._read:
            image = read_any(path)
            scale = self._side / min(image.shape[:2])
            size = max(self._side, round(image.shape[1] * scale)), max(self._side, round(image.shape[0] * scale))
            scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            if self._room < scaled.nbytes:
                return np.asarray(scaled, np.uint8)
            self._room -= scaled.nbytes
            self._read[path] = np.asarray(scaled, np.uint8)
        return self._read[path]


def finding_others(folder: str, side: int, seed: int) -> Job[OtherPictures]:
    """Pictures of a folder and all below it, or, where none is given, drawn ones; yields `Progress` and `Notice`.

    Args:
        folder: of any pictures; "" draws some.
        side: pixels that the shorter side of a folder's pictures is scaled to.
        seed: of the drawing.

    Raises:
        SightlineError: the folder is not there, or holds no picture.
    """
    if folder:
        place = Path(folder).expanduser()
        if not place.is_dir():
            raise SightlineError(f"There is no folder {place}: choose any folder of pictures, or leave it empty.")
        paths = []
        for path in sorted(place.rglob("*")):
            if path.suffix.lower() in PICTURE_SUFFIXES:
                paths.append(path)
                if len(paths) % 500 == 0:
                    yield Progress(f"Looking through {place.name}", len(paths), None, "pictures")
        if not paths:
            raise SightlineError(f"{place} holds no picture: choose any folder of pictures, or leave it empty.")
        return OtherPictures(side, paths, [], f"penalty on {len(paths):,} pictures of {place.name}")
    yield Notice(
        "No folder of other pictures was given (ImageNette in the paper): "
        "drawn scenes stand in for EfficientAD's penalty."
    )
    drawn = []
    for picture in training_pictures(DRAWN, seed, 256):
        drawn.append(picture.image)
        yield Progress("Drawing other pictures", len(drawn), DRAWN, "pictures")
    return OtherPictures(side, [], drawn, "penalty on drawn scenes")


def cut_of(picture: Array, side: int, random: np.random.Generator) -> Array:
    """A square cut of a picture at random: place, scale (0.6 to 1.6), mirrored or not.

    Args:
        picture: (3, H, W) float32.
        side: pixels of the cut.
        random: where chance comes from.

    Returns:
        (3, side, side) float32, new memory.
    """
    height, width = picture.shape[1:]
    wide = min(round(side * math.exp(random.uniform(math.log(0.6), math.log(1.6)))), height, width)
    y, x = int(random.integers(height - wide + 1)), int(random.integers(width - wide + 1))
    part = np.ascontiguousarray(picture[:, y : y + wide, x : x + wide].transpose(1, 2, 0))
    part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA if wide > side else cv2.INTER_LINEAR)
    if random.random() < 0.5:
        part = part[:, ::-1]
    if random.random() < 0.5:
        part = part[::-1]
    return np.ascontiguousarray(part.transpose(2, 0, 1), dtype=np.float32)


def _planes(image: Image) -> Array:
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
