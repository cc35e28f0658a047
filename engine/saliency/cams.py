"""Class activation maps: Grad-CAM, Grad-CAM++ and Eigen-CAM, each in the one forward pass that is there anyway."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.saliency.ask import Ask
from engine.saliency.classifier import Classifier, Shrinking
from engine.saliency.types import Explanation, Layer, Map, Prediction, Target


@contextmanager
def watched(classifier: Classifier, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Hooks on layers; a pass fills in what each gave at its last call. They are gone afterwards, whatever happens.

    The first of the layers that is reached becomes the leaf of the graph: what lies before it keeps no memory and has
    no backward pass.
    """
    import torch

    modules = dict(classifier.module.named_modules())
    given: dict[str, Any] = {}
    handles = []

    def watcher(name: str) -> Any:
        def keep(_part: Any, _taken: Any, out: Any) -> Any:
            seen = out if out.requires_grad else out.detach().requires_grad_()
            given[name] = seen
            # a copy goes on: whoever writes into it does not write into what is kept
            return seen.clone() if torch.is_grad_enabled() else seen

        return keep

    try:
        for name in names:
            handles.append(modules[name].register_forward_hook(watcher(name)))
        yield given
    finally:
        for handle in handles:
            handle.remove()


def activations(classifier: Classifier, x: Any, layer: Layer) -> tuple[Any, Any]:
    """One forward pass: the logits (1, classes) and what the layer gave (1, channels, h, w), a leaf of the graph.

    Raises:
        SightlineError: the layer is not reached, or memory is short.
    """
    import torch

    with torch.enable_grad(), watched(classifier, [layer.name]) as given:
        (logits,) = Shrinking(1).run(classifier.module, x)
    if layer.name not in given:
        raise SightlineError(
            f"The layer {layer.name} of {classifier.title} is not reached by a picture: choose another."
        )
    return logits, given[layer.name]


def grad_cam(ask: Ask) -> Job[Explanation]:
    """Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391): channels weighed by their mean gradient."""
    begun = time.perf_counter()
    layer = ask.classifier.layer(ask.knobs.layer)
    yield Progress("Grad-CAM")
    logits, acts = activations(ask.classifier, ask.tensor(), layer)
    values = grad_cam_of(ask.target.of(logits), acts)
    return _answer(ask, "grad_cam", values, layer, begun)


def grad_cam_plus_plus(ask: Ask) -> Job[Explanation]:
    """Grad-CAM++ (Chattopadhay et al. 2018, https://arxiv.org/abs/1710.11063): pixels count by how they excite."""
    import torch

    begun = time.perf_counter()
    layer = ask.classifier.layer(ask.knobs.layer)
    yield Progress("Grad-CAM++")
    logits, acts = activations(ask.classifier, ask.tensor(), layer)
    (slopes,) = torch.autograd.grad(ask.target.of(logits).sum(), acts)
    acts = acts.detach()
    # equation 19, for an exponential of the class's number
    square, cube = slopes**2, slopes**3
    below = 2 * square + (acts * cube).sum((2, 3), keepdim=True)
    alphas = torch.where(below != 0, square / torch.where(below != 0, below, 1), 0)
    weights = (alphas * slopes.relu()).sum((2, 3), keepdim=True)
    return _answer(ask, "grad_cam_plus_plus", (weights * acts).sum(1), layer, begun)


def eigen_cam(ask: Ask) -> Job[Explanation]:
    """Eigen-CAM (Muhammad and Yeasin 2020, https://arxiv.org/abs/2008.00299): the activations' first component.

    It knows no class: what the layer sees most of, whatever the target.
    """
    begun = time.perf_counter()
    layer = ask.classifier.layer(ask.knobs.layer)
    yield Progress("Eigen-CAM")
    _logits, acts = activations(ask.classifier, ask.tensor(), layer)
    return _answer(ask, "eigen_cam", first_component(acts.detach()), layer, begun)


def first_component(acts: Any) -> Any:
    """(1, channels, h, w) projected on its first right singular vector, signed so that more active is above 0."""
    import torch

    rows = acts[0].flatten(1).T.double()
    rows = rows - rows.mean(0)
    _u, _s, vt = torch.linalg.svd(rows, full_matrices=False)
    projected = rows @ vt[0]
    # a component has no sign of its own: the side on which the layer is more active is the positive one
    if (projected * rows.abs().sum(1)).sum() < 0:
        projected = -projected
    return projected.reshape(1, *acts.shape[2:]).float()


def previews(classifier: Classifier, x: Any, target: Target) -> dict[str, Map]:
    """Grad-CAM at every layer that can have one, in one forward and one backward pass.

    Returns:
        (h, w) float32 of each layer, at the layer's own size, in the order of the network.
    """
    import torch

    names = [layer.name for layer in classifier.layers if layer.spatial]
    with torch.enable_grad(), watched(classifier, names) as given:
        number = target.of(classifier.module(x)).sum()
    reached = [name for name in names if name in given]
    slopes = torch.autograd.grad(number, [given[name] for name in reached], allow_unused=True)
    found: dict[str, Map] = {}
    for name, slope in zip(reached, slopes, strict=True):
        if slope is not None:
            found[name] = _weighed(slope, given[name].detach())[0].cpu().numpy()
    return found


class Live:
    """Prediction and Grad-CAM of one picture after another, in one forward pass each.

    Args:
        classifier: the network.
        layer: "" finds it.
    """

    def __init__(self, classifier: Classifier, layer: str = "") -> None:
        self.classifier, self.layer = classifier, classifier.layer(layer)

    def look(self, image: Any, target: Target | None = None) -> tuple[Prediction, Target, Map]:
        """What the network says of a picture ((H, W, 3) uint8 BGR), and why.

        Args:
            image: the picture.
            target: what is asked; None asks for the likeliest class.

        Returns:
            The prediction, the target, and the map (size, size) float32 on the network's square.
        """
        begun = time.perf_counter()
        logits, acts = activations(self.classifier, self.classifier.tensor(image), self.layer)
        said = self.classifier.say(logits[0])
        target = target or Target(said.top(1)[0])
        values = enlarged(grad_cam_of(target.of(logits), acts), self.classifier.preprocessing.size)
        return (
            Prediction(said.logits, said.probabilities, said.names, 1e3 * (time.perf_counter() - begun)),
            target,
            values,
        )


def grad_cam_of(number: Any, acts: Any) -> Any:
    """Grad-CAM of a number (1,) and what a layer gave for it (1, channels, h, w): (1, h, w), with its sign."""
    import torch

    (slopes,) = torch.autograd.grad(number.sum(), acts)
    return _weighed(slopes, acts.detach())


def _weighed(slopes: Any, acts: Any) -> Any:
    """Equations 1 and 2, without the ReLU: what speaks against the class is kept below 0."""
    return (slopes.mean((2, 3), keepdim=True) * acts).sum(1)


def enlarged(values: Any, size: int) -> Map:
    """A layer's map (1, h, w) on the network's square: (size, size) float32."""
    import torch

    large = torch.nn.functional.interpolate(values[None], (size, size), mode="bilinear", align_corners=False)
    map_: Map = large[0, 0].cpu().numpy()
    return map_


def _answer(ask: Ask, method: str, values: Any, layer: Layer, begun: float) -> Explanation:
    map_ = enlarged(values, ask.classifier.preprocessing.size)
    if ask.knobs.relu:
        map_ = map_.clip(min=0)
    return ask.answer(method, map_, layer=layer.name, ms=1e3 * (time.perf_counter() - begun))
