"""Pictures as cases of the gallery: what a folder's pictures show, how a model sees them, and which cases are like one.

A case remembers which fit of a model made its vectors, since vectors of two fits are not alike: `model_key`. It says
where the model was kept and when it was fitted, so a model that was moved or renamed is still known as the same.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import SightlineError
from engine.inspection.dataset import read_any_folder, read_category
from engine.inspection.gallery import DEFECT, Case, Filter, Gallery, Neighbour, filling, new_case
from engine.inspection.types import GOOD, Image, Item, Verdict
from engine.job import Job, Notice
from engine.media.pictures import natural_key
from engine.media.suffixes import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from engine.inspection.model import FittedModel, ModelCard

_GOOD_NAMES = ("good", "ok", "normal")
_PARTS = ("train", "test")
_MASK_NAMES = ("ground_truth", "masks", "mask")
_MASK = "_mask"
_ABOVE = 3
"""Folders from a picture up to its category: train/good/000.png."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and what is known of it.

    Attributes:
        item: the picture and its kind.
        category: it belongs to.
    """

    item: Item
    category: str


def pictures_at(path: Path) -> tuple[Labelled, ...]:
    """The pictures in a folder, also those in folders within it, with what they show; or a single picture.

    A data set laid out as MVTec AD says both category and kind, and what a person said about its pictures counts; the
    folder may be the data set, a category or any folder in one. In other folders the kind is the folder's name.

    Args:
        path: a folder, or a picture's file.

    Returns:
        At least one, in natural order; their paths begin with `path` as it was given. Masks are left out.

    Raises:
        SightlineError: there is no such folder, it cannot be read, or it holds no picture.
    """
    path = path.expanduser()
    if not path.exists():
        raise SightlineError(f"There is no file or folder {path}: check the path.")
    found = _of_category(path)
    if not found and path.is_dir() and not _files(path):
        try:
            found = [Labelled(item, category.name) for category in read_any_folder(path) for item in category.items]
        except SightlineError:
            # nothing says what is good there: the folders' names say what they hold
            found = []
    found = found or list(_by_folder(path))
    if not found:
        raise SightlineError(f"There is no picture in {path}: choose a folder with PNG, JPEG or other pictures.")
    return tuple(found)


def _of_category(path: Path) -> list[Labelled]:
    """The pictures below `path` as the category knows them that it lies in; none where it lies in none."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  (without following links)
    for folder in (whole, *whole.parents[:_ABOVE]):
        if not (folder / "train" / GOOD).is_dir():
            continue
        category = read_category(folder)
        return [
            Labelled(replace(item, path=path / item.path.relative_to(whole)), category.name)
            for item in category.items
            if item.path == whole or whole in item.path.parents
        ]
    return []


def _by_folder(path: Path) -> Iterator[Labelled]:
    """Every picture with the kind that its folder's name says."""
    if path.is_file():
        yield Labelled(Item(path, _kind(path.parent)), _category(path.parent))
        return
    for file in _files(path):
        yield Labelled(Item(file, _kind(path)), _category(path))
    for folder in sorted((one for one in path.iterdir() if one.is_dir()), key=natural_key):
        if not folder.name.startswith(".") and folder.name.casefold() not in _MASK_NAMES:
            yield from _by_folder(folder)


def _files(folder: Path) -> list[Path]:
    """The picture files of a folder without hidden ones and masks."""
    try:
        files = [
            one
            for one in folder.iterdir()
            if one.suffix.lower() in PICTURE_SUFFIXES and not one.name.startswith(".") and one.is_file()
        ]
    except OSError as error:
        raise SightlineError(f"{folder} cannot be read ({(error.strerror or str(error)).lower()}).") from None
    stems = {file.stem.casefold() for file in files}
    masks = {stem for stem in stems if stem.endswith(_MASK) and stem.removesuffix(_MASK) in stems}
    return sorted((file for file in files if file.stem.casefold() not in masks), key=natural_key)


def _kind(folder: Path) -> str:
    name = folder.resolve().name
    return GOOD if name.casefold() in (*_GOOD_NAMES, "train") else name or GOOD


def _category(folder: Path) -> str:
    """The name of the folder above the one that says the kind, but not "train" or "test"."""
    above = folder.resolve().parent
    while above.name.casefold() in _PARTS:
        above = above.parent
    return above.name


def model_key(card: "ModelCard") -> str:
    """What a gallery knows a fit of a model by: the folder it was kept in (else its name), and when it was fitted."""
    place = os.path.abspath(card.folder) if card.folder is not None else card.name  # noqa: PTH100
    return f"{place}@{card.fitted}"


def model_title(key: str) -> str:
    """A key as a person reads it: the name of the model's folder."""
    place = key.rpartition("@")[0] or key
    return Path(place).name or place


def known_key(gallery: Gallery, card: "ModelCard") -> str | None:
    """The key under which a gallery holds cases of this fit, also where the model has been moved since; or None."""
    keys = gallery.models()
    own = model_key(card)
    if own in keys:
        return own
    return next((key for key in keys if key.rpartition("@")[2] == card.fitted), None)


def recorded_model(gallery: Gallery) -> Path:
    """The folder of the model whose cases a gallery holds.

    Raises:
        SightlineError: it holds none, those of several models, or the model is not there any more.
    """
    keys = list(gallery.models())
    if not keys:
        raise SightlineError(f"The gallery {gallery.where} holds no case yet: index pictures into it first.")
    if len(keys) > 1:
        names = ", ".join(key.rpartition("@")[0] or key for key in keys)
        raise SightlineError(f"The gallery {gallery.where} holds cases of {len(keys)} models: name one of {names}.")
    folder = Path(keys[0].rpartition("@")[0] or keys[0])
    if not folder.is_dir():
        raise SightlineError(
            f"The model {folder}, with which the gallery {gallery.where} was made, is not there any more: name the "
            "folder that it is in now."
        )
    return folder


def vector_lengths(model: "FittedModel") -> dict[str, int]:
    """How many numbers the two vectors have that a model makes, as `open_gallery` takes them."""
    side = max(64, model.card.knobs.size)
    blank = np.zeros((side, side, 3), np.uint8)
    whole, defect = model.vectors(blank, model.examine(blank))
    return {"whole": len(whole), "defect": len(defect)}


def new_case_of(model: "FittedModel", shown: Labelled, key: str | None = None) -> Case:
    """Inspect a picture and make a case of it.

    Args:
        model: that inspects it.
        shown: the picture.
        key: of the model, if the gallery knows it by another one.

    Raises:
        SightlineError: the picture cannot be read, or is too small.
    """
    image = model.read(shown.item.path)
    return case_of_verdict(model, shown, image, model.examine(image, str(shown.item.path)), key)


def case_of_verdict(
    model: "FittedModel", shown: Labelled, image: Image, verdict: Verdict, key: str | None = None
) -> Case:
    """A case of a picture that was inspected already."""
    whole, defect = model.vectors(image, verdict)
    height, width = image.shape[:2]
    return new_case(
        shown.item.path,
        key or model_key(model.card),
        category=shown.category,
        kind=shown.item.kind,
        score=verdict.score,
        threshold=verdict.threshold,
        size=(width, height),
        whole=whole,
        defect=defect,
    )


def indexing(model: "FittedModel", gallery: Gallery, pictures: Sequence[Labelled]) -> Job[int]:
    """Inspect pictures and put them into a gallery; one that is there already is replaced.

    Stopping it keeps what is in already. Yields `Progress` in pictures, and a `Notice` for one that cannot be read.

    Returns:
        How many were put in.

    Raises:
        SightlineError: none of them could be read, or the gallery cannot take them.
    """
    key = known_key(gallery, model.card)
    cases = _Cases(model, pictures, key)
    added = yield from filling(gallery, cases, len(pictures))
    if not added and cases.failed is not None:
        raise cases.failed
    return added


class _Cases:
    """Cases as they come, and why one could not be made."""

    def __init__(self, model: "FittedModel", pictures: Sequence[Labelled], key: str | None) -> None:
        self.failed: SightlineError | None = None
        self._model, self._pictures, self._key = model, pictures, key

    def __iter__(self) -> Iterator[Case | Notice]:
        for shown in self._pictures:
            try:
                yield new_case_of(self._model, shown, self._key)
            except SightlineError as error:
                self.failed = error
                yield Notice(f"Left out: {error}")


def similar_cases(
    model: "FittedModel",
    gallery: Gallery,
    image: Image,
    verdict: Verdict | None = None,
    *,
    embedding: str = DEFECT,
    top: int = 5,
    where: Filter | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> list[Neighbour]:
    """The cases that look most like a picture, or like a part of it.

    Args:
        model: a fit of which the gallery holds cases.
        gallery: that is asked.
        image: (H, W, 3) uint8 BGR.
        verdict: of the picture; None lets the model look at it.
        embedding: "defect" or "whole".
        top: how many.
        where: which cases; the model need not be in it.
        region: left, top, width, height in pixels of what is asked about; None is what is abnormal.

    Raises:
        SightlineError: the gallery holds no case of this fit.
    """
    key = known_key(gallery, model.card)
    if key is None:
        raise SightlineError(
            f"The gallery {gallery.where} holds no case of the model {model.card.name} as it was fitted last: index "
            "pictures with it first."
        )
    whole, defect = model.vectors(image, verdict or model.examine(image), region)
    vector = defect if embedding == DEFECT else whole
    return gallery.similar(vector, embedding, top, replace(where or Filter(), model=key))
