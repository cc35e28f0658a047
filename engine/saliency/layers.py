"""The tree of a network's layers, as one forward pass meets them."""

from itertools import count
from typing import Any

from engine.errors import SightlineError
from engine.saliency.types import Layer


def find_layers(module: Any, size: int, device: str, title: str) -> tuple[tuple[Layer, ...], Any]:
    """Every module that a pass reaches, in the order of `named_modules`, and the answer to a grey picture.

    Args:
        module: (1, 3, size, size) float32 to whatever it answers.
        size: side of the square.
        device: where the module is.
        title: what the network is called in a sentence.

    Raises:
        SightlineError: the network does not take such a picture.
    """
    import torch

    names = {id(part): name for name, part in module.named_modules() if name}
    seen: dict[str, tuple[tuple[int, ...], int]] = {}
    calls = count()

    def note(part: Any, _taken: Any, given: Any) -> None:
        if isinstance(given, torch.Tensor):
            seen[names[id(part)]] = tuple(given.shape[1:]), next(calls)

    handles = [part.register_forward_hook(note) for name, part in module.named_modules() if name]
    try:
        with torch.inference_mode():
            answer = module(torch.zeros((1, 3, size, size), device=device))
    except SightlineError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise SightlineError(
            f"{title} does not take a picture of {size}x{size} pixels ({said[0][:120]}): "
            "check its size, or choose another network."
        ) from None
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(answer, torch.Tensor):
        raise SightlineError(
            f"{title} answers with {type(answer).__name__} and not with a tensor: it is no classifier."
        )
    found = [Layer(name, type(part).__name__, *seen[name]) for name, part in module.named_modules() if name in seen]
    return tuple(found), answer
