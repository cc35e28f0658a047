"""The threshold: what it makes of the known pictures, and what each preset promises."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection.threshold import Confusion, KnownScores


@pytest.fixture(scope="module")
def sk():
    """scikit-learn's metrics."""
    import sklearn.metrics

    return sklearn.metrics


def drawn(seed, good=30, bad=20, step=0.0):
    rng = np.random.default_rng(seed)
    truth = np.arange(good + bad) >= good
    scores = np.clip(rng.normal(0.4, 0.12, good + bad) + 0.2 * truth, 0.01, 0.99)
    if step:
        scores = np.round(scores / step) * step
    mixed = rng.permutation(good + bad)
    return scores[mixed], truth[mixed]


@pytest.mark.parametrize("step", [0.0, 0.05])
def test_counts_and_f1_are_sklearns(sk, step):
    scores, truth = drawn(0, step=step)
    known = KnownScores.of(scores, truth)
    for threshold in [0, *np.unique(scores), 0.5, 1, 2]:
        called = scores >= threshold
        assert known.confusion(threshold) == tuple(sk.confusion_matrix(truth, called).ravel())
        assert known.f1(threshold) == pytest.approx(sk.f1_score(truth, called))


def test_the_histogram_counts_every_score_once():
    scores, truth = drawn(1)
    known = KnownScores.of(np.append(scores, [0.0, 1.0, 0.5, 0.5]), np.append(truth, [False, True, True, False]))
    seen = known.histogram()
    assert (len(seen.edges), len(seen.good), seen.edges[0], seen.edges[-1]) == (41, 40, 0, 1)
    assert (seen.good.sum(), seen.bad.sum()) == (32, 22)
    assert seen.good[0] == 1
    assert seen.bad[-1] == 1
    assert seen.good[20] == np.sum((known.good >= 0.5) & (known.good < 0.525))
    assert known.histogram(8).bad.sum() == 22
    assert KnownScores.of([-0.5, 1.5], [False, True]).histogram(4).good.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("step", [0.0, 0.1])
def test_presets_keep_their_promises(seed, step):
    scores, truth = drawn(seed, step=step)
    known = KnownScores.of(scores, truth)
    every = np.concatenate([[0.0], np.unique(scores), np.nextafter(np.unique(scores), 2)])

    best = known.best_f1()
    assert known.f1(best.threshold) == pytest.approx(max(known.f1(t) for t in every))
    assert f"{known.f1(best.threshold):.3f}" in best.text

    quiet = known.no_false_alarm()
    assert known.confusion(quiet.threshold).good_as_bad == 0
    assert known.confusion(np.nextafter(quiet.threshold, 0)).good_as_bad > 0
    assert "none of 30 good pictures called defective" in quiet.text

    strict = known.no_miss()
    assert known.confusion(strict.threshold).bad_as_good == 0
    assert known.confusion(np.nextafter(strict.threshold, 2)).bad_as_good > 0
    assert "none of 20 defective missed" in strict.text

    for quantile in (0.5, 0.9, 0.99, 1.0):
        preset = known.from_good(quantile)
        assert known.confusion(preset.threshold).good_as_good >= quantile * 30
        assert known.confusion(np.nextafter(preset.threshold, 0)).good_as_good < quantile * 30
        assert f"{100 * quantile:g} % quantile (30 pictures); 20 defective ones are known" in preset.text


def test_the_best_f1_lies_in_the_middle_of_the_gap():
    known = KnownScores.of([0.1, 0.3, 0.7, 0.9], [False, False, True, True])
    best = known.best_f1()
    assert best.threshold == pytest.approx(0.5)
    assert best.text == (
        "Set for the highest F1, 1.000: none of 2 good pictures called defective, none of 2 defective missed."
    )
    low, high = 0.5, np.nextafter(0.5, 1)
    assert KnownScores.of([low, high], [False, True]).best_f1().threshold == high
    assert KnownScores.of([-np.inf, 0.5], [False, True]).best_f1().threshold == 0.5


def test_without_defective_pictures_the_good_ones_set_it():
    known = KnownScores.of(np.linspace(0.2, 0.4, 200), np.zeros(200))
    assert known.f1(0.3) is None
    for preset in (known.best_f1(), known.no_miss(), known.from_good()):
        assert preset.text == ("Set from the good pictures' 99 % quantile (200 pictures); no defective ones are known.")
        assert known.confusion(preset.threshold) == Confusion(198, 2, 0, 0)
    assert known.best_f1(0.95).text.startswith("Set from the good pictures' 95 % quantile")
    assert known.confusion(known.no_false_alarm().threshold) == (200, 0, 0, 0)
    assert known.confusion(known.from_good(0.0).threshold) == (0, 200, 0, 0)
    assert KnownScores.of([0.3], [False]).from_good().text.count("(1 picture)") == 1


def test_without_good_pictures():
    known = KnownScores.of([0.6, 0.8], [True, True])
    assert known.best_f1().threshold == known.no_miss().threshold == 0.6
    for preset in (known.no_false_alarm, known.from_good, KnownScores.of([], []).best_f1):
        with pytest.raises(SightlineError, match="No good picture is known"):
            preset()
    with pytest.raises(SightlineError, match="no score"):
        KnownScores.of([np.nan], [True])
