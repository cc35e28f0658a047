"""Drawn points: the same seed, the same rows; classes that are as many as said and lie where they are said to."""

import numpy as np
import pytest

from engine.samples.points import CLASSES, NUMBERS, draw


@pytest.mark.parametrize("key", [*CLASSES, *NUMBERS, "linear"])
def test_the_same_seed_draws_the_same_rows(key):
    xy, y = draw(key, 300, 0.1, 5)
    again = draw(key, 300, 0.1, 5)
    assert np.array_equal(xy, again[0])
    assert np.array_equal(y, again[1])
    assert xy.shape == (300, {"line": 1, "wave": 1, "linear": 8}.get(key, 2))
    assert xy.dtype == y.dtype == np.float64
    assert not np.array_equal(xy, draw(key, 300, 0.1, 6)[0])


@pytest.mark.parametrize("key", [*CLASSES, *NUMBERS])
def test_points_lie_around_the_middle_and_noise_scatters_them(key):
    bare, y = draw(key, 3000, 0.0, 1)
    assert np.abs(bare).max() <= 1.05
    assert np.abs(bare.mean(0)).max() < 0.1
    noisy, other = draw(key, 3000, 0.8, 1)
    if key in CLASSES:
        assert noisy.std() > 1.1 * bare.std()
        counts = np.bincount(y.astype(int))
        assert counts.max() - counts.min() <= 1
        assert len(counts) == (3 if key in ("blobs", "three spirals") else 2)
    else:
        assert np.array_equal(noisy, bare)
        assert np.std(other - y) == pytest.approx(0.8, rel=0.1)


def test_bare_shapes_are_what_they_are_called():
    xy, y = draw("circles", 500, 0.0, 0)
    assert np.array_equal(y, (np.hypot(*xy.T) < 0.6).astype(float))
    xy, y = draw("xor", 500, 0.0, 0)
    assert np.array_equal(y, (xy.prod(1) > 0).astype(float))
    x, y = draw("wave", 500, 0.0, 0)
    assert np.allclose(y, np.sin(np.pi * x[:, 0]))
    xy, y = draw("plane", 500, 0.0, 0)
    assert np.allclose(y, xy.mean(1))


@pytest.mark.parametrize(
    ("key", "straight"), [("lines", True), ("blobs", True), ("circles", False), ("xor", False), ("spirals", False)]
)
def test_a_straight_line_parts_some_sets_and_not_others(key, straight):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    xy, y = draw(key, 600, 0.03, 0)
    assert (LogisticRegression(C=100).fit(xy, y).score(xy, y) > 0.98) == straight
    # but all of them can be told by their neighbours
    assert KNeighborsClassifier(3).fit(xy[::2], y[::2]).score(xy[1::2], y[1::2]) > 0.97
