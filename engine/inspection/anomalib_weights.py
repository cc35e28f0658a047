"""Networks of anomalib's models get their weights from this machine's files, and never from the network."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import SightlineError
from engine.inspection.anomalib_table import MOBILE, weights_file

_ONE = threading.Lock()


@contextlib.contextmanager
def weights_at_hand(*, fill: bool = True) -> Iterator[None]:
    """While it holds, timm and torchvision build networks with the weights that are here.

    Both are asked for weights in one place each, and that is exchanged. Networks that are wanted without weights are
    built as ever, by whichever thread.

    Args:
        fill: False leaves the numbers random, for a model whose own tensors hold them.

    Raises:
        SightlineError: inside, where weights are wanted that are not here.
    """
    import timm
    from torchvision.models._api import WeightsEnum

    make, get = timm.create_model, WeightsEnum.get_state_dict

    def create_model(model_name: str, pretrained: bool = False, **options: Any) -> Any:
        network = make(model_name, pretrained=False, **{k: v for k, v in options.items() if k != "pretrained_cfg"})
        if pretrained and fill:
            _fill(network, model_name)
        return network

    def get_state_dict(self: Any, *args: Any, **options: Any) -> Mapping[str, Any]:
        name = str(self).partition("_Weights")[0].casefold()
        if not fill:
            import torchvision

            random: Mapping[str, Any] = torchvision.models.get_model(name, weights=None).state_dict()
            return random
        return _read(name, self.url.rpartition("/")[2])

    with _ONE:
        timm.create_model, WeightsEnum.get_state_dict = create_model, get_state_dict
        try:
            yield
        finally:
            timm.create_model, WeightsEnum.get_state_dict = make, get


def _read(*names: str) -> dict[str, Any]:
    from engine.weights.networks import read_tensors

    for name in names:
        path = weights_file(name)
        if path is not None:
            return read_tensors(path)
    raise SightlineError(
        f"The weights of {names[0]} are not on this machine: put a file of that name (.safetensors or .pth) where "
        "weights are kept, or choose another method."
    )


def _fill(network: Any, name: str) -> None:
    tensors = _mobile() if name == MOBILE else _read(name)
    own = network.state_dict()
    # a network that is cut off after its last used layer lacks the head; timm says "model." before some
    fitting = {key: tensors[key] for key in own if key in tensors and tensors[key].shape == own[key].shape}
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    body = [key for key in missing if key.split(".")[0] not in ("head", "fc", "classifier")]
    if body:
        raise SightlineError(
            f"The file of weights for {name} does not fit that network ({len(body):,} of its tensors are missing): "
            "choose another file."
        )
    network.load_state_dict(fitting, strict=False)


def _mobile() -> dict[str, Any]:
    """torchvision's MobileNetV2 under timm's names; the two list the same tensors in the same order."""
    import timm

    from engine.weights.networks import pretrained_network

    network, _weights = pretrained_network("mobilenet_v2")
    names = timm.create_model(MOBILE, pretrained=False).state_dict()
    return dict(zip(names, network.state_dict().values(), strict=True))
