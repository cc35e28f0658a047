"""Networks by name, with weights from files that may be anything: nothing of them runs, nothing is downloaded."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection.backbone import LAYERS, make_backbone, patch_features, rebuild_backbone, title_of, usual_layers
from engine.inspection.knobs import FitKnobs
from engine.weights.networks import SHIPPED, build_network, pretrained_network, read_tensors


class Hostile:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'echo ran > "{self.marker}"',)


def refused(path, door=read_tensors):
    with pytest.raises(SightlineError) as error:
        door(path)
    say = str(error.value)
    assert path.name in say
    assert say.endswith(".")
    assert "\n" not in say
    return say


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Whatever asks for the network fails the test."""
    import urllib.request

    def ask(*args, **_):
        pytest.fail(f"asked the network for {args[0]}")

    monkeypatch.setattr(urllib.request, "urlopen", ask)
    monkeypatch.setattr("torch.hub.download_url_to_file", ask)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A folder with ResNet-18's random numbers in every form they come in; and the numbers."""
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("resnet")
    network = torchvision.models.resnet18(weights=None)
    numbers = network.state_dict()
    torch.save(numbers, folder / "plain.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in numbers.items()}, "epoch": 90}, folder / "wrapped.pth")
    torch.save({"model": numbers, "optimizer": {"lr": 0.1}}, folder / "model.pt")
    torch.save(numbers, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file({k: v.contiguous() for k, v in numbers.items()}, folder / "safe.safetensors")
    torch.save({k: v for k, v in numbers.items() if not k.startswith("fc.")}, folder / "headless.pth")
    other = torchvision.models.resnet18(weights=None, num_classes=7)
    torch.save({**numbers, **{f"fc.{k}": v for k, v in other.fc.state_dict().items()}}, folder / "seven.pth")
    torch.save({k: v.half() for k, v in numbers.items()}, folder / "half.pth")
    return folder, numbers


FORMS = ["plain.pth", "wrapped.pth", "model.pt", "old.pth", "safe.safetensors", "headless.pth", "seven.pth"]


@pytest.mark.parametrize("name", FORMS)
def test_weights_in_every_form(resnet, name):
    import torch

    folder, numbers = resnet
    network = build_network("resnet18", folder / name)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    for key, value in network.state_dict().items():
        if not key.startswith("fc."):
            assert torch.equal(value, numbers[key]), key


def test_half_precision_is_widened(resnet):
    import torch

    network = build_network("resnet18", resnet[0] / "half.pth")
    assert network.conv1.weight.dtype == torch.float32
    assert torch.allclose(network.conv1.weight, resnet[1]["conv1.weight"], atol=1e-3)


@pytest.mark.parametrize("name", ["resnet34", "mobilenet_v2", "wide_resnet50_2"])
def test_weights_of_another_network_are_refused(resnet, name):
    say = refused(resnet[0] / "plain.pth", lambda path: build_network(name, path))
    assert f"does not fit {name}" in say


def test_a_missing_layer_is_refused(resnet):
    import torch

    path = resnet[0] / "short.pth"
    torch.save({k: v for k, v in resnet[1].items() if k != "layer3.0.conv1.weight"}, path)
    assert "1 of its" in refused(path, lambda path: build_network("resnet18", path))


@pytest.mark.parametrize("name", ["", "no_such_net", "../resnet18", "hf-hub:timm/resnet18.a1_in1k", "resnet18;ls"])
def test_an_unknown_name_is_said(name):
    with pytest.raises(SightlineError, match="no network named"):
        build_network(name, None)


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "deeplabv3_mobilenet_v3_large", "fcn_resnet50", "r3d_18"])
def test_networks_that_bring_a_download_or_see_no_pictures_are_unknown(name):
    """torchvision's detection and segmentation would fetch their backbone, whatever weights they are given."""
    with pytest.raises(SightlineError, match="no network named"):
        build_network(name, None)


# what files hold


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_hostile_files_run_nothing(tmp_path):
    import torch

    bad = Hostile(tmp_path / "ran")
    torch.save(bad, tmp_path / "bare.pth")
    torch.save({"conv1.weight": torch.zeros(3), "note": bad}, tmp_path / "aside.pth")
    torch.save({"state_dict": {"a": bad}}, tmp_path / "inside.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(bad))
    (tmp_path / "renamed.safetensors").write_bytes(pickle.dumps(bad))
    for name in ("bare.pth", "aside.pth", "inside.pth", "pickle.pth", "renamed.safetensors"):
        refused(tmp_path / name)
        refused(tmp_path / name, lambda path: build_network("resnet18", path))
    for name in ("bare.pth", "aside.pth", "inside.pth"):
        assert "asks for code to be run" in refused(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    with (tmp_path / "pickle.pth").open("rb") as file:
        pickle.load(file)
    assert (tmp_path / "ran").exists()  # so that this test can fail


def test_a_whole_module_is_refused(tmp_path):
    import torch

    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    assert "asks for code to be run" in refused(tmp_path / "module.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [
    b"", b"epoch,loss\n1,0.5\n", b"<!DOCTYPE html><html>404</html>", bytes(range(256)) * 9, b"PK\x03\x04 and no more",
    b"\x80\x02 and no more", b"\x10\0\0\0\0\0\0\0{}", b"\xff" * 64,
])  # fmt: skip
def test_what_is_no_file_of_weights_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert "damaged or no" in refused(path)


@pytest.mark.parametrize("name", ["plain.pth", "safe.safetensors"])
def test_a_cut_off_file_is_refused(resnet, tmp_path, name):
    path = tmp_path / name
    path.write_bytes((resnet[0] / name).read_bytes()[:-4000])
    assert "damaged" in refused(path)


@pytest.mark.parametrize("value", [[1, 2], {}, {"epoch": 3}, {"a": "b"}, {"state_dict": {}}, {"model": {"a": [1]}}])
def test_a_file_without_tensors_is_refused(tmp_path, value):
    import torch

    torch.save(value, tmp_path / "else.pth")
    assert "no plain weights" in refused(tmp_path / "else.pth")


def test_missing_files_are_said(tmp_path):
    refused(tmp_path / "gone.pth")
    refused(tmp_path / "gone.safetensors")
    with pytest.raises(SightlineError, match=r"There is no file .*gone\.pth"):
        pretrained_network("resnet18", tmp_path / "gone.pth")


# where weights are found


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    from engine import runtime

    return runtime.weights_folder()


def test_mobilenet_is_always_here(home):
    network, called = pretrained_network("mobilenet_v2")
    assert called == SHIPPED
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network.features[0][1].running_var.std() > 0  # trained, not new


def test_what_is_not_here_is_said(home):
    with pytest.raises(SightlineError, match="The weights of resnet18 are not on this machine"):
        pretrained_network("resnet18")


def test_weights_in_the_folder_are_found(home, resnet):
    import torch

    (home / "resnet18.pth").write_bytes((resnet[0] / "plain.pth").read_bytes())
    network, called = pretrained_network("resnet18")
    assert called == "resnet18.pth"
    assert torch.equal(network.conv1.weight, resnet[1]["conv1.weight"])


def test_weights_by_hand(home, resnet):
    assert pretrained_network("resnet18", resnet[0] / "safe.safetensors")[1] == "safe.safetensors"
    assert pretrained_network("resnet18", str(resnet[0] / "safe.safetensors"))[1] == "safe.safetensors"


def test_a_network_of_timm_with_weights_by_hand(home):
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(3)
    made = timm.create_model("resnet10t", pretrained=False, num_classes=5)
    save_file(made.state_dict(), home / "own.safetensors")
    backbone = make_backbone(FitKnobs(backbone="resnet10t", weights=str(home / "own.safetensors")))
    assert backbone.name == "resnet10t"
    assert backbone.weights == "own.safetensors"
    assert len(backbone.layers) == 2
    picture = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        out = backbone.module(picture)
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        made.eval()
        whole = made.forward_intermediates(
            (picture - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1), intermediates_only=True
        )
    assert out.shape == (1, 8, 12, whole[-3].shape[1] + whole[-2].shape[1])
    want = torch.nn.functional.avg_pool2d(whole[-3], 3, 1, 1).permute(0, 2, 3, 1)
    np.testing.assert_allclose(out[..., : want.shape[-1]].numpy(), want.numpy(), atol=1e-5)


# backbones


def test_the_usual_layers_have_strides_8_and_16():
    import torch

    for name, layers in (
        ("mobilenet_v2", None),
        ("resnet18", ("layer2", "layer3")),
        ("resnet34", ("layer2", "layer3")),
    ):
        network = build_network(name, None)
        found = usual_layers(network, name)
        assert layers is None or found == layers == LAYERS[name]
        with torch.no_grad():
            assert patch_features(network, name, found)(torch.zeros(1, 3, 64, 64)).shape[:3] == (1, 8, 8)


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t"])
def test_a_network_without_maps_is_refused(name):
    with pytest.raises(SightlineError, match="No layers of"):
        usual_layers(build_network(name, None), name)


def test_a_refused_network_keeps_no_hooks():
    network = build_network("vit_b_16", None)
    with pytest.raises(SightlineError):
        usual_layers(network, "vit_b_16")
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(("name", "layers", "words"), [
    ("resnet18", ["nowhere"], "has no layer nowhere; it has conv1"), ("resnet18", [], "has no layer"),
    ("resnet18", [""], "cannot be taken out"), ("resnet18", ["avgpool", "fc"], "fc of resnet18 has no spatial extent"),
    ("swin_t", ["features.3"], "no spatial extent"),
    ("vit_b_16", ["encoder.layers.encoder_layer_3"], "no spatial extent"),
])  # fmt: skip
def test_layers_that_cannot_be_used(name, layers, words):
    with pytest.raises(SightlineError, match=words):
        patch_features(build_network(name, None), name, layers)


def test_nothing_after_the_last_layer_is_kept():
    module = patch_features(build_network("mobilenet_v2", None), "mobilenet_v2", LAYERS["mobilenet_v2"])
    names = {name.split(".")[2] for name in module.state_dict()}
    assert names == {str(number) for number in range(14)}
    assert module.width == 32 + 96


def test_a_backbone_is_rebuilt_from_its_own_numbers():
    import torch

    module = patch_features(build_network("resnet18", None), "resnet18", ["layer1"])
    again = rebuild_backbone("resnet18", ["layer1"], "mine", module.state_dict())
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(module(picture), again.module(picture))
    assert again.weights == "mine"


@pytest.mark.parametrize("change", [
    lambda numbers: {}, lambda numbers: numbers | {"more": numbers["network.bn1.weight"]},
    lambda numbers: numbers | {"network.bn1.weight": numbers["network.conv1.weight"]},
])  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(change):
    numbers = patch_features(build_network("resnet18", None), "resnet18", ["layer1"]).state_dict()
    with pytest.raises(SightlineError, match="do not fit resnet18"):
        rebuild_backbone("resnet18", ["layer1"], "", change(dict(numbers)))


def test_titles():
    assert title_of("mobilenet_v2") == "MobileNetV2"
    assert title_of("resnet10t") == "resnet10t"
