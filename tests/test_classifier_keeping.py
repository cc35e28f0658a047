"""A kept classifier answers as it did, is whole or not there at all; what is wrong with its folder is one sentence."""

import errno
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine import runtime
from engine.errors import SightlineError
from engine.job import drive
from engine.learning import keeping
from engine.learning.datasets import example_shapes
from engine.learning.keeping import (
    check_place,
    delete_classifier,
    is_classifier,
    list_classifiers,
    open_classifier,
    read_classifier,
    rename_classifier,
    save_classifier,
)
from engine.learning.knobs import TrainKnobs
from engine.learning.train import train
from engine.samples.shapes import shapes


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def model():
    data = example_shapes(train=30, test=5, size=32)
    return drive(train(data, TrainKnobs(size=32, epochs=2), device="cpu", name="My shapes"))


@pytest.fixture
def kept(model, tmp_path):
    drive(save_classifier(model, tmp_path / "kept"))
    return tmp_path / "kept"


def sentence(door):
    with pytest.raises(SightlineError) as error:
        door()
    said = str(error.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def change(folder, **values):
    """Other entries in a card; None takes one out."""
    whole = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    for name, value in values.items():
        if value is None:
            del whole[name]
        else:
            whole[name] = value
    (folder / "card.json").write_text(json.dumps(whole), encoding="utf-8")


def reweigh(folder, alter):
    """Other tensors, with the hash that belongs to them."""
    from safetensors.torch import load_file, save_file

    path = folder / "weights.safetensors"
    tensors = load_file(path)
    alter(tensors)
    save_file(tensors, path)
    change(folder, sha256=keeping.sha256_of(path))


def test_an_opened_classifier_answers_as_it_did(model, kept):
    opened = drive(open_classifier(kept))
    pictures = list(shapes(6, 50, seed=9)[0])
    assert np.array_equal(opened.probabilities(pictures), model.probabilities(pictures))
    assert opened.card == model.card == read_classifier(kept)
    assert opened.card.folder == kept
    assert not any(parameter.requires_grad for parameter in opened.module.parameters())
    assert sorted(path.name for path in kept.iterdir()) == ["card.json", "weights.safetensors"]


def test_it_can_be_moved(model, kept, tmp_path):
    shutil.move(kept, tmp_path / "elsewhere")
    opened = drive(open_classifier(tmp_path / "elsewhere"))
    assert opened.card.folder == tmp_path / "elsewhere"


@pytest.mark.parametrize("network", ["mobilenet_v2", "squeezenet", "resnet18"])
def test_other_networks_are_kept_too(network, tmp_path):
    data = example_shapes(train=20, test=0, size=32)
    model = drive(train(data, TrainKnobs(network=network, size=32, epochs=1), device="cpu"))
    drive(save_classifier(model, tmp_path / "one"))
    opened = drive(open_classifier(tmp_path / "one"))
    pictures = list(shapes(3, 32, seed=9)[0])
    assert np.array_equal(opened.probabilities(pictures), model.probabilities(pictures))
    assert opened.card.test_accuracy == model.card.test_accuracy


def test_without_a_folder_they_are_listed_newest_first(model):
    from dataclasses import replace

    assert list_classifiers() == []
    first = drive(save_classifier(model))
    model.card = replace(model.card, trained="2099-01-01T00:00:00+00:00")
    second = drive(save_classifier(model))
    assert first.folder == runtime.models_folder() / "classifiers" / "my-shapes"
    assert second.folder.name == "my-shapes-2"
    (second.folder.parent / "other").mkdir()
    broken = second.folder.parent / "broken"
    shutil.copytree(first.folder, broken)
    change(broken, names=None)
    assert [card.folder for card in list_classifiers()] == [second.folder, first.folder]
    assert rename_classifier(first.folder, " Shapes ").name == "Shapes"
    assert read_classifier(first.folder).name == "Shapes"
    delete_classifier(second.folder)
    assert [card.name for card in list_classifiers()] == ["Shapes"]


def test_a_classifier_is_replaced_whole_or_not_at_all(model, kept, monkeypatch):
    before = {path.name: path.read_bytes() for path in kept.iterdir()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "no space left" in sentence(lambda: drive(save_classifier(model, kept)))
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]
    monkeypatch.undo()
    drive(save_classifier(model, kept))
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


def test_a_replacement_that_was_killed_is_undone(kept):
    kept.rename(kept.with_name(".kept.123.old"))
    assert read_classifier(kept).name == "My shapes"
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


def test_other_folders_are_left_alone(model, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    for door in (
        lambda: check_place(tmp_path / "letters"),
        lambda: drive(save_classifier(model, tmp_path / "letters")),
        lambda: delete_classifier(tmp_path / "letters"),
        lambda: check_place(tmp_path / "letters" / "a.txt" / "deeper"),
    ):
        sentence(door)
    assert (tmp_path / "letters" / "a.txt").read_text() == "mine"
    assert not is_classifier(tmp_path / "letters")


def test_damaged_folders_are_one_sentence_each(kept, tmp_path):
    def said():
        return sentence(lambda: drive(open_classifier(kept)))

    assert "holds no classifier" in sentence(lambda: drive(open_classifier(tmp_path / "gone")))
    whole = {path.name: path.read_bytes() for path in kept.iterdir()}

    def again():
        for name, data in whole.items():
            (kept / name).write_bytes(data)

    for text in (b"", b"{", b"[" * 100_000, b"[]", b'{"sightline": "anomaly model"}'):
        (kept / "card.json").write_bytes(text)
        said()
    again()
    change(kept, format=99)
    assert "format 99" in said()
    for wrong in (
        {"names": None}, {"names": "ab"}, {"names": ["one"]}, {"network": "vgg"}, {"history": []}, {"history": [1]},
        {"preprocessing": {"size": 32}}, {"kept": 77}, {"fit_s": "long"}, {"settings": 4}, {"test_accuracy": "good"},
    ):  # fmt: skip
        again()
        change(kept, **wrong)
        assert "card.json" in said()
    again()
    change(kept, names=["a", "b", "c"])
    assert "names 3 classes but its network tells 5 apart" in said()
    again()
    change(kept, network="resnet18")
    assert "does not fit the resnet18" in said()
    again()
    (kept / "weights.safetensors").unlink()
    assert "weights.safetensors" in said()
    (kept / "weights.safetensors").write_bytes(whole["weights.safetensors"][:-50])
    said()
    (kept / "weights.safetensors").write_bytes(whole["weights.safetensors"][:-1] + b"\1")
    said()
    again()

    def spoil(tensors):
        tensors["head.1.weight"][0, 3] = float("nan")

    reweigh(kept, spoil)
    assert "NaN" in said()
    again()
    reweigh(kept, lambda tensors: tensors.pop("features.0.weight"))
    assert "does not fit the small_cnn" in said()


class Hostile:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'echo ran > "{self.marker}"',)


def test_nothing_of_a_folder_can_run(kept, tmp_path):
    hostile = pickle.dumps(Hostile(tmp_path / "ran"))
    (kept / "weights.safetensors").write_bytes(hostile)
    sentence(lambda: drive(open_classifier(kept)))
    (kept / "card.json").write_bytes(hostile)
    sentence(lambda: drive(open_classifier(kept)))
    assert not (tmp_path / "ran").exists()
