"""Fits that were broken off and can be gone on with: where their states lie, and how far they got.

A state belongs to the pictures, the settings that the training depends on, and the device: a fit with any other of
these has a folder of its own. A state of EfficientAD takes 80 MB (small) and more, so only some are kept.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.device import pick_device
from engine.inspection.knobs import FitKnobs
from engine.inspection.types import Category
from engine.runtime import data_folder

KEPT = 5
"""Unfinished fits that are kept beside the present one; the oldest go first."""
_STAGES = ("student", "teacher")
"""The later stage of a training first."""
_COUNT = (
    "method", "size", "crop", "keep_shape", "tile", "region", "steps", "model_size", "teacher", "pretraining",
    "backbone", "weights", "layers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How far a fit got.

    Attributes:
        folder: where its states lie.
        stage: "teacher" while the stand-in teacher was taught, else "student".
        step: of the stage, after which the newest state was written.
    """

    folder: Path
    stage: str
    step: int


def state_folder(category: Category, knobs: FitKnobs, device: str = "auto") -> Path | None:
    """Where a fit keeps its state, so that it can be gone on with; None for methods that keep none.

    Args:
        category: whose good training pictures are learned from.
        knobs: method and settings.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        SightlineError: there is no such device.
    """
    if knobs.method != "efficientad":
        return None
    pictures = []
    for item in category.train:
        try:
            known = item.path.stat()
        except OSError:
            continue  # the fit will say it
        pictures.append([str(item.path.absolute()), known.st_size, known.st_mtime_ns])
    mark = [pictures, [getattr(knobs, name) for name in _COUNT], pick_device(device)]
    name = hashlib.sha256(json.dumps(mark).encode()).hexdigest()[:16]
    return _all() / name


def unfinished(category: Category, knobs: FitKnobs, device: str = "auto") -> Unfinished | None:
    """The fit of these pictures with these settings that was broken off; None where there is none.

    Raises:
        SightlineError: there is no such device.
    """
    folder = state_folder(category, knobs, device)
    if folder is None:
        return None
    for stage in _STAGES:
        # a state gets its name when it is whole
        steps = [place.name.rpartition("-")[2] for place in folder.glob(f"{stage}-[0-9]*")]
        if steps:
            return Unfinished(folder, stage, max(int(step) for step in steps))
    return None


def forget(folder: Path) -> None:
    """Throw the states of a fit away: it has ended, or is to begin anew."""
    shutil.rmtree(folder, ignore_errors=True)


def make_room(folder: Path) -> None:
    """Throw the oldest unfinished fits away, all but `KEPT` and this one."""
    others = [place for place in _all().glob("*") if place.is_dir() and place != folder]
    for place in sorted(others, key=_age)[:-KEPT]:
        forget(place)


def _age(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0


def _all() -> Path:
    return data_folder() / "inspection" / "unfinished"
