"""L-BFGS: the exception among the rules. It asks for the full objective itself, as often as its line search wants."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.knobs import knob
from engine.optimizers import wolfe
from engine.optimizers.problem import Tensor
from engine.optimizers.rule import Rule, State, rate_knob

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Value (1,) and gradient (1, P) of the full objective at (1, P)."""

_CURVED = 1e-10
"""A pair whose step and change of gradient agree less than this says nothing of the curvature."""


@dataclass(frozen=True, slots=True)
class LbfgsKnobs:
    """Settings of L-BFGS."""

    lr: float = rate_knob(1.0)
    history: int = knob(100, "Memory", low=1, high=200, step=1, help="How many past steps the curvature is read from.")
    flat: float = knob(
        1e-7,
        "Flat at",
        low=0.0,
        high=1.0,
        step=1e-12,
        log=True,
        help="It stays where no number of the gradient is larger.",
    )
    still: float = knob(
        1e-9,
        "Still at",
        low=0.0,
        high=1.0,
        step=1e-12,
        log=True,
        help="It stays where the step would gain less than this.",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is remembered of one replicate. Nothing of it is ever written again, so copies may share it.

    Attributes:
        value, gradient: at where it is; the gradient is (P,).
        before: the gradient one step earlier; None before the first.
        moved: the last step; None before the first.
        pairs: (change of gradient, step, 1 / their product), oldest first.
        scale: the curvature that is assumed where the pairs say nothing, inverted.
    """

    value: float
    gradient: Tensor
    before: Tensor | None = None
    moved: Tensor | None = None
    pairs: tuple[tuple[Tensor, Tensor, float], ...] = ()
    scale: float = 1.0


def lbfgs_init(theta: Tensor) -> State:
    """Nothing is known of any replicate."""
    return {"memories": (None,) * len(theta)}


def lbfgs_step(
    theta: Tensor, evaluate: Evaluate, state: State, rate: float, knobs: LbfgsKnobs
) -> tuple[Tensor, Tensor, Tensor]:
    r"""A Newton step without a Hessian: theta <- theta + t d, d = -H g, t by a line search.

    A Hessian B turns a step s into the change of gradient y = B s. BFGS keeps an estimate of H = B^-1 that does so for
    the last step and else changes least; unrolled over the last m pairs (s, y) the product H g needs two loops over
    them and no matrix: alpha_i = s_i'q / y_i's_i, q <- q - alpha_i y_i, newest first; r = q s'y / y'y;
    beta_i = y_i'r / y_i's_i, r <- r + (alpha_i - beta_i) s_i, oldest first. The line search keeps y's positive.

    Liu and Nocedal 1989 (Mathematical Programming 45). The order of operations and the tolerances are torch's.

    Args:
        theta: (R, P), moved in place; a replicate that is no longer finite stays.
        evaluate: the full objective of one replicate.
        state: of `lbfgs_init`, changed in place.
        rate: the length that is tried first.
        knobs: of it.

    Returns:
        (R,) values and (R, P) gradients at where it was, (R,) int64 evaluations that the step took.
    """
    import torch

    memories, seen, taken = list(state["memories"]), [], []
    for number, memory in enumerate(memories):
        here = theta[number]
        took = 0
        if memory is None:
            memory, took = _first(here, evaluate), 1
        seen.append(memory)
        if torch.isfinite(memory.gradient).all() and memory.gradient.abs().max() > knobs.flat:
            memory, more = _iterate(here, memory, evaluate, rate, knobs)
            took += more
        memories[number] = memory
        taken.append(took)
    state["memories"] = tuple(memories)
    values = torch.tensor([memory.value for memory in seen], dtype=theta.dtype)
    return values, torch.stack([memory.gradient for memory in seen]), torch.tensor(taken)


def _first(here: Tensor, evaluate: Evaluate) -> Memory:
    value, gradient = evaluate(here[None])
    return Memory(float(value), gradient[0])


def _iterate(here: Tensor, memory: Memory, evaluate: Evaluate, rate: float, knobs: LbfgsKnobs) -> tuple[Memory, int]:
    """One step of one replicate; returns what is remembered then, and the evaluations."""
    memory = _learned(memory, knobs.history)
    gradient = memory.gradient
    direction = _direction(memory)
    slope = float(gradient.dot(direction))
    if slope > -knobs.still:
        return replace(memory, before=None), 0
    length = rate if memory.moved is not None else min(1.0, 1.0 / float(gradient.abs().sum())) * rate

    def along(far: float) -> wolfe.Place:
        value, there = evaluate(here.add(direction, alpha=far)[None])
        return wolfe.Place(far, float(value), there[0], float(there[0].dot(direction)))

    start = wolfe.Place(0.0, memory.value, gradient, slope)
    place, took = wolfe.strong_wolfe(along, start, length, float(direction.abs().max()), knobs.still)
    here.add_(direction, alpha=place.length)
    moved = direction.mul(place.length)
    return replace(memory, value=place.value, gradient=place.gradient, before=gradient, moved=moved), took


def _learned(memory: Memory, history: int) -> Memory:
    """Take the last step into the pairs, where it says something of the curvature."""
    if memory.before is None or memory.moved is None:
        return memory
    change, moved = memory.gradient.sub(memory.before), memory.moved
    product = float(change.dot(moved))
    if not product > _CURVED:
        return memory
    pairs = (*memory.pairs[max(0, len(memory.pairs) - history + 1) :], (change, moved, 1.0 / product))
    return replace(memory, pairs=pairs, scale=product / float(change.dot(change)))


def _direction(memory: Memory) -> Tensor:
    """-H g by the two loops."""
    rest = memory.gradient.neg()
    shares = []
    for change, moved, inverse in reversed(memory.pairs):
        shares.append(float(moved.dot(rest)) * inverse)
        rest.add_(change, alpha=-shares[-1])
    rest = rest.mul(memory.scale)
    for (change, moved, inverse), share in zip(memory.pairs, reversed(shares), strict=True):
        rest.add_(moved, alpha=share - float(change.dot(rest)) * inverse)
    return rest


RULE = Rule(
    "lbfgs", "L-BFGS", LbfgsKnobs, lbfgs_init, lbfgs_step,
    "Reads the curvature from its own steps; unbeaten on smooth problems with all rows at once.",
    r"$\theta \leftarrow \theta - t\,H g$", "Liu and Nocedal 1989", searches=True,
)  # fmt: skip
