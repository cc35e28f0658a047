"""Other views of a picture that show the same: mirrored, cut, turned a little, in another light.

One warp does what is done to the places, so that the picture is resampled once.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

LEAST_AREA = 0.2
"""The smallest share of the picture's area that is cut; ImageNet's 0.08 loses the head of a cat."""
MOST_TURN = 12.0
"""Degrees to either side."""
MOST_LIGHT = 0.3
"""How far brightness, contrast and saturation stray from 1."""
_RATIO = 4 / 3
"""The widest cut's width over its height."""


def augmented(image: Image, size: int, rng: np.random.Generator) -> Image:
    """Another view of a picture.

    Args:
        image: (H, W, 3) uint8, BGR; left as it is.
        size: side of the view, pixels.
        rng: what it strays by.

    Returns:
        (size, size, 3) uint8, BGR.
    """
    return relit(_cut(image, size, rng), rng)


def _cut(image: Image, size: int, rng: np.random.Generator) -> Image:
    """A random resized cut (Szegedy et al. 2015, arXiv 1409.4842), mirrored half of the time and turned a little."""
    height, width = image.shape[:2]
    area = height * width * rng.uniform(LEAST_AREA, 1)
    ratio = np.exp(rng.uniform(-np.log(_RATIO), np.log(_RATIO)))
    wide, high = min(float(width), np.sqrt(area * ratio)), min(float(height), np.sqrt(area / ratio))
    x, y = rng.uniform(wide / 2, width - wide / 2), rng.uniform(high / 2, height - high / 2)
    turn = np.deg2rad(rng.uniform(-MOST_TURN, MOST_TURN))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    # from the view to the picture: scale to the cut, mirror, turn around its middle
    across, down = mirror * wide / size, high / size
    c, s = np.cos(turn), np.sin(turn)
    there = np.array([[c * across, -s * down], [s * across, c * down]])
    shift = np.array([x, y]) - 0.5 - there @ np.full(2, (size - 1) / 2)
    matrix = np.concatenate([there, shift[:, None]], 1)
    # what lies beyond the edge after turning is the picture mirrored
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        np.uint8,
    )


def relit(image: Image, rng: np.random.Generator) -> Image:
    """The same in another light: brightness, contrast and saturation times 0.7 to 1.3. (H, W, 3) uint8, BGR."""
    bright, contrast, colour = rng.uniform(1 - MOST_LIGHT, 1 + MOST_LIGHT, 3)
    weights = np.array([0.114, 0.587, 0.299], np.float32)
    # all three are linear in the channels, so they are one matrix
    mix = np.float32(contrast * bright) * (
        np.float32(colour) * np.eye(3, dtype=np.float32) + np.float32(1 - colour) * weights
    )
    level = float(image.reshape(-1, 3).mean(0) @ weights) * bright * (1 - contrast)
    moved = cv2.transform(image, np.concatenate([mix, np.full((3, 1), level, np.float32)], 1))
    return np.asarray(moved, np.uint8)
