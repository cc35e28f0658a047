"""What `race` and `search` are told of a problem: every setting has a word, and words make the setting again."""

import argparse
import io
import sys
from dataclasses import fields

import pytest

from engine.commands import main
from engine.commands_race import add_race_options, options_of, setup_of
from engine.errors import SightlineError
from engine.learning.build import settled
from engine.learning.setup import ProblemSetup


def asked(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    add_race_options(parser)
    return setup_of(parser.parse_args(words))


def said(*words):
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        status = main(words)
    return status, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    "setup",
    [
        ProblemSetup("quadratic", condition=300.0),
        ProblemSetup("robust", gamma=3.0, shake=0.0),
        ProblemSetup("logistic", data="moons", rows=80, noise=0.35, features=("x", "xy", "sin y"), degree=2),
        ProblemSetup("logistic", data="linear", rows=80),
        ProblemSetup("network", hidden=(8, 4), activation="relu", init="normal", test_share=0.35, rows=60),
        ProblemSetup("polynomial", degree=5, penalty="elastic", strength=1e-5),
        ProblemSetup("softmax", "a b.csv", "-y", columns=("a, b", 'say "c"', "d"), group="who"),
        ProblemSetup("linear"),
    ],
)
def test_words_make_the_same_problem_again(setup):
    words, missing = options_of(setup)
    assert not missing
    assert settled(asked(*words)) == settled(setup)


def test_what_words_cannot_say_and_what_the_data_do_not_heed():
    assert options_of(ProblemSetup("network", hidden=()))[1] == ("hidden",)
    assert options_of(ProblemSetup("svm", "a.csv", "y", rows=70, noise=0.5)) == (
        ("svm", "--data", "a.csv", "--label", "y"), (),
    )  # fmt: skip


def test_every_setting_has_a_word():
    parser = argparse.ArgumentParser()
    add_race_options(parser)
    there = set(vars(parser.parse_args([]))) | {"seed", "strength"}
    assert {one.name for one in fields(ProblemSetup)} <= there


def test_the_usual_linear_data_keep_their_rows_when_noise_is_said_and_their_noise_when_rows_are():
    assert asked("logistic", "--noise", "0.3") == ProblemSetup("logistic", "linear", rows=2000, noise=0.3)
    assert asked("logistic", "--rows", "90") == ProblemSetup("logistic", "linear", rows=90)
    assert asked("network", "--features", "x,x^2") == ProblemSetup("network", features=("x", "x²"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["beale", "--rows", "9"], "takes no --rows"), (["linear", "--test-share", "1"], "0.05 to 0.9"),
        (["network", "--degree", "2"], "takes no --degree"), (["quadratic", "--condition", "0.5"], "1 or more"),
        (["network", "--activation", "gelu"], "tanh, sigmoid"), (["network", "--init", "one"], "xavier"),
        (["network", "--features", "z"], "no feature z"), (["softmax", "--data", "iris", "--features", "x"], "two num"),
        (["softmax", "--data", "iris", "--rows", "50"], "drawn data"), (["robust", "--gamma", "nan"], "1 or more"),
        (["linear", "--features", "x"], "two numbers"), (["linear", "--rows", "5"], "20 or more"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_one_sentence(words, says):
    with pytest.raises(SightlineError, match=says):
        asked(*words)


def test_search_takes_the_same_words():
    pytest.importorskip("optuna")
    status, out, _ = said("search", "network", "--hidden", "3", "--activation", "relu", "--rows", "60", "--trials", "1",
                          "--steps", "9")  # fmt: skip
    assert status == 0
    assert "activation=relu" in out


def test_a_place_that_cannot_be_written_is_told_before_the_race(tmp_path):
    status, out, err = said("race", "beale", "--steps", "9", "--csv", str(tmp_path / "no" / "a.csv"))
    assert (status, out) == (2, "")
    assert "There is no folder" in err
    assert said("race", "beale", "--steps", "9", "--csv", str(tmp_path))[0] == 2


def test_more_replicates_than_memory_are_refused():
    status, out, err = said("race", "linear", "--replicates", "100000000", "--steps", "5")
    assert (status, out) == (2, "")
    assert "replicates" in err.splitlines()[-1]
