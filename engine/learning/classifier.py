"""A trained classifier, what is known of it, and how well it sorts pictures."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.job import Job, Progress
from engine.learning.datasets import Image
from engine.learning.memory import halving
from engine.learning.pictures import Prepared
from engine.weights.preprocessing import Preprocessing

BATCH = 64
"""Pictures that are judged at once."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass through the training pictures.

    Losses and accuracies are the network's as it stood at the end: plain cross-entropy in nats and the share of
    pictures, 0..1, that are sorted rightly, both without augmentation and without dropout.

    Attributes:
        epoch: from 1.
        train_loss, train_accuracy: on training pictures (on the first 1,000 of a random order where there are more).
        val_loss, val_accuracy: on the validation part.
        s: seconds it took, judging included.
        kept: whether it is the best so far.
        phase: "head" while only the last layer learns, "all" afterwards.
    """

    epoch: int
    train_loss: float
    val_loss: float
    train_accuracy: float
    val_accuracy: float
    s: float
    kept: bool
    phase: str = "all"

    def row(self) -> dict[str, Any]:
        """What the command line says of it."""
        return {
            "epoch": self.epoch, "train_loss": self.train_loss, "val_loss": self.val_loss,
            "train_accuracy": self.train_accuracy, "val_accuracy": self.val_accuracy, "s": self.s,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step of learning.

    Attributes:
        at: epochs done, with its part of the present one.
        loss: of its pictures as they were shown, augmented and smoothed.
        rate: the learning rate of the head.
    """

    at: float
    loss: float
    rate: float


@dataclass(frozen=True, slots=True)
class ClassifierCard:
    """What is known of a trained classifier.

    Attributes:
        name: that a person reads.
        network: one of `networks.KINDS`.
        names: of its classes, in the order of its logits.
        preprocessing: how its pictures are made.
        history: all its epochs.
        kept: the number of the epoch whose weights it has.
        test_accuracy: 0..1 on the test part, None without one.
        parameters: how many numbers it learned.
        pictures: how many it learned from.
        data: the name of the data set.
        source: the folder of that; "" where it was drawn.
        settings: of the training, by name.
        seed: of everything random.
        trained: when, ISO 8601.
        fit_s: seconds from the first picture read to the test.
        versions: of the packages that took part.
        folder: where it is kept; None while it is not.
    """

    name: str
    network: str
    names: tuple[str, ...]
    preprocessing: Preprocessing
    history: tuple[Epoch, ...]
    kept: int
    test_accuracy: float | None
    parameters: int
    pictures: int
    data: str
    source: str
    settings: Mapping[str, Any]
    seed: int
    trained: str
    fit_s: float
    versions: Mapping[str, str]
    folder: Path | None = None

    @property
    def best(self) -> Epoch:
        """The epoch whose weights it has."""
        return next(epoch for epoch in self.history if epoch.epoch == self.kept)


@dataclass(slots=True)
class TrainedClassifier:
    """A network that sorts pictures.

    Attributes:
        module: (n, 3, size, size) float32 -> (n, classes) logits; in evaluation mode, its parameters frozen.
        card: what is known of it.
        confusion: (classes, classes) int64, how many test pictures of each class (row) are called what (column); None
            where it was not tested.
    """

    module: Any
    card: ClassifierCard
    confusion: NDArray[np.int64] | None = None

    @property
    def network(self) -> str:
        """One of `networks.KINDS`."""
        return self.card.network

    @property
    def names(self) -> tuple[str, ...]:
        """Of its classes."""
        return self.card.names

    @property
    def preprocessing(self) -> Preprocessing:
        """How its pictures are made."""
        return self.card.preprocessing

    @property
    def history(self) -> tuple[Epoch, ...]:
        """Its epochs."""
        return self.card.history

    def probabilities(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """How sure it is of each class.

        Args:
            images: (H, W, 3) uint8, BGR, any shapes.

        Returns:
            (n, classes) float32, each row adds up to 1.
        """
        import torch

        if not len(images):
            return np.empty((0, len(self.names)), np.float32)
        squares = np.stack([self.preprocessing.square(image) for image in images])
        where = next(self.module.parameters()).device
        with torch.inference_mode():
            logits = self.module(torch.from_numpy(self.preprocessing.normalise(squares)).to(where))
            found: NDArray[np.float32] = logits.float().softmax(1).cpu().numpy()
        return found


@dataclass(frozen=True, slots=True)
class Judged:
    """How well a network sorts some pictures.

    Attributes:
        loss: mean cross-entropy, nats; 0 without a picture.
        accuracy: share that is sorted rightly, 0..1; 0 without a picture.
        confusion: (classes, classes) int64: pictures of each class (row) that are called what (column).
    """

    loss: float
    accuracy: float
    confusion: NDArray[np.int64]


def judged(logits: Any, labels: Any) -> Judged:
    """Score logits, (n, classes) and labels, (n,) tensors."""
    from torch.nn import functional

    classes = logits.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    if not len(labels):
        return Judged(0.0, 0.0, confusion)
    said = logits.argmax(1)
    np.add.at(confusion, (labels.cpu().numpy(), said.cpu().numpy()), 1)
    loss = float(functional.cross_entropy(logits.float(), labels))
    return Judged(loss, float((said == labels).float().mean()), confusion)


def judging(
    module: Any, prepared: Prepared, preprocessing: Preprocessing, places: Sequence[int] | None = None, what: str = ""
) -> Job[Judged]:
    """Judge a network on pictures: yields None, or `Progress` where `what` says what is being done.

    Args:
        module: in evaluation mode.
        prepared: the pictures.
        preprocessing: of the network.
        places: which of them; None is all.
        what: "Testing".
    """
    import torch

    places = range(len(prepared)) if places is None else places
    where = next(module.parameters()).device

    def logits(some: Sequence[int]) -> Any:
        with torch.inference_mode():
            batch = torch.from_numpy(preprocessing.normalise(prepared.squares(some))).to(where)
            return module(batch.contiguous(memory_format=torch.channels_last)).float().cpu()

    begun = time.monotonic()
    found: list[Any] = []
    done = 0
    for some in halving(places, BATCH, logits):
        found.append(some)
        done += len(some)
        left = (time.monotonic() - begun) / done * (len(places) - done)
        yield Progress(what, done, len(places), "pictures", left) if what else None
    if not found:
        return judged(torch.empty(0, 1), torch.empty(0, dtype=torch.int64))
    return judged(torch.cat(found), torch.from_numpy(prepared.labels[list(places)]))
