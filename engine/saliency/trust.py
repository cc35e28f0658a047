"""How far a map can be trusted: its pixels put in and taken out, its peak, its steadiness."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.job import Job, Progress
from engine.saliency.ask import Ask
from engine.saliency.blend import evidence
from engine.saliency.classifier import Classifier, Shrinking
from engine.saliency.explain import explain, quietly
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.methods import METHODS
from engine.saliency.sanity import Sanity, same_again, sanity
from engine.saliency.types import Explanation, Image, Map, Prediction

STEPS = 28
"""Into how many equal parts the pixels are put in and taken out."""
RANDOM_MAPS = 5
_RANDOM_SIDE = 7
_BLUR = 10.0
"""Standard deviation of the blur that stands for a pixel that is not there, at 224 pixels."""
_NOISE = 0.02
_NOISE_SAMPLES = 4
Curve = NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Curves:
    """A class's probability while the pixels are put in and taken out, best first.

    Attributes:
        insertion, deletion: (STEPS + 1,) float32, from none of the pixels to all of them.
    """

    insertion: Curve
    deletion: Curve

    @property
    def areas(self) -> tuple[float, float]:
        """Under insertion (higher is better) and deletion (lower is better), 0..1."""
        return area(self.insertion), area(self.deletion)


@dataclass(frozen=True, slots=True)
class Trust:
    """What was measured of one map.

    Attributes:
        explanation: the map.
        curves: put in and taken out.
        noise: how much the map changes under a little noise (max-sensitivity: 0 is steady); None while unmeasured.
        sanity: what becomes of the map when the weights are randomised; None while unmeasured.
        hit: whether the peak lies in the box that was given; None without one.
    """

    explanation: Explanation
    curves: Curves
    noise: float | None = None
    sanity: Sanity | None = None
    hit: bool | None = None


@dataclass(frozen=True, slots=True)
class Chance:
    """What maps that know nothing reach on the same picture: the mean over some.

    Attributes:
        curves: mean of their curves.
        insertion, deletion: mean of their areas.
    """

    curves: Curves
    insertion: float
    deletion: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured besides the curves, which are always.

    Attributes:
        noise, sanity: whether.
        box: left, top, width, height in picture pixels; the pointing game.
    """

    noise: bool = True
    sanity: bool = True
    box: Box | None = None


def measure(
    classifier: Classifier,
    image: Image,
    prediction: Prediction,
    explanations: Sequence[Explanation],
    knobs: ExplainKnobs | None = None,
    wanted: Wanted | None = None,
) -> Job[tuple[Chance, tuple[Trust, ...]]]:
    """Measure the maps of one picture.

    Yields `Chance` first (for the classes of the maps: that of the first), then a `Trust` a map as soon as its curves
    are there and again when more is known, and `Progress` between.

    Args:
        classifier: the network.
        image: (H, W, 3) uint8, BGR.
        prediction: what it says of the picture.
        explanations: finished maps.
        knobs: with which they were made.
        wanted: what is measured.
    """
    knobs, wanted = knobs or ExplainKnobs(), wanted or Wanted()
    each = 1 + int(wanted.noise) + 2 * int(wanted.sanity)
    total = RANDOM_MAPS + each * len(explanations)
    begun, done = time.monotonic(), 0

    def told(what: str) -> Progress:
        left = (time.monotonic() - begun) / done * (total - done) if done else None
        return Progress(what, done, total, "", left)

    x = classifier.tensor(image)
    blurred = replacement(classifier, x)
    index = explanations[0].target.index if explanations else prediction.top(1)[0]
    found: list[Curves] = []
    for map_ in random_maps(classifier.preprocessing.size, RANDOM_MAPS, knobs.seed):
        yield told("Measuring random maps")
        found.append((yield from put_in_and_out(classifier, x, blurred, map_, index)))
        done += 1
    chance = _mean(found)
    yield chance
    trusts = []
    for explanation in explanations:
        title = METHODS[explanation.method].title
        yield told(f"Putting pixels in, {title}")
        ranked = ranking(explanation)
        curves = yield from put_in_and_out(classifier, x, blurred, ranked, explanation.target.index)
        trust = Trust(explanation, curves, hit=None if wanted.box is None else hits(explanation, wanted.box))
        done += 1
        yield trust
        ask = Ask(classifier, image, explanation.target, knobs, prediction)
        if wanted.noise:
            yield told(f"Adding noise, {title}")
            noise = yield from sensitivity(ask, explanation)
            trust = Trust(explanation, curves, noise, None, trust.hit)
            done += 1
            yield trust
        if wanted.sanity:
            yield told(f"Randomising weights, {title}")
            checked = yield from sanity(ask, explanation)
            trust = Trust(explanation, curves, trust.noise, checked, trust.hit)
            done += 2
            yield trust
        trusts.append(trust)
    return chance, tuple(trusts)


# -- the curves


def put_in_and_out(classifier: Classifier, x: Any, blurred: Any, values: Map, index: int) -> Job[Curves]:
    """Insertion and deletion (Petsiuk et al. 2018, https://arxiv.org/abs/1806.07421), best pixels first.

    What is not there is blurred rather than black: a black hole is a shape of its own, which the network may see.
    Deletion is what Quantus calls pixel flipping, with two differences: the first point of a curve is the picture
    before anything is taken out, and a pixel goes with all its colours at once.

    Args:
        classifier: the network.
        x, blurred: (1, 3, size, size): the picture, and what stands for pixels that are not there.
        values: (size, size), by which the pixels are ranked.
        index: the class.
    """
    import torch

    order = np.argsort(-values.ravel(), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rank = torch.from_numpy(place.reshape(values.shape)).to(x.device)
    counts = np.round(np.linspace(0, values.size, STEPS + 1)).astype(np.int64)
    shrinking = Shrinking()
    rows = []
    for putting_in in (True, False):
        at = 0
        while at < len(counts):
            some = counts[at : at + shrinking.size]
            at += len(some)

            def look(part: Any, putting_in: bool = putting_in) -> Any:
                upto = torch.from_numpy(part).to(x.device).view(-1, 1, 1, 1)
                there = (rank < upto) if putting_in else (rank >= upto)
                mixed = torch.where(there, x, blurred).contiguous(memory_format=torch.channels_last)
                with torch.inference_mode():
                    return classifier.module(mixed).float().softmax(1)[:, index]

            rows += [part.cpu().numpy() for part in shrinking.run(look, some)]
            yield None
    both = np.concatenate(rows).astype(np.float32)
    return Curves(both[: STEPS + 1], both[STEPS + 1 :])


def replacement(classifier: Classifier, x: Any) -> Any:
    """The picture so blurred that nothing is to be seen: (1, 3, size, size)."""
    import torch

    sigma = _BLUR * classifier.preprocessing.size / 224
    rows = x[0].permute(1, 2, 0).cpu().numpy()
    blurred = cv2.GaussianBlur(np.ascontiguousarray(rows), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    made = torch.from_numpy(blurred).permute(2, 0, 1)[None].to(x.device)
    return made.contiguous(memory_format=torch.channels_last)


def ranking(explanation: Explanation) -> Map:
    """By what the pixels of a map are ranked: what speaks for the class first, a fine map smoothed as it is shown."""
    return evidence(explanation.values, METHODS[explanation.method].fine)


def random_maps(size: int, count: int, seed: int = 0) -> list[Map]:
    """Coarse maps that know nothing: random numbers on 7 by 7, drawn out to (size, size)."""
    rng = np.random.default_rng(seed)
    return [
        cv2.resize(rng.random((_RANDOM_SIDE, _RANDOM_SIDE), np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
        for _ in range(count)
    ]


def area(curve: Curve) -> float:
    """Under a curve over 0..1, by the trapezoid rule."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def _mean(found: Sequence[Curves]) -> Chance:
    insertion = np.stack([one.insertion for one in found]).mean(0).astype(np.float32)
    deletion = np.stack([one.deletion for one in found]).mean(0).astype(np.float32)
    areas = np.mean([one.areas for one in found], 0)
    return Chance(Curves(insertion, deletion), float(areas[0]), float(areas[1]))


# -- the peak, and steadiness


def peak(explanation: Explanation) -> tuple[int, int]:
    """Where the strongest evidence for the class is, (x, y) in pixels of the picture; a fine map is smoothed first."""
    values = ranking(explanation)
    place = explanation.preprocessing.placement(*explanation.shape)
    left, top, w, h = place.target
    inside = values[top : top + h, left : left + w]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    x, y, wide, high = place.source
    return int(x + (column + 0.5) / w * wide), int(y + (row + 0.5) / h * high)


def hits(explanation: Explanation, box: Box) -> bool:
    """The pointing game (Zhang et al. 2016, https://arxiv.org/abs/1608.00507): does the peak lie in the box?"""
    x, y = peak(explanation)
    left, top, width, height = box
    return left <= x < left + width and top <= y < top + height


def sensitivity(ask: Ask, explanation: Explanation) -> Job[float]:
    """Max-sensitivity (Yeh et al. 2019, https://arxiv.org/abs/1901.09392): the largest change of the map under noise.

    The map of the picture with a little uniform noise (2 % of the range) is made anew a few times; the largest
    |map' - map| / |map| (Frobenius norms) is given. Integrated Gradients keep the steps that they ended with, up to 50.

    Quantus adds its noise to the normalised picture (0.2 of a deviation) and takes 200 samples. Here it is added to the
    8-bit square that the network sees, as a camera would: in the full picture it would be averaged away, the more the
    larger the picture. The largest of 4 samples is a lower bound of that of 200.

    Args:
        ask: the question that the map answers.
        explanation: the map.

    Returns:
        0 and above.
    """
    classifier = ask.classifier
    square = classifier.preprocessing.square(ask.image)
    # the square is a picture of its own, which is neither cut nor scaled once more
    classifier = replace(classifier, preprocessing=replace(classifier.preprocessing, fit="stretch"))
    knobs = same_again(ask.knobs, explanation, min(50, explanation.steps or ask.knobs.steps))
    rng = np.random.default_rng(ask.knobs.seed)
    steady = replace(ask, classifier=classifier, knobs=knobs)
    before = yield from _again(square, steady, explanation.method)
    size = float(np.linalg.norm(before)) or 1.0
    worst = 0.0
    for _ in range(_NOISE_SAMPLES):
        shaken = square + rng.uniform(-255 * _NOISE, 255 * _NOISE, square.shape)
        image = np.clip(np.round(shaken), 0, 255).astype(np.uint8)
        after = yield from _again(image, steady, explanation.method)
        worst = max(worst, float(np.linalg.norm(after - before)) / size)
    return worst


def _again(image: Image, ask: Ask, method: str) -> Job[Map]:
    made = yield from quietly(explain(image, ask.classifier, method, ask.target, ask.knobs, prediction=ask.prediction))
    return made.values
