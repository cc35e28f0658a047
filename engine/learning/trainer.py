"""The loop of a training: steps, epochs, what is kept, when it ends."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.device import out_of_memory
from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.knobs import Cell
from engine.learning import networks
from engine.learning.classifier import Epoch, Judged, Step, judging
from engine.learning.knobs import TrainKnobs
from engine.learning.memory import too_large
from engine.learning.pictures import Prepared
from engine.learning.stepping import groups_of, optimizer, set_rates
from engine.weights.preprocessing import Preprocessing

_JUDGED = 1000
"""Training pictures that are judged after an epoch, at most."""
_DIVERGED = "The training diverged, its loss is no number any more"


@contextlib.contextmanager
def chance(seed: int, *place: int) -> Iterator[None]:
    """Every chance of torch's in here follows from a seed and a place; its generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.default_rng([seed, 5, *place]).integers(2**62)))
        yield


def waiting(cell: Cell[TrainKnobs]) -> Iterator[None]:
    """Yield None while the knobs say that it is paused."""
    while cell.value.paused:
        time.sleep(0.02)
        yield None


class Trainer:
    """A network that learns, and the best that it has been.

    Args:
        module: of `networks.build`; it is trained in place.
        preprocessing: of the module.
        pictures, val: what is learned from, what is validated on.
        cell: the settings.
        device: where it learns.

    Attributes:
        history: the epochs so far.
        kept: the number of the best one.
        epochs: how many it may take in all.
    """

    def __init__(
        self, module: Any, preprocessing: Preprocessing, pictures: Prepared, val: Prepared, cell: Cell[TrainKnobs],
        device: str,
    ) -> None:  # fmt: skip
        import torch

        self.first = cell.value
        self.module = module.to(device, memory_format=torch.channels_last)
        self.preprocessing, self.pictures, self.val, self.cell, self.device = preprocessing, pictures, val, cell, device
        self.history: list[Epoch] = []
        self.kept = 0
        self.epochs = self.first.epochs
        self._batch = self.first.batch
        self._best: tuple[float, float] | None = None
        self._state: dict[str, Any] = {}
        rng = np.random.default_rng([self.first.seed, 7])
        self._sample = rng.permutation(len(pictures))[:_JUDGED].tolist()

    @property
    def title(self) -> str:
        """What is being done."""
        return f"Training {networks.kind_of(self.first.network).title}"

    def best(self) -> Any:
        """The module with its best weights, in evaluation mode."""
        self.module.load_state_dict(self._state)
        return self.module.eval()

    def note(self, epoch: int, learned: Judged, checked: Judged, took: float, phase: str) -> Epoch:
        """Write an epoch down, and keep the weights that were judged if there were none better.

        Raises:
            SightlineError: nothing that can be kept came of it.
        """
        score = (checked.accuracy, -checked.loss)
        better = math.isfinite(checked.loss) and (self._best is None or score > self._best)
        if better:
            self._best, self.kept = score, epoch
        made = Epoch(
            epoch, learned.loss, checked.loss, learned.accuracy, checked.accuracy, took, better, phase
        )  # fmt: skip
        self.history.append(made)
        return made

    def keep(self, module: Any) -> None:
        """Keep a copy of the weights."""
        self._state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def running(self) -> Job[None]:
        """Learn with all layers until the epochs are over, nothing gets better, or it is told that it is enough."""
        done = len(self.history)
        if done >= self.epochs or (done and self.cell.value.enough):
            return
        if self._state:
            self.module.load_state_dict(self._state)
        last = networks.head(self.module, self.first.network)
        steps = optimizer(
            self.first.rule, groups_of(self.module, last, self.first.body_rate if self.first.pretrained else 1.0),
            self.first.beta,
        )  # fmt: skip
        span = self.epochs - done
        begun, waited = time.monotonic(), 0
        for number in range(done, self.epochs):
            started = time.monotonic()
            yield from self._epoch(number, done, span, steps, begun)
            shown = self.module
            learned = yield from judging(shown.eval(), self.pictures, self.preprocessing, self._sample)
            checked = yield from judging(shown, self.val, self.preprocessing)
            made = self.note(number + 1, learned, checked, time.monotonic() - started, "all")
            if made.kept:
                self.keep(shown)
            elif not math.isfinite(checked.loss):
                yield from self._diverged()
                return
            waited = 0 if made.kept else waited + 1
            yield made
            knobs = self.cell.value
            if knobs.enough or (knobs.patience and waited >= knobs.patience):
                return

    def _diverged(self) -> Iterator[Notice]:
        if not self._state:
            raise SightlineError(f"{_DIVERGED}: choose a smaller learning rate.")
        yield Notice(f"{_DIVERGED}; the best epoch before, {self.kept}, is kept.")

    def _epoch(self, number: int, first: int, span: int, steps: Any, begun: float) -> Job[None]:
        """One pass through the pictures; a batch for which memory is short is halved."""
        order = np.random.default_rng([self.first.seed, 3, number]).permutation(len(self.pictures)).tolist()
        at = 0
        while at < len(order):
            yield from waiting(self.cell)
            some = order[at : at + self._batch]
            if len(order) - at - len(some) == 1 and len(some) > 1:
                # one picture alone has no statistics
                some = order[at:]
            share = (number - first + at / len(order)) / span
            try:
                loss, rate = yield from self._step(some, (number, at), steps, share)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if len(some) == 1:
                    raise too_large() from None
                self._batch = len(some) // 2
                yield Notice(f"Memory is short: it goes on with {self._batch} pictures in a step.")
                continue
            at += len(some)
            now = number + at / len(order)
            left = (time.monotonic() - begun) / (now - first) * (self.epochs - now)
            yield Step(now, loss, rate)
            yield Progress(self.title, now, self.epochs, "epochs", left)
            if not math.isfinite(loss):
                return

    def _step(self, some: Sequence[int], place: tuple[int, int], steps: Any, share: float) -> Job[tuple[float, float]]:
        """One step, in parts between which it may be stopped; returns its loss and the rate."""
        import torch
        from torch.nn import functional

        knobs = self.cell.value
        rng = np.random.default_rng([self.first.seed, 9, *place])
        squares = self.pictures.views(some, rng) if knobs.augment else self.pictures.squares(some)
        batch = torch.from_numpy(self.preprocessing.normalise(squares)).to(self.device)
        labels = torch.from_numpy(self.pictures.labels[list(some)]).to(self.device)
        self._mode(knobs)
        steps.zero_grad(set_to_none=True)
        with chance(self.first.seed, 1, *place):
            logits = self.module(batch.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=knobs.smoothing)
        yield None
        loss.backward()
        rate = set_rates(steps, knobs, share)
        steps.step()
        return float(loss.detach()), rate

    def _mode(self, knobs: TrainKnobs) -> None:
        self.module.train()
        networks.set_dropout(self.module, self.first.network, knobs.dropout)
        if self.first.pretrained:
            # statistics of a few pictures are worse than those that came; in weights whose statistics were folded into
            # the convolutions, normalising anew would undo what was learned
            for layer in networks.norms(self.module):
                layer.eval()
