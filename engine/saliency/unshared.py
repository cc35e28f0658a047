"""A network taken apart for methods that change how gradients pass its activations.

Captum changes them with hooks on modules. So that these see every activation, and each only its own, a copy is made
(torch.fx) in which every call of an activation is a module of its own:

- what is written as a function (`F.relu`) or used twice (the one ReLU of a residual block) becomes a module each;
- ReLU6 and others that Captum does not know are dressed as one that it knows: its rules are of numbers before and
  after, whatever lies between (without it they would silently pass plain gradients);
- each gets its input through a copy, so that a hook changes the gradient of this way only. Captum alone loses the
  rule of a MaxPool behind a ReLU, and a way around an activation.

Parameters are shared with the network, which is left as it is.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from engine.errors import SightlineError
from engine.saliency.classifier import Classifier
from engine.saliency.types import Target


def guided(classifier: Classifier, target: Target) -> Any:
    """The copy for Guided Backprop: a module of (n, 3, size, size) to (n, 1), the number that is asked for.

    Raises:
        SightlineError: the network cannot be taken apart, or has no ReLU.
    """
    copy, found = _apart(classifier, "Guided Backprop", _relu_of)
    if not found:
        raise SightlineError(
            f"{classifier.title} has no ReLU, which Guided Backprop changes: use Saliency or SmoothGrad."
        )
    return _asked(copy, target)


def rescaled(classifier: Classifier, target: Target) -> Any:
    """The copy for DeepLift: a module of (n, 3, size, size) to (n, 1), the number that is asked for.

    Raises:
        SightlineError: the network cannot be taken apart.
    """
    copy, _found = _apart(classifier, "DeepLift", _activation_of, pools=True)
    return _asked(copy, target)


def _asked(copy: Any, target: Target) -> Any:
    import torch

    class Asked(torch.nn.Module):  # type: ignore[misc]
        """A network with one answer."""

        def __init__(self) -> None:
            super().__init__()
            self.network = copy

        def forward(self, batch: Any) -> Any:
            return target.of(self.network(batch))[:, None]

    return Asked().eval()


def _apart(
    classifier: Classifier, method: str, activation_of: Callable[[Any, Any], Any], pools: bool = False
) -> tuple[Any, int]:
    """The copy, and how many activations were found in it."""
    import torch.fx

    try:
        copy = torch.fx.symbolic_trace(classifier.module)
    except Exception as error:
        raise SightlineError(
            f"{classifier.title} cannot be taken apart for {method} ({_first_line(error)}): "
            "use Integrated Gradients, which needs no more than gradients."
        ) from None
    found = 0
    for node in list(copy.graph.nodes):
        pool = _pool_of(copy, node) if pools else None
        function = activation_of(copy, node) if pool is None else None
        if pool is not None:
            _put(copy, node, f"own_{found}", _max_pool(pool))
        elif function is not None:
            _put(copy, node, f"own_{found}", [_dressed(torch.nn.ReLU(), function)])
        else:
            continue
        found += 1
    copy.graph.lint()
    copy.recompile()
    return copy.eval(), found


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _put(copy: Any, node: Any, name: str, modules: list[Any]) -> None:
    """Modules, one after the other, in the place of a node."""
    with copy.graph.inserting_before(node):
        at = copy.graph.call_method("clone", (_taken(node),))
        for number, module in enumerate(modules):
            copy.add_submodule(f"{name}_{number}", module)
            at = copy.graph.call_module(f"{name}_{number}", (at,))
    node.replace_all_uses_with(at)
    copy.graph.erase_node(node)


def _taken(node: Any) -> Any:
    return node.args[0] if node.args else node.kwargs["input"]


def _dressed(module: Any, function: Callable[[Any], Any]) -> Any:
    """A module of a type that Captum knows, which calculates something else."""
    module.forward = function
    return module


def _called(copy: Any, node: Any) -> tuple[str, Any]:
    """What a node calls: ("relu6", a function of one tensor), or ("", None)."""
    import torch

    if node.op == "call_module":
        module = copy.get_submodule(node.target)
        return type(module).__name__.lower(), module.forward
    if node.op == "call_method":
        name = str(node.target).rstrip("_")
        method = getattr(torch.Tensor, name, None)
        return (name, method) if method is not None and len(node.args) == 1 and not node.kwargs else ("", None)
    if node.op == "call_function":
        name = str(getattr(node.target, "__name__", ""))
        # torch.relu_ writes into what it was given, F.relu may be told to
        function = getattr(torch, name.rstrip("_"), node.target) if name.endswith("_") else node.target
        return name.rstrip("_"), _bound(function, node)
    return "", None


def _bound(function: Any, node: Any) -> Any:
    """A function with all its arguments but the first, never in place; None where others come from the network."""
    import torch.fx

    rest, named = node.args[1:], {key: value for key, value in node.kwargs.items() if key != "input"}
    if any(isinstance(value, torch.fx.Node) for value in (*rest, *named.values())):
        return None
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        known = {}  # type: ignore[assignment]
    named = {**dict(zip(list(known)[1:], rest, strict=False)), **named} if known else named
    if "inplace" in named:
        named["inplace"] = False
    return partial(function, **named) if known else lambda tensor: function(tensor, *rest, **named)


_RELUS = ("relu", "relu6")
_ELEMENTWISE = (
    *_RELUS, "hardtanh", "leakyrelu", "leaky_relu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid",
    "tanh", "softplus", "softsign", "hardswish", "hardsigmoid", "logsigmoid",
)  # fmt: skip


def _relu_of(copy: Any, node: Any) -> Any:
    name, function = _called(copy, node)
    return function if name in _RELUS else None


def _activation_of(copy: Any, node: Any) -> Any:
    name, function = _called(copy, node)
    return function if name in _ELEMENTWISE else None


def _pool_of(copy: Any, node: Any) -> dict[str, Any] | None:
    """The arguments of `F.max_pool2d` that a node stands for; None of others."""
    import torch

    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    if node.op == "call_module" and isinstance(pool := copy.get_submodule(node.target), torch.nn.MaxPool2d):
        return {name: getattr(pool, name) for name in names}
    # torch.nn.functional's own has another name inside
    if node.op == "call_function" and node.target in (torch.nn.functional.max_pool2d, torch.max_pool2d):
        given = {**dict(zip(names, node.args[1:], strict=False)), **node.kwargs}
        found = {name: given[name] for name in names if given.get(name) is not None}
        return {"stride": found["kernel_size"], "padding": 0, "dilation": 1, "ceil_mode": False} | found
    return None


def _max_pool(pool: dict[str, Any]) -> list[Any]:
    """The same as a pool whose windows do not overlap: Captum's rule forgets all but one where they do.

    The windows are laid side by side first, which is linear and passes any rule.
    """
    import torch
    from torch.nn import functional

    high, wide = _two(pool["kernel_size"])
    stride, padding, dilation = (_two(pool[name]) for name in ("stride", "padding", "dilation"))
    shape: list[tuple[int, int]] = []

    def side_by_side(x: Any) -> Any:
        out = functional.max_pool2d(x[:1, :1].detach(), **pool).shape[2:]
        shape[:] = [(int(out[0]), int(out[1]))]
        # the same to the picture and to the baseline, and never the largest
        low = float(x.detach().min()) - 1
        ends = [
            max(0, (out[i] - 1) * stride[i] + dilation[i] * (kernel - 1) + 1 - x.shape[2 + i] - padding[i])
            for i, kernel in enumerate((high, wide))
        ]
        x = functional.pad(x, (padding[1], ends[1], padding[0], ends[0]), value=low)
        x = functional.unfold(x, (high, wide), dilation, 0, stride)
        places = x.shape[2]
        x = x.reshape(x.shape[0], -1, high * wide, places).transpose(2, 3)
        return x.reshape(x.shape[0], x.shape[1], 1, places * high * wide)

    def placed(x: Any) -> Any:
        return x.reshape(x.shape[0], x.shape[1], *shape[0])

    identity = torch.nn.Identity
    return [
        _dressed(identity(), side_by_side), torch.nn.MaxPool2d((1, high * wide)), _dressed(identity(), placed)
    ]  # fmt: skip


def _two(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
