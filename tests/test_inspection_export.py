"""A model as one network: what it says is what the model says, and nothing half-written is left."""

import importlib.util
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection import efficientad_networks as networks
from engine.inspection import export
from engine.inspection.efficientad import EfficientAd
from engine.inspection.export import export_model
from engine.inspection.fit import fit
from engine.inspection.knobs import FitKnobs
from engine.inspection.model import FittedModel, ModelCard
from engine.inspection.preparation import Preparation
from engine.inspection.types import Calibration, Item
from engine.job import drive
from engine.samples.textures import defective, good

KNOBS = FitKnobs(size=64, layers=("features.4",), coreset=0.2)
KINDS = [
    pytest.param("x.xml", id="openvino"),
    pytest.param(
        "x.onnx", id="onnx",
        marks=pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="the package onnx is not installed"),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    for n in range(5):
        cv2.imwrite(str(folder / f"{n}.png"), good("tile", n, (80, 80)))
    return folder


def fitted(folder, **knobs):
    items = [Item(path, split="train") for path in sorted(folder.iterdir())]
    return drive(fit(items, replace(KNOBS, **knobs)))


@pytest.fixture(scope="module")
def model(folder):
    return fitted(folder)


def answer(path, batch):
    """What another program gets: raw (1,), map (1, h, w)."""
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert [one.any_name for one in compiled.inputs] == ["picture"]
    found = compiled(batch)
    return found["raw"], found["map"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("knobs", [{}, {"crop": 48, "neighbours": 1}], ids=["usual", "crop"])
def test_the_network_says_what_the_model_says(tmp_path, folder, name, knobs):
    model = fitted(folder, **knobs)
    made = drive(export_model(model, tmp_path / name))
    side = knobs.get("crop", 64)
    assert made.size == (side, side)
    assert made.difference < 1e-4
    told = json.loads((tmp_path / f"{name}.json").read_text())
    image = defective("tile", "crack", 3, (64, 64))[0]
    verdict = model.examine(image)
    # prepared as the description says
    edge = (64 - told["picture"]["crop"]) // 2 if told["picture"]["crop"] else 0
    part = image[edge : 64 - edge, edge : 64 - edge, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    raw, shown = answer(made.path, np.ascontiguousarray(part))
    assert told["picture"]["shape"] == list(part.shape)
    assert raw.shape == (1,)
    assert abs(raw[0] - verdict.raw) < 1e-4
    assert np.abs(shown[0] - verdict.raw_map[edge : 64 - edge, edge : 64 - edge]).max() < 1e-4
    z = (raw[0] - told["calibration"]["centre"]) / told["calibration"]["scale"]
    assert 0.5 + 0.5 * z / (1 + abs(z)) == pytest.approx(verdict.score, abs=1e-4)
    assert told["threshold"] == verdict.threshold


@pytest.mark.parametrize("name", KINDS)
def test_a_network_for_any_proportion(tmp_path, folder, name):
    model = fitted(folder, keep_shape=True)
    made = drive(export_model(model, tmp_path / name))
    assert made.size == (0, 0)
    image = defective("tile", "crack", 3, (64, 128))[0]
    verdict = model.examine(image)
    raw, shown = answer(made.path, model.preparation.cut(image).batch)
    assert abs(raw[0] - verdict.raw) < 1e-4
    assert np.abs(shown[0] - verdict.raw_map).max() < 1e-4


@pytest.fixture(scope="module")
def efficient():
    """An EfficientAD that has learned nothing: its numbers are as good as any to compare."""
    import torch

    weights = (
        networks.fresh("teacher", "small", 1) | networks.fresh("student", "small", 2) | networks.fresh("ae", "", 3)
    )
    weights |= {"mean_std.mean": torch.zeros(1, 384, 1, 1), "mean_std.std": torch.full((1, 384, 1, 1), 0.1)}
    for name, value in (("qa_st", 0.01), ("qb_st", 0.2), ("qa_ae", 0.01), ("qb_ae", 0.3)):
        weights[f"quantiles.{name}"] = torch.tensor(value)
    knobs = FitKnobs(method="efficientad", size=64)
    card = ModelCard(
        name="tile", method="efficientad", backbone="", layers=(), knobs=knobs,
        calibration=Calibration(0.1, 0.1, 0.1, 0.1), threshold=0.5, category="tile", source="", pictures=5, patches=0,
        fitted="2025-01-01T00:00:00+00:00", fit_s=1.0, seed=0, versions={},
    )  # fmt: skip
    return FittedModel(card, EfficientAd(weights, "small", "cpu"), Preparation(knobs), sources=[])


@pytest.mark.parametrize("name", KINDS)
def test_efficientad_too(tmp_path, efficient, name):
    made = drive(export_model(efficient, tmp_path / name))
    image = defective("tile", "crack", 3, (64, 64))[0]
    verdict = efficient.examine(image)
    raw, shown = answer(made.path, efficient.preparation.cut(image).batch)
    assert abs(raw[0] - verdict.raw) < 1e-4 * max(1, abs(verdict.raw))
    assert np.abs(shown[0] - verdict.raw_map).max() < 1e-4 * max(1, np.abs(verdict.raw_map).max())


def test_the_kind_makes_the_suffix_and_what_was_there_is_replaced(tmp_path, model):
    (tmp_path / "tile.v2.xml").write_text("old")
    made = drive(export_model(model, tmp_path / "tile.v2", "openvino"))
    assert made.path == tmp_path / "tile.v2.xml"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tile.v2.bin", "tile.v2.xml", "tile.v2.xml.json"]
    answer(made.path, np.zeros((1, 3, 64, 64), np.float32))


def test_one_that_disagrees_is_not_kept(tmp_path, model, monkeypatch):
    monkeypatch.setattr(export, "_TOLERANCE", -1.0)
    (tmp_path / "x.xml").write_text("precious")
    with pytest.raises(SightlineError, match="differs"):
        drive(export_model(model, tmp_path / "x.xml"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.xml"]
    assert (tmp_path / "x.xml").read_text() == "precious"


@pytest.mark.parametrize("events", [1, 2, 3, 4])
def test_stopping_it_leaves_nothing(tmp_path, model, events):
    job = export_model(model, tmp_path / "x.xml")
    for _ in range(events):
        next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_one_sentence(tmp_path, model, efficient, monkeypatch):
    with pytest.raises(SightlineError, match=r"\.onnx or \.xml"):
        drive(export_model(model, tmp_path / "x.pt"))
    with pytest.raises(SightlineError, match="no folder"):
        drive(export_model(model, tmp_path / "gone" / "x.xml"))
    (tmp_path / "taken.xml").mkdir()
    with pytest.raises(SightlineError, match="is a folder"):
        drive(export_model(model, tmp_path / "taken.xml"))
    other = FittedModel(replace(efficient.card, method="padim"), object(), efficient.preparation, sources=[])
    with pytest.raises(SightlineError, match="padim cannot be exported"):
        drive(export_model(other, tmp_path / "x.xml"))
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SightlineError, match="package onnx"):
        drive(export_model(model, tmp_path / "x.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.xml"]
