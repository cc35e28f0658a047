"""The smallest change of a picture after which the network says something else."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.saliency.classifier import Classifier
from engine.saliency.types import Image

STEPS = 100
"""Linear steps at most; most pictures take three to ten."""
CANDIDATES = 5
"""Classes that are tried for being the nearest, when no class is asked for."""
_OVERSHOOT = 1.02
_GROW = 1.3
_SHRINK = 10
_VISIBLE = 96.0
"""How far from grey the largest difference is shown, of 128."""


@dataclass(frozen=True, slots=True)
class Flip:
    """The changed picture.

    Attributes:
        image: (size, size, 3) uint8, BGR, the network's square with the change.
        difference: (size, size, 3) uint8, BGR: the change, `times` as strong, around grey.
        times: how much the difference is magnified.
        was, now: the class before and after; the same until it has flipped.
        probability: of `now`, of the changed picture as it is (8 bits), 0..1.
        l2, most: length of the change and its largest part, in steps of 8 bits.
        done: False while it is looked for.
        ms: milliseconds it took.
    """

    image: Image
    difference: Image
    times: float
    was: int
    now: int
    probability: float
    l2: float
    most: float
    done: bool
    ms: float = 0.0

    @property
    def flipped(self) -> bool:
        """Whether the class is another."""
        return self.was != self.now


def flip(classifier: Classifier, image: Image, towards: int | None = None) -> Job[Flip]:
    """Look for it with DeepFool (Moosavi-Dezfooli et al. 2016, https://arxiv.org/abs/1511.04599).

    Each step goes to where the nearest other class would begin if the network were linear, and stays within 0..255.
    What was found is then drawn back towards the picture as far as it still flips, rounded to 8 bits.

    Yields Progress and a Flip a step.

    Args:
        classifier: the network.
        image: (H, W, 3) uint8, BGR.
        towards: the class it is to become; None takes the nearest.

    Returns:
        The Flip; it is of the rounded picture, which has been checked.

    Raises:
        SightlineError: no change was found, or `towards` is what the network says already.
    """
    import torch

    begun = time.perf_counter()
    square = classifier.preprocessing.square(image)
    start = torch.from_numpy(np.ascontiguousarray(square[..., ::-1]).transpose(2, 0, 1)[None].astype(np.float32))
    start = start.to(classifier.device)
    scale = _Scale(classifier)
    was = int(classifier.logits(scale.seen(start))[0].argmax())
    if towards == was:
        raise SightlineError(f"The network says {classifier.names[was]} already: choose another class to flip to.")

    def made(changed: Any, done: bool) -> Flip:
        said = classifier.say(classifier.logits(scale.seen(changed.round().clamp(0, 255)))[0])
        now = said.top(1)[0]
        return _made(
            square, changed, was, now, float(said.probabilities[now]), done, 1e3 * (time.perf_counter() - begun)
        )

    at = start.clone()
    for step in range(STEPS):
        yield Progress("Looking for the smallest change", step, STEPS, "steps")
        answer = int(classifier.logits(scale.seen(at))[0].argmax())
        if answer == towards or (towards is None and answer != was):
            # flipped, but for the rounding: further the same way the numbers that matter most pass a half
            at = (start + _GROW * (at - start)).clamp(0, 255)
        else:
            at = (at + _OVERSHOOT * _step(classifier, scale, at, was, towards)).clamp(0, 255)
        found = made(at, False)
        yield found
        if found.now == towards or (towards is None and found.flipped):
            break
    else:
        wanted = classifier.names[towards] if towards is not None else "another class"
        raise SightlineError(f"No change was found in {STEPS} steps that makes it {wanted}: choose another class.")
    # between the picture and what was found, the nearest that flips
    low, high = 0.0, 1.0
    best = found
    for _ in range(_SHRINK):
        middle = (low + high) / 2
        tried = made(start + middle * (at - start), False)
        if tried.now == towards or (towards is None and tried.flipped):
            high, best = middle, tried
            yield tried
        else:
            low = middle
            yield None
    return replace(best, done=True, ms=1e3 * (time.perf_counter() - begun))


class _Scale:
    """From 0..255, RGB, to what the network takes in."""

    def __init__(self, classifier: Classifier) -> None:
        import torch

        def column(values: Any) -> Any:
            return torch.tensor(values, dtype=torch.float32, device=classifier.device).view(1, 3, 1, 1)

        self._mean, self._std = column(classifier.preprocessing.mean), column(classifier.preprocessing.std)

    def seen(self, pixels: Any) -> Any:
        import torch

        return ((pixels / 255 - self._mean) / self._std).contiguous(memory_format=torch.channels_last)


def _step(classifier: Classifier, scale: _Scale, at: Any, was: int, towards: int | None) -> Any:
    """To the nearest of the boundaries, as if they were planes (equation 8 and 9)."""
    import torch

    pixels = at.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = classifier.module(scale.seen(pixels))[0]
    if towards is not None:
        others = [towards]
    else:
        order = logits.detach().argsort(descending=True).tolist()
        others = [index for index in order if index != was][:CANDIDATES]
    numbers = logits.detach()
    # on the way to a chosen class others may come first: it has to pass whichever is ahead
    ahead = was if towards is None else int(numbers.argmax())
    (own,) = torch.autograd.grad(logits[ahead], pixels, retain_graph=True)
    best = None
    for index in others:
        (slope,) = torch.autograd.grad(logits[index], pixels, retain_graph=True)
        normal = slope - own
        # a little beyond: on the boundary itself neither class is ahead
        gap = float(numbers[ahead] - numbers[index]) + 1e-3
        length = float(normal.norm())
        if length <= 0 or not np.isfinite(length):
            continue
        far = gap / length
        if best is None or far < best[0]:
            best = far, normal * (far / length)
    if best is None:
        raise SightlineError("The network does not react to the picture at all, so no change of it flips the class.")
    return best[1]


def _made(square: Image, changed: Any, was: int, now: int, probability: float, done: bool, ms: float) -> Flip:
    rounded = changed.detach().round().clamp(0, 255)[0].permute(1, 2, 0).cpu().numpy().astype(np.uint8)[..., ::-1]
    image = np.ascontiguousarray(rounded)
    difference = image.astype(np.float32) - square.astype(np.float32)
    most = float(np.abs(difference).max())
    times = _VISIBLE / most if most > 0 else 1.0
    shown = np.clip(128 + times * difference, 0, 255).astype(np.uint8)
    return Flip(image, shown, times, was, now, probability, float(np.linalg.norm(difference)), most, done, ms)
