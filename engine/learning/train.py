"""Training a classifier of pictures, as a job: read, head first, then all; the best epoch's weights are kept."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from engine import runtime
from engine.device import pick_device
from engine.job import Job, Progress
from engine.knobs import Cell
from engine.learning import networks
from engine.learning.classifier import ClassifierCard, Epoch, TrainedClassifier, judging
from engine.learning.datasets import ImageSet, split
from engine.learning.head import train_head
from engine.learning.knobs import TrainKnobs, check
from engine.learning.pictures import preparing
from engine.learning.trainer import Trainer, chance, waiting

_VERSIONS = ("torch", "torchvision", "numpy")


def train(
    data: ImageSet, knobs: Cell[TrainKnobs] | TrainKnobs, *, device: str = "auto", name: str = ""
) -> Job[TrainedClassifier]:
    """Train a classifier.

    Yields `Progress` and a `Step` a batch, an `Epoch` an epoch, `Notice`s (a picture left out, a batch halved), and
    None while it waits. The validation part is taken from the training part; it alone decides which epoch is kept and
    when to end. The test part is looked at once, after the last epoch. On a processor the same seed gives the same
    numbers (on one machine, with one version of torch).

    Args:
        data: what to learn from.
        knobs: the settings, or a cell of them in which they may be replaced while it runs (see `TrainKnobs`).
        device: "auto", "cpu", "cuda" or "mps".
        name: that a person reads; "" makes one of the network's and the data's.

    Raises:
        SightlineError: settings that cannot be, too few pictures, weights that are not here, a training that diverged,
            or too little memory.
    """
    cell = knobs if isinstance(knobs, Cell) else Cell(knobs)
    first = cell.value
    check(first)
    kind = networks.kind_of(first.network)
    parts = split(data, first.split, first.seed)
    begun = time.monotonic()
    yield Progress(f"Making {kind.title}")
    where = pick_device(device)
    with _threads():
        with chance(first.seed, 0):
            module, preprocessing = networks.build(
                first.network, len(data.names), first.weights if first.pretrained else None,
                size=first.size, dropout=first.dropout,
            )  # fmt: skip
        pictures = yield from preparing(parts.train, preprocessing, "the training pictures", whole=first.augment)
        val = yield from preparing(parts.val, preprocessing, "the validation pictures")
        trainer = Trainer(module, preprocessing, pictures, val, cell, where)
        if first.pretrained and first.head_epochs:
            yield from train_head(trainer, min(first.head_epochs, first.epochs))
        yield from trainer.running()
        module = trainer.best()
        tested = None
        if len(parts.test):
            test = yield from preparing(parts.test, preprocessing, "the test pictures")
            tested = yield from judging(module, test, preprocessing, what="Testing")
        yield from waiting(cell)
    module = module.to("cpu", memory_format=_plain()).eval()
    for parameter in module.parameters():
        parameter.requires_grad = False
    card = ClassifierCard(
        name=name or f"{kind.title}, {data.name}", network=first.network, names=data.names,
        preprocessing=preprocessing, history=tuple(trainer.history), kept=trainer.kept,
        test_accuracy=None if tested is None else tested.accuracy, parameters=networks.parameters(module),
        pictures=len(pictures), data=data.name, source=data.source, settings=_settings(cell.value, first),
        seed=first.seed, trained=datetime.now().astimezone().isoformat(timespec="seconds"),
        fit_s=time.monotonic() - begun, versions=_versions(),
    )  # fmt: skip
    return TrainedClassifier(module, card, None if tested is None else tested.confusion)


@contextlib.contextmanager
def _threads() -> Iterator[None]:
    """All cores for torch: Ultralytics, once imported, leaves it with fewer."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(runtime.cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _plain() -> Any:
    import torch

    return torch.contiguous_format


def _settings(last: TrainKnobs, first: TrainKnobs) -> dict[str, Any]:
    """What it was trained with: what moves while it runs as it stood at the end."""
    read_first = ("network", "pretrained", "weights", "size", "rule", "beta", "batch", "epochs", "head_epochs", "split")
    kept = replace(last, **{name: getattr(first, name) for name in (*read_first, "seed")})
    return {name: value for name, value in asdict(kept).items() if name not in ("paused", "enough")}


def _versions() -> dict[str, str]:
    import importlib.metadata

    return {name: importlib.metadata.version(name) for name in _VERSIONS}


__all__ = ["Epoch", "TrainedClassifier", "train"]
