"""AUROC, average precision, F1 and AUPRO agree with scikit-learn, with anomalib, and with the definition itself."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from engine.errors import SightlineError
from engine.inspection import metrics
from engine.inspection.metrics import (
    PixelScores,
    aupro,
    auroc,
    average_precision,
    best_f1,
    pixel_auroc,
    precision_recall_curve,
    roc_curve,
)


@pytest.fixture(scope="module")
def sk():
    """scikit-learn's metrics."""
    import sklearn.metrics

    return sklearn.metrics


@pytest.fixture(scope="module")
def anomalib():
    """anomalib's metrics, as functions of numpy arrays."""
    import torch
    from anomalib.metrics.aupr import _AUPR
    from anomalib.metrics.aupro import _AUPRO
    from anomalib.metrics.auroc import _AUROC
    from anomalib.metrics.f1_score import _F1Max

    def told(kind, scores, truth):
        metric = kind()
        metric.update(torch.from_numpy(scores), torch.from_numpy(truth.astype(np.int64)))
        return metric, float(metric.compute())

    def f1(scores, truth):
        metric, value = told(_F1Max, scores, truth)
        return value, float(metric.threshold)

    return SimpleNamespace(
        auroc=lambda *of: told(_AUROC, *of)[1],
        aupr=lambda *of: told(_AUPR, *of)[1],
        aupro=lambda *of: told(_AUPRO, *of)[1],
        f1=f1,
    )


def pictures(seed, count=60, ties=False):
    """Scores and truth of some pictures; with ties only a few different scores."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.4
    truth[:2] = False, True
    scores = rng.normal(0, 1, count) + truth
    return (np.round(scores) if ties else scores).astype(np.float32), truth


def maps(seed, count=6, size=(64, 48), levels=0):
    """Smooth maps (count, H, W) float32 with defects of 1 to 3 regions in all but the first two, and their masks."""
    rng = np.random.default_rng(seed)
    found, masks = [], np.zeros((count, *size), np.uint8)
    for index, mask in enumerate(masks):
        noise = cv2.GaussianBlur(rng.normal(0, 1, size).astype(np.float32), (0, 0), 2)
        for _ in range(rng.integers(1, 4) if index > 1 else 0):
            middle = [int(rng.integers(8, side - 8)) for side in size[::-1]]
            cv2.circle(mask, middle, int(rng.integers(1, 8)), 255, -1)
        found.append(noise / noise.std() + 1.2 * cv2.GaussianBlur(mask, (0, 0), 2).astype(np.float32) / 255)
    values = np.array(found, np.float32)
    return (np.round(values * levels) / levels if levels else values), masks


def by_definition(values, masks, limit):
    """AUPRO as MVTec defines it, threshold by threshold."""
    regions = []
    for picture, mask in enumerate(masks):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3), int))
        regions += [(picture, labels == label) for label in range(1, count + 1)]
    fpr, pro = [0.0], [0.0]
    for threshold in np.unique(values)[::-1]:
        called = values >= threshold
        fpr.append(called[masks == 0].mean())
        pro.append(np.mean([called[picture][region].mean() for picture, region in regions]))
    fpr, pro = np.array(fpr), np.array(pro)
    at_limit = np.interp(limit, fpr, pro)
    inside = fpr < limit
    return np.trapezoid(np.append(pro[inside], at_limit), np.append(fpr[inside], limit)) / limit


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_pictures_agree_with_sklearn(sk, seed, ties):
    scores, truth = pictures(seed, ties=ties)
    assert auroc(scores, truth) == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert average_precision(scores, truth) == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)

    fpr, tpr, thresholds = sk.roc_curve(truth, scores, drop_intermediate=False)
    curve = roc_curve(scores, truth)
    np.testing.assert_allclose(curve.x, fpr, atol=1e-12)
    np.testing.assert_allclose(curve.y, tpr, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds, thresholds)

    precision, recall, thresholds = sk.precision_recall_curve(truth, scores)
    curve = precision_recall_curve(scores, truth)
    np.testing.assert_allclose(curve.x[::-1], recall, atol=1e-12)
    np.testing.assert_allclose(curve.y[::-1], precision, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds[:0:-1], thresholds)

    every = {float(t): sk.f1_score(truth, scores >= t) for t in np.unique(scores)}
    best = best_f1(scores, truth)
    assert best.f1 == pytest.approx(max(every.values()), abs=1e-12)
    assert best.threshold == min(t for t, value in every.items() if value == pytest.approx(best.f1, abs=1e-12))


@pytest.mark.parametrize("ties", [False, True])
def test_pictures_agree_with_anomalib(anomalib, ties):
    for seed in range(5):
        scores, truth = pictures(seed, ties=ties)
        assert auroc(scores, truth) == pytest.approx(anomalib.auroc(scores, truth), abs=1e-6)
        assert average_precision(scores, truth) == pytest.approx(anomalib.aupr(scores, truth), abs=1e-6)
        best = best_f1(scores, truth)
        assert (best.f1, best.threshold) == pytest.approx(anomalib.f1(scores, truth), abs=1e-6)


@pytest.mark.parametrize("levels", [0, 4, 1])
def test_pixels_agree_with_anomalib_and_sklearn(anomalib, sk, levels):
    for seed in range(3):
        values, masks = maps(seed, levels=levels)
        assert aupro(values, masks) == pytest.approx(anomalib.aupro(values, masks > 0), abs=1e-5)
        expected = sk.roc_auc_score(masks.ravel() > 0, values.ravel())
        assert pixel_auroc(values, masks) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("levels", [0, 4, 1])
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_is_its_definition(levels, limit):
    values, masks = maps(3, count=3, size=(24, 20), levels=levels)
    assert aupro(values, masks, limit) == pytest.approx(by_definition(values, masks, limit), abs=1e-12)


def test_regions_touch_at_corners_and_count_the_same_whatever_their_size():
    mask = np.zeros((8, 8), np.uint8)
    mask[0, 0] = mask[1, 1] = 1  # one region of two pixels
    mask[4:, 4:] = 1  # another of sixteen
    values = np.zeros((8, 8), np.float32)
    values[0, 0] = values[1, 1] = 1
    # half of the regions is found at once; the rest comes with everything else along a straight line
    assert aupro([values], [mask]) == pytest.approx(0.5 + 0.5 * 0.15)


@pytest.mark.parametrize("exact", [1 << 26, 4096])
def test_one_after_the_other_is_all_together(exact):
    """Also in bins: beyond 4,096 pixels. The maps' values fall into the middle of no two bins that are close."""
    sizes = [(40, 60), (64, 48), (31, 17), (50, 50)]
    drawn = [maps(seed, 3, size, levels=16) for seed, size in enumerate(sizes)]
    scores = PixelScores(exact)
    values = [one for these, _ in drawn for one in these]
    masks = [one if one.any() else None for _, these in drawn for one in these]
    for one, mask in zip(values, masks, strict=True):
        handed = one.copy()
        scores.add(handed, mask)
        handed[:] = 0
    assert scores.binned is (exact == 4096)
    assert scores.auroc() == pytest.approx(pixel_auroc(values, masks), abs=1e-12)
    assert scores.aupro() == pytest.approx(aupro(values, masks), abs=1e-12)
    assert scores.aupro(0.05) == pytest.approx(aupro(values, masks, 0.05), abs=1e-12)


def test_what_is_not_seen_does_not_count():
    """As if map and mask were cut: a ring whose left half is not seen is still one region, of half the pixels."""
    values, masks = maps(11, count=5)
    cv2.circle(masks[4], (24, 30), 12, 255, 3)
    seen = np.zeros((64, 48), bool)
    seen[8:50, 24:40] = True
    scores = PixelScores()
    for one, mask in zip(values, masks, strict=True):
        scores.add(one, mask if mask.any() else None, seen)
    cut = [(one[8:50, 24:40], mask[8:50, 24:40]) for one, mask in zip(values, masks, strict=True)]
    assert scores.auroc() == pytest.approx(pixel_auroc(*zip(*cut, strict=True)), abs=1e-12)
    assert scores.aupro() == pytest.approx(aupro(*zip(*cut, strict=True)), abs=1e-12)


def test_many_batches_are_one(monkeypatch):
    values, masks = maps(5, count=9)
    expected = pixel_auroc(values, masks), aupro(values, masks)
    monkeypatch.setattr(metrics, "_BATCH", 5000)
    scores = PixelScores()
    for one, mask in zip(values, masks, strict=True):
        scores.add(one, mask)
    assert (scores.auroc(), scores.aupro()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("centre", "scale"), [(3.0, 1.0), (0.0, 1.0), (1e-3, 2e-4), (-40.0, 5.0)])
def test_bins_are_as_good_as_exact(centre, scale):
    values, masks = maps(7, count=12, size=(128, 128))
    values = (centre + scale * values).astype(np.float32)
    scores = PixelScores(exact=0)
    for one, mask in zip(values, masks, strict=True):
        scores.add(one, mask)
    assert scores.auroc() == pytest.approx(pixel_auroc(values, masks), abs=1e-5)
    assert scores.aupro() == pytest.approx(aupro(values, masks), abs=1e-5)


def test_one_class_has_no_figures():
    for truth in ([False] * 3, [True] * 3, []):
        scores = np.arange(len(truth))
        for figure in (auroc, average_precision, best_f1, roc_curve, precision_recall_curve):
            assert figure(scores, truth) is None
    values = np.random.default_rng(0).random((2, 8, 8))
    for masks in ([None, None], np.zeros((2, 8, 8)), np.ones((2, 8, 8))):
        scores = PixelScores()
        for one, mask in zip(values, masks, strict=True):
            scores.add(one, mask)
        figures = aupro(values, masks), pixel_auroc(values, masks), scores.aupro(), scores.auroc()
        assert figures == (None,) * 4
    assert aupro([], []) is None
    assert PixelScores().auroc() is None


def test_what_cannot_be_compared_is_said():
    with pytest.raises(SightlineError, match="1 of 3 scores"):
        auroc([0.1, np.nan, 0.3], [False, True, False])
    values, masks = maps(0)
    values[1, 2, 3] = np.nan
    for figure in (aupro, pixel_auroc):
        with pytest.raises(SightlineError, match="not a number"):
            figure(values, masks)
    with pytest.raises(SightlineError, match="10x12 pixels"):
        aupro(values[:1], [np.ones((12, 10))])
    with pytest.raises(ValueError, match="shape"):
        auroc([1, 2], [True])


def test_infinite_scores_are_the_highest():
    scores = [-np.inf, 0.0, 1.0, np.inf]
    assert auroc(scores, [False, True, False, True]) == 0.75
    assert best_f1(scores, [False, False, False, True]).threshold == np.inf
    values = np.zeros((4, 4))
    values[0] = np.inf
    values[1] = -np.inf
    mask = np.zeros((4, 4))
    mask[0] = 1
    assert pixel_auroc([values], [mask]) == aupro([values], [mask]) == 1.0


def test_thinned_curves_keep_their_shape():
    scores, truth = pictures(0, 20_000)
    curve = roc_curve(scores, truth)
    thin = curve.thinned()
    assert len(thin.x) <= 200
    assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(thin.y, thin.x) == pytest.approx(auroc(scores, truth), abs=1e-4)
    assert set(thin.thresholds) <= set(curve.thresholds)
    short = roc_curve(scores[:50], truth[:50])
    assert short.thinned() is short
    assert len(curve.thinned(2).x) == 2
