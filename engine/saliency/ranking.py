"""Which method can be trusted most, over a folder of pictures."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress
from engine.media.pictures import read_picture
from engine.saliency.classifier import Classifier
from engine.saliency.explain import explain, quietly
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.methods import METHODS, method
from engine.saliency.trust import Wanted, measure
from engine.saliency.types import Explanation, Target

R = TypeVar("R")

CHANCE = "random"
"""What the random maps are called."""
ONLY_CURVES = Wanted(noise=False, sanity=False)


@dataclass(frozen=True, slots=True)
class RankedPicture:
    """What one picture adds.

    Attributes:
        name: its path.
        target_name: the likeliest class, which is explained.
        probability: of that class, 0..1.
        areas: insertion and deletion by method, those of chance under `CHANCE`.
    """

    name: str
    target_name: str
    probability: float
    areas: dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One method over all pictures.

    Attributes:
        method: its key, or `CHANCE`.
        insertion, deletion: mean areas; insertion less deletion ranks the methods.
        better: share of the pictures on which it beats chance in both.
        mean_rank: mean over the pictures of its place among all of them, 1 is the best; equals share their places.
    """

    method: str
    insertion: float
    deletion: float
    better: float
    mean_rank: float

    @property
    def difference(self) -> float:
        """Insertion less deletion, by which the methods are ranked."""
        return self.insertion - self.deletion


@dataclass(frozen=True, slots=True)
class Ranking:
    """The table, best method first, and what each picture added."""

    rows: tuple[Ranked, ...]
    pictures: tuple[RankedPicture, ...]


def rank(
    classifier: Classifier,
    pictures: Sequence[Path],
    methods: Sequence[str],
    knobs: ExplainKnobs | None = None,
    *,
    least: float = 0.0,
) -> Job[Ranking]:
    """Rank methods by insertion and deletion over pictures, each explained for its likeliest class.

    Yields a `RankedPicture` each, `Progress`, and a `Notice` for a picture or a map that cannot be had.

    Args:
        classifier: the network.
        pictures: files.
        methods: keys.
        knobs: of the methods.
        least: pictures whose likeliest class is less likely than this are passed over, 0..1.

    Raises:
        SightlineError: not one picture could be measured.
    """
    chosen, knobs = [method(key).key for key in methods], knobs or ExplainKnobs()
    found: list[RankedPicture] = []
    for number, path in enumerate(pictures):
        yield Progress(f"Ranking, {path.name}", number, len(pictures), "pictures")
        try:
            image = read_picture(path)
            prediction = classifier.predict(image)
        except SightlineError as error:
            yield Notice(f"Left out: {error}")
            continue
        index = prediction.top(1)[0]
        if prediction.probabilities[index] < least:
            continue
        maps: list[Explanation] = []
        for key in chosen:
            try:
                job = explain(image, classifier, key, Target(index), knobs, prediction=prediction)
                maps.append((yield from quietly(job)))
            except SightlineError as error:
                yield Notice(f"{METHODS[key].title} left out: {error}")
        if not maps:
            continue
        chance, trusts = yield from silent(measure(classifier, image, prediction, maps, knobs, ONLY_CURVES))
        areas = {trust.explanation.method: trust.curves.areas for trust in trusts}
        areas[CHANCE] = chance.insertion, chance.deletion
        one = RankedPicture(str(path), prediction.names[index], float(prediction.probabilities[index]), areas)
        found.append(one)
        yield one
    if not found:
        raise SightlineError("No picture could be measured: choose a folder with pictures that the network knows.")
    return table(found)


def silent(job: Job[R]) -> Job[R]:
    """The same job; instead of its events it yields None."""
    with closing(job):
        while True:
            try:
                next(job)
            except StopIteration as end:
                result: R = end.value
                return result
            yield None


def table(pictures: Sequence[RankedPicture]) -> Ranking:
    """The methods over pictures that were measured, best first; chance in its place among them."""
    from scipy.stats import rankdata

    keys = list(dict.fromkeys(key for picture in pictures for key in picture.areas))
    places: dict[str, list[float]] = {key: [] for key in keys}
    for picture in pictures:
        found = rankdata([deletion - insertion for insertion, deletion in picture.areas.values()])
        for key, place in zip(picture.areas, found, strict=True):
            places[key].append(float(place))
    rows = []
    for key in keys:
        having = [picture for picture in pictures if key in picture.areas]
        areas = np.array([picture.areas[key] for picture in having])
        chance = np.array([picture.areas[CHANCE] for picture in having])
        better = (areas[:, 0] > chance[:, 0]) & (areas[:, 1] < chance[:, 1])
        insertion, deletion = areas.mean(0)
        rows.append(Ranked(key, float(insertion), float(deletion), float(better.mean()), float(np.mean(places[key]))))
    rows.sort(key=lambda row: -row.difference)
    return Ranking(tuple(rows), tuple(pictures))
