"""What a report shows of a model: examples that are small enough to be kept, and its memory bank as pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.results import Bank, Example, Kept
from engine.inspection.types import Image, NearPatch
from engine.job import Job, Progress

LARGEST = 1024
"""Pixels of the longer side of a picture that is kept for a report."""
SEEN = 4
"""Patches a side that are cut out around a patch: about what its features have seen of the picture."""
_LOOKED = 16
"""Good pictures whose patches stand for those of all."""
_DOTS = 1500
_SHOWN = 4
_CROPS = 24
_CROP = 56

Array = NDArray[np.float32]


def small_enough(example: Example) -> Example:
    """The same with picture, map and mask at most `LARGEST` pixels a side; of its near patches what surrounds them."""
    nearest = tuple(_around(near) if max(near.picture.shape) > LARGEST else near for near in example.nearest)
    height, width = example.image.shape[:2]
    scale = LARGEST / max(height, width)
    if scale >= 1:
        # an example of large training pictures may be small itself
        return replace(example, nearest=nearest) if nearest != example.nearest else example
    size = max(1, round(width * scale)), max(1, round(height * scale))
    verdict, x, y = example.verdict, *example.verdict.hottest
    small = replace(
        verdict,
        map=_smaller(verdict.map, size),
        raw_map=_smaller(verdict.raw_map, size),
        hottest=(min(size[0] - 1, int(x * scale)), min(size[1] - 1, int(y * scale))),
    )
    mask = None if example.mask is None else _smaller(example.mask.astype(np.float32), size) > 0
    return Example(example.item, _smaller(example.image, size), small, nearest, mask)


def _smaller(pixels: Any, size: tuple[int, int]) -> Any:
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _around(near: NearPatch) -> NearPatch:
    left, top, width, height = near.box
    x, y = max(0, left - width), max(0, top - height)
    piece = near.picture[y : top + 2 * height, x : left + 2 * width].copy()
    return replace(near, picture=piece, box=(left - x, top - y, width, height))


def square(image: Image, x: float, y: float, side: float, size: int) -> Image:
    """A square piece of a picture around a point, moved inside where it would reach beyond the edge.

    Args:
        image: (H, W, 3) uint8, BGR.
        x, y: its middle, pixels.
        side: of the piece, in the picture's pixels.
        size: of what is returned.

    Returns:
        (size, size, 3) uint8, BGR.
    """
    height, width = image.shape[:2]
    side = max(2, min(round(side), height, width))
    left, top = min(max(0, round(x - side / 2)), width - side), min(max(0, round(y - side / 2)), height - side)
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    piece: Image = cv2.resize(image[top : top + side, left : left + side], (size, size), interpolation=how)
    return piece


def bank_of(model: Any) -> Job[Bank | None]:
    """The memory bank of a model as pictures; yields `Progress`. None for methods without a bank.

    Args:
        model: an `engine.inspection.model.FittedModel`, or anything else that examines.
    """
    from engine.inspection.patchcore import PatchCore

    scorer = getattr(model, "scorer", None)
    if not isinstance(scorer, PatchCore):
        return None
    sources = model.sources
    random = np.random.default_rng(0)
    features: list[Array] = []
    total = 0
    kept: list[Kept] = []
    crops: list[Image] = []
    places = np.unique(np.linspace(0, len(sources) - 1, min(len(sources), _LOOKED)).round().astype(int)).tolist()
    for done, place in enumerate(places):
        yield Progress("Drawing the memory bank", done, len(places), "pictures")
        sheet = _Sheet.of(model, scorer, place)
        if sheet is None:
            continue
        found = scorer.network(sheet.cut.batch)
        flat = found.reshape(-1, found.shape[-1])
        total += len(flat)
        some = random.permutation(len(flat))[: -(-_DOTS // len(places))]
        features.append(flat[some])
        crops += [sheet.crop(*sheet.where(int(one))) for one in some[: -(-_CROPS // len(places))]]
        if len(kept) < _SHOWN:
            kept.append(sheet.kept())
    if not features:
        return None
    before = np.concatenate(features)
    first: list[Image] = []
    count = round(total / len(features) * len(sources))
    if len(scorer.bank) < count:
        for row in scorer.owners[:_CROPS].tolist():
            yield Progress("Drawing the memory bank", len(places), len(places), "pictures")
            sheet = _Sheet.of(model, scorer, row[0])
            if sheet is not None:
                first.append(sheet.crop(row[1], row[2]))
    even = np.linspace(0, len(scorer.bank) - 1, min(len(scorer.bank), _DOTS)).round().astype(int)
    axes, mean, share = _plane(before)
    return Bank(
        patches=max(count, len(scorer.bank)),
        kept=len(scorer.bank),
        before=np.asarray((before - mean) @ axes, np.float32),
        after=np.asarray((scorer.bank[even] - mean) @ axes, np.float32),
        share=share,
        pictures=tuple(kept),
        any=_stack(crops),
        first=_stack(first),
    )


def _plane(points: Array) -> tuple[Array, Array, float]:
    """The two directions in which points differ most (d, 2), their mean (d,), and how much that shows, 0..1."""
    mean = points.mean(0)
    values, vectors = np.linalg.eigh(np.cov(points - mean, rowvar=False).astype(np.float64).reshape(-1, len(mean)))
    axes = vectors[:, ::-1][:, :2]
    shown = float(values[::-1][:2].sum() / max(values.sum(), 1e-12))
    return np.ascontiguousarray(axes, np.float32), mean, shown


def _stack(crops: list[Image]) -> Image:
    return np.stack(crops[:_CROPS]) if crops else np.empty((0, _CROP, _CROP, 3), np.uint8)


class _Sheet:
    """One good picture with its patches."""

    def __init__(self, image: Image, cut: Any, grid: tuple[int, int], own: NDArray[np.int32]) -> None:
        self.image, self.cut, self._grid, self._own = image, cut, grid, own

    @classmethod
    def of(cls, model: Any, scorer: Any, place: int) -> "_Sheet | None":
        """Training picture number `place`; None where it cannot be read any more."""
        try:
            image = model.read(Path(model.sources[place]))
        except SightlineError:
            return None
        own = scorer.owners[scorer.owners[:, 0] == place]
        return cls(image, model.preparation.cut(image), scorer.grid, own)

    def where(self, index: int) -> tuple[int, int]:
        """Row (counted through all tiles) and column of a patch."""
        rows, columns = self._grid
        tile, inside = divmod(index, rows * columns)
        return tile * rows + inside // columns, inside % columns

    def box(self, down: int, across: int) -> tuple[float, float, float, float]:
        """Left, top, width, height of a patch in the picture, pixels."""
        rows, columns = self._grid
        tile, down = divmod(down, rows)
        left, top, width, height = self.cut.places[min(tile, len(self.cut.places) - 1)]
        wide, high = width / columns, height / rows
        return left + across * wide, top + down * high, wide, high

    def crop(self, down: int, across: int) -> Image:
        """What a patch's features have seen, about."""
        left, top, wide, high = self.box(down, across)
        return square(self.image, left + wide / 2, top + high / 2, SEEN * max(wide, high), _CROP)

    def kept(self) -> Kept:
        """The picture with those of its patches that are in the bank, small enough for a report."""
        boxes = np.array([self.box(int(down), int(across)) for _n, down, across in self._own], np.float32)
        height, width = self.image.shape[:2]
        scale = min(1.0, LARGEST / max(height, width))
        image = self.image
        if scale < 1:
            image = _smaller(image, (max(1, round(width * scale)), max(1, round(height * scale))))
        return Kept(image, boxes.reshape(-1, 4) * np.float32(scale))
