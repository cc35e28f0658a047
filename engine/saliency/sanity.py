"""The sanity check (Adebayo et al. 2018, https://arxiv.org/abs/1810.03292): a map that survives other weights is none.

The weights are randomised from the top down, layer after layer, on a copy of the network. A map that explains what the
network has learned must fall apart; one that stays the same only traces edges.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import SightlineError
from engine.job import Job
from engine.saliency.ask import Ask
from engine.saliency.classifier import Classifier
from engine.saliency.explain import explain, quietly
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.types import Explanation, Map

STAGES = 5
"""How many times more of the network is randomised, the last time all of it."""
LIMIT = 0.5
"""A map whose rank correlation with the first stays above this over the second half of the stages has not changed."""


@dataclass(frozen=True, slots=True)
class Sanity:
    """What became of a map.

    Attributes:
        layers: the first (topmost) layer that was randomised at each stage, names.
        similarity: Spearman's rank correlation of absolute values with the first map, -1..1, at each stage. Quantus'
            MPRT has the same measure, of every pixel: there two maps that differ by a pixel's shift look unlike.
    """

    layers: tuple[str, ...]
    similarity: tuple[float, ...]

    @property
    def passes(self) -> bool:
        """Whether the map changed, as it must."""
        return self.last < LIMIT

    @property
    def last(self) -> float:
        """Mean similarity over the second half of the stages: single stages scatter."""
        half = self.similarity[len(self.similarity) // 2 :]
        return float(np.mean(half))


def sanity(ask: Ask, explanation: Explanation) -> Job[Sanity]:
    """Randomise from the top down and compare.

    Args:
        ask: the question that the map answers.
        explanation: the map.

    Raises:
        SightlineError: the network has no weights that could be randomised.
    """
    before = seen(explanation.values)
    knobs = same_again(ask.knobs, explanation, min(ask.knobs.steps, 20))
    layers, similar = [], []
    for name, other in randomised(ask.classifier, ask.knobs.seed):
        made = yield from quietly(
            explain(ask.image, other, explanation.method, explanation.target, knobs, prediction=ask.prediction)
        )
        after = seen(made.values)
        layers.append(name)
        similar.append(rank_correlation(before, after))
    if not layers:
        raise SightlineError(f"{ask.classifier.title} has no weights to randomise: leave out the sanity check.")
    return Sanity(tuple(layers), tuple(similar))


def same_again(knobs: ExplainKnobs, explanation: Explanation, steps: int) -> ExplainKnobs:
    """The choices with which a map is made once more: the layer and the channel that were found, these steps."""
    channel = int(explanation.details.get("channel", knobs.channel))
    return replace(knobs, double=False, steps=steps, layer=explanation.layer, channel=channel)


def randomised(classifier: Classifier, seed: int = 0) -> Iterator[tuple[str, Classifier]]:
    """Copies of a classifier with more and more of its layers given other weights, from the top down.

    Each tensor of weights keeps its numbers in another order: their spread stays, so that the answers stay in range.
    """
    import torch

    module = copy.deepcopy(classifier.module)
    withweights = [
        (name, part) for name, part in module.named_modules() if list(part.parameters(recurse=False)) and name
    ]
    # as the pass meets them, last first; a norm belongs to the convolution before it
    order = {layer.name: layer.last_call for layer in classifier.layers}
    withweights.sort(key=lambda pair: -order.get(pair[0], 0))
    random = torch.Generator().manual_seed(seed)
    count = len(withweights)
    stages: list[int] = np.unique(np.round(np.geomspace(1, count, STAGES)).astype(int)).tolist() if count else []
    done = 0
    for upto in stages:
        for _name, part in withweights[done:upto]:
            for parameter in part.parameters(recurse=False):
                flat = parameter.data.flatten()
                mixed = flat[torch.randperm(len(flat), generator=random).to(flat.device)]
                parameter.data.copy_(mixed.view_as(parameter))
        done = upto
        yield withweights[done - 1][0], replace(classifier, module=module)


def seen(values: Map) -> Map:
    """A map as it is compared: its magnitudes, pixel by pixel.

    Means over 8 by 8 pixels would say where the picture has edges, which is alike whatever the weights are.
    """
    return np.asarray(np.abs(values), np.float32)


def rank_correlation(one: Map, other: Map) -> float:
    """Spearman's rank correlation of two maps; 0 where one of them is flat."""
    from scipy.stats import rankdata

    a, b = rankdata(one.ravel()), rankdata(other.ravel())
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0
