"""The drawing of a network: real mouse and keys; a look that is made up says what the weights are."""

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from engine.learning.looking import NEURON, Look
from engine.learning.setup import FEATURES
from gui import theme
from gui.network_parts import Spot
from gui.network_view import NetworkView
from gui.plane_parts import sides

LEFT = Qt.MouseButton.LeftButton


def made_up(inputs=("x", "y"), hidden=(3, 2), outputs=1, classes=("no", "yes"), pictures=True, seed=0) -> Look:
    """A look at a network with weights of a standard normal."""
    rng = np.random.default_rng(seed)
    widths = (len(inputs), *hidden, outputs)
    weights = tuple((rng.standard_normal((out, into)), rng.standard_normal(out)) for into, out in pairwise(widths))
    neurons = tuple(rng.standard_normal((out, NEURON, NEURON)).astype(np.float32) for out in widths[1:])
    seen = rng.standard_normal((len(inputs), NEURON, NEURON)).astype(np.float32)
    return Look(classes, (0.0, 1.0), inputs=inputs, input_pictures=seen if pictures else None,
                neurons=neurons if pictures else None, weights=weights)  # fmt: skip


@pytest.fixture(params=["dark", "light"])
def view(qtbot, qapp, request):
    theme.apply(qapp, theme.THEMES[request.param])
    made = NetworkView()
    qtbot.addWidget(made)
    made.resize(640, 460)
    made.show()
    made.show_network(made_up(), (3, 2), offered=FEATURES, features=("x", "y"))
    yield made
    theme.apply(qapp, theme.DARK)


def of(view, layer, out, into) -> QPoint:
    """Where a weight can be pointed at, away from all others."""
    spot = Spot(layer, out, into)
    if into < 0:
        return view._places.bias(spot).center().toPoint()
    line = view._places.lines[view._places.spots.index(spot)]
    for x, y in line[2:-2]:
        if view._places.spot_at(QPointF(round(x), round(y))) == spot:
            return QPoint(round(x), round(y))
    raise AssertionError(f"{spot} lies under other lines")


def click(view, at):
    QTest.mouseClick(view, LEFT, Qt.KeyboardModifier.NoModifier, at)


def test_columns_are_features_hidden_layers_and_outputs(view):
    assert [len(column) for column in view._places.columns] == [7, 3, 2, 1]
    # two features are on, each with a line to each of three neurons
    assert len(view._places.spots) == 2 * 3 + 3 * 2 + 2
    assert all(view.rect().contains(square.toRect()) for column in view._places.columns for square in column)


def test_hovering_a_line_says_its_weight_and_lights_it(view):
    QTest.mouseMove(view, of(view, 0, 2, 1))
    assert view._hovered == Spot(0, 2, 1)
    weight = float(view.look.weights[0][0][2, 1])
    assert view.value(view._hovered) == weight
    assert view.words(view._hovered) == f"weight from y to neuron 3 of layer 1: {weight:.2f}"
    plain = view.grab().toImage()
    QTest.mouseMove(view, QPoint(5, 455))
    assert view._hovered is None
    assert view.grab().toImage() != plain


def test_a_line_has_the_colour_of_its_sign(view):
    seen = made_up(("x",), (1,))
    seen.weights[0][0][0, 0], seen.weights[1][0][0, 0] = 5.0, -5.0
    view.show_network(seen, (1,), offered=("x",), features=("x",))
    image = view.grab().toImage()
    for layer, side in ((0, sides()[1]), (1, sides()[0])):
        colour = image.pixelColor(of(view, layer, 0, 0))
        wanted = QColor(side)
        assert abs(colour.red() - wanted.red()) + abs(colour.blue() - wanted.blue()) < 30


def test_a_click_on_a_line_opens_an_editor_and_enter_takes_the_number(view, qtbot):
    click(view, of(view, 1, 0, 2))
    assert view.editor.isVisible()
    assert view.editor.value() == pytest.approx(float(view.look.weights[1][0][0, 2]), abs=1e-3)
    assert view.editor.accessibleName().startswith("weight from neuron 3 of layer 1 to neuron 1 of layer 2")
    view.editor.selectAll()
    QTest.keyClicks(view.editor, "1.25")
    with qtbot.waitSignal(view.edited) as told:
        QTest.keyClick(view.editor, Qt.Key.Key_Return)
    assert told.args == [1, 0, 2, 1.25]
    assert not view.editor.isVisible()


def test_escape_leaves_a_bias_as_it_is(view, qtbot):
    click(view, of(view, 2, 0, -1))
    assert view.editor.accessibleName().startswith("bias of the output")
    QTest.keyClicks(view.editor, "9")
    with qtbot.assertNotEmitted(view.edited):
        QTest.keyClick(view.editor, Qt.Key.Key_Escape)
    assert not view.editor.isVisible()


def test_weights_are_reached_with_the_keys_and_said(view, qtbot):
    view.setFocus(Qt.FocusReason.TabFocusReason)
    assert view.accessibleName() == "feature x: on"
    QTest.keyClick(view, Qt.Key.Key_Down)
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert view.accessibleName() == "feature x²: off"
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.accessibleName().startswith("bias of neuron 1 of layer 1")
    QTest.keyClick(view, Qt.Key.Key_Down)
    weight = float(view.look.weights[0][0][0, 0])
    assert view.accessibleName() == f"weight from x to neuron 1 of layer 1: {weight:.2f}"
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert view.editor.isVisible()
    view.editor.selectAll()
    QTest.keyClicks(view.editor, "-2")
    with qtbot.waitSignal(view.edited) as told:
        QTest.keyClick(view.editor, Qt.Key.Key_Enter)
    assert told.args == [0, 0, 0, -2.0]
    for _ in range(9):
        QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.accessibleName().startswith("bias of the output")


def test_what_a_chosen_weight_is_called_follows_its_value(view):
    view._choose(Spot(0, 0, 0))
    seen = made_up(seed=5)
    # at most once a second
    view._named -= 2
    view.show_network(seen, (3, 2), offered=FEATURES, features=("x", "y"))
    assert view.accessibleName().endswith(f"{float(seen.weights[0][0][0, 0]):.2f}")


def test_features_are_switched_by_mouse_and_keys_and_one_stays_on(view, qtbot):
    with qtbot.waitSignal(view.features_changed) as told:
        click(view, view._places.columns[0][4].center().toPoint())
    assert told.args == [("x", "y", "xy")]
    view._choose(0)
    with qtbot.waitSignal(view.features_changed) as told:
        QTest.keyClick(view, Qt.Key.Key_Space)
    assert told.args == [("y",)]
    view.show_network(made_up(("y",)), (3, 2), offered=FEATURES, features=("y",))
    with qtbot.assertNotEmitted(view.features_changed):
        view.toggle_feature(1)


def test_lines_begin_at_the_features_that_are_on(view):
    view.show_network(made_up(("y", "sin x")), (3,), offered=FEATURES, features=("y", "sin x"))
    starts = {
        round(line[0, 1]) for line, spot in zip(view._places.lines, view._places.spots, strict=True) if not spot.layer
    }
    assert starts == {round(view._places.columns[0][row].center().y()) for row in (1, 5)}
    assert view.words(Spot(0, 0, 1)).startswith("weight from sin x to neuron 1")


def test_buttons_change_neurons_and_layers(view, qtbot):
    for button, wanted in (
        (view.counters[0].more, (4, 2)),
        (view.counters[1].less, (3, 1)),
        (view.layers.more, (3, 2, 2)),
        (view.layers.less, (3,)),
    ):
        with qtbot.waitSignal(view.hidden_changed) as told:
            QTest.mouseClick(button, LEFT)
        assert told.args == [wanted]
    assert view.counters[1].less.accessibleName() == "One neuron less in layer 2"
    view.show_network(made_up(hidden=(1,)), (1,), offered=FEATURES, features=("x", "y"))
    assert not view.counters[0].less.isEnabled()
    assert not view.layers.less.isEnabled()
    assert not view.counters[1].isVisible()


def test_of_a_broad_layer_eight_are_drawn_and_the_rest_counted(view):
    view.show_network(made_up(hidden=(32, 2)), (32, 2), offered=FEATURES, features=("x", "y"))
    assert [len(column) for column in view._places.columns] == [7, 8, 2, 1]
    assert view._places.hidden == [0, 24, 0, 0]
    view.grab()


def test_columns_of_a_file_cannot_be_switched(view, qtbot):
    inputs = tuple(f"column {number}" for number in range(12))
    view.show_network(made_up(inputs, (4,), 3, ("a", "b", "c"), pictures=False), (4,))
    assert [len(column) for column in view._places.columns] == [8, 4, 3]
    assert view.words(Spot(1, 2, 0)).startswith("weight from neuron 1 of layer 1 to output c")
    with qtbot.assertNotEmitted(view.features_changed):
        click(view, view._places.columns[0][0].center().toPoint())
    view.grab()


def test_a_look_that_is_older_than_the_network_wanted_is_no_error(view):
    for hidden in ((3, 5), (6,), (3, 2, 2, 1)):
        view.show_network(made_up(hidden=(3, 2)), hidden, offered=FEATURES, features=("x", "y", "xy"))
        view.grab()
    view.show_network(None, (4,), offered=FEATURES, features=("x", "y"))
    assert not view.words(Spot(0, 0, 0)).endswith("0")
    view.grab()


def test_weights_that_have_diverged_are_drawn(view):
    seen = made_up()
    seen.weights[0][0][0, 0], seen.weights[1][1][0] = np.nan, np.inf
    view.show_network(seen, (3, 2), offered=FEATURES, features=("x", "y"))
    view.grab()


def test_before_there_is_a_network_a_line_says_so(qtbot):
    made = NetworkView()
    qtbot.addWidget(made)
    made.show()
    made.grab()
