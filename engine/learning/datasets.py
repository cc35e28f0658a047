"""Finds the pictures of a data set whose folders are called after what they show; opens none of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.media.pictures import natural_key, read_picture
from engine.media.suffixes import PICTURE_SUFFIXES

Image = NDArray[np.uint8]
Labels = NDArray[np.int64]

_TEST_NAMES = ("test", "val", "valid", "validation")
_NEEDED = "choose a folder that has a folder of pictures for each class"
EXAMPLE = "example:shapes"
"""What the drawn data set is called where a folder is asked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some pictures and what they show.

    Attributes:
        pictures: (n, H, W, 3) uint8, BGR, or the paths of n files.
        labels: (n,) int64, places in the set's names.
    """

    pictures: Sequence[Path] | Image
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> Image:
        """A picture, (H, W, 3) uint8, BGR.

        Raises:
            SightlineError: its file is gone or damaged.
        """
        one = self.pictures[index]
        return read_picture(one) if isinstance(one, Path) else one

    def only(self, places: Sequence[int] | Labels) -> "Part":
        """Some of them."""
        chosen = np.asarray(places, np.int64)
        pictures = self.pictures
        if isinstance(pictures, np.ndarray):
            return Part(pictures[chosen], self.labels[chosen])
        return Part([pictures[place] for place in chosen.tolist()], self.labels[chosen])


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Pictures of several classes.

    Attributes:
        name: that a person reads.
        names: of the classes, in the order of their labels.
        train: what is learned from; the validation part is taken from it.
        test: what is measured on at the end alone; may be empty.
        source: the folder, or "" for arrays.
    """

    name: str
    names: tuple[str, ...]
    train: Part
    test: Part
    source: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """A data set as a training uses it: three parts that share no picture."""

    train: Part
    val: Part
    test: Part


def read_image_folder(folder: Path | str) -> ImageSet:
    """Read a folder with a folder of pictures for each class.

    Args:
        folder: it holds the classes' folders, or `train` with them and perhaps `test` (or `val`, `valid`,
            `validation`) with the same. Classes come in natural order; folders without a picture are passed over.

    Raises:
        SightlineError: it is not there, holds no pictures or one class alone, or its test part has other classes.
    """
    folder = Path(folder).expanduser()
    if not folder.exists():
        raise SightlineError(f"There is no folder {folder}: check the path.")
    if not folder.is_dir():
        raise SightlineError(f"{folder} is a file: {_NEEDED}.")
    inner = {one.name.casefold(): one for one in _folders(folder)}
    train = inner.get("train") if "train" in inner and _folders(inner["train"]) else None
    classes = _classes(train or folder)
    if not classes:
        loose = "its pictures are in no class" if _pictures(train or folder) else "it holds no pictures"
        raise SightlineError(f"{folder} cannot be learned from, because {loose}: {_NEEDED}.")
    if len(classes) == 1:
        raise SightlineError(
            f"{folder} has one class alone ({next(iter(classes))}): two or more are needed to tell apart."
        )
    names = tuple(classes)
    kept = next((inner[name] for name in _TEST_NAMES if name in inner), None) if train else None
    tested = _classes(kept) if kept is not None else {}
    strange = [name for name in tested if name not in classes]
    if strange and kept is not None:
        raise SightlineError(
            f"{kept} has a class {strange[0]} that {train} lacks: give both the same folders of classes."
        )
    return ImageSet(folder.resolve().name, names, _part(classes, names), _part(tested, names), str(folder))


def from_arrays(
    pictures: Image, labels: Sequence[int] | Labels, names: Sequence[str], *,
    test_pictures: Image | None = None, test_labels: Sequence[int] | Labels = (), name: str = "pictures",
) -> ImageSet:  # fmt: skip
    """A data set of pictures that are in memory.

    Args:
        pictures: (n, H, W, 3) uint8, BGR; also `test_pictures`.
        labels: (n,), places in `names`; also `test_labels`.
        names: of the classes, two or more.
        name: of the set.

    Raises:
        SightlineError: there are no pictures, fewer than two classes, or labels that do not fit.
    """
    tested = np.empty((0, *pictures.shape[1:]), np.uint8) if test_pictures is None else test_pictures
    train, test = (Part(p, np.asarray(v, np.int64)) for p, v in ((pictures, labels), (tested, test_labels)))
    for part in (train, test):
        shown: Any = part.pictures
        if shown.ndim != 4 or shown.shape[-1] != 3 or shown.dtype != np.uint8:
            raise ValueError(f"pictures are {shown.shape} {shown.dtype}, expected (n, H, W, 3) uint8")
        if len(shown) != len(part.labels):
            raise SightlineError(f"There are {len(shown)} pictures and {len(part.labels)} labels: give one for each.")
        if len(part) and not (0 <= part.labels.min() <= part.labels.max() < len(names)):
            raise SightlineError(f"A label lies outside of the {len(names)} names of classes: give one name for each.")
    if not len(train):
        raise SightlineError(f"{name} cannot be learned from, because it holds no pictures.")
    if len(np.unique(train.labels)) < 2:
        raise SightlineError(f"{name} has one class alone: two or more are needed to tell apart.")
    return ImageSet(name, tuple(names), train, test)


def example_shapes(seed: int = 0, *, train: int = 1000, test: int = 200, size: int = 64) -> ImageSet:
    """The drawn data set, which needs neither files nor a network: circles, squares, triangles, stars and crosses."""
    from engine.samples.shapes import KINDS, shapes

    pictures, labels, _ = shapes(train + test, size, seed)
    return from_arrays(
        pictures[:train], labels[:train], KINDS,
        test_pictures=pictures[train:], test_labels=labels[train:], name="Drawn shapes",
    )  # fmt: skip


def read_data(text: str | Path, seed: int = 0) -> ImageSet:
    """The data set that a person named: a folder, or `example:shapes` (drawn with the seed).

    Raises:
        SightlineError: as `read_image_folder`, or there is no such example.
    """
    if str(text).startswith("example:"):
        if str(text) != EXAMPLE:
            raise SightlineError(f"There is no example {text} to learn from: give {EXAMPLE}, or a folder.")
        return example_shapes(seed)
    return read_image_folder(text)


def split(data: ImageSet, share: float = 0.8, seed: int = 0) -> Split:
    """Take the validation part from the training part: of every class the same share, at least one picture.

    A set without a test part gives half of what is not learned from to the test.

    Args:
        data: any.
        share: of the training pictures that is learned from, between 0 and 1.
        seed: the same one takes the same pictures.

    Raises:
        SightlineError: a class has too few pictures.
    """
    if not 0 < share < 1:
        raise SightlineError(f"A split of {share:g} leaves nothing to learn or to validate: give one between 0 and 1.")
    rng = np.random.default_rng([seed, 11])
    pieces = 1 if len(data.test) else 2
    taken: tuple[list[int], ...] = ([], [], [])
    for label, name in enumerate(data.names):
        places = rng.permutation(np.flatnonzero(data.train.labels == label))
        if len(places) < pieces + 1:
            raise SightlineError(
                f"The class {name} of {data.name} has {len(places)} pictures, too few to learn from and to check on: "
                f"add some, {pieces + 1} at least."
            )
        rest = min(max(pieces, round((1 - share) * len(places))), len(places) - 1)
        tested = rest // 2 if pieces == 2 else 0
        for into, some in zip(taken, np.split(places, (len(places) - rest, len(places) - tested)), strict=True):
            into += some.tolist()
    train, val, test = (data.train.only(sorted(places)) for places in taken)
    return Split(train, val, data.test if pieces == 1 else test)


def _folders(folder: Path) -> list[Path]:
    try:
        inside = [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    except OSError as error:
        raise SightlineError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return sorted(inside, key=natural_key)


def _pictures(folder: Path) -> list[Path]:
    try:
        files = [one for one in folder.iterdir() if one.suffix.lower() in PICTURE_SUFFIXES and one.is_file()]
    except OSError as error:
        raise SightlineError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return sorted((one for one in files if not one.name.startswith(".")), key=natural_key)


def _classes(folder: Path) -> dict[str, list[Path]]:
    found = {one.name: _pictures(one) for one in _folders(folder)}
    return {name: files for name, files in found.items() if files}


def _part(classes: dict[str, list[Path]], names: tuple[str, ...]) -> Part:
    files = [file for name in names for file in classes.get(name, ())]
    labels = [label for label, name in enumerate(names) for _ in classes.get(name, ())]
    return Part(files, np.asarray(labels, np.int64))
