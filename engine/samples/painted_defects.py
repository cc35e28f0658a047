"""Defects painted onto any picture, to see how well a method finds them where no real ones may be looked at.

The kinds are those that surfaces have in common; "patch" is CutPaste (Li et al. 2021, arXiv 2104.04015).
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from engine.errors import SightlineError
from engine.samples.grounds import noise
from engine.samples.marks import (
    Floats,
    Picture,
    blot,
    centred,
    changed,
    enough,
    mix,
    somewhere,
    strength_of,
    stroke,
    unit,
    wander,
)

_Paint = Callable[[Floats, np.random.Generator, float], Floats]
TURN = 2 * np.pi


def paint_defect(image: Picture, kind: str | None, seed: int) -> tuple[Picture, Picture]:
    """A picture with a painted defect.

    Args:
        image: (H, W, 3) uint8, BGR, 16 pixels a side or more; left as it is. A grey picture stays grey.
        kind: one of `GENERIC_KINDS`; None is any of them. Where it cannot be seen (a blur of what is flat),
            "contamination" is painted instead.
        seed: 0 or more; the same seed gives the same defect. Consecutive seeds run evenly from subtle to obvious.

    Returns:
        The picture, (H, W, 3) uint8, BGR, and its mask, (H, W) uint8: 255 where the defect is seen, 0 where the
        picture is as it was to the bit.

    Raises:
        SightlineError: there is no such kind, or the picture is too small.
    """
    if kind is not None and kind not in _PAINTS:
        raise SightlineError(f"There is no painted defect {kind!r}: choose one of {', '.join(GENERIC_KINDS)}.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is {image.shape} {image.dtype}, expected (H, W, 3) uint8")
    if min(image.shape[:2]) < 16:
        raise SightlineError(
            f"{image.shape[1]} x {image.shape[0]} pixels are too few to paint a defect on: take 16 a side or more."
        )
    strength = strength_of(seed)
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    painted, mask = image, np.zeros(image.shape[:2], np.uint8)
    for attempt in range(16):
        rng = np.random.default_rng([seed, 77, attempt])
        # what cannot be seen is tried elsewhere and plainer; a blur of what is flat never is
        any_kind = GENERIC_KINDS[int(rng.integers(len(GENERIC_KINDS)))]
        chosen = "contamination" if attempt >= 8 else kind or any_kind
        values = _PAINTS[chosen](image.astype(np.float32), rng, min(1.0, strength + attempt * 0.12))
        if grey:
            values = cv2.merge([values.mean(2)] * 3)
        painted, mask = changed(image, np.asarray(np.clip(values + 0.5, 0, 255), np.uint8))
        if enough(mask):
            break
    return painted, mask


def _grain(image: Floats, rng: np.random.Generator) -> Floats:
    """Noise as strong as the picture's own, (H, W, 1): what is painted without it would stand out by that alone."""
    flat = image - cv2.GaussianBlur(image, (0, 0), 1.2)
    # the median is not led astray by outlines
    strong = float(np.median(np.abs(flat))) * 1.5
    return rng.standard_normal((*image.shape[:2], 1), np.float32) * np.float32(strong)


def _tone(image: Floats, cover: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A colour that differs from what it is laid on: darker, lighter, or tinted."""
    under = (image * cover[:, :, None]).sum((0, 1)) / max(float(cover.sum()), 1e-3)
    level = float(under.mean())
    step = 30 + 120 * strength
    # away from the nearer end, mostly
    up = rng.random() < (0.85 if level < 80 else 0.15 if level > 175 else 0.5)
    tone = under + (step if up else -step)
    if rng.random() < 0.4:
        tone = tone + rng.normal(0, 45, 3)
    return np.asarray(np.clip(tone, 4, 251), np.float32)


def _lay(image: Floats, cover: Floats, colour: Floats, rng: np.random.Generator) -> Floats:
    return mix(image, colour + _grain(image, rng), cover)


def _scratch(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """One or a few nearly straight lines, lighter on one side."""
    h, w = image.shape[:2]
    u, angle = unit(h, w), rng.uniform(0, TURN)
    middle = somewhere(h, w, rng, 0.2)
    for _ in range(int(rng.integers(1, 4))):
        at = middle[0] + u * rng.normal(0, 10), middle[1] + u * rng.normal(0, 10)
        length = u * rng.uniform(20, 60 + 110 * strength)
        path = centred(wander((0, 0), angle + rng.normal(0, 0.15), length, rng, 0.04), at)
        thick = max(0.45, u * (0.4 + 1.3 * strength))
        cover = stroke(h, w, path, np.linspace(thick, thick * 0.4, len(path)))[0]
        shine = stroke(h, w, path + np.array([0.8, 0.9]), thick * 0.5)[0] * (1 - cover)
        tone = _tone(image, cover, rng, strength)
        image = _lay(image, cover * np.float32(0.5 + 0.45 * strength), tone, rng)
        image = mix(image, image + 40, np.asarray(shine * strength, np.float32))
    return image


def _crack(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A jagged dark line with branches."""
    h, w = image.shape[:2]
    u, angle = unit(h, w), rng.uniform(0, TURN)
    length, thick = u * rng.uniform(40, 90 + 110 * strength), max(0.5, u * (0.6 + 1.5 * strength))
    main = centred(wander((0, 0), angle, length, rng, 0.45, 4, 0.3), somewhere(h, w, rng, 0.22))
    cover = stroke(h, w, main, np.linspace(thick, thick * 0.35, len(main)))[0]
    for _ in range(int(rng.integers(0, 4))):
        start = main[int(rng.integers(len(main)))]
        side = angle + rng.choice((-1, 1)) * rng.uniform(0.5, 1.3)
        branch = wander((start[0], start[1]), side, length * rng.uniform(0.12, 0.4), rng, 0.45, 4, 0.3)
        cover = np.maximum(cover, stroke(h, w, branch, np.linspace(thick * 0.7, thick * 0.25, len(branch)))[0])
    # black on black is no crack: there it is filled with dust
    under = float((image.mean(2) * cover).sum() / max(float(cover.sum()), 1e-3))
    inside = image * 0.2 if under > 45 else image + 90
    return mix(image, np.asarray(inside, np.float32), cover * np.float32(0.35 + 0.6 * strength))


def _stain(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A soft spot that the surface shows through."""
    h, w = image.shape[:2]
    u = unit(h, w)
    radius = u * rng.uniform(8, 34)
    cover = blot(h, w, somewhere(h, w, rng), (radius, radius * rng.uniform(0.5, 1)), rng, 0.25, rng.uniform(0.15, 0.7))
    spots = np.clip(0.85 + 0.3 * noise(w, h, max(3, round(8 * u)), rng), 0, 1)
    tone = _tone(image, cover, rng, strength)
    return mix(image, tone, np.asarray(cover * spots * (0.15 + 0.4 * strength), np.float32))


def _contamination(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """Something small and solid that lies on it, with a shadow."""
    h, w = image.shape[:2]
    u = unit(h, w)
    middle = somewhere(h, w, rng)
    for number in range(int(rng.integers(1, 4))):
        at = middle[0] + number * u * rng.normal(0, 16), middle[1] + number * u * rng.normal(0, 16)
        radius = max(2.0, u * rng.uniform(2.5, 6 + 10 * strength))
        cover = blot(h, w, at, (radius, radius * rng.uniform(0.4, 1)), rng, 0.4, 0.12)
        lump = noise(w, h, max(2, round(radius * 0.6)), rng)[:, :, None]
        tone = _tone(image, cover, rng, 0.35 + 0.65 * strength) * (1 + 0.12 * lump)
        move = np.array([[1, 0, 1.5 * u], [0, 1, 1.8 * u]], np.float32)
        shade = cv2.GaussianBlur(cv2.warpAffine(cover, move, (w, h)), (0, 0), max(0.6, 1.2 * u)) * (1 - cover)
        image = mix(image, image * 0.7, np.asarray(shade * strength, np.float32))
        image = _lay(image, cover * np.float32(0.6 + 0.4 * strength), np.asarray(tone, np.float32), rng)
    return image


def _blur(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A place where the surface is smeared."""
    h, w = image.shape[:2]
    u = unit(h, w)
    radii = u * rng.uniform(14, 40), u * rng.uniform(10, 26)
    cover = blot(h, w, somewhere(h, w, rng), radii, rng, 0.3, 0.3)
    if rng.random() < 0.5:
        smeared = cv2.GaussianBlur(image, (0, 0), max(1.0, u * (1.2 + 3.5 * strength)))
    else:
        length = max(3, round(u * (5 + 22 * strength)))
        line, turn = np.zeros((2 * length + 1,) * 2, np.float32), rng.uniform(0, np.pi)
        dx, dy = round(length * np.cos(turn)), round(length * np.sin(turn))
        cv2.line(line, (length - dx, length - dy), (length + dx, length + dy), 1.0)
        smeared = cv2.filter2D(image, -1, line / line.sum())
    return mix(image, smeared + _grain(image, rng) * 0.5, cover * np.float32(0.6 + 0.4 * strength))


def _patch(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A piece cut from elsewhere in the picture, turned, and pasted: a rectangle, a thin strip, or an odd shape."""
    h, w = image.shape[:2]
    u = unit(h, w)
    long, short = u * rng.uniform(16, 34 + 40 * strength), u * rng.uniform(10, 34)
    shape = int(rng.integers(3))
    if shape == 1:
        short = u * rng.uniform(2.5, 7)
    x, y = somewhere(h, w, rng, 0.2)
    angle, away = rng.uniform(0, 180), rng.uniform(0, TURN)
    far = max(long, 0.3 * min(h, w))
    # the picture goes on mirrored beyond its edges
    turned = cv2.getRotationMatrix2D(
        (x + far * np.cos(away), y + far * np.sin(away)), float(rng.choice((90, 180, 270, angle))), 1.0
    )
    turned[:, 2] -= (far * np.cos(away), far * np.sin(away))
    other = cv2.warpAffine(image, turned, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if shape == 2:
        cover = blot(h, w, (x, y), (long / 2, short / 2), rng, 0.3, 0.1)
    else:
        box = cv2.boxPoints(((x * 16, y * 16), (long * 16, short * 16), angle)).astype(np.int32)
        flat = np.zeros((h, w), np.uint8)
        cv2.fillPoly(flat, [box], 255, cv2.LINE_AA, 4)
        cover = np.asarray(flat / np.float32(255), np.float32)
    jitter = 1 + rng.uniform(-0.25, 0.25, 3) * strength * (0.4 if rng.random() < 0.5 else 1)
    return mix(image, np.asarray(other * jitter.astype(np.float32), np.float32), cover)


def _dent(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A shallow hollow or bump: light on one side, shadow on the other, nothing else."""
    h, w = image.shape[:2]
    u = unit(h, w)
    radius = u * rng.uniform(7, 28)
    bump = blot(h, w, somewhere(h, w, rng), (radius, radius * rng.uniform(0.6, 1)), rng, 0.12, 1.0)
    turn = rng.uniform(0, TURN)
    slope = np.float32(np.cos(turn)) * cv2.Sobel(bump, cv2.CV_32F, 1, 0) + np.float32(np.sin(turn)) * cv2.Sobel(
        bump, cv2.CV_32F, 0, 1
    )
    slope = slope / max(float(np.abs(slope).max()), 1e-6)
    light = np.asarray(slope * np.float32(0.12 + 0.5 * strength), np.float32)[:, :, None]
    # dark pictures show little of a factor
    return np.asarray(image * (1 + light) + 24 * light, np.float32)


def _line(image: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """A faint long line or hair, little lighter or darker than what it lies on."""
    h, w = image.shape[:2]
    u = unit(h, w)
    length = u * rng.uniform(60, 230)
    path = centred(
        wander((0, 0), rng.uniform(0, TURN), length, rng, rng.uniform(0.02, 0.25)), somewhere(h, w, rng, 0.3)
    )
    cover = stroke(h, w, path, max(0.5, u * rng.uniform(0.5, 1.5)))[0]
    step = np.float32((14 + 55 * strength) * (1 if image.mean() < 90 or rng.random() < 0.5 else -1))
    return np.asarray(image + cover[:, :, None] * step, np.float32)


_PAINTS: Mapping[str, _Paint] = {
    "scratch": _scratch,
    "crack": _crack,
    "stain": _stain,
    "contamination": _contamination,
    "blur": _blur,
    "patch": _patch,
    "dent": _dent,
    "line": _line,
}
GENERIC_KINDS: tuple[str, ...] = tuple(_PAINTS)
"""The kinds that `paint_defect` knows."""
