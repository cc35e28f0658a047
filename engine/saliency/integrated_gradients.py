"""Integrated Gradients (Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365), as a job that sharpens."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.job import Job, Notice, Progress
from engine.saliency.ask import Ask
from engine.saliency.classifier import Classifier, Shrinking
from engine.saliency.knobs import COMPLETE, MOST_STEPS, SMALL_GAP
from engine.saliency.types import Explanation, Target

KEY = "integrated_gradients"
Show = Callable[[Any, int, int], Any]


def integrated_gradients(ask: Ask) -> Job[Explanation]:
    """The gradient, averaged on the straight way from a baseline to the picture, times the difference of the two.

    Yields a map of the partial sums after each batch; doubles the steps until the map's sum is near enough to
    F(x) - F(baseline), which the method promises (completeness, Proposition 1).
    """
    import torch

    begun = time.perf_counter()
    x = ask.tensor()
    bases = baselines(ask, x)
    logits = ask.classifier.logits(torch.cat([x, *bases]))
    numbers = ask.target.of(logits).double()
    gap = float((numbers[0] - numbers[1:]).mean())
    steps = ask.knobs.steps

    def answer(total: Any, done: bool) -> Explanation:
        error = abs(float(total.sum()) - gap) / (abs(gap) if abs(gap) >= SMALL_GAP else 1.0)
        return ask.answer(
            KEY,
            total.sum(0),
            steps=steps,
            completeness_error=error,
            gap=gap,
            ms=1e3 * (time.perf_counter() - begun),
            done=done,
        )

    while True:
        total = torch.zeros(x.shape[1:], dtype=torch.float64, device=x.device)
        for number, base in enumerate(bases):

            def partial(sum_: Any, share: float, number: int = number, total: Any = total) -> Explanation:
                weight = number + share
                return answer((total + sum_) / weight if weight else total, False)

            sum_ = yield from path_integral(
                ask.classifier, x, base, ask.target, steps, see=partial, done=number * steps, total=len(bases) * steps
            )
            total = total + sum_
        found = answer(total / len(bases), True)
        assert found.completeness_error is not None
        if not ask.knobs.double or found.completeness_error <= COMPLETE or 2 * steps > MOST_STEPS:
            return found
        steps *= 2


def path_integral(
    classifier: Classifier,
    x: Any,
    base: Any,
    target: Target,
    steps: int,
    *,
    see: Callable[[Any, float], Explanation] | None = None,
    done: int = 0,
    total: int | None = None,
) -> Job[Any]:
    """The attributions of one picture and one baseline at so many Gauss-Legendre steps.

    Args:
        classifier: the network.
        x, base: (1, 3, size, size) float32.
        target: what is asked.
        steps: gradients on the way.
        see: makes what is yielded, of the sum so far and the share of the way's weight that is in it.
        done, total: of the progress, in steps.

    Returns:
        (3, size, size) float64: their sum over all is F(x) - F(base), as exactly as the steps allow.
    """
    import torch

    alphas, weights = gauss_legendre(steps)
    # spread over the whole way from the beginning, so that the partial sums already look like the whole
    order = spread(steps)
    device = x.device
    way = x - base
    sum_ = torch.zeros(x.shape[1:], dtype=torch.float64, device=device)
    shrinking = Shrinking()
    clock = time.perf_counter()
    share, at = 0.0, 0

    def gradients(chosen: Any) -> Any:
        alpha = torch.tensor(alphas[chosen], dtype=torch.float32, device=device).view(-1, 1, 1, 1)
        points = torch.addcmul(base, alpha, way).contiguous(memory_format=torch.channels_last).requires_grad_()
        number = target.of(classifier.module(points)).sum()
        (slopes,) = torch.autograd.grad(number, points)
        weight = torch.tensor(weights[chosen], dtype=torch.float32, device=device)
        return torch.einsum("nchw,n->chw", slopes, weight)

    while at < steps:
        chosen = order[at : at + shrinking.size]
        shrunk = shrinking.shrunk
        for slope in shrinking.run(gradients, chosen):
            sum_ += slope
        if shrinking.shrunk and not shrunk:
            yield Notice(f"Memory runs short: going on with {shrinking.size} pictures at a time.")
        at += len(chosen)
        share = float(weights[order[:at]].sum())
        left = (time.perf_counter() - clock) / at * ((total or steps) - done - at)
        yield Progress("Integrating gradients", done + at, total or steps, "steps", left)
        if see is not None and at < steps:
            yield see(sum_ * way[0], share)
    return sum_ * way[0].double()


def gauss_legendre(steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where on the way 0..1 to look and how much each place counts: two (steps,) arrays; the weights add up to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2


def spread(count: int) -> NDArray[np.int64]:
    """0..count-1 in an order whose every beginning is spread evenly (van der Corput)."""
    bits = max(1, (count - 1).bit_length())
    turned = [int(format(number, f"0{bits}b")[::-1], 2) for number in range(1 << bits)]
    return np.array([number for number in turned if number < count], np.int64)


def baselines(ask: Ask, x: Any) -> list[Any]:
    """What stands for "nothing there": pictures (1, 3, size, size) as the network sees them."""
    several = ("black", "white", "blur", "mean")
    kinds = several if ask.knobs.baseline == "several" else (ask.knobs.baseline,)
    return [baseline(ask, x, kind) for kind in kinds]


def baseline(ask: Ask, x: Any, kind: str) -> Any:
    """One baseline; `kind` as in `engine.saliency.knobs.BASELINES`, except "several"."""
    import cv2
    import torch

    preprocessing = ask.classifier.preprocessing
    square = preprocessing.square(ask.image)
    if kind == "blur":
        square = cv2.GaussianBlur(square, (0, 0), preprocessing.size / 12, borderType=cv2.BORDER_REPLICATE)
    elif kind == "mean":
        square = np.broadcast_to(square.reshape(-1, 3).mean(0).round().astype(np.uint8), square.shape)
    elif kind == "noise":
        square = np.random.default_rng(ask.knobs.seed).integers(0, 256, square.shape, dtype=np.uint8)
    else:
        square = np.full_like(square, 255 if kind == "white" else 0)
    made = torch.from_numpy(preprocessing.normalise(square[None])).to(x.device)
    return made.contiguous(memory_format=torch.channels_last)
