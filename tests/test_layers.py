"""Layers by hand: each derivative against differences and torch's autograd, and the lemmas that are taught of them."""

import math

import numpy as np
import pytest

from engine.learning import layers
from engine.learning.setup import ACTIVATIONS

torch = pytest.importorskip("torch")


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("act", layers.ACTIVATIONS.values(), ids=lambda act: act.key)
def test_the_slope_of_an_activation_is_that_of_its_value(act):
    z = drawn(4, 5, 6)
    z = z[z.abs() > 1e-3]  # ReLU has a corner at 0
    step = 1e-5
    numeric = (act.value(z + step) - act.value(z - step)) / (2 * step)
    assert torch.allclose(act.slope_from_output(act.value(z)), numeric, atol=1e-9)
    known = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "linear": lambda z: z}
    far = torch.tensor([-1e4, -30.0, 0.0, 1e-9, 30.0, 1e4]).double()
    assert torch.allclose(act.value(far), known[act.key](far), rtol=0, atol=1e-15)
    assert act.value(z) is not z


def test_activations_are_those_of_the_settings():
    assert tuple(layers.ACTIVATIONS) == ACTIVATIONS


def test_a_linear_layer_and_its_slopes_are_those_of_autograd():
    h, weights, biases = drawn(3, 4, 7), drawn(3, 4, 5, seed=1), drawn(3, 5, seed=2)
    slope = drawn(3, 5, 7, seed=3)
    for outs in (5, 1):
        given = [one.clone().requires_grad_() for one in (h, weights[:, :, :outs], biases[:, :outs])]
        z = torch.einsum("rio,rib->rob", given[1], given[0]) + given[2][:, :, None]
        assert torch.allclose(layers.linear(h, weights[:, :, :outs], biases[:, :outs]), z, atol=1e-13)
        theirs = torch.autograd.grad(z, given, slope[:, :outs])
        by_weights, by_biases = layers.linear_backward(h, slope[:, :outs])
        inwards = layers.linear_inwards(weights[:, :, :outs], slope[:, :outs])
        for ours, other in zip((inwards, by_weights, by_biases), theirs, strict=True):
            assert torch.allclose(ours, other, rtol=1e-12, atol=1e-13)


def torch_loss(loss, z, y):
    f = torch.nn.functional
    if loss is layers.HALF_SQUARE:
        return f.mse_loss(z, y, reduction="none") / 2
    if loss is layers.LOGISTIC:
        return f.binary_cross_entropy_with_logits(z, y, reduction="none")
    if loss is layers.CROSS_ENTROPY:
        return f.cross_entropy(z, y.long(), reduction="none")
    flat = f.multi_margin_loss(z.transpose(1, 2).reshape(-1, z.shape[1]), y.long().reshape(-1), reduction="none")
    return z.shape[1] * flat.view(y.shape)


@pytest.mark.parametrize(
    "loss", [layers.HALF_SQUARE, layers.LOGISTIC, layers.CROSS_ENTROPY, layers.MANY_HINGES], ids=lambda loss: loss.key
)
def test_losses_and_their_slopes_are_those_of_torch(loss):
    many = loss in (layers.CROSS_ENTROPY, layers.MANY_HINGES)
    z = 3 * (drawn(2, 4, 9) if many else drawn(2, 9))
    labels = np.random.default_rng(1).integers(0, 4 if many else 2, (2, 9)).astype(float)
    y = drawn(2, 9, seed=1) if loss is layers.HALF_SQUARE else torch.from_numpy(labels)
    before = z.clone()
    value, slope = loss.both(z, y)
    given = z.clone().requires_grad_()
    theirs = torch_loss(loss, given, y)
    assert torch.allclose(value, theirs, atol=1e-13)
    assert torch.allclose(loss.value(z, y), theirs, atol=1e-13)
    assert torch.allclose(slope, torch.autograd.grad(theirs.sum(), given)[0], atol=1e-13)
    assert torch.equal(z, before)


def test_labels_may_be_shared_by_all_replicates():
    z, y = drawn(3, 4, 6), torch.tensor([0, 1, 2, 3, 0, 1]).double()
    for loss in (layers.CROSS_ENTROPY, layers.MANY_HINGES):
        for ours, theirs in zip(loss.both(z, y), loss.both(z, y.expand(3, 6)), strict=True):
            assert torch.equal(ours, theirs)


def test_a_shift_changes_nothing_of_a_softmax_and_it_is_a_distribution():
    z = drawn(3, 5, 4)
    said = layers.softmax(z, 1)
    assert torch.allclose(said.sum(1), torch.ones(3, 4).double())
    assert (said > 0).all()
    assert torch.allclose(layers.softmax(z + 1000, 1), said, atol=1e-12)
    assert torch.allclose(layers.softmax(z - 1000, 1), said, atol=1e-12)
    assert torch.equal(layers.softmax(z), layers.softmax(z, 2))
    far = torch.tensor([[[1000.0], [0.0], [-1000.0]]]).double()
    value, slope = layers.CROSS_ENTROPY.both(far, torch.tensor([[2.0]]).double())
    assert float(value) == 2000
    assert slope.flatten().tolist() == [1, 0, -1]


def test_the_loss_of_scores_all_alike_is_log_c_and_c_less_one():
    for classes in (2, 3, 10):
        z, y = torch.full((1, classes, 1), 7.0).double(), torch.ones(1, 1).double()
        assert float(layers.CROSS_ENTROPY.value(z, y)) == pytest.approx(math.log(classes), abs=1e-15)
        assert float(layers.MANY_HINGES.value(z, y)) == classes - 1


def test_tanh_is_a_sigmoid_and_its_slope_is_one_quarter_at_most():
    z = torch.arange(-2000, 2001).double() / 100
    assert torch.allclose(torch.tanh(z), 2 * layers.SIGMOID.value(2 * z) - 1, atol=1e-15)
    slope = layers.SIGMOID.slope_from_output(layers.SIGMOID.value(z))
    assert float(slope.max()) == 0.25
    assert float(z[slope.argmax()]) == 0


def test_linear_layers_collapse_into_one():
    x, first, second, b1, b2 = drawn(1, 3, 8), drawn(1, 3, 6), drawn(1, 6, 2), drawn(1, 6), drawn(1, 2)
    two = layers.linear(layers.LINEAR.value(layers.linear(x, first, b1)), second, b2)
    one = layers.linear(x, first @ second, (b1[:, None] @ second)[:, 0] + b2)
    assert torch.allclose(two, one, atol=1e-12)


def test_xavier_keeps_the_size_of_what_is_said():
    made = layers.xavier(np.random.default_rng(0), 300, 500)
    assert made.shape == (300, 500)
    assert np.abs(made).max() <= math.sqrt(6 / 800)
    assert made.std() == pytest.approx(math.sqrt(2 / 800), rel=0.01)
