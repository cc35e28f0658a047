"""A problem's settings as text, and back."""

import pytest

from engine.errors import SightlineError
from engine.learning.setup import FEATURES, ProblemSetup, parse_setup, text_of_setup


@pytest.mark.parametrize(
    "setup",
    [
        ProblemSetup(),
        ProblemSetup("network", data="moons", hidden=(8, 4), noise=0.25, features=FEATURES, activation="relu"),
        ProblemSetup("logistic", data="/home/you/my clicks & more.csv", label="Clicked, on Ad", columns=("a,b", "c=d")),
        ProblemSetup("softmax", features=(), penalty="l2", strength=1e-5, seed=7),
    ],
)
def test_the_text_makes_the_same_settings(setup):
    assert parse_setup(text_of_setup(setup)) == setup


def test_only_what_is_not_usual_is_said():
    assert text_of_setup(ProblemSetup("network", hidden=(3,))) == "problem=network&hidden=3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("problem=network&neurons=4", "no setting neurons"),
        ("hidden=four", "hidden=four"),
        ("noise=much", "noise=much"),
        ("noise=nan", "give 0 to 1"),
        ("rows=-5", "give 20 to 5000"),
        ("penalty=l3", "choose of none, l1, l2, elastic"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(text, words):
    with pytest.raises(SightlineError, match=words):
        parse_setup(text)
