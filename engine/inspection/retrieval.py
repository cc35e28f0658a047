"""Examples of retrieval for a report: which other test pictures show a defect that looks most like that of one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from engine.errors import SightlineError
from engine.inspection.gallery import Case, Neighbour, Vector, new_case
from engine.inspection.results import Similar
from engine.inspection.types import Image, Item, Verdict
from engine.job import Notice

TOP = 5
"""Neighbours of a picture."""


@runtime_checkable
class Embeds(Protocol):
    """A model that says how a picture looks, as `engine.inspection.model.FittedModel` does; others only examine."""

    def vectors(self, image: Image, verdict: Verdict) -> tuple[Vector, Vector]: ...


class Retrieval:
    """Gathers what is abnormal in each test picture of a category while one model examines them, and compares it.

    The search is exact and its own, without a gallery: a test set is small, and an evaluation leaves no store behind.

    Args:
        category: its name.
        model: the model's name, which the cases bear.
    """

    def __init__(self, category: str, model: str) -> None:
        self._category, self._model = category, model
        self._seen: dict[Item, tuple[Case, Vector]] = {}
        self._failed = False

    def add(self, model: object, item: Item, image: Image, verdict: Verdict) -> Iterator[Notice]:
        """Take in a picture that was just examined; nothing happens where the model makes no vectors.

        Args:
            model: that examined it.
            item: the picture, with its truth.
            image: (H, W, 3) uint8, BGR.
            verdict: what the model said of it.

        Yields:
            A `Notice`, once, where the vectors cannot be made (their network's weights are not here).
        """
        if self._failed or not isinstance(model, Embeds):
            return
        try:
            whole, defect = model.vectors(image, verdict)
        except SightlineError as error:
            self._failed = True
            yield Notice(f"{self._model}: no similar pictures are looked for. {error}")
            return
        height, width = image.shape[:2]
        case = new_case(
            item.path,
            self._model,
            category=self._category,
            kind=item.kind,
            score=verdict.score,
            threshold=verdict.threshold,
            size=(width, height),
            whole=whole,
            defect=defect,
        )
        self._seen[item] = replace(case, whole=None, defect=None), defect

    def similar(self, items: Sequence[Item], top: int = TOP) -> tuple[Similar, ...]:
        """The pictures whose defect is most like that of each of some pictures.

        Args:
            items: that are asked for. Good ones have no defect to be compared by: they are passed over unless there
                are no others.
            top: how many neighbours each has at most.

        Returns:
            Each with its neighbours among all pictures that were added, good ones too, itself left out; the most
            similar (by cosine) first.
        """
        if len(self._seen) < 2 or self._failed:
            return ()
        cases = [case for case, _ in self._seen.values()]
        vectors = np.stack([vector for _, vector in self._seen.values()])
        places = {item: place for place, item in enumerate(self._seen)}
        found: list[Similar] = []
        for item in [item for item in items if item.abnormal] or items:
            own = places[item]
            # rounding takes the product of two equal vectors a little above 1
            cosines = np.clip(vectors @ vectors[own], -1, 1)
            order = [place for place in np.argsort(-cosines, kind="stable").tolist() if place != own][:top]
            near = (Neighbour(cases[place], float(cosines[place]), rank) for rank, place in enumerate(order, 1))
            found.append((item, tuple(near)))
        return tuple(found)
