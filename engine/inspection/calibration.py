"""What raw scores mean: learned from good pictures alone, which the model has not seen, or as if it had not.

PatchCore's bank holds the training pictures' own patches, so each is scored without those (leave one out). Other
methods are calibrated on good pictures that were held back from training.
"""

import time
from collections.abc import Sequence

import numpy as np

from engine.inspection.patchcore import PatchCore
from engine.inspection.preparation import Pictures
from engine.inspection.scorer import Scorer
from engine.inspection.types import Calibration
from engine.job import Job, Progress

ENOUGH = 40
"""Pictures that are scored to calibrate; more change little."""
HELD_BACK = 10
"""Every tenth good picture is held back where a method cannot leave one out."""
_MIDDLE = 1.5
"""So many scales below the centre lies the median of good pictures: a calibrated 0.2."""


def calibrating(scorer: Scorer, pictures: Pictures, quantile: float) -> Job[Calibration]:
    """Score good pictures and learn from them where abnormal begins; yields `Progress`.

    Args:
        scorer: fitted. A `PatchCore` is given its own training pictures, any other method pictures it has not seen.
        pictures: good ones.
        quantile: of their scores that becomes the limit, 0..1.
    """
    some = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), ENOUGH)).round().astype(int)).tolist()
    raws, tops = [], []
    begun = time.monotonic()
    for done, index in enumerate(some):
        batch = pictures.batch(index)
        if isinstance(scorer, PatchCore):
            left_out = scorer.score_without(batch, index)
            if left_out is None:
                continue
            raw, maps = left_out
        else:
            scored = scorer.score(batch)
            raw, maps = float(scored.raw.max()), scored.maps
        raws.append(raw)
        tops.append(float(maps.max()))
        left = (time.monotonic() - begun) / (done + 1) * (len(some) - done - 1)
        yield Progress("Learning what good scores are", done + 1, len(some), "pictures", left)
    if not raws:
        # a single picture: nothing to compare with, so the limit is twice what it scores against itself
        scored = scorer.score(pictures.batch(0))
        raws, tops = [2 * float(scored.raw.max())], [2 * float(scored.maps.max())]
    return from_good(raws, tops, quantile)


def from_good(raws: Sequence[float], tops: Sequence[float], quantile: float) -> Calibration:
    """The calibration that good pictures give.

    Args:
        raws: their scores.
        tops: the largest value of each one's map.
        quantile: 0..1.
    """
    centre, top = float(np.quantile(raws, quantile)), float(np.quantile(tops, quantile))
    scale = max((centre - float(np.median(raws))) / _MIDDLE, 0.02 * abs(centre), 1e-6)
    # as the scores: a threshold at the median of good pictures marks what is above the median of their hottest pixels
    map_scale = max((top - float(np.median(tops))) / _MIDDLE, 0.02 * abs(top), 1e-6)
    return Calibration(centre, scale, top, map_scale)
