"""A fitted model: what it says of a picture, why, and how a picture looks to it; of any method."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.embedding import Embedder
from engine.inspection.knobs import FitKnobs
from engine.inspection.patchcore import PatchCore
from engine.inspection.pictures import read_any
from engine.inspection.preparation import Cut, Preparation
from engine.inspection.scorer import Scored, Scorer
from engine.inspection.types import Calibration, Image, NearPatch, Verdict

_SEEN = 4
"""Patches a side that are shown around a near one: about what a patch's features have seen of the picture."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a fitted model.

    Attributes:
        name: that a person reads.
        method: "patchcore", "efficientad" or the name of an anomalib model.
        backbone: the network whose features it compares; "" where it has none.
        layers: of the backbone.
        knobs: the settings it was fitted with.
        calibration: of its scores.
        threshold: 0..1, at which a picture is called abnormal.
        category: what it was fitted on.
        source: the folder of that.
        pictures: how many good ones it learned from.
        patches: rows of its memory bank; 0 for other methods.
        fitted: when, ISO 8601.
        fit_s: seconds it took.
        seed: of everything random.
        versions: of the packages that took part.
        notes: what else is worth knowing ("teacher distilled from MobileNetV2").
        white: the stored number of the pictures that is white (see `pictures.white_for`); None for 8 bits.
        folder: where it is kept; None while it is not.
    """

    name: str
    method: str
    backbone: str
    layers: tuple[str, ...]
    knobs: FitKnobs
    calibration: Calibration
    threshold: float
    category: str
    source: str
    pictures: int
    patches: int
    fitted: str
    fit_s: float
    seed: int
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    white: float | None = None
    folder: Path | None = None


class FittedModel:
    """A method that has learned what is good. Not for two threads at once.

    Args:
        card: what is known of it.
        scorer: the fitted method.
        preparation: of pictures, as when it was fitted.
        sources: the paths of the training pictures, in the order in which a memory bank numbers them.
        shapes: their heights and widths; of a method without a memory bank they do not matter.
        device: "cpu", "cuda" or "mps".
    """

    def __init__(
        self,
        card: ModelCard,
        scorer: Scorer,
        preparation: Preparation,
        *,
        sources: list[str],
        shapes: Sequence[tuple[int, int]] = (),
        device: str = "cpu",
    ) -> None:
        self.card, self.scorer, self.preparation, self.device = card, scorer, preparation, device
        self.sources, self.shapes = sources, list(shapes)
        self._embedder: Embedder | None = None
        self._last: tuple[Image, Cut, Scored] | None = None

    def read(self, path: Path) -> Image:
        """A picture file as the training pictures were read, (H, W, 3) uint8 BGR.

        Raises:
            SightlineError: it is missing, damaged or no picture.
        """
        return read_any(path, self.card.white)

    def examine(self, image: Image, name: str = "") -> Verdict:
        """What the model says of a picture.

        Args:
            image: (H, W, 3) uint8 BGR.
            name: put into the verdict.

        Raises:
            SightlineError: it is too small.
        """
        begun = time.perf_counter()
        cut = self.preparation.cut(image)
        batch = cut.batch
        prepared = time.perf_counter()
        scored = self.scorer.score(batch)
        done = time.perf_counter()
        self._last = image, cut, scored
        raw = float(scored.raw.max())
        raw_map = self.preparation.paste(cut, scored.maps)
        unseen = np.isnan(raw_map)
        partly = bool(unseen.any())
        if partly:
            raw_map[unseen] = np.nanmin(raw_map)
        hottest = int(raw_map.argmax())
        calibration = self.card.calibration
        pixels = calibration.pixels(raw_map)
        if partly:
            pixels[unseen] = 0.0
        ms = {"prepare": 1e3 * (prepared - begun), **(scored.ms or {"network": 1e3 * (done - prepared)})}
        ms["map"] = ms.get("map", 0.0) + 1e3 * (time.perf_counter() - done)
        return Verdict(
            name=name,
            raw=raw,
            score=float(calibration.score(raw)),
            threshold=self.card.threshold,
            map=pixels,
            raw_map=raw_map,
            hottest=(hottest % raw_map.shape[1], hottest // raw_map.shape[1]),
            ms=ms,
            patches=None if scored.patches is None else scored.patches[0],
        )

    def nearest_patches(self, image: Image, x: int, y: int, top: int = 6) -> tuple[NearPatch, ...]:
        """The good patches that are nearest to the patch at a point of the picture.

        Args:
            image: (H, W, 3) uint8 BGR.
            x, y: the point, in pixels.
            top: how many.

        Returns:
            Nearest first; none for a method without a memory bank, or where the model does not look.
        """
        scorer = self.scorer
        if not isinstance(scorer, PatchCore):
            return ()
        cut, scored = self._scored(image)
        assert scored.features is not None
        place = self.preparation.to_patch(cut, x, y, scored.features.shape[1:3], scored.patches)
        if place is None:
            return ()
        distances, rows = scorer.nearest.neighbours(scored.features[place], top)
        found = []
        for distance, row in zip(distances.tolist(), rows.tolist(), strict=True):
            picture, down, across = scorer.owners[row].tolist()
            shown = self._training_picture(picture)
            if shown is not None:
                box = self._patch_box(shown, picture, down, across, scorer.grid)
                found.append(NearPatch(distance, shown, self.sources[picture], box))
        return tuple(found)

    def vectors(
        self, image: Image, verdict: Verdict, region: tuple[int, int, int, int] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """How a picture looks, for the gallery: the whole of it, and what is abnormal about it.

        Args:
            image: (H, W, 3) uint8 BGR.
            verdict: what `examine` said of it.
            region: left, top, width, height in pixels; the second vector is then of this part, whatever the map says.

        Returns:
            Two vectors (whole, defect), float32, each of length 1.
        """
        if self._embedder is None:
            self._embedder = Embedder(self.scorer, self.card, self.device)
        cut, scored = self._scored(image)
        return self._embedder.vectors(cut, scored, verdict, region)

    def with_threshold(self, threshold: float) -> "FittedModel":
        """The same model with another threshold, 0..1."""
        other = FittedModel(
            replace(self.card, threshold=threshold),
            self.scorer,
            self.preparation,
            sources=self.sources,
            shapes=self.shapes,
            device=self.device,
        )
        other._embedder, other._last = self._embedder, self._last
        return other

    def close(self) -> None:
        """Let go of the networks."""
        self._last = None
        self.scorer.close()

    def _scored(self, image: Image) -> tuple[Cut, Scored]:
        # the page asks why of the picture that it has just been shown
        if self._last is None or self._last[0] is not image:
            cut = self.preparation.cut(image)
            self._last = image, cut, self.scorer.score(cut.batch)
        return self._last[1], self._last[2]

    def _training_picture(self, number: int) -> Image | None:
        """The picture itself, or the copy in the model's folder, or None where both are gone."""
        paths = [Path(self.sources[number])]
        if self.card.folder is not None:
            paths.append(self.card.folder / "pictures" / f"{number:05}.jpg")
        for path in paths:
            try:
                return self.read(path)
            except SightlineError:
                continue
        return None

    def _patch_box(
        self, shown: Image, picture: int, down: int, across: int, grid: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """Where a patch, with what its features have seen around it, lies in its training picture as it is shown."""
        # the tiles are those of the picture that was learned from; what is shown may be its smaller copy
        places, size = self.preparation.places(self.shapes[picture])
        first = self.preparation.places(self.shapes[0])[1]
        rows, columns = (round(grid[i] * size[i] / first[i]) for i in (0, 1))
        tile, down = divmod(down, rows)
        full_high, full_wide = shown.shape[:2]
        down_scale, across_scale = full_high / self.shapes[picture][0], full_wide / self.shapes[picture][1]
        left, top, width, height = places[min(tile, len(places) - 1)]
        wide, high = width / columns * across_scale, height / rows * down_scale
        x = left * across_scale + (across + 0.5 - _SEEN / 2) * wide
        y = top * down_scale + (down + 0.5 - _SEEN / 2) * high
        w, h = min(_SEEN * wide, full_wide), min(_SEEN * high, full_high)
        x, y = min(max(0.0, x), full_wide - w), min(max(0.0, y), full_high - h)
        return round(x), round(y), max(1, round(w)), max(1, round(h))


def method_settings(knobs: FitKnobs) -> dict[str, Any]:
    """The knobs as JSON values."""
    from dataclasses import asdict

    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(knobs).items()}
