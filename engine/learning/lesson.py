"""What a lesson is: an idea, its formula, how it follows, when it helps, and a number that is computed."""

from collections.abc import Mapping
from dataclasses import dataclass

Step = tuple[str, str]
"""A sentence, and the formula that it says; "" for none."""


@dataclass(frozen=True, slots=True)
class Number:
    """What was computed for a lesson.

    Attributes:
        text: one or two sentences with the numbers in them.
        values: the numbers by name.
    """

    text: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson.

    Attributes:
        key: that of the rule, where it is about one.
        title: what it is about.
        idea: in a sentence or two.
        formula: its main one.
        derivation: how it follows, in short steps.
        when: when it helps, and when it does not.
        paper: who and when.
        address: where to read on.
        number: key of its number, see `engine.learning.lesson_numbers.number_of`.
    """

    key: str
    title: str
    idea: str
    formula: str
    derivation: tuple[Step, ...]
    when: str
    paper: str
    address: str
    number: str

    @property
    def picture(self) -> str:
        """The key of its formula's picture."""
        return f"optimize_{self.key}"

    def step_picture(self, number: int) -> str:
        """The key of the picture of the formula of step `number`, from 0; "" where it has none."""
        return f"{self.picture}_{number + 1}" if self.derivation[number][1] else ""
