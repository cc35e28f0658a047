"""Drawn videos with exact truth: people, cars, dogs, balls and kites on a square. numpy and cv2 only.

A scene is a pure function of the frame's number: any frame can be drawn at any time, and twice the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.samples.cutout import Look, Sprite, lay
from engine.samples.grounds import park, street
from engine.samples.motion import Thing, high, moving, people
from engine.samples.pictures import boxes_and_shares
from engine.samples.sprites import KINDS, random_look, shadow, sprite

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
HIDDEN = 0.1
"""Of a figure of which less than this share is seen, no tracker can be asked where it is."""

_SHADOWS = {"walker": (0.20, 0.055), "dog": (0.62, 0.14), "car": (1.2, 0.15), "ball": (0.5, 0.2),
            "pillar": (0.26, 0.05), "lamp": (0.08, 0.02), "planter": (0.95, 0.16), "tree": (0.24, 0.05)}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """Something that stands still and hides what is behind it: a look and the point where it stands, on the ground."""

    look: Look
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What is in one frame, exactly.

    Attributes:
        ids: (n,) int64.
        boxes: (n, 4) float32, left, top, right, bottom in pixels, tight around what is drawn; parts hidden by
            others are included, parts outside the picture are not.
        classes: (n,) int64, indices into `KINDS`.
        seen: (n,) float32, the share of each figure's pixels that is seen, 0..1.
    """

    ids: Ints
    boxes: Floats
    classes: Ints
    seen: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A drawn video and its truth.

    Attributes:
        name: e.g. "crowd".
        width, height: of the picture, pixels.
        fps: frames a second.
        frames: how many there are.
        ground: (H, W, 3) uint8, BGR, at least as large as the picture.
        things, props: what moves, what stands.
        camera: (frames, 2) int64, the picture's left top corner on the ground.
    """

    name: str
    width: int
    height: int
    fps: float
    frames: int
    ground: NDArray[np.uint8]
    things: tuple[Thing, ...]
    props: tuple[Prop, ...]
    camera: Ints
    lives: Ints

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Frame `index`, (H, W, 3) uint8, BGR; the caller may write on it.

        Raises:
            IndexError: there is no such frame.
        """
        left, top = self._corner(index)
        image = self.ground[top : top + self.height, left : left + self.width].copy()
        placed = self._placed(index)
        for _thing, look, _cut, x, y, lift in placed:
            size = _SHADOWS.get(look.kind)
            if size:
                half = (max(3, round(size[0] * look.height)), max(2, round(size[1] * look.height)))
                lay(image, shadow(*half, 0.25 if lift > 4 else 0.42), x - left, y - top)
        for _thing, _look, cut, x, y, lift in placed:
            lay(image, cut, x - left, y - top - lift)
        return image

    def truth(self, index: int) -> Truth:
        """What is in frame `index`; the rows are in the order of the ids.

        Raises:
            IndexError: there is no such frame.
        """
        left, top = self._corner(index)
        placed = self._placed(index)
        cuts = [(cut, x - left, y - top - lift) for _thing, _look, cut, x, y, lift in placed]
        boxes, seen = boxes_and_shares(cuts, self.width, self.height)
        rows = [i for i, one in enumerate(placed) if one[0] and boxes[i, 2] > boxes[i, 0] and boxes[i, 3] > boxes[i, 1]]
        rows.sort(key=lambda i: placed[i][0])
        ids = np.array([placed[i][0] for i in rows], np.int64)
        classes = np.array([KINDS.index(placed[i][1].kind) for i in rows], np.int64)
        return Truth(ids, boxes[rows].reshape(-1, 4), classes, seen[rows])

    def write_mot_truth(self, path: Path) -> None:
        """Write `frame,id,left,top,width,height,flag,1,visibility` for all frames, the first is 1.

        MOTChallenge counts its class 1 alone, so every figure is written as that; the flag is 0 (not counted) where
        less than `HIDDEN` of a figure is seen. An existing file is replaced when the new one is whole.
        """
        part = path.with_name(path.name + ".part")
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for index in range(self.frames):
                truth = self.truth(index)
                for number, (x0, y0, x1, y1), seen in zip(truth.ids, truth.boxes, truth.seen, strict=True):
                    box = f"{x0:.0f},{y0:.0f},{x1 - x0:.0f},{y1 - y0:.0f}"
                    file.write(f"{index + 1},{number},{box},{int(seen >= HIDDEN)},1,{seen:.3f}\n")
        part.replace(path)

    def _corner(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self.frames:
            raise IndexError(f"the scene {self.name} has frames 0 to {self.frames - 1}, not {index}")
        return int(self.camera[index, 0]), int(self.camera[index, 1])

    def _placed(self, index: int) -> list[tuple[int, Look, Sprite, int, int, int]]:
        """Id (0 for a prop), look, cut-out, x, y and lift of all that is there, from the back to the front."""
        placed = [(0, prop.look, sprite(prop.look), prop.x, prop.y, 0) for prop in self.props]
        for i in np.flatnonzero((self.lives[:, 0] <= index) & (index < self.lives[:, 1])):
            thing = self.things[i]
            k = index - thing.start
            cut = sprite(thing.look, int(thing.phases[k]), bool(thing.flips[k]))
            placed.append((thing.id, thing.look, cut, int(thing.at[k, 0]), int(thing.at[k, 1]), int(thing.lift[k])))
        # what flies is in front of all; of two at the same depth the newer one
        placed.sort(key=lambda one: (one[1].kind == "kite", one[4], one[0]))
        return placed


def _scene(
    name: str, size: tuple[int, int], frames: int, ground: NDArray[np.uint8], things: list[Thing],
    props: Iterable[Prop] = (), camera: Ints | None = None,
) -> Scene:  # fmt: skip
    things = sorted((one for one in things if one.end > 0 and one.start < frames), key=lambda one: max(one.start, 0))
    numbered = tuple(
        Thing(i + 1, one.look, one.start, one.at, one.lift, one.phases, one.flips) for i, one in enumerate(things)
    )
    lives = np.array([(one.start, one.end) for one in numbered], np.int64).reshape(-1, 2)
    if camera is None:
        camera = np.zeros((frames, 2), np.int64)
    return Scene(name, *size, 30.0, frames, ground, numbered, tuple(props), camera, lives)


SIZE = (640, 480)


def crossing(seed: int = 0, size: tuple[int, int] = SIZE) -> Scene:
    """Three pairs walk towards each other and pass, each pair on nearly one line; a dog runs across."""
    (w, h), rng, frames = size, np.random.default_rng([seed, 1]), 240
    things = []
    for lane, begin in ((0.60, -70), (0.76, -40), (0.93, -10)):
        for side in (0, 1):
            y = h * lane + (4 if side else -4)
            look = random_look("walker", high("walker", y, h), rng)
            x0, x1 = (-40, w + 40) if side == 0 else (w + 40, -40)
            needs = (w + 80) / (look.height * rng.uniform(0.024, 0.032))
            things.append(moving(look, [(begin, x0, y), (begin + needs, x1, y + rng.uniform(-8, 8))]))
    dog = random_look("dog", high("dog", h * 0.8, h), rng)
    things.append(moving(dog, [(60, -40, h * 0.66), (140, w * 0.5, h * 0.8), (220, w + 40, h * 0.9)]))
    return _scene("crossing", size, frames, street(w, h, rng), things)


def occlusion(seed: int = 0, size: tuple[int, int] = SIZE) -> Scene:
    """People and a dog pass behind two pillars; a ball rolls in front of them."""
    (w, h), rng, frames = size, np.random.default_rng([seed, 2]), 300
    stone = random_look("pillar", round(h * 0.50), rng)
    props = [Prop(stone, round(w * part), round(h * 0.86)) for part in (0.32, 0.70)]
    things = []
    for i, (kind, lane) in enumerate(
        (("walker", 0.66), ("walker", 0.72), ("walker", 0.78), ("walker", 0.82), ("dog", 0.84))
    ):
        y = h * lane
        look = random_look(kind, high(kind, y, h), rng)
        begin = i * 26 - 40
        needs = (w + 80) / (high("walker", y, h) * rng.uniform(0.026, 0.034))
        x0, x1 = (-40, w + 40) if i % 2 == 0 else (w + 40, -40)
        things.append(moving(look, [(begin, x0, y), (begin + needs, x1, y)]))
    ball = random_look("ball", high("ball", h * 0.93, h), rng)
    things.append(moving(ball, [(100, w + 30, h * 0.94), (260, -30, h * 0.92)], bounce=h * 0.05))
    return _scene("occlusion", size, frames, park(w, h, rng), things, props)


def coming_back(seed: int = 0, size: tuple[int, int] = SIZE) -> Scene:
    """People leave the picture and come back a second later looking the same; their ids are the same."""
    (w, h), rng, frames = size, np.random.default_rng([seed, 3]), 360
    things = []
    for i, lane in enumerate((0.56, 0.70, 0.84, 0.96)):
        y = h * lane
        look = random_look("walker" if i != 2 else "dog", high("walker" if i != 2 else "dog", y, h), rng)
        speed = high("walker", y, h) * rng.uniform(0.028, 0.034)
        edge, inside = (w + 50, w * 0.45) if i % 2 == 0 else (-50, w * 0.55)
        out = 20 + abs(edge - inside) / speed + 12 * i
        away = out + 25
        back = away + abs(edge - inside) / speed
        points = [(0, inside, y), (12 * i + 20, inside, y), (out, edge, y), (away, edge, y + 6), (back, inside, y + 6)]
        other = -50 if edge > 0 else w + 50
        things.append(moving(look, [*points, (back + abs(other - inside) / speed, other, y)]))
    kite = random_look("kite", high("kite", h * 0.6, h), rng)
    things.append(moving(kite, [(0, w * 0.2, h * 0.24), (120, w * 0.4, h * 0.30), (360, w * 0.75, h * 0.22)]))
    return _scene("return", size, frames, street(w, h, rng), things)


def look_alikes(seed: int = 0, size: tuple[int, int] = SIZE) -> Scene:
    """Six people who are dressed exactly alike and two equal balls meet and part."""
    (w, h), rng, frames = size, np.random.default_rng([seed, 4]), 225
    model, round_one = random_look("walker", 100, rng), random_look("ball", 26, rng)
    things = []
    for i in range(6):
        y = h * (0.58 + 0.07 * i)
        look = Look("walker", high("walker", h * 0.76, h), model.colours, model.variant)
        needs = (w + 80) / (look.height * rng.uniform(0.024, 0.034))
        x0, x1 = (-40, w + 40) if i % 2 == 0 else (w + 40, -40)
        half = (x0 + x1) / 2
        begin = rng.uniform(-110, -10)
        things.append(moving(look, [(begin, x0, y), (begin + needs / 2, half, y + 10), (begin + needs, x1, y - 10)]))
    for side in (0, 1):
        x0, x1 = (-20, w + 20) if side == 0 else (w + 20, -20)
        look = Look("ball", high("ball", h * 0.9, h), round_one.colours, round_one.variant)
        things.append(moving(look, [(30, x0, h * 0.90), (230, x1, h * (0.88 + 0.06 * side))], bounce=h * 0.04))
    return _scene("look-alikes", size, frames, street(w, h, rng), things)


def pan(seed: int = 0, size: tuple[int, int] = SIZE) -> Scene:
    """The camera swings over a wide square and back while people, dogs and cars go their way."""
    (w, h), rng, frames = size, np.random.default_rng([seed, 5]), 400
    wide = 2 * w
    turn = 0.5 - 0.5 * np.cos(np.arange(frames) / frames * 2 * np.pi)
    shake = 3 * np.sin(np.arange(frames) / 9.0)
    camera = np.round(np.stack([turn * (wide - w), 4 + shake], 1)).astype(np.int64)
    things = people(22, rng, (wide, h), frames, 1.0)
    return _scene("pan", size, frames, street(wide, h + 8, rng), things, _furniture(wide, h, rng), camera)


def crowd(n: int = 10, seed: int = 0, size: tuple[int, int] = SIZE, frames: int = 600) -> Scene:
    """About `n` things at a time cross a square; who leaves is followed by somebody new. `size` is width, height."""
    (w, h), rng = size, np.random.default_rng([seed, 6, n])
    scale = 1.0 if n <= 14 else max(0.5, (14 / n) ** 0.35)
    return _scene("crowd", size, frames, street(w, h, rng), people(n, rng, size, frames, scale), _furniture(w, h, rng))


def scenes() -> dict[str, Callable[[int], Scene]]:
    """The scenes by name; each takes a seed."""
    return {
        "crowd": lambda seed: crowd(seed=seed),
        "crossing": crossing,
        "occlusion": occlusion,
        "return": coming_back,
        "look-alikes": look_alikes,
        "pan": pan,
    }


def _furniture(w: int, h: int, rng: np.random.Generator) -> list[Prop]:
    lamp, planter = random_look("lamp", round(h * 0.34), rng), random_look("planter", round(h * 0.085), rng)
    props = [Prop(lamp, round(w * part), round(h * 0.435)) for part in np.arange(0.12, 1, 320 * 0.9 / w)]
    return [*props, Prop(planter, round(w * rng.uniform(0.6, 0.8)), round(h * 0.66))]
