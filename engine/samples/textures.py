"""Drawn tile, leather and wire mesh with defects and exact masks, laid out as MVTec AD. numpy and cv2 only.

A picture is a pure function of its seed. A pixel is a pixel: a larger picture shows more of the surface, not larger
grains; defects grow with the picture, up to twice the size that they have at 256 pixels.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Progress, drive
from engine.samples.marks import changed, enough, strength_of
from engine.samples.painted_defects import GENERIC_KINDS, paint_defect
from engine.samples.surfaces import Light, Surface, hide, mesh, stone
from engine.samples.texture_defects import DEFECTS

__all__ = [
    "GENERIC_KINDS", "TEXTURES", "defect_kinds", "defective", "good", "paint_defect", "write_mvtec", "writing_mvtec",
]  # fmt: skip

Image = NDArray[np.uint8]
"""(H, W, 3) uint8, BGR."""

_GROUNDS: Mapping[str, Callable[[int, int, np.random.Generator], Surface]] = {
    "tile": stone,
    "leather": hide,
    "grid": mesh,
}
TEXTURES: tuple[str, ...] = tuple(_GROUNDS)
"""The textures that can be drawn, by MVTec AD's names."""
LEAST = 16
"""Pixels of a side: no surface can be told from another in fewer."""

_STRIDE = 1_000_000
"""How far the seeds of two parts of a written category are apart, so that no picture is in both."""
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def defect_kinds(name: str) -> tuple[str, ...]:
    """The kinds of defects of a texture, as `defective` takes them.

    Raises:
        SightlineError: there is no such texture.
    """
    return tuple(DEFECTS[_known(name)])


def good(name: str, seed: int, size: tuple[int, int] = (256, 256)) -> Image:
    """A surface without a defect, in its own light.

    Args:
        name: one of `TEXTURES`.
        seed: 0 or more; the same seed gives the same picture.
        size: height, width in pixels, at least `LEAST`.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        SightlineError: there is no such texture, or the picture would be too small.
    """
    surface, light = _scene(name, seed, size)
    return light.shoot(surface)


def defective(name: str, kind: str, seed: int, size: tuple[int, int] = (256, 256)) -> tuple[Image, Image]:
    """The surface that `good` draws for the same seed, with a defect.

    How plain the defect is runs evenly from subtle to obvious over consecutive seeds.

    Args:
        name: one of `TEXTURES`.
        kind: one of `defect_kinds(name)`.
        seed: 0 or more.
        size: height, width in pixels, at least `LEAST`.

    Returns:
        The picture, (H, W, 3) uint8, BGR, and its mask, (H, W) uint8: 255 where the defect is seen, 0 where the
        picture is that of `good` to the bit.

    Raises:
        SightlineError: there is no such texture or kind, or the picture would be too small.
    """
    kinds = DEFECTS[_known(name)]
    if kind not in kinds:
        raise SightlineError(f"There is no defect {kind!r} of {name}: choose one of {', '.join(kinds)}.")
    surface, light = _scene(name, seed, size)
    before = light.shoot(surface)
    strength = strength_of(seed)
    number = list(kinds).index(kind)
    image, mask = before, np.zeros(size, np.uint8)
    for attempt in range(12):
        rng = np.random.default_rng([seed, TEXTURES.index(name), number + 1, attempt])
        # what fell beside the picture or cannot be seen is tried again, a little plainer
        hurt = kinds[kind](surface, rng, min(1.0, strength + attempt * 0.1))
        image, mask = changed(before, light.shoot(hurt))
        if enough(mask):
            break
    return image, mask


def write_mvtec(
    folder: Path, name: str, *, train: int = 30, good: int = 10, each: int = 5, seed: int = 0,
    size: tuple[int, int] = (256, 256),
) -> Path:  # fmt: skip
    """Write a category of drawn pictures as MVTec AD lays it out; see `writing_mvtec`."""
    return drive(writing_mvtec(folder, name, train=train, good=good, each=each, seed=seed, size=size))


def writing_mvtec(
    folder: Path, name: str, *, train: int = 30, good: int = 10, each: int = 5, seed: int = 0,
    size: tuple[int, int] = (256, 256),
) -> Job[Path]:  # fmt: skip
    """Write a category of drawn pictures as MVTec AD lays it out, and return its folder.

    `NAME/train/good/000.png`, `NAME/test/good`, `NAME/test/KIND` and `NAME/ground_truth/KIND/000_mask.png`. It grows
    beside its name, hidden, and gets that when it is whole. The same arguments write the same bytes. Yields
    `Progress` in pictures.

    Args:
        folder: where the category's folder goes; made if it is not there.
        name: one of `TEXTURES`.
        train: good pictures to learn from.
        good: good pictures to test.
        each: defective pictures of each kind.
        seed: 0 or more; another one gives entirely other pictures.
        size: height, width in pixels.

    Raises:
        SightlineError: there is no such texture, the category's folder is there already, or it cannot be written.
    """
    kinds = defect_kinds(name)
    folder = Path(folder)
    target = folder / name
    if target.exists():
        raise SightlineError(f"{target} is there already: choose another folder, or move it away.")
    # the process and the hour tell two writers of one category apart
    part = folder / f".{name}.{os.getpid()}-{os.urandom(3).hex()}.part"
    total = train + good + each * len(kinds)
    what = f"Drawing {total} pictures of {name}"
    yield Progress(what, 0, total, "pictures")
    try:
        for done, files in enumerate(_pictures(name, train, good, each, seed, size), 1):
            for path, image in files:
                place = part / path
                place.parent.mkdir(parents=True, exist_ok=True)
                # level 1 is four times as fast as the usual one, and noise does not shrink anyway
                coded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
                place.write_bytes(coded.tobytes())
            yield Progress(what, done, total, "pictures")
        part.mkdir(parents=True, exist_ok=True)
        part.rename(target)
    except OSError as error:
        raise _failed(target, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _pictures(
    name: str, train: int, test: int, each: int, seed: int, size: tuple[int, int]
) -> Iterator[list[tuple[str, Image]]]:
    """The files of each picture of a category: where they go, and what is in them."""
    kinds = defect_kinds(name)
    first = seed * _STRIDE * (len(kinds) + 2)
    for part, count in (("train", train), ("test", test)):
        for i in range(count):
            yield [(f"{part}/good/{i:03d}.png", good(name, first + i, size))]
        first += _STRIDE
    for kind in kinds:
        for i in range(each):
            image, mask = defective(name, kind, first + i, size)
            yield [(f"test/{kind}/{i:03d}.png", image), (f"ground_truth/{kind}/{i:03d}_mask.png", mask)]
        first += _STRIDE


def _known(name: str) -> str:
    if name not in _GROUNDS:
        raise SightlineError(f"There is no texture {name!r}: choose one of {', '.join(TEXTURES)}.")
    return name


def _scene(name: str, seed: int, size: tuple[int, int]) -> tuple[Surface, Light]:
    draw = _GROUNDS[_known(name)]
    height, width = size
    if min(size) < LEAST:
        raise SightlineError(f"{width} x {height} pixels are too few for {name}: draw {LEAST} a side or more.")
    rng = np.random.default_rng([seed, TEXTURES.index(name)])
    return draw(height, width, rng), Light.some(height, width, rng)


def _failed(target: Path, error: OSError) -> SightlineError:
    if error.errno in _FULL:
        return SightlineError(f"The disk with {target.parent} is full: make room, or choose another folder.")
    why = error.strerror or type(error).__name__
    return SightlineError(f"{target} cannot be written ({why}): choose another folder.")
