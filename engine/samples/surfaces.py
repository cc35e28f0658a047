"""Flat surfaces as a camera above a belt sees them: stone tile, leather, wire mesh. numpy and cv2 only.

A surface is colour, height and gloss; light makes a picture of it. What is done to a surface (a dent, glue) is lit
as the rest is, with the same noise, so that where nothing was done the picture stays the same to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.samples.grounds import noise

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What lies under the camera.

    Attributes:
        colour: (H, W, 3) float32, BGR, 0..255 under even light.
        height: (H, W) float32, pixels; only its slopes matter.
        gloss: (H, W) float32, 0 is matt, 1 mirrors the lamp.
        mesh: what a wire mesh was drawn from, so that its wires can be bent; None for the others.
    """

    colour: Floats
    height: Floats
    gloss: Floats
    mesh: "Mesh | None" = None

    def copy(self) -> "Surface":
        """The same with arrays of its own."""
        return replace(self, colour=self.colour.copy(), height=self.height.copy(), gloss=self.gloss.copy())


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """The lamp and the camera of one picture.

    Attributes:
        towards: x, y, z of the direction to the lamp, unit length, z out of the surface.
        level: (H, W) float32, how much light falls where, about 1.
        tint: (3,) float32, BGR factors.
        noise: (H, W, 3) float32, what the sensor adds.
        blur: standard deviation of the lens, pixels.
    """

    towards: tuple[float, float, float]
    level: Floats
    tint: Floats
    noise: Floats
    blur: float

    @classmethod
    def some(cls, height: int, width: int, rng: np.random.Generator) -> Self:
        """The light of one picture: it comes from the upper left, more or less, and is never quite even."""
        turn, tilt = rng.normal(-2.2, 0.12), rng.uniform(0.78, 0.86)
        towards = (float(np.cos(turn) * np.sqrt(1 - tilt**2)), float(np.sin(turn) * np.sqrt(1 - tilt**2)), float(tilt))
        xs, ys = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
        fall, lens = np.float32(rng.uniform(0.01, 0.05)), np.float32(rng.uniform(0.0, 0.03))
        level = np.float32(rng.normal(1, 0.025)) + fall * (
            np.float32(towards[0]) * xs[None, :] + np.float32(towards[1]) * ys[:, None]
        )
        level = level - lens * (xs[None, :] ** 2 + ys[:, None] ** 2)
        tint = (1 + rng.normal(0, 0.005, 3)).astype(np.float32)
        grain = rng.standard_normal((height, width, 3), np.float32) * np.float32(rng.uniform(1.2, 2.2))
        return cls(towards, level.astype(np.float32), tint, grain, float(rng.uniform(0.55, 0.75)))

    def shoot(self, surface: Surface) -> Picture:
        """The picture of a surface in this light, (H, W, 3) uint8, BGR."""
        slope_x = cv2.Sobel(surface.height, cv2.CV_32F, 1, 0, scale=0.125, borderType=cv2.BORDER_REPLICATE)
        slope_y = cv2.Sobel(surface.height, cv2.CV_32F, 0, 1, scale=0.125, borderType=cv2.BORDER_REPLICATE)
        upright = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
        x, y, z = self.towards
        diffuse = np.clip((z - x * slope_x - y * slope_y) * upright * (1 / z), 0.25, 1.7) * self.level
        # halfway between the lamp and the camera above
        reach = float(np.sqrt(2 + 2 * z))
        shine = np.clip((1 + z - x * slope_x - y * slope_y) * upright * (1 / reach), 0, 1)
        for _ in range(4):
            shine *= shine
        light = cv2.merge([diffuse * factor for factor in self.tint])
        image = surface.colour * light + cv2.merge([shine * surface.gloss * 210] * 3)
        image = cv2.GaussianBlur(image, (5, 5), self.blur, borderType=cv2.BORDER_REPLICATE) + self.noise
        return np.asarray(np.clip(image + 0.5, 0, 255), np.uint8)


def cells(height: int, width: int, size: float, rng: np.random.Generator) -> tuple[NDArray[np.int32], int, Floats]:
    """Irregular cells about `size` pixels wide.

    Returns:
        The number of each pixel's cell, (H, W) int32, how many numbers there are, and the distance to the middle of
        the cell, (H, W) float32, pixels.
    """
    edge = int(2 * size) + 1  # cells go on beyond the picture
    step_y = size * 0.87
    rows, columns = int((height + 2 * edge) / step_y) + 1, int((width + 2 * edge) / size) + 1
    at = rng.random((2, rows, columns), np.float32) * 0.78
    ys = (np.arange(rows, dtype=np.float32)[:, None] + at[0]) * step_y
    xs = (np.arange(columns, dtype=np.float32)[None, :] + (np.arange(rows) % 2)[:, None] * 0.5 + at[1]) * size
    canvas = np.ones((height + 2 * edge, width + 2 * edge), np.uint8)
    canvas[np.clip(ys.astype(int), 0, canvas.shape[0] - 1), np.clip(xs.astype(int), 0, canvas.shape[1] - 1)] = 0
    away, numbers = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = slice(edge, edge + height), slice(edge, edge + width)
    return numbers[inside], rows * columns + 1, np.ascontiguousarray(away[inside])


# the chips of the stone: BGR, and how many of 100 are so
_CHIPS = np.array([(196, 201, 204), (168, 173, 176), (140, 145, 149), (106, 110, 114), (70, 73, 77)])
_SHARES = np.array([0.32, 0.24, 0.18, 0.14, 0.12])


def stone(height: int, width: int, rng: np.random.Generator) -> Surface:
    """A polished tile of pressed stone chips: large ones, small ones between them, ground stone around."""
    scale = float(rng.uniform(0.95, 1.05))
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    wave_x, wave_y = noise(width, height, 9, rng), noise(width, height, 9, rng)
    colour = np.empty((height, width, 3), np.float32)
    for size, share in ((5.0, 1.0), (11.0, 0.55)):
        numbers, count, away = cells(height, width, size * scale, rng)
        paints = _CHIPS[rng.choice(len(_CHIPS), count, p=_SHARES)] + rng.normal(0, 5, (count, 1))
        paints = paints.astype(np.float32)
        if share == 1:
            # what is pressed between the chips is their own dust: smaller, and less of a contrast
            paints = paints * 0.66 + 50
        layer = paints[numbers]
        bend = np.float32(0.16 * size)
        if share < 1:
            chip = rng.random(count) < share
            # a chip is smaller than its cell, and its corners are worn
            mine = (chip[numbers] & (away < size * scale * 0.56)).astype(np.float32)
            mine = cv2.remap(mine, xs + bend * wave_x, ys + bend * wave_y, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
            layer = cv2.remap(
                layer, xs + bend * wave_x, ys + bend * wave_y, cv2.INTER_NEAREST, None, cv2.BORDER_REFLECT
            )
            mine = cv2.merge([mine] * 3)
            colour += (layer - colour) * mine
        else:
            colour[:] = cv2.remap(
                layer, xs + bend * wave_x, ys + bend * wave_y, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT
            )
    fine = 1 + 0.045 * rng.standard_normal((height, width), np.float32) + np.float32(0.02) * wave_x
    colour *= cv2.merge([fine] * 3)
    ripple = 0.6 * noise(width, height, 40, rng)
    return Surface(colour, ripple, np.full((height, width), 0.03, np.float32))


def hide(height: int, width: int, rng: np.random.Generator) -> Surface:
    """Brown leather: small pebbles with furrows between them, a few deeper creases, uneven dye."""
    size = float(rng.uniform(8.2, 9.2))
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    wave_x, wave_y = noise(width, height, 12, rng), noise(width, height, 12, rng)
    numbers, count, away = cells(height, width, size, rng)
    furrow = cv2.GaussianBlur(_borders(numbers), (0, 0), 1.1)
    deep, _count, _away = cells(height, width, size * 4, rng)
    crease = cv2.GaussianBlur(_borders(deep), (0, 0), 1.4)
    pebble = rng.normal(0, 0.3, count).astype(np.float32)[numbers] - (away / np.float32(size)) ** 2 * 2
    relief = pebble - 1.5 * furrow - 1.5 * crease
    # pebbles are drawn out along the animal's back
    relief = cv2.remap(relief, xs + 3 * wave_x, ys + 3 * wave_y, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
    relief = cv2.GaussianBlur(relief, (0, 0), 0.8)
    dye = 1 + 0.05 * noise(width, height, 70, rng) + 0.012 * wave_x
    # furrows hold more dye and less light
    dye = dye * (1.03 + 0.13 * np.clip(relief, -2, 0.5))
    dye += 0.015 * rng.standard_normal((height, width), np.float32)
    base = np.array([50, 68, 104], np.float32)
    colour = cv2.merge([np.asarray(dye * value, np.float32) for value in base])
    height_map = np.asarray(relief * 1.1 + 0.8 * noise(width, height, 48, rng), np.float32)
    return Surface(colour, height_map, np.full((height, width), 0.11, np.float32))


def _borders(numbers: NDArray[np.int32]) -> Floats:
    """1 where a cell meets another, (H, W) float32."""
    found = np.zeros(numbers.shape, np.float32)
    found[:, 1:] += numbers[:, 1:] != numbers[:, :-1]
    found[1:] += numbers[1:] != numbers[:-1]
    return np.minimum(found, 1)


_NOTHING = -1e3
"""The height of a wire where there is none: below everything."""


@dataclass(frozen=True, slots=True)
class Bend:
    """Wires pushed aside around a place: by `push` (x, y, in meshes), dying out over `reach` (x, y, in meshes)."""

    at: tuple[float, float]
    push: tuple[float, float]
    reach: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Gap:
    """A piece of one wire that is not there.

    Attributes:
        upright: whether it is one of the wires that run from the top to the bottom.
        wire: its number.
        begin, end: where along it, in meshes.
    """

    upright: bool
    wire: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A woven wire mesh: two families of wires, each going over and under the other.

    Attributes:
        across, down: (H, W) float32, where each pixel is, in meshes; wires run where they are whole numbers.
        pitch: pixels a mesh.
        radius: of a wire, pixels.
        turn: of the whole mesh, radians.
        shift: x, y, meshes at the left top corner.
        jitter: (2, n, 3) float32, of the upright wires and the others: sideways shift in meshes, factor of the
            radius, factor of the brightness; wire k is at k % n.
        floor: (H, W) float32, what is seen through the mesh, 0..255.
    """

    across: Floats
    down: Floats
    pitch: float
    radius: float
    turn: float
    shift: tuple[float, float]
    jitter: Floats
    floor: Floats

    def pixel(self, across: float, down: float) -> tuple[float, float]:
        """Where a place of the mesh is in the picture (but for the slow waves in it): x, y in pixels."""
        a, d = (across - self.shift[0]) * self.pitch, (down - self.shift[1]) * self.pitch
        return a * np.cos(self.turn) - d * np.sin(self.turn), a * np.sin(self.turn) + d * np.cos(self.turn)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Which place of the mesh a pixel is: across, down."""
        h, w = self.across.shape
        at = int(np.clip(y, 0, h - 1)), int(np.clip(x, 0, w - 1))
        return float(self.across[at]), float(self.down[at])

    def surface(self, bends: Sequence[Bend] = (), gaps: Sequence[Gap] = ()) -> Surface:
        """The mesh, with what has happened to its wires."""
        across, down = self.across, self.down
        for bend in bends:
            far = ((self.across - bend.at[0]) / bend.reach[0]) ** 2 + ((self.down - bend.at[1]) / bend.reach[1]) ** 2
            fade = np.asarray(np.exp(-far), np.float32)
            across = across - np.float32(bend.push[0]) * fade
            down = down - np.float32(bend.push[1]) * fade
        cover, height = np.zeros_like(self.floor), np.full_like(self.floor, _NOTHING)
        bright = np.ones_like(self.floor)
        for upright, own, other in ((True, across, down), (False, down, across)):
            whole = np.rint(own)
            number = whole.astype(np.int32)
            table = self.jitter[0 if upright else 1]
            kind = table[number % len(table)]
            radius = self.radius * kind[..., 1]
            off = np.abs(own - whole - kind[..., 0]) * self.pitch
            solid = np.clip(radius - off + 0.5, 0, 1)
            for gap in gaps:
                if gap.upright == upright:
                    solid[(number == gap.wire) & (other > gap.begin) & (other < gap.end)] = 0
            # over one wire, under the next
            lift = np.cos(np.pi * (other + whole)) * (1.0 if upright else -1.0) * self.radius * 0.8
            round_top = np.sqrt(np.clip(1 - (off / radius) ** 2, 0, 1)) * radius * 1.15
            top = np.where(solid > 0, lift + round_top, _NOTHING)
            mine = top > height
            height = np.where(mine, top, height)
            cover = np.maximum(cover, solid)
            bright = np.where(mine, kind[..., 2], bright)
        height = np.where(cover > 0, height, -self.radius)
        return self._coloured(cover, np.asarray(height, np.float32), np.asarray(bright, np.float32))

    def _coloured(self, cover: Floats, height: Floats, bright: Floats) -> Surface:
        """Steel above a floor that lies in the mesh's own shadow."""
        shade = cv2.warpAffine(
            cover, np.array([[1, 0, 3.2], [0, 1, 4.0]], np.float32), cover.shape[::-1], borderValue=0.3
        )
        shade = cv2.GaussianBlur(shade, (0, 0), 1.8)
        floor = self.floor * (1 - 0.55 * shade)
        metal = bright * (132 + 7 * height)
        planes = [
            floor * back + (metal * front - floor * back) * cover
            for back, front in ((1.06, 1.03), (1.0, 1.0), (0.93, 0.96))
        ]
        return Surface(np.asarray(cv2.merge(planes), np.float32), height, np.asarray(0.55 * cover, np.float32), self)


def mesh(height: int, width: int, rng: np.random.Generator) -> Surface:
    """A woven mesh of steel wire above a dark floor; nearly straight, nearly regular."""
    pitch, turn = float(rng.uniform(15.4, 16.6)), float(rng.normal(0, 0.02))
    shift = (float(rng.uniform(20, 21)), float(rng.uniform(20, 21)))
    xs = np.arange(width, dtype=np.float32)[None, :] / np.float32(pitch)
    ys = np.arange(height, dtype=np.float32)[:, None] / np.float32(pitch)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    across = xs * cos + ys * sin + np.float32(shift[0]) + 0.05 * noise(width, height, 70, rng)
    down = ys * cos - xs * sin + np.float32(shift[1]) + 0.05 * noise(width, height, 70, rng)
    count = int(max(across.max(), down.max())) + 3
    jitter = rng.standard_normal((2, count, 3)).astype(np.float32) * np.array([0.022, 0.03, 0.035], np.float32)
    jitter[..., 1:] += 1
    floor = 62 + 5 * noise(width, height, 30, rng) + 3 * noise(width, height, 3, rng)
    whole = Mesh(
        np.asarray(across, np.float32), np.asarray(down, np.float32), pitch, float(rng.uniform(2.5, 2.75)), turn, shift,
        jitter, np.asarray(floor, np.float32),
    )  # fmt: skip
    return whole.surface()
