"""A trained classifier as one folder: tensors and JSON, nothing that could run. It can be moved, listed, deleted.

CLASSIFIER/card.json            what is known of it, the hash of the tensors
CLASSIFIER/weights.safetensors  its numbers
"""

import contextlib
import errno
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from engine import runtime
from engine.errors import SightlineError
from engine.files import bring_all_back, bring_back, cannot_write, sha256_of, swap_folder, write_whole
from engine.job import Job, Progress
from engine.learning import networks
from engine.learning.classifier import ClassifierCard, Epoch, TrainedClassifier
from engine.weights.networks import read_tensors
from engine.weights.preprocessing import Preprocessing

FORMAT = 1
_MARK = "classifier"
_CARD, _WEIGHTS = "card.json", "weights.safetensors"
_AGAIN = "the classifier is damaged; train it again"


def classifiers_folder() -> Path:
    """Where classifiers are kept unless another folder is given."""
    return runtime.models_folder() / "classifiers"


def save_classifier(model: TrainedClassifier, folder: Path | None = None) -> Job[ClassifierCard]:
    """Keep a classifier: yields `Progress`, returns its card. What was there is replaced when the new one is whole.

    Args:
        model: any; its card learns the folder.
        folder: where to; None makes a new folder under `classifiers_folder()`.

    Raises:
        SightlineError: the folder cannot be written, the disk is full, or it holds something else.
    """
    yield Progress("Keeping the classifier")
    target = (folder or _free(classifiers_folder(), model.card.name)).expanduser()
    check_place(target)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            _write(model, part)
            swap_folder(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise cannot_write(target, error) from None
    model.card = replace(model.card, folder=target)
    return model.card


def check_place(folder: Path) -> None:
    """Say before a training, not after it, that a classifier cannot be kept there.

    Raises:
        SightlineError: it holds something else, or cannot be written.
    """
    target = folder.expanduser().absolute()
    if target.exists() and not is_classifier(target) and (not target.is_dir() or any(target.iterdir())):
        raise SightlineError(f"{folder} holds something else than a classifier: choose another folder.")
    above = next(one for one in target.parents if one.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise SightlineError(f"{folder} cannot be written, because {above} cannot: choose another folder.")


def open_classifier(folder: Path | str, device: str = "cpu") -> Job[TrainedClassifier]:
    """Open a kept classifier: yields `Progress`, returns it in evaluation mode, its parameters frozen.

    Args:
        folder: of the classifier.
        device: where torch puts it.

    Raises:
        SightlineError: it is no classifier, damaged, or from another version.
    """
    folder = Path(folder).expanduser()
    whole = _read(folder)
    card = _card(folder, whole)
    yield Progress(f"Opening {card.name}")
    path = folder / _WEIGHTS
    if not path.is_file():
        raise SightlineError(f"{folder} has no {_WEIGHTS}: {_AGAIN}.")
    tensors = read_tensors(path)
    module, _ = networks.build(card.network, len(card.names), size=card.preprocessing.size)
    yield Progress(f"Opening {card.name}")
    _fits(folder, card, tensors, module)
    if sha256_of(path) != whole.get("sha256"):
        raise SightlineError(f"{path} is not the file that was kept: {_AGAIN}.")
    module.load_state_dict(tensors)
    module = module.to(device).eval()
    for parameter in module.parameters():
        parameter.requires_grad = False
    return TrainedClassifier(module, card)


def is_classifier(folder: Path) -> bool:
    """Whether a folder is a kept classifier of Sightline's, of any version."""
    try:
        whole = json.loads((folder / _CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(whole, dict) and whole.get("sightline") == _MARK


def read_classifier(folder: Path | str) -> ClassifierCard:
    """What is known of a kept classifier, without opening its network.

    Raises:
        SightlineError: it is no classifier, damaged, or from another version.
    """
    folder = Path(folder).expanduser()
    return _card(folder, _read(folder))


def list_classifiers(folder: Path | None = None) -> list[ClassifierCard]:
    """The kept classifiers in a folder, newest first; those that cannot be read are passed over."""
    folder = folder or classifiers_folder()
    if not folder.is_dir():
        return []
    bring_all_back(folder)
    found = []
    for one in folder.iterdir():
        if not one.name.startswith(".") and is_classifier(one):
            with contextlib.suppress(SightlineError):
                found.append(read_classifier(one))
    return sorted(found, key=lambda card: card.trained, reverse=True)


def rename_classifier(folder: Path, name: str) -> ClassifierCard:
    """Give a kept classifier another name; its folder stays where it is.

    Raises:
        SightlineError: it is no classifier, the name is empty, or it cannot be written.
    """
    name = name.strip()
    if not name:
        raise SightlineError("A classifier needs a name: type one.")
    whole = _read(folder)
    _card(folder, whole)
    whole["name"] = name
    _write_card(folder / _CARD, whole)
    return _card(folder, whole)


def delete_classifier(folder: Path) -> None:
    """Delete a kept classifier.

    Raises:
        SightlineError: it is no classifier (nothing else is ever deleted), or it cannot be deleted.
    """
    if not is_classifier(folder):
        raise SightlineError(f"{folder} holds no classifier, so it was not deleted.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise SightlineError(f"{folder} could not be deleted ({(error.strerror or 'error').lower()}).") from None


def _write(model: TrainedClassifier, part: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in model.module.state_dict().items()}
    try:
        save_file(tensors, part / _WEIGHTS)
    except SafetensorError as error:
        # a full disk reaches us as a text
        code = re.search(r"os error (\d+)", str(error))
        number = int(code[1]) if code else errno.EIO
        raise OSError(number, os.strerror(number)) from None
    card = {one.name: getattr(model.card, one.name) for one in fields(ClassifierCard) if one.name != "folder"}
    card["preprocessing"] = model.card.preprocessing.as_card()
    # losses that were no numbers have no place in JSON
    card["history"] = [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
        for row in map(asdict, model.card.history)
    ]
    _write_card(part / _CARD, {"format": FORMAT, "sightline": _MARK, "sha256": sha256_of(part / _WEIGHTS), **card})


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _CARD
    bring_back(folder)
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SightlineError(f"{folder} holds no classifier: choose a folder with {_CARD}.") from None
    except (OSError, ValueError, RecursionError):
        raise SightlineError(f"{path} cannot be read: {_AGAIN}.") from None
    if not isinstance(whole, dict) or whole.get("sightline") != _MARK:
        raise SightlineError(f"{folder} holds no classifier of Sightline's: choose another folder.")
    if whole.get("format") != FORMAT:
        raise SightlineError(
            f"{folder} was kept by another version of Sightline (format {whole.get('format')}, this one reads "
            f"{FORMAT}): train it again, or open it with that version."
        )
    return whole


def _card(folder: Path, whole: Mapping[str, Any]) -> ClassifierCard:
    try:
        tested = whole["test_accuracy"]
        names = whole["names"]
        if not isinstance(names, list) or len(names) < 2:
            raise ValueError
        made = ClassifierCard(
            name=str(whole["name"]),
            network=str(whole["network"]),
            data=str(whole["data"]),
            source=str(whole["source"]),
            trained=str(whole["trained"]),
            kept=int(whole["kept"]),
            parameters=int(whole["parameters"]),
            pictures=int(whole["pictures"]),
            seed=int(whole["seed"]),
            names=tuple(str(name) for name in names),
            preprocessing=Preprocessing.from_card(whole["preprocessing"]),
            history=tuple(_epoch(row) for row in whole["history"]),
            test_accuracy=None if tested is None else float(tested),
            settings=dict(whole["settings"]),
            fit_s=float(whole["fit_s"]),
            versions={str(key): str(value) for key, value in whole["versions"].items()},
            folder=folder,
        )
        if made.network not in networks.KINDS or not any(one.epoch == made.kept for one in made.history):
            raise ValueError
        if not all(map(math.isfinite, (made.fit_s, made.test_accuracy or 0.0))):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise SightlineError(f"{folder / _CARD} lacks entries or holds wrong ones: {_AGAIN}.") from None
    return made


def _epoch(row: Mapping[str, Any]) -> Epoch:
    numbers = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "s")
    values = {key: math.nan if row[key] is None else float(row[key]) for key in numbers}
    return Epoch(int(row["epoch"]), **values, kept=bool(row["kept"]), phase=str(row["phase"]))


def _fits(folder: Path, card: ClassifierCard, tensors: Mapping[str, Any], module: Any) -> None:
    """Whether the tensors are those of the network that the card names.

    Raises:
        SightlineError: another network's, another number of classes, or not all numbers.
    """
    import torch

    own = module.state_dict()
    tail = networks.kind_of(card.network).tail
    wrong = [key for key, value in own.items() if key not in tensors or tensors[key].shape != value.shape]
    wrong += [key for key in tensors if key not in own]
    if wrong and all(key.startswith(f"{tail}.") and key in tensors and key in own for key in wrong):
        classes = int(tensors[wrong[0]].shape[0])
        raise SightlineError(
            f"{folder} names {len(card.names)} classes but its network tells {classes} apart: {_AGAIN}."
        )
    if wrong:
        raise SightlineError(f"{folder / _WEIGHTS} does not fit the {card.network} that its card names: {_AGAIN}.")
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise SightlineError(f"{folder / _WEIGHTS} holds what is no number (NaN): {_AGAIN}.")


def _write_card(path: Path, value: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode())


def _free(folder: Path, name: str) -> Path:
    """A folder name made of a classifier's name that is not taken yet."""
    plain = re.sub(r"[^\w-]+", "-", name)[:60].strip("-").lower() or "classifier"
    for number in range(1, 10_000):
        path = folder / (plain if number == 1 else f"{plain}-{number}")
        if not path.exists():
            return path
    raise SightlineError(f"There are too many classifiers named {name}: delete some.")
