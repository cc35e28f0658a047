"""Backdrops for the drawn scenes: paving, lawn, asphalt, soft noise and shadows. numpy and cv2 only."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.samples.cutout import Colour, lay
from engine.samples.sprites import PROPS, random_look, sprite

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

STONES: tuple[Colour, ...] = ((178, 194, 206), (186, 186, 184), (150, 172, 200), (172, 180, 172))
GRASSES: tuple[Colour, ...] = ((92, 150, 118), (84, 138, 98), (96, 158, 142))


def noise(width: int, height: int, cell: int, rng: np.random.Generator) -> Floats:
    """Soft noise, (height, width) float32, mean 0, about -1..1; `cell` is the size of its blots in pixels."""
    coarse = rng.standard_normal((height // cell + 3, width // cell + 3)).astype(np.float32)
    smooth = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth[cell : cell + height, cell : cell + width] * 0.6, np.float32)


def _tinted(colour: Colour, light: Floats) -> Picture:
    """The colour times a light map (1 is unchanged)."""
    picture = light[:, :, None] * np.array(colour, np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def paving(width: int, height: int, slab: int, colour: Colour, rng: np.random.Generator) -> Picture:
    """Slabs in running bond seen from above, each a little different, with joints. (height, width, 3) uint8, BGR."""
    ys, xs = np.mgrid[0:height, 0:width]
    rows = ys // slab
    shifted = xs + (rows % 2) * slab
    columns = shifted // (2 * slab)
    tints = 1 + 0.055 * rng.standard_normal((int(rows.max()) + 1, int(columns.max()) + 1)).astype(np.float32)
    light = tints[rows, columns]
    joint = max(1, slab // 14)
    light[(ys % slab < joint) | (shifted % (2 * slab) < joint)] *= 0.80
    light += 0.035 * noise(width, height, 48, rng) + 0.02 * rng.standard_normal((height, width)).astype(np.float32)
    return _tinted(colour, light)


def lawn(width: int, height: int, colour: Colour, rng: np.random.Generator) -> Picture:
    """Grass with the stripes that a mower leaves. (height, width, 3) uint8, BGR."""
    xs = np.arange(width, dtype=np.float32)[None, :]
    light = (
        1 + 0.03 * np.sign(np.sin(xs / 46)) + 0.06 * noise(width, height, 30, rng) + 0.05 * noise(width, height, 4, rng)
    )
    return _tinted(colour, np.asarray(light, np.float32))


def asphalt(width: int, height: int, rng: np.random.Generator) -> Picture:
    """A dark road surface. (height, width, 3) uint8, BGR."""
    grain = 0.05 * rng.standard_normal((height, width)).astype(np.float32)
    return _tinted((116, 112, 108), 1 + 0.05 * noise(width, height, 64, rng) + grain)


def perspective(flat: Picture, width: int, height: int, far: float = 0.5) -> Picture:
    """A floor seen from above laid down before the viewer; its far edge is shrunk to `far` of the near one."""
    h, w = flat.shape[:2]
    near = w * far / 2
    source = np.array([[0, 0], [w, 0], [w / 2 + near, h], [w / 2 - near, h]], np.float32)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    return np.asarray(cv2.warpPerspective(flat, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def shade(picture: Picture, rng: np.random.Generator, blots: int = 18) -> Picture:
    """The picture under the broken shadow of trees and a house, in soft light. (H, W, 3) uint8, BGR."""
    h, w = picture.shape[:2]
    quarter = np.ones((h // 4, w // 4), np.float32)
    qh, qw = quarter.shape
    for _ in range(blots):
        centre = (int(rng.integers(-qw // 8, qw // 2)), int(rng.integers(qh // 4, qh + qh // 8)))
        axes = (int(rng.integers(qw // 40 + 1, qw // 10 + 2)), int(rng.integers(qh // 60 + 1, qh // 16 + 2)))
        cv2.ellipse(quarter, centre, axes, float(rng.integers(-20, 20)), 0, 360, 0.80, -1)
    edge = int(qw * rng.uniform(0.72, 0.9))
    lean = int(qw * rng.uniform(0.1, 0.25))
    house = np.array([[edge, qh], [edge + lean, qh // 2], [qw, qh // 2], [qw, qh]], np.int32)
    cv2.fillPoly(quarter, [house], 0.82)
    quarter = cv2.GaussianBlur(quarter, (0, 0), 1.2)
    light = cv2.resize(quarter, (w, h), interpolation=cv2.INTER_LINEAR)
    light *= np.linspace(1.03, 0.96, h, dtype=np.float32)[:, None]
    return np.asarray(np.clip(picture * light[:, :, None], 0, 255), np.uint8)


def street(width: int, height: int, rng: np.random.Generator, horizon: float = 0.17) -> Picture:
    """A square with a road and a lawn behind it, (height, width, 3) uint8, BGR.

    From the top: lawn with trees, kerb, road (its lanes at 0.27 and 0.36 of the height), kerb, paving in perspective.
    """
    stone, grass = STONES[int(rng.integers(len(STONES)))], GRASSES[int(rng.integers(len(GRASSES)))]
    picture = np.zeros((height, width, 3), np.uint8)
    rows = [round(height * part) for part in (0, horizon, horizon + 0.03, 0.385, 0.42, 1)]
    picture[: rows[1]] = lawn(width, rows[1], grass, rng)
    picture[rows[1] : rows[2]] = paving(width, rows[2] - rows[1], 14, stone, rng)
    picture[rows[2] : rows[3]] = asphalt(width, rows[3] - rows[2], rng)
    middle = (rows[2] + rows[3]) // 2
    for x in range(int(rng.integers(0, 40)), width, 64):
        cv2.line(picture, (x, middle), (x + 30, middle), (206, 212, 214), 2, cv2.LINE_AA)
    kerb = rows[4] - rows[3]
    picture[rows[3] : rows[4]] = _tinted(stone, np.full((kerb, width), 1.12, np.float32))
    cv2.line(picture, (0, rows[4] - 1), (width, rows[4] - 1), (130, 136, 140), 2)
    cv2.line(picture, (0, rows[3]), (width, rows[3]), (92, 90, 88), 1)
    square = height - rows[4]
    flat = paving(round(width * 1.9), round(square * 1.5), 30, stone, rng)
    picture[rows[4] :] = perspective(flat, width, square)
    trees = max(2, width // 120)
    for i in range(trees):
        look = random_look("tree", int(height * rng.uniform(0.20, 0.30)), rng)
        x = int((i + rng.uniform(0.2, 0.8)) * width / trees)
        lay(picture, sprite(look), x, round(height * (horizon - 0.01 + rng.uniform(-0.03, 0.0))))
    return shade(picture, rng)


def park(width: int, height: int, rng: np.random.Generator) -> Picture:
    """A lawn crossed by a paved path, with trees at the far side. (height, width, 3) uint8, BGR."""
    grass, stone = GRASSES[int(rng.integers(len(GRASSES)))], STONES[int(rng.integers(len(STONES)))]
    picture = lawn(width, height, grass, rng)
    path = perspective(paving(round(width * 1.6), height, 24, stone, rng), width, height)
    mask = np.zeros((height, width), np.uint8)
    xs = np.linspace(0, width, 60)
    bend = height * 0.04 * np.sin(xs / width * 5 + rng.uniform(0, 6))
    upper, lower = height * 0.48 + bend, height * 0.86 + bend
    outline = np.concatenate([np.stack([xs, upper], 1), np.stack([xs, lower], 1)[::-1]]).astype(np.int32)
    cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA)
    mix = cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32)[:, :, None] / 255
    picture = np.clip(picture * (1 - mix) + path * mix, 0, 255).astype(np.uint8)
    for i in range(max(3, width // 130)):
        look = random_look("tree", int(height * rng.uniform(0.22, 0.36)), rng)
        lay(picture, sprite(look), int((i + rng.uniform(0, 0.9)) * 130), round(height * rng.uniform(0.20, 0.30)))
    return shade(picture, rng, 26)


def any_ground(width: int, height: int, rng: np.random.Generator) -> Picture:
    """Some backdrop, as varied as the training wants it: the scenes' own, bare floors, blots, stripes, rectangles."""
    choice = int(rng.choice(7, p=(0.33, 0.2, 0.12, 0.07, 0.10, 0.09, 0.09)))
    if choice < 2:
        # a part of a larger picture: the figures are larger in it than they would be in the whole
        whole = (street, park)[choice](2 * width, 2 * height, rng)
        left, top = int(rng.integers(0, width + 1)), int(rng.integers(0, height + 1))
        return whole[top : top + height, left : left + width].copy()
    if choice == 2:
        slab = int(rng.integers(10, 60))
        return paving(width, height, slab, STONES[int(rng.integers(len(STONES)))], rng)
    if choice == 3:
        return lawn(width, height, GRASSES[int(rng.integers(len(GRASSES)))], rng)
    base = tuple(int(c) for c in rng.integers(30, 230, 3))
    light = 1 + sum(rng.uniform(0.02, 0.12) * noise(width, height, cell, rng) for cell in (5, 17, 60))
    picture = _tinted((base[0], base[1], base[2]), np.asarray(light, np.float32))
    if choice == 5:
        for _ in range(int(rng.integers(3, 14))):
            p, q = (tuple(int(v) for v in rng.integers(0, (width, height))) for _ in range(2))
            colour = tuple(int(c) for c in rng.integers(20, 240, 3))
            cv2.rectangle(picture, p, q, colour, -1 if rng.random() < 0.5 else int(rng.integers(1, 6)), cv2.LINE_AA)
    if choice == 6:
        for _ in range(int(rng.integers(3, 16))):
            p, q = (tuple(int(v) for v in rng.integers(0, (width, height))) for _ in range(2))
            colour = tuple(int(c) for c in rng.integers(20, 240, 3))
            cv2.line(picture, p, q, colour, int(rng.integers(1, 14)), cv2.LINE_AA)
            cv2.circle(picture, q, int(rng.integers(3, 40)), colour, int(rng.integers(1, 5)), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        prop = PROPS[int(rng.integers(len(PROPS)))]
        look = random_look(prop, int(rng.integers(30, max(40, height // 2))), rng)
        lay(picture, sprite(look), int(rng.integers(0, width)), int(rng.integers(height // 4, height)))
    return picture
