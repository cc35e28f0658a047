"""The coreset is anomalib's to the last index: its loop stands here, its own class is asked in test_patchcore.py."""

import itertools

import numpy as np
import pytest

from engine.inspection.coreset import choosing, projection_matrix, projection_size
from engine.job import Progress, drive


def by_the_definition(points, count, first):
    """anomalib's `KCenterGreedy.select_coreset_idxs`, without its projection."""
    import torch

    points = torch.from_numpy(points)
    nearest, index, chosen = None, first, [first]
    for _ in range(count - 1):
        distances = torch.linalg.norm(points - points[index], ord=2, dim=1)
        nearest = distances if nearest is None else torch.minimum(nearest, distances)
        index = int(torch.max(nearest, dim=0).indices)
        nearest[index] = 0.0
        chosen.append(index)
    return np.array(chosen)


def clustered(n, d, seed=0, far=5.0, spread=1.0, clusters=9):
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, far, (clusters, d))
    return (middles[rng.integers(0, clusters, n)] + rng.normal(0, spread, (n, d))).astype(np.float32)


# below, at and above the 1,024 that are looked at together and the 4,096 of the first walk
@pytest.mark.parametrize(("n", "d", "share"), [
    (7, 3, 1.0), (97, 40, 0.5), (1023, 16, 0.3), (1025, 3, 0.4), (2777, 17, 0.1), (4099, 128, 0.04), (5003, 40, 0.06),
])  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1])
def test_the_indices_are_those_of_the_definition(n, d, share, seed):
    points, count = clustered(n, d, seed), int(n * share)
    chosen = drive(choosing(points, count, first=n // 3))
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(chosen, by_the_definition(points, count, n // 3))


@pytest.mark.parametrize(("d", "spread"), [(40, 1.0), (8, 0.1)])
def test_clusters_far_from_each_other_lose_nothing_to_rounding(d, spread):
    """|x|^2 is a million here: differences of squares cannot tell neighbours apart any more."""
    points = clustered(3001, d, far=1000.0, spread=spread)
    np.testing.assert_array_equal(drive(choosing(points, 600, first=7)), by_the_definition(points, 600, 7))


def test_far_from_the_origin():
    points = clustered(2003, 12) + np.float32(500)
    np.testing.assert_array_equal(drive(choosing(points, 300, first=0)), by_the_definition(points, 300, 0))


@pytest.mark.parametrize("sides", [(6, 3), (9, 4)])
def test_of_equal_distances_the_first_index_wins(sides):
    """On a lattice nearly all distances are equal to others."""
    side, d = sides
    points = np.random.default_rng(1).integers(0, side, (4503, d)).astype(np.float32)
    count = len(np.unique(points, axis=0)) // 2
    np.testing.assert_array_equal(drive(choosing(points, count, first=11)), by_the_definition(points, count, 11))


def test_copies_are_not_chosen_twice():
    some = clustered(37, 5)
    points = np.concatenate([some, some[::-1], some])
    chosen = drive(choosing(points, 80, first=40))
    assert len(chosen) == 37  # of 80 that were wanted: the others are copies
    assert len(np.unique(points[chosen], axis=0)) == 37
    np.testing.assert_array_equal(chosen, by_the_definition(points, 37, 40))


def test_all_points_the_same():
    np.testing.assert_array_equal(drive(choosing(np.ones((5000, 4), np.float32), 9, first=4)), [4])


def test_more_than_there_are_and_one():
    points = clustered(50, 4)
    assert sorted(drive(choosing(points, 400, first=3))) == list(range(50))
    np.testing.assert_array_equal(drive(choosing(points, 1, first=3)), [3])


def test_the_choice_is_made_among_the_projected():
    import torch

    points, projection = clustered(1500, 60), projection_matrix(60, 20, 5)
    chosen = drive(choosing(points, 200, first=2, projection=projection))
    projected = (torch.from_numpy(points) @ torch.from_numpy(projection)).numpy()
    np.testing.assert_array_equal(chosen, by_the_definition(projected, 200, 2))
    assert (chosen != drive(choosing(points, 200, first=2))).any()


def test_a_projection_keeps_distances():
    points = clustered(300, 600)
    projected = points @ projection_matrix(600, 300, 0)
    pairs = np.random.default_rng(0).integers(0, 300, (2, 500))
    pairs = pairs[:, pairs[0] != pairs[1]]
    before, after = (np.linalg.norm(p[pairs[0]] - p[pairs[1]], axis=1) for p in (points, projected))
    assert np.abs(after / before - 1).mean() < 0.1


def test_the_size_of_the_projection_is_anomalibs():
    assert projection_size(30_720, 384, 0) == 255  # as SparseRandomProjection(eps=0.9) has it
    assert projection_size(30_720, 128, 0) == 0  # no fewer than there are
    assert projection_size(30_720, 384, 64) == 64
    assert projection_size(30_720, 384, 384) == 0
    assert projection_size(30_720, 384, -1) == 0


def test_the_first_is_drawn_by_the_seed():
    points = clustered(500, 6)
    one, again, other = (drive(choosing(points, 20, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert one[0] != other[0]
    np.testing.assert_array_equal(one, by_the_definition(points, 20, int(one[0])))


def test_the_points_stay_as_they_were():
    points = clustered(1200, 6)
    before = points.copy()
    drive(choosing(points, 100, first=0))
    np.testing.assert_array_equal(points, before)


@pytest.fixture
def talkative(monkeypatch):
    """Progress after every choice, however quick it is."""
    monkeypatch.setattr("engine.inspection.coreset._TELL_S", -1.0)


def test_it_tells_how_far_it_is(talkative):
    seen = []
    drive(choosing(clustered(3000, 8), 200, first=0), seen.append)
    assert all(isinstance(event, Progress) and event.total == 200 and event.unit == "patches" for event in seen)
    done = [event.done for event in seen]
    assert done == sorted(done)
    assert done[-1] == 200
    assert all(event.left_s is None or event.left_s >= 0 for event in seen)
    assert seen[-1].left_s == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("after", [1, 2, 50])
def test_it_can_be_stopped(talkative, after):
    job = choosing(clustered(3000, 8), 200, first=0)
    assert len(list(itertools.islice(job, after))) == after
    job.close()
    assert next(job, None) is None
