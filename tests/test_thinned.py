"""The lines that are drawn of a race: few points that look like many."""

import numpy as np
import pytest

from engine.optimizers.means import Means
from engine.optimizers.record import Chunk, Full, Trace
from engine.optimizers.thinned import Thinned


def chunk(first, losses, rows=10, full=(), twin=None, apart=None):
    """A chunk of (R, n) losses; each step looks at 5 rows and takes a millisecond."""
    losses = np.asarray(losses, float)
    steps = np.arange(first, first + losses.shape[1])
    nothing = np.zeros(len(steps))
    trace = Trace(first, losses, losses, None, nothing + 0.1, steps * 5.0, steps * 0.001, None, full, 0)
    return Chunk(0, trace, np.zeros((losses.shape[0], 1)), twin, apart)


def test_few_points_are_drawn_as_they_are():
    curve = Thinned(rows=10)
    curve.append(chunk(0, [[5, 4, 3], [7, 6, 5]]))
    line = curve.line("loss", "steps", 0, 2, 100, band=1)
    assert line.x.tolist() == [0, 1, 2]
    assert line.y.tolist() == [6, 5, 4]
    assert np.allclose(line.high - line.y, 1.0)
    assert np.allclose(line.y - line.low, 1.0)
    assert curve.line("loss", "epochs", 0, 1, 100).x.tolist() == [0, 0.5, 1.0]
    assert curve.line("norm", "seconds", 0, 1, 100).x.tolist() == [0, 0.001, 0.002]
    assert curve.end("epochs") == 1.0


def test_many_points_keep_their_lowest_and_highest():
    losses = np.random.default_rng(0).normal(size=(1, 100_000))
    losses[0, 43_210] = 99
    curve = Thinned()
    for first in range(0, 100_000, 777):
        curve.append(chunk(first, losses[:, first : first + 777]))
    line = curve.line("loss", "steps", 0, 100_000, 500)
    assert len(line.x) <= 1004
    assert line.y.max() == 99
    assert line.y.min() == pytest.approx(losses.min())
    near = curve.line("loss", "steps", 43_200, 43_220, 500)
    assert 99 in near.y
    assert len(near.x) <= 25


def test_a_logarithmic_axis_shows_the_beginning():
    curve = Thinned()
    curve.append(chunk(0, np.arange(100_000.0)[None]))
    plain = curve.line("loss", "steps", 0, 100_000, 400)
    log = curve.line("loss", "steps", 0, 100_000, 400, log_x=True)
    assert (log.x < 100).sum() > 30 > (plain.x < 100).sum()
    assert np.all(np.diff(log.x) >= 0)
    assert len(log.x) <= 2 * 400 + 48


def test_a_place_of_an_axis_is_a_step():
    curve = Thinned(rows=10)
    curve.append(chunk(100, np.zeros((1, 50))))
    assert curve.place("steps", 120.7) == 120
    assert curve.place("seconds", 0.1304) == 130
    assert curve.place("epochs", 1e9) == 149
    assert curve.place("steps", -5) == 100


def test_the_full_objective_and_the_twin_are_lines_too():
    curve = Thinned(rows=10)
    full = (Full(0, np.array([3.0, 5.0]), np.array([6.0, np.nan])),)
    curve.append(chunk(0, [[5, 4], [7, 6]], full=full, twin=np.array([[5.0], [7.0]]), apart=1e-12))
    assert curve.line("train", "steps", 0, 9, 10).y.tolist() == [4.0]
    assert curve.line("test", "steps", 0, 9, 10).y.tolist() == [6.0]
    twin = curve.twin("steps", 0, 9, 10)
    assert (twin.x.tolist(), twin.y.tolist()) == ([0], [6.0])
    assert curve.apart == 1e-12


def test_before_the_first_step_there_is_nothing():
    curve = Thinned()
    assert len(curve.line("loss", "steps", 0, 10, 100).x) == 0
    assert len(curve.twin("steps", 0, 10, 100).x) == 0
    assert curve.end("seconds") == 0


def test_noisy_curves_are_means_over_stretches():
    noise = np.random.default_rng(1).normal(size=(2, 40_000))
    curve = Thinned(rows=10)
    for first in range(0, 40_000, 333):
        part = noise[:, first : first + 333]
        curve.append(chunk(first, 5 + part, twin=5 + part))
    line = curve.line("loss", "steps", 0, 40_000, 600, band=1, smooth=True)
    assert 100 < len(line.x) <= 162
    # the first whole stretch has 256 steps
    assert line.y[0] == pytest.approx(5 + noise[:, :256].mean(), rel=1e-6)
    assert line.x[0] == 127.5
    assert np.nanstd(line.y) < 0.1
    assert np.all(line.high > line.y)
    twin = curve.twin("steps", 0, 40_000, 600, smooth=True)
    assert np.allclose(twin.y, line.y[: len(twin.y)])
    log = curve.line("loss", "steps", 1, 40_000, 600, log_x=True, smooth=True)
    assert np.all(np.diff(log.x) > 0)
    assert (log.x < 100).sum() > 20


def test_means_leave_out_what_is_no_number():
    means = Means()
    for part in ([1.0, np.nan, 3.0], np.arange(40.0), [np.nan] * 20):
        means.append(np.array(part))
    seen = means.view(np.array([0, 3, 10, 43, 63]))
    assert seen[:3].tolist() == [2.0, 3.0, pytest.approx(np.arange(7, 40).mean())]
    assert np.isnan(seen[3])
