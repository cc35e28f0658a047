"""Linear models of many classes: a score a class, and what it costs when the right one is not ahead."""

from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.learning.layers import CROSS_ENTROPY, MANY_HINGES, Loss
from engine.learning.linear_models import Floats, Penalty, TableModel


class ManyClasses(TableModel):
    """A mean over rows of a loss of C scores z_c = x'w_c; theta holds the w_c (F,) one after another.

    From z_cb = sum_f w_cf x_bf follows dL/dw_cf = sum_b dL/dz_cb x_bf: one product, whatever the loss is.

    Args:
        x: (n, F) float64, its last column 1; its parameters are not penalised.
        y: (n,) float64, classes 0..C-1.
        penalty: see `Penalty`.
        test: rows that are kept aside.
        classes: C, 2 or more.

    Raises:
        SightlineError: fewer than two classes, or a label that is none of them.
    """

    loss: Loss

    def __init__(
        self, x: Floats, y: Floats, penalty: Penalty, test: tuple[Floats, Floats] | None = None, *, classes: int
    ) -> None:
        if classes < 2:
            raise SightlineError(f"{self.title} tells two classes or more apart, and there is {classes}.")
        self._features = int(x.shape[1])
        super().__init__(x, y, penalty, test, classes, classes * self._features)
        self._free[self._features - 1 :: self._features] = 0
        self._width = classes

    def start(self, replicates: int, seed: int) -> Any:
        """(R, P), a little around 0."""
        import torch

        drawn = [np.random.default_rng([seed, r]).standard_normal(self.parameters) for r in range(replicates)]
        return torch.from_numpy(0.1 * np.stack(drawn))

    def _forward(self, theta: Any, x: Any) -> Any:
        weights = theta.reshape(-1, self.classes, self._features)
        return weights.bmm(x.mT) if x.dim() == 3 else weights.matmul(x.T)

    def _losses(self, z: Any, y: Any) -> Any:
        return self.loss.value(z, y)

    def _learn(self, theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        losses, slopes = self.loss.both(self._forward(theta, x), y)
        return losses, slopes.matmul(x).view(len(theta), -1)


class SoftmaxRegression(ManyClasses):
    """Logistic regression of many classes: the mean of -log softmax(z)_y; it is log C where theta is 0.

    Of two classes it is logistic regression of z_1 - z_0. All w_c may be shifted by one vector without a change, so
    that without a penalty its minimum is a whole line.
    """

    title = "Softmax regression"
    loss = CROSS_ENTROPY


class MulticlassSVM(ManyClasses):
    """The sum over wrong classes of max(0, 1 + z_j - z_y) (Weston and Watkins 1998); it is C - 1 where theta is 0."""

    title = "SVM, many classes"
    loss = MANY_HINGES
