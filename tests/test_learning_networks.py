"""The networks that can be trained: what goes in and comes out, their new heads, and their weights."""

import pytest
import torch  # noqa: TID253

from engine.errors import SightlineError
from engine.learning import networks
from engine.learning.knobs import NETWORKS, TrainKnobs, check, usual
from engine.learning.networks import KINDS, build, features, head, norms, parameters, set_dropout


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_its_square_and_tells_its_classes_apart(name):
    module, preprocessing = build(name, 3, size=64)
    assert not module.training
    assert preprocessing.size == 64
    assert all(parameter.requires_grad for parameter in module.parameters())
    with torch.no_grad():
        assert module(torch.randn(2, 3, 64, 64)).shape == (2, 3)
    assert head(module, name).out_features == 3
    assert head(module, name).in_features == KINDS[name].width


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_of_the_features_is_the_network(name):
    module, _ = build(name, 4)
    batch = torch.randn(2, 3, 64, 64)
    seen = features(module, name, batch)
    assert not seen.requires_grad
    with torch.no_grad():
        assert torch.allclose(head(module, name)(seen), module(batch), atol=1e-5)
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_no_hook_is_left_when_the_network_fails():
    module, _ = build("small_cnn", 2)
    with pytest.raises(RuntimeError):
        features(module, "small_cnn", torch.randn(2, 5, 32, 32))
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_the_small_network_takes_any_size_and_changes_nothing_in_place():
    module, _ = build("small_cnn", 2)
    with torch.no_grad():
        for shape in ((1, 3, 33, 70), (2, 3, 128, 64), (1, 3, 8, 8)):
            assert module(torch.randn(shape)).shape == (shape[0], 2)
    assert not any(getattr(layer, "inplace", False) for layer in module.modules())
    assert len(norms(module)) == 4
    assert parameters(module) == sum(p.numel() for p in module.parameters()) < 200_000


def test_the_smooth_maximum_lies_between_average_and_maximum_and_its_gradient_adds_up_to_one():
    pool = networks._smooth_maximum()
    seen = torch.randn(2, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    made = pool(seen)
    assert made.shape == (2, 5)
    assert (made >= seen.mean((2, 3))).all()
    assert (made <= seen.amax((2, 3))).all()
    assert torch.allclose(pool(torch.full((1, 1, 3, 9), 2.5)), torch.tensor([[2.5]]))
    made.sum().backward()
    assert torch.allclose(seen.grad.sum((2, 3)), torch.ones(2, 5, dtype=torch.float64))
    assert torch.autograd.gradcheck(pool, seen.detach().requires_grad_())


def test_dropout_can_be_set():
    module, _ = build("resnet18", 2, dropout=0.1)
    set_dropout(module, "resnet18", 0.7)
    assert [layer.p for layer in module.modules() if isinstance(layer, torch.nn.Dropout)] == [0.7]


def test_pretrained_weights_go_in_and_the_head_is_new(tmp_path):
    import torchvision

    torch.manual_seed(3)
    other = torchvision.models.squeezenet1_1(weights=None)
    torch.save(other.state_dict(), tmp_path / "own.pth")
    module, preprocessing = build("squeezenet", 2, tmp_path / "own.pth")
    assert torch.equal(module.features[0].weight, other.features[0].weight)
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert (preprocessing.size, preprocessing.resize) == (224, 256)


def test_mobilenet_has_weights_without_a_download():
    module, _ = build("mobilenet_v2", 2, "")
    fresh, _ = build("mobilenet_v2", 2)
    assert module.features[0][0].weight.std() != fresh.features[0][0].weight.std()


def sentence(door):
    with pytest.raises(SightlineError) as error:
        door()
    said = str(error.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_what_cannot_be_built_is_one_sentence_each(tmp_path):
    assert "no network vgg" in sentence(lambda: build("vgg", 2))
    assert "no pretrained weights" in sentence(lambda: build("small_cnn", 2, ""))
    assert "There is no file" in sentence(lambda: build("mobilenet_v2", 2, tmp_path / "gone.pth"))
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    assert "bad.pth" in sentence(lambda: build("mobilenet_v2", 2, tmp_path / "bad.pth"))
    torch.save(build("resnet18", 2)[0].state_dict(), tmp_path / "other.pth")
    assert "does not fit mobilenet_v2" in sentence(lambda: build("mobilenet_v2", 2, tmp_path / "other.pth"))


@pytest.mark.parametrize("change", [
    {"network": "vgg"}, {"rule": "lion"}, {"schedule": "steps"}, {"rate": 0.0}, {"rate": -1.0}, {"rate": float("nan")},
    {"batch": 0}, {"epochs": 0}, {"smoothing": 1.0}, {"split": 1.0}, {"split": 0.0}, {"beta": 1.0}, {"size": 8},
    {"patience": -1}, {"decay": float("inf")},
])  # fmt: skip
def test_settings_that_cannot_be_are_one_sentence_each(change):
    from dataclasses import replace

    sentence(lambda: check(replace(TrainKnobs(), **change)))


def test_the_usual_settings_can_be():
    for name in NETWORKS:
        for pretrained in (False, True):
            check(usual(name, pretrained))
    assert "vgg" in sentence(lambda: usual("vgg"))
