"""The nearest neighbours against scikit-learn's, and k by hand."""

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.job import Notice, drive
from engine.learning import neighbours
from engine.learning.neighbours import baseline
from engine.learning.tables import Table

torch = pytest.importorskip("torch")
sklearn = pytest.importorskip("sklearn.neighbors")

METRICS = [("l1", 1.0), ("l2", 2.0), ("minkowski", 3.0), ("minkowski", 1.5)]


def table(classes=0, rows=400, columns=4, seed=0) -> Table:
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.standard_normal((rows, columns)), np.ones((rows, 1))], 1)
    said = x[:, 0] + x[:, 1] ** 2 + 0.3 * rng.standard_normal(rows)
    y = np.digitize(said, np.quantile(said, np.linspace(0, 1, classes + 1)[1:-1])).astype(float) if classes else said
    names = (*(f"x{k}" for k in range(columns)), "constant")
    cut = rows * 3 // 4
    return Table(names, x[:cut], y[:cut], x[cut:], y[cut:], tuple(str(k) for k in range(classes)))


@pytest.mark.parametrize(("metric", "p"), METRICS)
@pytest.mark.parametrize("k", [1, 4, 15])
def test_classes_are_those_of_scikit_learn(metric, p, k):
    data = table(classes=3)
    reference = sklearn.KNeighborsClassifier(k, algorithm="brute", p=p).fit(data.x[:, :-1], data.y)
    found = drive(baseline(data, metric, p, k))
    np.testing.assert_allclose(found.scores, reference.predict_proba(data.test_x[:, :-1]), atol=1e-12)
    assert found.figures["accuracy"] == reference.score(data.test_x[:, :-1], data.test_y)


@pytest.mark.parametrize(("metric", "p"), METRICS)
def test_two_classes_are_those_of_scikit_learn_and_a_tie_is_class_0(metric, p):
    from sklearn.metrics import average_precision_score, roc_auc_score

    data = table(classes=2)
    reference = sklearn.KNeighborsClassifier(6, algorithm="brute", p=p).fit(data.x[:, :-1], data.y)
    found = drive(baseline(data, metric, p, 6))
    share = reference.predict_proba(data.test_x[:, :-1])[:, 1]
    np.testing.assert_allclose(found.scores, share - 0.5, atol=1e-12)
    assert found.figures["accuracy"] == reference.score(data.test_x[:, :-1], data.test_y)
    assert found.figures["roc_auc"] == pytest.approx(roc_auc_score(data.test_y, share))
    assert found.figures["average_precision"] == pytest.approx(average_precision_score(data.test_y, share))


@pytest.mark.parametrize(("metric", "p"), METRICS)
def test_numbers_are_those_of_scikit_learn(metric, p):
    data = table()
    reference = sklearn.KNeighborsRegressor(7, algorithm="brute", p=p).fit(data.x[:, :-1], data.y)
    found = drive(baseline(data, metric, p, 7))
    np.testing.assert_allclose(found.scores, reference.predict(data.test_x[:, :-1]), rtol=1e-12)
    assert found.figures["r2"] == pytest.approx(reference.score(data.test_x[:, :-1], data.test_y))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_k_is_chosen_as_it_would_be_one_k_after_the_other(classes):
    data = table(classes)
    order = np.random.default_rng([0, neighbours._SPLIT]).permutation(len(data.x))
    seen, fit = order[-60:], np.sort(order[:-60])
    model = sklearn.KNeighborsClassifier if classes else sklearn.KNeighborsRegressor
    errors = []
    for k in range(1, 51):
        said = model(k, algorithm="brute").fit(data.x[fit, :-1], data.y[fit]).predict(data.x[seen, :-1])
        wrong = said != data.y[seen] if classes else (said - data.y[seen]) ** 2
        errors.append(wrong.mean() if classes else np.sqrt(wrong.mean()))
    found = drive(baseline(data))
    np.testing.assert_allclose(found.errors, errors, rtol=1e-12)
    assert found.k == 1 + int(np.argmin(errors))
    assert found.figures is not None
    assert str(found.k) in found.title


def test_of_two_as_near_the_first_counts():
    x = np.array([[0.0, 1], [1, 1], [1, 1], [1, 1], [3, 1]])
    data = Table(("x", "constant"), x, np.array([5.0, 1, 2, 3, 9]), np.array([[1.0, 1]]), np.array([1.5]))
    assert drive(baseline(data, k=2)).scores.tolist() == [1.5]
    assert drive(baseline(data, k=5)).scores.tolist() == [4.0]


def test_blocks_make_no_difference(monkeypatch):
    data = table(classes=3, rows=900)
    whole = drive(baseline(data))
    monkeypatch.setattr(neighbours, "_MOST_PAIRS", 2000)
    small = drive(baseline(data))
    assert whole.k == small.k
    assert np.array_equal(whole.scores, small.scores)


def test_a_large_table_is_thinned_and_says_so(monkeypatch):
    monkeypatch.setattr(neighbours, "_MOST_WORK", 1e6)
    seen = []
    found = drive(baseline(table(rows=4000), k=3), seen.append)
    assert found.rows == 1000
    assert [one.text for one in seen if isinstance(one, Notice)] == [
        "The table is large: neighbours are looked for among 1,000 of its 3,000 training rows."
    ]


def test_one_row_says_what_it_is_told():
    data = Table(("x", "constant"), np.ones((1, 2)), np.array([4.0]), np.zeros((2, 2)), np.array([3.0, 5.0]))
    found = drive(baseline(data))
    assert (found.k, found.scores.tolist(), found.figures["rmse"]) == (1, [4.0, 4.0], 1.0)


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"metric": "nix"}, "no distance nix"), ({"metric": "minkowski", "p": 0.5}, "1 or more"), ({"k": 0}, "cannot be"),
     ({"k": 301}, "1 to 300")],
)  # fmt: skip
def test_what_cannot_be_says_so(asked, says):
    with pytest.raises(SightlineError, match=says):
        drive(baseline(table(), **asked))
