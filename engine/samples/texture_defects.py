"""What goes wrong with tile, leather and wire mesh, done to the surface before light falls on it.

Each defect takes a surface, a random generator and a strength in 0..1 (0 is hard to see, 1 is plain) and returns
another surface; it leaves the one it was given alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np

from engine.samples.grounds import noise
from engine.samples.marks import Points, blot, centred, mix, somewhere, stroke, unit, wander
from engine.samples.surfaces import Bend, Floats, Gap, Mesh, Surface

Defect = Callable[[Surface, np.random.Generator, float], Surface]
TURN = 2 * np.pi


def _soft(values: Floats, by: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), by), np.float32)


def _size(surface: Surface) -> tuple[int, int, float]:
    h, w = surface.height.shape
    return h, w, unit(h, w)


def _taper(count: int, thick: float, ends: float = 0.3) -> Points:
    """Thickness along a path: full in the middle, `ends` of it at both ends."""
    return thick * (ends + (1 - ends) * np.sin(np.linspace(0.12, np.pi - 0.12, count)))


# ---- tile


def crack(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A crack with branches, from a rim or within."""
    h, w, u = _size(surface)
    angle = rng.uniform(0, TURN)
    length = u * 256 * rng.uniform(0.3, 0.6 + 0.6 * strength)
    thick = max(0.5, u * (0.65 + 1.5 * strength * rng.uniform(0.6, 1)))
    main = centred(wander((0, 0), angle, length, rng, 0.45, 4 * max(u, 0.5), 0.3), somewhere(h, w, rng, 0.25))
    cover, away = stroke(h, w, main, np.linspace(thick, thick * 0.4, len(main)))
    for _ in range(int(rng.integers(0, 3))):
        start = main[int(rng.integers(len(main)))]
        side = angle + rng.choice((-1, 1)) * rng.uniform(0.5, 1.2)
        branch = wander((start[0], start[1]), side, length * rng.uniform(0.15, 0.4), rng, 0.45, 4 * max(u, 0.5), 0.3)
        more = stroke(h, w, branch, np.linspace(thick * 0.7, thick * 0.25, len(branch)))
        cover, away = np.maximum(cover, more[0]), np.minimum(away, more[1])
    chipped = np.clip(2.2 - away, 0, 1) * (1 - cover) * np.clip(0.4 + noise(w, h, 5, rng), 0, 1)
    colour = mix(surface.colour, 215.0, chipped * (0.5 * strength))
    colour = mix(colour, colour * 0.18, cover * (0.5 + 0.5 * strength))
    return replace(surface, colour=colour, height=surface.height - cover * np.float32(1.2 * strength))


def glue_strip(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A strip of adhesive tape or its glue: straight sides, milky, glossy, with bubbles."""
    h, w, u = _size(surface)
    width, length = u * rng.uniform(9, 20), u * 256 * rng.uniform(0.3, 0.85)
    path = centred(wander((0, 0), rng.uniform(0, TURN), length, rng, 0.0), somewhere(h, w, rng, 0.25))
    cover, away = stroke(h, w, path, width)
    turn = path[-1] - path[0]
    turn = turn / np.hypot(*turn)
    xs, ys = np.arange(w)[None, :] - path[0][0], np.arange(h)[:, None] - path[0][1]
    along = xs * turn[0] + ys * turn[1]
    # torn off: the ends are nearly straight
    cover = cover * np.clip(along + 1.5 * noise(w, h, 4, rng), 0, 1) * np.clip(length - along, 0, 1)
    cover = np.asarray(cover, np.float32)
    bubbles = np.clip(noise(w, h, max(3, round(6 * u)), rng) - 0.35, 0, 1)
    paste = np.array([196, 218, 226], np.float32) * np.float32(rng.uniform(0.75, 1.05))
    alpha = cover * (0.3 + 0.45 * strength) * (1 - 0.5 * bubbles)
    rim = np.clip(1 - np.abs(away - 0.95) * 7, 0, 1) * cover
    colour = mix(mix(surface.colour, paste, alpha), surface.colour * 0.7, rim * (0.2 + 0.3 * strength))
    height = surface.height + _soft(cover * (0.8 + 1.5 * bubbles), 1.2) * np.float32(0.4 + 1.2 * strength)
    return replace(surface, colour=colour, height=height, gloss=surface.gloss + cover * np.float32(0.12 * strength))


def gray_stroke(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """Strokes of a dry grey brush."""
    h, w, u = _size(surface)
    colour, angle = surface.colour, rng.uniform(0, TURN)
    paint = np.array([104, 102, 100], np.float32) * np.float32(rng.uniform(0.7, 1.1))
    middle = somewhere(h, w, rng, 0.2)
    for _ in range(int(rng.integers(1, 4))):
        length = u * 256 * rng.uniform(0.12, 0.45)
        at = (middle[0] + u * rng.normal(0, 18), middle[1] + u * rng.normal(0, 18))
        path = centred(wander((0, 0), angle + rng.normal(0, 0.2), length, rng, 0.06, 8 * max(u, 0.4)), at)
        cover, _away = stroke(h, w, path, _taper(len(path), max(1.0, u * rng.uniform(8, 17)), 0.5))
        hairs = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 0.9) * 2
        hairs = 0.6 * hairs + noise(w, h, max(3, round(7 * u)), rng)
        alpha = cover * np.clip(0.85 + 0.4 * hairs, 0, 1) * np.float32(0.5 + 0.45 * strength)
        colour = mix(colour, paint, alpha)
    return replace(surface, colour=colour)


def oil(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """Drops that soaked in: darker, yellowish, glossy."""
    h, w, u = _size(surface)
    cover = np.zeros((h, w), np.float32)
    middle = somewhere(h, w, rng, 0.2)
    for number in range(int(rng.integers(1, 5))):
        radius = u * (rng.uniform(15, 38) if number == 0 else rng.uniform(3, 11))
        spread = 0 if number == 0 else u * 34
        at = (middle[0] + rng.normal(0, 1) * spread, middle[1] + rng.normal(0, 1) * spread)
        drop = blot(h, w, at, (radius, radius * rng.uniform(0.65, 1)), rng, 0.13, 0.22)
        cover = np.maximum(cover, drop)
    tint = 1 - np.array([0.42, 0.30, 0.22], np.float32) * np.float32(0.4 + 1.1 * strength)
    colour = mix(surface.colour, surface.colour * tint, cover)
    height = surface.height + cover * np.float32(0.5 * strength)
    return replace(surface, colour=colour, height=height, gloss=surface.gloss + cover * np.float32(0.10 * strength))


def rough(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """Worn ground: the polish is gone, the chips are dull and scratched."""
    h, w, u = _size(surface)
    radii = (u * rng.uniform(20, 56), u * rng.uniform(14, 36))
    cover = blot(h, w, somewhere(h, w, rng, 0.2), radii, rng, 0.4, 0.25)
    dull = _soft(surface.colour, 2.0) * 0.8 + 36
    pits = np.clip(rng.standard_normal((h, w)).astype(np.float32) - 0.9, 0, 2) * cover
    colour = mix(surface.colour, dull, cover * np.float32(0.4 + 0.5 * strength))
    colour = mix(colour, 232.0, np.clip(pits * np.float32(0.25 + 0.5 * strength), 0, 0.9))
    grit = _soft(rng.standard_normal((h, w)).astype(np.float32), 0.8) * cover
    return replace(surface, colour=colour, height=surface.height + grit * np.float32(0.3 + 0.9 * strength))


# ---- leather


def stain(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A patch of another dye that the grain shows through."""
    h, w, u = _size(surface)
    dyes = ((92, 62, 60), (46, 44, 134), (30, 34, 44), (104, 128, 156), (60, 96, 74))
    dye = np.array(dyes[int(rng.integers(len(dyes)))], np.float32)
    cover = np.zeros((h, w), np.float32)
    middle = somewhere(h, w, rng, 0.18)
    for number in range(int(rng.integers(1, 4))):
        radius = u * rng.uniform(8, 26)
        at = (middle[0] + number * u * rng.normal(0, 22), middle[1] + number * u * rng.normal(0, 22))
        cover = np.maximum(cover, blot(h, w, at, (radius, radius * rng.uniform(0.5, 1)), rng, 0.25, 0.3))
    mean = np.maximum(surface.colour.mean((0, 1)), 1)
    alpha = cover * np.float32(0.3 + 0.62 * strength) * np.clip(0.9 + 0.25 * noise(w, h, 8, rng), 0, 1)
    return replace(surface, colour=mix(surface.colour, surface.colour * (dye / mean), np.asarray(alpha, np.float32)))


def cut(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A clean cut with raised lips and pale fibres in it."""
    h, w, u = _size(surface)
    length, thick = u * rng.uniform(20, 60 + 60 * strength), max(0.5, u * (0.6 + 1.4 * strength))
    path = centred(wander((0, 0), rng.uniform(0, TURN), length, rng, 0.05, 5 * max(u, 0.4)), somewhere(h, w, rng, 0.2))
    cover, away = stroke(h, w, path, _taper(len(path), thick, 0.25))
    lips = np.clip(1 - np.abs(away - 1.9) / 1.1, 0, 1)
    fibre = cover * np.clip(noise(w, h, 3, rng) - 0.1, 0, 1)
    colour = mix(surface.colour, surface.colour * 0.2, cover * np.float32(0.5 + 0.5 * strength))
    colour = mix(colour, np.array([120, 150, 184], np.float32), fibre * np.float32(0.9 * strength))
    height = surface.height + (lips * 1.3 - cover * 3) * np.float32(0.4 + 0.8 * strength)
    return replace(surface, colour=colour, height=height)


def fold(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A crease across the hide: one side bulges, the bottom is dark."""
    h, w, u = _size(surface)
    length, thick = u * 256 * rng.uniform(0.35, 1.1), max(1.0, u * rng.uniform(2.8, 6.5))
    path = centred(wander((0, 0), rng.uniform(0, TURN), length, rng, 0.07, 9 * max(u, 0.4)), somewhere(h, w, rng, 0.25))
    _cover, away = stroke(h, w, path, _taper(len(path), thick, 0.5))
    ridge, groove = np.exp(-(((away - 1.1) / 1.0) ** 2)), np.exp(-((away / 0.4) ** 2))
    deep = np.float32(thick * (0.3 + 0.6 * strength))
    height = surface.height + deep * (0.8 * ridge - 0.9 * groove).astype(np.float32)
    colour = mix(surface.colour, surface.colour * 0.45, np.asarray(groove * (0.25 + 0.6 * strength), np.float32))
    worn = np.asarray(np.exp(-(((away - 1.2) / 0.5) ** 2)) * 0.35 * strength, np.float32)
    return replace(surface, colour=mix(colour, colour * 1.3 + 14, worn), height=np.asarray(height, np.float32))


def leather_glue(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A smear of glue that fills the grain and shines."""
    h, w, u = _size(surface)
    radii = (u * rng.uniform(10, 30), u * rng.uniform(7, 16))
    cover = blot(h, w, somewhere(h, w, rng, 0.2), radii, rng, 0.32, 0.22)
    smooth = _soft(surface.height, 4.0) + 1.6 * _soft(cover, 2.0) + 0.5 * noise(w, h, 9, rng)
    height = mix(surface.height, np.asarray(smooth, np.float32), cover * np.float32(0.35 + 0.6 * strength))
    milky = _soft(surface.colour, 2.5) * 0.9 + np.array([26, 30, 34], np.float32)
    colour = mix(surface.colour, np.asarray(milky, np.float32), cover * np.float32(0.45 + 0.4 * strength))
    shine = surface.gloss + cover * np.float32(0.05 + 0.2 * strength)
    return replace(surface, colour=colour, height=height, gloss=shine)


def poke(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """Holes of an awl: round, dark, with a raised rim."""
    h, w, u = _size(surface)
    colour, height = surface.colour, surface.height
    middle = somewhere(h, w, rng, 0.18)
    for number in range(int(rng.integers(1, 4))):
        radius = max(1.0, u * rng.uniform(1.6, 2.6 + 2.6 * strength))
        at = (middle[0] + number * u * rng.normal(0, 16), middle[1] + number * u * rng.normal(0, 16))
        hole = np.array([at, (at[0] + u * rng.uniform(0.1, 2), at[1])])
        cover, away = stroke(h, w, hole, radius)
        bowl, rim = np.exp(-((away / 0.9) ** 2)), np.exp(-(((away - 1.6) / 0.5) ** 2))
        deep = radius * (0.5 + 0.8 * strength)
        height = np.asarray(height + deep * (0.3 * rim - bowl), np.float32)
        colour = mix(colour, colour * 0.22, cover * np.float32(0.35 + 0.6 * strength))
    return replace(surface, colour=colour, height=height)


# ---- grid


def _mesh(surface: Surface) -> Mesh:
    if surface.mesh is None:
        raise ValueError("only wire meshes have wires")
    return surface.mesh


def _wire(surface: Surface, path: Points, radius: float, colour: Floats, gloss: float) -> Surface:
    """A round wire or fibre laid over everything, with its shadow."""
    h, w = surface.height.shape
    cover, away = stroke(h, w, path, radius)
    shade = np.asarray(cv2.warpAffine(cover, np.array([[1, 0, 2.0], [0, 1, 2.5]], np.float32), (w, h)), np.float32)
    below = mix(surface.colour, surface.colour * 0.55, _soft(shade, 1.2) * (1 - cover))
    top = np.sqrt(np.clip(1 - away**2, 0, 1)).astype(np.float32)
    lit = colour * (0.75 + 0.25 * top[:, :, None])
    height = np.where(cover > 0, top * np.float32(1.15 * radius), surface.height)
    return replace(
        surface, colour=mix(below, np.asarray(lit, np.float32), cover), height=np.asarray(height, np.float32),
        gloss=mix(surface.gloss, gloss, cover),
    )  # fmt: skip


def bent(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """Wires pushed aside together, or one that has sprung out of the weave."""
    h, w, _u = _size(surface)
    mesh = _mesh(surface)
    x, y = somewhere(h, w, rng, 0.25)
    a, d = mesh.place(x, y)
    if rng.random() < 0.5:
        way, push = rng.uniform(0, TURN), 0.28 + 0.6 * strength
        wide = rng.uniform(1.1, 1.5 + 1.5 * strength), rng.uniform(1.1, 1.5 + 1.5 * strength)
        return mesh.surface([Bend((a, d), (push * np.cos(way), push * np.sin(way)), wide)])
    upright = bool(rng.random() < 0.5)
    wire, half = round(a if upright else d), rng.uniform(1.2, 1.8 + 1.6 * strength)
    centre = d if upright else a
    side = rng.choice((-1, 1)) * (0.3 + 0.75 * strength)
    along = np.linspace(-half, half, 24)
    aside = wire + side * np.cos(along / half * np.pi / 2) ** 2
    places = [(o, centre + t) if upright else (centre + t, o) for t, o in zip(along, aside, strict=True)]
    loose = mesh.surface(gaps=[Gap(upright, wire, centre - half, centre + half)])
    steel = np.array([150, 150, 146], np.float32)
    return _wire(loose, np.array([mesh.pixel(*place) for place in places]), mesh.radius, steel, 0.55)


def broken(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """One wire or several beside each other are interrupted; an end may stick out."""
    h, w, _u = _size(surface)
    mesh = _mesh(surface)
    a, d = mesh.place(*somewhere(h, w, rng, 0.22))
    upright = bool(rng.random() < 0.5)
    first, centre = (round(a), d) if upright else (round(d), a)
    count = 1 + int(rng.integers(0, 1 + round(2 * strength)))
    gaps = []
    for wire in range(first, first + count):
        half, middle = rng.uniform(0.35, 0.6 + 1.4 * strength), centre + rng.normal(0, 0.25)
        gaps.append(Gap(upright, wire, middle - half, middle + half))
    found = mesh.surface(gaps=gaps)
    if rng.random() < 0.6:
        gap = gaps[0]
        ends = [(gap.wire, gap.begin - 0.3), (gap.wire + rng.normal(0, 0.35), gap.begin + rng.uniform(0.3, 0.8))]
        path = np.array([mesh.pixel(*(end if upright else end[::-1])) for end in ends])
        found = _wire(found, path, mesh.radius, np.array([142, 142, 138], np.float32), 0.5)
    return found


def grid_glue(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A drop of glue that hangs in the meshes."""
    h, w, u = _size(surface)
    radii = (max(5.0, u * rng.uniform(9, 30)), max(5.0, u * rng.uniform(8, 20)))
    cover = blot(h, w, somewhere(h, w, rng, 0.2), radii, rng, 0.3, 0.12)
    dome = _soft(surface.height, 3.0) + 3 * _soft(cover, 3.0) + 0.7 * noise(w, h, 8, rng)
    paste = np.array([168, 186, 194], np.float32) * np.float32(rng.uniform(0.7, 1.1))
    colour = mix(surface.colour, paste, cover * np.float32(0.12 + 0.68 * strength))
    height = mix(surface.height, np.asarray(dome, np.float32), cover * np.float32(0.3 + 0.65 * strength))
    return replace(surface, colour=colour, height=height, gloss=mix(surface.gloss, 0.25, cover))


def metal_contamination(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """Splinters and curled chips of metal lying on the mesh."""
    h, w, u = _size(surface)
    middle = somewhere(h, w, rng, 0.18)
    for number in range(int(rng.integers(1, 3 + round(2 * strength)))):
        at = (middle[0] + number * u * rng.normal(0, 14), middle[1] + number * u * rng.normal(0, 14))
        tone = np.array([1.02, 1.0, 0.98], np.float32) * np.float32(rng.uniform(95, 205))
        if rng.random() < 0.45:
            length = max(6.0, u * rng.uniform(10, 22 + 26 * strength))
            path = centred(wander((0, 0), rng.uniform(0, TURN), length, rng, 0.45, 3), at)
            surface = _wire(surface, path, max(0.7, u * rng.uniform(0.9, 1.8 + strength)), tone, 0.6)
            continue
        radius = max(2.5, u * rng.uniform(3, 5 + 9 * strength))
        cover = blot(h, w, at, (radius, radius * rng.uniform(0.35, 1)), rng, 0.5, 0.08)
        facets = noise(w, h, 4, rng)
        shard = np.asarray(cover * (2.2 + 1.8 * facets), np.float32)
        colour = mix(surface.colour, tone * (0.85 + 0.2 * facets[:, :, None]), cover)
        surface = replace(
            surface, colour=colour, height=mix(surface.height, shard, cover), gloss=mix(surface.gloss, 0.6, cover)
        )
    return surface


def thread(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A textile fibre caught on the mesh."""
    h, w, u = _size(surface)
    fibres = ((206, 214, 218), (52, 48, 46), (60, 70, 168), (150, 104, 58), (120, 160, 190))
    colour = np.array(fibres[int(rng.integers(len(fibres)))], np.float32)
    length = max(12.0, u * rng.uniform(40, 90 + 150 * strength))
    path = centred(wander((0, 0), rng.uniform(0, TURN), length, rng, 0.3, 4), somewhere(h, w, rng, 0.25))
    return _wire(surface, path, max(0.5, u * (0.6 + 1.0 * strength)), colour, 0.03)


DEFECTS: Mapping[str, Mapping[str, Defect]] = {
    "tile": {"crack": crack, "glue_strip": glue_strip, "gray_stroke": gray_stroke, "oil": oil, "rough": rough},
    "leather": {"color": stain, "cut": cut, "fold": fold, "glue": leather_glue, "poke": poke},
    "grid": {
        "bent": bent,
        "broken": broken,
        "glue": grid_glue,
        "metal_contamination": metal_contamination,
        "thread": thread,
    },
}
"""The defects of each texture by MVTec AD's names of their kinds."""
