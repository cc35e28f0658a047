"""What the parts of this room hand each other."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8, BGR."""
Map = NDArray[np.float32]
"""(H, W) float32, one number a pixel; higher is more abnormal."""

GOOD = "good"
"""The kind of a picture without a defect, as MVTec AD names it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a category.

    Attributes:
        path: of the picture.
        kind: "good", or what kind of defect it shows ("crack").
        split: "train" or "test"; only good pictures are trained on.
        mask: a picture of the same size, above 0 where the defect is; None where there is none.
    """

    path: Path
    kind: str = GOOD
    split: str = "test"
    mask: Path | None = None

    @property
    def abnormal(self) -> bool:
        """Whether it shows a defect."""
        return self.kind != GOOD


@dataclass(frozen=True, slots=True)
class Category:
    """One category of a data set: good pictures to learn from, and pictures to test.

    Attributes:
        name: of the category ("tile").
        folder: it lies in.
        items: every picture, those to learn from first, in natural order.
    """

    name: str
    folder: Path
    items: tuple[Item, ...]

    @property
    def train(self) -> tuple[Item, ...]:
        """The good pictures to learn from."""
        return tuple(item for item in self.items if item.split == "train" and not item.abnormal)

    @property
    def test(self) -> tuple[Item, ...]:
        """The pictures to test, good ones and defective ones."""
        return tuple(item for item in self.items if item.split == "test")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many test pictures there are of each kind, "good" first."""
        found = Counter(item.kind for item in self.test)
        return {kind: found[kind] for kind in sorted(found, key=lambda kind: (kind != GOOD, kind))}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Brings raw scores of any method to 0..1, strictly increasing, with 0.5 at the limit learned from good pictures.

    z = (raw - centre) / scale; score = 1/2 + z / (2 (1 + |z|)). The pixels of a map have a centre and scale of their
    own, so that one threshold serves both.

    Attributes:
        centre: the raw score at which a picture is called abnormal unless somebody moves the threshold.
        scale: raw units; two of them above the centre is 0.83.
        map_centre, map_scale: the same for a map's pixels.
    """

    centre: float
    scale: float
    map_centre: float
    map_scale: float

    def score(self, raw: float | NDArray[np.floating]) -> NDArray[np.float64]:
        """Raw picture scores as 0..1."""
        return _squash((np.asarray(raw, np.float64) - self.centre) / self.scale).astype(np.float64)

    def pixels(self, raw: Map) -> Map:
        """A raw map as 0..1, float32."""
        return _squash((raw - np.float32(self.map_centre)) / np.float32(self.map_scale)).astype(np.float32)


def _squash(z: NDArray[np.floating]) -> NDArray[np.floating]:
    squashed: NDArray[np.floating] = 0.5 + 0.5 * z / (1 + np.abs(z))
    return squashed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a fitted model says of one picture.

    Attributes:
        name: the picture's path as it was given, or what else it came from.
        raw: the method's own score; a distance for PatchCore.
        score: the same calibrated to 0..1; 0.5 is the limit learned from the good pictures.
        threshold: 0..1; at or above it the picture is called abnormal.
        map: (H, W) float32 in 0..1, calibrated, in the picture's own size; 0 outside the region of interest.
        raw_map: (H, W) float32, the same in the method's own units.
        hottest: x, y of the pixel with the highest value.
        ms: milliseconds of each stage: "prepare", "network", "score", "map".
        patches: (h, w) float32, the raw scores of the network's patches, before smoothing; of the first tile.
    """

    name: str
    raw: float
    score: float
    threshold: float
    map: Map
    raw_map: Map
    hottest: tuple[int, int]
    ms: Mapping[str, float] = field(default_factory=dict)
    patches: Map | None = None

    @property
    def abnormal(self) -> bool:
        """Whether the score reaches the threshold."""
        return self.score >= self.threshold

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) bool: where the map reaches the threshold."""
        found: NDArray[np.bool_] = self.map >= self.threshold
        return found


@dataclass(frozen=True, slots=True)
class NearPatch:
    """A good patch of the memory bank that lies near a patch of the inspected picture.

    Attributes:
        distance: in feature space, in PatchCore's raw units.
        picture: the good picture it was cut from, (H, W, 3) uint8 BGR; the kept copy where the file is gone.
        path: of that picture, as it was when the model was fitted.
        box: left, top, width, height of the patch in `picture`, pixels.
    """

    distance: float
    picture: Image
    path: str
    box: tuple[int, int, int, int]
