"""Linear models of many classes: gradients, what they are before they learn, and what scikit-learn finds."""

import math

import numpy as np
import pytest

from engine.errors import SightlineError
from engine.learning.checking import gradient_check
from engine.learning.linear_models import LogisticRegression, Penalty
from engine.learning.multiclass import MulticlassSVM, SoftmaxRegression
from engine.learning.problems import test_figures as figures_of
from engine.optimizers.contenders import parse_contenders
from engine.optimizers.run import Run

torch = pytest.importorskip("torch")
MODELS = (SoftmaxRegression, MulticlassSVM)


def clouds(classes=3, rows=150, features=2, seed=0):
    """Normal clouds around places of their own that overlap."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = 1.5 * rng.standard_normal((classes, features))[y] + rng.standard_normal((rows, features))
    return np.concatenate([x, np.ones((rows, 1))], 1), y.astype(float)


@pytest.mark.parametrize("kind", ["none", "l1", "l2", "elastic"])
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("make", MODELS)
def test_the_gradient_is_what_differences_and_autograd_say(make, classes, kind):
    problem = make(*clouds(classes), Penalty(kind, 0.1), classes=classes)
    for rows in (None, np.arange(0, 150, 7)):
        found = gradient_check(problem, problem.start(2, 0)[1], rows)
        assert found.autograd_apart < 1e-12
        assert found.numeric_apart < 1e-8


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_before_learning_the_loss_is_log_c_and_c_less_one(classes):
    x, y = clouds(classes)
    zero = torch.zeros(1, classes * 3).double()
    softmax, svm = (make(x, y, Penalty("l2", 0.1), classes=classes) for make in MODELS)
    assert float(softmax.value(zero, None)[0]) == pytest.approx(math.log(classes), abs=1e-14)
    assert float(svm.value(zero, None)[0]) == pytest.approx(classes - 1, abs=1e-14)


def least(problem, steps=200):
    """The lowest objective that L-BFGS finds."""
    run = Run(problem, parse_contenders("lbfgs", batch="all")[0], steps, 1)
    while not run.over:
        run.advance(steps)
    return float(run.measured().train[0])


@pytest.mark.parametrize("classes", [2, 4])
def test_softmax_regression_reaches_what_scikit_learn_reaches(classes):
    from sklearn.linear_model import LogisticRegression as Theirs

    x, y = clouds(classes)
    problem = SoftmaxRegression(x, y, Penalty("l2", 0.05), classes=classes)
    # its C times the sum of the losses is ours over the strength of the penalty
    if classes > 2:
        other = Theirs(C=1 / (0.05 * len(y)), tol=1e-10, max_iter=5000).fit(x[:, :-1], y)
        weights = np.concatenate([other.coef_, other.intercept_[:, None]], 1)
    else:
        # of two classes theirs has one vector w = w_1 - w_0, and |w_1|^2 + |w_0|^2 is least as |w|^2 / 2
        other = Theirs(C=2 / (0.05 * len(y)), tol=1e-10, max_iter=5000).fit(x[:, :-1], y)
        half = np.concatenate([other.coef_[0], other.intercept_]) / 2
        weights = np.stack([-half, half])
    theirs = float(problem.value(torch.from_numpy(weights.reshape(1, -1)), None)[0])
    assert least(problem) == pytest.approx(theirs, abs=1e-6)


def test_softmax_of_two_classes_is_logistic_regression_of_the_difference():
    x, y = clouds(2)
    problem, plain = SoftmaxRegression(x, y, Penalty(), classes=2), LogisticRegression(x, y, Penalty())
    theta = problem.start(4, 0)
    apart = theta[:, 3:] - theta[:, :3]
    assert torch.allclose(problem.value(theta, None), plain.value(apart, None), atol=1e-13)
    rows, _y = problem.table()
    assert torch.allclose(problem.scores(theta, rows), plain.scores(apart, rows), atol=1e-13)


def test_the_svm_of_many_classes_is_at_its_minimum_where_no_direction_leads_down():
    x, y = clouds(3)
    problem = MulticlassSVM(x, y, Penalty("l2", 0.05), classes=3)
    theta = torch.zeros(1, problem.parameters).double()
    mean = theta.clone()
    for step in range(4000):
        theta = theta - 1 / (0.05 * (step + 50)) * problem.gradient(theta, None)
        mean += (theta - mean) * 2 / (step + 2)
    lowest = float(problem.value(mean, None)[0])
    # an independent solver of the same objective
    from scipy.optimize import minimize

    def objective(at):
        w = at[:9].reshape(3, 3)
        z = x @ w.T
        margins = np.maximum(0, 1 + z - z[np.arange(len(y)), y.astype(int)][:, None])
        return (margins.sum(1) - 1).mean() + 0.025 * (w[:, :-1] ** 2).sum()

    found = minimize(objective, mean[0].numpy(), method="Powell", options={"maxiter": 20000, "xtol": 1e-8})
    assert lowest == pytest.approx(found.fun, abs=2e-3)


def test_scores_of_huge_numbers_are_finite():
    x = np.array([[1e5, 1.0], [-1e5, 1.0], [0.0, 1.0]])
    for make in MODELS:
        problem = make(x, np.array([0.0, 1.0, 2.0]), Penalty(), classes=3)
        value, slope = problem.value_and_gradient(torch.full((1, 6), 10.0).double() * torch.arange(6), None)
        assert torch.isfinite(value).all()
        assert torch.isfinite(slope).all()


def test_figures_of_many_classes_are_those_of_scikit_learn():
    from sklearn import metrics

    x, y = clouds(4, 400)
    problem = SoftmaxRegression(x[:200], y[:200], Penalty(), (x[200:], y[200:]), classes=4)
    theta = problem.start(1, 0) * 10
    said, truth = problem.answers(theta)
    assert said.shape == (1, 200, 4)
    found = figures_of(problem, theta)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said[0].argmax(1)))
    ones = np.eye(4)[truth.astype(int)]
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(ones, said[0], average="macro"), abs=1e-12)
    assert found["average_precision"] == pytest.approx(
        metrics.average_precision_score(ones, said[0], average="macro"), abs=1e-12
    )


def test_classes_that_are_not_there_are_one_sentence():
    x, y = clouds(3)
    with pytest.raises(SightlineError, match="none of the 2 classes"):
        SoftmaxRegression(x, y, Penalty(), classes=2)
    with pytest.raises(SightlineError, match="two classes"):
        MulticlassSVM(x, 0 * y, Penalty(), classes=1)
