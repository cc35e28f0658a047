"""The page Inspect in the window: real widgets, small drawn textures, a model that is fitted once."""

import shutil

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QScrollBar

from engine import runtime
from engine.inspection.knobs import FitKnobs
from engine.inspection.types import GOOD
from engine.job import drive
from gui.app import build
from gui.inspection_parts import COLOURS
from gui.inspection_routes import EXAMPLE
from gui.job import shutdown
from gui.settings import Settings

LONG = 150_000
SMALL = FitKnobs(size=128, coreset=0.05)
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A drawn category: 6 good pictures to learn, 3 good ones and some defects to test."""
    from engine.samples.textures import write_mvtec

    return write_mvtec(tmp_path_factory.mktemp("sets"), "tile", train=6, good=3, each=1, size=(128, 128))


@pytest.fixture(scope="module")
def fitted(drawn, tmp_path_factory):
    """A model that was fitted on it, kept in a folder of its own."""
    from engine.inspection.dataset import read_category
    from engine.inspection.fit import fit
    from engine.inspection.keeping import save_model

    model = drive(fit(read_category(drawn), SMALL, device="cpu"))
    drive(save_model(model, tmp_path_factory.mktemp("models") / "tile"))
    yield model
    model.close()


@pytest.fixture(scope="module")
def kept(fitted):
    """What is known of it."""
    return fitted.card


@pytest.fixture
def window(qtbot, monkeypatch):
    """A window with nothing remembered, nothing fitted and no labels, on the page Inspect."""
    shutil.rmtree(runtime.config_folder(), ignore_errors=True)
    shutil.rmtree(runtime.models_folder(), ignore_errors=True)
    shutil.rmtree(runtime.data_folder() / "inspection", ignore_errors=True)
    monkeypatch.delenv("SIGHTLINE_WEIGHTS", raising=False)
    _app, made = build()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.show_page("inspect")
    yield made
    made.close()
    assert shutdown(20_000) == []


@pytest.fixture
def page(window):
    return window.pages["inspect"]


@pytest.fixture
def category(drawn, tmp_path):
    """A copy of the drawn category that may be changed."""
    return shutil.copytree(drawn, tmp_path / "tile")


@pytest.fixture
def opened(window, page, qtbot, category):
    """The category is open, without a model."""
    window.open(str(category))
    qtbot.waitUntil(lambda: page.shown is not None, timeout=LONG)
    return page


@pytest.fixture
def inspected(window, page, qtbot, drawn, fitted):
    """The category is open, its model is in use, every test picture has been inspected."""
    window.open(str(drawn))
    qtbot.waitUntil(lambda: page.category is not None, timeout=LONG)
    # handed over as a fit does: opening it from its folder would take seconds in every test
    page.sets.use(fitted)
    qtbot.waitUntil(lambda: page.shown is not None and page.shown.looked.verdict is not None, timeout=LONG)
    qtbot.waitUntil(
        lambda: len(page.rows.scores) == len(page.category.test) and page.rows.following is None, timeout=LONG
    )
    window.notices.clear()
    return page


def at(view, x, y):
    return view.to_view(x, y).toPoint()


def drag(view, start, end, button=LEFT):
    QTest.mousePress(view, button, pos=at(view, *start))
    QTest.mouseMove(view, at(view, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    QTest.mouseMove(view, at(view, *end))
    QTest.mouseRelease(view, button, pos=at(view, *end))


def test_an_empty_page_says_what_to_do(window, page):
    assert page.empty.isVisible()
    assert "good pictures" in page.empty.title.text()
    assert not page.fit.button.isEnabled()


def test_every_control_has_a_name(inspected, window):
    nameless = []
    for kind in (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit):
        for widget in window.findChildren(kind):
            inner = isinstance(widget.parent(), QAbstractSpinBox | QComboBox) or isinstance(widget, QScrollBar)
            text = widget.text() if hasattr(widget, "text") and isinstance(widget, QAbstractButton) else ""
            if not inner and widget.isVisible() and not (widget.accessibleName() or text):
                nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    assert not nameless


def test_the_colour_maps_are_those_of_the_engine():
    from engine.inspection.draw import COLOUR_MAPS

    assert COLOURS == COLOUR_MAPS


def test_a_category_is_shown_with_its_counts_and_pictures(opened, window):
    page = opened
    assert page.data.set.currentText() == "tile"
    assert page.data.counts.text().startswith("6 good to learn · 3 good and ")
    assert page.pictures.list.rows.rowCount() == len(page.category.test)
    assert page.item.abnormal, "a defective picture is shown first"
    assert window.open_bar.address.text().startswith("tile / test / ")
    assert not page.card_view.isVisible(), "no verdict without a model"
    assert page.fit.button.isEnabled()


def test_a_data_sets_root_lists_its_categories(window, page, qtbot, category):
    shutil.copytree(category, category.parent / "bolt")
    window.open(str(category.parent))
    qtbot.waitUntil(lambda: "holds 2 categories" in page.empty.title.text(), timeout=LONG)
    assert page.category is None
    QTest.mouseClick(page.empty.button("Take tile"), LEFT)
    qtbot.waitUntil(lambda: page.shown is not None, timeout=LONG)
    page.data.category_chosen.emit(page.data.set.findText("bolt"))
    assert page.category.name == "bolt"


def test_fit_learns_keeps_a_model_and_shows_the_first_defect(opened, window, qtbot):
    page = opened
    page.method.form.set_field("size", 128)
    page.method.form.set_field("coreset", 0.05)
    QTest.mouseClick(page.fit.button, LEFT)
    assert page.fit.button.text() == "Fitting …"
    assert window.job_bar.rows()
    qtbot.waitUntil(lambda: page.card is not None, timeout=LONG)
    qtbot.waitUntil(lambda: page.shown.looked.verdict is not None, timeout=LONG)
    qtbot.waitUntil(lambda: len(page.rows.scores) == len(page.category.test), timeout=LONG)
    assert page.item.abnormal
    assert page.card.folder.is_dir()
    assert page.card_view.isVisible()
    qtbot.waitUntil(lambda: page.method.model.count() == 1, timeout=LONG)
    assert "patches" in page.method.fitted.text()
    assert Settings().load("inspect_fit", FitKnobs()).size == 128


def test_a_cancelled_fit_leaves_nothing(opened, window, qtbot):
    page = opened
    page.fit.start()
    qtbot.wait(100)
    QTest.mouseClick(window.job_bar.rows()[0].stop, LEFT)
    qtbot.waitUntil(lambda: not page.fit.slot.busy, timeout=LONG)
    assert page.card is None
    assert list(runtime.models_folder().iterdir()) == []
    assert page.fit.button.isEnabled()


def test_the_verdict_the_heat_map_and_the_plain_picture_are_shown(inspected):
    page = inspected
    verdict = page.view.judged()
    word = "Abnormal" if verdict.score >= page.threshold else "Good"
    assert page.card_view.title.text() == f"{word} · {verdict.score:.2f}"
    assert page.view.plain.isVisible()
    assert page.overlays._heat is not None
    page.controls.layers.button("side by side").click()
    assert not page.view.plain.isVisible()
    page.controls.layers.button("heat map").click()
    assert page.overlays._heat is None
    page.controls.layers.button("mask").click()
    assert page.overlays._mask is not None
    assert (page.picture.image == page.shown.looked.image).all(), "the picture itself stays clean"


def test_both_pictures_zoom_and_pan_together(inspected):
    page = inspected
    over, plain = page.view.over, page.view.plain
    over.zoom(4.0)
    assert plain.scale() == pytest.approx(over.scale())
    drag(plain, (60, 60), (70, 66))
    assert over.view().centre == pytest.approx(plain.view().centre)
    QTest.keyClick(plain, Qt.Key.Key_F)
    assert over.fits


def test_hovering_tells_the_maps_value(inspected):
    page = inspected
    QTest.mouseMove(page.picture, at(page.picture, 40.5, 30.5))
    x, y = page.overlays.hover
    assert page.overlays.value_at(QPointF(x, y)) == pytest.approx(page.shown.looked.verdict.map[int(y), int(x)])


def test_the_threshold_moves_what_is_called_abnormal_and_is_kept(inspected, qtbot):
    from engine.inspection.keeping import read_card

    page = inspected
    group, good = page.controls.threshold, sum(not row.item.abnormal for row in page.rows.scores.values())
    QTest.mouseClick(group.chips["no false alarm"], LEFT)
    assert group.cells[1, 1].text() == str(good)
    assert group.chips["no false alarm"].isChecked()
    QTest.mouseClick(group.chips["no miss"], LEFT)
    assert group.cells[2, 1].text() == "0"
    plot = group.plot
    QTest.mousePress(plot, LEFT, pos=QPoint(plot.width() - 4, 20))
    QTest.mouseRelease(plot, LEFT, pos=QPoint(plot.width() - 4, 20))
    assert page.threshold > max(row.score for row in page.rows.scores.values())
    assert page.card_view.title.text().startswith("Good")
    assert page.pictures.title.text().endswith("0 of 8 abnormal") or " · 0 of " in page.pictures.title.text()
    qtbot.waitUntil(lambda: read_card(page.card.folder).threshold == page.threshold, timeout=LONG)
    QTest.mouseClick(group.chips["best F1"], LEFT)
    qtbot.waitUntil(lambda: not page.keeping.busy, timeout=LONG)


def test_worst_first_arrows_step_and_wrong_ones_can_be_picked(inspected, qtbot):
    page = inspected
    paths = page.pictures.list.rows.paths
    scores = [page.rows.scores[path].score for path in paths]
    assert scores == sorted(scores, reverse=True)
    page.pictures.list.choose(paths[0])
    page.look(paths[0])
    qtbot.waitUntil(lambda: page.shown.looked.asked.name == paths[0], timeout=LONG)
    page.picture.setFocus()
    QTest.keyClick(page.picture, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: page.shown.looked.asked.name == paths[1], timeout=LONG)
    QTest.keyClick(page.picture, Qt.Key.Key_Comma)
    qtbot.waitUntil(lambda: page.shown.looked.asked.name == paths[0], timeout=LONG)
    place = page.pictures.list.visualRect(page.pictures.list.rows.index(1)).center()
    QTest.mouseClick(page.pictures.list.viewport(), LEFT, pos=place)
    qtbot.waitUntil(lambda: page.shown.looked.asked.name == paths[1], timeout=LONG)
    page.controls.threshold.press("no miss")
    page.pictures.filter.setCurrentIndex(page.pictures.filter.findText("Called wrongly"))
    page.pictures.filter.activated.emit(page.pictures.filter.currentIndex())
    wrong = [p for p, row in page.rows.scores.items() if (row.score >= page.threshold) != row.item.abnormal]
    assert sorted(page.pictures.list.rows.paths) == sorted(wrong)
    qtbot.waitUntil(lambda: not page.keeping.busy, timeout=LONG)


def test_a_click_shows_the_nearest_good_patches_and_where_they_come_from(inspected, qtbot):
    page = inspected
    x, y = page.shown.looked.verdict.hottest
    QTest.mouseClick(page.picture, LEFT, pos=at(page.picture, x + 0.5, y + 0.5))
    qtbot.waitUntil(lambda: page.why.area.isVisible(), timeout=LONG)
    qtbot.waitUntil(lambda: page.why.swatches[0].isVisible(), timeout=LONG)
    distances = [float(swatch.words) for swatch in page.why.swatches if swatch.isVisible()]
    assert distances == sorted(distances)
    QTest.mouseClick(page.why.swatches[0], LEFT)
    qtbot.waitUntil(lambda: page.overlays.patch is not None, timeout=LONG)
    assert "/train/good/" in page.shown.looked.asked.name


def test_a_picture_can_be_relabelled_and_that_taken_back(opened, window, qtbot):
    page = opened
    before = page.item
    learn = len(page.category.train)
    page.data.label.setCurrentIndex(page.data.label.findData(GOOD))
    page.data.label.activated.emit(page.data.label.currentIndex())
    qtbot.waitUntil(lambda: page.item.kind == GOOD, timeout=LONG)
    assert len(page.category.train) == learn + 1
    assert "the next fit knows it" in window.notices.texts()[0]
    QTest.mouseClick(page.data.undo, LEFT)
    qtbot.waitUntil(lambda: page.item == before, timeout=LONG)
    assert len(page.category.train) == learn
    assert not page.data.undo.isEnabled()


def test_a_mask_is_painted_erased_undone_and_saved_in_the_layout(opened, window, qtbot, category):
    page = opened
    for item in page.category.test:
        if item.mask:
            item.mask.unlink()
    window.open(str(category))
    qtbot.waitUntil(lambda: page.item is not None and page.item.mask is None, timeout=LONG)
    item = page.item
    page.picture.setFocus()
    QTest.keyClick(page.picture, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: page.labels.brush is not None, timeout=LONG)
    assert page.labels.bar.isVisible()
    assert page.area.rect().contains(page.labels.bar.geometry())
    brush = page.labels.brush
    drag(page.picture, (20, 20), (60, 20))
    painted = int((brush.mask > 0).sum())
    assert brush.mask[20, 40] == 255
    QTest.keyClick(page.picture, Qt.Key.Key_BracketRight)
    drag(page.picture, (30, 20), (50, 20), RIGHT)
    assert brush.mask[20, 40] == 0
    QTest.mouseClick(page.labels.bar.buttons["Undo"], LEFT)
    assert int((brush.mask > 0).sum()) == painted
    QTest.mouseClick(page.labels.bar.buttons["Save mask"], LEFT)
    qtbot.waitUntil(lambda: page.labels.brush is None, timeout=LONG)
    saved = category / "ground_truth" / item.kind / f"{item.path.stem}_mask.png"
    assert int((cv2.imread(str(saved), cv2.IMREAD_GRAYSCALE) > 0).sum()) == painted
    assert page.item.mask == saved


def bad_item(page):
    """A test picture with a mask."""
    return next(item for item in page.category.test if item.mask is not None)


def has_truth(page):
    return bool(page.overlays.truth)


def cyan(view):
    """How many pixels of a view have the colour of the truth's outline."""
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    blue, green, red = (rows[..., n].astype(int) for n in range(3))
    return int(((abs(blue - 238) < 12) & (abs(green - 211) < 12) & (abs(red - 34) < 12)).sum())


def test_the_mask_that_comes_with_the_data_is_outlined_over_the_picture_and_can_be_hidden(opened, window, qtbot):
    from engine.inspection.pictures import read_mask

    page = opened
    item = bad_item(page)
    page.look(str(item.path))
    qtbot.waitUntil(lambda: page.item == item and has_truth(page) and not page.truth.slot.busy, timeout=LONG)
    mask = read_mask(item.mask, (128, 128))
    filled = np.zeros((128 * 8, 128 * 8), np.uint8)
    cv2.fillPoly(filled, [np.round(outline * 8).astype(np.int32) for outline in page.overlays.truth], 1)
    filled = cv2.resize(filled.astype(np.float32), (128, 128), interpolation=cv2.INTER_AREA) >= 0.5
    # the outline is that of the mask itself, pixel by pixel but for its steps
    assert (filled & mask).sum() / (filled | mask).sum() > 0.93
    chip = page.controls.layers.button("truth")
    assert chip.isChecked()
    assert cyan(page.picture) > 20
    page.picture.setFocus()
    QTest.keyClick(page.picture, Qt.Key.Key_4, Qt.KeyboardModifier.AltModifier)
    assert not chip.isChecked()
    assert cyan(page.picture) == 0
    assert not Settings().load("inspect_show", page.show_choice.__class__()).truth
    chip.click()
    good = next(one for one in page.category.test if not one.abnormal)
    page.look(str(good.path))
    qtbot.waitUntil(lambda: page.item == good, timeout=LONG)
    assert not has_truth(page)
    assert cyan(page.picture) == 0


def test_the_outline_of_the_truth_is_saved_with_the_picture_and_stays_out_of_the_brush(
    inspected, window, qtbot, tmp_path
):
    page = inspected
    item = bad_item(page)
    page.look(str(item.path))
    qtbot.waitUntil(lambda: page.item == item and has_truth(page), timeout=LONG)
    page.controls.layers.button("side by side").click()
    made = []
    for name in ("with", "without"):
        with qtbot.waitSignal(page.save.slot.returned, timeout=LONG):
            page.save.save(tmp_path / f"{name}.png")
        made.append(cv2.imread(str(tmp_path / f"{name}.png")))
        page.controls.layers.button("truth").click()
    changed = (made[0] != made[1]).any(axis=2)
    from engine.inspection.pictures import read_mask

    near = cv2.dilate(read_mask(item.mask, (128, 128)).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert changed.any()
    assert not (changed & ~near).any()
    page.labels.paint()
    qtbot.waitUntil(lambda: page.labels.brush is not None, timeout=LONG)
    assert cyan(page.picture) == 0


def test_the_outline_follows_a_mask_that_is_painted_anew(opened, window, qtbot):
    page = opened
    item = bad_item(page)
    page.look(str(item.path))
    qtbot.waitUntil(lambda: page.item == item and has_truth(page), timeout=LONG)
    page.labels.paint()
    qtbot.waitUntil(lambda: page.labels.brush is not None, timeout=LONG)
    page.labels.brush.mask[:] = 0
    page.labels.brush.mask[20:30, 40:60] = 255
    page.labels.save_mask()

    def boxes():
        return [(*outline.min(0).tolist(), *outline.max(0).tolist()) for outline in page.overlays.truth]

    qtbot.waitUntil(lambda: boxes() == [(40, 20, 60, 30)], timeout=LONG)


def test_a_mask_of_another_size_is_told_of_once_and_nothing_is_outlined(opened, window, qtbot):
    page = opened
    item = bad_item(page)
    cv2.imwrite(str(item.mask), np.full((9, 9), 255, np.uint8))
    good = next(one for one in page.category.test if not one.abnormal)
    for one in (good, item, good, item):
        page.look(str(one.path))
        qtbot.waitUntil(lambda one=one: page.item == one and not page.truth.slot.busy, timeout=LONG)
    qtbot.waitUntil(lambda: bool(window.notices.texts()), timeout=LONG)
    assert [text for text in window.notices.texts() if "save the mask in the picture's size" in text] == [
        f"The mask {item.mask.name} has 9 x 9 pixels and its picture 128 x 128: save the mask in the picture's size."
    ]
    assert not has_truth(page)


def test_a_region_of_interest_is_drawn_kept_and_cleared(opened, window, qtbot, category):
    from engine.inspection.dataset import read_category
    from engine.inspection.labels import region_of

    page = opened
    QTest.mouseClick(page.data.draw, LEFT)
    drag(page.picture, (32, 32), (96, 64))
    qtbot.waitUntil(lambda: page.region[2] < 1, timeout=LONG)
    assert page.region == pytest.approx((0.25, 0.25, 0.5, 0.25), abs=0.02)
    assert region_of(read_category(category)) == pytest.approx(page.region)
    assert page.picture.tool is None
    assert "%" in page.data.draw.text()
    QTest.mouseClick(page.data.clear, LEFT)
    qtbot.waitUntil(lambda: page.region[2] == 1, timeout=LONG)


def test_the_picture_is_copied_and_saved_with_its_overlay_and_the_map_as_numbers(inspected, window, qtbot, tmp_path):
    page = inspected
    page.picture.setFocus()
    with qtbot.waitSignal(page.save.slot.returned, timeout=LONG):
        QTest.keyClick(page.picture, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().image().width() > 2 * 128
    with qtbot.waitSignal(page.save.slot.returned, timeout=LONG):
        page.save.save(tmp_path / "over.png")
    with qtbot.waitSignal(page.save.slot.returned, timeout=LONG):
        page.save.save(tmp_path / "map.npy")
    assert cv2.imread(str(tmp_path / "over.png")).shape[0] == 128
    assert (np.load(tmp_path / "map.npy") == page.shown.looked.verdict.map).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.npy", "over.png"]
    with qtbot.waitSignal(page.save.slot.failed, timeout=LONG):
        page.save.save(tmp_path / "nowhere" / "over.png")
    assert "cannot be written" in window.notices.texts()[0]


def test_a_folder_nobody_has_labelled_is_gone_through_and_a_corrupt_file_is_left_out(
    inspected, window, qtbot, drawn, tmp_path
):
    page = inspected
    folder = tmp_path / "belt"
    folder.mkdir()
    for number, item in enumerate(page.category.test[:5]):
        shutil.copy(item.path, folder / f"{number}.png")
    (folder / "9.png").write_bytes(b"no picture")
    window.open(str(folder))
    qtbot.waitUntil(lambda: "holds 6 pictures" in page.empty.title.text(), timeout=LONG)
    QTest.mouseClick(page.empty.button(f"Inspect them with {page.card.name}"), LEFT)
    qtbot.waitUntil(lambda: len(page.rows.scores) == 5 and page.rows.following is None, timeout=LONG)
    assert page.unlabelled
    assert any("9.png" in text for text in window.notices.texts())
    assert not page.fit.button.isEnabled()
    assert not page.controls.threshold.table.isVisible()
    assert page.pictures.list.rows.paths[-1].endswith("9.png")


def test_a_single_picture_from_anywhere_is_inspected(inspected, window, qtbot, tmp_path):
    page = inspected
    grey = np.full((90, 140), 120, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    window.open(str(tmp_path / "grey.png"))
    qtbot.waitUntil(lambda: page.shown.looked.asked.name.endswith("grey.png"), timeout=LONG)
    assert page.shown.looked.verdict.map.shape == (90, 140)
    assert page.item is None
    assert not page.data.label.isEnabled()
    assert window.page is page


def test_a_video_is_inspected_frame_by_frame_held_and_left(inspected, window, qtbot, tmp_path):
    from engine.media.writer import VideoWriter

    page = inspected
    image = cv2.imread(str(page.category.test[0].path))
    with VideoWriter(tmp_path / "belt.mp4", 128, 128, 25.0) as to:
        for _ in range(40):
            to.write(image)
    window.open(str(tmp_path / "belt.mp4"))
    qtbot.waitUntil(lambda: page.shown.live, timeout=LONG)
    assert page.live.timeline.isVisible()
    page.live.play(False)
    qtbot.wait(300)
    held = page.shown.looked.asked.name
    qtbot.wait(200)
    assert page.shown.looked.asked.name == held
    page.reason.ask_hottest()
    qtbot.waitUntil(lambda: page.why.area.isVisible(), timeout=LONG)
    page.live.play(True)
    qtbot.waitUntil(lambda: page.shown.looked.asked.name != held, timeout=LONG)
    page.look(str(page.category.test[0].path))
    qtbot.waitUntil(lambda: not page.shown.live, timeout=LONG)
    assert not page.live.timeline.isVisible()


def test_without_a_model_a_video_is_refused_in_one_sentence(opened, window, qtbot):
    window.open("/nowhere/belt.mp4")
    qtbot.waitUntil(lambda: bool(window.notices.texts()), timeout=LONG)
    assert window.notices.texts()[0].startswith("There is no model yet")


@pytest.mark.parametrize("what", ["empty folder", "damaged model", "no picture"])
def test_what_cannot_be_opened_is_said_and_the_page_lives(window, page, qtbot, kept, tmp_path, what):
    path = tmp_path / "thing"
    path.mkdir()
    if what == "damaged model":
        shutil.copytree(kept.folder, path, dirs_exist_ok=True)
        (path / "model.safetensors").write_bytes(b"damaged")
    elif what == "no picture":
        path = tmp_path / "tile.png"
        path.write_bytes(b"no picture")
    window.open(str(path))
    qtbot.waitUntil(lambda: bool(window.notices.texts()), timeout=LONG)
    said = window.notices.texts()[0]
    assert said.endswith(".")
    assert "Something went wrong" not in said
    qtbot.waitUntil(lambda: page.empty.isVisible(), timeout=LONG)


def test_models_are_listed_compared_renamed_and_deleted(window, page, qtbot, kept):
    for name in ("one", "two"):
        shutil.copytree(kept.folder, runtime.models_folder() / name)
    page.fit.list_models()
    qtbot.waitUntil(lambda: page.method.model.count() == 2, timeout=LONG)
    page.fit.show_models()
    dialog = page.fit.dialog
    dialog.table.selectAll()
    QTest.mouseClick(dialog.buttons["Compare"], LEFT)
    assert dialog.side.columnCount() == 3
    QTest.mouseClick(dialog.buttons["Back"], LEFT)
    dialog.rename_wanted.emit(str(runtime.models_folder() / "two"), "night shift")
    qtbot.waitUntil(lambda: "night shift" in [card.name for card in dialog.cards], timeout=LONG)
    dialog.table.selectRow([card.name for card in dialog.cards].index("night shift"))
    QTest.mouseClick(dialog.buttons["Delete …"], LEFT)
    assert "cannot be undone" in dialog.words.text()
    QTest.mouseClick(dialog.buttons["Delete"], LEFT)
    qtbot.waitUntil(lambda: page.method.model.count() == 1, timeout=LONG)
    assert [p.name for p in runtime.models_folder().iterdir()] == ["one"]
    dialog.reject()


def test_a_model_is_exported_as_one_network(inspected, window, qtbot, tmp_path):
    page = inspected
    with qtbot.waitSignal(page.fit.exporting.returned, timeout=LONG):
        page.fit.export(page.card.folder, tmp_path / "tile.xml")
    assert (tmp_path / "tile.xml").is_file()
    assert "tile.xml is written" in window.notices.texts()[0]


def test_a_known_set_brings_its_model(window, page, qtbot, drawn, kept):
    shutil.copytree(kept.folder, runtime.models_folder() / "known")
    page.fit.list_models()
    qtbot.waitUntil(lambda: page.method.model.count() == 1, timeout=LONG)
    window.open(str(drawn))
    qtbot.waitUntil(lambda: page.card is not None, timeout=LONG)
    qtbot.waitUntil(lambda: page.shown is not None and page.shown.looked.verdict is not None, timeout=LONG)
    assert page.card.source == str(drawn)


def test_closing_the_window_while_it_goes_through_pictures_leaves_no_thread(window, page, qtbot, drawn, kept):
    window.open(str(kept.folder))
    qtbot.waitUntil(lambda: page.rows.following is not None, timeout=LONG)
    window.close()
    assert shutdown(20_000) == []


def test_both_themes_can_be_switched_while_it_inspects(inspected, window):
    for look in ("light", "dark", "system"):
        window.set_theme(look)


def test_each_page_keeps_what_it_says_while_another_is_in_front(opened, window):
    said = window.open_bar.address.text()
    window.show_page("track")
    assert window.open_bar.address.text() == ""
    assert not opened.fit.button.isVisible()
    window.show_page("inspect")
    assert window.open_bar.address.text() == said
    assert opened.fit.button.isVisible()


@pytest.mark.slow
def test_the_example_needs_no_network(window, page, qtbot):
    QTest.mouseClick(page.empty.button("Try the example"), LEFT)
    qtbot.waitUntil(lambda: page.card is not None, timeout=4 * LONG)
    qtbot.waitUntil(lambda: page.shown is not None and page.shown.looked.verdict is not None, timeout=LONG)
    assert page.item.abnormal
    assert EXAMPLE not in window.open_bar.recent()


# evaluate


def test_evaluate_takes_the_pictures_place_and_gives_it_back(window, page, qtbot, inspected):
    QTest.mouseClick(page.desk.button, LEFT)
    view = page.desk.view
    assert view.isVisible()
    assert not page.area.isVisible()
    assert list(view.choice.categories.names()) == [page.category.name]
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert page.area.isVisible()
    assert not view.isVisible()
    QTest.mouseClick(page.desk.button, LEFT)
    item = page.category.test[0]
    view.opened.emit(str(item.path))
    qtbot.waitUntil(lambda: page.item == item and page.area.isVisible(), timeout=LONG)
    assert not page.desk.button.isChecked()


def test_a_track_is_sent_to_inspect(window, page, qtbot, inspected):
    window.pages["track"].sent.emit("inspect", np.full((40, 30, 3), 128, np.uint8), "track 3, frame 7")
    qtbot.waitUntil(lambda: page.shown.looked.asked.name == "track 3, frame 7", timeout=LONG)
    assert page.shown.looked.image.shape == (40, 30, 3)
    assert page.shown.looked.verdict is not None
    assert window.page is page
