"""`train ...` without a window: a line an epoch and one at the end, the folder, and one sentence for what is wrong."""

import json

import cv2
import pytest

from engine import commands
from engine.commands_base import Show
from engine.commands_train import train
from engine.job import drive
from engine.learning.keeping import open_classifier, read_classifier
from engine.samples.shapes import KINDS, shapes

EPOCH = {"epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "s"}
LAST = {"test_accuracy", "parameters", "model", "fit_s"}
QUICK = ("--size", 32, "--epochs", 2)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path_factory.mktemp("home")))


def run(capsys, *words):
    """Exit status, the lines of standard output as JSON, the lines of standard error."""
    status = commands.main(["train", *map(str, words)])
    out, err = capsys.readouterr()
    return status, [json.loads(line) for line in out.splitlines()], err.splitlines()


def refused(capsys, named, *words):
    """The command ends with status 2 and one sentence that names something."""
    status, lines, err = run(capsys, *words)
    assert status == 2, err
    assert lines == []
    assert "Traceback" not in "\n".join(err)
    assert str(named).lower() in err[-1].lower()
    assert err[-1].endswith(".")


def folder_of(root, count=10):
    pictures, labels, _ = shapes(count, 32, kinds=KINDS[:2])
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (root / KINDS[label]).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / KINDS[label] / f"{index}.png"), picture)
    return root


def test_a_line_an_epoch_and_one_at_the_end(capsys, tmp_path):
    data, out = folder_of(tmp_path / "data", 20), tmp_path / "out" / "pets"
    status, lines, err = run(
        capsys, data, "--out", out, "--name", "two shapes", "--augment", "--rule", "momentum:lr=0.02:beta=0.8",
        "--schedule", "one-cycle", "--batch", 4, "--split", 0.6, "--seed", 3, *QUICK,
    )  # fmt: skip
    assert status == 0, err
    *epochs, last = lines
    assert [set(line) for line in epochs] == [EPOCH, EPOCH]
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert set(last) == LAST
    assert last["model"] == str(out)
    assert 0 <= last["test_accuracy"] <= 1
    card = read_classifier(out)
    assert (card.name, card.network, card.names, card.seed) == ("two shapes", "small_cnn", KINDS[:2], 3)
    assert card.pictures == 12
    assert card.parameters == last["parameters"]
    assert [round(epoch.val_loss, 4) for epoch in card.history] == [line["val_loss"] for line in epochs]
    wanted = {
        "rule": "momentum", "rate": 0.02, "beta": 0.8, "schedule": "one-cycle", "batch": 4, "augment": True,
        "split": 0.6,
    }  # fmt: skip
    assert {name: card.settings[name] for name in wanted} == wanted
    assert drive(open_classifier(out)).names == KINDS[:2]


def test_the_example_needs_no_folder_and_is_kept_among_the_others(capsys):
    from engine.learning.keeping import list_classifiers

    status, lines, err = run(capsys, "example:shapes", *QUICK)
    assert status == 0, err
    (card,) = list_classifiers()
    assert lines[-1]["model"] == str(card.folder)
    assert card.names == KINDS


def test_pretrained_without_a_file_finds_what_is_here(capsys, tmp_path):
    data = folder_of(tmp_path / "data", 20)
    status, lines, err = run(
        capsys, data, "--network", "mobilenet_v2", "--size", 32, "--epochs", 2, "--out", tmp_path / "m", "--pretrained"
    )
    assert status == 0, err
    assert [epoch.phase for epoch in read_classifier(tmp_path / "m").history] == ["head", "head"]
    assert lines[-1]["parameters"] > 2_000_000


def test_what_is_wrong_is_one_sentence(capsys, tmp_path):
    data = folder_of(tmp_path / "data")
    refused(capsys, tmp_path / "gone", tmp_path / "gone")
    refused(capsys, "example:letters", "example:letters")
    refused(capsys, "fcm", data, "--network", "fcm")
    refused(capsys, "lion", data, "--rule", "lion")
    refused(capsys, "learning rate", data, "--rule", "adam:lr=0")
    refused(capsys, "steps", data, "--schedule", "steps")
    refused(capsys, "whole number", data, "--epochs", 0)
    refused(capsys, "split", data, "--split", 1)
    refused(capsys, "seed", data, "--seed", -1)
    refused(capsys, "gone.pth", data, "--network", "resnet18", "--pretrained", tmp_path / "gone.pth")
    refused(capsys, "no pretrained weights", data, "--pretrained")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    refused(capsys, "something else", data, "--out", tmp_path / "full")


def test_stopping_it_leaves_no_folder(tmp_path):
    data, out = folder_of(tmp_path / "data"), tmp_path / "out" / "one"
    asked = commands._parser().parse_args(["train", str(data), "--out", str(out), *map(str, QUICK)])
    job = train(asked, Show())
    for _ in range(12):
        next(job)
    job.close()
    assert not out.parent.exists()
