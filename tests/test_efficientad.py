"""EfficientAD: anomalib's numbers, a training that survives kill -9, teachers from anywhere but a surprise download."""

import collections
import importlib.util
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SightlineError
from engine.inspection import checkpoint, efficientad_train, other_pictures, teacher
from engine.inspection import efficientad_networks as networks
from engine.inspection.checkpoint import Checkpoints, Learner
from engine.inspection.efficientad import load_efficientad
from engine.inspection.efficientad_train import estimate_seconds, fit_efficientad
from engine.inspection.knobs import FitKnobs
from engine.inspection.other_pictures import cut_of, finding_others
from engine.inspection.preparation import Preparation
from engine.inspection.scorer import Scored
from engine.job import Notice, Progress, drive
from engine.samples import textures

KNOBS = FitKnobs(method="efficientad", size=64, steps=3)
STEPS = 800
"""With which drawn tiles are told apart."""


class Drawn:
    """Drawn tiles as training pictures."""

    def __init__(self, count=10, side=64):
        self.size = (side, side)
        preparation = Preparation(FitKnobs(size=side))
        self._batches = [preparation.cut(textures.good("tile", seed, (side, side))).batch for seed in range(count)]

    def __len__(self):
        return len(self._batches)

    def batch(self, index):
        return self._batches[index]


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No teacher anywhere, whatever this machine has."""
    monkeypatch.setattr(teacher, "find_teacher", lambda knobs: None)
    monkeypatch.setattr(efficientad_train, "find_teacher", lambda knobs: None)
    less(monkeypatch)
    return tmp_path


def less(monkeypatch):
    """Fewer pictures to look at before the first step."""
    monkeypatch.setattr(other_pictures, "DRAWN", 4)
    monkeypatch.setattr(teacher, "LOOKED_AT", 8)


@pytest.fixture
def reference(monkeypatch):
    """anomalib's own torch_model.py, without the ten seconds that importing the package takes."""
    package = Path(importlib.util.find_spec("anomalib").origin).parent
    data = types.ModuleType("anomalib.data")
    data.InferenceBatch = collections.namedtuple("InferenceBatch", "pred_score anomaly_map")
    monkeypatch.setitem(sys.modules, "anomalib", types.ModuleType("anomalib"))
    monkeypatch.setitem(sys.modules, "anomalib.data", data)
    spec = importlib.util.spec_from_file_location("reference", package / "models/image/efficient_ad/torch_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(reference, size, seed=0):
    """anomalib's model with random weights in every place, and the same weights by name."""
    import torch

    torch.manual_seed(seed)
    model = reference.EfficientAdModel(model_size=reference.EfficientAdModelSize(size))
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    weights["mean_std.mean"].normal_()
    weights["mean_std.std"].uniform_(0.5, 1.5)
    for name, value in (("qa_st", 0.4), ("qb_st", 1.1), ("qa_ae", 0.1), ("qb_ae", 0.3)):
        weights[f"quantiles.{name}"].fill_(value)
    model.load_state_dict(weights)
    return model, weights


@pytest.mark.parametrize(
    ("size", "shape"),
    [("small", (256, 256)), ("small", (288, 260)), pytest.param("medium", (256, 256), marks=pytest.mark.slow)],
)
def test_scores_and_maps_are_anomalibs(reference, size, shape):
    import torch

    model, weights = filled(reference, size)
    batch = np.random.default_rng(0).random((2, 3, *shape), np.float32)
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(batch))
    scored = drive(load_efficientad({"size": size}, weights, device="cpu")).score(batch)
    assert isinstance(scored, Scored)
    np.testing.assert_allclose(scored.maps, wanted.anomaly_map[:, 0].numpy(), atol=1e-4)
    np.testing.assert_allclose(scored.raw, wanted.pred_score[:, 0].numpy(), atol=1e-4)


def test_losses_are_anomalibs(reference):
    import torch

    model, weights = filled(reference, "small")
    x, other = torch.rand(2, 1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    model.train()
    torch.manual_seed(7)
    wanted = [float(loss) for loss in model(x, other)]
    torch.manual_seed(7)
    changed = model.choose_random_aug_image(x)
    with torch.no_grad():
        half, rest = slice(0, networks.CHANNELS), slice(networks.CHANNELS, None)

        def seen(picture):
            return (networks.pdn(weights, "teacher", picture) - weights["mean_std.mean"]) / weights["mean_std.std"]

        matching = networks.hard_loss(seen(x) - networks.pdn(weights, "student", x, half))
        penalty = networks.pdn(weights, "student", other, half).square().mean()
        # its dropout draws from torch's own generator, at the same place
        expected = networks.autoencoder(weights, changed, torch.default_generator)
        found = [
            matching + penalty,
            (seen(changed) - expected).square().mean(),
            (expected - networks.pdn(weights, "student", changed, rest)).square().mean(),
        ]
    assert [float(loss) for loss in found] == pytest.approx(wanted, rel=1e-5)


def test_quantiles_are_anomalibs():
    import torch

    maps = [torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    found = networks.quantiles_of("st", maps, None)
    assert float(found["quantiles.qa_st"]) == pytest.approx(float(torch.quantile(torch.cat(maps), 0.9)))
    assert float(found["quantiles.qb_st"]) == pytest.approx(float(torch.quantile(torch.cat(maps), 0.995)))


@pytest.mark.parametrize("size", networks.SIZES)
def test_a_cut_gives_a_cut_of_the_map(size):
    """What training on cuts rests on."""
    import torch

    weights = networks.placed(networks.fresh("teacher", size, 0), "cpu")
    x = torch.rand(1, 3, 128, 136, generator=torch.Generator().manual_seed(0))
    whole = networks.pdn(weights, "teacher", x)
    part = networks.pdn(weights, "teacher", x[..., 12:76, 40:104])
    assert whole.shape[2:] == (networks.output_side(128), networks.output_side(136))
    torch.testing.assert_close(part, whole[..., 3 : 3 + networks.output_side(64), 10 : 10 + networks.output_side(64)])


@pytest.mark.parametrize("side", [64, 96, 128, 130, 224])
def test_both_maps_have_one_size(side):
    import torch

    weights = networks.fresh("student", "small", 0) | networks.fresh("ae", "small", 1)
    x = torch.rand(1, 3, side, side + 33)
    assert networks.autoencoder(weights, x).shape[2:] == networks.pdn(weights, "student", x).shape[2:]


def test_levelled_weights_give_level_channels():
    import torch

    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for size in networks.SIZES:
        weights = networks.levelled(networks.fresh("teacher", size, 0), "teacher", x, last=1.0)
        out = networks.pdn(weights, "teacher", x)
        assert out.mean((0, 2, 3)).abs().max() < 1e-3
        assert (out.std((0, 2, 3)) - 1).abs().max() < 1e-2


def test_a_training_gives_a_model_that_can_be_kept(alone):
    import torch

    pictures = Drawn()
    events = []
    model = drive(fit_efficientad(pictures, KNOBS, device="cpu", seed=0), events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert any("stand-in" in text for text in notices)
    assert any("drawn scenes" in text for text in notices)
    steps = [event for event in events if isinstance(event, Progress) and event.what == "Training EfficientAD"]
    assert steps[-1].done == steps[-1].total == 3
    assert steps[-2].left_s is not None
    assert "distilled from MobileNetV2" in model.settings()["notes"][0]
    json.dumps(model.settings())
    again = drive(load_efficientad(model.settings(), model.tensors(), device="cpu"))
    batch = pictures.batch(0)
    np.testing.assert_array_equal(model.score(batch).maps, again.score(batch).maps)
    with torch.no_grad():
        raw, maps = model.module()(torch.from_numpy(batch))
    np.testing.assert_allclose(maps.numpy(), model.score(batch).maps, atol=1e-4)
    np.testing.assert_allclose(raw.numpy(), model.score(batch).raw, atol=1e-4)


def test_what_is_kept_loads_into_anomalibs_own_model(alone, reference):
    import torch

    model = drive(fit_efficientad(Drawn(), replace(KNOBS, steps=1), device="cpu", seed=0))
    theirs = reference.EfficientAdModel()
    theirs.load_state_dict(model.tensors())
    batch = np.random.default_rng(0).random((1, 3, 256, 256), np.float32)
    with torch.no_grad():
        wanted = theirs.eval()(torch.from_numpy(batch))
    np.testing.assert_allclose(model.score(batch).maps, wanted.anomaly_map[:, 0].numpy(), atol=1e-4, rtol=1e-4)


def test_the_long_recipe_is_the_papers(alone, monkeypatch):
    monkeypatch.setattr(efficientad_train, "LONG", 2)
    model = drive(fit_efficientad(Drawn(4), replace(KNOBS, steps=2), device="cpu", seed=0))
    assert "as in the paper" in model.notes[2]


def test_the_same_seed_gives_the_same_model(alone):
    import torch

    one, same, other = (
        drive(fit_efficientad(Drawn(6), KNOBS, device="cpu", seed=seed)).tensors() for seed in (1, 1, 2)
    )
    name = "student.conv4.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import torch
torch.set_num_threads(1)
from engine.inspection import checkpoint, efficientad_train
from test_efficientad import Drawn, KNOBS
from dataclasses import replace
from safetensors.torch import save_file
efficientad_train.find_teacher = lambda knobs: None
checkpoint.EVERY_S = 0.0
folder = Path(sys.argv[1]) if sys.argv[1] else None
job = efficientad_train.fit_efficientad(Drawn(), replace(KNOBS, steps=8), device="cpu", seed=3, checkpoint=folder)
told = None
while True:
    try:
        event = next(job)
    except StopIteration as end:
        save_file(end.value.tensors(), sys.argv[2])
        break
    line = f"{{getattr(event, 'what', 'notice')}} {{getattr(event, 'done', '')}}"
    if line != told:
        print(line, flush=True)
        told = line
"""


def started(tmp_path, folder, out):
    script = tmp_path / "train.py"
    root = Path(__file__).resolve().parent.parent
    script.write_text(SCRIPT.format(root=str(root), tests=str(root / "tests")))
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, script, folder, out], stdout=subprocess.PIPE, text=True, env=env)


def until(process, line):
    for said in process.stdout:
        if said.strip() == line:
            return
    pytest.fail(f"it ended before “{line}”")


@pytest.mark.slow
def test_a_killed_training_follows_the_one_that_was_not(tmp_path):
    """kill -9 while the teacher is taught, then while the student is, at several places."""
    import torch

    whole = started(tmp_path, "", tmp_path / "whole.safetensors")
    whole.communicate()
    assert whole.returncode == 0
    folder = str(tmp_path / "state")
    for line in ("Teaching the stand-in teacher 4", "Training EfficientAD 2", "Training EfficientAD 5"):
        process = started(tmp_path, folder, tmp_path / "never.safetensors")
        until(process, line)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    resumed = started(tmp_path, folder, tmp_path / "resumed.safetensors")
    said = resumed.communicate()[0]
    assert resumed.returncode == 0
    assert "Training EfficientAD 5" in said  # it did not begin anew
    assert "Training EfficientAD 3" not in said
    assert not (tmp_path / "never.safetensors").exists()
    from safetensors.torch import load_file

    one, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "resumed"))
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=1e-5)


def test_a_training_is_taken_up_where_it_was_left(alone, monkeypatch):
    import torch

    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    pictures, knobs, folder = Drawn(), replace(KNOBS, steps=4), alone / "state"
    whole = drive(fit_efficientad(pictures, knobs, device="cpu", seed=0)).tensors()
    job = fit_efficientad(pictures, knobs, device="cpu", seed=0, checkpoint=folder)
    for event in job:
        if isinstance(event, Progress) and event.what == "Training EfficientAD" and event.done == 2:
            # the state of step 2 is written when the job goes on
            next(job)
            break
    job.close()
    assert {place.name for place in folder.iterdir()} == {"teacher-00000004", "student-00000002"}
    events = []
    resumed = drive(fit_efficientad(pictures, knobs, device="cpu", seed=0, checkpoint=folder), events.append).tensors()
    assert any("goes on after step 2" in event.text for event in events if isinstance(event, Notice))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=1e-5, rtol=1e-5)


def test_the_state_of_another_training_is_passed_over(alone):
    folder = alone / "state"
    drive(fit_efficientad(Drawn(), replace(KNOBS, steps=1), device="cpu", seed=0, checkpoint=folder))
    events = []
    drive(fit_efficientad(Drawn(), KNOBS, device="cpu", seed=9, checkpoint=folder), events.append)
    assert any("another training" in event.text for event in events if isinstance(event, Notice))


def test_a_damaged_state_gives_way_to_the_one_before(tmp_path):
    import torch

    states = Checkpoints(tmp_path, "student", {"seed": 1})
    states.save(3, {"weights.a": torch.ones(2)})
    (tmp_path / "student-00000007").mkdir()
    (tmp_path / "student-00000007" / "state.json").write_text("{")
    step, tensors = Checkpoints(tmp_path, "student", {"seed": 1}).newest()
    assert step == 3
    assert torch.equal(tensors["weights.a"], torch.ones(2))
    assert Checkpoints(tmp_path, "student", {"seed": 2}).newest() is None


def test_a_state_that_cannot_be_written_is_said(tmp_path):
    import torch

    (tmp_path / "file").write_text("")
    with pytest.raises(SightlineError, match="could not be written"):
        Checkpoints(tmp_path / "file" / "state", "student", {}).save(1, {"a": torch.ones(1)})


def test_the_learner_follows_adam_through_a_restart():
    import torch

    def steps(learner, first, last):
        for number in range(first, last):
            (learner.weights["a"] * (number + 1.0)).sin().sum().backward()
            learner.step(1e-2)

    whole = Learner({"a": torch.ones(3)}, 1e-3)
    steps(whole, 0, 6)
    half = Learner({"a": torch.ones(3)}, 1e-3)
    steps(half, 0, 3)
    state = {name: value.detach().clone() for name, value in half.state().items()}
    again = Learner({"a": torch.zeros(3)}, 1e-3)
    again.restore(3, state)
    steps(again, 3, 6)
    torch.testing.assert_close(again.weights["a"], whole.weights["a"])


@pytest.mark.parametrize("after", [1, 40, 66, 70, 90, 95])
def test_it_can_be_stopped_at_any_place(alone, after):
    job = fit_efficientad(Drawn(), KNOBS, device="cpu", seed=0, checkpoint=alone / "state")
    for _number, _event in zip(range(after), job, strict=False):
        pass
    job.close()
    assert not list(alone.rglob("*.part"))


def saved(path, size="small", seed=5, prefix=""):
    import torch

    weights = networks.fresh("teacher", size, seed)
    named = {prefix + name.removeprefix("teacher."): value for name, value in weights.items()}
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(named, path)
    else:
        torch.save(collections.OrderedDict(named), path)
    return weights


@pytest.mark.parametrize("name", ["t.safetensors", "pretrained_teacher_small.pth"])
def test_a_teacher_is_read_from_a_file(tmp_path, name, monkeypatch):
    import torch

    less(monkeypatch)
    weights = saved(tmp_path / name)
    events = []
    knobs = replace(KNOBS, teacher=str(tmp_path / name), steps=1)
    model = drive(fit_efficientad(Drawn(), knobs, device="cpu", seed=0), events.append)
    assert torch.equal(model.tensors()["teacher.conv3.weight"], weights["teacher.conv3.weight"])
    assert model.notes[0] == f"teacher {name}"
    assert not any("stand-in" in event.text for event in events if isinstance(event, Notice))


def test_a_teacher_is_read_from_the_archive_it_is_published_in(tmp_path, monkeypatch):
    import torch

    inside = io.BytesIO()
    weights = networks.fresh("teacher", "small", 5)
    torch.save({name.removeprefix("teacher."): value for name, value in weights.items()}, inside)
    with zipfile.ZipFile(tmp_path / "efficientad_pretrained_weights.zip", "w") as archive:
        archive.writestr("efficientad_pretrained_weights/pretrained_teacher_small.pth", inside.getvalue())
    monkeypatch.setenv("SIGHTLINE_WEIGHTS", str(tmp_path))
    path, _name = teacher.find_teacher(KNOBS)
    read = teacher.read_teacher(path, "small", "cpu")
    assert torch.equal(read["teacher.conv1.bias"], weights["teacher.conv1.bias"])


def test_a_teacher_of_another_size_is_refused(tmp_path):
    saved(tmp_path / "t.safetensors", "medium")
    with pytest.raises(SightlineError, match="no teacher for EfficientAD of the size small"):
        teacher.read_teacher(tmp_path / "t.safetensors", "small", "cpu")


class Hostile:
    def __reduce__(self):
        return (os.mkdir, (os.environ["HOSTILE"],))


def test_a_hostile_teacher_runs_nothing(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("HOSTILE", str(tmp_path / "ran"))
    torch.save({"conv1.weight": Hostile()}, tmp_path / "t.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Hostile()))
    for name in ("t.pth", "plain.pth"):
        with pytest.raises(SightlineError):
            teacher.read_teacher(tmp_path / name, "small", "cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        (replace(KNOBS, teacher="/nowhere/t.pth"), "There is no file /nowhere/t.pth"),
        (replace(KNOBS, pretraining="/nowhere"), "There is no folder /nowhere"),
        (replace(KNOBS, model_size="huge"), "no size “huge”"),
    ],
)
def test_what_is_given_by_hand_must_be_there(knobs, sentence):
    with pytest.raises(SightlineError, match=sentence):
        drive(fit_efficientad(Drawn(2), knobs, device="cpu", seed=0))


def test_too_small_pictures_are_refused():
    with pytest.raises(SightlineError, match="at least 64 pixels"):
        drive(fit_efficientad(Drawn(2, 32), KNOBS, device="cpu", seed=0))


def test_any_folder_of_pictures_serves_as_pretraining(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "a" / "b" / "x.png"), np.full((50, 90, 3), 200, np.uint8))
    (tmp_path / "damaged.jpg").write_bytes(b"no picture")
    others = drive(finding_others(str(tmp_path), 128, 0))
    pictures = [others.any(np.random.default_rng(seed)) for seed in range(6)]
    assert {picture.shape for picture in pictures} == {(3, 128, 230)}
    assert pictures[0].max() == pytest.approx(200 / 255)
    (tmp_path / "a" / "b" / "x.png").unlink()
    others = drive(finding_others(str(tmp_path), 128, 0))
    with pytest.raises(SightlineError, match="cannot be read"):
        others.any(np.random.default_rng(0))
    (tmp_path / "damaged.jpg").unlink()
    with pytest.raises(SightlineError, match="holds no picture"):
        drive(finding_others(str(tmp_path), 128, 0))


def test_cuts_are_square_and_new():
    picture = np.random.default_rng(0).random((3, 90, 70), np.float32)
    kept = picture.copy()
    for seed in range(20):
        cut = cut_of(picture, 64, np.random.default_rng(seed))
        assert cut.shape == (3, 64, 64)
        cut[:] = 0
    np.testing.assert_array_equal(picture, kept)


def test_damaged_tensors_are_refused():
    weights = networks.fresh("teacher", "small", 0)
    with pytest.raises(SightlineError, match="do not fit"):
        drive(load_efficientad({"size": "small"}, weights, device="cpu"))
    with pytest.raises(SightlineError, match="damaged"):
        drive(load_efficientad({}, weights, device="cpu"))


def test_the_time_is_known_beforehand(alone):
    few = estimate_seconds(replace(KNOBS, size=128, steps=1000), "cpu")
    many = estimate_seconds(replace(KNOBS, size=128, steps=2000), "cpu")
    assert 0 < few < many < 2 * few  # the stand-in is taught 1,000 steps at most


@pytest.mark.slow
@pytest.mark.xfail(reason="not reliably reached: 0.886 was measured with 1,000 steps", strict=False)
def test_drawn_tiles_are_told_apart(alone):
    """The short recipe with the stand-in teacher, from nothing but the pictures: some minutes on two cores."""
    from engine.inspection.dataset import read_category
    from engine.inspection.pictures import read_any
    from engine.inspection.preparation import Pictures

    category = read_category(textures.write_mvtec(alone, "tile", train=60, good=24, each=8))
    knobs = FitKnobs(method="efficientad", steps=STEPS)
    preparation = Preparation(knobs)
    pictures = Pictures([item.path for item in category.train], preparation)
    model = drive(fit_efficientad(pictures, knobs, device="cpu", seed=0))
    scores = {False: [], True: []}
    for item in category.test:
        scores[item.abnormal].append(float(model.score(preparation.cut(read_any(item.path)).batch).raw.max()))
    higher = np.array(scores[True])[:, None] - np.array(scores[False])[None]
    assert ((higher > 0) + 0.5 * (higher == 0)).mean() >= 0.9
