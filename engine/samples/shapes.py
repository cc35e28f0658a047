"""Drawn pictures of one shape each, to sort: what a small network learns in seconds. numpy and cv2 only.

Place, size, turn, colour and ground are chance, so that nothing but the outline says which shape it is.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.samples.grounds import noise

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

LEAST = 24
"""Pixels of a side: in fewer a star is a circle."""
_FINER = 4
"""Outlines are drawn this much larger and shrunk."""
_LEAST_COVER = 16
"""Less of a pixel, of 255, is not drawn: so the box equals the changed pixels exactly."""
_LEAST_CONTRAST = 60.0
"""How far the shape's colour is from the ground's mean, in OpenCV's 8-bit L*a*b*."""


def _ring(radii: Sequence[float], first: float = -np.pi / 2) -> Points:
    """Corners around the middle at these distances, evenly turned; the first points upwards."""
    angles = first + np.arange(len(radii)) * 2 * np.pi / len(radii)
    return np.asarray(np.stack([np.cos(angles), np.sin(angles)], 1) * np.array(radii)[:, None], np.float64)


def _cross() -> Points:
    a = 0.3
    corners = [
        (-a, -1),
        (a, -1),
        (a, -a),
        (1, -a),
        (1, a),
        (a, a),
        (a, 1),
        (-a, 1),
        (-a, a),
        (-1, a),
        (-1, -a),
        (-a, -a),
    ]
    return np.array(corners, np.float64)


_OUTLINES: Mapping[str, Callable[[], Points]] = {
    "circle": lambda: _ring([0.9] * 48),
    "square": lambda: _ring([1.1] * 4, np.pi / 4),
    "triangle": lambda: _ring([1.15] * 3),
    "star": lambda: _ring([1.15, 0.48] * 5),
    "cross": _cross,
}
KINDS: tuple[str, ...] = tuple(_OUTLINES)
"""The shapes that are drawn, in the order of their numbers."""


def shapes(
    count: int, size: int = 64, seed: int = 0, kinds: Sequence[str] = KINDS
) -> tuple[Picture, NDArray[np.int64], NDArray[np.int64]]:
    """Pictures of one shape each.

    Args:
        count: how many; the kinds come in turn, so that each is there equally often.
        size: pixels of a side, at least `LEAST`.
        seed: 0 or more; the same seed gives the same pictures. Picture i depends on seed and i alone.
        kinds: which shapes, at least one of `KINDS`; a label is a place in this list.

    Returns:
        The pictures, (count, size, size, 3) uint8, BGR; their labels, (count,) int64; the shapes' boxes, (count, 4)
        int64, left, top, right, bottom in pixels, right and bottom beyond the last changed pixel.

    Raises:
        SightlineError: there is no such shape, or the pictures would be too small.
    """
    unknown = [kind for kind in kinds if kind not in _OUTLINES]
    if unknown or not kinds:
        raise SightlineError(f"There is no shape {', '.join(unknown) or 'asked for'}: choose of {', '.join(KINDS)}.")
    if size < LEAST:
        raise SightlineError(f"Shapes cannot be told apart in {size} pixels: take {LEAST} a side or more.")
    pictures = np.empty((count, size, size, 3), np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(kinds)
    boxes = np.empty((count, 4), np.int64)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        pictures[index], boxes[index] = _draw(kinds[int(labels[index])], size, rng)
    return pictures, labels, boxes


def _draw(kind: str, size: int, rng: np.random.Generator) -> tuple[Picture, NDArray[np.int64]]:
    ground = _ground(size, rng)
    cover = _cover(kind, size, rng)
    colour = _colour_unlike(ground, rng)
    grain = rng.normal(0, rng.uniform(1, 7), (size, size, 1)).astype(np.float32)
    share = cover[:, :, None].astype(np.float32) / 255
    painted = np.clip(ground * (1 - share) + (colour + grain) * share + 0.5, 0, 255).astype(np.uint8)
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    return painted, np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _cover(kind: str, size: int, rng: np.random.Generator) -> Picture:
    """How much of each pixel the shape covers, (size, size) uint8; all of it is inside."""
    radius = size * rng.uniform(0.2, 0.36)
    turn = rng.uniform(-0.35, 0.35)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    outline = _OUTLINES[kind]() @ spin * radius
    low, high = 1 - outline.min(0), size - 1 - outline.max(0)
    outline = outline + rng.uniform(low, high)
    large = np.zeros((size * _FINER, size * _FINER), np.uint8)
    cv2.fillPoly(large, [np.round(outline * _FINER * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    cover = np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    cover[cover < _LEAST_COVER] = 0
    return cover


def _ground(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Something behind it: blots, with stripes or checks on them half of the time. (size, size, 3) float32, BGR."""
    light = np.ones((size, size), np.float32)
    for cell in (3, 9, 24):
        light += np.float32(rng.uniform(0.02, 0.12)) * noise(size, size, cell, rng)
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32)
    turn, width = rng.uniform(0, np.pi), size * rng.uniform(0.04, 0.14)
    along = (xs * np.cos(turn) + ys * np.sin(turn)) / width
    across = (ys * np.cos(turn) - xs * np.sin(turn)) / width
    pattern = rng.choice(3, p=(0.5, 0.3, 0.2))
    if pattern:
        wave = np.sin(along * np.pi) if pattern == 1 else np.sin(along * np.pi) * np.sin(across * np.pi)
        light *= 1 + np.float32(rng.uniform(0.04, 0.14)) * np.tanh(4 * wave)
    colour = rng.uniform(50, 205, 3).astype(np.float32)
    return np.asarray(np.clip(light[:, :, None] * colour, 0, 255), np.float32)


def _colour_unlike(ground: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A colour that can be told from the ground's mean."""

    def lab(colour: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.cvtColor(colour.reshape(1, 1, 3).astype(np.uint8), cv2.COLOR_BGR2LAB), np.float32)

    mean = lab(ground.mean((0, 1)))
    while True:
        colour = rng.uniform(10, 245, 3).astype(np.float32)
        if np.linalg.norm(lab(colour) - mean) >= _LEAST_CONTRAST:
            return colour
