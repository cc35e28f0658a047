"""One question to a method: this picture, this network, this target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.saliency.classifier import Classifier
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.types import Explanation, Image, Map, Prediction, Target


@dataclass(frozen=True, slots=True)
class Ask:
    """What every method is given.

    Attributes:
        classifier: the network.
        image: (H, W, 3) uint8, BGR.
        target: what is asked.
        knobs: how.
        prediction: what the network says of the picture.
    """

    classifier: Classifier
    image: Image
    target: Target
    knobs: ExplainKnobs
    prediction: Prediction

    def tensor(self) -> Any:
        """The network's view of the picture: (1, 3, size, size) float32."""
        return self.classifier.tensor(self.image)

    def number(self, batch: Any) -> Any:
        """The number that is explained, of pictures as the network sees them: (n, 3, size, size) to (n,)."""
        return self.target.of(self.classifier.module(batch))

    def gap(self, x: Any, bases: Sequence[Any]) -> float:
        """How far the picture's number is above that of the baselines: what a complete map adds up to."""
        import torch

        numbers = self.target.of(self.classifier.logits(torch.cat([x, *bases]))).double()
        return float((numbers[0] - numbers[1:]).mean())

    def answer(self, method: str, values: Any, **details: Any) -> Explanation:
        """An explanation of this question.

        Args:
            method: its key.
            values: (size, size), torch or numpy.
            details: further attributes of `Explanation`.
        """
        kept: Map = np.array(values.detach().cpu().numpy() if hasattr(values, "detach") else values, np.float32)
        return Explanation(
            method,
            self.target,
            kept,
            (int(self.image.shape[0]), int(self.image.shape[1])),
            self.classifier.preprocessing,
            float(self.prediction.probabilities[self.target.index]),
            **details,
        )
