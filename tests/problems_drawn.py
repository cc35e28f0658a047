"""Small problems with a known minimum, and drawn click-through data, for the tests and benchmarks of the optimizers."""

import numpy as np
import pytest

from engine.optimizers.problem import Known, Problem

torch = pytest.importorskip("torch")


class Surface(Problem):
    """A function of P numbers; replicates begin around one place."""

    rows = 0
    dtype = torch.float64

    def __init__(self, around, spread=0.0):
        self._around, self._spread = np.asarray(around, float), spread
        self.parameters = len(self._around)

    def start(self, replicates, seed):
        shaken = [np.random.default_rng([seed, r]).standard_normal(self.parameters) for r in range(replicates)]
        return torch.from_numpy(self._around + self._spread * np.stack(shaken))

    def value_and_gradient(self, theta, rows):
        return self.value(theta, rows), self.gradient(theta, rows)


class Quadratic(Surface):
    """sum(scales (theta - place)^2) / 2."""

    title = "Quadratic"

    def __init__(self, scales=(1.0, 5.0, 25.0), place=(1.0, -2.0, 0.5), around=(0.0, 0.0, 0.0), spread=1.0, noise=0.0):
        super().__init__(around, spread)
        self._scales, self._place = torch.tensor(scales).double(), torch.tensor(place).double()
        self.minimum = Known(0.0, self._place.numpy()[None])
        self.noise = noise

    def value(self, theta, rows):
        return (self._scales * (theta - self._place) ** 2).sum(1) / 2

    def gradient(self, theta, rows):
        return self._scales * (theta - self._place)


class Rosenbrock(Surface):
    """(1 - x)^2 + 100 (y - x^2)^2, lowest at (1, 1)."""

    title = "Rosenbrock"
    minimum = Known(0.0, np.array([[1.0, 1.0]]))

    def __init__(self, around=(-1.2, 1.0), spread=0.0):
        super().__init__(around, spread)

    def value(self, theta, rows):
        x, y = theta.unbind(1)
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2

    def gradient(self, theta, rows):
        x, y = theta.unbind(1)
        return torch.stack([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], dim=1)


class Logistic(Problem):
    """Logistic regression on drawn clicks: the mean of log(1 + exp(z)) - y z, z = x'theta, and an L2 penalty."""

    title = "Logistic regression"
    dtype = torch.float64
    minimum = None

    def __init__(self, rows=500, features=5, l2=0.01, seed=0):
        rng = np.random.default_rng(seed)
        x = np.concatenate([rng.standard_normal((rows, features)), np.ones((rows, 1))], axis=1)
        truth = rng.standard_normal(features + 1)
        clicked = rng.random(rows) < 1 / (1 + np.exp(-x @ truth))
        self.rows, self.parameters, self.l2 = rows, features + 1, l2
        # the label stands beside the features, so that one gather brings both
        self._table = torch.from_numpy(np.concatenate([x, clicked[:, None]], axis=1))
        self.x, self.y = self._table[:, :-1].contiguous(), self._table[:, -1].contiguous()

    def start(self, replicates, seed):
        drawn = [np.random.default_rng([seed, r]).standard_normal(self.parameters) for r in range(replicates)]
        return torch.from_numpy(0.1 * np.stack(drawn))

    def _seen(self, theta, rows):
        """z (R, B), labels (R, B) or (B,), and what multiplies the residuals (R, B) for the gradient."""
        if rows is None:
            return theta @ self.x.T, self.y, lambda residual: residual @ self.x / self.rows
        some = self._table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        x = some[:, :, :-1]
        z = torch.bmm(x, theta.unsqueeze(2)).squeeze(2)
        return z, some[:, :, -1], lambda residual: torch.bmm(residual.unsqueeze(1), x).squeeze(1) / rows.shape[1]

    def value(self, theta, rows):
        z, y, _ = self._seen(theta, rows)
        return (torch.nn.functional.softplus(z) - y * z).mean(1) + self.l2 / 2 * (theta * theta).sum(1)

    def gradient(self, theta, rows):
        return self.value_and_gradient(theta, rows)[1]

    def value_and_gradient(self, theta, rows):
        z, y, back = self._seen(theta, rows)
        value = (torch.nn.functional.softplus(z) - y * z).mean(1)
        gradient = back(z.sigmoid().sub_(y))
        if self.l2:
            value = value.add_((theta * theta).sum(1), alpha=self.l2 / 2)
            gradient = gradient.add_(theta, alpha=self.l2)
        return value, gradient
