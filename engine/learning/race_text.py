"""A whole set-up as one string: what a person copies, sends to somebody else, and pastes.

sightline:race?problem=logistic&data=moons&steps=1000&replicates=30&rule=adam:lr=0.01:batch=32&schedule=cosine&end=1

First the problem as in `setup.py`, then the race, then each contender: its `rule` with the rule's own numbers and the
batch, and after it what is not as usual: `schedule`, `around` (what is put around the rule), `seed`, `name`, `colour`.
`end=1` tells a whole text from one that was cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

from engine.errors import SightlineError
from engine.learning.setup import ProblemSetup, parse_setup, text_of_setup
from engine.optimizers.contenders import Contender, parse_contenders, parse_schedule, text_of
from engine.optimizers.schedules import Schedule
from engine.optimizers.wrappers import Wraps

START = "sightline:race?"
"""How every such text begins."""
_END = ("end", "1")
_SAFE = ":=,/"
_OWN = ("schedule", "around", "seed", "name", "colour")
_MOST_LETTERS, _MOST_CONTENDERS, _MOST_NAME = 4_000_000, 10_000, 80
_MOST_STEPS, _MOST_REPLICATES, _MOST_SEED, _MOST_COLOUR = 10**9, 10**6, 2**63, 1000
_AGAIN = "copy it again, from “sightline:race?” to its end"
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RaceSetup:
    """All that decides a race.

    Attributes:
        problem: what is minimised, with its data.
        contenders: who races, each with its own schedule, batch and seed.
        steps: of each.
        replicates: of each.
    """

    problem: ProblemSetup
    contenders: tuple[Contender, ...]
    steps: int
    replicates: int


def text_of_race(setup: RaceSetup) -> str:
    """The set-up as one line of plain letters; `parse_race` makes it again."""
    race = [("steps", str(setup.steps)), ("replicates", str(setup.replicates))]
    some = [pair for one in setup.contenders for pair in _pairs(one)]
    return f"{START}{text_of_setup(setup.problem)}&{_encoded([*race, *some, _END])}"


def parse_race(text: str) -> RaceSetup:
    """The set-up that a text says; spaces and line breaks that a mail put into it do no harm.

    Raises:
        SightlineError: it is no such text, was cut, or says what cannot be.
    """
    if len(text) > _MOST_LETTERS:
        raise SightlineError(f"The text of a race has at most {_MOST_LETTERS:,} letters: {_AGAIN}.")
    whole = "".join(text.split())
    if not whole.startswith(START):
        raise SightlineError("This is not the text of a race, which begins with “sightline:race?”: copy one whole.")
    pairs = _decoded(whole.removeprefix(START))
    if not pairs or pairs.pop() != _END:
        raise SightlineError(f"The text of the race was cut: {_AGAIN}.")
    # what stands before the first rule is of the problem and the race
    at = next((place for place, (key, _) in enumerate(pairs) if key == "rule"), len(pairs))
    head, tail = pairs[:at], pairs[at:]
    if not tail:
        raise SightlineError("Nobody races in this text: choose one rule or more before it is copied.")
    numbers = {"steps": 1000, "replicates": 1}
    for key, value in head:
        if key in numbers:
            numbers[key] = _whole(key, value, 1, _MOST_STEPS if key == "steps" else _MOST_REPLICATES)
    problem = _problem([pair for pair in head if pair[0] not in numbers])
    return RaceSetup(problem, _contenders(tail), numbers["steps"], numbers["replicates"])


def text_of_contender(one: Contender) -> str:
    """One contender as text: "rule=adam:lr=0.01:batch=32&schedule=cosine"."""
    return _encoded(_pairs(one))


def parse_contender(text: str) -> Contender:
    """The contender that such a text says.

    Raises:
        SightlineError: it is not the text of one contender.
    """
    made = _contenders(_decoded(text))
    if len(made) != 1:
        raise SightlineError(f"The text says {len(made)} contenders where one is wanted: {_AGAIN}.")
    return made[0]


def _encoded(pairs: Pairs) -> str:
    return urlencode(pairs, safe=_SAFE)


def _decoded(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=100_000)
    except ValueError:
        raise SightlineError(f"The text of the race cannot be read: {_AGAIN}.") from None


def _pairs(one: Contender) -> list[tuple[str, str]]:
    # the seed and the wraps stand apart: a seed may be too long for a float, and AdamW has a decay of its own
    pairs = [("rule", text_of(replace(one, seed=0, wraps=Wraps())))]
    if one.schedule != Schedule():
        pairs.append(("schedule", text_of(one.schedule)))
    around = ":".join(
        f"{part.name}={getattr(one.wraps, part.name)!r}"
        for part in fields(Wraps)
        if getattr(one.wraps, part.name) != part.default
    )
    if around:
        pairs.append(("around", around))
    if one.seed:
        pairs.append(("seed", str(one.seed)))
    if one.name != one.rule.title:
        pairs.append(("name", one.name))
    if one.colour:
        pairs.append(("colour", str(one.colour)))
    return pairs


def _problem(pairs: Pairs) -> ProblemSetup:
    from engine.learning.problems import KINDS

    made = parse_setup(_encoded(pairs))
    if made.problem not in KINDS:
        raise SightlineError(f"There is no problem {made.problem or 'without a name'}: choose of {', '.join(KINDS)}.")
    return made


def _contenders(pairs: Pairs) -> tuple[Contender, ...]:
    if sum(key == "rule" for key, _ in pairs) > _MOST_CONTENDERS:
        raise SightlineError(f"More than {_MOST_CONTENDERS} contenders cannot race at once: leave some out.")
    made: list[Contender] = []
    seen: set[str] = set()
    for key, value in pairs:
        if key == "rule":
            made.append(_rule(value))
            seen = set()
        elif key not in _OWN or key in seen or not made:
            raise SightlineError(f"“{key}” is not known at its place in the text of the race: {_AGAIN}.")
        else:
            made[-1] = _with(made[-1], key, value)
            seen.add(key)
    return tuple(made)


def _rule(text: str) -> Contender:
    if "," in text:
        raise SightlineError(f"“{text[:_MOST_NAME]}” is not one rule: {_AGAIN}.")
    return replace(parse_contenders(text)[0], colour=0)


def _with(one: Contender, key: str, value: str) -> Contender:
    """The contender with one more thing that was said of it."""
    if key == "schedule":
        return replace(one, schedule=parse_schedule(value))
    if key == "around":
        return replace(one, wraps=_wraps(value))
    if key == "seed":
        return replace(one, seed=_whole(key, value, 0, _MOST_SEED))
    if key == "colour":
        return replace(one, colour=_whole(key, value, 0, _MOST_COLOUR))
    # a name is shown in many places: letters that move the cursor have no business there
    return replace(one, name="".join(letter for letter in value if letter.isprintable())[:_MOST_NAME])


def _wraps(text: str) -> Wraps:
    known = {part.name for part in fields(Wraps)}
    found: dict[str, float] = {}
    for word in text.split(":"):
        name, _, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            found = {"": 0.0}
        if name not in known or name not in found:
            raise SightlineError(f"“{word[:_MOST_NAME]}” cannot be put around a rule: choose of {', '.join(known)}.")
    return Wraps(**found)


def _whole(name: str, text: str, low: int, high: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 20 and low <= int(text) <= high:
        return int(text)
    raise SightlineError(f"{name}={text[:_MOST_NAME]} in the text of the race cannot be: it is {low:,} to {high:,}.")
