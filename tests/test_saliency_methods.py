"""The methods: each against Captum or an answer that is known, and what they leave behind when they are stopped."""

import threading
import warnings
from contextlib import closing
from dataclasses import fields, replace

import numpy as np
import pytest
from saliency_tiny import CLASSES, QUICK, SMALL, asked, convolutions, near, nn, state_of, torch

from engine.errors import SightlineError
from engine.job import Notice, Progress, drive
from engine.saliency.explain import explain
from engine.saliency.integrated_gradients import baseline
from engine.saliency.knobs import ExplainKnobs
from engine.saliency.layer_methods import loudest_channel
from engine.saliency.methods import METHODS, method
from engine.saliency.perturbation_methods import CELLS, rise_mask, superpixels_of
from engine.saliency.stoppable import seeded, ticking
from engine.saliency.types import Explanation, Target

captum = pytest.importorskip("captum.attr")
functional = nn.functional

LINEAR = (
    "integrated_gradients", "grad_cam", "input_x_gradient", "gradient_shap", "occlusion", "superpixels", "rise",
    "layer_conductance",
)  # fmt: skip
"""Whose map of a difference is the difference of the maps."""
PIECEWISE = ("smooth_grad", "gradient_shap", "occlusion", "rise", "integrated_gradients")
"""Whose maps sharpen while they are made."""


def run(ask, key: str, see=lambda _event: None) -> Explanation:
    return drive(METHODS[key].run(ask), see)


# the table


def test_the_methods_are_offered_in_this_order():
    assert list(METHODS) == [
        "integrated_gradients", "grad_cam", "saliency", "input_x_gradient", "smooth_grad", "guided_backprop",
        "guided_grad_cam", "grad_cam_plus_plus", "eigen_cam", "deep_lift", "gradient_shap", "occlusion", "superpixels",
        "rise", "layer_conductance", "neuron",
    ]  # fmt: skip


def test_what_the_table_says_of_a_method_is_so():
    known = {field.name for field in fields(ExplainKnobs)}
    for key, said in METHODS.items():
        assert set(said.knobs) <= known, key
        assert said.layer == ("layer" in said.knobs), key
        found = run(asked(convolutions()), key)
        assert found.method == key
        assert bool(found.layer) == said.layer, key
        assert (found.completeness_error is not None) == said.promises, key
        assert found.values.shape == (32, 32)
        assert found.values.dtype == np.float32
        assert found.done
        assert said.signed or found.values.min() >= 0, key


@pytest.mark.parametrize("key", METHODS)
def test_only_the_knobs_that_the_table_names_change_a_map(key):
    changed = {
        "layer": "0", "channel": 0, "relu": True, "baseline": "white", "steps": 30, "double": True, "samples": 9,
        "noise": 0.3, "window": 16, "segments": 30, "masks": 80, "seed": 5,
    }  # fmt: skip
    plain = run(asked(convolutions()), key).values
    others = {name: value for name, value in changed.items() if name not in METHODS[key].knobs}
    assert np.array_equal(run(asked(convolutions(), knobs=replace(QUICK, **others)), key).values, plain)


@pytest.mark.parametrize("said", ["Grad-CAM++", "grad cam++", "grad_cam_plus_plus"])
def test_a_method_is_found_as_people_write_it(said):
    assert method(said).key == "grad_cam_plus_plus"


def test_a_method_that_does_not_exist():
    with pytest.raises(SightlineError, match="There is no method gradcam2: choose one of integrated_gradients, "):
        method("gradcam2")


# against Captum


def of_captum(ask):
    """For each method a call of Captum's own on the same network, in one piece."""
    net, x, target = ask.classifier.module, ask.tensor().requires_grad_(), ask.target.index
    base = baseline(ask, x, "black")
    layer = net.get_submodule(ask.knobs.layer)
    deviation = ask.knobs.noise * float(ask.tensor().max() - ask.tensor().min())
    attr = captum

    def chance(call):
        with seeded(0, "cpu"):
            return call()

    segments = torch.from_numpy(superpixels_of(SMALL.square(ask.image), ask.knobs.segments))[None, None]
    channel = loudest_channel(ask, ask.classifier.layer(ask.knobs.layer))

    def large(found):
        return attr.LayerAttribution.interpolate(found.sum(1, keepdim=True), (32, 32), "bilinear")[0, 0]

    return {
        "saliency": lambda: attr.Saliency(net).attribute(x, target)[0].amax(0),
        "input_x_gradient": lambda: attr.InputXGradient(net).attribute(x, target)[0].sum(0),
        "smooth_grad": lambda: chance(
            lambda: attr.NoiseTunnel(attr.Saliency(net)).attribute(
                x, nt_samples=8, stdevs=deviation, target=target, abs=False
            )
        )[0].abs().amax(0),
        "guided_backprop": lambda: attr.GuidedBackprop(net).attribute(x, target)[0].abs().amax(0),
        "guided_grad_cam": lambda: attr.GuidedGradCam(net, layer)
        .attribute(x, target, interpolate_mode="bilinear")[0].abs().amax(0),
        "deep_lift": lambda: attr.DeepLift(net).attribute(x, base, target)[0].sum(0),
        "gradient_shap": lambda: chance(
            lambda: attr.GradientShap(net).attribute(x, base, n_samples=8, stdevs=deviation, target=target)
        )[0].sum(0),
        "occlusion": lambda: attr.Occlusion(net).attribute(x, (3, 8, 8), (3, 4, 4), base, target)[0, 0],
        "superpixels": lambda: attr.FeatureAblation(net).attribute(x, base, target, feature_mask=segments)[0, 0],
        "layer_conductance": lambda: large(attr.LayerConductance(net, layer).attribute(x, base, target, n_steps=20)),
        "neuron": lambda: attr.NeuronIntegratedGradients(net, layer)
        .attribute(x, lambda out: out[:, channel].sum((1, 2)), base, n_steps=20)[0].sum(0),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:Setting:UserWarning")
@pytest.mark.parametrize(
    "key",
    [
        "saliency", "input_x_gradient", "smooth_grad", "guided_backprop", "guided_grad_cam", "deep_lift",
        "gradient_shap", "occlusion", "superpixels", "layer_conductance", "neuron",
    ],
)  # fmt: skip
def test_a_method_equals_a_direct_call_of_captum(key):
    # at this layer and for this class Grad-CAM has evidence of both signs
    ask = asked(convolutions(), Target(2), replace(QUICK, layer="3"))
    assert near(run(ask, key).values, of_captum(ask)[key]()) < 1e-5


@pytest.mark.parametrize("key", LINEAR)
def test_why_this_and_not_that_is_the_difference_of_both(key):
    net = convolutions()
    one, other = (run(asked(net, Target(index)), key).values for index in (1, 2))
    found = run(asked(net, Target(1, 2)), key).values
    assert near(found, one - other) < 1e-4


@pytest.mark.parametrize("key", ["deep_lift", "guided_backprop", "saliency", "smooth_grad"])
def test_why_this_and_not_that_asks_the_network_for_the_difference(key):
    net = convolutions()
    last = nn.Linear(8 * 16, 1)
    last.weight.data, last.bias.data = net[6].weight[1:2] - net[6].weight[2:3], net[6].bias[1:2] - net[6].bias[2:3]
    wanted = run(asked(nn.Sequential(*net[:6], last), Target(0)), key).values
    assert near(run(asked(net, Target(1, 2)), key).values, wanted) < 1e-4


def test_several_baselines_are_averaged():
    for key in ("deep_lift", "occlusion", "superpixels", "layer_conductance"):
        kinds = ("black", "white", "blur", "mean")
        each = [run(asked(convolutions(), knobs=replace(QUICK, baseline=kind)), key).values for kind in kinds]
        found = run(asked(convolutions(), knobs=replace(QUICK, baseline="several")), key)
        assert near(found.values, np.mean(each, 0)) < 1e-5


# activations that Captum does not know, or sees once though they are used twice


class ByHand(nn.Module):
    """(n, 3, s, s) to (n, 1): ReLU6 of one weighed sum of the colours at each pixel, weighed and added up."""

    def __init__(self, mix, weights):
        super().__init__()
        self.mix = nn.Conv2d(3, 1, 1, bias=False)
        self.mix.weight.data = torch.tensor(mix, dtype=torch.float32).view(1, 3, 1, 1)
        self.activation = nn.ReLU6()
        self.last = nn.Linear(32 * 32, 1, bias=False)
        self.last.weight.data = torch.tensor(weights, dtype=torch.float32).view(1, -1)

    def forward(self, x):
        return self.last(self.activation(self.mix(x)).flatten(1))


@pytest.fixture
def by_hand():
    rng = np.random.default_rng(3)
    mix, weights = np.array([9.0, -3.0, 12.0]), rng.normal(size=(32, 32))
    ask = asked(ByHand(mix, weights), Target(0))
    x, base = (t.numpy()[0] for t in (ask.tensor(), baseline(ask, ask.tensor(), "black")))
    z, z0 = (np.tensordot(mix, t, 1) for t in (x, base))
    assert min((z < 0).sum(), ((z > 0) & (z < 6)).sum(), (z > 6).sum()) > 20  # all three parts of ReLU6 are met
    return ask, mix, weights, x - base, z, z0


def test_guided_backprop_of_relu6_by_hand(by_hand):
    ask, mix, weights, _way, z, _z0 = by_hand
    wanted = np.abs(mix).max() * np.maximum(weights, 0) * ((z > 0) & (z < 6))
    assert near(run(ask, "guided_backprop").values, wanted) < 1e-5


def test_deep_lift_of_relu6_by_hand(by_hand):
    ask, mix, weights, way, z, z0 = by_hand
    wanted = np.tensordot(mix, way, 1) * weights * (np.clip(z, 0, 6) - np.clip(z0, 0, 6)) / (z - z0)
    assert near(run(ask, "deep_lift").values, wanted) < 1e-5


class Written(nn.Module):
    """One network with a way around an activation, written in several ways."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(5)
        self.how = how
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.last = nn.Linear(6, CLASSES)
        self.one, self.two, self.three = nn.ReLU(), nn.ReLU(), nn.ReLU()

    def forward(self, x):
        x = self.a(x)
        if self.how == "modules":
            x = self.two(self.b(self.one(x)) + x)
            x = self.three(x - 0.1)
        elif self.how == "one module":
            x = self.one(self.b(self.one(x)) + x)
            x = self.one(x - 0.1)
        else:
            x = torch.relu(self.b(functional.relu(x)) + x)
            x = functional.relu(x - 0.1, inplace=True) if self.how == "functions" else (x - 0.1).relu_()
        return self.last(x.mean((2, 3)))


@pytest.mark.parametrize("key", ["guided_backprop", "deep_lift", "guided_grad_cam"])
@pytest.mark.parametrize("how", ["one module", "functions", "methods"])
def test_it_does_not_matter_how_an_activation_is_written(key, how):
    knobs = replace(QUICK, layer="b")
    wanted = run(asked(Written("modules"), knobs=knobs), key).values
    assert near(run(asked(Written(how), knobs=knobs), key).values, wanted) < 1e-6


def test_guided_backprop_leaves_the_way_around_an_activation_alone():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Conv2d(3, 1, 1, bias=False)
            self.mix.weight.data[:] = 1.0
            self.relu = nn.ReLU()

        def forward(self, x):
            x = self.mix(x)
            # below 0 through the ReLU: not passed on; below 0 around it: passed on
            return torch.stack([(-self.relu(x) - 0.5 * x).sum((1, 2, 3)), x.sum((1, 2, 3))], 1)

    assert np.allclose(run(asked(Around(), Target(0)), "guided_backprop").values, 0.5)


class Pooled(nn.Module):
    """A network with a pool behind an activation, as a module or a function."""

    def __init__(self, pool):
        super().__init__()
        torch.manual_seed(2)
        self.a, self.pool, self.last = nn.Conv2d(3, 6, 3), pool, nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.last(self.pool(torch.relu(self.a(x))).flatten(2).sum(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pooled(nn.MaxPool2d(2)),
        lambda: Pooled(nn.MaxPool2d(3, 2, 1)),
        lambda: Pooled(nn.MaxPool2d(3, 2, ceil_mode=True)),
        lambda: Pooled(nn.MaxPool2d((2, 3), (1, 2), (1, 0), dilation=(2, 1))),
        lambda: Pooled(Function()),
        lambda: Written("one module"),
        lambda: convolutions(nn.SiLU),
        lambda: convolutions(nn.LeakyReLU),
        lambda: convolutions(nn.GELU),
        lambda: resnet(),
    ],
    ids=["pool", "overlapping", "ceil", "uneven", "function", "twice", "silu", "leaky", "gelu", "resnet18"],
)
def test_deep_lift_adds_up_to_what_it_explains(make):
    ask = asked(make())
    found = run(ask, "deep_lift")
    x, base = ask.tensor(), baseline(ask, ask.tensor(), "black")
    gap = float(ask.number(x) - ask.number(base))
    assert found.gap == pytest.approx(gap, rel=1e-4)
    assert abs(gap) > 1e-4
    assert found.values.sum() == pytest.approx(gap, rel=2e-3)


class Function(nn.Module):
    def forward(self, x):
        return functional.max_pool2d(x, 3, stride=2)


def resnet():
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None, num_classes=CLASSES)


class Decides(nn.Module):
    """What it does depends on what it sees."""

    def __init__(self):
        super().__init__()
        self.a = convolutions()

    def forward(self, x):
        return self.a(x) if x.sum() > 0 else -self.a(x)


@pytest.mark.parametrize("key", ["guided_backprop", "guided_grad_cam", "deep_lift"])
def test_a_network_that_cannot_be_taken_apart(key):
    with pytest.raises(SightlineError, match=r"^the network cannot be taken apart for .*: use Integrated Gradients"):
        run(asked(Decides()), key)


def test_guided_backprop_needs_a_relu():
    with pytest.raises(SightlineError, match=r"^the network has no ReLU, which Guided Backprop changes: use Saliency"):
        run(asked(convolutions(nn.GELU)), "guided_backprop")


# methods that cover a part


class Patch(nn.Module):
    """Says the first class where one patch of its square is red, and looks nowhere else."""

    ROWS, COLUMNS = slice(6, 14), slice(18, 26)

    def __init__(self):
        super().__init__()
        self.keep = nn.Conv2d(3, 3, 1, bias=False)
        self.keep.weight.data = torch.eye(3).view(3, 3, 1, 1)

    def forward(self, x):
        red = self.keep(x)[:, 0, self.ROWS, self.COLUMNS].mean((1, 2))
        return torch.stack([2 * red, torch.zeros_like(red)], 1)


def red_patch() -> np.ndarray:
    image = np.full((36, 36, 3), 90, np.uint8)
    image[2 + Patch.ROWS.start : 2 + Patch.ROWS.stop, 2 + Patch.COLUMNS.start : 2 + Patch.COLUMNS.stop] = (0, 0, 255)
    return image


def inside(values: np.ndarray) -> np.ndarray:
    return values[Patch.ROWS, Patch.COLUMNS]


@pytest.mark.parametrize("key", ["rise", "occlusion", "superpixels"])
def test_the_patch_that_the_network_looks_at_is_found(key):
    knobs = replace(QUICK, masks=600, window=8)
    found = run(asked(Patch(), Target(0), knobs, red_patch()), key).values
    place = np.unravel_index(found.argmax(), found.shape)
    assert Patch.ROWS.start <= place[0] < Patch.ROWS.stop
    assert Patch.COLUMNS.start <= place[1] < Patch.COLUMNS.stop
    outside = np.ones_like(found, bool)
    outside[Patch.ROWS, Patch.COLUMNS] = False
    assert inside(found).mean() > 4 * np.abs(found[outside]).mean()


def test_rise_by_hand():
    knobs = replace(QUICK, masks=60, baseline="mean", seed=4)
    ask = asked(Patch(), Target(0), knobs, red_patch())
    x, base = ask.tensor(), baseline(ask, ask.tensor(), "mean")
    masks = np.stack([rise_mask(32, 4, number) for number in range(60)])
    with torch.inference_mode():
        seen = torch.cat([base + (x - base) * torch.from_numpy(mask) for mask in masks])
        said = ask.classifier.module(seen).softmax(1)[:, 0].numpy()
    wanted = (said[:, None, None] * masks).sum(0) / masks.sum(0) - said.mean()
    assert near(run(ask, "rise").values, wanted) < 1e-5


def test_a_mask_of_rise_is_smooth_and_half_seen():
    masks = np.stack([rise_mask(224, 0, number) for number in range(300)])
    assert masks.dtype == np.float32
    assert (masks.min(), masks.max()) == (0, 1)
    assert masks.mean() == pytest.approx(0.5, abs=0.02)
    assert np.abs(masks.mean(0) - 0.5).max() < 0.15  # no pixel is favoured
    assert np.abs(np.diff(masks, axis=1)).max() <= CELLS / 224 + 1e-6
    assert np.array_equal(masks[7], rise_mask(224, 0, 7))
    assert not np.array_equal(masks[7], rise_mask(224, 1, 7))


def test_superpixels_follow_what_is_drawn():
    square = np.full((128, 128, 3), (40, 120, 60), np.uint8)
    square[20:80, 40:100] = (40, 60, 220)
    found = superpixels_of(square, 20)
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert 10 <= found.max() + 1 <= 40
    drawn = (square[..., 2] == 220).ravel()
    share = np.bincount(found.ravel(), drawn) / np.bincount(found.ravel())
    assert np.minimum(share, 1 - share).max() < 0.1  # none lies across the edge


def test_noise_does_not_join_superpixels_to_few():
    noisy = np.random.default_rng(0).integers(60, 190, (128, 128, 3), dtype=np.uint8)
    assert superpixels_of(noisy, 60).max() + 1 >= 20


def test_superpixels_of_one_colour():
    found = superpixels_of(np.full((32, 32, 3), 128, np.uint8), 12)
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    values = run(asked(Patch(), Target(0), image=np.full((32, 32, 3), 128, np.uint8)), "superpixels").values
    assert np.isfinite(values).all()


def test_a_window_larger_than_the_square_covers_all_of_it():
    ask = asked(convolutions(), knobs=replace(QUICK, window=112))
    x, base = ask.tensor(), baseline(ask, ask.tensor(), "black")
    assert np.allclose(run(ask, "occlusion").values, float(ask.number(x) - ask.number(base)), atol=1e-5)


# methods of a layer


def test_the_conductance_of_a_layer_that_all_passes_through_adds_up():
    ask = asked(convolutions(), knobs=replace(QUICK, steps=200))
    assert run(ask, "layer_conductance").completeness_error < 0.01


def test_the_neuron_that_speaks_most_is_chosen():
    net = convolutions()
    net[6].weight.data[1] = 0
    net[6].weight.data[1, 5 * 16 : 6 * 16] = 1.0  # only channel 5 speaks for class 1
    net[2].bias.data[5] = 3.0
    found = run(asked(net), "neuron")
    assert found.details == {"channel": 5.0}
    chosen = run(asked(net, knobs=replace(QUICK, channel=5)), "neuron")
    assert np.array_equal(found.values, chosen.values)
    assert not np.array_equal(found.values, run(asked(net, knobs=replace(QUICK, channel=2)), "neuron").values)


def test_a_neuron_doubles_its_steps_until_it_is_complete():
    events = []
    found = run(asked(convolutions(), knobs=replace(QUICK, steps=5, double=True)), "neuron", events.append)
    assert found.completeness_error <= 0.01
    shown = [event for event in events if isinstance(event, Explanation)]
    assert [event.steps for event in shown] == [5 * 2**n for n in range(len(shown))]
    assert all(event.completeness_error > 0.01 and not event.done for event in shown)


def test_a_channel_that_a_layer_does_not_have():
    with pytest.raises(SightlineError, match=r"^The layer 4 has no channel 99: it has 8, 0 to 7\.$"):
        run(asked(convolutions(), knobs=replace(QUICK, channel=99)), "neuron")


# chance


@pytest.mark.parametrize("key", ["smooth_grad", "gradient_shap", "rise"])
def test_the_same_seed_gives_the_same_map(key):
    first, again, other = (
        run(asked(convolutions(), knobs=replace(QUICK, seed=seed)), key).values for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_common_chance_is_left_as_it_was():
    ask = asked(convolutions())
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    for key in METHODS:
        run(ask, key)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in METHODS:
            run(asked(convolutions()), key)


# jobs


def broken_at(ask, call: int, error: Exception):
    """Let the second convolution of `convolutions` fail at its call of this number, once."""
    part = ask.classifier.module[2]
    forward, calls = part.forward, []

    def failing(x):
        calls.append(len(x))
        if len(calls) == call + 1:
            raise error
        return forward(x)

    part.forward = failing
    return calls


@pytest.mark.parametrize("call", [0, 2])
@pytest.mark.parametrize("key", METHODS)
def test_nothing_is_left_on_the_network_when_it_fails(key, call):
    ask = asked(convolutions())
    calls = broken_at(ask, call, ValueError("broken"))
    before = state_of(ask.classifier.module)
    try:
        run(ask, key)
    except ValueError as error:
        raised = str(error)
    else:
        raised = ""
    # those that need one or two passes are through by then
    assert raised == ("broken" if len(calls) > call else "")
    assert call or raised
    assert state_of(ask.classifier.module) == before


@pytest.mark.parametrize("key", METHODS)
def test_nothing_is_left_on_the_network_when_it_is_done(key):
    ask = asked(convolutions())
    before = state_of(ask.classifier.module)
    run(ask, key)
    assert state_of(ask.classifier.module) == before


@pytest.mark.parametrize("key", METHODS)
def test_a_job_can_be_stopped_at_every_event(key):
    ask = asked(convolutions())
    before, events = state_of(ask.classifier.module), []
    run(ask, key, events.append)
    assert isinstance(events[0], Progress)
    calls = broken_at(ask, -1, ValueError())
    before = state_of(ask.classifier.module)
    for stop in range(1, min(len(events), 6) + 1):
        job = METHODS[key].run(ask)
        with closing(job):
            for _ in range(stop):
                next(job)
            done = len(calls)
        assert len(calls) == done, "it went on after it was stopped"
        assert state_of(ask.classifier.module) == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sightline")]


@pytest.mark.parametrize("key", PIECEWISE)
def test_maps_sharpen_on_the_way(key, monkeypatch):
    monkeypatch.setattr("engine.saliency.stoppable._SHOWN_S", 0)
    knobs = replace(QUICK, samples=64, masks=400, steps=100, window=4)
    events = []
    found = run(asked(convolutions(), knobs=knobs), key, events.append)
    shown = [event for event in events if isinstance(event, Explanation)]
    assert shown
    assert not any(event.done for event in shown)
    off = [np.abs(event.values - found.values).mean() for event in shown]
    assert len(off) > 2
    assert off[-1] < off[0] / 2
    assert off[-1] < np.abs(found.values).mean() / 2


@pytest.mark.parametrize("key", METHODS)
def test_progress_goes_up_to_its_end(key):
    events = []
    run(asked(convolutions(), knobs=replace(QUICK, samples=20)), key, events.append)
    shares = [event.share for event in events if isinstance(event, Progress) and event.share is not None]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert not shares or shares[-1] > 0.5


REPEATABLE = ("integrated_gradients", "occlusion", "superpixels", "rise", "layer_conductance", "neuron")


def short_of_memory(ask, most: int) -> None:
    """Let passes of more than so many pictures fail, as torch says it."""
    part = ask.classifier.module[2]
    forward = part.forward

    def failing(x):
        if len(x) > most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 GB")
        return forward(x)

    part.forward = failing


@pytest.mark.parametrize("key", [*REPEATABLE, "smooth_grad", "gradient_shap"])
def test_the_batch_shrinks_when_memory_is_short(key):
    wanted = run(asked(convolutions()), key).values
    ask = asked(convolutions())
    short_of_memory(ask, 3)
    events = []
    found = run(ask, key, events.append).values
    said = [event.text for event in events if isinstance(event, Notice)]
    assert said[-1] == "Memory runs short: going on with 2 pictures at a time."
    if key in REPEATABLE:
        assert near(found, wanted) < 1e-4


@pytest.mark.parametrize("key", METHODS)
def test_one_sentence_when_not_even_one_picture_fits(key):
    ask = asked(convolutions())
    short_of_memory(ask, 0)
    with pytest.raises(SightlineError, match=r"^There is not enough memory for one picture: close other programs"):
        run(ask, key)


# the helper that makes a job of a call


def test_a_call_becomes_a_job():
    where = []

    def work(tell):
        for number in range(3):
            where.append(threading.current_thread().name)
            tell(number)
        return "done"

    seen = []
    assert drive(ticking(work), seen.append) == "done"
    assert seen == [0, 1, 2]
    assert set(where) == {"sightline saliency"}


def test_the_call_waits_while_its_job_is_not_driven():
    steps = []

    def work(tell):
        for number in range(5):
            steps.append(number)
            tell(number)

    with closing(ticking(work)) as job:
        assert [next(job), next(job)] == [0, 1]
        assert steps == [0, 1]
    assert steps == [0, 1]


def test_what_the_call_raises_comes_out_of_the_job():
    def work(tell):
        tell(1)
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"):
        drive(ticking(work), seen.append)
    assert seen == [1]


def test_a_call_that_catches_everything_is_stopped_nevertheless():
    cleaned = []

    def work(tell):
        while True:
            try:
                tell(1)
            except Exception:
                continue
            finally:
                cleaned.append(True)

    with closing(ticking(work)) as job:
        next(job)
    assert cleaned == [True]


def test_a_job_that_was_never_begun_leaves_no_thread():
    ticking(lambda tell: tell(1)).close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sightline")]


# all of them on a real network


@pytest.mark.parametrize("key", METHODS)
def test_every_method_explains_mobilenet(key, mobilenet, assets):
    from engine.media.pictures import read_picture

    image = read_picture(assets / "images" / "both.png")
    knobs = ExplainKnobs(steps=10, double=False, samples=4, window=112, segments=8, masks=50)
    found = drive(explain(image, mobilenet, key, "top1", knobs))
    assert np.isfinite(found.values).all()
    assert found.values.max() > 0
    assert found.full().shape == image.shape[:2]
    if key == "deep_lift":
        assert found.completeness_error < 1e-3


@pytest.fixture(scope="module")
def mobilenet(assets):
    from engine.saliency.networks import open_classifier

    return open_classifier("mobilenet_v2", assets / "models" / "mobilenet_v2_imagenet.pth", device="cpu")
