"""What a person says about a category's pictures: other kinds, painted masks, a region of interest.

The pictures themselves are never moved. What was said lies in a folder of ours, one for each category, named after its
absolute path (a category that is moved starts anew):

    DATA/inspection/labels/NAME-HASH/labels.json    other kinds, the region, which masks were painted
    DATA/inspection/labels/NAME-HASH/painted/       masks that have no place beside the pictures

Reading a category (`engine.inspection.dataset`) applies it.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.errors import SightlineError
from engine.inspection.pictures import read_any
from engine.inspection.types import GOOD, Category, Item
from engine.media.pictures import natural_key

Region = tuple[float, float, float, float]
"""Left, top, width, height as shares of the picture, 0..1."""
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)

_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True, slots=True)
class _Label:
    """A picture whose kind or split is another one than its folder says; `was_` is what the folder says."""

    kind: str
    split: str
    was_kind: str
    was_split: str
    was_mask: str | None = None


@dataclass(slots=True)
class _Notes:
    """The content of a `labels.json`; pictures by `_key`, masks relative to the category or to our own folder."""

    pictures: dict[str, _Label] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    region: Region = WHOLE


def relabel(category: Category, item: Item, kind: str, split: str | None = None) -> Category:
    """Call a picture good, or defective of some kind. The file stays where it is; reading the category applies it.

    A defective picture is a test picture: one that was learned from leaves the training. One that is called good
    against its folder is learned from, so that the next fit knows it; one that is back at what its folder says is
    where it was. `split` decides otherwise for good ones.

    Args:
        category: that the picture belongs to.
        item: one of its items (found by its path).
        kind: "good", or what kind of defect ("bad" where nobody knows).
        split: "train" or "test" for a good picture; None means as above.

    Returns:
        The category with that item changed.

    Raises:
        SightlineError: the kind cannot be a folder's name, the picture is not of this category, or it cannot be
            saved.
    """
    kind = kind.strip()
    if not _is_kind(kind):
        raise SightlineError(f'"{kind}" cannot be a kind of defect: use letters and digits.')
    if kind.casefold() == GOOD:
        kind = GOOD
    item = _own(category, item)
    notes = _load(category.folder)
    key = _key(category.folder, item.path)
    known = notes.pictures.pop(key, None)
    was = known or _Label("", "", item.kind, item.split, _key(category.folder, item.mask) if item.mask else None)
    if kind != GOOD:
        split = "test"
    elif split is None:
        split = was.was_split if was.was_kind == GOOD else "train"
    if (kind, split) != (was.was_kind, was.was_split):
        notes.pictures[key] = replace(was, kind=kind, split=split)
    _save(category.folder, notes)
    mask = None
    if kind != GOOD:
        mask = _painted(category.folder, notes, key) or item.mask
        if mask is None and was.was_mask:
            mask = category.folder / was.was_mask
    return _replaced(category, Item(item.path, kind, split, mask))


def forget_label(category: Category, item: Item) -> Category:
    """Take back what `relabel` said of a picture: its folder counts again.

    Raises:
        SightlineError: as `relabel`.
    """
    item = _own(category, item)
    label = _load(category.folder).pictures.get(_key(category.folder, item.path))
    return relabel(category, item, label.was_kind, label.was_split) if label else category


def relabelled(category: Category) -> Mapping[Path, str]:
    """The pictures whose kind or split was changed, with the kind that their folder says."""
    known = _load(category.folder).pictures
    return {
        item.path: known[key].was_kind
        for item in category.items
        if known and (key := _key(category.folder, item.path)) in known
    }


def save_mask(category: Category, item: Item, mask: NDArray[np.bool_]) -> Path:
    """Save a painted mask; reading the category finds it again.

    A mask that the picture has is replaced once the new one is whole. Otherwise it is saved in MVTec AD's layout,
    `ground_truth/KIND/STEM_mask.png`, where the category is laid out so and may be written, and no other picture has
    that place; else in our own folder.

    Args:
        category: that the picture belongs to.
        item: a defective picture of it (found by its path).
        mask: (H, W) bool, True where the defect is; of the picture's size.

    Returns:
        Where it was saved.

    Raises:
        SightlineError: the picture is labelled good or cannot be read, nothing is painted, the size is another one, or
            there is no room on the disk.
    """
    item = _own(category, item)
    if not item.abnormal:
        raise SightlineError(f"{item.path.name} is labelled good: say first what kind of defect it shows.")
    if not mask.any():
        raise SightlineError(f"Nothing is painted on {item.path.name}: paint its defect before saving the mask.")
    size = read_any(item.path).shape[:2]
    if mask.shape != size:
        raise SightlineError(
            f"The mask has {mask.shape[1]} x {mask.shape[0]} pixels and {item.path.name} {size[1]} x {size[0]}: "
            "paint it on the whole picture."
        )
    data = cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()
    for place in _places(category, item):
        try:
            _write(place, data)
        except OSError as error:
            if error.errno in _FULL or place.is_relative_to(_home(category.folder)):
                raise SightlineError(_sentence(place, error)) from None
            continue  # read-only: our own folder comes next
        notes = _load(category.folder)
        base = _home(category.folder) if place.is_relative_to(_home(category.folder)) else category.folder
        notes.masks[_key(category.folder, item.path)] = _key(base, place)
        _save(category.folder, notes)
        return place
    raise AssertionError("our own folder is the last place")


def with_mask(category: Category, item: Item, mask: Path | None) -> Category:
    """The category with the mask of one picture replaced, for a page that has just saved it."""
    return _replaced(category, replace(_own(category, item), mask=mask))


def region_of(category: Category) -> Region:
    """The region of interest: left, top, width, height as shares of the picture, 0..1; all of it until one is set."""
    return _load(category.folder).region


def set_region(category: Category, region: Region) -> None:
    """Keep the region of interest of a category; `WHOLE` takes it away.

    Args:
        category: whose pictures it counts for.
        region: left, top, width, height as shares of the picture, 0..1.

    Raises:
        SightlineError: it is empty or not within the picture, or cannot be saved.
    """
    checked = _region(region)
    if checked is None:
        raise SightlineError("The region of interest must lie within the picture: draw it again.")
    notes = _load(category.folder)
    notes.region = checked
    _save(category.folder, notes)


def apply_labels(category: Category) -> Category:
    """A category as it lies on the disk, with what was said about it."""
    notes = _load(category.folder)
    if not notes.pictures and not notes.masks:
        return replace(category, items=_ordered(category.items))
    painted = {key: found for key in notes.masks if (found := _painted(category.folder, notes, key)) is not None}
    taken = {mask: key for key, mask in painted.items()}
    items = []
    for item in category.items:
        key = _key(category.folder, item.path)
        mask = painted.get(key, item.mask)
        if mask is not None and taken.get(mask, key) != key:
            mask = None  # it was painted for a picture that was relabelled to this one's kind
        label = notes.pictures.get(key)
        kind, split = (label.kind, label.split) if label else (item.kind, item.split)
        items.append(Item(item.path, kind, split, mask if kind != GOOD else None))
    return replace(category, items=_ordered(items))


def _ordered(items: Iterable[Item]) -> tuple[Item, ...]:
    """Those to learn from first, then the good ones, then kind after kind, each in natural order."""
    return tuple(sorted(items, key=_order))


def _order(item: Item) -> Any:
    return item.split != "train", item.abnormal, _kind_order(item.kind), natural_key(item.path), item.path.parent


@lru_cache(256)
def _kind_order(kind: str) -> Any:
    return natural_key(Path(kind))


def _own(category: Category, item: Item) -> Item:
    for own in category.items:
        if own.path == item.path:
            return own
    raise SightlineError(f"{item.path} is not a picture of {category.name}: open the data set again.")


def _replaced(category: Category, item: Item) -> Category:
    items = [other for other in category.items if other.path != item.path]
    insort(items, item, key=_order)
    return replace(category, items=tuple(items))


def _places(category: Category, item: Item) -> list[Path]:
    """Where a mask may be saved, best first; the last one is ours."""
    name = f"{item.path.stem}_mask.png"
    ours = _home(category.folder) / "painted" / item.kind / name
    # pictures of one name in two folders that were labelled the same kind
    own_name = hashlib.sha256(_key(category.folder, item.path).encode()).hexdigest()[:8]
    places = [ours, ours.with_name(f"{item.path.stem}-{own_name}_mask.png")]
    beside = category.folder / "ground_truth" / item.kind / name
    if (category.folder / "train" / GOOD).is_dir():
        places.insert(0, beside)
    rivals = {
        other.mask or category.folder / "ground_truth" / other.path.parent.name / f"{other.path.stem}_mask.png"
        for other in category.items
        if other.path != item.path and other.path.stem == item.path.stem
    }
    free = [place for place in places if place not in rivals and (place == item.mask or not place.exists())]
    if item.mask is not None and item.mask.suffix.lower() == ".png":
        free.insert(0, item.mask)
    return list(dict.fromkeys([*free, places[-1]]))


def _key(folder: Path, path: Path) -> str:
    """How a file is named in our notes: within the folder as it lies there, else by its absolute path."""
    text, start = str(path), f"{folder}{os.sep}"
    if text.startswith(start):  # pathlib takes 20 times as long
        return text[len(start) :].replace(os.sep, "/")
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return path.absolute().as_posix()


def _home(folder: Path) -> Path:
    whole = os.path.normcase(folder.resolve())
    name = _FORBIDDEN.sub("_", folder.resolve().name)[:40]
    return runtime.data_folder() / "inspection" / "labels" / f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def _painted(folder: Path, notes: _Notes, key: str) -> Path | None:
    """The mask that was painted for a picture, if it is still there."""
    name = notes.masks.get(key)
    if name is None:
        return None
    return next((base / name for base in (_home(folder), folder) if (base / name).is_file()), None)


def _is_kind(kind: Any) -> bool:
    """Whether it can name a folder, on Windows too."""
    return isinstance(kind, str) and 0 < len(kind) <= 80 and not kind.startswith(".") and not _FORBIDDEN.search(kind)


def _region(values: Any) -> Region | None:
    try:
        left, top, width, height = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    # a mouse leaves a rounding error beyond the edge
    within = min(left, top) >= 0 and max(left + width, top + height) <= 1 + 1e-6
    if not within or not min(width, height) > 0:
        return None
    return left, top, min(width, 1 - left), min(height, 1 - top)


def _load(folder: Path) -> _Notes:
    """What is known of a category; what cannot be understood counts as not said."""
    try:
        said = json.loads((_home(folder) / "labels.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _Notes()
    notes = _Notes()
    if not isinstance(said, dict):
        return notes
    pictures, masks = said.get("pictures"), said.get("masks")
    for key, label in pictures.items() if isinstance(pictures, dict) else ():
        with contextlib.suppress(TypeError):
            found = _Label(**label)
            if (
                {found.split, found.was_split} <= {"train", "test"}
                and _is_kind(found.kind)
                and _is_kind(found.was_kind)
            ):
                notes.pictures[key] = found
    for key, name in masks.items() if isinstance(masks, dict) else ():
        if isinstance(name, str):
            notes.masks[key] = name
    notes.region = _region(said.get("region")) or WHOLE
    return notes


def _save(folder: Path, notes: _Notes) -> None:
    path = _home(folder) / "labels.json"
    said = {
        "folder": str(folder.resolve()),
        "region": list(notes.region),
        "pictures": {key: asdict(label) for key, label in sorted(notes.pictures.items())},
        "masks": dict(sorted(notes.masks.items())),
    }
    try:
        with contextlib.suppress(FileNotFoundError):
            _set_aside_if_damaged(path)
        _write(path, json.dumps(said, indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise SightlineError(_sentence(path, error)) from None


def _set_aside_if_damaged(path: Path) -> None:
    """Nothing that a person said is written over because it cannot be read."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        path.replace(path.with_name("labels.damaged.json"))


def _write(path: Path, data: bytes) -> None:
    """Write beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return f"There is no room left on the disk of {path.parent}: free some and save again."
    reason = (error.strerror or "it cannot be written").lower()
    return f"{path.name} could not be saved in {path.parent} ({reason}): check that the folder may be written."
