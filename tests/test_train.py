"""Training: it learns, keeps its best epoch, repeats itself, can be paused and stopped, and says what is wrong."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch  # noqa: TID253

from engine.errors import SightlineError
from engine.job import Notice, Progress, drive
from engine.knobs import Cell
from engine.learning import trainer as trainer_module
from engine.learning.classifier import Epoch, Step
from engine.learning.datasets import example_shapes, from_arrays, read_image_folder
from engine.learning.knobs import TrainKnobs, usual
from engine.learning.memory import halving
from engine.learning.stepping import factor, groups_of, optimizer, parse_rule, set_rates
from engine.learning.train import train

QUICK = TrainKnobs(size=32, epochs=2, rate=0.004, batch=16)


def colours(count=40, size=32, seed=0):
    """Reddish and bluish noise: what any network tells apart at once."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pictures = rng.integers(0, 80, (count, size, size, 3), np.uint8)
    pictures[labels == 0, ..., 2] += 150
    pictures[labels == 1, ..., 0] += 150
    half = count * 3 // 4
    return from_arrays(
        pictures[:half], labels[:half], ("red", "blue"), test_pictures=pictures[half:], test_labels=labels[half:]
    )


def watched(data, knobs):
    events = []
    model = drive(train(data, knobs, device="cpu"), events.append)
    return model, events


def epochs_of(events):
    return [event for event in events if isinstance(event, Epoch)]


@pytest.fixture(scope="module")
def run():
    return watched(colours(), QUICK)


def test_it_learns_and_says_how(run):
    model, events = run
    assert model.card.test_accuracy == 1.0
    assert model.confusion.tolist() == [[5, 0], [0, 5]]
    assert [epoch.epoch for epoch in epochs_of(events)] == [1, 2]
    assert tuple(epochs_of(events)) == model.history
    steps = [event for event in events if isinstance(event, Step)]
    # 24 of 30 pictures are learned from, 16 at a time
    assert [step.at for step in steps] == pytest.approx([16 / 24, 1, 1 + 16 / 24, 2])
    shares = [event.share for event in events if isinstance(event, Progress) and event.unit == "epochs"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_the_figures_are_those_of_the_kept_network(run):
    """Probabilities of the returned network give the accuracy and the confusion that the card says."""
    model, _ = run
    data = colours()
    found = model.probabilities(list(data.test.pictures))
    assert found.shape == (10, 2)
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert (found.argmax(1) == data.test.labels).mean() == model.card.test_accuracy
    assert model.probabilities([]).shape == (0, 2)


def test_the_kept_epoch_is_the_best_on_the_validation_part():
    """The kept weights give the validation figures of the epoch that is called kept, not those of the last."""
    from engine.learning.classifier import judging
    from engine.learning.datasets import split
    from engine.learning.pictures import preparing

    data = example_shapes(train=60, test=5, size=32)
    model, events = watched(data, replace(QUICK, epochs=5, rate=0.02))
    history = epochs_of(events)
    best = max(history, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    assert model.card.best == best
    assert [epoch.kept for epoch in history] == [
        all((e.val_accuracy, -e.val_loss) < (epoch.val_accuracy, -epoch.val_loss) for e in history[:place])
        for place, epoch in enumerate(history)
    ]
    parts = split(data, QUICK.split, QUICK.seed)
    for part, loss, accuracy in (
        (parts.val, best.val_loss, best.val_accuracy), (parts.train, best.train_loss, best.train_accuracy),
    ):  # fmt: skip
        prepared = drive(preparing(part, model.preprocessing, "pictures"))
        judged = drive(judging(model.module, prepared, model.preprocessing))
        assert judged.loss == pytest.approx(loss, abs=1e-4)
        assert judged.accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize("more", [{"augment": True, "dropout": 0.5}, {"rule": "momentum", "rate": 0.05}])
def test_a_seed_repeats_itself_and_leaves_torch_as_it_was(more):
    data = colours()
    before = torch.random.get_rng_state()
    runs = [watched(data, replace(QUICK, **more))[0] for _ in range(2)]
    assert torch.equal(torch.random.get_rng_state(), before)
    for one, other in zip(*(run.module.state_dict().values() for run in runs), strict=True):
        assert torch.equal(one, other)
    other = watched(data, replace(QUICK, seed=1, **more))[0]
    assert not torch.equal(other.module.head[-1].weight, runs[0].module.head[-1].weight)


def test_a_pretrained_network_learns_its_head_first(monkeypatch):
    """While the head learns the layers below stay as they came; afterwards they move, their statistics do not."""
    from engine.learning.networks import build

    came = build("mobilenet_v2", 2, "")[0].state_dict()
    knobs = replace(usual("mobilenet_v2", True), size=32, epochs=2, head_epochs=2)
    model, events = watched(colours(), knobs)
    assert [epoch.phase for epoch in epochs_of(events)] == ["head", "head"]
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, came[name]) == (not name.startswith("classifier") or name.endswith("tracked"))
    model, events = watched(colours(), replace(knobs, epochs=3, augment=True, patience=1, rate=0.01))
    assert [epoch.phase for epoch in epochs_of(events)] == ["head", "head", "all"]


def test_statistics_of_a_pretrained_network_stay_while_all_learns():
    from engine.learning.networks import build

    came = build("mobilenet_v2", 2, "")[0].state_dict()
    knobs = replace(usual("mobilenet_v2", True), size=32, epochs=1, head_epochs=0)
    model, _ = watched(colours(), knobs)
    now = model.module.state_dict()
    assert torch.equal(now["features.1.conv.0.1.running_mean"], came["features.1.conv.0.1.running_mean"])
    assert not torch.equal(now["features.1.conv.0.0.weight"], came["features.1.conv.0.0.weight"])


def test_it_waits_while_it_is_paused_and_takes_new_knobs():
    cell = Cell(QUICK)
    job = train(colours(), cell, device="cpu")
    rates = []
    for event in job:
        if isinstance(event, Step):
            rates.append(event.rate)
            if len(rates) == 1:
                cell.value = replace(cell.value, paused=True)
                begun = time.monotonic()
                assert [next(job) for _ in range(4)][-2:] == [None, None]
                assert time.monotonic() - begun > 0.03
                cell.value = replace(cell.value, paused=False, rate=0.04)
    assert rates[0] == pytest.approx(0.004)
    assert rates[1] == pytest.approx(0.04 * factor("cosine", 16 / 24 / 2))


def test_it_ends_early_when_it_is_enough_or_nothing_gets_better():
    cell = Cell(replace(QUICK, epochs=50))
    events = []

    def see(event):
        events.append(event)
        if isinstance(event, Epoch) and event.epoch == 2:
            cell.value = replace(cell.value, enough=True)

    model = drive(train(colours(), cell, device="cpu"), see)
    assert len(epochs_of(events)) == 2
    assert "enough" not in model.card.settings
    # a rate this small moves nothing, so no epoch after the first is better by accuracy, and few by loss
    _, events = watched(colours(), replace(QUICK, epochs=50, rate=1e-30, patience=2, schedule="constant", decay=0.0))
    assert len(epochs_of(events)) < 50


def test_closing_it_anywhere_leaves_nothing_behind():
    threads = torch.get_num_threads()
    data, knobs = colours(), replace(QUICK, epochs=1, augment=True)
    count = sum(1 for _ in train(data, knobs, device="cpu"))
    for stop in range(1, count, 3):
        job = train(data, knobs, device="cpu")
        for _ in range(stop):
            next(job)
        job.close()
    assert torch.get_num_threads() == threads


def test_a_batch_that_does_not_fit_is_halved(monkeypatch):
    step = trainer_module.Trainer._step
    sizes = []

    def small(self, some, *rest):
        if len(some) > 6:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried")
        sizes.append(len(some))
        return (yield from step(self, some, *rest))

    monkeypatch.setattr(trainer_module.Trainer, "_step", small)
    model, events = watched(colours(), QUICK)
    assert [event.text for event in events if isinstance(event, Notice)] == [
        f"Memory is short: it goes on with {count} pictures in a step." for count in (8, 4)
    ]
    assert sizes == [4] * 12
    assert model.card.test_accuracy > 0.5


def test_no_memory_at_all_is_one_sentence(monkeypatch):
    def never(*_):
        raise MemoryError
        yield

    monkeypatch.setattr(trainer_module.Trainer, "_step", never)
    with pytest.raises(SightlineError, match="too little memory"):
        watched(colours(), QUICK)


def test_other_errors_are_not_taken_for_memory():
    def broken(_some):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(halving([1, 2], 2, broken))


def test_a_training_that_diverges_says_so():
    with pytest.raises(SightlineError, match="smaller learning rate"):
        watched(colours(), replace(QUICK, rule="sgd", rate=1e5))
    cell = Cell(replace(QUICK, rule="sgd", epochs=5, rate=0.01))
    events = []

    def see(event):
        events.append(event)
        if isinstance(event, Epoch):
            cell.value = replace(cell.value, rate=1e5)

    model = drive(train(colours(), cell, device="cpu"), see)
    assert any(isinstance(event, Notice) and "diverged" in event.text for event in events)
    assert all(torch.isfinite(value).all() for value in model.module.state_dict().values())


def test_a_damaged_picture_is_left_out_and_said(tmp_path):
    data = colours()
    for label, name in enumerate(data.names):
        (tmp_path / name).mkdir()
        for index in np.flatnonzero(data.train.labels == label):
            cv2.imwrite(str(tmp_path / name / f"{index}.png"), data.train.pictures[index])
    (tmp_path / "red" / "0.png").write_bytes(b"no picture")
    model, events = watched(read_image_folder(tmp_path), replace(QUICK, epochs=1))
    (notice,) = (event for event in events if isinstance(event, Notice))
    assert "0.png" in notice.text
    assert model.card.source == str(tmp_path)


# -- rules and schedules


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_schedules_equal_torchs(schedule):
    steps = 200
    parameter = torch.nn.Parameter(torch.zeros(1))
    steps_of = torch.optim.SGD([parameter], lr=0.5)
    theirs = {
        "constant": lambda: torch.optim.lr_scheduler.ConstantLR(steps_of, factor=1.0),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(steps_of, steps),
        "one-cycle": lambda: torch.optim.lr_scheduler.OneCycleLR(
            steps_of, 0.5, total_steps=steps + 1, cycle_momentum=False, final_div_factor=1e4
        ),
    }[schedule]()
    for step in range(steps):
        # torch counts to its last step, and begins to fall one step sooner
        assert 0.5 * factor(schedule, step / steps) == pytest.approx(steps_of.param_groups[0]["lr"], abs=0.006)
        steps_of.step()
        theirs.step()


def test_only_weights_decay_and_the_head_has_its_own_rate():
    from engine.learning.networks import build, head

    module, _ = build("small_cnn", 2)
    groups = groups_of(module, head(module, "small_cnn"), 0.1)
    assert sum(len(group["params"]) for group in groups) == len(list(module.parameters()))
    steps = optimizer("adamw", groups, 0.9)
    rate = set_rates(steps, replace(TrainKnobs(), rate=0.5, decay=0.25, schedule="constant"), 0.3)
    assert rate == 0.5
    for group in steps.param_groups:
        flat = all(parameter.ndim < 2 for parameter in group["params"])
        assert group["weight_decay"] == (0.0 if flat else 0.25)
        own = any(
            parameter is module.head[-1].weight or parameter is module.head[-1].bias for parameter in group["params"]
        )
        assert group["lr"] == pytest.approx(0.5 if own else 0.05)


def test_a_rule_is_read_from_a_text():
    assert parse_rule("adam") == {"rule": "adam"}
    assert parse_rule("momentum:lr=0.009:beta=0.8:decay=1e-4") == {
        "rule": "momentum", "rate": 0.009, "beta": 0.8, "decay": 1e-4,
    }  # fmt: skip
    for text in ("lion", "", "adam:lr", "adam:lr=fast", "adam:speed=1", "adam:lr=nan"):
        with pytest.raises(SightlineError, match=r"\.$"):
            parse_rule(text)


def test_the_example_is_learned_in_seconds():
    model, _ = watched(example_shapes(), usual("small_cnn", drawn=True))
    assert model.card.test_accuracy >= 0.95


# -- real photographs


@pytest.mark.slow
@pytest.mark.parametrize(("network", "least"), [("mobilenet_v2", 0.92), ("small_cnn", 0.65)])
def test_cats_and_dogs(assets, network, least):
    weights = assets / "models" / "mobilenet_v2_imagenet.pth"
    pretrained = network != "small_cnn"
    knobs = usual(network, pretrained, augment=not pretrained)
    data = read_image_folder(assets / "classify" / "cats_dogs")
    model, _ = watched(data, replace(knobs, weights=str(weights) if pretrained else ""))
    best = model.card.best
    print(
        f"{network}: test {model.card.test_accuracy:.3f}, train {best.train_accuracy:.3f}, val {best.val_accuracy:.3f}"
    )
    assert model.card.test_accuracy >= least
    assert best.train_accuracy - best.val_accuracy <= 0.15
