"""Methods that only ask the network about changed pictures: Occlusion, superpixel ablation (Captum), and RISE."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.job import Job
from engine.saliency.ask import Ask
from engine.saliency.classifier import BATCH, Shrinking
from engine.saliency.integrated_gradients import baselines
from engine.saliency.stoppable import Pace, Tell, averaged, running_short, ticking
from engine.saliency.types import Explanation, Map

CELLS = 7
"""Of a side of RISE's coarse masks, as in the paper."""
KEPT = 0.5
"""The share of RISE's cells that is kept, p in the paper."""


def occlusion(ask: Ask) -> Job[Explanation]:
    """How much the target's number falls when a window is covered (https://arxiv.org/abs/1311.2901).

    The window moves by half its side; where several cover a pixel their mean counts. Yields the map so far.
    """
    from captum.attr import Occlusion

    size = ask.classifier.preprocessing.size
    window = min(ask.knobs.window, size)
    stride = max(1, window // 2)
    across = -(-(size - window) // stride) + 1
    shape, strides = (3, window, window), (3, stride, stride)

    def attribute(number: Callable[[Any], Any], x: Any, base: Any) -> Any:
        call = Occlusion(number).attribute
        return call(x, shape, strides, baselines=base, perturbations_per_eval=BATCH)

    return (yield from _ablated(ask, "occlusion", "Covering", "windows", across * across, attribute, mean=True))


def superpixels(ask: Ask) -> Job[Explanation]:
    """How much the target's number falls when a superpixel is taken away: feature ablation over SLIC's segments.

    Segments as of Achanta et al. 2012 (https://doi.org/10.1109/TPAMI.2012.120). Yields the map so far.
    """
    import torch
    from captum.attr import FeatureAblation

    segments = superpixels_of(ask.classifier.preprocessing.square(ask.image), ask.knobs.segments)
    count = int(segments.max()) + 1

    def attribute(number: Callable[[Any], Any], x: Any, base: Any) -> Any:
        mask = torch.from_numpy(segments).to(x.device)[None, None]
        call = FeatureAblation(number).attribute
        return call(x, base, feature_mask=mask, perturbations_per_eval=BATCH)

    return (yield from _ablated(ask, "superpixels", "Taking away", "superpixels", count, attribute, mean=False))


def superpixels_of(square: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """About so many connected parts of like colour.

    Args:
        square: (size, size, 3) uint8, BGR.
        count: how many are wanted.

    Returns:
        (size, size) int64, 0 to the number of parts less one.
    """
    import cv2
    from skimage.segmentation import slic

    # noise tears the parts to pieces, which are then joined to very few; a median keeps the edges
    calm = cv2.medianBlur(np.ascontiguousarray(square), 5)
    found = slic(calm[..., ::-1], count, compactness=30, sigma=0.5, start_label=0, channel_axis=-1)
    # numbers without a gap: each is one picture to ask about
    return np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int64)


def _ablated(
    ask: Ask,
    key: str,
    what: str,
    unit: str,
    count: int,
    attribute: Callable[[Callable[[Any], Any], Any, Any], Any],
    *,
    mean: bool,
) -> Job[Explanation]:
    """One of Captum's ablations, as a job that can be stopped at every batch, averaged over the baselines.

    Args:
        ask: the question.
        key: of the method.
        what, unit: of its progress.
        count: pictures that are asked about, for each baseline.
        attribute: Captum's call: of the number that is explained, the picture and a baseline.
        mean: whether what several parts say of a pixel is averaged; of parts that do not overlap it is no matter.
    """
    begun = time.perf_counter()
    x = ask.tensor()
    bases = baselines(ask, x)
    pace = Pace(what, count * len(bases), unit)
    shrinking = Shrinking()

    def answer(values: Any, done: bool, steps: int) -> Explanation:
        return ask.answer(key, values, steps=steps, ms=1e3 * (time.perf_counter() - begun), done=done)

    def work(tell: Tell) -> Any:
        total: Any = 0.0
        for place, base in enumerate(bases):
            seen = _Seen(x, mean)

            def number(batch: Any, place: int = place, seen: _Seen = seen, total: Any = total) -> Any:
                import torch

                size = shrinking.size
                numbers = torch.cat(shrinking.run(ask.number, batch))
                if shrinking.size < size:
                    tell(running_short(shrinking.size))
                seen.add(batch, numbers)
                done = place * count + seen.asked
                tell(pace.progress(done))
                if seen.asked and pace.due():
                    tell(answer((total + seen.map()) / (place + 1), False, done))
                return numbers

            # all three colours of a pixel go together and have the same number
            total = total + attribute(number, x, base)[0].mean(0)
        return total / len(bases)

    values = yield from ticking(work)
    return answer(values, True, count * len(bases))


class _Seen:
    """What is known of a map while the library still asks.

    Args:
        x: the picture as the network sees it; it is the first that is asked about.
        mean: whether several answers about one pixel are averaged.
    """

    def __init__(self, x: Any, mean: bool) -> None:
        import torch

        self.asked = 0
        self._x, self._mean = x, mean
        self._whole: Any = None
        self._sum, self._times = (torch.zeros(x.shape[2:], device=x.device) for _ in range(2))

    def add(self, batch: Any, numbers: Any) -> None:
        """Pictures that were asked about, and the answers."""
        if self._whole is None:
            self._whole = numbers[0]
            return
        changed = (batch != self._x).any(1).float()
        self._sum += (changed * (self._whole - numbers)[:, None, None]).sum(0)
        self._times += changed.sum(0)
        self.asked += len(batch)

    def map(self) -> Any:
        """(size, size): 0 where nothing is known yet."""
        return self._sum / self._times.clamp(min=1) if self._mean else self._sum


def rise(ask: Ask) -> Job[Explanation]:
    """What the network says when it sees the picture through random masks (https://arxiv.org/abs/1806.07421).

    The probability of the target given that a pixel is seen (equation 6, with the masks' own sum in place of its
    expectation), less the mean over all masks: above 0 seeing the pixel helps, below 0 it hinders. The order of the
    pixels is the paper's. What is not seen is the baseline. Yields the map of the masks so far.
    """
    import torch

    begun = time.perf_counter()
    x = ask.tensor()
    bases = torch.cat(baselines(ask, x))
    size = ask.classifier.preprocessing.size
    count = ask.knobs.masks

    def piece(numbers: range) -> Any:
        masks = torch.from_numpy(np.stack([rise_mask(size, ask.knobs.seed, number) for number in numbers]))[:, None]
        masks = masks.to(x.device)
        behind = bases[[number % len(bases) for number in numbers]]
        with torch.inference_mode():
            logits = ask.classifier.module(behind + (x - behind) * masks)
            said = ask.target.of(logits.softmax(1))[:, None, None]
            seen = masks[:, 0]
            return torch.stack([(said * seen).sum(0), seen.sum(0), said.expand_as(seen).sum(0)]).double()

    def answer(means: Any, masks: int, done: bool = False) -> Explanation:
        together, seen, said = means
        values = together / seen.clamp(min=1e-9) - said
        return ask.answer("rise", values, steps=masks, ms=1e3 * (time.perf_counter() - begun), done=done)

    means = yield from averaged(Pace("Looking through masks", count, "masks"), count, piece, answer)
    return answer(means, count, True)


def rise_mask(size: int, seed: int, number: int) -> Map:
    """One of RISE's masks (section 3.2): a coarse random grid, enlarged smoothly and shifted at random.

    Args:
        size: pixels of a side.
        seed: 0 or more.
        number: of the mask, from 0; depends on nothing else.

    Returns:
        (size, size) float32, 0 (covered) to 1 (seen).
    """
    import cv2

    rng = np.random.default_rng([seed, number])
    cell = -(-size // CELLS)
    coarse = (rng.random((CELLS + 1, CELLS + 1)) < KEPT).astype(np.float32)
    side = (CELLS + 1) * cell
    large = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    top, left = rng.integers(0, cell, 2)
    return np.asarray(large[top : top + size, left : left + size], np.float32)
