"""The pictures of a training, read once and kept small in memory; what does not fit there is read again."""

import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.learning.augment import augmented
from engine.learning.datasets import Image, Labels, Part
from engine.weights.preprocessing import Preprocessing

KEPT_MIB = 2048
"""The most that one part's pictures take in memory."""
_LARGER = 1.25
"""The shorter side of what other views are cut from, in sizes of the square."""
_LONGEST = 2.0
"""Of a longer picture the middle is kept, this many times as long as it is wide."""


class Prepared:
    """Pictures as a network's squares and as what other views are cut from.

    Attributes:
        labels: (n,) int64.
    """

    def __init__(self, part: Part, preprocessing: Preprocessing, kept_mib: float = KEPT_MIB) -> None:
        self._part, self._preprocessing = part, preprocessing
        self.labels = part.labels
        # a cut of the picture is enlarged if the picture is not larger than the square
        self._side = max(preprocessing.resize, round(_LARGER * preprocessing.size))
        self._squares: dict[int, Image] = {}
        self._wholes: dict[int, Image] = {}
        self._room = kept_mib * 2**20

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int, *, whole: bool) -> None:
        """Read a picture and keep it, while there is room.

        Args:
            index: of the picture.
            whole: keep what other views are cut from as well.

        Raises:
            SightlineError: its file is gone or damaged.
        """
        image = self._part.read(index)
        made = [(self._squares, self._preprocessing.square(image))]
        if whole:
            made.append((self._wholes, _small(image, self._side)))
        for into, one in made:
            if one.nbytes <= self._room and index not in into:
                self._room -= one.nbytes
                into[index] = one

    def only(self, places: Sequence[int]) -> "Prepared":
        """Some of them, with what was kept."""
        some = Prepared(self._part.only(places), self._preprocessing, 0)
        for new, old in enumerate(places):
            for kept, into in ((self._squares, some._squares), (self._wholes, some._wholes)):
                if old in kept:
                    into[new] = kept[old]
        return some

    def squares(self, places: Sequence[int] | Labels) -> Image:
        """What the network sees of some of them, (n, size, size, 3) uint8, BGR."""
        found = (self._squares.get(int(place)) for place in places)
        return np.stack(
            [
                self._preprocessing.square(self._part.read(int(place))) if one is None else one
                for place, one in zip(places, found, strict=True)
            ]
        )

    def views(self, places: Sequence[int] | Labels, rng: np.random.Generator) -> Image:
        """Another view of each, (n, size, size, 3) uint8, BGR."""
        found = (self._wholes.get(int(place)) for place in places)
        return np.stack(
            [
                augmented(
                    _small(self._part.read(int(place)), self._side) if one is None else one,
                    self._preprocessing.size,
                    rng,
                )
                for place, one in zip(places, found, strict=True)
            ]
        )


def preparing(
    part: Part, preprocessing: Preprocessing, what: str, *, whole: bool = False, kept_mib: float = KEPT_MIB
) -> Job[Prepared]:
    """Read pictures: yields `Progress`, and a `Notice` for each that is damaged and left out.

    Args:
        part: any.
        preprocessing: of the network.
        what: is being read, as a person would say it ("the training pictures").
        whole: keep what other views are cut from as well.
        kept_mib: the most that may be kept in memory.

    Raises:
        SightlineError: none of them can be read, though there are some.
    """
    first = Prepared(part, preprocessing, kept_mib)
    good: list[int] = []
    begun = time.monotonic()
    told = 0.0
    for index in range(len(part)):
        try:
            first.read(index, whole=whole)
            good.append(index)
        except SightlineError as error:
            yield Notice(f"Left out: {error}")
        now = time.monotonic()
        if now - told > 0.02:
            told = now
            left = (now - begun) / (index + 1) * (len(part) - index - 1)
            yield Progress(f"Reading {what}", index + 1, len(part), "pictures", left)
    if len(good) == len(part):
        return first
    if not good:
        raise SightlineError(f"None of {what} can be read: try another copy of the folder.")
    return first.only(good)


def _small(image: Image, side: int) -> NDArray[np.uint8]:
    """A picture whose shorter side is at most this long, without the ends of a very long one."""
    height, width = image.shape[:2]
    most = round(min(height, width) * _LONGEST)
    top, left = max(0, (height - most) // 2), max(0, (width - most) // 2)
    part = image[top : top + most, left : left + most]
    shrink = side / min(height, width)
    if shrink < 1:
        size = (max(1, round(part.shape[1] * shrink)), max(1, round(part.shape[0] * shrink)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part)
