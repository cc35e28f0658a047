"""Writes the maps of inspected pictures: numbers (.npy) and the picture with its verdict (.png)."""

import errno
import io
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engine.files import cannot_write, write_whole
from engine.inspection.draw import picture_with_verdict
from engine.inspection.types import Image, Verdict


def map_stems(paths: Sequence[Path]) -> list[str]:
    """A name for the map of each picture, no name twice, whatever the case of its letters.

    It is the picture's own stem; where an earlier picture has that already, the folders above it are put in front
    (`crack_000`), and then a number behind.

    Args:
        paths: of the pictures.
    """
    # a picture that is given twice has one map
    order = list(dict.fromkeys(paths))
    taken: set[str] = set()
    names: dict[Path, str] = {}
    for path in order:
        names[path] = next(name for name in _candidates(path) if name.casefold() not in taken)
        taken.add(names[path].casefold())
    return [names[path] for path in paths]


def _candidates(path: Path) -> list[str]:
    folders = [part for part in path.absolute().parts[1:-1] if part not in ("/", "\\")]
    found = ["_".join([*folders[len(folders) - depth :], path.stem]) for depth in range(min(3, len(folders)) + 1)]
    return found + [f"{path.stem}_{number}" for number in range(2, 10_000)]


def save_maps(folder: Path, stem: str, image: Image, verdict: Verdict) -> tuple[Path, Path]:
    """Write STEM.npy, (H, W) float32, the calibrated map in the picture's size, and STEM.png, the picture with it.

    What was there is replaced only when the new file is whole.

    Args:
        folder: where to; it is there.
        stem: of both names.
        image: (H, W, 3) uint8 BGR.
        verdict: of it.

    Raises:
        SightlineError: they cannot be written.
    """
    numbers = io.BytesIO()
    np.save(numbers, np.ascontiguousarray(verdict.map, np.float32), allow_pickle=False)
    drawn = cv2.imencode(".png", picture_with_verdict(image, verdict))[1].tobytes()
    return write_whole(folder / f"{stem}.npy", numbers.getvalue()), write_whole(folder / f"{stem}.png", drawn)


def make_folder(folder: Path) -> Path:
    """Make a folder for results if it is not there.

    Raises:
        SightlineError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    if not os.access(folder, os.W_OK):
        raise cannot_write(folder, PermissionError(errno.EACCES, "no permission"))
    return folder
