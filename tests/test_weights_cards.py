"""What is known of each file of weights agrees with the packages that state it."""

import pytest

from engine.weights.cards import cards, find_card


def test_every_card_is_whole():
    tasks = {"detect", "segment", "pose", "classify", "features"}
    names = [name for card in cards() for name in (card.name, *card.files)]
    assert len(names) == len(set(names))
    for card in cards():
        assert card.address.startswith("https://")
        assert card.address.endswith(card.file)
        assert card.licence
        assert card.task in tasks


@pytest.mark.parametrize("name", ["yolo11n", "yolo11n.pt", "YOLO11n.pt", "/somewhere/yolo11n.pt"])
def test_a_card_answers_to_its_name_and_files(name):
    assert find_card(name).title == "YOLO11n"


def test_an_unknown_name_has_no_card():
    assert find_card("mine.pt") is None


@pytest.mark.parametrize("letters", ["yolo11n", "yolo11s", "yolo11m", "yolo26n", "yolo26s", "yolov8n"])
@pytest.mark.parametrize(("kin", "task"), [("", "detect"), ("-seg", "segment"), ("-pose", "pose")])
def test_yolo_addresses_are_those_of_ultralytics(letters, kin, task):
    import inspect

    from ultralytics.utils import downloads

    card = find_card(letters + kin)
    release = inspect.signature(downloads.attempt_download_asset).parameters["release"].default
    assert card.file in downloads.GITHUB_ASSETS_NAMES
    assert card.address == f"https://github.com/{downloads.GITHUB_ASSETS_REPO}/releases/download/{release}/{card.file}"
    assert card.task == task


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("mobilenet_v2", "MobileNet_V2_Weights"),
        ("resnet18", "ResNet18_Weights"),
        ("wide_resnet50_2", "Wide_ResNet50_2_Weights"),
        ("squeezenet1_1", "SqueezeNet1_1_Weights"),
    ],
)
def test_torchvision_addresses_sizes_and_hashes_are_torchvisions(name, enum):
    import torchvision

    card, weights = find_card(name), getattr(torchvision.models, enum).IMAGENET1K_V1
    assert card.address == weights.url
    assert card.size == round(weights.meta["_file_size"] * 2**20)
    # the last part of such a name is the beginning of the file's sha256
    assert card.sha256 == weights.url.removesuffix(".pth").rpartition("-")[2]
