"""Trains EfficientAD on good pictures: a student learns what the teacher sees of them, and nothing else.

Batzner, Heckler and König, https://arxiv.org/abs/2303.14535. Three networks: the teacher is given; the student learns
to match it on good pictures (loss 1) and to give nothing on other pictures (the penalty); the autoencoder learns to
foresee the teacher from the picture as a whole, and the other half of the student to foresee the autoencoder (losses 2
and 3). Where they differ, a picture is abnormal.

With `LONG` steps or more it is trained as in the paper and in anomalib: whole pictures, Adam at 1e-4, a tenth of that
for the last twentieth. That takes days on a processor. Fewer steps are trained by a short recipe, which departs from
the paper and says so in the model's notes:

* Student and teacher look at cuts of `CUT` pixels, at places of the PDN's own grid: the same numbers for a part of the
  picture, 5 times as fast at 256 pixels. The autoencoder sees the whole picture.
* Weights begin levelled on the good pictures instead of as torch draws them.
* Loss 1 is the mean of all differences; the paper's, of the largest thousandth, moves little until the student is
  nearly there (narrowing down to the largest tenth or hundredth was tried and was worse, see DECISIONS.md).
* The rate is 1e-3, up within 30 steps and down along a cosine.
* On a processor with bfloat16 products the networks run in it (3 to 6 times as fast); the weights stay float32, and a
  fitted model always scores in float32.
"""

import contextlib
import functools
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.device import pick_device
from engine.errors import SightlineError
from engine.inspection import efficientad_networks as networks
from engine.inspection.checkpoint import Checkpoints, Learner
from engine.inspection.efficientad import EfficientAd
from engine.inspection.knobs import FitKnobs
from engine.inspection.other_pictures import OtherPictures, cut_of, finding_others
from engine.inspection.preparation import PictureSet
from engine.inspection.teacher import MOST, Teacher, find_teacher, read_teacher, short_rate, standing_in
from engine.job import Job, Notice, Progress, drive

Array = NDArray[np.float32]
Tensor = Any
LONG = 10_000
"""Steps from which the training is the paper's."""
CUT = 128
LEAST = 64
"""Pixels a side that the autoencoder's decoder can make something of."""
_DECAY = 1e-5
_STATISTICS = 256
"""Pictures from which the teacher's mean and spread are taken; more change nothing that can be seen."""
_HELD_BACK = 10
"""Every tenth picture is not trained on: the maps' scales are taken from these (the paper's validation set)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a training goes.

    Attributes:
        short: by the short recipe.
        cut: pixels of the cuts that student and teacher look at; 0 is the whole picture.
        half: torch computes in bfloat16.
    """

    short: bool
    cut: int
    half: bool


def recipe_for(knobs: FitKnobs, size: tuple[int, int], device: str) -> Recipe:
    """The recipe for so many steps at this size on this device."""
    short = knobs.steps < LONG
    half = short and device == "cpu" and bool({"avx512_bf16", "amx_bf16"} & set(runtime.cpu_features()))
    return Recipe(short, CUT if short and min(size) > CUT else 0, half)


def fit_efficientad(
    pictures: PictureSet, knobs: FitKnobs, *, device: str, seed: int, checkpoint: Path | None = None
) -> Job[EfficientAd]:
    """Train on good pictures: yields `Progress` and `Notice`, returns the fitted model.

    Args:
        pictures: good ones.
        knobs: steps, model_size, teacher, pretraining; backbone and layers for a stand-in teacher.
        device: "cpu", "cuda" or "mps".
        seed: of everything random.
        checkpoint: a folder for the state of the training, once a minute. A training of the same pictures, knobs and
            seed goes on from it and ends with the same numbers as one that was never broken off. The last state stays.

    Raises:
        SightlineError: pictures under 64 pixels, a file or folder given by hand that is not there or does not fit,
            a state that cannot be written.
    """
    if min(pictures.size) < LEAST:
        raise SightlineError(f"EfficientAD needs pictures of at least {LEAST} pixels a side: choose a larger size.")
    if knobs.model_size not in networks.SIZES:
        raise SightlineError(f"There is no size “{knobs.model_size}” of EfficientAD: choose small or medium.")
    recipe = recipe_for(knobs, pictures.size, device)
    quick = functools.partial(_quick, recipe.half)
    belongs = _belongs(pictures, knobs, seed, device, recipe)
    others = yield from finding_others(knobs.pretraining, 2 * max(pictures.size), seed)
    found = find_teacher(knobs)
    if found is not None:
        yield Progress(f"Reading {found[1]}")
        teacher = Teacher(read_teacher(found[0], knobs.model_size, device), f"teacher {found[1]}")
    else:
        stage = Checkpoints(checkpoint, "teacher", belongs)
        teacher = yield from standing_in(
            pictures, others, knobs, device=device, seed=seed, quick=quick, checkpoints=stage
        )
    held = [i for i in range(len(pictures)) if i % _HELD_BACK == _HELD_BACK - 1]
    rest = [i for i in range(len(pictures)) if i not in set(held)]
    weights = dict(teacher.weights)
    weights |= yield from _statistics(pictures, rest, weights, device)
    training = _Training(pictures, rest, others, weights, knobs, recipe, seed=seed, device=device)
    yield from training.running(Checkpoints(checkpoint, "student", belongs), quick)
    weights |= {name: value.detach() for name, value in training.learner.weights.items()}
    weights |= yield from _scales(pictures, held or rest, weights, device)
    notes = [teacher.note, others.note, _words(recipe, knobs)]
    return EfficientAd(
        {name: value.detach() for name, value in weights.items()}, knobs.model_size, device, tuple(notes)
    )


class _Training:
    """Student and autoencoder, and one step of learning."""

    def __init__(
        self, pictures: PictureSet, indices: list[int], others: OtherPictures, given: Mapping[str, Tensor],
        knobs: FitKnobs, recipe: Recipe, *, seed: int, device: str,
    ) -> None:  # fmt: skip
        self._pictures, self._indices, self._others, self._given = pictures, indices, others, given
        self._knobs, self._recipe, self._seed, self._device = knobs, recipe, seed, device
        size = knobs.model_size
        student = networks.placed(networks.fresh("student", size, seed + 1), device)
        if recipe.short:
            side = recipe.cut or min(pictures.size)
            first = np.stack([pictures.batch(i)[0, :, :side, :side] for i in indices[:8]])
            student = networks.levelled(student, "student", networks.picture_tensor(first, device))
        ae = networks.placed(networks.fresh("ae", size, seed + 2, lively=recipe.short), device)
        self.learner = Learner(student | ae, _DECAY)

    def running(self, checkpoints: Checkpoints, quick: Any) -> Job[None]:
        """All steps, from the newest state on."""
        done, steps = 0, self._knobs.steps
        kept = checkpoints.newest()
        if kept is not None:
            done = min(kept[0], steps)
            self.learner.restore(*kept)
            yield Notice(f"The training goes on after step {done:,} of {steps:,}.")
        elif checkpoints.passed_over:
            yield Notice("The kept state belongs to another training: this one begins at its first step.")
        begun, first, left = time.monotonic(), done, None
        while done < steps:
            # between its parts as well, so that it can be stopped there
            for _part in self._step(done, quick):
                yield Progress("Training EfficientAD", done, steps, "steps", left)
            done += 1
            left = (time.monotonic() - begun) / (done - first) * (steps - done)
            yield Progress("Training EfficientAD", done, steps, "steps", left)
            if checkpoints.due or done == steps:
                checkpoints.save(done, self.learner.state())

    def _step(self, number: int, quick: Any) -> Any:
        """One step in parts; every chance in it follows from the seed and its number."""
        import torch

        random = np.random.default_rng([self._seed, 3, number])
        weights = self.learner.weights | dict(self._given)
        picture = networks.picture_tensor(self._picture(number, random)[None], self._device)
        part, places = self._cut(picture, random)
        with quick():
            with torch.no_grad():
                wanted = self._normal(networks.pdn(weights, "teacher", part))
            given = networks.pdn(weights, "student", part, slice(0, networks.CHANNELS))
        difference = wanted - given.float()
        (torch.mean(difference**2) if self._recipe.short else networks.hard_loss(difference)).backward()
        yield "matching"
        other = networks.picture_tensor(self._other(random)[None], self._device)
        with quick():
            given = networks.pdn(weights, "student", other, slice(0, networks.CHANNELS))
        torch.mean(given.float() ** 2).backward()
        yield "penalty"
        changed = _changed(picture, random)
        part, places = self._cut(changed, random)
        generator = torch.Generator(self._device).manual_seed(int(random.integers(2**62)))
        with quick():
            with torch.no_grad():
                wanted = self._normal(networks.pdn(weights, "teacher", part))
            expected = networks.autoencoder(weights, changed, generator)[places].float()
            given = networks.pdn(weights, "student", part, slice(networks.CHANNELS, None)).float()
        (torch.mean((wanted - expected) ** 2) + torch.mean((expected - given) ** 2)).backward()
        self.learner.step(self._rate(number))

    def _picture(self, number: int, random: np.random.Generator) -> Array:
        """The picture of a step: all in turn, in another order each time; of a large one any of its tiles."""
        epoch, place = divmod(number, len(self._indices))
        index = self._indices[int(np.random.default_rng([self._seed, 5, epoch]).permutation(len(self._indices))[place])]
        tiles = self._pictures.batch(index)
        tile: Array = tiles[int(random.integers(len(tiles)))]
        return tile

    def _other(self, random: np.random.Generator) -> Array:
        h, w = self._pictures.size
        picture = self._others.any(random)
        if self._recipe.short:
            return cut_of(picture, self._recipe.cut or min(h, w), random)
        return _centre(picture, h, w, grey=random.random() < 0.3)

    def _cut(self, picture: Tensor, random: np.random.Generator) -> tuple[Tensor, Any]:
        """A cut of a picture at random, and the cells of the whole picture's map that are its."""
        side = self._recipe.cut
        if not side:
            return picture, np.s_[:]
        cells = networks.output_side(side)
        y, x = (int(random.integers((length - side) // networks.STRIDE + 1)) for length in picture.shape[-2:])
        top, left = y * networks.STRIDE, x * networks.STRIDE
        return picture[..., top : top + side, left : left + side], np.s_[..., y : y + cells, x : x + cells]

    def _normal(self, seen: Tensor) -> Tensor:
        return (seen.float() - self._given["mean_std.mean"]) / self._given["mean_std.std"]

    def _rate(self, number: int) -> float:
        steps = self._knobs.steps
        if self._recipe.short:
            return short_rate(1e-3, 30, number, steps)
        return 1e-4 if number < int(0.95 * steps) else 1e-5


def _statistics(
    pictures: PictureSet, indices: list[int], weights: Mapping[str, Tensor], device: str
) -> Job[dict[str, Tensor]]:
    """Mean and spread of each of the teacher's channels over good pictures."""
    import torch

    some = _spread(indices, _STATISTICS)
    count = 0
    total: Tensor = 0.0
    squares: Tensor = 0.0
    for done, index in enumerate(some, 1):
        with torch.inference_mode():
            seen = networks.pdn(weights, "teacher", networks.picture_tensor(pictures.batch(index), device)).double()
            count += seen[:, 0].numel()
            total = total + seen.sum((0, 2, 3))
            squares = squares + seen.square().sum((0, 2, 3))
        yield Progress("Learning what the teacher sees", done, len(some), "pictures")
    mean = total / count
    spread = torch.sqrt((squares / count - mean**2).clamp(min=1e-12))
    found = {"mean_std.mean": mean, "mean_std.std": spread}
    # out of inference mode, so that gradients may be computed from them
    return {name: value.float()[None, :, None, None].clone() for name, value in found.items()}


def _scales(
    pictures: PictureSet, indices: list[int], weights: Mapping[str, Tensor], device: str
) -> Job[dict[str, Tensor]]:
    """The quantiles that bring both maps to one scale, from pictures that were not trained on."""
    import torch

    some = _spread(indices, _STATISTICS)
    local, logical = [], []
    for done, index in enumerate(some, 1):
        with torch.inference_mode():
            pair = networks.maps(weights, networks.picture_tensor(pictures.batch(index), device))
        local.append(pair[0].cpu())
        logical.append(pair[1].cpu())
        yield Progress("Bringing the maps to one scale", done, len(some), "pictures")
    generator = torch.Generator().manual_seed(0)
    return networks.quantiles_of("st", local, generator) | networks.quantiles_of("ae", logical, generator)


def _spread(indices: list[int], most: int) -> list[int]:
    places = np.unique(np.linspace(0, len(indices) - 1, min(len(indices), most)).round().astype(int))
    return [indices[place] for place in places.tolist()]


def _changed(picture: Tensor, random: np.random.Generator) -> Tensor:
    """Brightness, contrast or saturation times 0.8 to 1.2, as in the paper."""
    from torchvision.transforms import functional

    change = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
    return change[int(random.integers(3))](picture, float(random.uniform(0.8, 1.2)))


def _centre(picture: Array, h: int, w: int, *, grey: bool) -> Array:
    """The middle of a picture at twice the size, (3, h, w): the paper's penalty."""
    import cv2

    large = cv2.resize(picture.transpose(1, 2, 0), (2 * w, 2 * h), interpolation=cv2.INTER_LINEAR)
    part = large[h // 2 : h // 2 + h, w // 2 : w // 2 + w]
    if grey:
        part = np.repeat((part @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], 3, 2)
    return np.ascontiguousarray(part.transpose(2, 0, 1), dtype=np.float32)


def _quick(half: bool) -> AbstractContextManager[Any]:
    if not half:
        return contextlib.nullcontext()
    import torch

    context: AbstractContextManager[Any] = torch.autocast("cpu", torch.bfloat16)
    return context


def _belongs(pictures: PictureSet, knobs: FitKnobs, seed: int, device: str, recipe: Recipe) -> dict[str, Any]:
    """What a kept state must have in common with a training that goes on from it."""
    names = ("steps", "model_size", "teacher", "pretraining", "backbone", "weights", "layers")
    first = pictures.batch(0)
    return {name: getattr(knobs, name) for name in names} | {
        "pictures": len(pictures), "size": list(pictures.size), "first": float(first.astype(np.float64).sum()),
        "seed": seed, "device": device, "half": recipe.half, "cut": recipe.cut, "recipe": 1,
    }  # fmt: skip


def _words(recipe: Recipe, knobs: FitKnobs) -> str:
    if not recipe.short:
        return f"trained as in the paper, {knobs.steps:,} steps"
    cuts = f" on cuts of {recipe.cut} px" if recipe.cut else ""
    return f"trained by the short recipe, {knobs.steps:,} steps{cuts}{' in bfloat16' if recipe.half else ''}"


def estimate_seconds(knobs: FitKnobs, device: str = "auto") -> float:
    """How long fitting will take here, in seconds; it measures some steps, which takes seconds itself."""
    return drive(estimating(knobs, device))


def estimating(knobs: FitKnobs, device: str = "auto") -> Job[float]:
    """How long fitting will take here, in seconds: some steps on noise are measured; yields `Progress`.

    Reading the pictures, the statistics and the calibration are not counted.
    """
    device = pick_device(device)
    size = (knobs.crop or knobs.size,) * 2
    recipe = recipe_for(knobs, size, device)
    key = (knobs.model_size, size, recipe, device)
    if key not in _measured:
        _measured[key] = yield from _measuring(knobs, size, recipe, device)
    step, teaching = _measured[key]
    alone = find_teacher(knobs) is None
    return step * knobs.steps + (teaching * min(knobs.steps, MOST) if alone else 0.0)


_measured: dict[Any, tuple[float, float]] = {}
"""Seconds of a step, and of a step of the stand-in teacher, by what they depend on."""


class _Noise:
    """Pictures that cost what real ones cost."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._batch = np.random.default_rng(0).random((1, 3, *size), np.float32)

    def __len__(self) -> int:
        return 4

    def batch(self, index: int) -> Array:
        """(1, 3, h, w) float32."""
        return self._batch


def _measuring(knobs: FitKnobs, size: tuple[int, int], recipe: Recipe, device: str) -> Job[tuple[float, float]]:
    import torch

    quick = functools.partial(_quick, recipe.half)
    image = np.zeros((2 * max(size), 2 * max(size), 3), np.uint8)
    others, pictures = OtherPictures(max(size), [], [image], ""), _Noise(size)
    one = torch.ones(1, networks.CHANNELS, 1, 1, device=device)
    given = networks.placed(networks.fresh("teacher", knobs.model_size, 0), device)
    given |= {"mean_std.mean": 0 * one, "mean_std.std": one}
    training = _Training(pictures, [0, 1, 2, 3], others, given, knobs, recipe, seed=0, device=device)
    took = []
    for number in range(4):
        begun = time.perf_counter()
        for _part in training._step(number, quick):
            yield Progress("Measuring a step", number, 4, "steps")
        took.append(time.perf_counter() - begun)
    # the stand-in is taught on two cuts at once, once forth and back; the backbone is small beside it
    learner = Learner({name: value for name, value in given.items() if name.startswith("teacher.")})
    cuts = torch.rand(2, 3, CUT, CUT, device=device)
    teaching = []
    for _ in range(3):
        begun = time.perf_counter()
        with quick():
            seen = networks.pdn(learner.weights, "teacher", cuts)
        torch.mean(seen.float() ** 2).backward()
        learner.step(0.0)
        teaching.append(time.perf_counter() - begun)
        yield Progress("Measuring a step of the teacher", 0, None)
    return min(took[1:]), 1.3 * min(teaching[1:])
