"""How much faster a race is than torch.optim, one replicate after the other.

uv run python tests/bench_race.py
        drawn clicks, 8,549 rows of 5 features and a constant: 30 replicates x 6 rules x 2,000 steps, batch 32
"""

import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from engine import runtime

runtime.prepare()

import numpy as np
from problems_drawn import Logistic, torch

from engine.job import drive
from engine.optimizers.contenders import parse_contenders
from engine.optimizers.race import Chunk, race
from engine.optimizers.rules import RULES
from engine.optimizers.run import Run
from engine.optimizers.twin import _MAKERS

RULES_RACED = "sgd:lr=0.1,momentum:lr=0.1:beta=0.9,nesterov:lr=0.1,adagrad:lr=0.1,rmsprop:lr=0.01,adam:lr=0.01"
ROWS, BATCH, STEPS, REPLICATES = 8549, 32, 2000, 30
MANY = 1_000_000
FASTER, LONGER = 20.0, 1.2
"""How many times as fast a race must be, and how many times as long a step on a long vector may take."""


def raced(problem, contenders, replicates):
    """Seconds of a race, and its losses (contenders, R, steps)."""
    chunks = [[] for _ in contenders]

    def see(event):
        if isinstance(event, Chunk):
            chunks[event.contender].append(event.trace.losses)

    begun = time.perf_counter()
    drive(race(problem, contenders, STEPS, replicates), see)
    took = time.perf_counter() - begun
    return took, np.stack([np.concatenate(some, axis=1) for some in chunks])


def by_torch(problem, contender, replicate, autograd):
    """Seconds of one replicate through torch.optim, and its losses (steps,).

    Args:
        problem, contender: as in the race.
        replicate: its number: start and order of the data follow from it.
        autograd: torch finds the gradient; else it is given the one that the problem derives by hand.
    """
    run = Run(problem, contender, STEPS, REPLICATES)
    theta = run.at.theta[replicate].clone().requires_grad_(autograd)
    rows = torch.stack(
        [some[replicate] for epoch in range(8) for some in run._shuffles.batches(0, epoch, BATCH, 0, 267)]
    )[:STEPS]
    # the last batch of an epoch is smaller and is left to the loop
    rest = {epoch: run._shuffles.batches(0, epoch, BATCH, 267, 1)[0][replicate] for epoch in range(8)}
    order, at = [], 0
    for step in range(STEPS):
        epoch, place = divmod(step, 268)
        order.append(rest[epoch] if place == 267 else rows[at])
        at += place < 267
    optimizer = _MAKERS[contender.key]([theta], contender.knobs, contender.wraps)
    x, y, losses = problem.x, problem.y, []
    begun = time.perf_counter()
    for some in order:
        if autograd:
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(x[some] @ theta, y[some])
            loss = loss + problem.l2 / 2 * (theta @ theta)
            loss.backward()
        else:
            value, gradient = problem.value_and_gradient(theta[None], some[None])
            loss, theta.grad = value[0], gradient[0]
        optimizer.step()
        losses.append(loss.detach())
    took = time.perf_counter() - begun
    return took, torch.stack(losses).numpy()


def many_replicates(problem):
    """Whether 30 replicates of six rules are fast enough."""
    contenders = parse_contenders(RULES_RACED, batch=BATCH)
    own, losses = min((raced(problem, contenders, REPLICATES) for _ in range(3)), key=lambda one: one[0])
    print(f"race: {REPLICATES} replicates x {len(contenders)} rules x {STEPS:,} steps in {own:.2f} s")
    held = True
    for autograd, what in ((True, "autograd"), (False, "the same gradient by hand")):
        seconds, apart = 0.0, 0.0
        for number, contender in enumerate(contenders):
            found = [by_torch(problem, contender, replicate, autograd) for replicate in (0, REPLICATES - 1)]
            seconds += REPLICATES * float(np.mean([took for took, _ in found]))
            for (_, other), replicate in zip(found, (0, REPLICATES - 1), strict=True):
                apart = max(apart, float(np.abs(other / losses[number, replicate] - 1).max()))
        ratio = seconds / own
        held = held and ratio >= FASTER and apart < 1e-9
        print(
            f"  torch.optim one at a time, {what}: {seconds:.0f} s (from 2 of {REPLICATES}); the race is {ratio:.0f} "
            f"times as fast; losses differ by {apart:.0e} at most"
        )
    return held


def one_replicate(problem):
    """Whether one replicate of each rule is not slower than torch.optim."""
    held = True
    for contender in parse_contenders(RULES_RACED, batch=BATCH):
        own, other = [], []
        for _ in range(5):
            other += [by_torch(problem, contender, 0, autograd)[0] for autograd in (True, False)]
            own.append(raced(problem, [contender], 1)[0])
        # the shortest of each, taken in turns: what else the machine does only adds
        ratio = min(other) / min(own)
        held = held and ratio >= 1
        print(f"one replicate, {contender.name:9} {ratio:.2f} times as fast as torch.optim at its faster gradient")
    return held


def long_vector():
    """Whether a step on a million parameters takes no longer than torch's foreach path allows."""
    held = True
    generator = torch.Generator().manual_seed(0)
    for contender in parse_contenders("sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,amsgrad,adamw,nadam"):
        theta = torch.randn(1, MANY, dtype=torch.float64, generator=generator)
        gradient = torch.randn(1, MANY, dtype=torch.float64, generator=generator)
        rule = RULES[contender.key]
        state = rule.init(theta)
        other = theta[0].clone()
        other.grad = gradient[0].clone()
        optimizer = _MAKERS[contender.key]([other], contender.knobs, contender.wraps)
        optimizer.param_groups[0]["foreach"] = True
        optimizer.step()
        ratios = []
        for _ in range(15):
            own = _seconds(lambda r=rule, t=theta, g=gradient, s=state, k=contender.knobs: r.step(t, g, s, 1e-3, k))
            ratios.append(own / _seconds(optimizer.step))
        ratio = float(np.median(ratios))
        held = held and ratio <= LONGER
        print(f"{MANY:,} parameters, {contender.name:9} {ratio:.2f} times as long as torch's foreach")
    return held


def _seconds(call):
    """The shortest of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begun)
    return best


def main() -> int:
    """Print the ratios; 1 where a figure is missed."""
    torch.set_num_threads(1)
    problem = Logistic(rows=ROWS, features=5, l2=0.01)
    held = [many_replicates(problem), one_replicate(problem), long_vector()]
    for one, figure in zip(
        held, (f"{FASTER:g} times as fast", "one not slower", f"at most {LONGER:g} times"), strict=True
    ):
        print(f"{figure}: {'holds' if one else 'is missed'}")
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
