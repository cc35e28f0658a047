"""What a person sets of a problem: one frozen dataclass, from which the form, the command and the sharing text come."""

from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from engine.errors import SightlineError
from engine.knobs import KnobInfo, knob
from engine.learning.linear_models import PENALTIES, Penalty

FEATURES = ("x", "y", "x²", "y²", "xy", "sin x", "sin y")
"""What can be made of data of two numbers, as in TensorFlow's Playground."""
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear")
INITS = ("xavier", "normal", "zero")


@dataclass(frozen=True, slots=True)
class ProblemSetup:
    """A problem with its data and settings; `engine.learning.build.build` makes it.

    Attributes:
        problem: one of `engine.learning.problems.KINDS`.
        data: "" for what the problem usually learns from, the name of a drawn or a bundled set, or the path of a file.
        label: the column of a file that is to be told.
        columns: those of a file that it is told from; () takes all others.
        group: a column whose rows of one value stay together on one side of the split; "" for none.
        penalty, strength: what is added to the objective.
        condition: of the quadratic surface.
        gamma, shake: of robust regression: the exponent, and the standard deviation of the noise on the gradient.
        rows, noise: of a drawn set.
        features: what is made of data of two numbers, of `FEATURES`.
        degree: of the polynomial that is made of the features; 1 leaves them.
        test_share: of the rows, kept aside.
        seed: of what is drawn, and of the permutation that takes the test part.
        hidden: neurons of each hidden layer of a network.
        activation: of its hidden layers.
        init: how its weights begin.
    """

    problem: str = "logistic"
    data: str = ""
    label: str = ""
    columns: tuple[str, ...] = ()
    group: str = ""
    penalty: str = knob(
        "none", "Penalty", group="Problem", choices=PENALTIES, words=("None", "L1", "L2", "Elastic net"),
        help="What keeps the parameters small.",
    )  # fmt: skip
    strength: float = knob(
        0.01, "Strength", group="Problem", low=0.0, high=1.0, log=True, help="How strongly the penalty counts."
    )
    condition: float = knob(
        25.0, "Condition", group="Problem", low=1.0, high=1000.0, log=True, help="How narrow the valley is."
    )
    gamma: float = knob(
        1.5,
        "Exponent γ",
        group="Problem",
        low=1.0,
        high=4.0,
        step=0.1,
        help="2 is least squares; 1 counts outliers least.",
    )
    shake: float = knob(
        0.1, "Gradient noise", group="Problem", low=0.0, high=5.0, step=0.05, help="Standard deviation on each number."
    )
    rows: int = knob(500, "Rows", group="Data", low=20, high=5000, step=10, help="Rows that are drawn.")
    noise: float = knob(
        0.1, "Noise", group="Data", low=0.0, high=1.0, step=0.01, unit="%", help="How much the rows are scattered."
    )
    features: tuple[str, ...] = knob(
        ("x", "y"), "Features", group="Data", help="What is made of the two numbers of each row."
    )
    degree: int = knob(1, "Degree", group="Data", low=1, high=6, step=1, help="Of the polynomial of the features.")
    test_share: float = knob(
        0.2, "Test share", group="Data", low=0.05, high=0.9, step=0.05, unit="%", help="Rows that are kept aside."
    )
    seed: int = knob(0, "Seed", group="Data", low=0, high=9999, step=1, help="Of what is drawn, and of the split.")
    hidden: tuple[int, ...] = (8,)
    activation: str = knob(
        "tanh", "Activation", group="Network", choices=ACTIVATIONS, words=("Tanh", "Sigmoid", "ReLU", "None (linear)"),
        help="What each hidden neuron does with its sum.",
    )  # fmt: skip
    init: str = knob(
        "xavier", "Start", group="Network", choices=INITS, words=("Xavier", "Normal, 1", "Zero"),
        help="How the weights begin; from zero all neurons stay alike.",
    )  # fmt: skip

    @property
    def penalised(self) -> Penalty:
        """Its penalty; a kind of "none" has no strength."""
        return Penalty(self.penalty, 0.0 if self.penalty == "none" else self.strength)


def text_of_setup(setup: ProblemSetup) -> str:
    """Its settings as "problem=network&data=moons&hidden=8&hidden=4": those alone that are not the usual ones."""
    usual = ProblemSetup()
    said = {
        one.name: getattr(setup, one.name)
        for one in fields(setup)
        if one.name == "problem" or getattr(setup, one.name) != getattr(usual, one.name)
    }
    # an empty tuple has no text of its own
    return urlencode({name: value if value != () else "" for name, value in said.items()}, doseq=True)


def parse_setup(text: str) -> ProblemSetup:
    """The settings that such a text says.

    Raises:
        SightlineError: it names a setting that there is not, or a value that cannot be one.
    """
    usual = {one.name: one for one in fields(ProblemSetup)}
    said: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in usual:
            raise SightlineError(f"A problem has no setting {name}: was the text copied whole?")
        said.setdefault(name, []).append(value)
    return ProblemSetup(**{name: _read(usual[name], values) for name, values in said.items()})


def _read(one: Any, said: list[str]) -> Any:
    name, default = one.name, one.default
    info = one.metadata.get("knob", KnobInfo(name))
    try:
        if name == "hidden":
            value: Any = tuple(int(word) for word in said if word)
        elif isinstance(default, tuple):
            value = tuple(word for word in said if word)
        else:
            value = type(default)(said[-1])
    except ValueError:
        raise SightlineError(f"{name}={said[-1]} is no setting of a problem: was the text copied whole?") from None
    if info.choices and value not in info.choices:
        raise SightlineError(f"{name}={value} cannot be: choose of {', '.join(info.choices)}.")
    if isinstance(value, int | float) and info.low is not None and not info.low <= value <= info.high:
        raise SightlineError(f"{name}={value:g} cannot be: give {info.low:g} to {info.high:g}.")
    return value
