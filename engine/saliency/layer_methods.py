"""Attribution to and from the inside of a network, by Captum: what a layer adds, and what makes a channel fire."""

import time
from typing import Any

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.saliency.ask import Ask
from engine.saliency.cams import activations, enlarged
from engine.saliency.integrated_gradients import baselines
from engine.saliency.knobs import COMPLETE, MOST_STEPS, incomplete
from engine.saliency.stoppable import Pace, Tell, halving, ticking
from engine.saliency.types import Explanation


def layer_conductance(ask: Ask) -> Job[Explanation]:
    """What flows through each place of a layer on the way from the baseline to the picture.

    Integrated Gradients, split up by a layer's units (Dhamdhere, Sundararajan, Yan 2018,
    https://arxiv.org/abs/1805.12233), added over the channels: the sum is F(x) - F(baseline) at a layer that all
    passes through.
    """
    from captum.attr import LayerConductance

    begun = time.perf_counter()
    layer = ask.classifier.layer(ask.knobs.layer)
    module = ask.classifier.module.get_submodule(layer.name)
    x = ask.tensor()
    bases = baselines(ask, x)
    steps = ask.knobs.steps
    pace = Pace("Integrating through the layer", steps * len(bases), "steps")

    def work(tell: Tell) -> Any:
        total: Any = 0.0
        for place, base in enumerate(bases):
            ticker = _Ticker(ask, pace, tell, place * steps, ends=1)

            def run(size: int, base: Any = base, ticker: _Ticker = ticker) -> Any:
                ticker.restart()
                call = LayerConductance(ticker.number, module).attribute
                return call(x, base, n_steps=steps, internal_batch_size=size)

            # two at least: a step is between two places
            total = total + halving(tell, run, least=2).detach()
        return total / len(bases)

    found = yield from ticking(work)
    coarse = found.sum(1)
    gap = ask.gap(x, bases)
    return ask.answer(
        "layer_conductance",
        enlarged(coarse.float(), ask.classifier.preprocessing.size),
        layer=layer.name,
        steps=steps,
        completeness_error=incomplete(coarse, gap),
        gap=gap,
        ms=1e3 * (time.perf_counter() - begun),
    )


def neuron(ask: Ask) -> Job[Explanation]:
    """Which pixels make one channel of a layer fire: Integrated Gradients of its sum over all places.

    Without a channel in the knobs it is the one that speaks most for the target (gradient times activation). It is in
    the explanation's details. Steps double as for Integrated Gradients: a channel is rougher on the way than a class
    and needs more. Yields the map before each doubling.

    Raises:
        SightlineError: the layer has no such channel.
    """
    from captum.attr import NeuronIntegratedGradients

    begun = time.perf_counter()
    layer = ask.classifier.layer(ask.knobs.layer)
    channels = layer.shape[0]
    if ask.knobs.channel >= channels:
        raise SightlineError(
            f"The layer {layer.name} has no channel {ask.knobs.channel}: it has {channels:,}, 0 to {channels - 1}."
        )
    module = ask.classifier.module.get_submodule(layer.name)
    x = ask.tensor()
    yield Progress("Choosing a channel")
    channel = ask.knobs.channel if ask.knobs.channel >= 0 else loudest_channel(ask, layer)
    bases = baselines(ask, x)

    def fires(out: Any) -> Any:
        return out[:, channel].sum((1, 2))

    def at(steps: int) -> Job[Any]:
        """The map, (size, size), with so many steps."""
        pace = Pace(f"Integrating channel {channel}", steps * len(bases), "steps")

        def work(tell: Tell) -> Any:
            total: Any = 0.0
            for place, base in enumerate(bases):
                ticker = _Ticker(ask, pace, tell, place * steps)

                def run(size: int, base: Any = base, ticker: _Ticker = ticker) -> Any:
                    ticker.restart()
                    call = NeuronIntegratedGradients(ticker.number, module).attribute
                    return call(x, fires, base, n_steps=steps, internal_batch_size=size)

                total = total + halving(tell, run).detach()
            return total / len(bases)

        return (yield from ticking(work))[0].sum(0)

    fired = [float(fires(activations(ask.classifier, picture, layer)[1]).detach()) for picture in (x, *bases)]
    gap = fired[0] - sum(fired[1:]) / len(bases)

    def answer(values: Any, steps: int, done: bool) -> Explanation:
        return ask.answer(
            "neuron",
            values,
            layer=layer.name,
            steps=steps,
            completeness_error=incomplete(values, gap),
            gap=gap,
            ms=1e3 * (time.perf_counter() - begun),
            done=done,
            details={"channel": float(channel)},
        )

    steps = ask.knobs.steps
    while True:
        values = yield from at(steps)
        if not ask.knobs.double or incomplete(values, gap) <= COMPLETE or 2 * steps > MOST_STEPS:
            return answer(values, steps, True)
        yield answer(values, steps, False)
        steps *= 2


def loudest_channel(ask: Ask, layer: Any) -> int:
    """The channel of a layer that speaks most for the target: gradient times activation, added over its places."""
    import torch

    logits, acts = activations(ask.classifier, ask.tensor(), layer)
    (slopes,) = torch.autograd.grad(ask.target.of(logits).sum(), acts)
    return int((slopes * acts.detach()).sum((0, 2, 3)).argmax())


class _Ticker:
    """Counts what a library asks the network, and tells how far it is before every pass.

    Args:
        ask: the question.
        pace: of all steps.
        tell: where to.
        first: steps that were done before.
        ends: pictures of each pass that the pass after it takes again.
    """

    def __init__(self, ask: Ask, pace: Pace, tell: Tell, first: int, ends: int = 0) -> None:
        self._ask, self._pace, self._tell, self._first, self._ends = ask, pace, tell, first, ends
        self._done = 0

    def restart(self) -> None:
        """Begin to count anew."""
        self._done = 0

    def number(self, batch: Any) -> Any:
        """The number that is explained: (n, 3, size, size) to (n,)."""
        self._tell(self._pace.progress(self._first + self._done))
        found = self._ask.number(batch)
        self._done += len(batch) - self._ends
        return found
