"""How a picture looks as two vectors, for finding similar ones: the whole of it, and what is abnormal about it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.inspection.knobs import FitKnobs
from engine.inspection.patchcore import PatchCore
from engine.inspection.preparation import Cut
from engine.inspection.runtime import run_on
from engine.inspection.scorer import Scored, Scorer
from engine.inspection.types import Verdict

if TYPE_CHECKING:
    from engine.inspection.model import ModelCard

Array = NDArray[np.float32]
SHARPNESS = 4.0
"""The power to which the map is raised before it weighs patches: the defect counts, its surroundings hardly."""


class Embedder:
    """Makes the two vectors of a picture.

    A PatchCore's own features are used; other methods have none that say what a thing looks like, so MobileNetV2's are.

    Args:
        scorer: of the model.
        card: of the model.
        device: where a network of its own runs.
    """

    def __init__(self, scorer: Scorer, card: "ModelCard", device: str) -> None:
        self._network: Any = None
        self._middle: Array | None = None
        self._spread: Array | None = None
        if isinstance(scorer, PatchCore):
            self._middle, self._spread = scorer.bank.mean(0), scorer.bank.std(0) + 1e-6
        else:
            from engine.inspection.backbone import make_backbone

            self._network = run_on(make_backbone(FitKnobs()).module, device)

    def vectors(
        self, cut: Cut, scored: Scored, verdict: Verdict, region: tuple[int, int, int, int] | None
    ) -> tuple[Array, Array]:
        """(whole, defect), each (d,) float32 of length 1."""
        features = scored.features if self._network is None else self._network(cut.batch)
        assert features is not None
        if self._middle is not None and self._spread is not None:
            features = (features - self._middle) / self._spread
        weights = self._weights(cut, verdict, region, features.shape[1:3])
        flat = features.reshape(-1, features.shape[-1])
        return _unit(flat.mean(0)), _unit((flat * weights.reshape(-1, 1)).sum(0))

    def _weights(
        self, cut: Cut, verdict: Verdict, region: tuple[int, int, int, int] | None, grid: tuple[int, int]
    ) -> Array:
        """(tiles, h, w): how much each patch counts."""
        import cv2

        if region is not None:
            left, top, width, height = region
            shown = np.zeros(cut.shape, np.float32)
            shown[top : top + height, left : left + width] = 1
        else:
            shown = np.power(verdict.map, SHARPNESS)
        parts = []
        for left, top, width, height in cut.places:
            part = shown[round(top) : max(round(top) + 1, round(top + height)),
                         round(left) : max(round(left) + 1, round(left + width))]  # fmt: skip
            parts.append(cv2.resize(part, (grid[1], grid[0]), interpolation=cv2.INTER_AREA))
        found = np.stack(parts)
        return found if float(found.sum()) > 0 else np.ones_like(found)


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    scaled: Array = (vector / length if length > 0 else np.full_like(vector, 1 / np.sqrt(len(vector)))).astype(
        np.float32
    )
    return scaled
