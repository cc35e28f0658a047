"""What the page Optimize keeps: its choices, the contenders of its form, and the runs it has seen."""

from dataclasses import dataclass, field

import numpy as np

from engine.knobs import knob
from engine.optimizers.contenders import Contender
from engine.optimizers.thinned import Thinned

MOST_EARLIER = 500
"""Runs of earlier races that are kept."""


@dataclass(frozen=True, slots=True)
class RaceChoices:
    """How long a race is, and how often each rule runs.

    Attributes:
        steps, replicates: of each contender.
        target: the loss that steps are counted to; 0 takes a tenth above the best.
        baseline: the distance of the nearest neighbours that everyone is compared with.
    """

    steps: int = knob(2000, "Steps", group="Race", low=1, high=1_000_000, log=True, help="Of each contender.")
    replicates: int = knob(
        10, "Replicates", group="Race", low=1, high=100, step=1, help="Runs of each contender, from other starts."
    )
    target: float = knob(
        0.0, "Target loss", group="Race", low=0.0, high=100.0, log=True,
        help="Steps are counted until the loss is this low; 0 takes a tenth above the best.",
    )  # fmt: skip
    baseline: str = knob(
        "l2", "Baseline", group="Race", choices=("l2", "l1", "minkowski", "none"),
        words=("kNN, L2", "kNN, L1", "kNN, Minkowski 3", "None"),
        help="Nearest neighbours that everyone is compared with, their number chosen on validation rows.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PageChoices:
    """What the page remembers.

    Attributes:
        race: the whole set-up, as `text_of_race` writes it; "" before the first.
        panel: of the strip.
    """

    race: str = ""
    panel: str = "Precision and recall"


@dataclass(eq=False, slots=True)
class Row:
    """A contender of the form.

    Attributes:
        contender: as it is set.
        on: whether it takes part.
        entry: its run in the present race; None where it is in none.
    """

    contender: Contender
    on: bool = True
    entry: "Entry | None" = None


class Path:
    """Places that are only added to; a long one is not copied for each look at it."""

    def __init__(self) -> None:
        self._places = np.empty((256, 2))
        self._count = 0

    def append(self, places: np.ndarray) -> None:
        """Add (n, 2) places at the end."""
        end = self._count + len(places)
        if end > len(self._places):
            grown = np.empty((max(end, 2 * len(self._places)), 2))
            grown[: self._count] = self._places[: self._count]
            self._places = grown
        self._places[self._count : end] = places
        self._count = end

    def places(self) -> np.ndarray:
        """(n, 2), all so far; not to be written."""
        return self._places[: self._count]


@dataclass(eq=False, slots=True)
class Entry:
    """A run that is seen.

    Attributes:
        name: what it is called.
        number: of its colour.
        contender: as it is now.
        asked: as a person wants it from here on; None leaves its run as it is.
        curve: what is drawn.
        problem: the text of its problem: only runs of one problem are drawn together.
        on: whether it is drawn.
        earlier: of a race before the present one.
        final: mean and standard error of the full objective at its end; None before, or where all diverged.
        steps_per_s: speed of its own steps, all replicates at once; 0 while unknown.
        diverged, replicates: how many of how many.
        figures: of the test part; None where there are none.
        path: where its first replicate went over a surface.
        theta: (R, P) where it is; None before.
    """

    name: str
    number: int
    contender: Contender
    curve: Thinned
    problem: str = ""
    on: bool = True
    earlier: bool = False
    final: tuple[float | None, float | None] | None = None
    steps_per_s: float = 0.0
    diverged: int = 0
    replicates: int = 1
    figures: dict[str, float] | None = None
    path: Path = field(default_factory=Path)
    asked: Contender | None = None
    theta: np.ndarray | None = None

    @property
    def noisy(self) -> bool:
        """Whether its losses are those of batches."""
        return self.contender.batch != "all" and self.curve.rows > 0

    @property
    def loss(self) -> float:
        """What it is ranked by: the full objective at the end, or as it was measured last; NaN where it diverged."""
        if self.final is not None:
            return float("nan") if self.final[0] is None else self.final[0]
        fulls = self.curve.record.fulls
        if not fulls:
            return float("nan")
        last = fulls[-1].train
        return float(np.nanmean(last)) if np.isfinite(last).any() else float("nan")


def numbered(rows: list[Row]) -> int:
    """A colour that none of them has, or where all six are taken one that few have, used longest ago."""
    used = [row.contender.colour % 6 for row in rows]
    last = {number: place for place, number in enumerate(used)}
    return min(range(6), key=lambda number: (used.count(number), last.get(number, -1)))
