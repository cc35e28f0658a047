"""What learns from a table as a problem of the race, and its linear models: gradients by hand, with a penalty."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.learning.layers import LOGISTIC
from engine.optimizers.problem import Known, Problem

Floats = NDArray[np.float64]
PENALTIES = ("none", "l1", "l2", "elastic")
_BESIDE = 2**24
"""Numbers of a table below which it is kept once more, with the label in it."""
_PIECE = 2**20
"""Numbers that are made at once where all rows are looked at."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """What is added to the objective so that parameters stay small; the constant's is left out.

    Attributes:
        kind: one of `PENALTIES`: strength times |theta|, |theta|^2 / 2, or half of each.
        strength: 0 or more.

    Raises:
        SightlineError: no such kind, or no strength of 0 or more.
    """

    kind: str = "none"
    strength: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in PENALTIES:
            raise SightlineError(f"There is no penalty {self.kind}: choose of {', '.join(PENALTIES)}, such as l2:0.01.")
        if not 0 <= self.strength < float("inf"):
            raise SightlineError(
                f"The strength of a penalty is a number of 0 or more and not {self.strength:g}: try 0.01."
            )

    @property
    def parts(self) -> tuple[float, float]:
        """Strengths of L1 and L2."""
        share = {"none": (0.0, 0.0), "l1": (1.0, 0.0), "l2": (0.0, 1.0), "elastic": (0.5, 0.5)}[self.kind]
        return self.strength * share[0], self.strength * share[1]


def parse_penalty(text: str) -> Penalty:
    """ "l2:0.01" as a `Penalty`.

    Raises:
        SightlineError: no such kind, or no strength of 0 or more.
    """
    kind, _, number = text.strip().lower().partition(":")
    try:
        strength = float(number) if number else (0.0 if kind == "none" else 0.01)
    except ValueError:
        raise SightlineError(
            f"The strength of a penalty is a number of 0 or more and not {number}: try {kind}:0.01."
        ) from None
    return Penalty(kind, strength)


class TableModel(Problem):
    """What learns from a table: a mean over rows of a loss of scores, and a penalty.

    Args:
        x: (n, F) float64, its last column 1.
        y: (n,) float64: numbers, or the indices of classes.
        penalty: see `Penalty`.
        test: rows that are kept aside, (m, F) and (m,).
        classes: C, of 2 and more; 0 for a number.
        parameters: P.

    Raises:
        SightlineError: a label that is none of the classes.
    """

    def __init__(
        self, x: Floats, y: Floats, penalty: Penalty, test: tuple[Floats, Floats] | None, classes: int, parameters: int
    ) -> None:
        import torch

        self.dtype = torch.float64
        self.rows, self.parameters, self.classes = int(x.shape[0]), parameters, classes
        seen = [y] if test is None or not len(test[1]) else [y, test[1]]
        if classes and any(((part < 0) | (part >= classes) | (part != np.floor(part))).any() for part in seen):
            raise SightlineError(f"A label is none of the {classes} classes: they are numbered from 0.")
        self._table: Any = None
        if x.size <= _BESIDE:
            # the label stands beside the features, so that one gather brings both
            self._table = torch.from_numpy(np.concatenate([x, y[:, None]], 1))
            self._x, self._y = self._table[:, :-1], self._table[:, -1].contiguous()
        else:
            self._x, self._y = _tensor(x), _tensor(y)
        self._test = None if test is None or not len(test[0]) else (_tensor(test[0]), _tensor(test[1]))
        self._l1, self._l2 = penalty.parts
        self._free = torch.ones(parameters, dtype=self.dtype)
        self._width = 1
        self.penalty = penalty
        self.minimum: Known | None = None

    @abstractmethod
    def _forward(self, theta: Any, x: Any) -> Any:
        """(R, B) or (R, C, B), the scores that the loss is of; x is (B, F) for all replicates or (R, B, F)."""

    @abstractmethod
    def _losses(self, z: Any, y: Any) -> Any:
        """(R, B) losses of what `_forward` gives."""

    @abstractmethod
    def _learn(self, theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        """(R, B) losses and (R, P), the gradient of their sum over the rows."""

    def _rows(self, rows: Any) -> tuple[Any, Any]:
        """Features (R, B, F) and labels (R, B) of some rows (R, B)."""
        if self._table is not None:
            some = self._table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
            return some[:, :, :-1], some[:, :, -1]
        flat = rows.reshape(-1)
        return self._x.index_select(0, flat).view(*rows.shape, -1), self._y.index_select(0, flat).view(rows.shape)

    def table(self, rows: Any = None) -> tuple[Any, Any]:
        """The training part, or some rows of it (B,): (n, F) with the constant, and (n,), not to be written to."""
        return (self._x, self._y) if rows is None else (self._x[rows], self._y[rows])

    def _pieces(self, count: int, replicates: int) -> Iterator[slice]:
        """All rows in pieces, so that what is made of one stays small."""
        size = max(256, _PIECE // (replicates * self._width))
        for begin in range(0, count, size):
            yield slice(begin, begin + size)

    def _added(self, theta: Any) -> Any:
        free = theta * self._free
        return self._l1 * free.abs().sum(1) + self._l2 / 2 * (free * free).sum(1)

    def _mean(self, theta: Any, x: Any, y: Any) -> Any:
        """(R,) the mean loss of many rows."""
        total = sum(
            self._losses(self._forward(theta, x[piece]), y[piece]).sum(1) for piece in self._pieces(len(y), len(theta))
        )
        return total / len(y)

    def value(self, theta: Any, rows: Any) -> Any:
        """(R,)."""
        if rows is None:
            value = self._mean(theta, self._x, self._y)
        else:
            x, y = self._rows(rows)
            value = self._losses(self._forward(theta, x), y).mean(1)
        return value + self._added(theta) if self._l1 or self._l2 else value

    def gradient(self, theta: Any, rows: Any) -> Any:
        """(R, P)."""
        return self.value_and_gradient(theta, rows)[1]

    def value_and_gradient(self, theta: Any, rows: Any) -> tuple[Any, Any]:
        """Both, (R,) and (R, P)."""
        if rows is None:
            value, slope = 0.0, 0.0
            for piece in self._pieces(self.rows, len(theta)):
                losses, part = self._learn(theta, self._x[piece], self._y[piece])
                value, slope = losses.sum(1) + value, part + slope
            value, slope = value / self.rows, slope / self.rows
        else:
            losses, slope = self._learn(theta, *self._rows(rows))
            value = losses.mean(1)
            slope = slope.div_(float(rows.shape[1]))
        if self._l1 or self._l2:
            free = theta * self._free
            value = value + self._added(theta)
            slope = slope + self._l2 * free + self._l1 * free.sign()
        return value, slope

    def test_value(self, theta: Any) -> Any:
        """(R,) mean loss on the rows that are kept aside, without the penalty; None without any."""
        return None if self._test is None else self._mean(theta, *self._test)

    def scores(self, theta: Any, x: Any) -> Any:
        """What is said of rows.

        Args:
            theta: (R, P).
            x: (k, F) float64, its last column 1.

        Returns:
            (R, k): the number, or of two classes z, above 0 for class 1; (R, k, C) for more classes.
        """
        z = self._forward(theta, x)
        if z.dim() == 2:
            return z
        return z[:, 1] - z[:, 0] if self.classes == 2 else z.transpose(1, 2)

    def answers(self, theta: Any) -> tuple[Floats, Floats] | None:
        """The scores of the rows kept aside, and their labels (m,); None without any."""
        if self._test is None:
            return None
        x, y = self._test
        return self.scores(theta, x).numpy(), y.numpy()


def _tensor(part: Floats) -> Any:
    import torch

    # torch takes no array that may not be written to
    part = np.require(part, np.float64, ["C", "W"])
    return torch.from_numpy(part)


class LinearModel(TableModel):
    """A mean over rows of a loss of z = x'theta, and a penalty; the constant's parameter is not penalised.

    Args:
        x: (n, P) float64, its last column 1.
        y: (n,) float64.
        penalty: see `Penalty`.
        test: rows that are kept aside, (m, P) and (m,).
    """

    two_classes = False

    def __init__(self, x: Floats, y: Floats, penalty: Penalty, test: tuple[Floats, Floats] | None = None) -> None:
        super().__init__(x, y, penalty, test, 2 if self.two_classes else 0, int(x.shape[1]))
        self._free[-1] = 0

    def start(self, replicates: int, seed: int) -> Any:
        """(R, P), a little around 0."""
        import torch

        drawn = [np.random.default_rng([seed, r]).standard_normal(self.parameters) for r in range(replicates)]
        return torch.from_numpy(0.1 * np.stack(drawn))

    @abstractmethod
    def _slopes(self, z: Any, y: Any) -> Any:
        """(R, B): derivatives of the losses by z."""

    def _forward(self, theta: Any, x: Any) -> Any:
        return theta @ x.T if x.dim() == 2 else x.bmm(theta.unsqueeze(2)).squeeze(2)

    def _learn(self, theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        z = self._forward(theta, x)
        slopes = self._slopes(z, y)
        slope = slopes @ x if x.dim() == 2 else slopes.unsqueeze(1).bmm(x).squeeze(1)
        return self._losses(z, y), slope


class LinearRegression(LinearModel):
    """Half the mean squared difference; its solution in closed form is the known minimum where there is no L1.

    Args:
        x, y, penalty, test: as of `LinearModel`.
        solve: whether to look for the minimum now; else `solving` does.
    """

    title = "Linear regression"

    def __init__(
        self, x: Floats, y: Floats, penalty: Penalty, test: tuple[Floats, Floats] | None = None, *, solve: bool = True
    ) -> None:
        super().__init__(x, y, penalty, test)
        if solve:
            for _ in self.solving():
                pass

    def solving(self) -> Iterator[None]:
        """Find the minimum, in pieces between which it can be stopped.

        Where the gradient X'(X theta - y) / n + l2 D theta is zero, (X'X / n + l2 D) theta = X'y / n, with 1 in the
        diagonal matrix D for what is penalised. Columns that depend on each other leave a whole plane of minima, of
        which the shortest is taken.
        """
        import torch

        if self._l1:
            return
        normal: Any = self._l2 * torch.diag(self._free)
        right: Any = torch.zeros(self.parameters, dtype=self.dtype)
        for piece in self._pieces(self.rows, self.parameters):
            x = self._x[piece]
            normal = normal + x.T @ x / self.rows
            right = right + x.T @ self._y[piece] / self.rows
            yield None
        if not bool(torch.isfinite(normal).all() and torch.isfinite(right).all()):
            return
        theta = np.linalg.lstsq(normal.numpy(), right.numpy(), rcond=None)[0]
        yield None
        lowest = float(self.value(torch.from_numpy(theta)[None], None)[0])
        self.minimum = Known(lowest, theta[None])

    def _losses(self, z: Any, y: Any) -> Any:
        return (z - y) ** 2 / 2

    def _slopes(self, z: Any, y: Any) -> Any:
        return z - y


class LogisticRegression(LinearModel):
    """The mean of log(1 + exp(z)) - y z for labels y of 0 and 1."""

    title = "Logistic regression"
    two_classes = True

    def _losses(self, z: Any, y: Any) -> Any:
        return LOGISTIC.value(z, y)

    def _slopes(self, z: Any, y: Any) -> Any:
        return z.sigmoid().sub_(y)


class LinearSVM(LinearModel):
    """The hinge loss, the mean of max(0, 1 - s z) with s = 2 y - 1 (Cortes and Vapnik 1995); it is 1 at the origin."""

    title = "Linear SVM"
    two_classes = True

    def _losses(self, z: Any, y: Any) -> Any:
        return (1 - (2 * y - 1) * z).clamp(min=0)

    def _slopes(self, z: Any, y: Any) -> Any:
        side = 2 * y - 1
        return -side * (side * z < 1)


class RobustRegression(LinearModel):
    """The mean of |z - y|^gamma, under normal noise on every number of the gradient.

    Args:
        gamma: 1 and more; 2 is least squares, nearer to 1 an outlier counts less.
        noise: standard deviation of the noise.
    """

    title = "Robust regression"

    def __init__(
        self,
        x: Floats,
        y: Floats,
        penalty: Penalty,
        test: tuple[Floats, Floats] | None = None,
        *,
        gamma: float = 1.5,
        noise: float = 0.1,
    ) -> None:
        super().__init__(x, y, penalty, test)
        if not 1 <= gamma <= 10:
            raise SightlineError(f"Gamma is a number from 1 to 10 and not {gamma:g}: 2 is least squares.")
        if not 0 <= noise < float("inf"):
            raise SightlineError(f"Noise on the gradient is a number of 0 or more and not {noise:g}: try 0.1.")
        self.gamma, self.noise = gamma, noise

    def _losses(self, z: Any, y: Any) -> Any:
        return (z - y).abs() ** self.gamma

    def _slopes(self, z: Any, y: Any) -> Any:
        off = z - y
        return self.gamma * off.sign() * off.abs() ** (self.gamma - 1)
