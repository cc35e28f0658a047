"""What an evaluation found: the figures of a category and method, their averages, and the same as CSV and JSON."""

import csv
import errno
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.gallery import Neighbour
from engine.inspection.knobs import FitKnobs
from engine.inspection.metrics import Curve
from engine.inspection.threshold import KnownScores
from engine.inspection.types import Image, Item, NearPatch, Verdict

if TYPE_CHECKING:
    from engine.inspection.model import ModelCard

AVERAGE = "average"
"""What a method's average over the categories has instead of a category's name."""

Similar = tuple[Item, Sequence[Neighbour]]
"""A picture that was asked for, and the cases that look most like it, the most similar first."""

_AVERAGED = ("image_auroc", "average_precision", "pixel_auroc", "aupro", "f1", "fit_s", "ms_per_image")
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True, slots=True)
class PictureScore:
    """What a model said of one test picture.

    Attributes:
        item: the picture, with its truth.
        score: calibrated, 0..1.
        raw: in the method's own units.
    """

    item: Item
    score: float
    raw: float


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One test picture with all that was found in it, for a report.

    Attributes:
        item: the picture, with its truth.
        image: (H, W, 3) uint8, BGR.
        verdict: of the model.
        nearest: the good patches that are nearest to its hottest point; () for a method without a memory bank.
        mask: (H, W) bool, where the defect truly is; None where nobody has said so.
    """

    item: Item
    image: Image
    verdict: Verdict
    nearest: tuple[NearPatch, ...]
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A good picture, and which of its patches the memory bank keeps.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        boxes: (k, 4) float32: left, top, width, height of each kept patch, pixels.
    """

    image: Image
    boxes: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """The memory bank of PatchCore for a report: before the coreset was chosen, and after.

    Attributes:
        patches: how many the good pictures have.
        kept: how many the bank keeps.
        before: (n, 2) float32: some of all patches, evenly taken, on the two directions in which they differ most.
        after: (m, 2) float32: some of those kept, on the same two.
        share: of all that patches differ by, how much these two directions show, 0..1.
        pictures: a few good ones.
        any: (k, s, s, 3) uint8, BGR: patches taken at random, cut out of their pictures with what surrounds them.
        first: (k, s, s, 3): those that the coreset chose first; none where it kept everything.
    """

    patches: int
    kept: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    share: float
    pictures: tuple[Kept, ...]
    any: Image
    first: Image


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The figures of one method on one category, or its averages. What does not exist is None.

    Attributes:
        category: its name, or `AVERAGE`.
        method: its name; where two settings have the same method, with what tells them apart.
        knobs: the settings of the fit.
        images: how many test pictures were examined.
        image_auroc, average_precision: over the pictures' scores, 0..1; None unless good and defective ones are there.
        pixel_auroc, aupro: over the raw maps at the pictures' own size, 0..1; None without masks.
        f1: the highest, over the pictures' scores; None as `image_auroc`.
        threshold: the lowest score that gives it, calibrated, 0..1; None of an average.
        fit_s: seconds that the fit took.
        ms_per_image: mean milliseconds from a picture in memory to its verdict.
        roc: over the pictures, at most 200 points.
        precision_recall: the same.
        scores: of every picture, in the category's order.
        wrong: the pictures on the wrong side of the threshold, the farthest from it first.
        examples: as many as were asked for.
        similar: the defective ones among the examples (the good ones where there are no others), each with the other
            test pictures whose defect looks most like its own; () where the model makes no vectors.
        bank: of PatchCore, where examples were asked for.
        card: what is known of the model; None of an average.
        averaged: of an average, how many categories it is over.
    """

    category: str
    method: str
    knobs: FitKnobs
    images: int = 0
    image_auroc: float | None = None
    average_precision: float | None = None
    pixel_auroc: float | None = None
    aupro: float | None = None
    f1: float | None = None
    threshold: float | None = None
    fit_s: float | None = None
    ms_per_image: float | None = None
    roc: Curve | None = None
    precision_recall: Curve | None = None
    scores: tuple[PictureScore, ...] = ()
    wrong: tuple[PictureScore, ...] = ()
    examples: tuple[Example, ...] = ()
    similar: tuple[Similar, ...] = ()
    bank: Bank | None = None
    card: "ModelCard | None" = None
    averaged: int = 0

    @property
    def known(self) -> KnownScores:
        """The scores for a threshold slider and its histogram."""
        return KnownScores.of([seen.score for seen in self.scores], [seen.item.abnormal for seen in self.scores])

    def row(self) -> dict[str, str | int | float | None]:
        """The line that `inspect evaluate` prints for it."""
        return {
            "category": self.category,
            "method": self.method,
            "images": self.images,
            "image_auroc": self.image_auroc,
            "pixel_auroc": self.pixel_auroc,
            "aupro": self.aupro,
            "f1": self.f1,
            "fit_s": self.fit_s,
            "ms_per_image": self.ms_per_image,
        }


def average(results: Sequence[Result]) -> Result:
    """One method over several categories: the mean of the figures that exist, and the sum of the pictures.

    Args:
        results: at least one, of the same settings.
    """
    means: dict[str, Any] = {}
    for name in _AVERAGED:
        found = [value for result in results if (value := getattr(result, name)) is not None]
        means[name] = math.fsum(found) / len(found) if found else None
    images = sum(result.images for result in results)
    return Result(AVERAGE, results[0].method, results[0].knobs, images, averaged=len(results), **means)


def method_names(settings: Sequence[FitKnobs]) -> tuple[str, ...]:
    """A name for each: its method, and where that is there twice the settings in which the two differ."""
    names: list[str] = []
    for knobs in settings:
        same = [other for other in settings if other.method == knobs.method]
        apart = [
            f"{field.name.replace('_', ' ')} {_word(getattr(knobs, field.name))}"
            for field in fields(FitKnobs)
            if len({getattr(other, field.name) for other in same}) > 1
        ]
        name = ", ".join([knobs.method, *apart])
        twice = names.count(name)
        names.append(f"{name} ({twice + 1})" if twice else name)
    return tuple(names)


def to_csv(results: Sequence[Result], path: Path) -> None:
    """Write a row each: `Result.row` and its threshold; what was there is replaced only when all is written.

    Raises:
        SightlineError: it cannot be written.
    """
    text = io.StringIO(newline="")
    rows = [{**result.row(), "threshold": result.threshold} for result in results]
    writer = csv.DictWriter(text, [*Result("", "", FitKnobs()).row(), "threshold"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def to_json(results: Sequence[Result], path: Path) -> None:
    """Write all numbers, with settings, curves, scores and the wrong pictures; else as `to_csv`.

    Raises:
        SightlineError: it cannot be written.
    """
    rows = [
        {
            **result.row(),
            "average_precision": result.average_precision,
            "threshold": result.threshold,
            "settings": asdict(result.knobs),
            "roc": _points(result.roc, "false_positive_rate", "true_positive_rate"),
            "precision_recall": _points(result.precision_recall, "recall", "precision"),
            "scores": [_picture(seen) for seen in result.scores],
            "wrong": [_picture(seen) for seen in result.wrong],
        }
        for result in results
    ]
    write_text(path, json.dumps({"results": rows}, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def _picture(seen: PictureScore) -> Mapping[str, Any]:
    return {"image": str(seen.item.path), "kind": seen.item.kind, "score": seen.score, "raw": seen.raw}


def _points(curve: Curve | None, x: str, y: str) -> Mapping[str, Any] | None:
    if curve is None:
        return None
    # the first threshold is infinite, which JSON does not know
    thresholds = [value if math.isfinite(value) else None for value in curve.thresholds.tolist()]
    return {x: curve.x.tolist(), y: curve.y.tolist(), "threshold": thresholds}


def _word(value: Any) -> str:
    """A setting's value as a person reads it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "usual"
    return {"True": "on", "False": "off", "": "usual"}.get(str(value), str(value))


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename; what UTF-8 does not know (half of a name's bytes) is written as its number.

    Raises:
        SightlineError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
        beside.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise SightlineError(f"There is no space left for {path}: free some, or save it elsewhere.") from error
        reason = (error.strerror or "the system refused").lower()
        raise SightlineError(f"{path} cannot be written ({reason}): save it elsewhere.") from error
    finally:
        beside.unlink(missing_ok=True)
