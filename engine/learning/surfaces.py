"""Surfaces over two parameters, with their gradients by hand and what is known of their minima."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.optimizers.problem import Known, Problem


class Surface(Problem):
    """A function of two numbers, (x, y); replicates begin around one place.

    Args:
        title: what a person calls it.
        value: of x and y, each (R,).
        slope: its derivatives by x and by y, likewise.
        around: where replicates begin.
        minimum: what is known of it.
        spread: standard deviation of where they begin.
    """

    rows = 0
    parameters = 2

    def __init__(
        self,
        title: str,
        value: Callable[[Any, Any], Any],
        slope: Callable[[Any, Any], tuple[Any, Any]],
        around: Sequence[float],
        minimum: Known | None,
        spread: float = 0.3,
    ) -> None:
        import torch

        self.title, self.minimum, self.dtype = title, minimum, torch.float64
        self._value, self._slope = value, slope
        self._around, self._spread = np.asarray(around, np.float64), spread

    def start(self, replicates: int, seed: int) -> Any:
        """(R, 2): the first begins where papers begin, the others around it."""
        import torch

        shaken = np.stack([np.random.default_rng([seed, r]).standard_normal(2) for r in range(replicates)])
        shaken[0] = 0
        return torch.from_numpy(self._around + self._spread * shaken)

    def value(self, theta: Any, rows: Any) -> Any:
        """(R,)."""
        return self._value(*theta.unbind(1)).clone()

    def gradient(self, theta: Any, rows: Any) -> Any:
        """(R, 2)."""
        import torch

        return torch.stack(self._slope(*theta.unbind(1)), 1)

    def value_and_gradient(self, theta: Any, rows: Any) -> tuple[Any, Any]:
        """Both, (R,) and (R, 2)."""
        return self.value(theta, rows), self.gradient(theta, rows)


def quadratic(condition: float = 25.0) -> Surface:
    """(x^2 + condition y^2) / 2: as narrow as its condition number says.

    Raises:
        SightlineError: a condition number below 1, or above a million.
    """
    if not 1 <= condition <= 1e6:
        raise SightlineError(f"A condition number is 1 to 1,000,000 and not {condition:g}: 25 is usual.")
    return Surface(
        "Quadratic", lambda x, y: (x**2 + condition * y**2) / 2, lambda x, y: (x, condition * y), (-3.0, 2.0),
        Known(0.0, np.zeros((1, 2))),
    )  # fmt: skip


def rosenbrock() -> Surface:
    """(1 - x)^2 + 100 (y - x^2)^2: a bent valley (Rosenbrock 1960)."""
    return Surface(
        "Rosenbrock", lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        lambda x, y: (-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)), (-1.2, 1.0),
        Known(0.0, np.array([[1.0, 1.0]])), spread=0.1,
    )  # fmt: skip


def beale() -> Surface:
    """Beale 1958: flat far out, steep towards its corners."""
    constants = (1.5, 2.25, 2.625)

    def terms(x: Any, y: Any) -> list[Any]:
        return [c - x + x * y**n for n, c in enumerate(constants, 1)]

    def slope(x: Any, y: Any) -> tuple[Any, Any]:
        seen = terms(x, y)
        by_x = sum(2 * t * (y**n - 1) for n, t in enumerate(seen, 1))
        by_y = sum(2 * t * n * x * y ** (n - 1) for n, t in enumerate(seen, 1))
        return by_x, by_y

    return Surface(
        "Beale", lambda x, y: sum(t**2 for t in terms(x, y)), slope, (1.0, 1.0),
        Known(0.0, np.array([[3.0, 0.5]])), spread=0.1,
    )  # fmt: skip


def himmelblau() -> Surface:
    """(x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima alike (Himmelblau 1972)."""
    places = [[3.0, 2.0], [-2.805118086952745, 3.131312518250573], [-3.779310253377747, -3.283185991286170],
              [3.584428340330492, -1.848126526964404]]  # fmt: skip
    return Surface(
        "Himmelblau", lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        lambda x, y: (
            4 * x * (x**2 + y - 11) + 2 * (x + y**2 - 7), 2 * (x**2 + y - 11) + 4 * y * (x + y**2 - 7),
        ),
        (0.0, 0.0), Known(0.0, np.array(places)), spread=1.0,
    )  # fmt: skip


def rastrigin() -> Surface:
    """20 + x^2 + y^2 - 10 cos(2 pi x) - 10 cos(2 pi y): a bowl full of dents (Rastrigin 1974)."""
    import torch

    two_pi = 2 * np.pi
    return Surface(
        "Rastrigin", lambda x, y: 20 + x**2 + y**2 - 10 * torch.cos(two_pi * x) - 10 * torch.cos(two_pi * y),
        lambda x, y: (
            2 * x + 10 * two_pi * torch.sin(two_pi * x), 2 * y + 10 * two_pi * torch.sin(two_pi * y),
        ),
        (2.4, -1.7), Known(0.0, np.zeros((1, 2))),
    )  # fmt: skip


def saddle() -> Surface:
    """x^2 / 2 + y^4 / 4 - y^2 / 2: a saddle at the origin, minima of -1/4 at (0, 1) and (0, -1)."""
    return Surface(
        "Saddle", lambda x, y: x**2 / 2 + y**4 / 4 - y**2 / 2, lambda x, y: (x, y**3 - y), (1.5, 0.01),
        Known(-0.25, np.array([[0.0, 1.0], [0.0, -1.0]])), spread=0.01,
    )  # fmt: skip


SURFACES: dict[str, Callable[[], Surface]] = {
    "quadratic": quadratic, "rosenbrock": rosenbrock, "beale": beale, "himmelblau": himmelblau,
    "rastrigin": rastrigin, "saddle": saddle,
}  # fmt: skip
"""By name, simplest first."""
