"""Methods that read gradients, by Captum: Saliency to GradientSHAP. Captum's calls are made a batch at a time."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from engine.job import Job, Progress
from engine.saliency.ask import Ask
from engine.saliency.cams import activations, enlarged, grad_cam_of
from engine.saliency.classifier import Shrinking
from engine.saliency.integrated_gradients import baselines
from engine.saliency.knobs import incomplete
from engine.saliency.stoppable import Pace, averaged, seeded
from engine.saliency.types import Explanation
from engine.saliency.unshared import guided, rescaled

_APART = 1_000_003
"""Between the seeds of two runs: more than there are samples in one."""


def saliency(ask: Ask) -> Job[Explanation]:
    """How strongly each pixel moves the target's number (Simonyan et al. 2013, https://arxiv.org/abs/1312.6034).

    The size of the gradient, the largest of the three colours (section 3.1).
    """
    from captum.attr import Saliency

    begun = time.perf_counter()
    yield Progress("Saliency")
    slopes = _one(lambda x: Saliency(ask.number).attribute(x, abs=True), ask.tensor())
    return ask.answer("saliency", slopes[0].amax(0), steps=1, ms=_since(begun))


def input_x_gradient(ask: Ask) -> Job[Explanation]:
    """The gradient times the pixel (Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713), added over the colours.

    The pixel is what the network sees: 0 is the mean colour of its preprocessing.
    """
    from captum.attr import InputXGradient

    begun = time.perf_counter()
    yield Progress("Input x Gradient")
    found = _one(lambda x: InputXGradient(ask.number).attribute(x), ask.tensor())
    return ask.answer("input_x_gradient", found[0].sum(0), steps=1, ms=_since(begun))


def smooth_grad(ask: Ask) -> Job[Explanation]:
    """Saliency of the mean gradient of noisy copies (Smilkov et al. 2017, https://arxiv.org/abs/1706.03825).

    Yields the map of the copies so far.
    """
    from captum.attr import NoiseTunnel, Saliency

    begun = time.perf_counter()
    x = ask.tensor()
    deviation = ask.knobs.noise * float(x.max() - x.min())
    tunnel = NoiseTunnel(Saliency(ask.number))

    def piece(samples: range) -> Any:
        with seeded(ask.knobs.seed * _APART + samples.start, ask.classifier.device):
            mean = tunnel.attribute(x, nt_samples=len(samples), stdevs=deviation, abs=False)
        return mean.detach() * len(samples)

    def answer(mean: Any, samples: int, done: bool = False) -> Explanation:
        return ask.answer("smooth_grad", mean[0].abs().amax(0), steps=samples, ms=_since(begun), done=done)

    count = ask.knobs.samples
    mean = yield from averaged(Pace("Averaging noisy copies", count, "copies"), count, piece, answer)
    return answer(mean, count, True)


def guided_backprop(ask: Ask) -> Job[Explanation]:
    """The gradient, less what is below 0 at every ReLU (Springenberg et al. 2014, https://arxiv.org/abs/1412.6806).

    Its size, the largest of the three colours.

    Raises:
        SightlineError: the network has no ReLU, or cannot be taken apart.
    """
    begun = time.perf_counter()
    yield Progress("Guided Backprop")
    return ask.answer("guided_backprop", _guided(ask)[0].abs().amax(0), steps=1, ms=_since(begun))


def guided_grad_cam(ask: Ask) -> Job[Explanation]:
    """Guided Backprop where Grad-CAM speaks for the target (https://arxiv.org/abs/1610.02391, section 3.2).

    Raises:
        SightlineError: as Guided Backprop and Grad-CAM.
    """
    import torch

    begun = time.perf_counter()
    layer = ask.classifier.layer(ask.knobs.layer)
    yield Progress("Guided Grad-CAM")
    logits, acts = activations(ask.classifier, ask.tensor(), layer)
    cam = enlarged(grad_cam_of(ask.target.of(logits), acts).relu(), ask.classifier.preprocessing.size)
    slopes = _guided(ask)[0]
    values = (slopes * torch.from_numpy(cam).to(slopes.device)).abs().amax(0)
    return ask.answer("guided_grad_cam", values, layer=layer.name, steps=1, ms=_since(begun))


def _guided(ask: Ask) -> Any:
    from captum.attr import GuidedBackprop

    copy = guided(ask.classifier, ask.target)
    with _quiet():
        return _one(lambda x: GuidedBackprop(copy).attribute(x, target=0), ask.tensor())


def deep_lift(ask: Ask) -> Job[Explanation]:
    """Differences from the baseline, handed back by the rescale rule (https://arxiv.org/abs/1704.02685).

    Raises:
        SightlineError: the network cannot be taken apart.
    """
    from captum.attr import DeepLift

    begun = time.perf_counter()
    x = ask.tensor()
    bases = baselines(ask, x)
    pace = Pace("DeepLift", len(bases), "baselines")
    yield pace.progress(0)
    copy = rescaled(ask.classifier, ask.target)
    total: Any = 0.0
    for number, base in enumerate(bases):
        with _quiet():
            call = partial(DeepLift(copy).attribute, baselines=base, target=0)
            total = total + _one(call, x)[0]
        yield pace.progress(number + 1)
    values = (total / len(bases)).sum(0)
    gap = ask.gap(x, bases)
    return ask.answer(
        "deep_lift", values, steps=len(bases), completeness_error=incomplete(values, gap), gap=gap, ms=_since(begun)
    )


def gradient_shap(ask: Ask) -> Job[Explanation]:
    """Gradients at random places between noisy copies and baselines, times the way between the two.

    Expected gradients (Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874; Erion et al. 2021,
    https://arxiv.org/abs/1906.10670): the sum is F(x) - F(baseline) on average only, so its error shrinks with the
    samples. Yields the map of the samples so far.
    """
    import torch
    from captum.attr import GradientShap

    begun = time.perf_counter()
    x = ask.tensor()
    bases = baselines(ask, x)
    gap = ask.gap(x, bases)
    deviation = ask.knobs.noise * float(x.max() - x.min())
    shap, several = GradientShap(ask.number), torch.cat(bases)

    def piece(samples: range) -> Any:
        with seeded(ask.knobs.seed * _APART + samples.start, ask.classifier.device):
            mean = shap.attribute(x, baselines=several, n_samples=len(samples), stdevs=deviation)
        return mean.detach() * len(samples)

    def answer(mean: Any, samples: int, done: bool = False) -> Explanation:
        values = mean[0].sum(0)
        return ask.answer(
            "gradient_shap",
            values,
            steps=samples,
            completeness_error=incomplete(values, gap),
            gap=gap,
            ms=_since(begun),
            done=done,
        )

    count = ask.knobs.samples
    mean = yield from averaged(Pace("Averaging samples", count, "samples"), count, piece, answer)
    return answer(mean, count, True)


def _one(call: Callable[[Any], Any], x: Any) -> Any:
    """A call with one picture; says so where not even that fits into memory."""
    # Captum warns of a picture that asks for no gradient
    (found,) = Shrinking(1).run(lambda picture: call(picture.detach().requires_grad_()), x)
    return found.detach()


@contextmanager
def _quiet() -> Iterator[None]:
    """Captum warns of every hook that it sets and removes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        yield


def _since(begun: float) -> float:
    return 1e3 * (time.perf_counter() - begun)
