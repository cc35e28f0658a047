"""Pictures as a network wants them, and its maps as the pictures are: region, tiles, size, crop, and back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.knobs import FitKnobs
from engine.inspection.pictures import read_any
from engine.inspection.types import Image, Map
from engine.job import Job, Notice, Progress

OVERLAP = 0.125
"""Share of a tile that it has in common with the next, at least."""
LEAST = 8
"""Pixels that a picture's (or region's) side must have."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A picture as the network sees it.

    Attributes:
        tiles: (n, h, w, 3) uint8, RGB: one a tile.
        places: left, top, width, height of what each of them shows, in pixels of the full picture (floats).
        shape: height, width of the full picture.
    """

    tiles: NDArray[np.uint8]
    places: tuple[tuple[float, float, float, float], ...]
    shape: tuple[int, int]

    @property
    def batch(self) -> NDArray[np.float32]:
        """(n, 3, h, w) float32, RGB, 0..1."""
        # scaled in place: a copy of the whole batch more would cost as much as the conversion
        planes = np.ascontiguousarray(self.tiles.transpose(0, 3, 1, 2)).astype(np.float32)
        planes *= np.float32(1 / 255)
        return planes


class PictureSet(Protocol):
    """Training pictures as batches."""

    size: tuple[int, int]

    def __len__(self) -> int: ...

    def batch(self, index: int) -> NDArray[np.float32]:
        """(n, 3, h, w) float32 RGB 0..1: the tiles of picture `index`."""
        ...


class Preparation:
    """Cuts pictures to what a network wants and pastes its maps back.

    Args:
        knobs: size, crop, keep_shape, tile, region.
    """

    def __init__(self, knobs: FitKnobs) -> None:
        self.knobs = knobs

    def cut(self, image: Image) -> Cut:
        """The region of interest in tiles, resized and cropped.

        Args:
            image: (H, W, 3) uint8 BGR.

        Raises:
            SightlineError: the picture or its region is only a few pixels large.
        """
        height, width = image.shape[:2]
        left, top, right, bottom = self._region(width, height)
        if min(right - left, bottom - top) < LEAST:
            raise SightlineError(
                f"A picture or region of {right - left}x{bottom - top} pixels is too small to inspect: "
                f"at least {LEAST} a side are needed."
            )
        tiles, places = [], []
        for x, y, w, h in self._tiles(left, top, right, bottom):
            tile, place = self._fit(image[y : y + h, x : x + w])
            tiles.append(tile)
            places.append((x + place[0], y + place[1], place[2], place[3]))
        return Cut(np.stack(tiles), tuple(places), (height, width))

    def places(self, shape: tuple[int, int]) -> tuple[list[tuple[float, float, float, float]], tuple[int, int]]:
        """The places that `cut` would give for a picture of this height and width, and h, w of its tiles."""
        found, size = [], (0, 0)
        for x, y, w, h in self._tiles(*self._region(shape[1], shape[0])):
            wide, high, left, top, kept_wide, kept_high = self._frame(w, h)
            found.append((x + left / wide * w, y + top / high * h, kept_wide / wide * w, kept_high / high * h))
            size = kept_high, kept_wide
        return found, size

    def paste(self, cut: Cut, maps: NDArray[np.float32]) -> Map:
        """Maps of the tiles as one map of the full picture, (H, W) float32; NaN where nothing was looked at.

        Args:
            cut: what `cut` gave.
            maps: (n, h, w) float32. Where tiles overlap the larger value counts.
        """
        height, width = cut.shape
        whole = np.full((height, width), np.nan, np.float32)
        for one, (left, top, w, h) in zip(maps, cut.places, strict=True):
            # what shows less than a pixel, the crop of a tiny picture, still has one
            x, y = min(round(left), width - 1), min(round(top), height - 1)
            right, bottom = min(width, max(x + 1, round(left + w))), min(height, max(y + 1, round(top + h)))
            # linear both ways: maps are smooth, averaging would only dull the peak
            part = cv2.resize(one, (right - x, bottom - y), interpolation=cv2.INTER_LINEAR)
            np.fmax(whole[y:bottom, x:right], part, out=whole[y:bottom, x:right])
        return whole

    def to_patch(
        self, cut: Cut, x: float, y: float, grid: tuple[int, int], scores: NDArray[np.float32] | None = None
    ) -> tuple[int, int, int] | None:
        """Which patch shows a point of the picture: tile, row, column; None where none does.

        Args:
            cut: what `cut` gave.
            x, y: in pixels of the full picture.
            grid: rows and columns of patches of a tile.
            scores: (n, rows, columns) of the patches; where tiles overlap the highest counts, as in the map.
        """
        found = []
        for tile, (left, top, w, h) in enumerate(cut.places):
            if left <= x < left + w and top <= y < top + h:
                row = min(grid[0] - 1, int((y - top) / h * grid[0]))
                column = min(grid[1] - 1, int((x - left) / w * grid[1]))
                found.append((tile, row, column))
        if scores is None or not found:
            return found[0] if found else None
        return max(found, key=lambda place: float(scores[place]))

    def _region(self, width: int, height: int) -> tuple[int, int, int, int]:
        left, top, w, h = self.knobs.region
        return round(left * width), round(top * height), round((left + w) * width), round((top + h) * height)

    def _tiles(self, left: int, top: int, right: int, bottom: int) -> list[tuple[int, int, int, int]]:
        tile = self.knobs.tile
        width, height = right - left, bottom - top
        if tile <= 0 or max(width, height) <= tile:
            return [(left, top, width, height)]
        return [
            (left + x, top + y, min(tile, width), min(tile, height))
            for y in _starts(height, tile)
            for x in _starts(width, tile)
        ]

    def _fit(self, part: Image) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
        """One tile resized, cropped, as RGB; and where what is left lies in it."""
        height, width = part.shape[:2]
        wide, high, x, y, kept_wide, kept_high = self._frame(width, height)
        how = cv2.INTER_AREA if wide * high < width * height else cv2.INTER_LINEAR
        part = cv2.resize(part, (wide, high), interpolation=how)[y : y + kept_high, x : x + kept_wide]
        place = (x / wide * width, y / high * height, kept_wide / wide * width, kept_high / high * height)
        return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2RGB), np.uint8), place

    def _frame(self, width: int, height: int) -> tuple[int, int, int, int, int, int]:
        """Width and height that a tile is resized to; and left, top, width, height of what is kept of that."""
        size, crop = self.knobs.size, self.knobs.crop
        wide = high = size
        if self.knobs.keep_shape:
            scale = size / min(height, width)
            # a multiple of 32 fits every stride; one of 8 pixels more or less is no visible stretch
            wide, high = (max(32, round(side * scale / 32) * 32) for side in (width, height))
        if crop and crop < min(wide, high):
            return wide, high, (wide - crop) // 2, (high - crop) // 2, crop, crop
        return wide, high, 0, 0, wide, high


def _starts(length: int, tile: int) -> list[int]:
    """Where tiles begin so that they cover a length evenly."""
    if length <= tile:
        return [0]
    count = math.ceil((length - tile * OVERLAP) / (tile * (1 - OVERLAP)))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


class Pictures:
    """Training pictures, prepared when asked for and kept as long as there is room.

    Args:
        paths: of the pictures.
        preparation: as the knobs say.
        white: the stored number that is white in all of them (see `pictures.white_for`).
        keep_mib: how much room prepared pictures may take; those beyond are read again each time.

    Attributes:
        size: h, w of what the network sees; of the first picture where proportions are kept.
        shapes: height, width of each picture, once they were checked.
    """

    def __init__(
        self, paths: Sequence[Path], preparation: Preparation, white: float | None = None, keep_mib: int = 512
    ) -> None:
        self.paths, self.white = list(paths), white
        self.preparation = preparation
        self.size = (preparation.knobs.size, preparation.knobs.size)
        self._room = keep_mib * 2**20
        self._kept: dict[int, Cut] = {}
        self.shapes: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.paths)

    def checking(self) -> Job[None]:
        """Read every picture once; those that cannot be read are left out and said in a `Notice`.

        Raises:
            SightlineError: none can be read.
        """
        good: list[Path] = []
        self.shapes = []
        first: SightlineError | None = None
        for number, path in enumerate(self.paths):
            try:
                cut = self.preparation.cut(read_any(path, self.white))
            except SightlineError as error:
                first = first or error
                yield Notice(f"Left out: {error}")
                continue
            self._keep(len(good), cut)
            if not good:
                self.size = (cut.tiles.shape[1], cut.tiles.shape[2])
            good.append(path)
            self.shapes.append(cut.shape)
            yield Progress("Reading the good pictures", number + 1, len(self.paths), "pictures")
        if not good:
            raise first or SightlineError("There is no good picture to learn from: choose a folder with some.")
        self.paths = good

    def cut(self, index: int) -> Cut:
        """Picture `index` as the network sees it, and where that lies."""
        kept = self._kept.get(index)
        if kept is None:
            kept = self.preparation.cut(read_any(self.paths[index], self.white))
            self._keep(index, kept)
        return kept

    def batch(self, index: int) -> NDArray[np.float32]:
        """(n, 3, h, w) float32 RGB 0..1."""
        return self.cut(index).batch

    def part(self, indices: Sequence[int]) -> "Pictures":
        """Some of them, with what is prepared already."""
        some = Pictures([self.paths[i] for i in indices], self.preparation, self.white, 0)
        some.size = self.size
        some._kept = {place: self._kept[i] for place, i in enumerate(indices) if i in self._kept}
        return some

    def _keep(self, index: int, cut: Cut) -> None:
        if cut.tiles.nbytes <= self._room:
            self._room -= cut.tiles.nbytes
            self._kept[index] = cut
