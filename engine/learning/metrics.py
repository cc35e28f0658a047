"""How good answers are: for two classes and for numbers."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def roc_auc(labels: Floats, scores: Floats) -> float:
    """Area under the ROC curve: how often a 1 scores above a 0, a tie counting half; NaN with one class alone.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,), higher for 1.
    """
    from scipy.stats import rankdata

    ones = int((labels > 0).sum())
    if ones in (0, len(labels)):
        return float("nan")
    ranks = rankdata(scores)[labels > 0].sum()
    return float((ranks - ones * (ones + 1) / 2) / (ones * (len(labels) - ones)))


def precision_recall(labels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Precision and recall at every threshold, highest first: (k,) each, one for each different score."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order] > 0)
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    found = hits[last].astype(np.float64)
    return found / (last + 1), found / max(1, hits[-1] if len(hits) else 1)


def average_precision(labels: Floats, scores: Floats) -> float:
    """Precision averaged over the steps of recall; NaN without a 1."""
    if not (labels > 0).any():
        return float("nan")
    precision, recall = precision_recall(labels, scores)
    return float((np.diff(recall, prepend=0) * precision).sum())


def accuracy(labels: Floats, scores: Floats) -> float:
    """Share that is on the right side of 0."""
    return float(((scores > 0) == (labels > 0)).mean())


def rmse(truth: Floats, said: Floats) -> float:
    """Root of the mean squared difference."""
    return float(np.sqrt(((truth - said) ** 2).mean()))


def r2(truth: Floats, said: Floats) -> float:
    """Share of the variance that is explained; NaN for a constant."""
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - said) ** 2).sum() / spread) if spread > 0 else float("nan")
