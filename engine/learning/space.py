"""What a search may choose: a text such as "hidden=4..256,lr=1e-4..1:log,batch=16|32|64,rule=sgd|adam".

name=low..high       any number between, whole where the setting is
name=low..high:log   likewise, each power of ten as likely as the next
name=one|two|three   one of these
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np

from engine.errors import SightlineError
from engine.learning.linear_models import PENALTIES
from engine.learning.problems import KINDS
from engine.learning.setup import ACTIVATIONS, INITS, ProblemSetup
from engine.optimizers.contenders import Contender, parse_batch, parse_schedule
from engine.optimizers.rules import RULES
from engine.optimizers.wrappers import Wraps

Value: TypeAlias = "str | int | float"
Values: TypeAlias = dict[str, Value]
"""What was chosen, by name."""

GRID_POINTS = 5
"""How many numbers of a range a grid tries."""
MOST_CELLS = 100_000
_WORDS: dict[str, tuple[str, ...]] = {
    "penalty": PENALTIES, "activation": ACTIVATIONS, "init": INITS, "rule": tuple(RULES)
}  # fmt: skip
SEARCHED = ("hidden", "activation", "init", "degree", "penalty", "strength")
"""What can be chosen of a problem; anything else would change the data or the loss that trials are compared by."""
_LEAST = {"hidden": 1, "degree": 1, "batch": 1}
"""Whole numbers, and the least they can be."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two others.

    Attributes:
        name: of the setting.
        low, high: both can be chosen.
        whole: whole numbers alone.
        log: each power of ten is as likely as the next.
    """

    name: str
    low: float
    high: float
    whole: bool = False
    log: bool = False

    def points(self, count: int = GRID_POINTS) -> tuple[Value, ...]:
        """Some numbers from `low` to `high`, as many as are different."""
        made = np.geomspace(self.low, self.high, count) if self.log else np.linspace(self.low, self.high, count)
        if self.whole:
            return tuple(dict.fromkeys(round(float(one)) for one in made))
        return (self.low, *(float(f"{one:.12g}") for one in made[1:-1]), self.high)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values."""

    name: str
    values: tuple[Value, ...]

    def points(self, count: int = GRID_POINTS) -> tuple[Value, ...]:
        """All of them."""
        return self.values


Space: TypeAlias = tuple[Range | Choice, ...]


def usual_space(setup: ProblemSetup) -> str:
    """What is searched where nothing is said."""
    return "hidden=4..64:log,lr=1e-4..1:log" if "hidden" in KINDS[setup.problem].fields else "lr=1e-4..1:log"


def parse_space(text: str) -> Space:
    """A space out of a text.

    Raises:
        SightlineError: a piece of it cannot be read.
    """
    found: list[Range | Choice] = []
    for piece in text.split(","):
        name, mark, said = (part.strip() for part in piece.partition("="))
        if not mark or not name or not said:
            raise SightlineError(
                f"“{piece.strip()}” of the space cannot be read: write such as lr=1e-4..1:log or batch=16|32."
            )
        if any(one.name == name for one in found):
            raise SightlineError(f"The space names {name} twice: name it once.")
        found.append(_range(name, said) if ".." in said else _choice(name, said))
    return tuple(found)


def text_of_space(space: Space) -> str:
    """The text that makes a space again."""
    said = []
    for one in space:
        if isinstance(one, Range):
            ends = (round(one.low), round(one.high)) if one.whole else (one.low, one.high)
            said.append(f"{one.name}={ends[0]!r}..{ends[1]!r}{':log' if one.log else ''}")
        else:
            said.append(f"{one.name}={'|'.join(str(value) for value in one.values)}")
    return ",".join(said)


def _range(name: str, said: str) -> Range:
    if name in _WORDS or name == "schedule":
        raise SightlineError(f"{name} is a word and has no range: write such as {name}=one|two.")
    ends, _, scale = said.partition(":")
    low, high = (_value(name, word) for word in ends.split("..", 1))
    if isinstance(low, str) or isinstance(high, str) or not (math.isfinite(low) and math.isfinite(high)):
        raise SightlineError(f"“{name}={said}” of the space is no range of numbers: write such as {name}=1..10.")
    if scale not in ("", "log"):
        raise SightlineError(f"“{scale}” in {name}={said} is no scale: write log, or leave it out.")
    if not low < high:
        raise SightlineError(f"The range {name}={said} is empty: the first number must be below the second.")
    if scale and low <= 0:
        raise SightlineError(f"The range {name}={said} has no logarithm: begin above 0, or leave :log out.")
    return Range(name, low, high, name in _LEAST, bool(scale))


def _choice(name: str, said: str) -> Choice:
    words = [word.strip() for word in said.split("|")]
    if "" in words:
        raise SightlineError(f"“{name}={said}” of the space has an empty choice: write such as {name}=one|two.")
    if name == "schedule":
        for word in words:
            parse_schedule(word)
        return Choice(name, tuple(dict.fromkeys(words)))
    if name in _WORDS:
        for word in words:
            if word not in _WORDS[name]:
                raise SightlineError(f"There is no {name} {word}: choose of {', '.join(_WORDS[name])}.")
        return Choice(name, tuple(dict.fromkeys(words)))
    values = [_value(name, word) for word in words]
    for word, value in zip(words, values, strict=True):
        if isinstance(value, str) and not (name == "batch" and value == "all"):
            raise SightlineError(f"{name}={word} of the space is no number: write such as {name}=1|2 or {name}=1..10.")
    return Choice(name, tuple(dict.fromkeys(values)))


def _value(name: str, word: str) -> Value:
    """A number where it is one, whole for settings that are; otherwise the word."""
    try:
        number = float(word)
    except ValueError:
        return word.strip()
    if name not in _LEAST:
        return number
    if not math.isfinite(number) or number != int(number):
        raise SightlineError(f"{name}={word.strip()} of the space is no whole number: give one.")
    if number < _LEAST[name]:
        raise SightlineError(f"{name}={word.strip()} of the space cannot be: give {_LEAST[name]} or more.")
    return int(number)


def check_space(space: Space, setup: ProblemSetup, contender: Contender, rows: int, steps: int) -> None:
    """Whether every choice can be made, before the first is tried.

    Args:
        space: of the search.
        setup: the problem as it is where the space says nothing.
        contender: likewise who learns.
        rows: of the data that are learned from.
        steps: of each run.

    Raises:
        SightlineError: a name that the problem and the rules do not have, or a value that cannot be.
    """
    rules = next((one.points() for one in space if one.name == "rule"), (contender.key,))
    kind = KINDS[setup.problem]
    own = [name for name in SEARCHED if name in kind.fields]
    knobs = {one.name for key in rules for one in fields(RULES[str(key)].knobs)}
    wraps = [one.name for one in fields(Wraps)]
    known = [*own, "rule", "schedule", *(["batch"] if rows else []), *sorted(knobs), *wraps]
    for one in space:
        if one.name not in known:
            raise SightlineError(
                f"There is no {one.name} to be searched for {kind.title.lower()} with {', '.join(map(str, rules))}: "
                f"choose of {', '.join(dict.fromkeys(known))}."
            )
    named = {one.name for one in space}
    if "strength" in named and "penalty" not in named and setup.penalty == "none":
        raise SightlineError("A strength counts with a penalty alone: choose one, or give penalty=l1|l2 to the space.")
    usual = {one.name: one.points()[0] for one in space}
    for one in space:
        for value in (one.low, one.high) if isinstance(one, Range) else one.values:
            for rule in rules:
                found, who = applied({**usual, "rule": rule, one.name: value}, setup, contender)
                if found.strength < 0:
                    raise SightlineError(f"strength={found.strength:g} of the space cannot be: give 0 or more.")
                who.check(rows, steps)


def chosen(space: Space, setup: ProblemSetup, contender: Contender, ask: Callable[[Range | Choice], Value]) -> Values:
    """Ask for a value of each setting that counts: a rule's own numbers only with that rule, a strength only with a
    penalty."""
    found: Values = {}
    for one in sorted(space, key=lambda one: one.name not in ("rule", "penalty")):
        if one.name == "strength" and found.get("penalty", setup.penalty) == "none":
            continue
        if one.name not in (*SEARCHED, "rule", "schedule", "batch") and not _has(found, contender, one.name):
            continue
        if one.name == "batch" and RULES[str(found.get("rule", contender.key))].searches:
            continue
        found[one.name] = ask(one)
    return found


def _has(found: Mapping[str, Value], contender: Contender, name: str) -> bool:
    knobs = RULES[str(found.get("rule", contender.key))].knobs
    return name in {one.name for one in (*fields(knobs), *fields(Wraps))}


def applied(values: Mapping[str, Value], setup: ProblemSetup, contender: Contender) -> tuple[ProblemSetup, Contender]:
    """The problem and who learns, with what was chosen.

    Args:
        values: by name, as `chosen` gives them.
        setup, contender: where nothing was chosen.
    """
    own: dict[str, Any] = {name: values[name] for name in SEARCHED if name in values}
    if "hidden" in own:
        own["hidden"] = (int(own["hidden"]),)
    if "rule" in values and values["rule"] != contender.key:
        key = str(values["rule"])
        contender = replace(contender, key=key, knobs=None, name="")
        if contender.rule.searches:
            contender = replace(contender, batch="all")
    if "schedule" in values:
        contender = replace(contender, schedule=parse_schedule(str(values["schedule"])))
    if "batch" in values and not contender.rule.searches:
        contender = replace(contender, batch=parse_batch(str(values["batch"])))
    knobs: dict[str, Any] = {}
    wraps: dict[str, Any] = {}
    for name, value in values.items():
        if name in (*SEARCHED, "rule", "schedule", "batch"):
            continue
        if hasattr(contender.knobs, name):
            knobs[name] = type(getattr(contender.knobs, name))(value)
        elif hasattr(contender.wraps, name):
            wraps[name] = float(value)
    return replace(setup, **own), replace(
        contender, knobs=replace(contender.knobs, **knobs), wraps=replace(contender.wraps, **wraps)
    )


def cells(space: Space, setup: ProblemSetup, contender: Contender) -> list[Values]:
    """All that a grid tries, without what would be the same run twice.

    Raises:
        SightlineError: they are too many.
    """
    points: Sequence[tuple[Value, ...]] = [one.points() for one in space]
    count = math.prod(len(some) for some in points)
    if count > MOST_CELLS:
        raise SightlineError(
            f"The grid has {count:,} cells and {MOST_CELLS:,} are the most: give fewer choices, or another sampler."
        )
    found: dict[tuple[tuple[str, Value], ...], Values] = {}
    for some in itertools.product(*points):
        all_of_them = {one.name: value for one, value in zip(space, some, strict=True)}
        values = chosen(space, setup, contender, lambda one, these=all_of_them: these[one.name])  # type: ignore[misc]
        found.setdefault(tuple(sorted(values.items())), values)
    return list(found.values())
