"""A network of any number of hidden layers, its back-propagation by hand, for all replicates at once."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.errors import SightlineError
from engine.learning.layers import (
    ACTIVATIONS,
    CROSS_ENTROPY,
    HALF_SQUARE,
    LOGISTIC,
    linear,
    linear_backward,
    linear_inwards,
    xavier,
)
from engine.learning.linear_models import Floats, Penalty, TableModel
from engine.learning.setup import INITS

_MOST = 10_000_000
"""Parameters, above which a network is refused."""


class HandNetwork(TableModel):
    """Hidden layers h_l = f(W_l' h_{l-1} + b_l) from h_0 = x, and a last layer z without f; a mean loss of z.

    Back-propagation (Rumelhart, Hinton and Williams 1986). Let z_l be the sums of layer l and d_l = dL/dz_l, a number
    a row and neuron. The last d follows from the loss alone: z - y for half the squared difference, sigmoid(z) - y for
    the logistic loss, softmax(z) - e_y for the cross-entropy. What is left is the chain rule, a layer at a time from
    the last to the first:

        dL/dW_l = h_{l-1} d_l'              since z_l is linear in W_l, with h_{l-1} beside it
        dL/db_l = the sum of d_l over rows
        d_{l-1} = (W_l d_l) * f'(z_{l-1})     as h_{l-1} reaches L through z_l alone; f' is told from h_{l-1}

    So a backward pass is two products a layer where the forward pass was one.

    In theta the layers lie one after another, each as W (in, out) row by row and then b (out): the constant of x as
    its last column is the row of the first layer's biases.

    Args:
        x: (n, F) float64, its last column 1.
        y: (n,) float64, numbers or classes 0..C-1.
        penalty: of the weights; biases are left out.
        test: rows that are kept aside.
        classes: 0 for a number, else C of 2 or more; two have one output, as in logistic regression.
        hidden: neurons of each hidden layer, 1 or more each.
        activation: one of `ACTIVATIONS`.
        init: "xavier", "normal" (standard deviation 1) or "zero".

    Attributes:
        shapes: (out, in) of each layer.

    Raises:
        SightlineError: no layer, a layer of no neurons, too many of them, or no such activation or start.
    """

    title = "Network"

    def __init__(
        self, x: Floats, y: Floats, penalty: Penalty | None = None, test: tuple[Floats, Floats] | None = None, *,
        classes: int = 0, hidden: Sequence[int] = (8,), activation: str = "tanh", init: str = "xavier",
    ) -> None:  # fmt: skip
        hidden = tuple(int(count) for count in hidden)
        if not hidden or min(hidden) < 1:
            said = ", ".join(str(count) for count in hidden) or "none"
            raise SightlineError(
                f"A network needs one hidden layer or more of 1 or more neurons each, and {said} were asked for."
            )
        if activation not in ACTIVATIONS:
            raise SightlineError(f"There is no activation {activation}: choose of {', '.join(ACTIVATIONS)}.")
        if init not in INITS:
            raise SightlineError(f"A network cannot start as {init}: choose of {', '.join(INITS)}.")
        widths = (int(x.shape[1]) - 1, *hidden, classes if classes > 2 else 1)
        self.shapes = tuple((out, into) for into, out in itertools.pairwise(widths))
        parameters = sum((into + 1) * out for out, into in self.shapes)
        if parameters > _MOST:
            raise SightlineError(
                f"This network would have {parameters:,} parameters and {_MOST:,} are the most: choose fewer neurons."
            )
        super().__init__(x, y, penalty or Penalty(), test, classes, parameters)
        self.hidden, self.init = hidden, init
        self.activation = ACTIVATIONS[activation]
        self.loss = CROSS_ENTROPY if classes > 2 else LOGISTIC if classes == 2 else HALF_SQUARE
        self._flat = classes <= 2
        self._begins = [0]
        for out, into in self.shapes:
            self._free[self._begins[-1] + into * out : self._begins[-1] + (into + 1) * out] = 0
            self._begins.append(self._begins[-1] + (into + 1) * out)
        self._width = sum(widths[1:])

    def start(self, replicates: int, seed: int) -> Any:
        """(R, P): weights as `init` says, biases 0."""
        import torch

        theta = np.zeros((replicates, self.parameters))
        for r in range(replicates if self.init != "zero" else 0):
            rng = np.random.default_rng([seed, r])
            for (out, into), begin in zip(self.shapes, self._begins, strict=False):
                made = xavier(rng, into, out) if self.init == "xavier" else rng.standard_normal((into, out))
                theta[r, begin : begin + into * out] = made.ravel()
        return torch.from_numpy(theta)

    def _split(self, theta: Any) -> list[tuple[Any, Any]]:
        """Views of theta: the first layer's (R, in + 1, out) with its biases, of others (R, in, out) and (R, out)."""
        parts = []
        for number, (out, into) in enumerate(self.shapes):
            begin = self._begins[number]
            whole = theta[:, begin : begin + (into + 1) * out].reshape(-1, into + 1, out)
            parts.append((whole, None) if number == 0 else (whole[:, :-1], whole[:, -1]))
        return parts

    def _outputs(self, parts: list[tuple[Any, Any]], x: Any) -> list[Any]:
        """What each layer gives, (R, out, B) each, of x (B, F) or (R, B, F)."""
        first = parts[0][0]
        # the constant column of x makes the biases of the first layer
        made = [linear(x.mT, first) if x.dim() == 3 else first.mT.matmul(x.T)]
        for weights, biases in parts[1:]:
            made[-1] = self.activation.value(made[-1])
            made.append(linear(made[-1], weights, biases))
        return made

    def _forward(self, theta: Any, x: Any) -> Any:
        z = self._outputs(self._split(theta), x)[-1]
        return z.squeeze(1) if self._flat else z

    def _losses(self, z: Any, y: Any) -> Any:
        return self.loss.value(z, y)

    def _learn(self, theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        import torch

        parts = self._split(theta)
        outputs = self._outputs(parts, x)
        z = outputs[-1]
        losses, slope = self.loss.both(z.squeeze(1) if self._flat else z, y)
        if self._flat:
            slope = slope.unsqueeze(1)
        many = len(theta)
        found: list[Any] = []
        for number in range(len(parts) - 1, 0, -1):
            h = outputs[number - 1]
            by_weights, by_biases = linear_backward(h, slope)
            found += [by_biases, by_weights.view(many, -1)]
            slope = linear_inwards(parts[number][0], slope).mul_(self.activation.slope_from_output(h))
        first = x.mT.bmm(slope.mT) if x.dim() == 3 else slope.matmul(x).mT
        found.append(first.reshape(many, -1))
        return losses, torch.cat(found[::-1], 1)

    def place(self, layer: int, out: int, into: int) -> int:
        """Where in theta a weight lies; `into` of -1 is the bias of the neuron `out`."""
        outs, ins = self.shapes[layer]
        return self._begins[layer] + (ins if into < 0 else into) * outs + out

    def layers(self, theta: Floats) -> tuple[tuple[Floats, Floats], ...]:
        """Weights (out, in) and biases (out,) of each layer, of theta (P,)."""
        made = []
        for (out, into), begin in zip(self.shapes, self._begins, strict=False):
            whole = theta[begin : begin + (into + 1) * out].reshape(into + 1, out)
            made.append((whole[:-1].T.copy(), whole[-1].copy()))
        return tuple(made)

    def neurons(self, theta: Floats, x: Floats) -> list[Floats]:
        """What each neuron gives, (k, width) a layer, the output last, of theta (P,) and x (k, F) with its constant."""
        import torch

        made = self._outputs(self._split(torch.from_numpy(theta)[None]), torch.from_numpy(x))
        return [one[0].T.numpy() for one in made]
