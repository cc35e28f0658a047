"""How a picture looks as two vectors, for finding similar ones: the whole of it, and what is abnormal about it.

What is abnormal about a patch is not how it looks but how it differs from what is good: from the nearest good patch
of a memory bank, or, without one, from the calm rest of the same picture. Directions in which good patches vary a lot
count less (they are whitened). Chosen on drawn textures, see DECISIONS.md; `tests/bench_neighbours.py` measures it.
"""

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
SHARPNESS = 12.0
"""The power to which the map is raised before it weighs patches: the defect counts, its surroundings hardly."""
STRONGEST = 32
"""Patches that count at most; the others weigh next to nothing, and looking for their good neighbours takes time."""
_RIDGE = 0.3
"""Share of the mean variance that every direction is given, so that those in which nothing varies do not drown all."""


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
        self._good: _Good | None = None
        if isinstance(scorer, PatchCore):
            self._good = _Good(scorer.bank)
        else:
            from engine.inspection.backbone import make_backbone

            self._network = run_on(make_backbone(FitKnobs()).module, device)

    def vectors(
        self, cut: Cut, scored: Scored, verdict: Verdict, region: tuple[int, int, int, int] | None
    ) -> tuple[Array, Array]:
        """(whole, defect), each (d,) float32 of length 1; with a region the second is of what is strangest in it."""
        features = scored.features if self._network is None else self._network(cut.batch)
        assert features is not None
        grid = features.shape[1:3]
        flat = features.reshape(-1, features.shape[-1])
        strange = _on_patches(cut, verdict.map, grid).ravel()
        shares = np.ones_like(strange)
        if region is not None:
            left, top, width, height = region
            inside = np.zeros(cut.shape, np.float32)
            inside[top : top + height, left : left + width] = 1
            found = _on_patches(cut, inside, grid).ravel()
            shares = found if found.any() else shares
        places, weights = _strongest(strange, shares)
        good = self._good
        if good is not None:
            return _unit(good.standard(flat.mean(0))), _unit(good.apart(flat[places], weights))
        calm = flat[strange <= np.median(strange)].mean(0)
        return _unit(flat.mean(0)), _unit(weights @ (flat[places] - calm))


class _Good:
    """What good patches are like, and how others differ from them.

    Args:
        bank: (m, d) float32, good patches.
    """

    def __init__(self, bank: Array) -> None:
        self._bank = bank
        self._middle, self._spread = bank.mean(0), bank.std(0) + np.float32(1e-6)
        self._squares: Array = np.square(bank - self._middle).sum(1)
        # bit by bit: a large bank twice over would be felt
        d = bank.shape[1]
        together = np.zeros((d, d), np.float64)
        for start in range(0, len(bank), 4096):
            part = self.standard(bank[start : start + 4096])
            together += part.T @ part
        variances, directions = np.linalg.eigh(together / len(bank))
        variances = np.maximum(variances, 0)
        scale = np.sqrt(variances + _RIDGE * variances.mean() + 1e-12)
        self._whiten: Array = (directions / scale).astype(np.float32)

    def standard(self, features: Array) -> Array:
        """Features in units of how much good ones vary, zero where they are on average."""
        scaled: Array = (features - self._middle) / self._spread
        return scaled

    def apart(self, patches: Array, weights: Array) -> Array:
        """How patches (n, d) differ from their nearest good ones, weighted (n,), whitened: (d,)."""
        centred = patches - self._middle
        # |b|^2 - 2 b.p is least for the nearest b; b is not centred in the product, which only shifts each row
        offsets = self._squares - 2 * (centred @ self._bank.T)
        nearest = self._bank[offsets.argmin(1)]
        apart: Array = (weights @ ((patches - nearest) / self._spread)) @ self._whiten
        return apart


def _on_patches(cut: Cut, shown: Array, grid: tuple[int, ...]) -> Array:
    """(tiles, h, w) float32: the mean of a map of the picture over each patch."""
    import cv2

    parts = []
    for left, top, width, height in cut.places:
        part = shown[round(top) : max(round(top) + 1, round(top + height)),
                     round(left) : max(round(left) + 1, round(left + width))]  # fmt: skip
        parts.append(cv2.resize(part, (grid[1], grid[0]), interpolation=cv2.INTER_AREA))
    return np.stack(parts)


def _strongest(strange: Array, shares: Array) -> tuple[NDArray[np.int64], Array]:
    """The places of the patches that count, and their weights, which sum to 1.

    Args:
        strange: (n,) the map's values.
        shares: (n,) how much of each patch is meant, 0..1.
    """
    meant = np.flatnonzero(shares > 0)
    values = strange[meant]
    top = float(values.max())
    if top > 0 and float(values.min()) < top:
        kept = np.sort(np.argsort(-values, kind="stable")[:STRONGEST])
        meant, values = meant[kept], values[kept] / top
    else:
        # nothing stands out: all of it counts alike
        values = np.ones_like(values)
    weights = np.power(values, SHARPNESS) * shares[meant]
    found: Array = (weights / weights.sum()).astype(np.float32)
    return meant, found


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    scaled: Array = (vector / length if length > 0 else np.full_like(vector, 1 / np.sqrt(len(vector)))).astype(
        np.float32
    )
    return scaled
