"""Fits a model on the good pictures of a category, whatever the method."""

import importlib.metadata
import platform
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engine.device import pick_device
from engine.errors import SightlineError
from engine.inspection.anomalib_table import choose, find_model
from engine.inspection.backbone import title_of
from engine.inspection.calibration import HELD_BACK, calibrating
from engine.inspection.knobs import AUTO, METHODS, FitKnobs
from engine.inspection.model import FittedModel, ModelCard
from engine.inspection.patchcore import PatchCore, fit_patchcore
from engine.inspection.pictures import white_for
from engine.inspection.preparation import Pictures, Preparation
from engine.inspection.scorer import Scorer
from engine.inspection.titles import TITLES, method_title
from engine.inspection.types import Calibration, Category, Item
from engine.job import Job, Notice

__all__ = ["LEAST", "TITLES", "fit"]

LEAST = 2
"""Good pictures that a model needs: one alone does not show what varies."""
_PACKAGES = ("torch", "torchvision", "openvino", "numpy", "opencv-python")


def fit(
    category: Category | Sequence[Item],
    knobs: FitKnobs,
    *,
    name: str = "",
    device: str = "auto",
    seed: int = 0,
    checkpoint: Path | None = None,
) -> Job[FittedModel]:
    """Fit a model: yields `Progress` and `Notice`, returns it, not yet kept anywhere.

    Args:
        category: whose good training pictures are learned from; or those pictures themselves.
        knobs: method and settings.
        name: of the model; "" makes one of the category and the method.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of everything random.
        checkpoint: a folder in which a trained method keeps its state, to go on from after an interruption.

    Raises:
        SightlineError: too few good pictures, no such method, weights that are not here, no memory.
    """
    if knobs.method not in METHODS:
        # said at once, before anything heavy is imported: it lacks its weights, or is no method at all
        choose(find_model(knobs.method), "" if knobs.backbone == AUTO else knobs.backbone)
    items = category.train if isinstance(category, Category) else tuple(item for item in category if not item.abnormal)
    label = category.name if isinstance(category, Category) else (items[0].path.parent.name if items else "")
    folder = category.folder if isinstance(category, Category) else (items[0].path.parent if items else Path())
    if not items:
        raise SightlineError(f"{label or 'This folder'} holds no good picture to learn from: add some.")
    if len(items) < LEAST:
        raise SightlineError(
            f"{label} holds one good picture; at least {LEAST} are needed to learn what varies, some dozens are better."
        )
    begun = time.monotonic()
    device = pick_device(device)
    preparation = Preparation(knobs)
    white = white_for([item.path for item in items])
    pictures = Pictures([item.path for item in items], preparation, white)
    yield from pictures.checking()
    if len(pictures) < LEAST:
        raise SightlineError(f"Only one good picture of {label} can be read; at least {LEAST} are needed.")
    scorer, calibration, notes = yield from _fitted(pictures, knobs, device, seed, checkpoint)
    backbone = scorer.backbone.name if isinstance(scorer, PatchCore) else str(scorer.settings().get("backbone", ""))
    card = ModelCard(
        name=name or f"{label} · {method_title(knobs.method)}",
        method=knobs.method,
        backbone=backbone,
        layers=scorer.backbone.layers if isinstance(scorer, PatchCore) else (),
        knobs=knobs,
        calibration=calibration,
        threshold=0.5,
        category=label,
        source=str(folder),
        pictures=len(pictures),
        patches=len(scorer.bank) if isinstance(scorer, PatchCore) else 0,
        fitted=datetime.now().astimezone().isoformat(timespec="seconds"),
        fit_s=round(time.monotonic() - begun, 2),
        seed=seed,
        versions=_versions(),
        notes=notes,
        white=white,
    )
    sources = [str(path) for path in pictures.paths]
    return FittedModel(card, scorer, preparation, sources=sources, shapes=pictures.shapes, device=device)


def _fitted(
    pictures: Pictures, knobs: FitKnobs, device: str, seed: int, checkpoint: Path | None
) -> Job[tuple[Scorer, Calibration, tuple[str, ...]]]:
    if knobs.method == "patchcore":
        bank = yield from fit_patchcore(pictures, knobs, device=device, seed=seed)
        calibration = yield from calibrating(bank, pictures, knobs.quantile)
        note = f"features of {title_of(bank.backbone.name)}, weights {bank.backbone.weights}"
        return bank, calibration, (note,)
    # the others learn their pictures by heart as well: some are held back to calibrate on
    held = [i for i in range(len(pictures)) if i % HELD_BACK == HELD_BACK - 1] or [len(pictures) - 1]
    rest = [i for i in range(len(pictures)) if i not in held]
    scorer: Scorer
    if knobs.method == "efficientad":
        from engine.inspection.efficientad_train import fit_efficientad

        scorer = yield from fit_efficientad(pictures.part(rest), knobs, device=device, seed=seed, checkpoint=checkpoint)
    else:
        from engine.inspection.anomalib_models import fit_anomalib

        scorer = yield from fit_anomalib(knobs.method, pictures.part(rest), knobs, device=device, seed=seed)
    if len(held) < 3:
        yield Notice(f"The limit rests on {len(held)} good pictures that were held back: give more good pictures.")
    calibration = yield from calibrating(scorer, pictures.part(held), knobs.quantile)
    return scorer, calibration, tuple(str(note) for note in scorer.settings().get("notes", ()))


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _PACKAGES}
