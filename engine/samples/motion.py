"""Who goes where in a drawn scene: paths from point to point, and places that one takes after the other."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.samples.cutout import Look
from engine.samples.sprites import PHASES, STANDING, random_look

Ints = NDArray[np.int64]
Point = tuple[float, float, float]
"""Frame number, x, y: where something stands at that time, in pixels of the ground."""

_STRIDES = {"walker": 0.9, "dog": 1.1, "car": 0.42, "ball": 3.14}  # way of one cycle, in heights


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """Something that moves through a scene.

    Attributes:
        id: from 1, in the order of appearance.
        look: what it looks like all the time.
        start: the frame in which it comes in.
        at: (k, 2) int64, where it stands in frame `start` and after, in pixels of the ground.
        lift: (k,) int64, how high it is above that, pixels.
        phases: (k,) int64, of its movement.
        flips: (k,) bool, looking to the left.
    """

    id: int
    look: Look
    start: int
    at: Ints
    lift: Ints
    phases: Ints
    flips: NDArray[np.bool_]

    @property
    def end(self) -> int:
        """The frame after its last one."""
        return self.start + len(self.at)


def moving(look: Look, points: Iterable[Point], bounce: float = 0.0) -> Thing:
    """Something that goes evenly from point to point; two equal points are a rest. Its id is given later."""
    keys = np.array(list(points), np.float64)
    start, end = int(np.floor(keys[0, 0])), int(np.ceil(keys[-1, 0]))
    times = np.arange(start, end + 1)
    exact = np.stack([np.interp(times, keys[:, 0], keys[:, axis]) for axis in (1, 2)], 1)
    step = np.diff(exact, axis=0, prepend=exact[:1])
    way = np.cumsum(np.hypot(step[:, 0], step[:, 1]))
    if look.kind == "kite":
        phases = (times * PHASES // 48) % PHASES
    else:
        phases = np.floor(way / (_STRIDES[look.kind] * look.height) * PHASES).astype(np.int64) % PHASES
        still = np.hypot(step[:, 0], step[:, 1]) < 0.2
        still[0] = still[1] if len(still) > 1 else True
        if look.kind in ("walker", "dog"):
            phases[still] = STANDING
    # who stands or goes straight away looks where it looked before
    signs = np.sign(np.where(np.abs(step[:, 0]) < 0.05, 0, step[:, 0]))
    last = np.maximum.accumulate(np.where(signs != 0, np.arange(len(signs)), 0))
    first = signs[np.flatnonzero(signs)[0]] if signs.any() else 1.0
    facing = np.where(signs[last] == 0, first, signs[last])
    flips = (facing < 0) & (look.kind not in ("ball", "kite"))
    # a ball hops: parabolas along its way
    part = (way / (2.6 * look.height)) % 1
    lift = np.round(bounce * 4 * part * (1 - part)).astype(np.int64)
    return Thing(0, look, start, np.round(exact).astype(np.int64), lift, phases, flips)


def high(kind: str, y: float, height: int, scale: float = 1.0) -> int:
    """How high a figure is that stands at y: nearer is larger."""
    walker = height * (0.15 + 0.13 * (y / height - 0.42) / 0.55) * scale
    parts = {"walker": 1.0, "dog": 0.46, "ball": 0.27, "car": 0.72, "kite": 0.8}
    return max(10, round(walker * parts[kind]))


_MIX = ("walker", "walker", "car", "walker", "dog", "walker", "ball", "walker", "kite", "walker")


def people(n: int, rng: np.random.Generator, size: tuple[int, int], frames: int, scale: float) -> list[Thing]:
    """`n` places, each taken by one after the other who crosses the picture."""
    w, h = size
    things: list[Thing] = []
    cars = sum(_MIX[i % len(_MIX)] == "car" for i in range(n))
    car = 0
    for place in range(n):
        kind = _MIX[place % len(_MIX)]
        if kind == "kite":
            things.append(_flight(rng, size, frames, scale))
            continue
        lane = car % 2
        time, turn = 0.0, place
        while time < frames:
            if kind == "car":
                # one speed a lane and even gaps: cars do not drive through each other
                y, speed = h * (0.362 if lane else 0.272), h * (0.0105 if lane else 0.0085)
                look = random_look("car", round(h * (0.095 if lane else 0.082)), rng)
                margin, share = 2.6 * look.height, (car // 2 + 0.35) / max(1, (cars + 1 - lane) // 2)
                left = lane == 0
                points = [(0.0, -margin, y), ((w + 2 * margin) / speed, w + margin, y)]
            else:
                y = h * rng.uniform(0.50 if kind == "walker" else 0.56, 0.97)
                look = random_look(kind, high(kind, y, h, scale), rng)
                speed = high("walker", y, h, scale) * rng.uniform(0.020, 0.030) * (1.35 if kind != "walker" else 1)
                left, share = bool((turn + place // 3) % 2), float(rng.uniform(0.05, 0.75))
                margin = look.height * (0.9 if kind == "dog" else 0.45)
                points = _stroll(rng, w, h, y, margin, speed, kind)
            if left:
                points = [(t, w - x, y) for t, x, y in points]
            begin = time if time else time - share * points[-1][0]
            things.append(moving(look, [(begin + t, x, y) for t, x, y in points], h * 0.045 if kind == "ball" else 0))
            time = max(begin + points[-1][0] + (0 if kind == "car" else rng.uniform(0, 25)), 1e-6)
            turn += 1
        car += kind == "car"
    return things


def _stroll(rng: np.random.Generator, w: int, h: int, y: float, margin: float, speed: float, kind: str) -> list[Point]:
    """Across the picture from the left, with a gentle bend; some people stop on the way."""
    points: list[Point] = [(0.0, -margin, y)]
    stop = int(rng.integers(1, 4)) if kind == "walker" and rng.random() < 0.35 else 0
    for i in range(1, 5):
        t, x, y0 = points[-1]
        x1 = -margin + i * (w + 2 * margin) / 4
        y1 = float(np.clip(y0 + rng.uniform(-0.03, 0.03) * h, 0.47 * h, 0.99 * h))
        t += float(np.hypot(x1 - x, y1 - y0)) / speed
        points.append((t, x1, y1))
        if i == stop:
            points.append((t + float(rng.uniform(25, 70)), x1, y1))
    return points


def _flight(rng: np.random.Generator, size: tuple[int, int], frames: int, scale: float) -> Thing:
    """A kite that sways over the lawn and the road all the time."""
    w, h = size
    look = random_look("kite", round(h * 0.17 * scale), rng)
    x, y, slow = w * rng.uniform(0.25, 0.8), h * rng.uniform(0.24, 0.32), rng.uniform(170, 260)
    p, q = rng.uniform(0, 2 * np.pi, 2)
    times = np.arange(0, frames + 6, 6)
    xs = x + 0.14 * w * np.sin(2 * np.pi * times / slow + p)
    ys = y + 0.05 * h * np.sin(4 * np.pi * times / slow + q)
    return moving(look, [(float(a), float(b), float(c)) for a, b, c in zip(times, xs, ys, strict=True)])
