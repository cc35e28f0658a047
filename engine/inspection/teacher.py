"""EfficientAD's teacher: from a file, by its card, or a stand-in that is taught here, on the pictures at hand.

The paper teaches its teacher for 60,000 steps on ImageNet what a Wide-ResNet-101 sees. Where that one cannot be had,
the stand-in learns, in the same way and in minutes, what the early layers of a backbone see that is there: on cuts of
the training pictures (some with a piece of another laid on, so that it has seen what is no longer the texture) and of
other pictures. It is named as what it is: it has seen little of the world.
"""

import contextlib
import io
import math
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection import efficientad_networks as networks
from engine.inspection.backbone import DEFAULT, make_backbone, title_of
from engine.inspection.checkpoint import Checkpoints, Learner
from engine.inspection.knobs import AUTO, FitKnobs
from engine.inspection.other_pictures import OtherPictures, cut_of
from engine.inspection.preparation import PictureSet
from engine.job import Job, Notice, Progress
from engine.weights.fetch import locate

Array = NDArray[np.float32]
Tensor = Any
CARD = "efficientad_teacher"
"""The name of the card in `resources/weights.toml`; both sizes are in its archive."""
SIDE = 128
"""Pixels of the cuts that are learned from."""
MOST = 1000
"""Steps that the stand-in is taught; never more than the student."""
_BATCH = 2
_RATE, _WARM = 1e-3, 30
LOOKED_AT = 48
"""Cuts from which the spread of the backbone's features is learned."""
_PASTED = 0.3
_LOCAL: Mapping[str, tuple[str, ...]] = {
    # what these have seen of a picture twice as large is about what the PDN sees: 33 pixels
    "mobilenet_v2": ("features.7.conv.0", "features.4.conv.0"),
    "resnet18": ("layer2", "layer1"),
    "resnet34": ("layer2", "layer1"),
    "resnet50": ("layer2", "layer1"),
    "wide_resnet50_2": ("layer2", "layer1"),
}


@dataclass(frozen=True, slots=True)
class Teacher:
    """A teacher.

    Attributes:
        weights: "teacher.conv1.weight" and so on, torch tensors on the device.
        note: where it comes from, for the model's card.
    """

    weights: dict[str, Tensor]
    note: str


def find_teacher(knobs: FitKnobs) -> tuple[Path, str] | None:
    """The file of true teacher weights that is here, and what it is called; None where there is none.

    The file given by hand, the card's, or what anomalib itself has downloaded. Nothing is fetched.

    Raises:
        SightlineError: the file given by hand is not there.
    """
    if knobs.teacher:
        path = Path(knobs.teacher).expanduser()
        if not path.is_file():
            raise SightlineError(f"There is no file {path}: check the path of the teacher, or leave it empty.")
        return path, path.name
    name = f"pretrained_teacher_{knobs.model_size}.pth"
    found = locate(name) or locate(CARD)
    if found is None:
        import platformdirs

        cache = Path(platformdirs.user_cache_dir("anomalib")) / "pre_trained"
        found = cache / "efficientad_pretrained_weights" / name
    return (found, found.name) if found.is_file() else None


def read_teacher(path: Path, size: str, device: str) -> dict[str, Tensor]:
    """The weights in a file of a teacher, read without running any code of it.

    Args:
        path: anomalib's `pretrained_teacher_small.pth`, the archive that it is published in, or safetensors.
        size: "small" or "medium".
        device: where they go.

    Raises:
        SightlineError: it is damaged, would run code, or is no teacher of this size.
    """
    from engine.weights.networks import read_tensors

    with _unpacked(path, f"pretrained_teacher_{size}.pth") as file:
        read = read_tensors(file)
    named = {f"teacher.{name.removeprefix('model.').removeprefix('teacher.')}": value for name, value in read.items()}
    wanted = networks.shapes_of("teacher", size)
    if {name: tuple(value.shape) for name, value in named.items()} != wanted:
        raise SightlineError(
            f"{path} is no teacher for EfficientAD of the size {size}: choose pretrained_teacher_{size}.pth, "
            "or the other size."
        )
    return networks.placed({name: value.float() for name, value in named.items()}, device)


@contextlib.contextmanager
def _unpacked(path: Path, wanted: str) -> Iterator[Path]:
    """The file itself, or the wanted file out of an archive; a .pth is an archive too, but has no such part."""
    member = None
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        member = next((name for name in archive.namelist() if name.rpartition("/")[2] == wanted), None)
        data = archive.read(member) if member else b""
    if member is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="sightline-teacher-") as folder:
        file = Path(folder) / wanted
        with io.BytesIO(data) as inside:
            file.write_bytes(inside.getbuffer())
        yield file


def standing_in(
    pictures: PictureSet,
    others: OtherPictures,
    knobs: FitKnobs,
    *,
    device: str,
    seed: int,
    quick: Callable[[], AbstractContextManager[Any]],
    checkpoints: Checkpoints,
) -> Job[Teacher]:
    """Teach a stand-in what a backbone sees; yields `Progress` and `Notice`.

    Args:
        pictures: the good ones.
        others: of anything else.
        knobs: backbone, weights, layers, steps, model_size.
        device: "cpu", "cuda" or "mps".
        seed: of everything random.
        quick: a context in which torch computes faster and less precisely.
        checkpoints: of this stage.

    Raises:
        SightlineError: the backbone cannot be had.
    """
    import torch

    yield Progress("Loading the backbone")
    name = DEFAULT if knobs.backbone == AUTO else knobs.backbone
    backbone = make_backbone(knobs if knobs.layers else replace(knobs, layers=_LOCAL.get(name, ())))
    note = f"stand-in teacher distilled from {title_of(backbone.name)} (weights {backbone.weights})"
    yield Notice(f"EfficientAD's own teacher is not here: a stand-in learns from {title_of(backbone.name)} first.")
    steps = min(knobs.steps, MOST)
    cuts = _Cuts(pictures, others, seed)
    seen = _Seen(backbone.module.to(device), quick)
    for number in range(LOOKED_AT // 4):
        seen.look(networks.picture_tensor(cuts.batch(-1 - number, 4), device))
        yield Progress("Looking at what the backbone sees", number + 1, LOOKED_AT // 4)
    seen.settle(seed)
    first = networks.picture_tensor(cuts.batch(-1000, 8), device)
    weights = networks.placed(networks.fresh("teacher", knobs.model_size, seed), device)
    learner = Learner(networks.levelled(weights, "teacher", first))
    done = 0
    kept = checkpoints.newest()
    if kept is not None:
        done = kept[0]
        learner.restore(*kept)
    begun, first_step = time.monotonic(), done
    while done < steps:
        batch = networks.picture_tensor(cuts.batch(done, _BATCH), device)
        target = seen.target(batch)
        with quick():
            given = networks.pdn(learner.weights, "teacher", batch)
        torch.mean((given.float() - target) ** 2).backward()
        learner.step(short_rate(_RATE, _WARM, done, steps))
        done += 1
        left = (time.monotonic() - begun) / (done - first_step) * (steps - done)
        yield Progress("Teaching the stand-in teacher", done, steps, "steps", left)
        if checkpoints.due or done == steps:
            checkpoints.save(done, learner.state())
    return Teacher({name: value.detach() for name, value in learner.weights.items()}, note)


def short_rate(peak: float, warm: int, step: int, steps: int) -> float:
    """The rate of a short training: up within `warm` steps, then down along a cosine to 0."""
    return peak * min(1.0, (step + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


class _Cuts:
    """Squares of SIDE pixels: half of them from the good pictures, half from others; the same for the same number."""

    def __init__(self, pictures: PictureSet, others: OtherPictures, seed: int) -> None:
        self._pictures, self._others, self._seed = pictures, others, seed

    def batch(self, number: int, count: int) -> Array:
        """(count, 3, SIDE, SIDE) float32 RGB 0..1."""
        random = np.random.default_rng([self._seed, 11, number + 2**20])
        return np.stack([self._one(random) for _ in range(count)])

    def _one(self, random: np.random.Generator) -> Array:
        if random.random() < 0.5:
            return cut_of(self._others.any(random), SIDE, random)
        cut = cut_of(self._own(random), SIDE, random)
        if random.random() < _PASTED:
            other = self._own(random) if random.random() < 0.5 else self._others.any(random)
            piece = cut_of(other, SIDE, random)
            h, w = random.integers(4, SIDE // 2, 2)
            y, x = random.integers(0, SIDE - h), random.integers(0, SIDE - w)
            share = 1.0 if random.random() < 0.5 else 0.5
            place = np.s_[:, y : y + h, x : x + w]
            cut[place] = share * piece[place] + (1 - share) * cut[place]
        return cut

    def _own(self, random: np.random.Generator) -> Array:
        tiles = self._pictures.batch(int(random.integers(len(self._pictures))))
        picked: Array = tiles[int(random.integers(len(tiles)))]
        return picked


class _Seen:
    """What a backbone sees of cuts, as CHANNELS numbers a cell of the PDN, each of mean 0 and spread 1."""

    def __init__(self, module: Any, quick: Callable[[], AbstractContextManager[Any]]) -> None:
        self._module, self._quick = module, quick
        self._looked: list[Tensor] = []
        self._middle: Tensor = None
        self._turn: Tensor = None

    def look(self, batch: Tensor) -> None:
        """Learn from these what is usual."""
        self._looked.append(self._features(batch).flatten(0, 2))

    def settle(self, seed: int) -> None:
        """Enough was looked at: every feature gets a mean of 0 and a spread of 1, and all are mixed into CHANNELS."""
        import torch

        seen = torch.cat(self._looked).cpu()
        self._looked.clear()
        middle, spread = seen.mean(0), seen.std(0) + 1e-3
        seen = (seen - middle) / spread
        size = seen.shape[1]
        generator = torch.Generator().manual_seed(seed)
        wide = max(size, networks.CHANNELS)
        mix = torch.linalg.qr(torch.randn(wide, wide, generator=generator))[0]
        if size > networks.CHANNELS:  # the directions in which most happens
            _values, directions = torch.linalg.eigh(seen.T @ seen)
            turn = directions[:, -networks.CHANNELS :] @ mix[: networks.CHANNELS, : networks.CHANNELS]
        else:
            turn = mix[:size]
        turn = turn / (seen @ turn).std(0).clamp(min=1e-3)
        device = next(self._module.parameters()).device
        self._middle, self._turn = middle.to(device), (turn / spread[:, None]).to(device)

    def target(self, batch: Tensor) -> Tensor:
        """(n, CHANNELS, cells, cells) float32 for (n, 3, h, w)."""
        return ((self._features(batch) - self._middle) @ self._turn).permute(0, 3, 1, 2)

    def _features(self, batch: Tensor) -> Tensor:
        """(n, cells, cells, d): of the picture at twice its size, at the places that the PDN's cells have."""
        import torch
        import torch.nn.functional as f

        with torch.no_grad(), self._quick():
            seen = self._module(f.interpolate(batch, scale_factor=2, mode="bilinear")).float().permute(0, 3, 1, 2)
            cells = [side // networks.STRIDE for side in batch.shape[-2:]]
            if list(seen.shape[-2:]) != cells:
                seen = f.interpolate(seen, size=cells, mode="bilinear")
            h, w = (networks.output_side(side) for side in batch.shape[-2:])
            return seen[:, :, networks.MARGIN : networks.MARGIN + h, networks.MARGIN : networks.MARGIN + w].permute(
                0, 2, 3, 1
            )
