"""What a problem learns from: drawn and bundled sets, features and polynomials, against scikit-learn."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.learning import metrics
from engine.learning.loading import BUNDLED, DRAWN, load
from engine.learning.setup import FEATURES, ProblemSetup

pytest.importorskip("sklearn")


def loaded(classify=True, most_classes=10, **settings):
    return drive(load(ProblemSetup(**settings), classify=classify, most_classes=most_classes))


@pytest.mark.parametrize("key", DRAWN)
def test_every_drawn_set_is_a_table(key):
    table = loaded(DRAWN[key].classify, data=key, rows=200, test_share=0.3)
    assert table.x.shape == (140, len(table.names))
    assert table.test_x.shape == (60, len(table.names))
    assert (table.x[:, -1] == 1).all()
    assert len(table.classes) == DRAWN[key].count
    assert (table.plane is not None) == DRAWN[key].two_numbers
    if table.classes:
        assert set(np.unique(table.y)) == set(range(len(table.classes)))


@pytest.mark.parametrize("classify", [True, False])
def test_what_is_usually_drawn_has_not_changed(classify):
    table = loaded(classify, seed=3)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2000, 8))
    said = x @ rng.standard_normal(8) + 0.5
    y = (said + rng.logistic(size=2000) > 0) if classify else said + 0.5 * rng.standard_normal(2000)
    train = np.random.default_rng(3).permutation(2000)[:1600]
    assert np.array_equal(table.x[:, :-1], x[train])
    assert np.array_equal(table.y, y[train].astype(float))
    named = loaded(classify, seed=3, data="linear", rows=2000)
    assert np.array_equal(named.x, table.x)


@pytest.mark.parametrize("key", BUNDLED)
def test_bundled_sets_keep_their_names_and_are_standardised(key):
    from sklearn import datasets

    theirs = getattr(datasets, f"load_{key}")()
    table = loaded(BUNDLED[key].classify, data=key)
    assert set(table.names) - {"constant"} <= set(map(str, theirs.feature_names))
    assert len(table.y) + len(table.test_y) == len(theirs.target)
    assert np.allclose(table.x[:, :-1].mean(0), 0)
    assert np.allclose(table.x[:, :-1].std(0), 1)
    order = np.random.default_rng(0).permutation(len(theirs.target))
    if BUNDLED[key].classify:
        assert set(table.classes) == set(map(str, theirs.target_names))
        said = [table.classes[int(k)] for k in table.y]
        assert said == [str(theirs.target_names[k]) for k in theirs.target[order[: len(said)]]]
    else:
        assert np.array_equal(table.y, theirs.target[order[: len(table.y)]])


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("data", ["moons", "hills", "iris"])
def test_a_row_is_lifted_from_its_two_numbers(data, degree):
    columns = ("petal length (cm)", "petal width (cm)") if data == "iris" else ()
    table = loaded(data != "hills", data=data, degree=degree, features=("x", "y²", "sin x"), columns=columns)
    assert np.array_equal(table.plane.lift(table.plane.train), table.x)
    assert np.array_equal(table.plane.lift(table.plane.test), table.test_x)
    # one point at a time, as under the mouse
    assert np.allclose(table.plane.lift(table.plane.test[:1]), table.test_x[:1], rtol=1e-12)
    if columns:
        assert table.plane.names == columns
        assert table.plane.train[:, 0].min() >= 1


def test_features_are_those_of_playground():
    table = loaded(data="xor", features=FEATURES)
    x, y = table.x[:, 0], table.x[:, 1]
    assert table.names == (*FEATURES, "constant")
    assert np.allclose(table.x[:, 2:-1].T, [x * x, y * y, x * y, np.sin(x), np.sin(y)])
    # their order is that of the list, whatever order they are said in
    assert loaded(data="xor", features=("xy", "x")).names == ("x", "xy", "constant")


@pytest.mark.parametrize(("data", "degree"), [("plane", 4), ("linear", 2), ("wave", 6)])
def test_a_polynomial_is_scikit_learns(data, degree):
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    bare = loaded(False, data=data)
    table = loaded(False, data=data, degree=degree)
    theirs = PolynomialFeatures(degree, include_bias=False).fit(bare.x[:, :-1])
    scaler = StandardScaler().fit(theirs.transform(bare.x[:, :-1]))
    assert np.allclose(table.x[:, :-1], scaler.transform(theirs.transform(bare.x[:, :-1])))
    assert np.allclose(table.test_x[:, :-1], scaler.transform(theirs.transform(bare.test_x[:, :-1])))
    plain = theirs.get_feature_names_out(list(bare.names[:-1]))
    assert [name.replace("·", " ") for name in table.names[:-1]] == list(plain)


@pytest.mark.parametrize(
    ("classify", "settings", "says"),
    [
        (True, {"data": "moons", "features": ()}, "No feature"),
        (True, {"data": "moons", "features": ("z",)}, "no feature z"),
        (True, {"data": "digits", "degree": 4}, "terms"),
        (False, {"data": "moons"}, "2 classes"),
        (True, {"data": "hills"}, "a number to tell"),
        (True, {"data": "nothing.csv", "label": "y"}, "no file"),
        (True, {"data": "nothing.csv"}, "label"),
        (True, {"data": "iris", "columns": ("height",)}, "no column height"),
        (True, {"data": "moons", "rows": 1}, "1 rows"),
        (True, {"data": "moons", "noise": float("nan")}, "noise"),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(classify, settings, says):
    with pytest.raises(SightlineError, match=says) as caught:
        loaded(classify, **settings)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_problem_of_two_classes_is_told_which_sets_it_can_take():
    with pytest.raises(SightlineError, match=r"3 classes.*moons") as caught:
        loaded(True, 2, data="three spirals")
    assert "digits" not in str(caught.value)


def test_loading_says_what_it_is_at():
    assert any(isinstance(event, Progress) for event in load(ProblemSetup(), classify=True, most_classes=2))


def test_curves_and_confusion_are_those_of_scikit_learn():
    from sklearn import metrics as theirs

    rng = np.random.default_rng(1)
    labels = (rng.random(400) < 0.3).astype(float)
    scores = np.round(labels + rng.standard_normal(400), 1)  # with ties
    false, true = metrics.roc(labels, scores)
    expected = theirs.roc_curve(labels, scores, drop_intermediate=False)
    assert np.allclose(false, expected[0], atol=1e-12)
    assert np.allclose(true, expected[1], atol=1e-12)
    assert np.isnan(metrics.roc(np.ones(3), np.arange(3.0))[0]).all()
    truth, said = rng.integers(0, 4, 300), rng.integers(0, 3, 300)
    assert np.array_equal(metrics.confusion(truth, said, 4), theirs.confusion_matrix(truth, said, labels=range(4)))
