"""The pyramid: what is drawn has the lows and highs of every bucket, in the time that its pixels take."""

import time

import numpy as np
import pytest

from engine.optimizers.pyramid import Pyramid


def grown(values, sizes):
    """A pyramid that is appended to in pieces."""
    made, at, number = Pyramid(), 0, 0
    while at < len(values):
        size = sizes[number % len(sizes)]
        made.append(values[at : at + size])
        at, number = at + size, number + 1
    return made


def by_brute_force(values, first, last, level):
    """(start, low, high) of the buckets of 2^level points, cut to what is seen."""
    found = []
    for bucket in range(first >> level, ((last - 1) >> level) + 1):
        begin, end = max(first, bucket << level), min(last, (bucket + 1) << level)
        some = values[begin:end]
        some = some[~np.isnan(some)]
        found.append((begin, some.min() if len(some) else np.nan, some.max() if len(some) else np.nan))
    return found


def level_of(first, last, pixels):
    level = 1
    while ((last - 1) >> level) - (first >> level) + 1 > pixels:
        level += 1
    return level


@pytest.mark.parametrize("sizes", [(1,), (3, 50, 1), (1000,), (5000,)])
def test_lows_and_highs_are_those_of_brute_force(sizes):
    rng = np.random.default_rng(0)
    values = rng.standard_normal(5000).astype(np.float32)
    values[700:900] = np.nan
    values[rng.integers(0, 5000, 50)] = np.nan
    pyramid = grown(values, sizes)
    assert len(pyramid) == 5000
    assert np.array_equal(pyramid.values, values, equal_nan=True)
    for first, last, pixels in (
        (0, 5000, 100), (1, 4999, 100), (17, 3333, 7), (0, 5000, 1), (513, 700, 20), (700, 880, 10), (4096, 5000, 300),
        (123, 4567, 900), (1023, 1026, 1), (7, 10, 1), (100, 4990, 1), (100, 4990, 2),
    ):  # fmt: skip
        x, y = pyramid.view(first, last, pixels)
        assert len(x) == len(y) <= 2 * pixels
        if last - first <= 2 * pixels:
            assert np.array_equal(x, np.arange(first, last))
            assert np.array_equal(y, values[first:last], equal_nan=True)
            continue
        wanted = by_brute_force(values, first, last, level_of(first, last, pixels))
        assert np.array_equal(x[::2], [start for start, _, _ in wanted])
        assert np.array_equal(y[::2], np.array([low for _, low, _ in wanted], np.float32), equal_nan=True)
        assert np.array_equal(y[1::2], np.array([high for _, _, high in wanted], np.float32), equal_nan=True)


def test_at_every_length_while_it_grows():
    rng = np.random.default_rng(1)
    values = rng.standard_normal(300).astype(np.float32)
    pyramid = Pyramid()
    for length in range(1, 301):
        pyramid.append(values[length - 1 : length])
        _, y = pyramid.view(0, length, 8)
        assert y.min() == values[:length].min()
        assert y.max() == values[:length].max()


def test_a_view_beyond_the_ends_is_cut_and_an_empty_one_is_empty():
    pyramid = grown(np.arange(10, dtype=np.float32), (10,))
    x, y = pyramid.view(-5, 99, 50)
    assert np.array_equal(x, np.arange(10))
    assert np.array_equal(y, np.arange(10))
    assert [len(one) for one in pyramid.view(20, 30, 50)] == [0, 0]
    assert [len(one) for one in Pyramid().view(0, 10, 50)] == [0, 0]


def test_a_million_points_are_viewed_in_less_than_a_millisecond():
    values = np.random.default_rng(2).standard_normal(1_000_000).astype(np.float32)
    pyramid = grown(values, (4000,))
    for first, last in ((0, 1_000_000), (123_457, 765_432), (500_000, 520_000)):
        best = min(_seconds(pyramid, first, last) for _ in range(30))
        assert best < 1e-3, f"{best * 1e3:.2f} ms"
    x, y = pyramid.view(0, 1_000_000, 1200)
    assert len(x) > 1200
    assert y.max() == values.max()
    assert y.min() == values.min()


def _seconds(pyramid, first, last):
    begun = time.perf_counter()
    pyramid.view(first, last, 1200)
    return time.perf_counter() - begun
