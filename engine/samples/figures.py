"""How each figure and each prop is drawn. Numbers are in units of its height, found by looking."""

import math
from collections.abc import Callable

from engine.samples.cutout import Colour, Look, Pen, shade

_GLASS: Colour = (150, 128, 104)
_RUBBER: Colour = (46, 42, 40)


def _walker(pen: Pen, look: Look, t: float, moving: bool) -> None:
    skin, hair, top, trousers, shoes, bag = look.colours
    skirt, pack, cap, long_hair, sleeves = (bool(look.variant >> bit & 1) for bit in range(5))
    turn = 2 * math.pi * t
    sink = 0.012 * abs(math.sin(turn)) if moving else 0.0
    hip, shoulder = (0.0, 0.50 + sink), (0.0, 0.215 + sink)

    def leg(angle: float, colour: Colour, shoe: Colour) -> None:
        swing = 0.46 * math.sin(angle) if moving else 0.05 * math.copysign(1, math.cos(angle))
        bend = 0.85 * max(0.0, math.cos(angle)) if moving else 0.0
        knee = (hip[0] + 0.235 * math.sin(swing), hip[1] + 0.235 * math.cos(swing))
        ankle = (knee[0] + 0.225 * math.sin(swing - bend), knee[1] + 0.225 * math.cos(swing - bend))
        if skirt:
            pen.limb([hip, knee], 0.085, skin if colour == trousers else shade(skin, 0.82))
            pen.limb([knee, ankle], 0.062, skin if colour == trousers else shade(skin, 0.82))
        else:
            pen.limb([hip, knee], 0.105, colour)
            pen.limb([knee, ankle], 0.076, colour)
        pen.limb([ankle, (ankle[0] + 0.055, ankle[1] + 0.008)], 0.048, shoe)

    def arm(angle: float, colour: Colour, hand: Colour) -> None:
        swing = -0.42 * math.sin(angle) if moving else 0.04 * math.copysign(1, math.cos(angle))
        elbow = (shoulder[0] + 0.15 * math.sin(swing), shoulder[1] + 0.02 + 0.15 * math.cos(swing))
        bend = 0.35 if moving else 0.1
        wrist = (elbow[0] + 0.13 * math.sin(swing + bend), elbow[1] + 0.13 * math.cos(swing + bend))
        pen.limb([(shoulder[0], shoulder[1] + 0.02), elbow], 0.066, colour)
        pen.limb([elbow, wrist], 0.052, colour if sleeves else hand)
        pen.disc(wrist[0], wrist[1], 0.028, 0.028, hand)

    arm(turn + math.pi, shade(top, 0.72), shade(skin, 0.82))
    leg(turn + math.pi, shade(trousers, 0.78), shade(shoes, 0.8))
    leg(turn, trousers, shoes)
    if pack:
        pen.block(-0.155, 0.215 + sink, -0.03, 0.42 + sink, 0.03, bag)
    body = ((-0.088, 0.215), (-0.055, 0.185), (0.06, 0.185), (0.09, 0.225), (0.082, 0.53), (-0.082, 0.53))
    pen.polygon([(x, y + sink) for x, y in body], top)
    if skirt:
        pen.polygon(
            [(-0.078, 0.47 + sink), (0.078, 0.47 + sink), (0.135, 0.70 + sink), (-0.135, 0.70 + sink)], trousers
        )
    elif look.variant >> 5 & 1:  # a long coat
        pen.polygon([(-0.085, 0.45 + sink), (0.085, 0.45 + sink), (0.105, 0.64 + sink), (-0.105, 0.64 + sink)], top)
    else:
        pen.block(-0.083, 0.505 + sink, 0.083, 0.545 + sink, 0.0, trousers)
    pen.limb([(0.005, 0.16 + sink), (0.0, 0.20 + sink)], 0.06, shade(skin, 0.9))
    if long_hair:
        pen.block(-0.085, 0.06 + sink, 0.0, 0.25 + sink, 0.03, hair)
    pen.disc(0.012, 0.092 + sink, 0.066, 0.078, skin)
    pen.disc(-0.014, 0.072 + sink, 0.068, 0.068, hair)
    pen.disc(0.028, 0.105 + sink, 0.048, 0.06, skin)
    if cap:
        pen.disc(0.0, 0.052 + sink, 0.072, 0.048, bag)
        pen.limb([(0.03, 0.066 + sink), (0.105, 0.07 + sink)], 0.022, bag)
    arm(turn, shade(top, 0.9), skin)


def _car(pen: Pen, look: Look, t: float, moving: bool) -> None:
    paint = look.colours[0]
    dark, light = shade(paint, 0.72), shade(paint, 1.16)
    shape = look.variant % 3
    roof = {
        0: [(-0.78, 0.46), (-0.50, 0.06), (0.30, 0.06), (0.66, 0.46)],  # saloon
        1: [(-1.06, 0.46), (-0.92, 0.04), (0.24, 0.04), (0.60, 0.46)],  # hatchback
        2: [(-1.12, 0.46), (-1.10, 0.00), (0.52, 0.00), (0.82, 0.46)],  # van
    }[shape]
    pen.polygon(roof, paint)
    pen.block(-1.14, 0.40, 1.14, 0.84, 0.13, paint)
    pen.block(-1.12, 0.70, 1.12, 0.84, 0.06, dark)
    (ax, ay), (bx, by), (cx, _), (dx, _) = roof
    top = by + 0.07
    middle = (bx + cx) / 2
    foot = 0.42
    slope = (top - by) / (ay - by)
    left, right = bx + (ax - bx) * slope + 0.06, cx + (dx - cx) * slope - 0.05
    pen.polygon([(left, top), (middle - 0.03, top), (middle - 0.03, foot), (ax + 0.12, foot)], _GLASS)
    pen.polygon([(middle + 0.03, top), (right, top), (dx - 0.11, foot), (middle + 0.03, foot)], _GLASS)
    shine = shade(_GLASS, 1.35)
    pen.polygon([(middle + 0.10, top), (middle + 0.20, top), (middle + 0.12, foot), (middle + 0.03, foot)], shine)
    pen.limb([(middle, 0.46), (middle, 0.70)], 0.014, dark)
    pen.limb([(-1.05, 0.455), (1.05, 0.455)], 0.022, light)
    pen.limb([(middle + 0.08, 0.53), (middle + 0.20, 0.53)], 0.025, dark)
    pen.block(1.02, 0.50, 1.14, 0.60, 0.03, (190, 236, 250))
    pen.block(-1.14, 0.48, -1.05, 0.60, 0.03, (60, 56, 200))
    for x in (-0.68, 0.70):
        pen.disc(x, 0.79, 0.235, 0.235, shade(paint, 0.45))
        pen.disc(x, 0.80, 0.20, 0.20, _RUBBER)
        pen.disc(x, 0.80, 0.115, 0.115, (196, 192, 188))
        for spoke in range(3):
            angle = 2 * math.pi * (t / 3 + spoke / 3)
            end = (x + 0.10 * math.cos(angle), 0.80 + 0.10 * math.sin(angle))
            pen.limb([(x, 0.80), end], 0.03, (110, 106, 104))


def _ball(pen: Pen, look: Look, t: float, moving: bool) -> None:
    first, second, white = look.colours
    turn = 360 * t
    if look.variant & 1:  # a beach ball
        for i in range(6):
            colour = (first, white, second, white, first, second)[i]
            pen.slice(0.0, 0.5, 0.49, turn + 60 * i, turn + 60 * (i + 1), colour)
        pen.disc(0.0, 0.5, 0.10, 0.10, white)
    else:  # a football
        pen.disc(0.0, 0.5, 0.49, 0.49, white)
        for i in range(5):
            angle = math.radians(turn + 72 * i)
            x, y = 0.36 * math.cos(angle), 0.5 + 0.36 * math.sin(angle)
            pen.disc(x, y, 0.09, 0.15, shade(first, 0.8), math.degrees(angle))
            pen.limb([(0.1 * math.cos(angle), 0.5 + 0.1 * math.sin(angle)), (x, y)], 0.03, shade(first, 0.8))
        pen.disc(0.0, 0.5, 0.15, 0.15, shade(first, 0.8))


def _dog(pen: Pen, look: Look, t: float, moving: bool) -> None:
    coat, patch, collar = look.colours
    turn = 2 * math.pi * t
    far = shade(coat, 0.72)

    def leg(x: float, angle: float, colour: Colour) -> None:
        swing = 0.5 * math.sin(angle) if moving else 0.06
        bend = 0.7 * max(0.0, math.cos(angle)) if moving else 0.0
        knee = (x + 0.20 * math.sin(swing), 0.60 + 0.20 * math.cos(swing))
        paw = (knee[0] + 0.19 * math.sin(swing - bend), knee[1] + 0.19 * math.cos(swing - bend))
        pen.limb([(x, 0.58), knee, paw], 0.10, colour)
        pen.limb([paw, (paw[0] + 0.05, paw[1])], 0.075, colour)

    leg(-0.36, turn + math.pi, far)
    leg(0.30, turn, far)
    wag = 0.06 * math.sin(2 * turn) if moving else 0.0
    pen.limb([(-0.46, 0.46), (-0.62, 0.30 + wag), (-0.66, 0.16 + wag)], 0.075, coat)
    pen.disc(-0.06, 0.53, 0.46, 0.175, coat)
    pen.disc(0.22, 0.52, 0.20, 0.20, coat)
    if look.variant & 1:
        pen.disc(-0.18, 0.47, 0.19, 0.10, patch)
    leg(-0.36, turn, coat)
    leg(0.28, turn + math.pi, coat)
    nod = 0.015 * math.sin(2 * turn) if moving else 0.0
    pen.limb([(0.30, 0.46), (0.46, 0.28 + nod)], 0.20, coat)
    pen.limb([(0.32, 0.37 + nod), (0.42, 0.45 + nod)], 0.06, collar)
    pen.disc(0.50, 0.22 + nod, 0.155, 0.135, coat)
    pen.limb([(0.54, 0.26 + nod), (0.70, 0.28 + nod)], 0.125, coat)
    pen.disc(0.745, 0.255 + nod, 0.036, 0.034, (34, 32, 34))
    ear = shade(patch if look.variant & 1 else coat, 0.68)
    if look.variant & 2:
        pen.polygon([(0.36, 0.14 + nod), (0.42, -0.02 + nod), (0.52, 0.12 + nod)], ear)
    else:
        pen.disc(0.40, 0.25 + nod, 0.066, 0.13, ear, 15)
    pen.disc(0.555, 0.195 + nod, 0.024, 0.024, (30, 28, 30))


def _kite(pen: Pen, look: Look, t: float, moving: bool) -> None:
    first, second, white = look.colours
    tilt = 0.12 * math.sin(2 * math.pi * t)
    cos, sin = math.cos(tilt), math.sin(tilt)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * cos - (y - 0.3) * sin, 0.3 + x * sin + (y - 0.3) * cos

    tail = []
    for i in range(9):
        y = 0.66 + 0.33 * i / 8
        tail.append((at(0, 0.66)[0] + 0.05 * math.sin(2 * math.pi * (t + 0.35 * i / 2)) * i / 8, y))
    pen.limb(tail, 0.016, shade(second, 0.7))
    for i in (3, 5, 7):
        x, y = tail[i]
        pen.polygon([(x - 0.06, y - 0.03), (x, y), (x - 0.06, y + 0.03)], first)
        pen.polygon([(x + 0.06, y - 0.03), (x, y), (x + 0.06, y + 0.03)], first)
    north, east, south, west, mid = at(0, 0.0), at(0.30, 0.24), at(0, 0.68), at(-0.30, 0.24), at(0, 0.24)
    other = white if look.variant & 1 else second
    pen.polygon([north, east, mid], first)
    pen.polygon([mid, east, south], other)
    pen.polygon([north, mid, west], other)
    pen.polygon([west, mid, south], first)
    pen.limb([north, south], 0.012, shade(first, 0.6))
    pen.limb([west, east], 0.012, shade(first, 0.6))


def _pillar(pen: Pen, look: Look, t: float, moving: bool) -> None:
    stone = look.colours[0]
    pen.block(-0.17, 0.06, 0.17, 0.97, 0.0, stone)
    for i, x in enumerate((-0.13, -0.065, 0.0, 0.065, 0.13)):
        pen.block(x - 0.014, 0.12, x + 0.014, 0.90, 0.0, shade(stone, 0.92 - 0.04 * i))
    pen.block(-0.22, 0.0, 0.22, 0.07, 0.01, shade(stone, 1.06))
    pen.block(-0.20, 0.07, 0.20, 0.10, 0.0, shade(stone, 0.84))
    pen.block(-0.20, 0.90, 0.20, 0.95, 0.0, shade(stone, 1.02))
    pen.block(-0.23, 0.94, 0.23, 1.0, 0.01, shade(stone, 0.90))


def _lamp(pen: Pen, look: Look, t: float, moving: bool) -> None:
    iron: Colour = (70, 66, 62)
    pen.limb([(0, 0.06), (0, 0.97)], 0.02, iron)
    pen.block(-0.028, 0.86, 0.028, 0.99, 0.008, shade(iron, 0.85))
    pen.limb([(0, 0.08), (0.10, 0.05)], 0.014, iron)
    pen.disc(0.10, 0.062, 0.036, 0.03, (196, 234, 246))
    pen.block(0.058, 0.03, 0.142, 0.052, 0.01, iron)


def _tree(pen: Pen, look: Look, t: float, moving: bool) -> None:
    leaf = look.colours[1]
    pen.polygon([(-0.026, 0.5), (0.026, 0.5), (0.038, 0.995), (-0.038, 0.995)], (64, 84, 104))
    crown = ((-0.14, 0.38, 0.16, 0.8), (0.15, 0.36, 0.16, 0.78), (0.0, 0.42, 0.18, 0.74), (0.0, 0.24, 0.22, 0.95),
             (-0.11, 0.26, 0.15, 1.02), (0.12, 0.24, 0.13, 0.94), (-0.03, 0.14, 0.13, 1.12))  # fmt: skip
    for x, y, r, light in crown:
        pen.disc(x, y, r, r * 0.92, shade(leaf, light))


def _planter(pen: Pen, look: Look, t: float, moving: bool) -> None:
    stone, leaf = look.colours
    for i in range(7):
        x = -0.66 + 0.22 * i
        pen.disc(x, 0.36, 0.17, 0.26 + 0.06 * ((look.variant >> i % 5) & 1), shade(leaf, 0.8 + 0.06 * (i % 4)))
    for i in range(5):
        pen.disc(-0.52 + 0.26 * i, 0.24, 0.045, 0.05, ((120, 150, 236), (232, 230, 240), (170, 110, 214))[i % 3])
    pen.block(-0.85, 0.5, 0.85, 1.0, 0.04, stone)
    pen.block(-0.88, 0.46, 0.88, 0.58, 0.03, shade(stone, 1.08))


PAINTERS: dict[str, tuple[float, Callable[[Pen, Look, float, bool], None]]] = {
    "walker": (0.68, _walker), "car": (2.36, _car), "ball": (1.1, _ball), "dog": (1.66, _dog), "kite": (0.76, _kite),
    "pillar": (0.5, _pillar), "lamp": (0.32, _lamp), "tree": (0.7, _tree), "planter": (1.8, _planter),
}  # fmt: skip
"""By kind: how wide the sheet must be, in heights, and what draws on it (pen, look, part of a cycle 0..1, moving)."""
