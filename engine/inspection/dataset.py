"""Finds the pictures of a data set: MVTec AD's layout, or folders of good and bad ones. Opens none of them.

What a person said about single pictures (another kind, a painted mask) is applied on the way, see
`engine.inspection.labels`.

Bergmann et al., MVTec AD: A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection, CVPR 2019.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engine.errors import SightlineError
from engine.inspection.labels import apply_labels, relabel, save_mask
from engine.inspection.types import GOOD, Category, Item
from engine.media.pictures import natural_key
from engine.media.suffixes import PICTURE_SUFFIXES

__all__ = ["HELD_BACK", "read_any_folder", "read_category", "read_folders", "read_root", "relabel", "save_mask"]

HELD_BACK = 5
"""Every fifth good picture of a folder is kept for testing where there are bad ones to tell apart."""
FIRST = ("tile", "leather", "grid")
"""MVTec AD's flat surfaces, which are listed first."""

_GOOD_NAMES = ("good", "ok", "normal")
_BAD_NAMES = ("bad", "defect", "defects", "defective", "ng", "nok", "ko", "anomaly", "anomalies", "anomalous",
              "abnormal", "test")  # fmt: skip
_MASK_NAMES = ("ground_truth", "masks", "mask")
_MASK = "_mask"
_NEEDED = "choose a folder with PNG, JPEG or other pictures"


def read_any_folder(path: Path) -> tuple[Category, ...]:
    """Read a folder, whichever way it is laid out.

    In this order: a category of MVTec AD (`train/good` in it); a data set's root (folders with `train/good`); a folder
    called good (or ok, normal) with bad ones beside it, called bad (defect, ng, test ...) or after their kinds; a
    folder of good pictures alone, which may hold a folder called bad.

    Args:
        path: a folder.

    Returns:
        Its categories, at least one.

    Raises:
        SightlineError: there is none, it cannot be read, or nothing says which pictures are good.
    """
    path = path.expanduser()
    _check(path)
    if _is_category(path):
        return (read_category(path),)
    folders, files = _list(path)
    if any(_is_category(folder) for folder in folders):
        return read_root(path)
    known = {folder.name.casefold(): folder for folder in folders}
    bad = [folder for key, folder in known.items() if key in _BAD_NAMES]
    train = known.get("train")
    good = _called_good(folders)
    if good is None and train is not None:
        good = _called_good(_list(train)[0]) or (train if _list(train)[1] else None)
    if good is not None:
        others = [f for f in folders if f != good and f != train and f.name.casefold() not in _GOOD_NAMES]
        return (_from_folders(good, _kinds_of(bad) if bad else _kinds_beside(others), _name(path), path),)
    if _pictures(path, files):
        return (_from_folders(path, _kinds_of(bad), _name(path), path),)
    if any(_list(folder)[1] for folder in folders):
        raise SightlineError(
            f"Nothing says which pictures in {path} are good: name one of its folders good, or choose that folder."
        )
    raise SightlineError(f"There is no picture in {path}: {_NEEDED}.")


def read_root(path: Path) -> tuple[Category, ...]:
    """Read a data set's root: every folder in it with good pictures in `train/good`.

    Args:
        path: the root, or a category itself.

    Returns:
        Its categories: tile, leather, grid, then the others in natural order. One without a good picture is left out
        unless there is no other.

    Raises:
        SightlineError: there is none, or a folder of one cannot be read.
    """
    path = path.expanduser()
    _check(path)
    if _is_category(path):
        return (read_category(path),)
    folders = [folder for folder in _list(path)[0] if _is_category(folder)]
    if not folders:
        raise SightlineError(
            f"There is no category in {path} (a folder with train/good): choose the data set's root, or a folder of "
            "good pictures."
        )
    order = sorted(folders, key=lambda folder: _place(folder.name.casefold()))
    with_good = [folder for folder in order if _pictures(folder / "train" / GOOD)]
    return tuple(read_category(folder) for folder in with_good or order)


def read_category(folder: Path) -> Category:
    """Read a category in MVTec AD's layout: `train/good`, `test/KIND`, `ground_truth/KIND/STEM_mask.png`.

    Neither test pictures nor masks need be there; a mask may be any kind of picture and be called as its picture is.

    Args:
        folder: of the category.

    Returns:
        The category, named after the folder.

    Raises:
        SightlineError: there is no good picture, or a folder cannot be read.
    """
    folder = folder.expanduser()
    _check(folder)
    train = folder / "train" / GOOD
    if not _is_folder(train):
        raise SightlineError(
            f"{folder} is not laid out as MVTec AD is: put its good pictures into train/good, or open a folder of them."
        )
    good = _pictures(train)
    if not good:
        raise SightlineError(f"There is no good picture in {train}: put the pictures there that are to be learned.")
    items = [Item(path, GOOD, "train") for path in good]
    for kind in _list(folder / "test")[0] if _is_folder(folder / "test") else ():
        masks = _masks(folder / "ground_truth" / kind.name) if kind.name != GOOD else {}
        items += _items(_pictures(kind), kind.name, masks)
    return apply_labels(Category(folder.resolve().name, folder, tuple(items)))


def read_folders(good: Path, bad: Path | None = None, name: str | None = None) -> Category:
    """Read a folder of good pictures, with or without a folder of bad ones.

    Where there are bad ones and no good test pictures, every fifth good picture in natural order (the 5th, 10th ...) is
    kept for testing, so that there is something to tell them apart from; otherwise all are learned from. The same
    folder is always split in the same way.

    Args:
        good: its pictures, or those of the folders in it where it has none itself.
        bad: its pictures, of the kind that the folder's name says, and the folders in it, each a kind; one called good
            (or ok, normal) holds good test pictures. Masks are found in `ground_truth` or `masks` in it or beside it,
            or as `STEM_mask` beside the picture.
        name: of the category; None takes it from the folders.

    Returns:
        The category.

    Raises:
        SightlineError: a folder cannot be read or holds no picture, or both are the same.
    """
    good = good.expanduser()
    bad = bad.expanduser() if bad is not None else None
    _check(good)
    kinds: list[tuple[str, Path]] = []
    if bad is not None:
        _check(bad)
        if bad.resolve() == good.resolve():
            raise SightlineError(f"{good} cannot hold both the good and the bad pictures: choose two folders.")
        kinds = [(kind, folder) for kind, folder in _kinds_of([bad]) if folder.resolve() != good.resolve()]
        if not any(_pictures(folder) for _, folder in kinds):
            raise SightlineError(f"There is no picture in {bad}: {_NEEDED}, or none where there are no bad ones.")
    # both ways to open a folder that holds good/ and bad/ find what was said about its pictures
    home = good.parent if good.name.casefold() in _GOOD_NAMES else good
    return _from_folders(good, kinds, name or _name(good), home)


def _name(folder: Path) -> str:
    """What a category is called: its folder, but not what every category's folder is called."""
    above = folder.resolve()
    while above.name.casefold() in (*_GOOD_NAMES, "train", "test") and above.parent != above:
        above = above.parent
    return above.name or str(folder)


def _from_folders(good: Path, kinds: Iterable[tuple[str, Path]], name: str, home: Path) -> Category:
    pictures = _pictures(good)
    if not pictures:
        pictures = [picture for folder in _list(good)[0] if not _holds_masks(folder) for picture in _pictures(folder)]
    if not pictures:
        raise SightlineError(f"There is no good picture in {good}: {_NEEDED}.")
    test: list[Item] = []
    for kind, folder in kinds:
        test += _items(_pictures(folder), kind, _all_masks(folder) if kind != GOOD else {})
    # one file cannot be the mask of two pictures: nobody knows whose it is
    users = Counter(item.mask for item in test)
    test = [replace(item, mask=None) if users[item.mask] > 1 else item for item in test]
    hold_back = bool(test) and all(item.abnormal for item in test)
    train = [
        Item(path, GOOD, "test" if hold_back and number % HELD_BACK == 0 else "train")
        for number, path in enumerate(pictures, start=1)
    ]
    return apply_labels(Category(name, home, (*train, *test)))


def _kinds_of(bad: Iterable[Path]) -> list[tuple[str, Path]]:
    """The kinds in folders called bad: their own pictures, then each folder in them."""
    kinds = []
    for folder in bad:
        name = folder.resolve().name
        kinds.append(("bad" if name.casefold() in (*_GOOD_NAMES, "test") else name, folder))
        kinds += _kinds_beside(_list(folder)[0])
    return kinds


def _kinds_beside(folders: Iterable[Path]) -> list[tuple[str, Path]]:
    named = [folder for folder in folders if not _holds_masks(folder)]
    return [(GOOD if folder.name.casefold() in _GOOD_NAMES else folder.name, folder) for folder in named]


def _called_good(folders: Iterable[Path]) -> Path | None:
    known = {folder.name.casefold(): folder for folder in folders}
    return next((known[name] for name in _GOOD_NAMES if name in known), None)


def _items(pictures: Iterable[Path], kind: str, masks: dict[str, Path]) -> list[Item]:
    return [Item(path, kind, "test", masks.get(path.stem.casefold())) for path in pictures]


def _all_masks(folder: Path) -> dict[str, Path]:
    """The masks of a folder of bad pictures that is not laid out as MVTec AD is, by the pictures' stems."""
    found: dict[str, Path] = {}
    for above in (folder, folder.parent, folder.parent.parent):
        for name in _MASK_NAMES:
            for place in (above / name / folder.name, above / name if above != folder.parent.parent else None):
                if place is not None and _is_folder(place):
                    found = _masks(place) | found
    return _masks(folder, only_named=True) | found


def _masks(folder: Path, only_named: bool = False) -> dict[str, Path]:
    """The masks in a folder by the stem of their picture; STEM_mask goes before STEM."""
    if not _is_folder(folder):
        return {}
    plain, named = {}, {}
    for path in _list(folder)[1]:
        stem = path.stem.casefold()
        if stem.endswith(_MASK):
            named[stem.removesuffix(_MASK)] = path
        else:
            plain[stem] = path
    return named if only_named else plain | named


def _pictures(folder: Path, files: list[Path] | None = None) -> list[Path]:
    """The pictures in a folder in natural order, without the masks that lie beside them."""
    files = _list(folder)[1] if files is None else files
    stems = {path.stem.casefold() for path in files}
    return [path for path in files if path.stem.casefold().removesuffix(_MASK) not in stems or not _is_mask(path)]


def _is_mask(path: Path) -> bool:
    return path.stem.casefold().endswith(_MASK)


def _list(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the picture files in a folder, both in natural order, without hidden ones."""
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if Path(entry.name).suffix.lower() in PICTURE_SUFFIXES and entry.is_file():
                    files.append(folder / entry.name)
                elif entry.is_dir():
                    folders.append(folder / entry.name)
    except OSError as error:
        raise SightlineError(
            f"{folder} cannot be read ({(error.strerror or str(error)).lower()}): check that it may be opened."
        ) from None
    return sorted(folders, key=natural_key), sorted(files, key=natural_key)


def _check(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        if folder.exists():
            raise SightlineError(f"{folder} is a file: choose the folder it lies in.")
    except OSError as error:
        raise SightlineError(f"{folder} cannot be read ({(error.strerror or str(error)).lower()}).") from None
    raise SightlineError(f"There is no folder {folder}: check the path.")


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False


def _is_category(folder: Path) -> bool:
    return _is_folder(folder / "train" / GOOD)


def _holds_masks(folder: Path) -> bool:
    return folder.name.casefold() in _MASK_NAMES


def _place(name: str) -> tuple[int, list[tuple[int, int, str]]]:
    return FIRST.index(name) if name in FIRST else len(FIRST), natural_key(Path(name))
