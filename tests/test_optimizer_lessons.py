"""Every lesson has its formulas as pictures, and a number that is computed and shows what the lesson claims."""

import math
import re

import pytest

from engine import runtime
from engine.errors import SightlineError
from engine.learning.lesson_numbers import NUMBERS, number_of
from engine.learning.lessons import LESSONS, formulas
from engine.optimizers.rules import RULES

pytest.importorskip("torch")

MORE = ("schedules", "condition", "adam_bias", "logistic_gradient", "softmax", "first_loss", "collapse", "tanh",
        "vanishing", "zero_start", "xavier", "backprop")  # fmt: skip
PANEL = 264
"""Pixels across that a formula has."""


def test_there_is_a_lesson_for_every_rule_and_for_what_lies_under_them():
    assert list(LESSONS) == [*RULES, *MORE]
    assert {lesson.number for lesson in LESSONS.values()} == set(NUMBERS)


@pytest.mark.parametrize("key", LESSONS)
def test_a_lesson_says_all_that_it_should(key):
    lesson = LESSONS[key]
    assert lesson.key == key
    if key in RULES:
        assert (lesson.title, lesson.idea, lesson.paper) == (RULES[key].title, RULES[key].idea, RULES[key].paper)
    assert lesson.address.startswith("https://")
    assert lesson.idea.endswith(".")
    assert lesson.when.endswith(".")
    assert len(lesson.derivation) >= 3
    words = " ".join([lesson.idea, *(text for text, _ in lesson.derivation), lesson.when])
    assert 60 <= len(words.split()) <= 120
    assert "!" not in words
    assert "--" not in words


@pytest.mark.parametrize("key", formulas())
def test_a_formula_is_drawn_in_the_colour_of_the_text_and_fits_the_panel(key):
    svg = (runtime.resources_folder() / "formulas" / f"{key}.svg").read_text()
    assert "currentColor" in svg
    assert "<script" not in svg
    assert float(re.search(r'width="([\d.]+)"', svg)[1]) <= PANEL


def test_the_pictures_are_those_of_the_formulas():
    import importlib.util

    path = runtime.resources_folder() / "recipes" / "formulas.py"
    spec = importlib.util.spec_from_file_location("formulas_recipe", path)
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    for key in ("optimize_adam", "optimize_backprop_2", "optimize_condition_1"):
        # the outlines may differ by a rounding from one matplotlib to the next: their commands do not
        drawn = (runtime.resources_folder() / "formulas" / f"{key}.svg").read_text()
        assert re.sub(r"[\d.-]+", "", recipe.typeset(formulas()[key])) == re.sub(r"[\d.-]+", "", drawn)


def test_an_unknown_number_is_told():
    with pytest.raises(SightlineError, match="There is no lesson poker"):
        number_of("poker")


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_is_computed_and_always_the_same(key):
    number = number_of(key)
    assert number.text.endswith(".")
    assert 40 < len(number.text) < 260
    assert number_of(key) == number


def test_the_claims_of_the_rules_are_true():
    assert number_of("sgd").values["left"] == pytest.approx(24 / 26, rel=1e-9)
    momentum = number_of("momentum").values
    assert momentum["momentum"] * 2 < momentum["sgd"] < 200
    nesterov = number_of("nesterov").values
    assert nesterov["nesterov"] < nesterov["momentum"] < 200
    assert 0 < nesterov["beyond"] < nesterov["momentum_beyond"]
    assert number_of("nesterov_lookahead").values["apart"] < 1e-13
    rare = number_of("adagrad").values
    assert abs(1 - rare["adagrad"]) < 0.1 < abs(1 - rare["sgd"])
    fading = number_of("rmsprop").values
    assert fading["adagrad"] == pytest.approx(1 / math.sqrt(1000), rel=1e-6)
    assert fading["rmsprop"] == pytest.approx(1, rel=1e-3)
    scaled = number_of("adadelta").values
    assert scaled["adadelta"] < 1e-4 < 0.5 < scaled["sgd"]
    adam = number_of("adam").values
    assert adam["large"] == pytest.approx(1, rel=1e-4)
    assert adam["small"] == pytest.approx(1, rel=1e-4)
    assert adam["noise"] < 0.4
    wrong = number_of("amsgrad").values
    assert wrong["amsgrad"] < -0.9
    assert wrong["adam"] > 0.9
    decay = number_of("adamw").values
    # (1 - eta lambda)^300 of what the noise did not move
    assert decay["adamw_large"] == pytest.approx(decay["adamw_small"], rel=1e-6)
    assert decay["adamw_large"] == pytest.approx(1 - 0.999**300, abs=0.02)
    assert decay["l2_large"] * 5 < decay["l2_small"]
    nadam = number_of("nadam").values
    assert nadam["nadam"] < nadam["adam"] < 300
    lion = number_of("lion").values
    assert lion["least"] == lion["most"] == 1
    assert lion["widest"] > 1e9
    quick = number_of("lbfgs").values
    assert quick["lbfgs"] < 60
    assert quick["lbfgs"] * 10 < quick["momentum"] < 1500


def test_the_claims_of_what_lies_under_them_are_true():
    noisy = number_of("schedules").values
    assert noisy["inverse"] * 10 < noisy["constant"]
    steps = number_of("condition").values
    for k in (10, 100, 1000):
        assert steps[str(k)] == math.ceil(math.log(100) / math.log((k + 1) / (k - 1)) - 1e-9)
    bias = number_of("adam_bias").values
    assert bias["m"] == pytest.approx(1 - 0.9**10)
    assert bias["v"] == pytest.approx(1 - 0.999**10)
    assert bias["fair"] == pytest.approx(1)
    assert bias["fair2"] == pytest.approx(1)
    assert bias["raw_step"] > 6
    logistic = number_of("logistic_gradient").values
    assert logistic["apart"] < 1e-14
    assert logistic["numeric"] < 1e-9
    assert number_of("backprop").values["apart"] < 1e-8


def test_the_claims_of_the_layers_are_true():
    softmax = number_of("softmax").values
    assert softmax["apart"] < 1e-12
    assert softmax["sum_off"] < 1e-14
    assert softmax["least"] > 0
    first = number_of("first_loss").values
    assert first["softmax"] == pytest.approx(math.log(10), rel=1e-14)
    assert first["svm"] == pytest.approx(9, rel=1e-14)
    flat = number_of("collapse").values
    assert flat["apart"] < 1e-12
    assert flat["one"] == 9 < flat["deep"]
    tanh = number_of("tanh").values
    assert tanh["apart"] < 1e-14
    assert (tanh["steepest"], tanh["at"], tanh["tanh"]) == (0.25, 0.0, 1.0)
    fading = number_of("vanishing").values
    assert fading["sigmoid"] < 1e-5
    assert 0.1 < fading["tanh"] < 10
    start = number_of("zero_start").values
    assert start["spread"] == 0 < 0.5 < start["xavier_spread"]
    assert start["begin"] == pytest.approx(math.log(3))
    # the shares of three classes, and nothing more, are learned
    assert start["zero"] > 1.0
    assert start["xavier"] < 0.1
    sizes = number_of("xavier").values
    assert sizes["small"] < 1e-9
    assert 0.1 < sizes["xavier"] < 0.7 < 0.9 < sizes["large"]
