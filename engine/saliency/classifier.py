"""A network that sorts pictures, made ready to be explained."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.device import out_of_memory, pick_device
from engine.errors import SightlineError
from engine.saliency.layers import find_layers
from engine.saliency.types import Image, Layer, Map, Prediction, Target
from engine.weights.preprocessing import Preprocessing

BATCH = 8
"""Pictures in one pass; more is no faster on a CPU and takes more memory."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network and what belongs to it.

    Attributes:
        module: in evaluation mode, parameters frozen, nothing in place; (n, 3, size, size) float32 to (n, classes).
        names: of the classes.
        preprocessing: how pictures are made for it.
        title: what it is called.
        layers: its modules in the order of the pass, see `engine.saliency.layers`.
        device: where it is.
        source: the name, folder or file it came from; "" for a module of one's own.
    """

    module: Any
    names: tuple[str, ...]
    preprocessing: Preprocessing
    title: str
    layers: tuple[Layer, ...]
    device: str = "cpu"
    source: str = ""

    def tensor(self, image: Image) -> Any:
        """The network's view of a picture ((H, W, 3) uint8 BGR): (1, 3, size, size) float32."""
        import torch

        square = self.preprocessing.square(image)
        tensor = torch.from_numpy(self.preprocessing.normalise(square[None])).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def predict(self, image: Image) -> Prediction:
        """What the network says of a picture.

        Raises:
            SightlineError: its answer is no number.
        """
        begun = time.perf_counter()
        said = self.say(self.logits(self.tensor(image))[0])
        return replace(said, ms=1e3 * (time.perf_counter() - begun))

    def say(self, logits: Any) -> Prediction:
        """The prediction that a row of logits stands for.

        Raises:
            SightlineError: they are no numbers.
        """
        row: Map = logits.detach().float().cpu().numpy()
        if not np.isfinite(row).all():
            raise SightlineError(
                f"{self.title} answers with what is no number (NaN): its weights are damaged; choose other weights."
            )
        powers = np.exp(row - row.max())
        return Prediction(row, powers / powers.sum(), self.names)

    def logits(self, batch: Any) -> Any:
        """(n, 3, size, size) to (n, classes), without gradients, in as many passes as memory allows."""
        import torch

        with torch.inference_mode():
            return torch.cat(Shrinking().run(self.module, batch))

    def target(self, wanted: str | int, against: str | int | None = None, image: Image | None = None) -> Target:
        """The class that is meant.

        Args:
            wanted: an index, a name, the beginning of one, or "top1", "top2" ... of `image`.
            against: the class that it is compared with, likewise.
            image: the picture, for "top1".

        Raises:
            SightlineError: there is no such class, or more than one is meant.
        """
        order = self.predict(image).top(len(self.names)) if image is not None else []
        index = self._index(wanted, order)
        other = None if against is None else self._index(against, order)
        if index == other:
            raise SightlineError(f"{self.names[index]} cannot be compared with itself: choose another class.")
        return Target(index, other)

    def _index(self, wanted: str | int, order: Sequence[int]) -> int:
        text = str(wanted).strip()
        count = len(self.names)
        if text.startswith("top") and text[3:].isdigit() and order:
            rank = int(text[3:])
            if 1 <= rank <= count:
                return order[rank - 1]
        if text.lstrip("-").isdigit():
            if 0 <= int(text) < count:
                return int(text)
            raise SightlineError(f"There is no class {text}: {self.title} has {count:,} classes, 0 to {count - 1}.")
        words = text.casefold().replace("_", " ")
        named = [name.casefold().replace("_", " ") for name in self.names]
        for matches in (lambda n: n == words, lambda n: n.startswith(words), lambda n: words in n):
            found = [index for index, name in enumerate(named) if words and matches(name)]
            if len(found) == 1:
                return found[0]
            if found:
                some = ", ".join(self.names[index] for index in found[:4])
                raise SightlineError(
                    f"{text} may mean {len(found)} classes ({some} …): give the whole name or its index."
                )
        raise SightlineError(f"{self.title} has no class {text}: give one of its {count:,} names, an index, or top1.")

    def layer(self, name: str = "") -> Layer:
        """A layer by its name; "" is the last that still says where in the picture.

        Raises:
            SightlineError: there is none, it has no spatial extent, or a pass does not reach it.
        """
        spatial = [layer for layer in self.layers if layer.spatial]
        if not name:
            if not spatial:
                raise SightlineError(
                    f"{self.title} has no layer with spatial extent, which Grad-CAM needs: "
                    "use Integrated Gradients or another method without a layer."
                )
            # a block ends after the last layer inside it: of those that hold no other, the last
            inmost = [one for one in spatial if not any(o.name.startswith(one.name + ".") for o in spatial)]
            return _outermost(max(inmost, key=lambda one: one.last_call), spatial)
        for layer in self.layers:
            if layer.name == name:
                if not layer.spatial:
                    raise SightlineError(
                        f"The layer {name} of {self.title} no longer says where in the picture: choose an earlier one."
                    )
                return layer
        if any(name == inner for inner, _ in self.module.named_modules()):
            raise SightlineError(f"The layer {name} of {self.title} is not reached by a picture: choose another.")
        raise SightlineError(
            f"{self.title} has no layer {name}: the last that Grad-CAM can use is {self.layer().name}."
        )


def _outermost(found: Layer, spatial: Sequence[Layer]) -> Layer:
    """Of a block and the last layer inside it, which give the same, the block: the name that a paper would give."""
    parent = found.name.rpartition(".")[0]
    while "." in parent:
        block = next((layer for layer in spatial if layer.name == parent), None)
        if block is None or block.shape != found.shape:
            break
        found, parent = block, parent.rpartition(".")[0]
    return found


def wrap(
    module: Any,
    names: Sequence[str] = (),
    preprocessing: Preprocessing | None = None,
    *,
    title: str = "the network",
    device: str = "auto",
    source: str = "",
) -> Classifier:
    """Make a module of one's own ready to be explained; the module itself is left as it is.

    Args:
        module: (n, 3, size, size) float32, RGB, normalised as `preprocessing` says, to (n, classes).
        names: of the classes; without them they are numbered.
        preprocessing: how pictures are made; the usual one of ImageNet where None.
        title: what it is called in sentences.
        device: "auto", "cpu", "cuda" or "mps".
        source: where it came from.

    Raises:
        SightlineError: it does not answer with (n, classes), with another number of classes than names, or with what
            is no number.
    """
    import copy

    import torch

    own = copy.deepcopy(module).eval()
    for parameter in own.parameters():
        parameter.requires_grad = False
    for part in own.modules():
        # a hook that sees an output which the next module overwrites would see the wrong numbers
        if getattr(part, "inplace", False):
            part.inplace = False
    where = pick_device(device)
    own = own.to(where, memory_format=torch.channels_last)
    preprocessing = preprocessing or Preprocessing()
    layers, answer = find_layers(own, preprocessing.size, where, title)
    if answer.ndim != 2:
        raise SightlineError(
            f"{title} answers with shape {tuple(answer.shape)} and not with one number a class: it is no classifier."
        )
    count = int(answer.shape[1])
    if names and len(names) != count:
        raise SightlineError(
            f"{title} knows {count:,} classes but {len(names):,} names were given: give one name a class, in its order."
        )
    if not torch.isfinite(answer).all():
        raise SightlineError(
            f"{title} answers with what is no number (NaN): its weights are damaged; choose other weights."
        )
    words = tuple(names) or tuple(f"class {index}" for index in range(count))
    return Classifier(own, words, preprocessing, title, layers, where, source)


class Shrinking:
    """A batch size that halves when memory runs short.

    Attributes:
        size: pictures in one pass.
        shrunk: whether it had to give way.
    """

    def __init__(self, size: int = BATCH) -> None:
        self.size = size
        self.shrunk = False

    def run(self, work: Callable[[Any], Any], batch: Any) -> list[Any]:
        """`work` on pieces of a batch; a piece that does not fit is tried again in halves.

        Raises:
            SightlineError: not even one picture fits.
        """
        results: list[Any] = []
        start = 0
        while start < len(batch):
            try:
                results.append(work(batch[start : start + self.size]))
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if self.size == 1:
                    raise SightlineError(
                        "There is not enough memory for one picture: close other programs or choose a smaller network."
                    ) from None
                self.size, self.shrunk = max(1, self.size // 2), True
                continue
            start += self.size
        return results
