"""The smallest square of a picture that keeps the class: shown alone, the network still says the same."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.job import Job, Progress
from engine.saliency.blend import evidence
from engine.saliency.classifier import BATCH, Classifier, Shrinking
from engine.saliency.methods import METHODS
from engine.saliency.types import Explanation, Image

SIZES = 24
"""Squares that are tried, each some 10 % larger than the one before."""
_SMALLEST = 0.1
"""Side of the first, as a share of what the network sees of the picture."""
_KEPT = 0.5
"""A square keeps the class only with this share of its probability: of a scrap without content some class is always
the likeliest."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of a picture.

    Attributes:
        box: left, top, width, height in picture pixels.
        probability: of the class that was explained, of the square alone, 0..1.
        share: of what the network sees of the whole picture, 0..1.
    """

    box: tuple[int, int, int, int]
    probability: float
    share: float


def keeping_crop(classifier: Classifier, image: Image, explanation: Explanation) -> Job[Crop | None]:
    """Find the smallest square that keeps the class.

    Of each size the square that holds the most evidence is tried, smallest first. It keeps the class if the class is
    its likeliest and at least half as probable as in the whole picture. The network sees the whole square, scaled to
    its size; nothing of it is cut away.

    Yields `Progress`.

    Args:
        classifier: the network.
        image: (H, W, 3) uint8, BGR, of which the map is.
        explanation: the map; its class is kept.

    Returns:
        The square; None where not even the largest keeps the class.
    """
    import torch

    boxes = growing(explanation)
    index, shrinking = explanation.target.index, Shrinking()

    def look(some: NDArray[np.int64]) -> NDArray[np.float32]:
        squares = [
            _square(image[y : y + high, x : x + wide], classifier.preprocessing.size) for x, y, wide, high in some
        ]
        batch = torch.from_numpy(classifier.preprocessing.normalise(np.stack(squares))).to(classifier.device)
        logits = classifier.logits(batch.contiguous(memory_format=torch.channels_last))
        shares: NDArray[np.float32] = logits.float().softmax(1).cpu().numpy()
        return shares

    for start in range(0, len(boxes), BATCH):
        yield Progress("Looking for the smallest square", start, len(boxes), "squares")
        some = boxes[start : start + BATCH]
        for box, shares in zip(some, np.concatenate(shrinking.run(look, some)), strict=True):
            if int(shares.argmax()) == index and shares[index] >= _KEPT * explanation.probability:
                x, y, wide, high = (int(value) for value in box)
                seen = explanation.preprocessing.placement(*explanation.shape).source
                return Crop((x, y, wide, high), float(shares[index]), wide * high / (seen[2] * seen[3]))
    return None


def growing(explanation: Explanation) -> NDArray[np.int64]:
    """The squares that are tried: (n, 4) int64, left, top, width, height in picture pixels, smallest first.

    They lie within what the network saw of the picture.
    """
    place = explanation.preprocessing.placement(*explanation.shape)
    left, top, w, h = place.target
    x, y, wide, high = place.source
    # on the map first: a sum over each place of it is cheap, whatever the picture's size
    values = evidence(explanation.values, METHODS[explanation.method].fine)[top : top + h, left : left + w]
    scale = wide / w, high / h
    largest = min(wide, high)
    sides = np.unique(np.round(np.geomspace(max(1.0, _SMALLEST * largest), largest, SIZES)).astype(int))
    boxes = []
    for side in sides:
        across, down = min(w, max(1, round(side / scale[0]))), min(h, max(1, round(side / scale[1])))
        sums = cv2.boxFilter(
            values.astype(np.float64),
            -1,
            (across, down),
            anchor=(0, 0),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )[: h - down + 1, : w - across + 1]
        row, column = np.unravel_index(int(sums.argmax()), sums.shape)
        # rounding may put it a pixel outside
        box_x = min(x + round(float(column) * scale[0]), x + wide - int(side))
        box_y = min(y + round(float(row) * scale[1]), y + high - int(side))
        boxes.append((box_x, box_y, int(side), int(side)))
    return np.array(boxes, np.int64)


def _square(part: Image, size: int) -> Image:
    way = cv2.INTER_AREA if part.shape[0] > size else cv2.INTER_LINEAR
    square: Image = cv2.resize(part, (size, size), interpolation=way)
    return square
