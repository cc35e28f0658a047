"""anomalib's models by name: each is started once or says why not; nothing is downloaded, unpickled or left behind."""

import ast
import importlib.util
import json
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection import anomalib_table
from engine.inspection.anomalib_models import (
    anomalib_names,
    fit_anomalib,
    load_anomalib,
    open_anomalib_checkpoint,
    why_not,
)
from engine.inspection.anomalib_table import MOBILE, TABLE, choose, find_model
from engine.inspection.knobs import FitKnobs
from engine.inspection.preparation import Preparation
from engine.job import Notice, Progress, drive
from engine.samples import textures

NEEDS_NOTHING = [m.name for m in TABLE if not m.reason and any(c.weights in ((), (MOBILE,)) for c in m.choices)]
NEEDS_RESNET = [
    model.name
    for model in TABLE
    if model.name not in NEEDS_NOTHING and any(choice.weights == ("resnet18",) for choice in model.choices)
]
NEEDS_MORE = [model.name for model in TABLE if model.name not in (*NEEDS_NOTHING, *NEEDS_RESNET)]
"""Those that cannot be started with what is here: large transformers, services, their own downloads."""


class Drawn:
    """Drawn tiles as training pictures."""

    def __init__(self, count=5, side=128):
        self.size = (side, side)
        preparation = Preparation(FitKnobs(size=side))
        self._batches = [preparation.cut(textures.good("tile", seed, (side, side))).batch for seed in range(count)]

    def __len__(self):
        return len(self._batches)

    def batch(self, index):
        return self._batches[index]


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No weights but those in packages, no network, and a working directory of its own."""
    monkeypatch.setenv("SIGHTLINE_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def connect(*_args, **_options):
        raise AssertionError("something wanted the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    return tmp_path


def classes_of_anomalib():
    """Its list of image models, read without running it."""
    package = Path(importlib.util.find_spec("anomalib").origin).parent
    tree = ast.parse((package / "models" / "image" / "__init__.py").read_text(encoding="utf-8"))
    names = next(n for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")
    return set(ast.literal_eval(names.value))


def test_the_table_is_complete():
    assert {model.cls for model in TABLE} == classes_of_anomalib()
    names = anomalib_names()
    assert len(names) == len(set(names)) == len(TABLE)
    assert not {"patchcore", "efficientad"} & set(names)  # these are Sightline's own
    for model in TABLE:
        assert bool(model.choices) != bool(model.reason)


def test_every_name_is_started_once_or_says_what_it_lacks(bare):
    assert sorted(NEEDS_NOTHING + NEEDS_RESNET + NEEDS_MORE) == sorted(anomalib_names())
    for name in NEEDS_NOTHING:
        assert why_not(name) == ""
    for name in NEEDS_RESNET + NEEDS_MORE:
        assert why_not(name).startswith("anomalib's ")
        assert why_not(name).endswith(".")


@pytest.mark.parametrize("name", ["Padim", "PADIM", "reverse-distillation", "Reverse_Distillation", "winclip"])
def test_names_are_taken_as_people_type_them(name):
    assert find_model(name).cls in ("Padim", "ReverseDistillation", "WinClip")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nonsense", "There is no method nonsense"),
        ("vlmad", "a service"),
        ("dinomaly", "vit_base_patch14_reg4_dinov2"),
        ("reversedistillation", "wide_resnet50_2 or resnet18"),
        ("anomalib_efficientad", "choose the method efficientad"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(bare, name, sentence):
    with pytest.raises(SightlineError, match=sentence):
        drive(fit_anomalib(name, Drawn(2), FitKnobs(method=name)))


def test_a_backbone_is_chosen_by_name(bare):
    model = find_model("padim")
    assert choose(model).weights == (MOBILE,)
    assert choose(model, "mobilenet_v2").weights == (MOBILE,)
    with pytest.raises(SightlineError, match="needs the weights of resnet18"):
        choose(model, "resnet18")
    (bare / "weights" / "resnet18.safetensors").write_bytes(b"")
    assert choose(model).weights == ("resnet18",)
    with pytest.raises(SightlineError, match="cannot rest on vgg11"):
        choose(model, "vgg11")


def started(name, pictures, **knobs):
    """Fit for two steps, keep, open again; the scores must be the same."""
    from safetensors.torch import load, save

    events = []
    scorer = drive(fit_anomalib(name, pictures, FitKnobs(method=name, size=128, steps=2, **knobs)), events.append)
    # once anomalib is there, loading it is over before anybody looks
    assert isinstance(events[0], Notice) or events[0].what.startswith(("Loading anomalib", "Building "))
    assert any(isinstance(event, Progress) and event.what.startswith("Fitting") for event in events)
    batch = np.concatenate([pictures.batch(0), pictures.batch(1)])
    scored = scorer.score(batch)
    assert scored.raw.shape == (2,)
    assert scored.maps.shape == (2, 128, 128)
    assert np.isfinite(scored.raw).all()
    assert np.isfinite(scored.maps).all()
    settings = json.loads(json.dumps(scorer.settings()))
    again = drive(load_anomalib(name, settings, load(save(scorer.tensors())))).score(batch)
    np.testing.assert_allclose(again.raw, scored.raw, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again.maps, scored.maps, rtol=1e-4, atol=1e-3)
    assert not list(Path.cwd().iterdir())
    return scorer


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_NOTHING)
def test_it_is_started(bare, name):
    started(name, Drawn())


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_RESNET)
def test_it_is_started_with_a_resnet(bare, name):
    """The numbers are random: whether it runs is what is tried."""
    import torch
    import torchvision

    torch.save(torchvision.models.resnet18(weights=None).state_dict(), bare / "weights" / "resnet18.pth")
    started(name, Drawn())


@pytest.mark.slow
def test_csflow_is_started_with_its_own_network(bare):
    import torch
    import torchvision

    torch.save(torchvision.models.efficientnet_b5(weights=None).state_dict(), bare / "weights" / "efficientnet_b5.pth")
    started("csflow", Drawn(3))


@pytest.mark.slow
def test_transformers_run_where_their_weights_are(bare):
    import timm
    import torch

    name = "vit_small_patch14_dinov2"
    torch.save(timm.create_model(name, pretrained=False).state_dict(), bare / "weights" / f"{name}.pth")
    started("anomalydino", Drawn(2))


@pytest.mark.slow
def test_it_tells_a_defect_and_stops_when_it_is_told(bare):
    pictures = Drawn(10)
    padim = started("padim", pictures)
    image, mask = textures.defective("tile", "gray_stroke", 9, (128, 128))
    scored = padim.score(Preparation(FitKnobs(size=128)).cut(image).batch)
    assert scored.raw[0] > padim.score(pictures.batch(0)).raw[0]
    assert mask[np.unravel_index(scored.maps[0].argmax(), (128, 128))] or scored.maps[0][mask > 0].mean() > np.median(
        scored.maps[0]
    )

    job = fit_anomalib("stfpm", pictures, FitKnobs(method="stfpm", size=128, steps=100_000))
    for event in job:
        if isinstance(event, Progress) and event.unit == "steps" and event.done >= 2:
            assert event.total == 100_000
            break
    job.close()
    until = time.monotonic() + 20
    while any(thread.name.startswith("sightline-anomalib") for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_damaged_settings_and_tensors_are_refused(bare):
    with pytest.raises(SightlineError, match="lacks its settings"):
        drive(load_anomalib("padim", {}, {}))
    settings = {"options": {"backbone": MOBILE, "layers": ["blocks.1"], "n_features": 10}, "side": 64}
    with pytest.raises(SightlineError, match="do not fit"):
        drive(load_anomalib("padim", settings, {}))
    with pytest.raises(SightlineError, match="do not fit"):
        drive(load_anomalib("padim", {"options": {"nonsense": 1}, "side": 64}, {}))


class Hostile:
    def __reduce__(self):
        return (os.mkdir, (os.environ["HOSTILE"],))


@pytest.mark.slow
def test_a_hostile_checkpoint_runs_nothing(bare, monkeypatch):
    import torch

    monkeypatch.setenv("HOSTILE", str(bare / "ran"))
    whole = {"state_dict": {}, "hyper_parameters": {"backbone": Hostile()}, "pytorch-lightning_version": "2.5"}
    torch.save(whole, bare / "hostile.ckpt")
    torch.save({"state_dict": Hostile(), "hyper_parameters": {}}, bare / "other.ckpt")
    for name in ("hostile.ckpt", "other.ckpt"):
        with pytest.raises(SightlineError, match="asks for code to be run"):
            drive(open_anomalib_checkpoint(bare / name))
    assert not (bare / "ran").exists()
    (bare / "text.ckpt").write_text("no checkpoint")
    torch.save({"a": torch.ones(1)}, bare / "strange.ckpt")
    torch.save({"state_dict": {}, "hyper_parameters": {"nonsense": 1}}, bare / "unknown.ckpt")
    for name, sentence in (("text", "damaged"), ("strange", "no checkpoint"), ("unknown", "none of anomalib's")):
        with pytest.raises(SightlineError, match=sentence):
            drive(open_anomalib_checkpoint(bare / f"{name}.ckpt"))
    with pytest.raises(SightlineError, match="There is no file"):
        drive(open_anomalib_checkpoint(bare / "nowhere.ckpt"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["padim", "anomalib_patchcore", "stfpm"])
def test_anomalibs_own_checkpoints_are_opened(bare, name):
    """Written by its Engine, as a person would have it."""
    from anomalib.engine import Engine

    from engine.inspection import anomalib_engine, anomalib_models

    pictures = Drawn()
    model = find_model(name)
    options = dict(choose(model).options(128, len(pictures)))
    module = anomalib_models._built(model, options, 128, bare, FitKnobs(), fill=True)
    engine = Engine(default_root_dir=bare / "results", logger=False, accelerator="cpu", max_epochs=1,
                    limit_val_batches=0, enable_progress_bar=False)  # fmt: skip
    engine.fit(module, datamodule=anomalib_engine.datamodule(pictures))
    batch = pictures.batch(0)
    import torch

    with torch.no_grad():
        wanted = module.eval().model(module.pre_processor.transform(torch.from_numpy(batch)))
    path = next((bare / "results").rglob("*.ckpt"))
    scorer = drive(open_anomalib_checkpoint(path))
    assert scorer.settings()["cls"] == model.cls
    assert float(scorer.score(batch).raw[0]) == pytest.approx(float(wanted.pred_score.reshape(-1)[0]), rel=1e-4)
    assert anomalib_table.why_not(name) == ""
