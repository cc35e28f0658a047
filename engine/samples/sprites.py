"""The figures that the drawn scenes are peopled with. numpy and cv2 only."""

from functools import lru_cache

import numpy as np

from engine.samples.cutout import Colour, Look, Pen, Sprite
from engine.samples.figures import PAINTERS

KINDS = ("walker", "car", "ball", "dog", "kite")
"""The classes that are drawn, in the order of their numbers."""
PROPS = ("pillar", "lamp", "tree", "planter")
"""What stands still and hides the others; no class, never in the truth."""
PHASES = 12
"""Pictures of one cycle of movement: two steps, a turn of a wheel, a wave of a tail."""
STANDING = -1
"""The phase of a figure that stands still."""

_SKIN: tuple[Colour, ...] = ((178, 205, 238), (140, 172, 214), (96, 134, 184), (62, 92, 138), (44, 62, 94))
_HAIR: tuple[Colour, ...] = ((36, 34, 38), (42, 62, 92), (82, 142, 190), (150, 155, 162), (40, 70, 140))
_CLOTHES: tuple[Colour, ...] = (
    (72, 84, 214), (196, 122, 52), (96, 168, 66), (58, 178, 232), (180, 92, 148), (224, 222, 214), (64, 58, 54),
    (168, 168, 70), (92, 122, 236), (120, 200, 228), (140, 72, 72), (130, 134, 140), (176, 160, 232), (90, 110, 60),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (112, 74, 48), (62, 54, 50), (84, 112, 140), (138, 140, 142), (150, 104, 62), (52, 66, 88), (176, 190, 204),
    (60, 80, 64),
)  # fmt: skip
_PAINT: tuple[Colour, ...] = (
    (64, 62, 196), (186, 120, 58), (222, 222, 220), (70, 68, 66), (86, 158, 86), (62, 172, 226), (160, 152, 148),
    (150, 148, 56), (128, 74, 122),
)  # fmt: skip
_COATS: tuple[Colour, ...] = (
    (58, 96, 152), (44, 44, 48), (178, 204, 226), (72, 124, 190), (124, 128, 132), (34, 56, 92), (214, 224, 230),
)  # fmt: skip


def random_look(kind: str, height: int, rng: np.random.Generator) -> Look:
    """A look of this kind, drawn from the generator's numbers."""

    def one(colours: tuple[Colour, ...]) -> Colour:
        base = colours[int(rng.integers(len(colours)))]
        lighter = int(rng.integers(-16, 17))
        b, g, r = (int(np.clip(c + lighter + rng.integers(-5, 6), 0, 255)) for c in base)
        return b, g, r

    colours: tuple[Colour, ...]
    if kind == "walker":
        colours = (one(_SKIN), one(_HAIR), one(_CLOTHES), one(_TROUSERS), one(_HAIR), one(_CLOTHES))
    elif kind == "dog":
        colours = (one(_COATS), one(_COATS), one(_CLOTHES))
    elif kind == "car":
        colours = (one(_PAINT),)
    elif kind in PROPS:
        colours = (one(((170, 188, 202), (160, 166, 170), (120, 146, 176))), one(((84, 132, 92), (70, 118, 104))))
    else:
        colours = (one(_CLOTHES[:5]), one(_CLOTHES), one(((236, 238, 240),)))
    return Look(kind, height, colours, int(rng.integers(64)))


def cut_out(look: Look, phase: int = STANDING, flip: bool = False) -> Sprite:
    """The cut-out of a look in one phase of its movement.

    Args:
        look: what is drawn.
        phase: 0 to `PHASES` - 1, or `STANDING`.
        flip: looking to the left; without it figures look to the right.
    """
    width, painter = PAINTERS[look.kind]
    pen = Pen(look.height, width)
    painter(pen, look, 0.0 if phase == STANDING else phase / PHASES, phase != STANDING)
    return pen.cut(flip)


def soft_shadow(width: int, height: int, strength: float = 0.42) -> Sprite:
    """A soft shadow on the ground, an ellipse of about this size; it stands at its middle."""
    ys, xs = np.mgrid[-height : height + 1, -width : width + 1].astype(np.float32)
    fall = np.exp(-1.6 * ((xs / max(width * 0.55, 1)) ** 2 + (ys / max(height * 0.55, 1)) ** 2))
    keep = np.round(255 * (1 - strength * fall)).astype(np.uint8)
    solid = np.zeros(keep.shape, np.bool_)
    black = np.zeros((*keep.shape, 3), np.uint8)
    return Sprite(black, np.repeat(keep[:, :, None], 3, 2), solid, -width, -height, 0)


sprite = lru_cache(maxsize=2048)(cut_out)
"""`cut_out`, remembered: about 30 kB each for a figure of 100 pixels, so at most some 60 MB."""
shadow = lru_cache(maxsize=256)(soft_shadow)
"""`soft_shadow`, remembered."""
