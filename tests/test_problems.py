"""Problems of the race: gradients by hand against differences, minima, tables, metrics, and the command itself."""

import io
import json

import numpy as np
import pytest

from engine.commands import main
from engine.errors import SightlineError
from engine.job import drive
from engine.learning import metrics
from engine.learning.build import build, settled
from engine.learning.checking import gradient_check
from engine.learning.linear_models import (
    LinearRegression,
    LinearSVM,
    LogisticRegression,
    Penalty,
    RobustRegression,
    parse_penalty,
)
from engine.learning.loading import BUNDLED, DRAWN, load
from engine.learning.problems import KINDS
from engine.learning.setup import ProblemSetup
from engine.learning.surfaces import SURFACES, quadratic
from engine.learning.tables import HASHED, prepare, read_table

torch = pytest.importorskip("torch")
pd = pytest.importorskip("pandas")


def drawn(classify, seed):
    """The usual drawn data."""
    return drive(load(ProblemSetup(seed=seed), classify=classify, most_classes=2))


def differences(problem, theta, rows=None, step=1e-6):
    """The gradient by central differences, (R, P)."""
    columns = []
    for k in range(theta.shape[1]):
        moved = torch.zeros_like(theta)
        moved[:, k] = step
        columns.append((problem.value(theta + moved, rows) - problem.value(theta - moved, rows)) / (2 * step))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("name", SURFACES)
def test_the_gradient_of_a_surface_is_that_of_its_value(name):
    surface = SURFACES[name]()
    theta = surface.start(6, 0)
    assert torch.allclose(surface.gradient(theta, None), differences(surface, theta), rtol=1e-4, atol=1e-4)
    known = torch.from_numpy(surface.minimum.theta)
    assert torch.allclose(surface.value(known, None), torch.full((len(known),), surface.minimum.value).double())
    assert surface.gradient(known, None).abs().max() < 1e-4


@pytest.mark.parametrize("kind", ["l1", "l2", "elastic", "none"])
@pytest.mark.parametrize("make", [LinearRegression, LogisticRegression, LinearSVM, RobustRegression])
def test_the_gradient_of_a_regression_is_that_of_its_value(make, kind):
    table = drawn(make in (LogisticRegression, LinearSVM), 1)
    problem = make(table.x, table.y, Penalty(kind, 0.1), (table.test_x, table.test_y))
    theta = problem.start(3, 0)
    rows = torch.randint(0, problem.rows, (3, 16), generator=torch.Generator().manual_seed(0))
    for chosen in (None, rows):
        assert torch.allclose(problem.gradient(theta, chosen), differences(problem, theta, chosen), atol=1e-6)


def test_the_closed_form_is_the_minimum_of_linear_regression():
    table = drawn(False, 2)
    problem = LinearRegression(table.x, table.y, Penalty("l2", 0.3))
    theta = torch.from_numpy(problem.minimum.theta)
    assert problem.gradient(theta, None).abs().max() < 1e-10
    from sklearn.linear_model import Ridge

    other = Ridge(alpha=0.3 * problem.rows).fit(table.x[:, :-1], table.y)
    assert np.allclose(problem.minimum.theta[0, :-1], other.coef_, atol=1e-8)


def test_logistic_losses_of_large_numbers_are_finite():
    problem = LogisticRegression(np.array([[1e5, 1.0], [-1e5, 1.0]]), np.array([0.0, 1.0]), Penalty())
    value, slope = problem.value_and_gradient(torch.tensor([[10.0, 0.0]]).double(), None)
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()


def test_the_svm_begins_at_one_and_finds_what_scikit_learn_finds():
    table = drawn(True, 3)
    problem = LinearSVM(table.x, table.y, Penalty("l2", 0.01))
    assert float(problem.value(torch.zeros(1, problem.parameters).double(), None)[0]) == 1
    from sklearn.svm import SVC

    # its C times the sum of the losses is ours over the strength of the penalty
    other = SVC(kernel="linear", C=1 / (0.01 * problem.rows), tol=1e-6)
    other.fit(table.x[:, :-1], table.y)
    theirs = torch.from_numpy(np.concatenate([other.coef_[0], other.intercept_]))[None]
    theta = problem.start(1, 0)
    for step in range(3000):
        theta = theta - 1 / (0.01 * (step + 100)) * problem.gradient(theta, None)
    assert float(problem.value(theta, None)[0]) <= float(problem.value(theirs, None)[0]) + 1e-3


def test_gamma_of_two_is_twice_least_squares():
    table = drawn(False, 4)
    robust, least = (
        RobustRegression(table.x, table.y, Penalty(), gamma=2),
        LinearRegression(table.x, table.y, Penalty()),
    )
    theta = robust.start(2, 0)
    assert torch.allclose(robust.value(theta, None), 2 * least.value(theta, None))
    assert robust.noise > 0
    with pytest.raises(SightlineError, match="Gamma"):
        RobustRegression(table.x, table.y, Penalty(), gamma=0.5)


def test_metrics_are_those_of_scikit_learn():
    from sklearn import metrics as theirs

    rng = np.random.default_rng(0)
    labels = (rng.random(500) < 0.3).astype(float)
    scores = np.round(labels + rng.standard_normal(500), 1)  # with ties
    assert metrics.roc_auc(labels, scores) == pytest.approx(theirs.roc_auc_score(labels, scores), abs=1e-12)
    assert metrics.average_precision(labels, scores) == pytest.approx(
        theirs.average_precision_score(labels, scores), abs=1e-12
    )
    precision, recall, _t = theirs.precision_recall_curve(labels, scores)
    ours = metrics.precision_recall(labels, scores)
    # theirs runs the other way and ends in (1, 0)
    assert np.allclose(ours[0][::-1], precision[:-1], atol=1e-9)
    assert np.allclose(ours[1][::-1], recall[:-1], atol=1e-9)
    truth, said = rng.standard_normal(50), rng.standard_normal(50)
    assert metrics.rmse(truth, said) == pytest.approx(theirs.root_mean_squared_error(truth, said))
    assert metrics.r2(truth, said) == pytest.approx(theirs.r2_score(truth, said))
    assert np.isnan(metrics.roc_auc(np.ones(3), np.ones(3)))


def frame():
    rng = np.random.default_rng(0)
    n = 200
    return pd.DataFrame(
        {
            "age": np.where(np.arange(n) % 10 == 0, np.nan, rng.integers(18, 70, n)),
            "income": rng.normal(5e4, 1e4, n),
            "sex": rng.choice(["F", "M"], n),
            "country": rng.choice(["a", "b", "c"], n),
            "line": [f"text {k}" for k in range(n)],
            "when": pd.date_range("2016-01-01", periods=n, freq="7h").strftime("%d-%m-%Y %H:%M"),
            "same": 3.0,
            "clicked": rng.integers(0, 2, n),
        }
    )


def test_columns_become_numbers_by_their_kind():
    table = prepare(frame(), "clicked", classify=True)
    names = list(table.names)
    assert names[:2] == ["age", "income"]
    assert "sex = M" in names
    assert "sex = F" not in names
    assert [name for name in names if name.startswith("country")] == ["country = a", "country = b", "country = c"]
    assert len([name for name in names if name.startswith("line #")]) == HASHED
    assert {"when day", "when hour", "when weekday"} <= set(names)
    assert "same" not in names
    assert names[-1] == "constant"
    assert table.filled == 20
    assert table.classes == ("0", "1")
    assert len(table.y) == 160
    # standardised on the training part alone
    assert table.x[:, 1].mean() == pytest.approx(0, abs=1e-12)
    assert table.x[:, 1].std() == pytest.approx(1)
    assert table.test_x[:, 1].mean() != pytest.approx(0, abs=1e-6)
    order = np.random.default_rng(0).permutation(200)
    assert np.array_equal(table.test_y, frame()["clicked"].to_numpy()[order[160:]])


def test_infinities_are_gaps():
    made = frame()
    made.loc[3, "income"] = np.inf
    assert np.isfinite(prepare(made, "clicked", ["income"], classify=True).x).all()


@pytest.mark.parametrize(
    ("label", "columns", "says"),
    [
        ("nothing", (), "no column nothing"),
        ("clicked", ("nothing",), "no column nothing"),
        ("country", (), "3 classes"),
        ("same", (), "has 1 class:"),
    ],
)
def test_a_table_that_cannot_be_told_is_one_sentence(label, columns, says):
    with pytest.raises(SightlineError, match=says):
        prepare(frame(), label, columns, classify=True)


def test_files_that_are_no_tables_are_one_sentence(tmp_path):
    with pytest.raises(SightlineError, match="no file"):
        read_table(tmp_path / "x.csv")
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SightlineError, match="has 1 row"):
        read_table(tmp_path / "one.csv")
    (tmp_path / "bad.csv").write_bytes(b"\x00\xff\xfe")
    with pytest.raises(SightlineError, match=r"bad\.csv"):
        read_table(tmp_path / "bad.csv")


@pytest.mark.parametrize("text", ["l3:1", "l2:-1", "l2:x", "l2:nan"])
def test_a_penalty_that_cannot_be_is_one_sentence(text):
    with pytest.raises(SightlineError):
        parse_penalty(text)


@pytest.mark.parametrize("key", KINDS)
def test_every_problem_is_built_and_its_gradient_is_right(key):
    for penalty in ("none", "elastic"):
        built = drive(build(ProblemSetup(key, penalty=penalty, strength=0.1, rows=100, hidden=(4, 3))))
        problem = built.problem
        theta = problem.start(3, 0)
        assert theta.shape == (3, problem.parameters)
        assert torch.equal(theta[:2], problem.start(2, 0))
        assert problem.value(theta, None).shape == (3,)
        assert problem.title == KINDS[key].title
        found = gradient_check(problem, theta[1])
        assert found.numeric_apart < 1e-8
        assert (found.autograd is None) == (built.table is None)
        assert built.table is None or found.autograd_apart < 1e-12


def test_a_corner_is_left_out_of_the_check():
    problem = RobustRegression(np.array([[0.0, 1.0]] * 3), np.zeros(3), Penalty(), gamma=1)
    found = gradient_check(problem, np.array([0.0, 1e-6]))  # |theta| bends at 0
    assert found.corners == 1
    assert found.numeric_apart == 0


def test_only_what_matters_for_a_problem_is_set():
    given = ProblemSetup("Linear ", hidden=(3,), gamma=2.0, degree=2, noise=0.3)
    assert settled(given) == ProblemSetup("linear", degree=2, noise=0.3)
    assert settled(ProblemSetup("network", degree=4)) == ProblemSetup("network", data="moons")
    assert settled(ProblemSetup("rosenbrock", data="x.csv", penalty="l1")) == ProblemSetup("rosenbrock")
    assert settled(ProblemSetup("polynomial")).degree == 3
    assert settled(ProblemSetup("polynomial", degree=5, data="line")).degree == 5
    names = {name for kind in KINDS.values() for name in kind.fields}
    assert names == set(ProblemSetup.__slots__) - {"problem"}


def test_settings_reach_the_problem():
    robust = drive(build(ProblemSetup("robust", gamma=1.2, shake=0.7))).problem
    assert (robust.gamma, robust.noise) == (1.2, 0.7)
    steep = drive(build(ProblemSetup("quadratic", condition=100.0))).problem
    assert float(steep.value(torch.tensor([[0.0, 1.0]]).double(), None)[0]) == 50
    net = drive(build(ProblemSetup("network", data="blobs", hidden=(3, 2), activation="relu", init="zero"))).problem
    assert (net.classes, net.shapes, net.activation.key) == (3, ((3, 2), (2, 3), (3, 2)), "relu")
    assert drive(build(ProblemSetup("linear", penalty="l2", strength=0.5))).problem.penalty == Penalty("l2", 0.5)


def test_a_polynomial_fits_a_wave_that_a_line_does_not():
    line, cubic = (drive(build(ProblemSetup(key, data="wave", noise=0.0))) for key in ("linear", "polynomial"))
    assert cubic.problem.minimum.value < line.problem.minimum.value / 10
    assert cubic.problem.parameters == 4


@pytest.mark.parametrize("key", [key for key in KINDS if KINDS[key].data])
def test_every_problem_learns_from_every_set_that_fits(key):
    kind = KINDS[key]
    for name, one in {**DRAWN, **BUNDLED}.items():
        if name != "digits" and one.fits(kind.classify, kind.most_classes):
            built = drive(build(ProblemSetup(key, data=name, rows=60, hidden=(3,))))
            value, slope = built.problem.value_and_gradient(built.problem.start(2, 0), torch.arange(12).view(2, 6))
            assert torch.isfinite(value).all()
            assert torch.isfinite(slope).all()


@pytest.mark.parametrize(
    "setup",
    [
        ProblemSetup("nothing"), ProblemSetup("logistic", data="/nowhere/x.csv", label="y"),
        ProblemSetup("network", hidden=(0,)), ProblemSetup("network", activation="step"),
        ProblemSetup("network", init="x"), ProblemSetup("logistic", penalty="l3"),
        ProblemSetup("logistic", penalty="l2", strength=-1.0), ProblemSetup("robust", gamma=0.5),
        ProblemSetup("robust", shake=float("nan")), ProblemSetup("quadratic", condition=float("inf")),
        ProblemSetup("logistic", data="blobs"), ProblemSetup("linear", data="digits"),
        ProblemSetup("softmax", rows=-5), ProblemSetup("softmax", test_share=1.0), ProblemSetup("softmax", seed=-1),
    ],
)  # fmt: skip
def test_a_problem_that_cannot_be_is_one_sentence(setup):
    with pytest.raises(SightlineError) as said:
        drive(build(setup))
    assert str(said.value).endswith(".")


def test_as_narrow_as_its_condition_says():
    surface = quadratic(400.0)
    theta = torch.tensor([[1.0, 1.0]]).double()
    assert surface.gradient(theta, None).tolist() == [[1, 400]]
    with pytest.raises(SightlineError, match="condition"):
        quadratic(0.5)


def lines(capsys, *words):
    status = main(list(words))
    captured = capsys.readouterr()
    return status, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_race_says_a_line_a_rule(capsys, tmp_path):
    path = tmp_path / "loss.csv"
    status, said, _err = lines(
        capsys, "race", "logistic", "--rules", "sgd:lr=0.1,adam:lr=0.05,sgd:lr=1e9", "--steps", "120",
        "--replicates", "4", "--csv", str(path),
    )  # fmt: skip
    assert status == 0
    assert [line["rule"] for line in said] == ["sgd", "adam", "sgd"]
    assert list(said[0]) == ["rule", "final_loss_mean", "final_loss_se", "steps_per_s", "diverged",
                             "torch_max_difference", "test"]  # fmt: skip
    assert said[0]["diverged"] == said[1]["diverged"] == 0
    assert said[1]["torch_max_difference"] < 1e-10
    assert set(said[1]["test"]) == {"roc_auc", "average_precision", "accuracy"}
    assert said[1]["test"]["roc_auc"] > 0.8
    table = pd.read_csv(io.StringIO(path.read_text()))
    assert len(table) == 120
    assert table["adam"].iloc[-1] < table["adam"].iloc[0]


def test_race_of_a_surface_and_of_numbers(capsys):
    status, said, _err = lines(
        capsys, "race", "quadratic", "--rules", "momentum:lr=0.02", "--steps", "400", "--no-twin"
    )
    assert status == 0
    assert said[0]["final_loss_mean"] < 1e-6
    assert said[0]["torch_max_difference"] is None
    assert said[0]["test"] is None
    _status, said, _err = lines(
        capsys, "race", "linear", "--rules", "adam:lr=0.05", "--steps", "300", "--replicates", "2"
    )
    assert said[0]["test"]["r2"] > 0.9


def test_race_lists_what_there_is(capsys):
    status, said, _err = lines(capsys, "race", "--list")
    assert status == 0
    assert {line["problem"] for line in said if "problem" in line} == set(KINDS)
    rules = {line["rule"]: line["defaults"] for line in said if "rule" in line}
    assert rules["adam"]["lr"] > 0
    assert any(line.get("schedule") == "cosine" for line in said)
    data = {
        line["data"]: line["title"] for line in said if "title" in line and "problem" not in line and "data" in line
    }
    assert data["moons"] == "Moons"
    assert set(data) == {*DRAWN, *BUNDLED}


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("network", "--data", "moons", "--hidden", "8,4", "--noise", "0.05"), 0.2),
        (("softmax", "--data", "iris"), 0.3),
        (("multiclass_svm",), 0.8),
        (("polynomial", "--degree", "5", "--noise", "0.0"), 0.05),
        (("network_regression", "--data", "plane"), 0.02),
    ],
)
def test_race_of_drawn_and_bundled_data(capsys, words, most):
    status, said, _err = lines(capsys, "race", *words, "--rules", "adam:lr=0.05", "--steps", "400", "--replicates", "2")
    assert status == 0
    assert said[0]["final_loss_mean"] < most
    assert said[0]["torch_max_difference"] < 1e-10
    assert len(said[0]["test"]) in (2, 3)


@pytest.mark.parametrize(
    "words",
    [
        ("race",), ("race", "nothing"), ("race", "rosenbrock", "--rules", "magic"),
        ("race", "rosenbrock", "--rules", "sgd:lr=-1"), ("race", "rosenbrock", "--rules", "sgd:lr=0"),
        ("race", "logistic", "--batch", "100000"), ("race", "logistic", "--batch", "some"),
        ("race", "network", "--hidden", "0"), ("race", "network", "--hidden", "x"),
        ("race", "logistic", "--hidden", "4"), ("race", "logistic", "--seed", "-1"),
        ("race", "rosenbrock", "--penalty", "l2:1"), ("race", "rosenbrock", "--data", "moons"),
        ("race", "logistic", "--data", "blobs"), ("race", "logistic", "--noise", "2"),
        ("race", "logistic", "--data", "iris", "--noise", "0.1"), ("race", "logistic", "--data", "x.csv"),
        ("race", "polynomial", "--degree", "0"), ("race", "network", "--degree", "2"),
        ("race", "rosenbrock", "--schedule", "never"), ("race", "logistic", "--data", "/nowhere.csv", "--label", "y"),
    ],
)  # fmt: skip
def test_what_cannot_be_raced_is_one_sentence(capsys, words):
    status, said, err = lines(capsys, *words)
    assert status == 2
    assert said == []
    last = err.splitlines()[-1]
    assert last.endswith(".")
    assert "Traceback" not in err


def test_the_click_through_file_is_learned_as_scikit_learn_does(assets, capsys):
    columns = "Daily Time Spent on Site,Age,Area Income,Daily Internet Usage,Gender"
    path = assets / "tables" / "ad_10000records.csv"
    status, said, _err = lines(
        capsys, "race", "logistic", "--data", str(path), "--label", "Clicked on Ad", "--columns", columns,
        "--rules", "adam:lr=0.01", "--steps", "1500", "--replicates", "5", "--no-twin",
    )  # fmt: skip
    assert status == 0
    from sklearn.linear_model import LogisticRegression as Theirs
    from sklearn.metrics import roc_auc_score

    setup = ProblemSetup("logistic", data=str(path), label="Clicked on Ad", columns=tuple(columns.split(",")))
    table = drive(build(setup)).table
    other = Theirs(C=np.inf, max_iter=1000).fit(table.x[:, :-1], table.y)
    theirs = roc_auc_score(table.test_y, other.decision_function(table.test_x[:, :-1]))
    assert said[0]["test"]["roc_auc"] == pytest.approx(theirs, abs=0.002)
