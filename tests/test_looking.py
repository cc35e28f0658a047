"""What is seen of a model: real small models against scikit-learn, and fakes whose answers are known."""

import numpy as np
import pytest

from engine.job import drive
from engine.learning.build import build
from engine.learning.looking import (
    BANDS,
    NEURON,
    bands,
    boundary_shades,
    class_shades,
    look,
    neuron_shades,
    plane_room,
    said_at,
    shades,
)
from engine.learning.setup import ProblemSetup
from engine.learning.tables import Plane, Table

torch = pytest.importorskip("torch")


class Fake:
    """Scores are theta @ x', one a class where there are several."""

    title, dtype = "Fake", torch.float64

    def __init__(self, classes):
        self.classes = classes

    def scores(self, theta, x):
        made = theta.view(len(theta), -1, x.shape[1]) @ x.T
        return made[:, 0] if made.shape[1] == 1 else made.transpose(1, 2)


def table_of(classes=("a", "b"), y=None):
    """Four rows on the corners of a square, features x and y."""
    corners = np.array([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])

    def lift(points):
        return np.concatenate([points, np.ones((len(points), 1))], 1)

    y = np.array([0.0, 1, 0, 1]) if y is None else np.asarray(y, float)
    plane = Plane(("x", "y"), corners, corners[:1], lift)
    return Table(("x", "y", "constant"), lift(corners), y, lift(corners[:1]), y[:1], classes, plane=plane)


def made(**settings):
    """A problem of drawn data, and a place near its start."""
    built = drive(build(ProblemSetup(**settings)))
    return built, built.problem.start(1, 3)[0].numpy()


def test_of_two_classes_the_boundary_is_the_sigmoid_of_the_score():
    seen = look(Fake(2), table_of(), np.array([2.0, 0, 0]), size=9, part=(-1, 1, -1, 1))
    assert np.allclose(seen.boundary.values[4], 1 / (1 + np.exp(-2 * np.linspace(-1, 1, 9))))
    assert seen.span == (0, 1)
    assert seen.sure is None
    assert said_at(seen, 0.9, 0) == "b (86 %)"
    assert said_at(seen, -0.9, 0) == "a (86 %)"
    assert said_at(seen, 5, 0) == ""


def test_row_0_of_a_boundary_is_its_bottom():
    seen = look(Fake(0), table_of((), (0, 1, 2, 3)), np.array([0.0, 1, 0]), size=5, part=(-1, 1, -1, 1))
    assert seen.boundary.values[:, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert seen.span == (0, 3)
    assert said_at(seen, 0, 0.5) == "answer 0.5"


def test_of_many_classes_the_best_and_how_sure():
    theta = np.array([0, 0, 0, 3.0, 0, 0, 0, 3.0, 0])
    seen = look(Fake(3), table_of(("a", "b", "c"), (0, 1, 2, 1)), theta, size=3, part=(-1, 1, -1, 1))
    assert seen.boundary.values[0].tolist() == [0, 0, 1]
    assert seen.boundary.values[2, 0] == 2
    assert seen.sure.values[0, 2] == pytest.approx(np.exp(3) / (np.exp(3) + 1 + np.exp(-3)), abs=1e-6)
    assert said_at(seen, 1, -1) == "b (95 %)"


def test_a_diverged_model_has_no_boundary_and_nothing_breaks():
    seen = look(Fake(2), table_of(), np.full(3, np.nan))
    assert seen.boundary is None
    assert said_at(seen, 0, 0) == ""
    built, theta = made(problem="network", data="moons", hidden=(3,))
    seen = look(built.problem, built.table, np.full_like(theta, np.inf))
    assert seen.neurons is None
    assert len(seen.weights) == 2


def test_room_of_the_plane_has_all_rows_to_one_scale():
    x0, x1, y0, y1 = plane_room(table_of().plane)
    assert x0 < -1 < 1 < x1
    assert x1 - x0 == pytest.approx(y1 - y0)


@pytest.mark.parametrize("data", ["moons", "blobs"])
def test_confusion_and_curves_are_scikit_learns(data):
    from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

    built, theta = made(problem="softmax", data=data, noise=0.8)
    scores, truth = built.problem.answers(torch.from_numpy(theta)[None])
    scores = scores[0]
    seen = look(built.problem, built.table, theta)
    said = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
    assert np.array_equal(seen.confusion, confusion_matrix(truth, said))
    assert seen.figures["accuracy"] == pytest.approx(np.mean(said == truth))
    columns = {built.table.classes[1]: (1, scores)} if scores.ndim == 1 else {
        name: (number, scores[:, number]) for number, name in enumerate(built.table.classes)
    }  # fmt: skip
    assert set(seen.roc) == set(seen.pr) == set(columns)
    for name, (number, column) in columns.items():
        x, y, _ = roc_curve(truth == number, column, drop_intermediate=False)
        assert np.allclose(seen.roc[name], (x, y))
        precision, recall, _ = precision_recall_curve(truth == number, column)
        assert np.allclose(seen.pr[name][0][1:], recall[:-1][::-1][-len(seen.pr[name][0]) + 1 :])
        assert np.allclose(seen.pr[name][1][1:], precision[:-1][::-1][-len(seen.pr[name][0]) + 1 :])


def test_without_the_test_part_nothing_is_told_of_it():
    built, theta = made(problem="softmax", data="moons")
    seen = look(built.problem, built.table, theta, test=False)
    assert seen.confusion is seen.roc is seen.pr is seen.figures is None
    assert seen.boundary is not None


def test_a_number_has_figures_and_no_confusion():
    built, theta = made(problem="network_regression", data="hills", hidden=(3,))
    seen = look(built.problem, built.table, theta)
    assert set(seen.figures) == {"rmse", "r2"}
    assert seen.confusion is seen.roc is None


def test_a_networks_neurons_are_what_its_weights_say():
    built, theta = made(problem="network", data="moons", hidden=(4, 2), features=("x", "y", "xy"))
    seen = look(built.problem, built.table, theta)
    assert seen.inputs == ("x", "y", "xy")
    assert seen.input_pictures.shape == (3, NEURON, NEURON)
    assert [layer.shape for layer in seen.neurons] == [(4, NEURON, NEURON), (2, NEURON, NEURON), (1, NEURON, NEURON)]
    values = seen.input_pictures.reshape(3, -1)
    for number, ((weights, biases), layer) in enumerate(zip(seen.weights, seen.neurons, strict=True)):
        values = weights @ values + biases[:, None]
        values = np.tanh(values) if number < 2 else values
        assert np.allclose(values.reshape(layer.shape), layer, atol=1e-5)


def test_without_a_plane_there_are_weights_and_no_pictures():
    built, theta = made(problem="network", data="iris", hidden=(5,))
    seen = look(built.problem, built.table, theta)
    assert seen.boundary is seen.neurons is seen.input_pictures is None
    assert [weights.shape for weights, _biases in seen.weights] == [(5, 4), (3, 5)]
    assert seen.confusion.sum() == len(built.table.test_y)


def test_points_are_classes_or_bands_of_the_labels_range():
    seen = look(Fake(0), table_of((), (0, 1, 2, 9)), np.zeros(3), size=3)
    assert bands(np.array([0.0, 4.5, 9, 20, -5]), seen).tolist() == [0, BANDS // 2, BANDS - 1, BANDS - 1, 0]
    seen = look(Fake(2), table_of(), np.zeros(3), size=3)
    assert bands(np.array([0.0, 1]), seen).tolist() == [0, 1]


def test_shades_go_through_the_ground_with_the_top_row_first():
    values = np.array([[-1, 0, 1], [np.nan, -np.inf, 5]], np.float32)
    made_of = shades(values, -1, 1, ("#ff0000", "#0000ff"), "#000000")
    red, blue = [0, 0, 255, 255], [255, 0, 0, 255]
    assert made_of[1, 0].tolist() == red
    assert made_of[1, 2].tolist() == blue
    assert made_of[1, 1, :3].max() <= 1
    assert made_of[0, 0, :3].max() <= 1
    assert made_of[0, 1:].tolist() == [red, blue]


def test_class_shades_are_stronger_where_it_is_surer():
    best, sure = np.array([[0, 1]], np.float32), np.array([[1.0, 0.5]], np.float32)
    made_of = class_shades(best, sure, ("#ff0000", "#00ff00"), "#000000")
    assert made_of[0, 0].tolist() == [0, 0, 255, 255]
    assert made_of[0, 1, 1] == pytest.approx(127, abs=1)


def test_pictures_of_a_boundary_and_of_neurons_have_colours():
    built, theta = made(problem="network", data="blobs", hidden=(9, 2))
    seen = look(built.problem, built.table, theta, size=16)
    layers = neuron_shades(seen, ("#ff0000", "#0000ff"), "#000000", most=8)
    assert [len(layer) for layer in layers] == [2, 8, 2, 3]
    assert all(layer.shape[1:] == (NEURON, NEURON, 4) and layer.dtype == np.uint8 for layer in layers)
    fine = boundary_shades(seen, ("#ff0000", "#00ff00", "#0000ff"), "#000000")
    assert fine.shape == (64, 64, 4)
