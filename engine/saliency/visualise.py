"""Class visualisation: the picture that excites a class, climbed to from noise."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.job import Job
from engine.saliency.classifier import Classifier, Shrinking
from engine.saliency.stoppable import Pace
from engine.saliency.types import Image, Target

STEPS = 192
"""Enough for a probability of 0.9 and more with the ImageNet networks."""
_RATE = 0.05
_CONTRAST = 0.04
"""Deviation of the frequencies that are begun with: almost grey."""
_STRONGEST = 1.2
"""The largest deviation before the sigmoid: without it every pixel ends black, white or a pure colour."""
_SHIFT, _TURN, _SCALE = 1 / 14, 10.0, 0.1
"""The most a step shifts (a share of the side), turns (degrees) and scales (a share) the picture."""

# how the colours of photographs go together: red, green and blue of each of three directions that do not (Olah et al.
# 2017, "preconditioning"), scaled so that the strongest is 1
_COLOURS = np.array([[0.563, 0.194, 0.043], [0.582, 0.0, -0.108], [0.546, -0.194, 0.064]], np.float32) / 0.977


@dataclass(frozen=True, slots=True)
class Dream:
    """The picture so far.

    Attributes:
        image: (size, size, 3) uint8, BGR, on the network's square.
        target: what it excites.
        probability: of the target's class, of this picture as it is (8 bits, neither shifted nor turned), 0..1.
        step, steps: how far it is.
        ms: milliseconds it took.
    """

    image: Image
    target: Target
    probability: float
    step: int
    steps: int
    ms: float = 0.0

    @property
    def done(self) -> bool:
        """Whether it is finished."""
        return self.step == self.steps


def visualise(classifier: Classifier, target: Target | str | int, *, steps: int = STEPS, seed: int = 0) -> Job[Dream]:
    """Climb the gradient of a class's number on the input (Simonyan et al. 2013, https://arxiv.org/abs/1312.6034).

    The picture is held as its frequencies in colours that do not go together, and shifted, turned and scaled a little
    at random before each step, so that it is made of shapes and not of noise
    (https://distill.pub/2017/feature-visualization/).

    Args:
        classifier: the network.
        target: what is to be excited; a class by index or name, or a `Target` for one class and not another.
        steps: of Adam.
        seed: 0 or more; the same seed gives the same picture.

    Yields:
        Progress, and a Dream several times a second.

    Raises:
        SightlineError: there is no such class, fewer than one step, or memory is short.
    """
    import torch

    begun = time.perf_counter()
    if steps < 1:
        raise SightlineError("A picture is not climbed to without a step: give 1 or more.")
    wanted = target if isinstance(target, Target) else classifier.target(target)
    size, device = classifier.preprocessing.size, classifier.device
    chance = torch.Generator().manual_seed(seed)
    canvas = _Canvas(classifier, chance)
    adam = torch.optim.Adam([canvas.frequencies], lr=_RATE)
    pace = Pace("Climbing to the class", steps, "steps")

    def climb(moves: Any) -> Any:
        picture = _moved(canvas.picture(), moves)
        number = wanted.of(classifier.module(canvas.normalised(picture))).sum()
        (slope,) = torch.autograd.grad(-number, canvas.frequencies)
        return slope

    def dream(step: int) -> Dream:
        image = canvas.image()
        probability = classifier.say(classifier.logits(canvas.of(image))[0]).probabilities[wanted.index]
        return Dream(image, wanted, float(probability), step, steps, 1e3 * (time.perf_counter() - begun))

    for step in range(steps):
        yield pace.progress(step)
        if pace.due():
            yield dream(step)
        with torch.enable_grad():
            (slope,) = Shrinking(1).run(climb, _moves(chance, size).to(device))
        canvas.frequencies.grad = slope
        adam.step()
    yield pace.progress(steps)
    return dream(steps)


class _Canvas:
    """A picture held as its frequencies.

    Attributes:
        frequencies: what is changed, (1, 3, size, size // 2 + 1, 2) float32.
    """

    def __init__(self, classifier: Classifier, chance: Any) -> None:
        import torch

        self._preprocessing = classifier.preprocessing
        self._device = classifier.device
        self._size = size = classifier.preprocessing.size
        rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
        # natural pictures have 1/f of each frequency; the lowest is the mean
        scale = size / np.maximum(np.hypot(rows, columns), 1 / size) / size
        self._scale = torch.tensor(scale, dtype=torch.float32, device=self._device)[..., None]
        self._colours = torch.from_numpy(_COLOURS).to(self._device)
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=self._device).view(1, 3, 1, 1)
            for values in (self._preprocessing.mean, self._preprocessing.std)
        )
        self._mean, self._std = mean, std
        begin = torch.randn((1, 3, size, size // 2 + 1, 2), generator=chance) * _CONTRAST
        self.frequencies = begin.to(self._device).requires_grad_()

    def picture(self) -> Any:
        """(1, 3, size, size) float32, RGB, 0..1."""
        import torch

        spectrum = torch.view_as_complex((self.frequencies * self._scale).contiguous())
        plane = torch.fft.irfft2(spectrum, (self._size, self._size), norm="ortho")
        coloured = torch.einsum("dc,ncij->ndij", self._colours, plane)
        return (coloured * (_STRONGEST / coloured.std()).clamp(max=1)).sigmoid()

    def normalised(self, picture: Any) -> Any:
        """A picture as the network takes it in."""
        import torch

        return ((picture - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def image(self) -> Image:
        """The picture in 8 bits, (size, size, 3) BGR."""
        import torch

        with torch.no_grad():
            rgb = (255 * self.picture()[0]).round().byte().permute(1, 2, 0).cpu().numpy()
        return np.ascontiguousarray(rgb[..., ::-1])

    def of(self, image: Image) -> Any:
        """What the network sees of a square, (1, 3, size, size)."""
        import torch

        return torch.from_numpy(self._preprocessing.normalise(image[None])).to(self._device)


def _moves(chance: Any, size: int) -> Any:
    """A random shift, turn and scale, as `affine_grid` wants them: (1, 2, 3)."""
    import torch

    turn, scale, across, down = (2 * torch.rand(4, generator=chance) - 1).tolist()
    angle, grow = np.deg2rad(_TURN * turn), 1 + _SCALE * scale
    cos, sin = grow * np.cos(angle), grow * np.sin(angle)
    # in whole pixels of the picture; 2 is a side
    shift = [2 * round(share * _SHIFT * size) / size for share in (across, down)]
    return torch.tensor([[[cos, -sin, shift[0]], [sin, cos, shift[1]]]], dtype=torch.float32)


def _moved(picture: Any, moves: Any) -> Any:
    """A picture shifted, turned and scaled; what comes in at the edge is its mirror."""
    import torch

    grid = torch.nn.functional.affine_grid(moves, list(picture.shape), align_corners=False)
    return torch.nn.functional.grid_sample(
        picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
