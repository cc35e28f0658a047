"""Drawn points to learn from: rows of one, two or eight numbers, with a class or a number each."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LINEAR_FEATURES = 8
USUAL_NOISE = 0.1


def draw(key: str, rows: int, noise: float, seed: int, classify: bool = False) -> tuple[Floats, Floats]:
    """Rows of a drawn set; the same seed gives the same rows, bit for bit.

    Args:
        key: one of `CLASSES` or `NUMBERS`, or "linear".
        rows: how many.
        noise: 0..1, how much they are scattered; 0 draws the bare shape.
        seed: 0 or more.
        classify: of "linear" alone: whether it has two classes, or a number.

    Returns:
        The numbers, (rows, 1), (rows, 2) or for "linear" (rows, 8) float64, about -1..1 and centred ("linear" is
        normal); and (rows,) float64: the index of the class, or a number.

    Raises:
        KeyError: no such set.
    """
    rng = np.random.default_rng(seed)
    if key == "linear":
        return _linear(rng, rows, noise, classify)
    shape = CLASSES.get(key) or NUMBERS[key]
    return shape(rng, rows, noise)


def _classes(rng: np.random.Generator, rows: int, count: int) -> Floats:
    """(rows,): the classes, as equally many as can be, in any order."""
    return rng.permutation(np.arange(rows) % count).astype(np.float64)


def _scattered(rng: np.random.Generator, xy: Floats, noise: float, reach: float) -> Floats:
    return xy + noise * reach * rng.standard_normal(xy.shape)


def _lines(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """Two bands on both sides of a slanted line."""
    y = _classes(rng, rows, 2)
    along = rng.uniform(-1, 1, rows)
    across = np.where(y > 0, 1, -1) * rng.uniform(0.15, 0.6, rows)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    return _scattered(rng, 0.85 * np.stack([along, across], 1) @ turn.T, noise, 0.5), y


def _moons(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """Two half circles that reach into each other."""
    y = _classes(rng, rows, 2)
    angle = rng.uniform(0, np.pi, rows)
    side = np.where(y > 0, -1, 1)
    xy = np.stack([side * (np.cos(angle) - 0.5), side * (np.sin(angle) - 0.25)], 1) / 1.5
    return _scattered(rng, xy, noise, 0.7), y


def _circles(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """A disc within a ring: the disc is class 1."""
    y = _classes(rng, rows, 2)
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = np.where(y > 0, rng.uniform(0, 0.5, rows), rng.uniform(0.7, 1, rows))
    return _scattered(rng, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), noise, 0.6), y


def _xor(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """Four quarters of a square, those across from each other alike."""
    y = _classes(rng, rows, 2)
    left = np.where(rng.random(rows) < 0.5, -1, 1)
    xy = rng.uniform(0.06, 1, (rows, 2)) * np.stack([left, np.where(y > 0, left, -left)], 1)
    return _scattered(rng, xy, noise, 0.5), y


def _blobs(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """Three clouds around the corners of a triangle."""
    y = _classes(rng, rows, 3)
    angle = 2 * np.pi * y / 3 + np.pi / 2
    middle = 0.6 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return middle + (0.08 + noise * 0.6) * rng.standard_normal((rows, 2)), y


def _arms(arms: int, turns: float) -> Callable[[np.random.Generator, int, float], tuple[Floats, Floats]]:
    def drawn(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
        """Arms that wind around the middle."""
        y = _classes(rng, rows, arms)
        far = np.sqrt(rng.uniform(0.01, 1, rows))
        angle = 2 * np.pi * (turns * far + y / arms)
        return _scattered(rng, far[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1), noise, 0.4), y

    return drawn


def _line(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """One number, and another that is a straight line of it."""
    x = rng.uniform(-1, 1, (rows, 1))
    return x, 0.8 * x[:, 0] + 0.2 + noise * rng.standard_normal(rows)


def _wave(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """One number, and a sine of it."""
    x = rng.uniform(-1, 1, (rows, 1))
    return x, np.sin(np.pi * x[:, 0]) + noise * rng.standard_normal(rows)


def _plane(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """Two numbers, and a slanted plane over them."""
    xy = rng.uniform(-1, 1, (rows, 2))
    return xy, (xy[:, 0] + xy[:, 1]) / 2 + noise * rng.standard_normal(rows)


def _hills(rng: np.random.Generator, rows: int, noise: float) -> tuple[Floats, Floats]:
    """Two numbers, and hills and hollows over them: three up, three down, as in TensorFlow's Playground."""
    xy = rng.uniform(-1, 1, (rows, 2))
    tops = np.array([[-2 / 3, 0.4], [0, 0.4], [2 / 3, 0.4], [-2 / 3, -0.4], [0, -0.4], [2 / 3, -0.4]])
    signs = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    far = np.hypot(xy[:, None, 0] - tops[:, 0], xy[:, None, 1] - tops[:, 1])
    high = signs * np.clip(1 - far / 0.4, 0, None)
    highest = high[np.arange(rows), np.abs(high).argmax(1)]
    return xy, highest + noise * rng.standard_normal(rows)


def _linear(rng: np.random.Generator, rows: int, noise: float, classify: bool) -> tuple[Floats, Floats]:
    """Eight normal numbers, and a weighted sum of them or the side of 0 it is on."""
    x = rng.standard_normal((rows, LINEAR_FEATURES))
    said = x @ rng.standard_normal(LINEAR_FEATURES) + 0.5
    # at the usual noise the factor is exactly 1
    factor = noise / USUAL_NOISE
    if classify:
        return x, (said + factor * rng.logistic(size=rows) > 0).astype(np.float64)
    return x, said + factor * 0.5 * rng.standard_normal(rows)


Shape = Callable[[np.random.Generator, int, float], tuple[Floats, Floats]]
CLASSES: dict[str, Shape] = {
    "lines": _lines,
    "moons": _moons,
    "circles": _circles,
    "xor": _xor,
    "blobs": _blobs,
    "spirals": _arms(2, 1.25),
    "three spirals": _arms(3, 0.8),
}
"""Sets with classes, all of two numbers, simplest first."""
NUMBERS: dict[str, Shape] = {"line": _line, "wave": _wave, "plane": _plane, "hills": _hills}
"""Sets with a number to tell: from one number, then from two."""
