"""Reads the pictures that are inspected, and the masks that say where their defects are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.types import Image
from engine.media.pictures import decode, read_bytes
from engine.media.pixels import decode_raw, white_of

_HALF = 127
_COLOURED = 31
"""What JPEG leaves between the channels of a grey picture stays below this."""


def read_any(path: Path, white: float | None = None) -> Image:
    """Read a picture of any usual kind: grey, colour, palette, CMYK, with alpha, 8, 12, 16 or 32 bits, floating.

    It is turned upright by its EXIF orientation, alpha is dropped (the colours stay as they are stored), and of several
    pages the first is taken. Numbers above 8 bits are brought to 0..255 by one of a few fixed whites, never by the
    picture's own brightest pixel, so that the pictures of a category stay comparable.

    Args:
        path: of the picture.
        white: the number that becomes 255 where there are more than 8 bits; None chooses 255, 4095 or 65535 (1 for
            floating numbers), the lowest that the picture fits under. `white_for` settles it for a whole category.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        SightlineError: it is missing, empty, damaged, no picture, or has more than 200 million pixels.
    """
    return decode(read_bytes(path), path.name, white)


def white_for(paths: Sequence[Path], look: int = 12) -> float | None:
    """The white that `read_any` should take for all pictures of a category.

    Args:
        paths: of its good pictures.
        look: how many of them are opened, evenly spread; those that cannot be read do not count.

    Returns:
        The highest white that one of them needs; None where they have 8 bits, and where none can be read.
    """
    found: list[float] = []
    for path in paths[:: max(1, len(paths) // look)] if paths else ():
        try:
            raw = decode_raw(read_bytes(path), path.name)
        except SightlineError:
            continue
        if raw.dtype != np.uint8:
            found.append(white_of(raw))
    return max(found, default=None)


def read_mask(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read where the defect is from a picture of any kind that `read_any` reads.

    The brightest of its channels decides. With two values the higher one is the defect; a mask of colours or of small
    numbers (1, 2, 3: one a kind) is a defect wherever it is not black; of anything else, a mask with soft edges or
    saved as JPEG, what is above the half. A mask that is painted in transparency alone counts by its alpha.

    Args:
        path: of the mask.
        size: height, width of its picture.

    Returns:
        (H, W) bool.

    Raises:
        SightlineError: it cannot be read, or has another size than its picture.
    """
    data = read_bytes(path)
    raw = decode_raw(data, path.name)
    if raw.shape[:2] != tuple(size):
        raise SightlineError(
            f"The mask {path.name} has {raw.shape[1]} x {raw.shape[0]} pixels and its picture {size[1]} x {size[0]}: "
            "save the mask in the picture's size."
        )
    if (raw == raw.flat[0]).all():
        whole = decode_raw(data, path.name, alpha=True)
        if whole.ndim == 3 and whole.shape[2] == 4 and whole.shape[:2] == tuple(size):
            alpha = whole[:, :, 3]
            raw = alpha if alpha.min() != alpha.max() else raw
    return _is_defect(raw)


def _is_defect(raw: NDArray[Any]) -> NDArray[np.bool_]:
    values = raw if raw.ndim == 2 else raw.max(axis=2)
    low, high = values.min(), values.max()
    if low == high:
        return np.full(values.shape, high > 0)
    found: NDArray[np.bool_] = values == high
    if (found | (values == low)).all():
        return found
    integral = not np.issubdtype(raw.dtype, np.floating)
    if integral and high <= _HALF:
        return np.asarray(values > 0)
    if raw.dtype == np.uint8 and raw.ndim == 3 and (values - raw.min(axis=2)).max() > _COLOURED:
        return np.asarray(values > _COLOURED)
    return np.asarray(values > _HALF * (white_of(raw) / 255.0))
