"""Who races: a rule with its settings, schedule, batch and seed; and how one is written as text.

momentum:lr=0.1:beta=0.9      a rule, then its numbers in any order
adam:clip=1:batch=all         also what is put around it (`Wraps`), and `batch` and `seed`
cosine:warmup=100:floor=0     a schedule, likewise
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from engine.errors import SightlineError
from engine.optimizers.rule import Rule
from engine.optimizers.rules import RULES
from engine.optimizers.schedules import SCHEDULES, Schedule, check_knob
from engine.optimizers.wrappers import Wraps

Batch = int | Literal["all"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A rule that races, with all that decides its path.

    Attributes:
        key: of the rule, one of `RULES`.
        knobs: of the type that the rule names; None takes its defaults.
        schedule: how its rate moves.
        batch: rows of one step; "all" is gradient descent, 1 stochastic.
        seed: of its start, of its order of the data and of its noise. Contenders of one seed see the same.
        wraps: what is put around the rule.
        name: what it is called on the screen; "" is the rule's title.
        colour: number of its series colour.
    """

    key: str
    knobs: Any = None
    schedule: Schedule = field(default_factory=Schedule)
    batch: Batch = "all"
    seed: int = 0
    wraps: Wraps = field(default_factory=Wraps)
    name: str = ""
    colour: int = 0

    def __post_init__(self) -> None:
        if self.key not in RULES:
            raise SightlineError(f"There is no rule {self.key or 'without a name'}: choose of {', '.join(RULES)}.")
        if self.knobs is None:
            object.__setattr__(self, "knobs", self.rule.knobs())
        if not self.name:
            object.__setattr__(self, "name", self.rule.title)

    @property
    def rule(self) -> Rule:
        """What is known of its rule."""
        return RULES[self.key]

    def goes_like(self, other: "Contender") -> bool:
        """Whether both take the same way: what they are called and their colours are no matter."""
        return replace(self, name=other.name, colour=other.colour) == other

    def check(self, rows: int, steps: int) -> None:
        """Settings that a person may have typed, beside a problem and the length of a run.

        Args:
            rows: of the data; 0 for a surface, whose batch is not looked at.
            steps: of the run.

        Raises:
            SightlineError: one of them cannot be.
        """
        title = self.rule.title
        if not 0 < self.knobs.lr < float("inf"):
            raise SightlineError(f"{title} cannot learn at a rate of {self.knobs.lr:g}: give a number above 0.")
        for settings in (self.knobs, self.wraps):
            for one in fields(settings):
                if one.name != "lr":
                    info = one.metadata["knob"]
                    check_knob(title, one.name, getattr(settings, one.name), info.low)
        for name in ("beta", "beta2", "alpha", "rho"):
            if getattr(self.knobs, name, 0.0) >= 1:
                raise SightlineError(f"{title} cannot have {name}={getattr(self.knobs, name):g}: give less than 1.")
        if self.wraps.average > 1:
            raise SightlineError(f"{title} cannot have average={self.wraps.average:g}: give a share from 0 to 1.")
        if self.seed < 0:
            raise SightlineError(f"{title} cannot have seed={self.seed}: give 0 or more.")
        self._check_batch(rows)
        self.schedule.check(steps)

    def _check_batch(self, rows: int) -> None:
        if self.rule.searches:
            if self.batch != "all":
                raise SightlineError(f"{self.rule.title} needs all rows at each step: give it batch=all.")
            if self.wraps.touches_step:
                raise SightlineError(f"{self.rule.title} takes no clipping and no decay: leave them at 0.")
        if self.batch == "all":
            return
        if self.batch < 1:
            raise SightlineError(f"A batch of {self.batch} rows cannot be: give 1 or more, or all.")
        if rows and self.batch > rows:
            raise SightlineError(
                f"The batch has {self.batch:,} rows and the data {rows:,}: give a smaller one, or all."
            )


def parse_schedule(text: str) -> Schedule:
    """A schedule out of "cosine:warmup=100:floor=0".

    Raises:
        SightlineError: there is no such schedule or number.
    """
    key, *words = text.strip().split(":")
    if key not in SCHEDULES:
        raise SightlineError(f"There is no schedule {key or 'without a name'}: choose of {', '.join(SCHEDULES)}.")
    knobs = SCHEDULES[key].knobs()
    found: dict[str, Any] = {}
    for word in words:
        name, value = _number(word, text)
        _take(found, knobs, name, value, text, ())
    return Schedule(key, replace(knobs, **found))


def parse_batch(text: str) -> Batch:
    """A batch out of "32" or "all".

    Raises:
        SightlineError: it is neither.
    """
    if text == "all":
        return "all"
    if not text.isdecimal() or not int(text):
        raise SightlineError(f"A batch of {text or 'nothing'} cannot be: give a number from 1, or all.")
    return int(text)


def parse_contenders(
    text: str, schedule: Schedule | None = None, batch: Batch = "all", seed: int = 0
) -> tuple[Contender, ...]:
    """Contenders out of "sgd:lr=0.1,momentum:lr=0.1:beta=0.9,adam".

    Args:
        text: rules with commas between.
        schedule: of all.
        batch: of all whose text names no other; L-BFGS always gets "all".
        seed: of all whose text names no other.

    Raises:
        SightlineError: there is no such rule or number.
    """
    made: list[Contender] = []
    for number, piece in enumerate(text.split(",")):
        one = _parse_contender(piece.strip(), schedule or Schedule(), batch, seed)
        same = sum(other.key == one.key for other in made)
        made.append(replace(one, colour=number, name=f"{one.rule.title} {same + 1}" if same else one.rule.title))
    return tuple(made)


def _parse_contender(text: str, schedule: Schedule, batch: Batch, seed: int) -> Contender:
    key, *words = text.split(":")
    one = Contender(key, schedule=schedule, batch=batch, seed=seed)
    if one.rule.searches:
        one = replace(one, batch="all")
    knobs: dict[str, Any] = {}
    wraps: dict[str, Any] = {}
    others: dict[str, Any] = {}
    extra = (*(field.name for field in fields(Wraps)), "batch", "seed")
    for word in words:
        if word.startswith("batch="):
            others["batch"] = parse_batch(word[6:])
            continue
        name, value = _number(word, text)
        if name == "seed":
            others["seed"] = _whole(name, value, text)
        elif name in extra and not hasattr(one.knobs, name):
            wraps[name] = value
        else:
            _take(knobs, one.knobs, name, value, text, extra)
    one = replace(one, knobs=replace(one.knobs, **knobs), wraps=replace(one.wraps, **wraps), **others)
    if not 0 < one.knobs.lr < float("inf"):
        raise SightlineError(f"{one.rule.title} cannot learn at a rate of {one.knobs.lr:g}: give a number above 0.")
    return one


def text_of(one: Contender | Schedule) -> str:
    """The text that makes a contender or a schedule again, its own settings only where they are not the usual ones."""
    if isinstance(one, Schedule):
        return ":".join([one.key, *_said(one.knobs)])
    words = [one.key, *_said(one.knobs), *_said(one.wraps), f"batch={one.batch}"]
    return ":".join([*words, f"seed={one.seed}"] if one.seed else words)


def _said(knobs: Any) -> Sequence[str]:
    usual = type(knobs)()
    return [
        f"{one.name}={getattr(knobs, one.name)!r}"
        for one in fields(knobs)
        if getattr(knobs, one.name) != getattr(usual, one.name)
    ]


def _number(word: str, text: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise SightlineError(f"“{word}” in {text} cannot be read: write a name and a number, as in lr=0.1.") from None


def _whole(name: str, value: float, text: str) -> int:
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        raise SightlineError(f"{name}={value:g} in {text} is no whole number: give one.")
    return int(value)


def _take(found: dict[str, Any], knobs: Any, name: str, value: float, text: str, extra: tuple[str, ...]) -> None:
    """Put a number where the settings have one of that name, whole where the setting is."""
    if not hasattr(knobs, name):
        known = ", ".join([*(field.name for field in fields(knobs)), *extra])
        raise SightlineError(f"There is no {name or 'number without a name'} in {text}: choose of {known}.")
    found[name] = _whole(name, value, text) if isinstance(getattr(knobs, name), int) else value
