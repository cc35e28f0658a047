"""The head learns alone at first: what it sees of each picture is computed once, so an epoch takes milliseconds."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.job import Job, Progress
from engine.learning import networks
from engine.learning.classifier import judged
from engine.learning.memory import halving
from engine.learning.pictures import Prepared
from engine.learning.stepping import groups_of, optimizer, set_rates
from engine.learning.trainer import Trainer, chance, waiting

_BATCH = 32
_VIEWS = 4
"""How often each picture is looked at where it is augmented: once as it is, then in other views."""
_KEPT_MIB = 1024
"""The most that what was seen may take in memory; fewer views are taken then."""


def train_head(trainer: Trainer, epochs: int) -> Job[None]:
    """Let the last layer learn on what the layers below it see; yields `Progress` and `Epoch`s.

    Args:
        trainer: with a pretrained network.
        epochs: how many, from 1.
    """
    import torch
    from torch.nn import functional

    knobs = trainer.first
    last = networks.head(trainer.module, knobs.network)
    mib = len(trainer.pictures) * last.in_features * 4 / 2**20
    views = max(1, min(_VIEWS if knobs.augment else 1, int(_KEPT_MIB / max(mib, 1e-6))))
    seen = []
    for view in range(views):
        seen.append((yield from _looking(trainer, trainer.pictures, view, views)))
    checked = yield from _looking(trainer, trainer.val, 0, 0)
    labels, val_labels = (torch.from_numpy(part.labels) for part in (trainer.pictures, trainer.val))
    layer = last.to("cpu")
    steps = optimizer(knobs.rule, groups_of(layer, layer, 1.0), knobs.beta)
    for number in range(epochs):
        yield from waiting(trainer.cell)
        begun = time.monotonic()
        now = trainer.cell.value
        rng = np.random.default_rng([knobs.seed, 13, number])
        order = torch.from_numpy(rng.permutation(len(labels)))
        chosen = torch.from_numpy(rng.integers(0, views, len(labels)))
        batches = order.split(knobs.batch)
        for place, some in enumerate(batches):
            given = torch.stack([seen[int(view)][int(i)] for i, view in zip(some, chosen[some], strict=True)])
            with chance(knobs.seed, 2, number, place):
                given = functional.dropout(given, now.dropout)
            loss = functional.cross_entropy(layer(given), labels[some], label_smoothing=now.smoothing)
            steps.zero_grad(set_to_none=True)
            loss.backward()
            set_rates(steps, now, (number + place / len(batches)) / epochs)
            steps.step()
        with torch.no_grad():
            learned, found = judged(layer(seen[0]), labels), judged(layer(checked), val_labels)
        made = trainer.note(number + 1, learned, found, time.monotonic() - begun, "head")
        if made.kept:
            trainer.keep(trainer.module)
        yield made
        if now.enough:
            break
    last.to(trainer.device)


def _looking(trainer: Trainer, prepared: Prepared, view: int, views: int) -> Job[Any]:
    """What the head sees of each picture, (n, width) float32 on the CPU."""
    import torch

    name = trainer.first.network
    module = trainer.module.eval()

    def look(some: Sequence[int]) -> Any:
        rng = np.random.default_rng([trainer.first.seed, 17, view, some[0]])
        squares = prepared.views(some, rng) if view else prepared.squares(some)
        batch = torch.from_numpy(trainer.preprocessing.normalise(squares)).to(trainer.device)
        return networks.features(module, name, batch.contiguous(memory_format=torch.channels_last)).float().cpu()

    what = "Looking at the training pictures" if views else "Looking at the validation pictures"
    begun = time.monotonic()
    found: list[Any] = []
    count = 0
    total = len(prepared) * max(1, views)
    for some in halving(range(len(prepared)), _BATCH, look):
        found.append(some)
        count += len(some)
        done = view * len(prepared) + count
        yield from waiting(trainer.cell)
        yield Progress(what, done, total, "pictures", (time.monotonic() - begun) / count * (total - done))
    return torch.cat(found)
