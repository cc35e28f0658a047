"""In which order each replicate sees the data, and the noise on its gradients.

Nothing here has a state that moves: an epoch's order follows from the seed, the replicate and the number of the
epoch alone, and the noise from seed, replicate and step. So a run can be taken up anywhere, and rules of one seed
see the same.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.optimizers.problem import Tensor

_KEPT_BYTES = 256 * 2**20
_DRAWN = 64
"""Steps whose noise is drawn at once."""
_NOISE = 11
"""Keeps the generator of the noise apart from that of the order."""


class Shuffles:
    """The order of the rows in each epoch, for all replicates; those that were asked for last are kept.

    Args:
        rows: of the data.
        replicates: R.
    """

    def __init__(self, rows: int, replicates: int) -> None:
        self.rows, self.replicates = rows, replicates
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        # two at least: rules that take turns stand on both sides of an epoch's end
        self._most = max(2, _KEPT_BYTES // max(1, 4 * rows * replicates))

    def prepare(self, seed: int, epoch: int) -> Iterator[None]:
        """Shuffle an epoch, a replicate at a time between which it may be stopped."""
        if (seed, epoch) in self._kept:
            self._kept.move_to_end((seed, epoch))
            return
        made = np.empty((self.replicates, self.rows), np.int32)
        for number in range(self.replicates):
            made[number] = np.random.default_rng([seed, number, epoch]).permutation(self.rows)
            yield None
        self._kept[seed, epoch] = made
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def batches(self, seed: int, epoch: int, batch: int, first: int, count: int) -> list[Tensor]:
        """The rows of some steps of one epoch.

        Args:
            seed, epoch: of the order.
            batch: rows a step.
            first: the first step, counted from the epoch's beginning.
            count: how many steps; all must lie in the epoch.

        Returns:
            (R, B) int64 a step; the last of an epoch may have fewer columns.
        """
        import torch

        for _ in self.prepare(seed, epoch):
            pass
        wanted = self._kept[seed, epoch][:, first * batch : (first + count) * batch].astype(np.int64)
        whole = wanted.shape[1] // batch
        made: list[Tensor] = []
        if whole:
            square = wanted[:, : whole * batch].reshape(self.replicates, whole, batch).transpose(1, 0, 2)
            made.extend(torch.from_numpy(np.ascontiguousarray(square)).unbind(0))
        if whole < count:
            made.append(torch.from_numpy(np.ascontiguousarray(wanted[:, whole * batch :])))
        return made


def noise(seed: int, replicates: int, parameters: int, first: int, count: int, scale: float, dtype: Any) -> Tensor:
    """What is added to the gradients of some steps: (count, R, P), normal with standard deviation `scale`."""
    import torch

    parts = []
    for block in range(first // _DRAWN, (first + count - 1) // _DRAWN + 1):
        drawn = [
            np.random.default_rng([seed, number, block, _NOISE]).standard_normal((_DRAWN, parameters))
            for number in range(replicates)
        ]
        begin, end = max(first - block * _DRAWN, 0), min(first + count - block * _DRAWN, _DRAWN)
        parts.append(np.stack([one[begin:end] for one in drawn], axis=1))
    return torch.from_numpy(scale * np.concatenate(parts)).to(dtype)
