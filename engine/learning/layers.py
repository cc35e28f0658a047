"""Layers of a network as pure functions, each with its derivative by hand: tensor arithmetic alone.

Every tensor has a leading axis R of replicates, each with its own weights: h (R, in, B) is what comes into a layer,
a column a row of the data, and z (R, out, B) are the sums that leave it. A layer's backward takes the slope of the
objective by what left the layer, and gives the slopes by what came in and by its weights: the chain rule, read from
right to left (Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors").

A function and its derivative are one object, so that they cannot part. Whole numbers are written 1.0 where tensors
are counted with: torch would turn an int into a float64 at each call, which takes as long as the sum.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Activation:
    """What a neuron does with its sum, and its derivative, told from what came out.

    Attributes:
        key: how settings call it.
        title: how people call it.
        value: of sums of any shape, a new tensor of that shape.
        slope_from_output: the derivative at the place whose value is given: sigmoid and tanh need nothing else.
    """

    key: str
    title: str
    value: Callable[[Any], Any]
    slope_from_output: Callable[[Any], Any]


def _sigmoid_slope(out: Any) -> Any:
    return out - out * out


def _tanh(z: Any) -> Any:
    # 2 sigmoid(2 z) - 1 takes half as long as torch's tanh
    return (z + z).sigmoid_().mul_(2.0).sub_(1.0)


def _tanh_slope(out: Any) -> Any:
    return (out * out).neg_().add_(1.0)


def _relu(z: Any) -> Any:
    return z.clamp(min=0.0)


def _relu_slope(out: Any) -> Any:
    # out is 0 or more, so its sign is 0 or 1
    return out.sign()


def _same(z: Any) -> Any:
    return z.clone()


def _ones(out: Any) -> Any:
    return out.new_ones(out.shape)


SIGMOID = Activation("sigmoid", "Sigmoid", lambda z: z.sigmoid(), _sigmoid_slope)
"""s = 1 / (1 + exp(-z)). s' = exp(-z) / (1 + exp(-z))^2 = s (1 - s), which is 1/4 at z = 0 and less elsewhere."""
TANH = Activation("tanh", "Tanh", _tanh, _tanh_slope)
"""t = (exp(z) - exp(-z)) / (exp(z) + exp(-z)) = 2 sigmoid(2 z) - 1, so t' = 4 s (1 - s) at 2 z, which is 1 - t^2."""
RELU = Activation("relu", "ReLU", _relu, _relu_slope)
"""max(0, z), whose derivative is 1 above 0 and 0 below; at 0, where it has none, 0 is taken (Nair and Hinton 2010)."""
LINEAR = Activation("linear", "None (linear)", _same, _ones)
"""z itself: layers of it collapse into one, W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2)."""

ACTIVATIONS: dict[str, Activation] = {one.key: one for one in (TANH, SIGMOID, RELU, LINEAR)}
"""By key, as `engine.learning.setup.ACTIVATIONS` lists them."""


def linear(h: Any, weights: Any, biases: Any = None) -> Any:
    """z = W' h + b.

    Args:
        h: (R, in, B).
        weights: (R, in, out).
        biases: (R, out); None leaves them out.

    Returns:
        (R, out, B).
    """
    import torch

    z = torch.bmm(weights.mT, h)
    return z if biases is None else z.add_(biases.unsqueeze(2))


def linear_backward(h: Any, slope: Any) -> tuple[Any, Any]:
    """Slopes by the weights and by the biases of a linear layer.

    From z_ob = sum_i w_io h_ib + b_o follow dL/dw_io = sum_b h_ib dL/dz_ob and dL/db_o = sum_b dL/dz_ob.

    Args:
        h: (R, in, B), what came in.
        slope: (R, out, B), dL/dz.

    Returns:
        (R, in, out) and (R, out).
    """
    import torch

    return torch.bmm(h, slope.mT), slope.sum(2)


def linear_inwards(weights: Any, slope: Any) -> Any:
    """Slopes by what came into a linear layer, dL/dh_ib = sum_o w_io dL/dz_ob: the same matrix, transposed.

    Args:
        weights: (R, in, out).
        slope: (R, out, B), dL/dz.

    Returns:
        (R, in, B).
    """
    import torch

    # of one output each sum has one term
    return weights * slope if weights.shape[2] == 1 else torch.bmm(weights, slope)


def softmax(z: Any, axis: int = -1) -> Any:
    """exp(z_c) / sum_k exp(z_k) over an axis: positive, of sum 1.

    A shift z + a of all scores multiplies numerator and denominator by exp(a) and changes nothing; so the largest is
    subtracted first, and no exponential is above 1.
    """
    exps = (z - z.amax(axis, keepdim=True)).exp_()
    return exps.div_(exps.sum(axis, keepdim=True))


@dataclass(frozen=True, slots=True)
class Loss:
    """What answers cost, and the derivative.

    Answers z are (R, B), with labels y of that shape; scores of C classes are (R, C, B), with the index of the right
    class in y (R, B).

    Attributes:
        key: its name.
        value: of z and y, (R, B).
        both: the costs, and their derivatives by z, new tensors.
    """

    key: str
    value: Callable[[Any, Any], Any]
    both: Callable[[Any, Any], tuple[Any, Any]]


def _half_square(z: Any, y: Any) -> Any:
    off = z - y
    return off.mul_(off).mul_(0.5)


def _half_square_both(z: Any, y: Any) -> tuple[Any, Any]:
    off = z - y
    return (off * off).mul_(0.5), off


def _logistic(z: Any, y: Any) -> Any:
    # log(1 + exp(z)) without an overflow
    return z.abs().neg_().exp_().log1p_().add_(z.clamp(min=0.0)).sub_(y * z)


def _logistic_both(z: Any, y: Any) -> tuple[Any, Any]:
    return _logistic(z, y), z.sigmoid().sub_(y)


def _cross_entropy(z: Any, y: Any) -> Any:
    shifted = z - z.amax(1, keepdim=True)
    right = shifted.gather(1, _index(z, y)).squeeze(1)
    return shifted.exp_().sum(1).log_().sub_(right)


def _cross_entropy_both(z: Any, y: Any) -> tuple[Any, Any]:
    shifted = z - z.amax(1, keepdim=True)
    labels = _index(z, y)
    right = shifted.gather(1, labels).squeeze(1)
    exps = shifted.exp_()
    total = exps.sum(1, keepdim=True)
    slope = exps.div_(total)
    slope.scatter_add_(1, labels, slope.new_full((1, 1, 1), -1.0).expand(labels.shape))
    return total.log_().squeeze(1).sub_(right), slope


def _index(z: Any, y: Any) -> Any:
    """(R, 1, B) int64: the right classes, for all replicates where they share them."""
    return y.long().expand(z.shape[0], z.shape[2]).unsqueeze(1)


def _many_hinges(z: Any, y: Any) -> Any:
    # the right class itself adds 1 to the sum
    return (z - z.gather(1, _index(z, y))).add_(1.0).clamp_(min=0.0).sum(1).sub_(1.0)


def _many_hinges_both(z: Any, y: Any) -> tuple[Any, Any]:
    labels = _index(z, y)
    hinges = (z - z.gather(1, labels)).add_(1.0).clamp_(min=0.0)
    slope = hinges.sign()
    slope.scatter_add_(1, labels, -slope.sum(1, keepdim=True))
    return hinges.sum(1).sub_(1.0), slope


HALF_SQUARE = Loss("half_square", _half_square, _half_square_both)
"""(z - y)^2 / 2 of a number y; by z it is z - y."""
LOGISTIC = Loss("logistic", _logistic, _logistic_both)
"""log(1 + exp(z)) - y z for y of 0 and 1: minus the logarithm of the probability that sigmoid(z) gives the label.

Its derivative is sigmoid(z) - y: the probability that is said, less the one that is true.
"""
CROSS_ENTROPY = Loss("cross_entropy", _cross_entropy, _cross_entropy_both)
"""-log softmax(z)_y = log sum_k exp(z_k) - z_y of C scores z and the index y of the right class.

The derivative of log sum_k exp(z_k) by z_c is softmax(z)_c, that of -z_y is -1 at c = y: so it is softmax(z) - e_y.
Where all scores are alike it is log C.
"""
MANY_HINGES = Loss("many_hinges", _many_hinges, _many_hinges_both)
"""sum over j != y of max(0, 1 + z_j - z_y) (Weston and Watkins 1998; Crammer and Singer 2001 take the largest alone).

Each wrong class whose score comes nearer than 1 counts 1 in the slope of its own score and -1 in that of the right
one. Where all scores are alike it is C - 1.
"""


def xavier(rng: np.random.Generator, ins: int, outs: int) -> Floats:
    """Weights to begin with, (ins, outs), uniform in +-sqrt(6 / (ins + outs)) (Glorot and Bengio 2010).

    A sum of `ins` independent terms w h has the variance ins var(w) var(h): forwards, var(w) = 1 / ins keeps the size
    of what is said from layer to layer, backwards 1 / outs that of the slopes. 2 / (ins + outs) stands between the
    two, and a uniform number in +-a has the variance a^2 / 3.
    """
    reach = np.sqrt(6 / (ins + outs))
    return rng.uniform(-reach, reach, (ins, outs))
