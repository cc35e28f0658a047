"""The view Evaluate: real clicks, small drawn categories, a model that takes bright for abnormal."""

import json
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QFileDialog, QProgressBar, QTableView

from engine.errors import SightlineError
from engine.inspection.knobs import FitKnobs
from engine.inspection.pictures import read_any
from engine.inspection.types import Category, Item, Verdict
from engine.job import Notice, Progress
from gui import theme
from gui.inspection_evaluate import InspectionEvaluate
from gui.inspection_methods import settings_title
from gui.job import shutdown

LEFT = Qt.MouseButton.LeftButton
LONG = 30_000


class Brightness:
    """Takes bright for abnormal, or dark."""

    def __init__(self, sign):
        self._sign = sign

    def read(self, path):
        return read_any(path)

    def examine(self, image, name=""):
        raw = image[:, :, 2].astype(np.float32) * self._sign
        y, x = np.unravel_index(raw.argmax(), raw.shape)
        return Verdict(
            name, float(raw.max()), (float(raw.max()) + 256) / 512, 0.5, (raw + 256) / 512, raw, (int(x), int(y))
        )

    def nearest_patches(self, _image, _x, _y, _top=6):
        return ()

    def close(self):
        pass


class Fits:
    """Fits such models; keeps what was asked, and waits where it is told to."""

    def __init__(self):
        self.asked = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.error = ""
        self.stop_at = 0

    def __call__(self, category, knobs, *, name, device, seed):
        self.asked.append((category.name, knobs, device))
        if len(self.asked) == self.stop_at:
            self.go_on.clear()
        yield Progress("Looking", 1, 2)
        while not self.go_on.wait(0.01):
            yield Progress("Looking", 1, 2)
        if self.error:
            raise SightlineError(self.error)
        if knobs.coreset == 0.5:
            yield Notice("half of it is kept")
        return Brightness(-1 if knobs.coreset == 0.5 else 1)


def draw(folder, seed=0, good=4, bad=5) -> Category:
    """A category whose defects are bright, but for one that a good picture outshines."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    items = [Item(folder / f"train{n}.png", split="train") for n in range(2)]
    for item in items:
        cv2.imwrite(str(item.path), rng.integers(0, 100, (32, 40, 3), dtype=np.uint8))
    for n in range(good + bad):
        image = rng.integers(0, 150 if n == 0 else 100, (32, 40, 3), dtype=np.uint8)
        kind = "good" if n < good else "spot"
        path = folder / f"{n:02}.png"
        mask = None
        if kind == "spot":
            image[8:14, 8:14] = 120 if n == good else 200 + n
            mask = path.with_name(f"{n:02}_mask.png")
            shown = np.zeros((32, 40), np.uint8)
            shown[8:14, 8:14] = 255
            cv2.imwrite(str(mask), shown)
        cv2.imwrite(str(path), image)
        items.append(Item(path, kind, "test", mask))
    return Category(folder.name, folder, tuple(items))


@pytest.fixture
def fits():
    return Fits()


@pytest.fixture
def categories(tmp_path):
    return [draw(tmp_path / "cloth", 1), draw(tmp_path / "wood", 2)]


@pytest.fixture
def view(qtbot, fits, qapp):
    theme.apply(qapp, theme.DARK)
    made = InspectionEvaluate(FitKnobs(), device="cpu", fit=fits)
    qtbot.addWidget(made)
    made.resize(928, 576)
    made.show()
    heard = {name: [] for name in ("opened", "said", "failed", "closed", "wanted", "background")}
    for name, kept in heard.items():
        getattr(made, name).connect(lambda *values, kept=kept: kept.append(values))
    made.heard = heard
    yield made
    fits.go_on.set()
    made.leave()
    assert shutdown(10_000) == []


@pytest.fixture
def ran(view, qtbot, categories):
    """Two categories, two methods."""
    view.show_categories(categories)
    view.set_knobs(FitKnobs(coreset=0.5))
    click(view.choice.add)
    view.set_knobs(FitKnobs())
    click(view.choice.methods.button("PatchCore"))
    run(view, qtbot)
    return view


def click(button):
    QTest.mouseClick(button, LEFT)


def run(view, qtbot):
    click(view.run_button)
    assert view.slot.busy
    qtbot.waitUntil(lambda: not view.slot.busy, timeout=LONG)


def rows(view):
    table = view.found.table.rows
    return [table.cells(row) for row in range(table.rowCount())]


def pick(view, row, column=0):
    table = view.found.table
    QTest.mouseClick(table.viewport(), LEFT, pos=table.visualRect(table.rows.index(row, column)).center())


def test_without_a_data_set_it_says_what_to_do(view):
    assert view.empty.isVisible()
    assert "data set" in view.empty.title.text()
    assert not view.run_button.isVisible()
    click(view.empty.button("Open a data set …"))
    assert view.heard["wanted"] == [()]
    click(view.close_button)
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert len(view.heard["closed"]) == 2


def test_categories_and_methods_are_chosen(view, categories):
    view.show_categories(categories)
    choice = view.choice
    assert choice.categories.chosen() == ("cloth", "wood")
    assert choice.all.isChecked()
    assert [knobs.method for knobs in choice.chosen_settings()] == ["patchcore"]
    assert view.run_button.isEnabled()
    assert "Fit and examine 22 pictures" in view.run_button.toolTip()
    click(choice.all)
    assert choice.categories.chosen() == ()
    assert not view.run_button.isEnabled()
    click(choice.categories.button("wood"))
    assert not choice.all.isChecked()
    assert [category.name for category in choice.chosen_categories()] == ["wood"]
    click(choice.methods.button("PatchCore"))
    assert not view.run_button.isEnabled(), "no method"
    view.show_categories(categories, ["cloth"])
    assert choice.categories.chosen() == ("cloth",)
    twice = [categories[0], replace(categories[1], name="cloth")]
    view.show_categories(twice)
    assert choice.categories.names() == ("cloth", "cloth (2)")
    assert choice.chosen_categories() == twice


def test_the_forms_settings_become_another_method(view, categories):
    view.show_categories(categories)
    choice = view.choice
    view.set_knobs(FitKnobs(coreset=0.5))
    click(choice.add)
    assert choice.methods.chosen() == ("PatchCore · MobileNetV2 · 50 % · 256 px",)
    click(choice.add)
    assert "already" in view.heard["said"][0][0]
    view.set_knobs(FitKnobs("Padim", size=128))
    click(choice.add)
    click(choice.methods.button("PatchCore"))
    assert [(one.method, one.coreset) for one in choice.chosen_settings()] == [
        ("patchcore", 0.1), ("patchcore", 0.5), ("Padim", 0.1),
    ]  # fmt: skip
    # the same settings do not run twice
    view.set_knobs(FitKnobs(coreset=0.5))
    assert len(choice.chosen_settings()) == 2
    assert settings_title(FitKnobs("efficientad", crop=224)) == "EfficientAD · small · 1,000 steps · 256 px · crop 224"


def test_training_says_beforehand_how_long_it_takes(view, qtbot, categories, monkeypatch):
    from engine.inspection import efficientad_train

    monkeypatch.setattr(efficientad_train, "estimate_seconds", lambda knobs, _device: 2.5 * knobs.steps)
    view.show_categories(categories)
    assert not view.choice.note.isVisible()
    click(view.choice.methods.button("EfficientAD"))
    qtbot.waitUntil(lambda: "42 min each" in view.choice.note.text(), timeout=LONG)
    assert view.choice.note.text().startswith("EfficientAD is trained for 1,000 steps in each category")
    click(view.choice.methods.button("EfficientAD"))
    assert not view.choice.note.isVisible()
    qtbot.waitUntil(lambda: not view.choice.estimating.busy, timeout=LONG)


def test_a_run_fills_the_table(ran, fits):
    view = ran
    said = rows(view)
    assert [row[0] for row in said] == ["cloth", "cloth", "wood", "wood", "average of 2", "average of 2"]
    assert [row[1] for row in said[:2]] == ["PatchCore, coreset 0.1", "PatchCore, coreset 0.5"]
    assert [row[2] for row in said] == ["9"] * 4 + ["18"] * 2
    for row, result in zip(said, view.results, strict=True):
        assert row[3] == f"{result.image_auroc * 100:.1f}"
        assert row[5] == f"{result.aupro * 100:.1f}"
    assert [asked[0] for asked in fits.asked] == ["cloth", "cloth", "wood", "wood"]
    assert {asked[2] for asked in fits.asked} == {"cpu"}
    assert view.state.text() == "4 of 4 done."
    assert not view.bar.isVisible()
    (job, title), *_ = view.heard["background"]
    assert title == "Evaluate 2 categories"
    assert job is not None
    assert view.found.notes.isVisible()
    assert view.found.notes.text() == "wood, patchcore, coreset 0.5: half of it is kept  (and 1 more)"
    assert view.heard["failed"] == []
    assert len(view.results[0].examples) == 8


def test_rows_come_as_they_are_done_and_a_cancel_keeps_them(view, qtbot, categories, fits):
    view.show_categories(categories)
    fits.stop_at = 2
    click(view.run_button)
    qtbot.waitUntil(lambda: len(fits.asked) == 2 and len(view.results) == 1, timeout=LONG)
    assert [row[0] for row in rows(view)] == ["cloth"]
    click(view.cancel_button)
    qtbot.waitUntil(lambda: not view.slot.busy, timeout=LONG)
    assert not view.cancel_button.isVisible()
    assert view.run_button.isEnabled()
    assert view.state.text() == "Stopped: 1 of 2 are done."
    assert [row[0] for row in rows(view)] == ["cloth"]
    view.cancel()
    assert view.state.text() == "Stopped: 1 of 2 are done."
    fits.go_on.set()
    run(view, qtbot)
    assert [row[0] for row in rows(view)] == ["cloth", "wood", "average of 2"]


def test_while_it_runs_it_says_how_far_and_nothing_else_can_be_chosen(view, qtbot, categories, fits):
    view.show_categories(categories)
    fits.go_on.clear()
    click(view.run_button)
    qtbot.waitUntil(lambda: "cloth, patchcore: Looking" in view.state.text(), timeout=LONG)
    assert view.bar.isVisible()
    assert not view.run_button.isEnabled()
    assert not view.choice.methods.isEnabled()
    assert "first row" in view.empty.title.text()
    click(view.cancel_button)
    assert view.state.text() == "Stopping …"
    qtbot.waitUntil(lambda: not view.slot.busy, timeout=LONG)
    assert view.state.text() == "Stopped: 0 of 2 are done."
    assert view.choice.methods.isEnabled()


def test_what_cannot_be_evaluated_is_said(view, qtbot, categories, fits):
    view.show_categories(categories)
    fits.error = "There is no good picture to learn from: add some."
    run(view, qtbot)
    ((error,),) = view.heard["failed"]
    assert str(error) == fits.error
    assert view.empty.title.text() == "Nothing was evaluated"
    assert view.empty.text.text() == view.state.text() == fits.error
    fits.error = ""
    run(view, qtbot)
    before = rows(view)
    # a run that fails leaves the table that was there
    fits.error = "It is gone."
    run(view, qtbot)
    assert rows(view) == before
    assert view.state.text() == "It is gone."


def test_a_row_shows_its_curves_and_wrong_pictures(ran):
    view = ran
    found = view.found
    assert found.table.current() is view.results[0]
    assert set(found.roc._items) == {"patchcore, coreset 0.1", "patchcore, coreset 0.5"}
    assert found.roc._items["patchcore, coreset 0.1"].opts["pen"].width() == 2
    assert found.roc._items["patchcore, coreset 0.5"].opts["pen"].width() == 1
    x, y = found.roc._items["patchcore, coreset 0.1"].getOriginalDataset()
    assert (x == view.results[0].roc.x).all()
    assert (y == view.results[0].roc.y).all()
    pick(view, 3)
    bad = view.results[3]
    assert found.chosen_title.text() == "wood · PatchCore, coreset 0.5"
    assert found.precision._stressed == bad.method
    assert found.wrong_title.text() == f"Called wrongly, the worst first: {len(bad.wrong)} of 9"
    assert found.wrong.rows.paths == [str(seen.item.path) for seen in bad.wrong]
    pick(view, 5)
    assert set(found.roc._items) == {"cloth", "wood"}
    assert len(found.wrong.rows.paths) == len(view.results[1].wrong) + len(bad.wrong)


def test_a_wrong_picture_opens_on_a_click(ran, qtbot):
    view = ran
    pick(view, 1)
    wrong = view.found.wrong
    first = wrong.rows.paths[0]
    QTest.mouseClick(wrong.viewport(), LEFT, pos=wrong.visualRect(wrong.rows.index(0)).center())
    assert view.heard["opened"] == [(first,)]
    assert "best threshold" in wrong.rows.index(0).data(Qt.ItemDataRole.ToolTipRole)
    qtbot.waitUntil(lambda: not view._thumbnails.slot.busy, timeout=LONG)


def test_it_is_sorted_by_any_column_averages_last(ran):
    view = ran
    table = view.found.table
    head = table.horizontalHeader()

    def press(column):
        QTest.mouseClick(head.viewport(), LEFT, pos=QPoint(head.sectionViewportPosition(column) + 8, 8))

    chosen = table.current()
    press(3)
    rising = [float(row[3]) for row in rows(view)]
    assert rising[:4] == sorted(rising[:4])
    assert rising[4:] == sorted(rising[4:])
    assert [row[0] for row in rows(view)[4:]] == ["average of 2"] * 2
    press(3)
    falling = [float(row[3]) for row in rows(view)]
    assert falling[:4] == sorted(falling[:4], reverse=True)
    assert table.current() is chosen
    table.show_results([replace(one, image_auroc=None) if one is view.results[0] else one for one in view.results])
    assert rows(view)[3][3] == "–", "what does not exist comes last"
    press(3)
    assert rows(view)[3][3] == "–"
    press(0)
    assert [row[0] for row in rows(view)][:4] == ["cloth", "cloth", "wood", "wood"]


def test_methods_side_by_side(ran, qtbot):
    view = ran
    view.view.setFocus()
    QTest.keyClick(view.view, Qt.Key.Key_Down)
    table = view.found.table
    assert table.rows.figure == "image_auroc"
    assert table.rows.heads() == ["category", "PatchCore, coreset 0.1", "PatchCore, coreset 0.5"]
    assert [row[0] for row in rows(view)] == ["cloth", "wood", "average of 2"]
    assert rows(view)[1][2] == f"{view.results[3].image_auroc * 100:.1f}"
    assert table.current() is view.results[0]
    pick(view, 1, 2)
    assert table.current() is view.results[3]
    assert view.found.chosen_title.text() == "wood · PatchCore, coreset 0.5"
    best = table.rows.index(0, 1).data(Qt.ItemDataRole.FontRole)
    assert best.bold()
    assert table.rows.index(0, 2).data(Qt.ItemDataRole.FontRole) is None
    QTest.keyClick(view.view, Qt.Key.Key_Up)
    assert table.rows.figure == ""
    assert table.current() is view.results[3]


def test_regions_of_interest_are_kept(view, qtbot, categories, fits):
    region = (0.25, 0.0, 0.5, 1.0)
    view.show_categories(categories, regions={categories[1].folder: region})
    run(view, qtbot)
    assert [knobs.region for _name, knobs, _device in fits.asked] == [(0.0, 0.0, 1.0, 1.0), region]


def test_the_table_is_copied(ran):
    view = ran
    click(view.found.buttons["Copy"])
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:4] == ["category", "method", "pictures", "image AUROC"]
    assert [line.split("\t") for line in lines[1:]] == rows(view)
    assert view.heard["said"][-1] == ("The table is on the clipboard.", "info")


def test_figures_and_report_are_saved(ran, qtbot, tmp_path, monkeypatch):
    view = ran
    shown = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()) or True)
    for word, name in (("CSV", "f.csv"), ("JSON", "f.json"), ("Report", "f")):
        target = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, target=target: (str(target), ""))
        click(view.found.buttons[word])
        assert not view.found.buttons["Copy"].isEnabled()
        qtbot.waitUntil(lambda: not view.found.saving.busy, timeout=LONG)
    assert (tmp_path / "f.csv").read_text().count("\n") == 7
    assert len(json.loads((tmp_path / "f.json").read_text())["results"]) == 6
    page = (tmp_path / "f.html").read_text()
    assert "cloth" in page
    assert page.count("data:image/jpeg") > 32
    assert shown == [str(tmp_path / "f.html")]
    assert view.heard["said"][-1][0].startswith("f.html is written and opened")
    assert view.heard["background"][-1][1] == "Save f.html"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a: (str(tmp_path / "no" / "f.csv"), ""))
    click(view.found.buttons["CSV"])
    qtbot.waitUntil(lambda: len(view.heard["failed"]) == 1, timeout=LONG)
    qtbot.waitUntil(lambda: not view.found.saving.busy, timeout=LONG)
    assert "save it elsewhere" in str(view.heard["failed"][0][0])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a: ("", ""))
    click(view.found.buttons["CSV"])
    assert not view.found.saving.busy


def test_both_themes_and_names(ran, qapp, qtbot):
    view = ran
    theme.apply(qapp, theme.LIGHT)
    view.restyle()
    qtbot.wait(30)
    pen = view.found.roc._items["patchcore, coreset 0.1"].opts["pen"]
    assert pen.color().name() == theme.LIGHT.series_text[0]
    theme.apply(qapp, theme.DARK)
    view.restyle()
    for kind in (QAbstractButton, QComboBox, QTableView, QProgressBar):
        for widget in view.findChildren(kind):
            if widget.isVisible() and not isinstance(widget.parent(), QTableView):
                text = widget.text() if isinstance(widget, QAbstractButton) else ""
                assert widget.accessibleName() or text, widget
