"""A fitted model as one folder: tensors and JSON, nothing that could run. It can be moved, listed, renamed, deleted.

MODEL/model.json        what is known of it, its settings, the hash of the tensors
MODEL/model.safetensors its numbers, the truncated backbone's too
MODEL/pictures/*.jpg    small copies of the training pictures that patches of the memory bank were cut from
"""

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import cv2

from engine import runtime
from engine.device import pick_device
from engine.errors import SightlineError
from engine.files import bring_all_back, bring_back, sha256_of, swap_folder
from engine.inspection.knobs import FitKnobs
from engine.inspection.model import FittedModel, ModelCard, method_settings
from engine.inspection.patchcore import PatchCore, load_patchcore
from engine.inspection.preparation import Preparation
from engine.inspection.scorer import Scorer
from engine.inspection.types import Calibration
from engine.job import Job, Progress
from engine.weights.networks import read_tensors

FORMAT = 1
_MARK = "anomaly model"
_CARD, _TENSORS, _PICTURES = "model.json", "model.safetensors", "pictures"
_COPY_SIDE, _COPY_QUALITY = 512, 90


def save_model(model: FittedModel, folder: Path | None = None) -> Job[ModelCard]:
    """Keep a model: yields `Progress`, returns its card. What was there before is replaced when the new one is whole.

    Args:
        model: any.
        folder: where to; None makes a new folder under `runtime.models_folder()`.

    Raises:
        SightlineError: the folder cannot be written, the disk is full, or it holds something else.
    """
    target = (folder or _free(runtime.models_folder(), model.card.name)).expanduser()
    if target.exists() and not _ours(target) and (not target.is_dir() or any(target.iterdir())):
        raise SightlineError(f"{target} holds something else than a model: choose another name.")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield from _write(model, part)
            swap_folder(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise SightlineError(_disk_sentence(target, error)) from None
    card = replace(model.card, folder=target)
    model.card = card
    return card


def _write(model: FittedModel, part: Path) -> Job[None]:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    yield Progress("Keeping the model")
    tensors = model.scorer.tensors()
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, part / _TENSORS)
    except SafetensorError as error:
        # a full disk reaches us as a text
        code = re.search(r"os error (\d+)", str(error))
        number = int(code[1]) if code else errno.EIO
        raise OSError(number, os.strerror(number)) from None
    if isinstance(model.scorer, PatchCore):
        (part / _PICTURES).mkdir()
        shown = sorted(set(model.scorer.owners[:, 0].tolist()))
        for done, number in enumerate(shown):
            _copy_picture(model, number, part / _PICTURES / f"{number:05}.jpg")
            yield Progress("Keeping the model", done + 1, len(shown), "pictures")
    card = {f.name: getattr(model.card, f.name) for f in fields(ModelCard) if f.name not in ("folder", "knobs")}
    card["calibration"] = asdict(model.card.calibration)
    whole = {
        "format": FORMAT,
        "sightline": _MARK,
        "sha256": sha256_of(part / _TENSORS),
        "card": card,
        "knobs": method_settings(model.card.knobs),
        "scorer": model.scorer.settings(),
        "sources": model.sources,
        "shapes": [list(shape) for shape in model.shapes],
    }
    _write_json(part / _CARD, whole)


def _copy_picture(model: FittedModel, number: int, to: Path) -> None:
    image = model._training_picture(number)
    if image is None:
        return
    shrink = _COPY_SIDE / max(image.shape[:2])
    if shrink < 1:
        image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _COPY_QUALITY])
    if ok:
        to.write_bytes(data.tobytes())


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def open_model(folder: Path | str, device: str = "auto") -> Job[FittedModel]:
    """Open a kept model: yields `Progress`, returns it.

    Args:
        folder: of the model.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        SightlineError: it is no model, damaged, or from another version.
    """
    folder = Path(folder).expanduser()
    whole = _read(folder)
    card = _card(folder, whole)
    settings, sources = whole.get("scorer"), whole.get("sources")
    try:
        shapes = [(int(height), int(width)) for height, width in whole["shapes"]]
        if not isinstance(settings, dict) or not isinstance(sources, list):
            raise ValueError
        if shapes and min(map(min, shapes)) < 1:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SightlineError(f"{folder / _CARD} lacks entries: the model is damaged; fit it again.") from None
    sources = [str(path) for path in sources]
    yield Progress(f"Opening {card.name}")
    tensors_file = folder / _TENSORS
    if not tensors_file.is_file() or sha256_of(tensors_file) != whole.get("sha256"):
        raise SightlineError(f"{folder} is damaged: {_TENSORS} is not the file that was kept; fit the model again.")
    tensors = read_tensors(tensors_file)
    device = pick_device(device)
    scorer: Scorer = yield from _scorer(card, settings, tensors, device)
    if isinstance(scorer, PatchCore) and not (
        0 <= scorer.owners[:, 0].min() <= scorer.owners[:, 0].max() < len(sources) == len(shapes)
    ):
        raise SightlineError(f"{folder} does not name the pictures of its memory bank: it is damaged; fit it again.")
    return FittedModel(card, scorer, Preparation(card.knobs), sources=sources, shapes=shapes, device=device)


def _scorer(card: ModelCard, settings: Mapping[str, Any], tensors: dict[str, Any], device: str) -> Job[Scorer]:
    if card.method == "patchcore":
        return (yield from load_patchcore(settings, tensors, device=device, precision=card.knobs.precision))
    if card.method == "efficientad":
        from engine.inspection.efficientad import load_efficientad

        return (yield from load_efficientad(settings, tensors, device=device))
    from engine.inspection.anomalib_models import load_anomalib

    return (yield from load_anomalib(card.method, settings, tensors, device=device))


def is_model(folder: Path) -> bool:
    """Whether a folder is a kept model of Sightline's, of any version."""
    return (folder / _TENSORS).is_file() and _ours(folder)


def _ours(folder: Path) -> bool:
    # other programs call their files model.json and model.safetensors too
    try:
        whole = json.loads((folder / _CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(whole, dict) and whole.get("sightline") == _MARK


def models(folder: Path | None = None) -> list[ModelCard]:
    """The kept models in a folder, newest first; those that cannot be read are passed over."""
    found = []
    folder = folder or runtime.models_folder()
    bring_all_back(folder)
    for one in folder.iterdir() if folder.is_dir() else ():
        if not one.name.startswith(".") and is_model(one):
            try:
                found.append(_card(one, _read(one)))
            except SightlineError:
                continue
    return sorted(found, key=lambda card: card.fitted, reverse=True)


def read_card(folder: Path) -> ModelCard:
    """What is known of a kept model, without opening its networks.

    Raises:
        SightlineError: it is no model, damaged, or from another version.
    """
    return _card(folder, _read(folder))


def rename_model(folder: Path, name: str) -> ModelCard:
    """Give a kept model another name; its folder stays where it is.

    Raises:
        SightlineError: it is no model, the name is empty, or it cannot be written.
    """
    name = name.strip()
    if not name:
        raise SightlineError("A model needs a name: type one.")
    return _change(folder, lambda card: card.update(name=name))


def set_threshold(folder: Path, threshold: float) -> ModelCard:
    """Keep another threshold, 0..1, with a model.

    Raises:
        SightlineError: it is no model, or cannot be written.
    """
    return _change(folder, lambda card: card.update(threshold=min(1.0, max(0.0, float(threshold)))))


def _change(folder: Path, change: Callable[[dict[str, Any]], None]) -> ModelCard:
    whole = _read(folder)
    _card(folder, whole)
    change(whole["card"])
    try:
        _write_json(folder / _CARD, whole)
    except OSError as error:
        raise SightlineError(_disk_sentence(folder, error)) from None
    return _card(folder, whole)


def delete_model(folder: Path) -> None:
    """Delete a kept model.

    Raises:
        SightlineError: it is no model (nothing else is ever deleted), or it cannot be deleted.
    """
    if not is_model(folder):
        raise SightlineError(f"{folder} holds no model, so it was not deleted.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise SightlineError(f"{folder} could not be deleted ({(error.strerror or 'error').lower()}).") from None


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _CARD
    bring_back(folder)
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SightlineError(f"{folder} holds no fitted model: choose a folder with {_CARD}.") from None
    except (OSError, ValueError, RecursionError):
        raise SightlineError(f"{path} cannot be read: the model is damaged; fit it again.") from None
    if not isinstance(whole, dict) or whole.get("sightline") != _MARK:
        raise SightlineError(f"{folder} holds no model of Sightline's: choose another folder.")
    if whole.get("format") != FORMAT:
        raise SightlineError(
            f"{folder} was kept by another version of Sightline (format {whole.get('format')}, this one reads "
            f"{FORMAT}): fit it again, or open it with that version."
        )
    return whole


def _card(folder: Path, whole: Mapping[str, Any]) -> ModelCard:
    try:
        card = dict(whole["card"])
        white = card["white"]
        card |= {name: str(card[name]) for name in ("name", "method", "backbone", "category", "source", "fitted")}
        card |= {name: int(card[name]) for name in ("pictures", "patches", "seed")}
        card |= {
            "knobs": _knobs(whole["knobs"]),
            "calibration": Calibration(**{k: float(v) for k, v in card["calibration"].items()}),
            "layers": tuple(str(layer) for layer in card["layers"]),
            "notes": tuple(str(note) for note in card["notes"]),
            "versions": {str(k): str(v) for k, v in card["versions"].items()},
            "threshold": float(card["threshold"]),
            "fit_s": float(card["fit_s"]),
            "white": None if white is None else float(white),
            "folder": folder,
        }
        made = ModelCard(**card)
        numbers = [*asdict(made.calibration).values(), made.threshold, made.fit_s, 1.0 if white is None else made.white]
        least = min(made.calibration.scale, made.calibration.map_scale, numbers[-1])
        if not all(map(math.isfinite, numbers)) or least <= 0 or not 0 <= made.threshold <= 1:
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise SightlineError(
            f"{folder / _CARD} lacks entries or holds wrong ones: the model is damaged; fit it again."
        ) from None
    return made


def _knobs(values: Mapping[str, Any]) -> FitKnobs:
    """The knobs of a card, each of its own kind; those that this version does not know are left out."""
    if not isinstance(values, dict):
        raise TypeError
    usual = FitKnobs()
    found: dict[str, Any] = {}
    for name in [f.name for f in fields(FitKnobs) if f.name in values]:
        kind, value = type(getattr(usual, name)), values[name]
        value = tuple(value) if isinstance(value, list) else float(value) if kind is float else value
        if type(value) is not kind:
            raise TypeError
        found[name] = value
    knobs = FitKnobs(**found)
    left, top, width, height = (float(share) for share in knobs.region)
    inside = min(left, top) >= 0 and min(width, height) > 0 and max(left + width, top + height) < 1.001
    if not (inside and 0 < knobs.size <= 8192 and min(knobs.crop, knobs.tile) >= 0):
        raise ValueError
    return knobs


def _free(folder: Path, name: str) -> Path:
    """A folder name made of a model's name that is not taken yet."""
    plain = re.sub(r"[^\w-]+", "-", name)[:60].strip("-").lower() or "model"
    for number in range(1, 10_000):
        path = folder / (plain if number == 1 else f"{plain}-{number}")
        if not path.exists():
            return path
    raise SightlineError(f"There are too many models named {name}: delete some.")


def _disk_sentence(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"There is no room left on the disk of {folder} for the model: free some and keep it again."
    return f"{folder} cannot be written ({(error.strerror or 'error').lower()}): choose another folder."
