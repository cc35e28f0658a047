"""The page Explain in the window: real widgets, drawn shapes, a small network that is trained once."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit

from engine import runtime
from engine.job import drive
from engine.saliency.types import Target
from gui.app import build
from gui.job import shutdown
from gui.saliency_routes import EXAMPLE

LONG = 20_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network that has seen a few drawn shapes, kept in a folder of its own."""
    from engine.learning.datasets import example_shapes
    from engine.learning.keeping import save_classifier
    from engine.learning.knobs import usual
    from engine.learning.train import train

    knobs = replace(usual("small_cnn", drawn=True), epochs=2, size=64)
    model = drive(train(example_shapes(train=120, test=20), knobs, device="cpu", name="Shapes"))
    folder = tmp_path_factory.mktemp("networks") / "shapes"
    drive(save_classifier(model, folder))
    return folder


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """A folder with three drawn pictures."""
    from engine.samples.shapes import shapes

    folder = tmp_path_factory.mktemp("drawings")
    pictures, _labels, _boxes = shapes(3, size=96, seed=5)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.fixture
def window(qtbot, monkeypatch):
    """A window with nothing remembered and no network, on the page Explain."""
    shutil.rmtree(runtime.config_folder(), ignore_errors=True)
    shutil.rmtree(runtime.models_folder(), ignore_errors=True)
    monkeypatch.delenv("SIGHTLINE_WEIGHTS", raising=False)
    _app, made = build()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.show_page("explain")
    yield made
    made.close()
    assert shutdown(20_000) == []


@pytest.fixture
def page(window, qtbot):
    page = window.pages["explain"]
    qtbot.waitUntil(lambda: bool(page.controls.methods.names()), timeout=LONG)
    return page


@pytest.fixture
def ready(page, trained, qtbot):
    """The page with the small network."""
    page.controls.network.choose(str(trained))
    qtbot.waitUntil(lambda: page.classifier is not None, timeout=LONG)
    return page


def finished(page) -> bool:
    return len(page.wanted) == len(page.maps) > 0 and all(found.done for found in page.maps.values())


@pytest.fixture
def shown(ready, window, drawings, qtbot):
    """A drawn picture with its maps."""
    window.open(str(drawings / "0.png"))
    qtbot.waitUntil(lambda: finished(ready), timeout=LONG)
    return ready


def press(button, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.mouseClick(button, LEFT, modifiers)


def notices(window) -> str:
    return " ".join(window.notices.texts())


def test_with_no_network_the_page_offers_to_train_one(page):
    assert page.empty.isVisible()
    assert "no network" in page.empty.title.text()
    assert page.empty.button("Train the example").isVisible()


def test_a_picture_shows_its_classes_and_its_maps(shown):
    assert [cell.layered is not None for cell in shown.cells.shown] == [True, True]
    rows = [row for row in shown.controls.classes.rows if row.isVisible()]
    values = [row.value for row in rows]
    assert values == sorted(values, reverse=True)
    assert sum(values) <= 1.0001
    assert rows[0].isChecked()
    title, line = shown.cells.shown[0].words
    assert title == f"Grad-CAM · {rows[0].name}"
    assert "ms" in line


def test_pressing_a_class_explains_it_and_with_ctrl_beside_the_others(shown, qtbot):
    rows = shown.controls.classes.rows
    first, second = rows[0].index, rows[1].index
    press(rows[1])
    assert shown.wanted[0].target == Target(second)
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)
    assert shown.maps[0].target == Target(second)
    press(next(row for row in rows if row.index == first), Qt.KeyboardModifier.ControlModifier)
    assert [cell.target for cell in shown.wanted] == [Target(second), Target(second), Target(first), Target(first)]
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)
    assert len(shown.cells.shown) == 4


def test_why_one_class_and_not_another_is_the_difference_of_their_maps(shown, qtbot):
    shown.controls.choose_methods(("grad_cam",))
    classes = shown.controls.classes
    a, b = classes.rows[0].index, classes.rows[1].index
    found = {}
    for target in (Target(a), Target(b), Target(a, b)):
        classes.set_targets((target,))
        qtbot.waitUntil(lambda target=target: finished(shown) and shown.maps[0].target == target, timeout=LONG)
        found[target] = shown.maps[0].values
    difference = found[Target(a)] - found[Target(b)]
    assert np.abs(found[Target(a, b)] - difference).max() < 1e-4 * np.abs(difference).max()
    assert "not" in shown.cells.shown[0].words[0]
    classes.menu.aboutToShow.emit()
    assert any("not" in one.text() for one in classes.menu.actions())


def test_another_class_is_found_by_a_part_of_its_name(shown):
    classes = shown.controls.classes
    name = classes.rows[-3].name or classes.rows[2].name
    classes.other.setText(name[:-1])
    QTest.keyClick(classes.other, Qt.Key.Key_Return)
    assert classes.name_of(classes.targets[0]) == name
    classes.other.setText("unicorn")
    QTest.keyClick(classes.other, Qt.Key.Key_Return)
    assert classes.name_of(classes.targets[0]) == name


def test_chips_choose_the_methods_and_four_are_the_most(shown, qtbot):
    chips = shown.controls.methods
    before = shown.maps[0]
    for name in ("Saliency", "Input x Gradient", "SmoothGrad"):
        press(chips.button(name))
    assert len(shown.wanted) == 4
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)
    press(chips.button("SmoothGrad"))
    press(chips.button("Input x Gradient"))
    press(chips.button("Grad-CAM"))
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)
    again = next(found for found in shown.maps.values() if found.method == "grad_cam")
    # a map that was made is not made again
    assert again is before


def test_only_the_choices_of_the_shown_methods_are_offered(shown):
    shown.controls.choose_methods(("grad_cam",))
    assert not shown.controls.knobs.group("Integrated Gradients").isVisible()
    shown.controls.choose_methods(("integrated_gradients",))
    assert shown.controls.knobs.group("Integrated Gradients").isVisible()
    assert not shown.controls.layer.isEnabled()


def test_a_knob_makes_the_maps_that_read_it_anew(shown, qtbot):
    cam, gradients = (next(f for f in shown.maps.values() if f.method == key) for key in
                      ("grad_cam", "integrated_gradients"))  # fmt: skip
    shown.controls.knobs.set_field("steps", 20)
    qtbot.waitUntil(lambda: finished(shown) and all(one is not gradients for one in shown.maps.values()), timeout=LONG)
    assert any(one is cam for one in shown.maps.values())


def test_a_layer_is_chosen_from_its_preview(shown, qtbot):
    strip = shown.strip_view
    press(strip.tabs["Layers"])
    qtbot.waitUntil(lambda: bool(strip.layers.swatches), timeout=LONG)
    names = [layer.name for layer in shown.classifier.layers if layer.spatial]
    assert set(strip.layers.swatches) <= set(names)
    name = next(iter(strip.layers.swatches))
    strip.layers.swatches[name].clicked.emit()
    qtbot.waitUntil(lambda: any(found.layer == name for found in shown.maps.values()) and finished(shown), timeout=LONG)
    assert shown.controls.layer.currentData() == name


def test_trust_is_measured_and_shown(shown, qtbot):
    strip = shown.strip_view
    press(strip.measure) if strip.measure.isVisible() else shown.trust.measure()
    qtbot.waitUntil(lambda: not shown.trust.busy and bool(shown.trust.measured), timeout=LONG)
    rows = strip.table.rows
    assert [row.name.partition(" · ")[0] for row in rows] == ["Grad-CAM", "Integrated Gradients", "random"]
    assert all(0 <= row.insertion <= 1 and 0 <= row.deletion <= 1 for row in rows)
    assert {row.sanity for row in rows[:2]} <= {"passes", "fails"}
    assert "insertion" in shown.cells.shown[0].words[1]
    press(strip.plot_tabs["Weights"])
    assert strip.similar.isVisible()
    assert not strip.curves.isVisible()
    # another map: what was measured is gone
    shown.controls.choose_methods(("saliency",))
    assert strip.table.rows == []


def test_measuring_can_be_stopped(shown, qtbot):
    shown.trust.measure()
    assert shown.trust.busy
    shown.trust.measure()
    assert not shown.trust.busy
    # what was said last does not stay
    qtbot.waitUntil(lambda: shown.window().job_bar.state.text() == "Ready", timeout=LONG)
    # the explainer answers the next question
    press(shown.controls.classes.rows[1])
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)


def test_a_drawn_box_is_the_pointing_game(shown, qtbot):
    view = shown.cells.plain.view
    shown.trust.measure()
    qtbot.waitUntil(lambda: not shown.trust.busy, timeout=LONG)
    shown.trust.box_action.trigger()
    corner = view.picture_rect().topLeft().toPoint() + QPoint(1, 1)
    other = view.picture_rect().bottomRight().toPoint() - QPoint(1, 1)
    QTest.mousePress(view, LEFT, pos=corner)
    QTest.mouseMove(view, other)
    QTest.mouseRelease(view, LEFT, pos=other)
    assert shown.trust.box is not None
    # everything lies in a box as large as the picture
    assert [row.hit for row in shown.strip_view.table.rows[:2]] == ["yes", "yes"]


def test_methods_are_ranked_over_a_folder(ready, window, drawings, qtbot):
    window.open(str(drawings))
    qtbot.waitUntil(lambda: finished(ready), timeout=LONG)
    assert ready.strip_view.panel() == "Pictures"
    ready.controls.choose_methods(("grad_cam", "saliency"))
    qtbot.waitUntil(lambda: finished(ready), timeout=LONG)
    ready.trust.rank_action.trigger()
    qtbot.waitUntil(lambda: ready.trust.ranking is not None and not ready.trust.busy, timeout=LONG)
    assert {row.name.partition(" · ")[0] for row in ready.strip_view.table.rows} == {"Grad-CAM", "Saliency", "random"}
    assert len(ready.trust.ranking.pictures) == 3


def test_keys_go_through_the_folder(ready, window, drawings, qtbot):
    window.open(str(drawings))
    qtbot.waitUntil(lambda: ready.seen is not None and finished(ready), timeout=LONG)
    first = ready.seen.asked.name
    ready.opener.step(1)
    qtbot.waitUntil(lambda: ready.seen.asked.name != first and finished(ready), timeout=LONG)
    assert ready.seen.asked.name == str(drawings / "1.png")


def test_the_pictures_zoom_together_and_apart(shown):
    plain, cell = shown.cells.plain.view, shown.cells.shown[0].view
    plain.zoom(2.0)
    assert cell.scale() == pytest.approx(plain.scale())
    press(shown.controls.linked.button("linked zoom"))
    plain.zoom(2.0)
    assert cell.scale() != pytest.approx(plain.scale())


def test_the_look_of_a_map_changes_without_making_it_anew(shown):
    before, found = shown.cells.shown[0].layered.pixels, shown.maps[0]
    shown.controls.show_form.set_field("colours", "viridis")
    assert shown.maps[0] is found
    assert not np.array_equal(shown.cells.shown[0].layered.pixels, before)
    shown.controls.show_form.set_field("opacity", 0.3)
    assert shown.cells.shown[0].opacity == pytest.approx(0.3)


def test_the_crop_that_keeps_the_class(shown, qtbot, window):
    shown.turned.crop_action.trigger()
    qtbot.waitUntil(lambda: not shown.turned._going, timeout=LONG)
    assert "alone keep" in notices(window)


def test_what_excites_a_class_takes_the_place_of_the_maps_until_escape(shown, qtbot):
    shown.turned.dream_action.trigger()
    assert len(shown.cells.shown) == 1
    qtbot.waitUntil(lambda: "step" in shown.cells.shown[0].words[1], timeout=LONG)
    shown.escape()
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)
    assert len(shown.cells.shown) == 2
    assert shown.cells.shown[0].view.image is shown.cells.plain.view.image


def test_copy_and_save(shown, qtbot, tmp_path):
    shown.save.copy()
    qtbot.waitUntil(lambda: not shown.save.slot.busy, timeout=LONG)
    copied = QGuiApplication.clipboard().image()
    assert copied.height() == 96
    assert copied.width() > 3 * 96
    shown.save.save(tmp_path / "map.npy")
    qtbot.waitUntil(lambda: not shown.save.slot.busy, timeout=LONG)
    assert np.load(tmp_path / "map.npy").shape == (96, 96)
    shown.save.save(tmp_path / "map.png")
    qtbot.waitUntil(lambda: not shown.save.slot.busy, timeout=LONG)
    assert cv2.imread(str(tmp_path / "map.png")).shape == (96, 96, 3)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["map.npy", "map.png"]


@pytest.fixture
def clip(tmp_path):
    from engine.samples.shapes import shapes

    path = tmp_path / "shapes.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for picture in shapes(8, size=96, seed=3)[0]:
        writer.write(picture)
    writer.release()
    return path


def test_a_video_is_explained_live_and_a_frame_can_be_held(ready, window, clip, qtbot):
    window.show_page("explain")
    window.open(str(clip))
    qtbot.waitUntil(lambda: ready.live.frame is not None, timeout=LONG)
    assert ready.live.watching
    assert ready.cells.shown[0].layered is not None
    press(ready.live.button)
    qtbot.waitUntil(lambda: finished(ready), timeout=LONG)
    assert not ready.live.watching
    assert "frame" in ready.seen.asked.name


def test_a_crop_from_another_page_is_explained(ready, qtbot):
    ready.receive(np.full((40, 30, 3), 90, np.uint8), "track 3, frame 7")
    qtbot.waitUntil(lambda: finished(ready), timeout=LONG)
    assert ready.maps[0].shape == (40, 30)


def test_two_pictures_at_once_the_newest_wins(ready, drawings, qtbot):
    for name in ("0.png", "1.png", "2.png"):
        ready.open(str(drawings / name))
    qtbot.waitUntil(lambda: ready.seen is not None and finished(ready), timeout=LONG)
    assert ready.seen.asked.name == str(drawings / "2.png")


def test_a_file_that_is_no_picture_is_one_sentence_and_the_window_lives(shown, window, tmp_path, qtbot):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    window.open(str(bad))
    qtbot.waitUntil(lambda: "bad.png" in notices(window), timeout=LONG)
    press(shown.controls.classes.rows[1])
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)


def test_a_network_that_cannot_be_opened_leaves_the_one_before(shown, window, tmp_path, qtbot):
    bad = tmp_path / "resnet18.pth"
    bad.write_bytes(b"nothing")
    kept = shown.chosen.network
    shown.controls.network.choose("resnet18", str(bad))
    qtbot.waitUntil(lambda: "resnet18.pth" in notices(window), timeout=LONG)
    assert shown.chosen.network == kept
    assert shown.controls.network.network == kept


def test_the_example_trains_and_explains_itself(page, window, qtbot):
    window.open(EXAMPLE)
    # ten seconds on a quiet machine
    qtbot.waitUntil(lambda: page.seen is not None and finished(page), timeout=9 * LONG)
    said = page.seen.prediction
    assert said.probabilities[said.top(1)[0]] > 0.5


def test_a_training_that_is_cancelled_leaves_no_network_and_says_so(page, window, qtbot):
    window.open(EXAMPLE)
    qtbot.waitUntil(lambda: page.opener.training.busy, timeout=LONG)
    page.opener.training.cancel()
    qtbot.waitUntil(lambda: not page.opener.training.busy, timeout=LONG)
    assert window.job_bar.state.text() == "Ready"
    assert page.empty.isVisible()
    assert not list(runtime.models_folder().rglob("card.json"))


def test_a_map_that_is_stopped_says_so(shown, qtbot):
    shown.controls.choose_methods(("grad_cam", "rise"))
    shown.stop()
    qtbot.waitUntil(lambda: not shown.slot.busy, timeout=LONG)
    assert shown.cells.shown[1].words[1] == "stopped"
    press(shown.controls.classes.rows[1])
    qtbot.waitUntil(lambda: finished(shown), timeout=LONG)


def test_choices_are_remembered(shown, window):
    shown.controls.choose_methods(("saliency",))
    shown.controls.show_form.set_field("colours", "magma")
    from gui.saliency_page import SaliencyPage

    again = SaliencyPage(window.settings)
    assert again.chosen.methods == ("saliency",)
    assert again.show_choice.colours == "magma"
    assert again.chosen.network == shown.chosen.network
    again.leave()
    again.deleteLater()


def test_every_control_says_what_it_is(shown):
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)
    for kind in kinds:
        for widget in shown.findChildren(kind):
            inner = widget.parent() if widget.objectName().startswith("qt_") else None
            if inner is None and not widget.inherits("QScrollBar"):
                assert widget.accessibleName() or getattr(widget, "text", lambda: "")(), widget
