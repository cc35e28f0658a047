"""How a gradient becomes a step, and how the learning rate moves."""

import math
from collections.abc import Mapping
from typing import Any

from engine.errors import SightlineError
from engine.learning.knobs import RULES, SCHEDULES, TrainKnobs

_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1e-4
"""One cycle: the share of the way to the highest rate, where it begins, where it ends."""


def factor(schedule: str, share: float) -> float:
    """What the learning rate is multiplied by.

    Args:
        schedule: one of `SCHEDULES`; one-cycle is that of Smith and Topin 2017 (arXiv 1708.07120).
        share: of the way, 0..1.

    Raises:
        SightlineError: there is no such schedule.
    """
    share = min(1.0, max(0.0, share))
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _half_cosine(1.0, 0.0, share)
    if schedule == "one-cycle":
        if share < _RISE:
            return _half_cosine(_FIRST, 1.0, share / _RISE)
        return _half_cosine(1.0, _FIRST * _LAST, (share - _RISE) / (1 - _RISE))
    raise SightlineError(f"There is no schedule {schedule}: choose of {', '.join(SCHEDULES)}.")


def _half_cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def optimizer(rule: str, groups: list[dict[str, Any]], beta: float) -> Any:
    """An optimizer whose groups get their rate and decay before each step.

    Args:
        rule: one of `RULES`.
        groups: of parameters, as torch takes them.
        beta: of momentum; the first of Adam's.

    Raises:
        SightlineError: there is no such rule.
    """
    import torch

    if rule == "sgd":
        return torch.optim.SGD(groups, lr=0.0)
    if rule == "momentum":
        return torch.optim.SGD(groups, lr=0.0, momentum=beta)
    if rule in ("adam", "adamw"):
        kind = torch.optim.Adam if rule == "adam" else torch.optim.AdamW
        return kind(groups, lr=0.0, betas=(beta, 0.999))
    raise SightlineError(f"There is no rule {rule} to train with: choose of {', '.join(RULES)}.")


def groups_of(module: Any, last: Any, body_rate: float) -> list[dict[str, Any]]:
    """The parameters of a network by what they are stepped with: share of the rate, and whether they decay.

    Args:
        module: of `networks.build`.
        last: its head.
        body_rate: the share of the rate for all but the head.
    """
    own = {id(parameter) for parameter in last.parameters()}
    made: list[dict[str, Any]] = []
    for head in (False, True):
        for flat in (False, True):
            # scales and biases are left as they are: shrinking them only unlearns the mean
            some = [p for p in module.parameters() if (id(p) in own) is head and (p.ndim < 2) is flat]
            if some:
                made.append({"params": some, "share": 1.0 if head else body_rate, "decays": not flat})
    return made


def set_rates(optimizer: Any, knobs: TrainKnobs, share: float) -> float:
    """Give every group its rate and decay for the next step, and return the head's rate.

    Args:
        optimizer: with groups of `groups_of`.
        knobs: as they are now.
        share: of the way of the schedule, 0..1.
    """
    rate = knobs.rate * factor(knobs.schedule, share)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
        group["weight_decay"] = knobs.decay if group["decays"] else 0.0
    return rate


def parse_rule(text: str) -> Mapping[str, Any]:
    """Settings out of "momentum:lr=0.009:beta=0.9": a rule, and what its numbers are.

    Args:
        text: a rule's name, then `lr`, `beta`, `decay` in any order; what is left out stays as it is.

    Returns:
        Fields of `TrainKnobs` by name.

    Raises:
        SightlineError: there is no such rule or number.
    """
    name, *numbers = text.split(":")
    if name not in RULES:
        raise SightlineError(
            f"There is no rule {name or 'without a name'} to train with: choose of {', '.join(RULES)}."
        )
    found: dict[str, Any] = {"rule": name}
    for word in numbers:
        key, _, value = word.partition("=")
        field = {"lr": "rate", "beta": "beta", "decay": "decay"}.get(key)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if field is None or not math.isfinite(number):
            raise SightlineError(
                f"“{word}” in {text} cannot be read: write a rule as momentum:lr=0.009:beta=0.9:decay=0.01."
            )
        found[field] = number
    return found
