"""Linear and logistic regression as problems of the race: values and gradients by hand, with a penalty."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.optimizers.problem import Known, Problem

Floats = NDArray[np.float64]
PENALTIES = ("none", "l1", "l2", "elastic")


@dataclass(frozen=True, slots=True)
class Penalty:
    """What is added to the objective so that parameters stay small; the constant's is left out.

    Attributes:
        kind: one of `PENALTIES`: strength times |theta|, |theta|^2 / 2, or half of each.
        strength: 0 or more.
    """

    kind: str = "none"
    strength: float = 0.0

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
    if kind not in PENALTIES:
        raise SightlineError(f"There is no penalty {kind}: choose of {', '.join(PENALTIES)}, such as l2:0.01.")
    try:
        strength = float(number) if number else (0.0 if kind == "none" else 0.01)
    except ValueError:
        strength = -1.0
    if not 0 <= strength < float("inf"):
        raise SightlineError(f"The strength of a penalty is a number of 0 or more and not {number}: try {kind}:0.01.")
    return Penalty(kind, strength)


class LinearModel(Problem):
    """A mean over rows of a loss of z = x'theta, and a penalty; the last column of x is the constant.

    Args:
        x: (n, P) float64, its last column 1.
        y: (n,) float64.
        penalty: see `Penalty`.
        test: rows that are kept aside, (m, P) and (m,).
    """

    def __init__(self, x: Floats, y: Floats, penalty: Penalty, test: tuple[Floats, Floats] | None = None) -> None:
        import torch

        self.dtype = torch.float64
        self.rows, self.parameters = int(x.shape[0]), int(x.shape[1])
        # the label stands beside the features, so that one gather brings both
        self._table = torch.from_numpy(np.ascontiguousarray(np.concatenate([x, y[:, None]], 1)))
        self._x, self._y = self._table[:, :-1].contiguous(), self._table[:, -1].contiguous()
        self._test = None if test is None or not len(test[0]) else tuple(torch.from_numpy(part) for part in test)
        self._l1, self._l2 = penalty.parts
        self._free = torch.ones(self.parameters, dtype=self.dtype)
        self._free[-1] = 0
        self.penalty = penalty
        self.minimum: Known | None = None

    def start(self, replicates: int, seed: int) -> Any:
        """(R, P), a little around 0."""
        import torch

        drawn = [np.random.default_rng([seed, r]).standard_normal(self.parameters) for r in range(replicates)]
        return torch.from_numpy(0.1 * np.stack(drawn))

    @abstractmethod
    def _losses(self, z: Any, y: Any) -> Any:
        """(R, B) losses."""

    @abstractmethod
    def _slopes(self, z: Any, y: Any) -> Any:
        """(R, B): derivatives of the losses by z."""

    def _added(self, theta: Any) -> Any:
        free = theta * self._free
        return self._l1 * free.abs().sum(1) + self._l2 / 2 * (free * free).sum(1)

    def value(self, theta: Any, rows: Any) -> Any:
        """(R,)."""
        return self.value_and_gradient(theta, rows)[0]

    def gradient(self, theta: Any, rows: Any) -> Any:
        """(R, P)."""
        return self.value_and_gradient(theta, rows)[1]

    def value_and_gradient(self, theta: Any, rows: Any) -> tuple[Any, Any]:
        """Both, (R,) and (R, P)."""
        import torch

        if rows is None:
            z, y = theta @ self._x.T, self._y
            slope = self._slopes(z, y) @ self._x / self.rows
        else:
            some = self._table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
            x, y = some[:, :, :-1], some[:, :, -1]
            z = torch.bmm(x, theta.unsqueeze(2)).squeeze(2)
            slope = torch.bmm(self._slopes(z, y).unsqueeze(1), x).squeeze(1) / rows.shape[1]
        value = self._losses(z, y).mean(1)
        if self._l1 or self._l2:
            value = value + self._added(theta)
            free = theta * self._free
            slope = slope + self._l2 * free + self._l1 * free.sign()
        return value, slope

    def test_value(self, theta: Any) -> Any:
        """(R,) mean loss on the rows that are kept aside, without the penalty; None without any."""
        if self._test is None:
            return None
        x, y = self._test
        return self._losses(theta @ x.T, y).mean(1)

    def answers(self, theta: Any) -> tuple[Floats, Floats] | None:
        """What is said of the rows kept aside: z (R, m), and their labels (m,); None without any."""
        if self._test is None:
            return None
        x, y = self._test
        return (theta @ x.T).numpy(), y.numpy()


class LinearRegression(LinearModel):
    """Half the mean squared difference; its solution in closed form is the known minimum where the penalty is L2."""

    title = "Linear regression"

    def __init__(self, x: Floats, y: Floats, penalty: Penalty, test: tuple[Floats, Floats] | None = None) -> None:
        super().__init__(x, y, penalty, test)
        if not self._l1:
            free = np.ones(self.parameters)
            free[-1] = 0
            normal = x.T @ x / self.rows + self._l2 * np.diag(free)
            theta = np.linalg.lstsq(normal, x.T @ y / self.rows, rcond=None)[0]
            import torch

            lowest = float(self.value(torch.from_numpy(theta)[None], None)[0])
            self.minimum = Known(lowest, theta[None])

    def _losses(self, z: Any, y: Any) -> Any:
        return (z - y) ** 2 / 2

    def _slopes(self, z: Any, y: Any) -> Any:
        return z - y


class LogisticRegression(LinearModel):
    """The mean of log(1 + exp(z)) - y z for labels y of 0 and 1."""

    title = "Logistic regression"

    def _losses(self, z: Any, y: Any) -> Any:
        # log(1 + exp(z)) without an overflow
        return z.clamp(min=0) + (-z.abs()).exp().log1p() - y * z

    def _slopes(self, z: Any, y: Any) -> Any:
        return z.sigmoid() - y


class LinearSVM(LinearModel):
    """The hinge loss, the mean of max(0, 1 - s z) with s = 2 y - 1 (Cortes and Vapnik 1995); it is 1 at the origin."""

    title = "Linear SVM"

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
        self.gamma, self.noise = gamma, noise

    def _losses(self, z: Any, y: Any) -> Any:
        return (z - y).abs() ** self.gamma

    def _slopes(self, z: Any, y: Any) -> Any:
        off = z - y
        return self.gamma * off.sign() * off.abs() ** (self.gamma - 1)
