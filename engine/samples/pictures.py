"""Drawn pictures that a detector can be trained on: every size, place, overlap and light. numpy and cv2 only."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.samples.cutout import Sprite, lay
from engine.samples.grounds import any_ground
from engine.samples.sprites import KINDS, PHASES, PROPS, STANDING, cut_out, random_look, soft_shadow

LEAST_SEEN = 0.25
"""A figure of which less is seen is not in a training picture's truth."""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A drawn picture and what is in it.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        boxes: (n, 4) float32, left, top, right, bottom in pixels, around all that is in the picture, hidden or not.
        classes: (n,) int64, indices into `KINDS`.
        seen: (n,) float32, the share of each figure's pixels that is seen.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    seen: NDArray[np.float32]


def boxes_and_shares(
    placed: list[tuple[Sprite, int, int]], width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where figures drawn one after the other are in a picture, and how much of each is seen.

    Args:
        placed: cut-out and the point where it stands, in the order of drawing.
        width, height: of the picture in pixels.

    Returns:
        Boxes, (n, 4) float32, left, top, right, bottom, around what is inside the picture (right <= left where nothing
        is), and the shares, (n,) float32: solid pixels that are in the picture and not covered by later figures.
    """
    boxes, shares = np.zeros((len(placed), 4), np.float32), np.zeros(len(placed), np.float32)
    free = np.ones((height, width), np.bool_)
    for i in range(len(placed) - 1, -1, -1):  # from the front
        cut, x, y = placed[i]
        left, top = x + cut.dx, y + cut.dy
        h, w = cut.solid.shape
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, width), min(top + h, height)
        boxes[i] = x0, y0, x1, y1
        if x0 >= x1 or y0 >= y1:
            continue
        if x1 - x0 < w or y1 - y0 < h:  # of what the picture's edge cuts off, the rest may be lower or narrower
            rest = cut.keep[y0 - top : y1 - top, x0 - left : x1 - left, 0]
            rx, ry, rw, rh = cv2.boundingRect((rest < 255).astype(np.uint8))
            boxes[i] = x0 + rx, y0 + ry, x0 + rx + rw, y0 + ry + rh
        solid = cut.solid[y0 - top : y1 - top, x0 - left : x1 - left]
        below = free[y0:y1, x0:x1]
        shares[i] = np.count_nonzero(below & solid) / max(cut.pixels, 1)
        below &= ~solid
    return boxes, shares


def training_pictures(n: int, seed: int, size: int = 256) -> Iterator[LabelledPicture]:
    """Square pictures with 0 to 20 figures of every class, for training and validation.

    Args:
        n: how many.
        seed: the same seed gives the same pictures.
        size: side in pixels; walkers are 25 to 170 pixels high whatever it is, the others to match.
    """
    for number in range(n):
        yield _picture(np.random.default_rng((seed, number)), size)


def _picture(rng: np.random.Generator, size: int) -> LabelledPicture:
    image = any_ground(size, size, rng)
    count = int(rng.integers(0, 21)) if rng.random() < 0.3 else int(rng.integers(2, 9))
    scale = float(np.exp(rng.uniform(np.log(34), np.log(130))))
    placed: list[tuple[Sprite, int, int, int]] = []
    heights = {"walker": 1.0, "car": 0.58, "ball": 0.28, "dog": 0.5, "kite": 0.75}
    for _ in range(count):
        number = int(rng.choice(len(KINDS), p=(0.40, 0.13, 0.17, 0.19, 0.11)))
        kind = KINDS[number]
        high = scale * heights[kind] * rng.uniform(0.75, 1.3)
        high = max(10, int(high))
        phase = STANDING if rng.random() < 0.15 else int(rng.integers(PHASES))
        cut = cut_out(random_look(kind, high, rng), phase, bool(rng.random() < 0.5))
        if placed and rng.random() < 0.3:  # beside another one, so that overlaps are common
            near = placed[int(rng.integers(len(placed)))]
            x, y = near[1] + int(rng.normal(0, high * 0.4)), near[2] + int(rng.normal(0, high * 0.25))
        else:
            x, y = int(rng.integers(-10, size + 10)), int(rng.integers(high // 2, size + high // 4))
        placed.append((cut, x, y, number))
    for _ in range(int(rng.integers(0, 3))):
        prop = PROPS[int(rng.integers(len(PROPS)))]
        high = int(np.clip(scale * rng.uniform(0.5, 1.8), 20, 260))
        place = int(rng.integers(0, size)), int(rng.integers(high // 2, size + high // 4))
        placed.append((cut_out(random_look(prop, high, rng)), *place, -1))
    placed.sort(key=lambda one: one[2])
    if rng.random() < 0.8:
        for cut, x, y, number in placed:
            if number != KINDS.index("kite"):
                w = cut.solid.shape[1]
                lay(image, soft_shadow(max(3, int(w * 0.6)), max(2, w // 5)), x, y)
    for cut, x, y, _number in placed:
        lay(image, cut, x, y)
    boxes, seen = boxes_and_shares([one[:3] for one in placed], size, size)
    classes = np.array([one[3] for one in placed], np.int64).reshape(-1)
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = (classes >= 0) & (seen >= LEAST_SEEN) & (sides > 4).all(1)
    return LabelledPicture(_camera(image, rng), boxes[kept], classes[kept], seen[kept])


def _camera(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a camera and a codec do to a picture: blur, light, noise, blocks."""
    if rng.random() < 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.0))), np.uint8)
    values = image.astype(np.float32)
    if rng.random() < 0.5:
        tint = rng.uniform(0.92, 1.08, 3).astype(np.float32)
        values = (values - 128) * rng.uniform(0.8, 1.15) + 128 + rng.uniform(-25, 25)
        values *= tint
    if rng.random() < 0.4:
        values += rng.standard_normal(values.shape, np.float32) * np.float32(rng.uniform(1, 7))
    image = np.clip(values, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image
