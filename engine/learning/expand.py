"""More numbers of those there are: Playground's features of two numbers, and polynomials."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, drive
from engine.learning.setup import FEATURES

Floats = NDArray[np.float64]
MOST_COLUMNS = 5000

_MADE: dict[str, Callable[[Floats, Floats], Floats]] = {
    "x": lambda x, _y: x,
    "y": lambda _x, y: y,
    "x²": lambda x, _y: x * x,
    "y²": lambda _x, y: y * y,
    "xy": lambda x, y: x * y,
    "sin x": lambda x, _y: np.sin(x),
    "sin y": lambda _x, y: np.sin(y),
}


def checked_features(features: Sequence[str]) -> tuple[str, ...]:
    """Those of `FEATURES` that are chosen, in its order, each once.

    Raises:
        SightlineError: none is chosen, or one that there is not.
    """
    for name in features:
        if name not in _MADE:
            raise SightlineError(f"There is no feature {name}: choose of {', '.join(FEATURES)}.")
    if not features:
        raise SightlineError(f"No feature is chosen: take at least one of {', '.join(FEATURES)}.")
    return tuple(name for name in FEATURES if name in features)


def make_features(xy: Floats, features: Sequence[str]) -> Floats:
    """(n, F) float64: the chosen features of two numbers, (n, 2)."""
    x, y = np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1])
    return np.stack([_MADE[name](x, y) for name in features], 1)


def feature_names(features: Sequence[str], names: tuple[str, str]) -> tuple[str, ...]:
    """How they are called, where the two numbers have names of their own."""
    said = dict(zip(FEATURES, ("{0}", "{1}", "{0}²", "{1}²", "{0}·{1}", "sin {0}", "sin {1}"), strict=True))
    return tuple(name if names == ("x", "y") else said[name].format(*names) for name in features)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """All products of some numbers up to a degree, each made mean 0 and deviation 1 on the training part.

    The order is that of scikit-learn's PolynomialFeatures: by degree, then by the place of the factors. Products
    that do not move on the training part are left out, and so is the constant.

    Attributes:
        terms: the places of the factors of each.
        mean, spread: (T,) what each is standardised with.
    """

    terms: tuple[tuple[int, ...], ...]
    mean: Floats
    spread: Floats

    def write(self, numbers: Floats, out: Floats) -> Job[None]:
        """Put the products of (n, F) into the first T columns of out."""
        for place, term in enumerate(self.terms):
            np.divide(_product(numbers, term) - self.mean[place], self.spread[place], out=out[:, place])
            if place % 16 == 15:
                yield None

    def names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Of the products: "a", "a^2·b"."""
        short = [f"({name})" if " " in name or name.endswith("²") else name for name in names]
        return tuple(
            names[term[0]]
            if len(term) == 1
            else "·".join(short[k] if term.count(k) == 1 else f"{short[k]}^{term.count(k)}" for k in sorted(set(term)))
            for term in self.terms
        )


def fit_polynomial(train: Floats, degree: int) -> Job[Polynomial]:
    """A polynomial of the numbers of the training part.

    Args:
        train: (n, F) float64.
        degree: 1..6; 1 takes the numbers as they are, and only standardises them.

    Raises:
        SightlineError: it makes more than 5,000 numbers a row.
    """
    count = train.shape[1]
    made = comb(count + degree, degree) - 1
    if made > MOST_COLUMNS and degree > 1:
        raise SightlineError(
            f"A polynomial of degree {degree} of {count:,} numbers has {made:,} terms, and {MOST_COLUMNS:,} are made "
            "at most: choose a lower degree or fewer columns."
        )
    kept, means, spreads = [], [], []
    for power in range(1, degree + 1):
        for place, term in enumerate(combinations_with_replacement(range(count), power)):
            product = _product(train, term)
            mean, spread = float(product.mean()), float(product.std())
            if spread > 1e-12 * (1 + abs(mean)):
                kept.append(term)
                means.append(mean)
                spreads.append(spread)
            if place % 16 == 15:
                yield None
    return Polynomial(tuple(kept), np.array(means), np.array(spreads))


def _product(numbers: Floats, term: tuple[int, ...]) -> Floats:
    """(n,)."""
    made = numbers[:, term[0]].copy()
    for k in term[1:]:
        made *= numbers[:, k]
    return made


@dataclass(frozen=True, slots=True)
class Lift:
    """From points of two numbers to the rows of a table.

    Attributes:
        shift, spread: (2,): what is taken from the points, and what they are divided by.
        features: of `FEATURES`, made of these.
        polynomial: of the features; None leaves them.
    """

    shift: Floats
    spread: Floats
    features: tuple[str, ...]
    polynomial: Polynomial | None = None

    def __call__(self, points: Floats) -> Floats:
        """(k, P) float64 of (k, 2), the last column the constant."""
        return drive(self.steps(points))

    def steps(self, points: Floats) -> Job[Floats]:
        """The same, as a job."""
        made = make_features((np.asarray(points, np.float64) - self.shift) / self.spread, self.features)
        if self.polynomial is None:
            return np.concatenate([made, np.ones((len(made), 1))], 1)
        rows = np.ones((len(made), len(self.polynomial.terms) + 1))
        yield from self.polynomial.write(made, rows)
        return rows
