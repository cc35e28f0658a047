"""How good answers are: for two classes, for many, and for numbers."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.float64] | NDArray[np.int64]


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


def roc(labels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """False and true positive rate at every threshold, highest first: (k + 1,) each, from (0, 0) to (1, 1).

    A rate of which there is no row (one class alone) is NaN.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,), higher for 1.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order] > 0)
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    found = np.concatenate([[0.0], hits[last]])
    false = np.concatenate([[0.0], last + 1.0]) - found
    with np.errstate(invalid="ignore", divide="ignore"):
        return false / np.float64(false[-1]), found / np.float64(found[-1])


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


def confusion(labels: Labels, said: Labels, classes: int) -> NDArray[np.int64]:
    """(C, C) int64: how many rows of each class (down) were said to be of which (across).

    Args:
        labels, said: (n,), places of classes, 0..C-1.
        classes: C.
    """
    places = labels.astype(np.int64) * classes + said.astype(np.int64)
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def rmse(truth: Floats, said: Floats) -> float:
    """Root of the mean squared difference."""
    return float(np.sqrt(((truth - said) ** 2).mean()))


def r2(truth: Floats, said: Floats) -> float:
    """Share of the variance that is explained; NaN for a constant."""
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - said) ** 2).sum() / spread) if spread > 0 else float("nan")
