"""Where the networks come from: torchvision and timm by name, a file, or a folder that was trained here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import SightlineError
from engine.job import drive
from engine.saliency.classifier import Classifier, wrap
from engine.weights.cards import Card, cards, find_card
from engine.weights.fetch import locate
from engine.weights.networks import classifier_network
from engine.weights.preprocessing import Preprocessing

TITLES = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18", "squeezenet1_1": "SqueezeNet 1.1"}


def open_classifier(
    network: str, weights: str | Path = "", names: str | Path | Sequence[str] = "", device: str = "auto"
) -> Classifier:
    """A classifier that is on this machine; nothing is downloaded.

    Args:
        network: a name of torchvision or timm ("mobilenet_v2"), or the folder of one that was trained here.
        weights: a state dict for such a name; "" looks where weights are kept.
        names: a text file with a name a line, or the names; "" takes those of ImageNet where there are 1,000.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        SightlineError: it is not there, is damaged, would run code, or has another number of classes than names.
    """
    folder = Path(network).expanduser()
    if (folder / "card.json").is_file() or folder.is_dir():
        return _trained(folder, names, device)
    path = _file(network, weights)
    module, classes = classifier_network(network, path)
    given = _names(names) if isinstance(names, str | Path) else tuple(names)
    if not given and classes == 1000:
        given = imagenet_names()
    title = TITLES.get(network, network)
    return wrap(module, given, preprocessing_of(network), title=title, device=device, source=network)


def _trained(folder: Path, names: Any, device: str) -> Classifier:
    from engine.learning.keeping import open_classifier as open_trained

    trained = drive(open_trained(folder))
    given = (_names(names) if isinstance(names, str | Path) else tuple(names)) or trained.names
    return wrap(trained.module, given, trained.preprocessing, title=folder.name, device=device, source=str(folder))


def _file(network: str, weights: str | Path) -> Path:
    if weights:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise SightlineError(f"There is no file {path}: check the path of the network's weights.")
        return path
    found = locate(network)
    if found is not None and found.is_file():
        return found
    card = find_card(network)
    where = f"fetch them from {card.address}" if card is not None else "give their file"
    raise SightlineError(f"The weights of {network} are not on this machine: {where}, or train a network of your own.")


def _names(file: str | Path) -> tuple[str, ...]:
    if not str(file):
        return ()
    path = Path(file).expanduser()
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SightlineError(
            f"{path} could not be read as a list of names: give a text file with a name a line."
        ) from None
    return tuple(line.strip() for line in lines if line.strip())


def imagenet_names() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet in torchvision's order."""
    import torchvision

    return tuple(torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def preprocessing_of(network: str) -> Preprocessing:
    """How a network's own weights want their pictures, as torchvision or timm say."""
    import torchvision

    if network.lower() in torchvision.models.list_models(module=torchvision.models):
        weights = torchvision.models.get_model_weights(network).DEFAULT
        # the first weights are those that the cards name
        first = next(iter(type(weights).__members__.values()))
        says = first.transforms()
        return Preprocessing(says.crop_size[0], says.resize_size[0], "crop", tuple(says.mean), tuple(says.std))
    import timm

    says = timm.data.resolve_model_data_config(timm.create_model(network, pretrained=False))
    size = int(says["input_size"][1])
    resize = max(size, round(size / float(says["crop_pct"])))
    return Preprocessing(size, resize, "crop", tuple(says["mean"]), tuple(says["std"]))


def trained_here() -> list[Path]:
    """The folders of the networks that were trained here, newest first."""
    from engine.learning.keeping import list_classifiers

    return [card.folder for card in list_classifiers() if card.folder is not None]


def networks_here() -> list[tuple[Card, bool]]:
    """The cards of networks that sort pictures, and whether their weights are on this machine."""
    return [(card, locate(card.name) is not None) for card in cards() if card.task == "classify"]
