"""The panel of similar cases: real clicks, small drawn textures, a model fitted once, a real embedded gallery."""

import shutil
from collections import deque

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QInputDialog, QLineEdit, QMenu, QPushButton

from engine import runtime
from engine.inspection.alike import cut_out
from engine.inspection.cases import Labelled, indexing, vector_lengths
from engine.inspection.dataset import read_category
from engine.inspection.fit import fit
from engine.inspection.gallery import DEFECT, WHOLE, Case, Neighbour, open_gallery
from engine.inspection.keeping import save_model
from engine.inspection.knobs import FitKnobs
from engine.inspection.shelf import Shelf
from engine.inspection.types import GOOD
from engine.job import drive
from engine.samples.textures import write_mvtec
from gui.inspection_gallery import GalleryPanel
from gui.inspection_gallery_filter import ServerDialog
from gui.inspection_gallery_hint import NO_MODEL, NO_PICTURE
from gui.inspection_gallery_parts import GalleryChoices, many, said_of, short
from gui.inspection_parts import InspectShow
from gui.job import JobSlot, shutdown
from gui.settings import Settings
from gui.thumbnails import shrink

# a menu and a popup take the keyboard where there is one
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support grabbing the keyboard", extend=True)
LONG = 60_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def category(tmp_path_factory):
    """A drawn category: 6 good pictures to learn, 3 good ones and two defects of each kind to test."""
    folder = write_mvtec(tmp_path_factory.mktemp("sets"), "tile", train=6, good=3, each=2, size=(128, 128))
    return read_category(folder)


@pytest.fixture(scope="module")
def model(category, tmp_path_factory):
    made = drive(fit(category, FitKnobs(size=128, coreset=0.05), device="cpu"))
    drive(save_model(made, tmp_path_factory.mktemp("models") / "tile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def filled(category, model, tmp_path_factory):
    """A gallery with every test picture, closed; to be copied."""
    folder = tmp_path_factory.mktemp("galleries") / "filled"
    with open_gallery(folder, lengths=vector_lengths(model)) as gallery:
        drive(indexing(model, gallery, [Labelled(item, category.name) for item in category.test]))
    return folder


@pytest.fixture
def there(filled):
    """The filled gallery where Sightline's own lies."""
    folder = runtime.data_folder() / "gallery"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(filled, folder)
    return folder


class Owner:
    """Owns the model on a thread, as the page's inspector does."""

    def __init__(self, model):
        self.model, self.lent, self.slot = model, deque(), JobSlot()
        self.slot.finished.connect(self.run)
        self.given = 0

    def lend(self, lend):
        self.lent.append(lend)
        self.run()

    def run(self):
        if self.lent and not self.slot.busy:
            self.slot.start(self.job, "Owner")

    def job(self):
        while self.lent:
            lend = self.lent.popleft()
            if not lend.answer.cancelled():
                self.given += 1
                lend.give(self.model)
            yield None


class Told:
    """What the panel has said."""

    def __init__(self, panel):
        self.opened, self.said, self.asked, self.failed, self.background = [], [], [], [], []
        self.found, self.line, self.region = (), "", []
        panel.opened.connect(self.opened.append)
        panel.said.connect(lambda text, _level: self.said.append(text))
        panel.asked.connect(lambda text, _level, actions: self.asked.append((text, actions)))
        panel.failed.connect(self.failed.append)
        panel.background.connect(lambda job, title: self.background.append((job, title)))
        panel.found.connect(lambda *found: setattr(self, "found", found))
        panel.told.connect(lambda line: setattr(self, "line", line))
        panel.region_wanted.connect(self.region.append)


@pytest.fixture
def panel(qtbot, model):
    """The panel alone, in a window of the strip's size, nothing remembered."""
    shutil.rmtree(runtime.config_folder(), ignore_errors=True)
    owner = Owner(model)
    made = GalleryPanel(owner.lend, Settings(), lambda: "cpu")
    made.owner, made.heard = owner, Told(made)
    qtbot.addWidget(made)
    made.resize(557, 148)
    made.show()
    yield made
    made.leave()
    assert shutdown(20_000) == []
    shutil.rmtree(runtime.data_folder() / "gallery", ignore_errors=True)


@pytest.fixture
def ready(panel, model, category, there):
    """The panel with a model, a set and a gallery, before any picture."""
    panel.set_model(model.card)
    panel.set_category(category)
    return panel


def one(category, kind, number=0):
    """The path of a test picture of this kind."""
    return [item for item in category.test if item.kind == kind][number]


def show(panel, model, item, kind=None):
    image = model.read(item.path)
    panel.show_picture(str(item.path), image, model.examine(image, str(item.path)), item.kind if kind is None else kind)


def settled(qtbot, panel):
    """Wait until the panel has asked, and its tiles show their pictures."""

    def done():
        busy = panel._soon.isActive() or panel.asking.busy or panel.edit.changing.busy or panel.edit.filling.busy
        return not (busy or panel.seen.slot.busy or panel.owner.lent or panel.owner.slot.busy)

    qtbot.waitUntil(done, timeout=LONG)


@pytest.fixture
def asked(ready, model, category, qtbot):
    """A crack is shown and its five neighbours are."""
    show(ready, model, one(category, "crack"))
    settled(qtbot, ready)
    return ready


def hint_button(panel, word):
    return next(b for b in panel.hint.findChildren(QPushButton) if word in b.text() and not b.isHidden())


# ---- words


def found(*kinds):
    return [
        Neighbour(Case("/p.png", "m", "tile", kind, 0.7, 0.5, 4, 4, "2026-11-25T00:00:00+00:00"), 0.9, rank)
        for rank, kind in enumerate(kinds, 1)
    ]


@pytest.mark.parametrize(
    ("kinds", "kind", "title"),
    [
        (["crack"] * 4 + ["break"], "crack", "Five most similar cases · 4 of 5 are cracks"),
        (["good"] * 4 + ["crack"], "good", "Five most similar cases · 4 of 5 are good"),
        (["crack", "break", "break"], "", "Three most similar cases · 2 of 3 are breaks"),
        (["scratch"] * 5, "", "Five most similar cases · all 5 are scratches"),
        (["rough"] * 5, "glue_strip", "Five most similar cases · none are glue strips, 5 are rough"),
        (["uneven"], "uneven", "Most similar case · uneven"),
    ],
)
def test_the_title_says_how_many_agree(kinds, kind, title):
    assert said_of(found(*kinds), kind) == title


def test_kinds_and_numbers_are_said_in_words():
    assert many("gray_stroke") == "gray strokes"
    assert many("metal_contamination") == "metal contamination"
    assert (short(0.94), short(1.0), short(-0.2)) == (".94", "1.00", "-.20")


# ---- what there is to see


def test_without_a_model_or_a_picture_it_says_what_to_do(panel, model, there):
    assert panel.hint.text.text() == NO_MODEL
    assert not panel.edit.put_in_action.isEnabled()
    panel.set_model(model.card)
    assert panel.hint.text.text() == NO_PICTURE
    assert panel.title.text() == "Similar cases"


def test_an_empty_gallery_offers_one_button_that_indexes_the_set(panel, model, category, qtbot):
    panel.set_model(model.card)
    panel.set_category(category)
    show(panel, model, one(category, "crack"))
    settled(qtbot, panel)
    assert panel.hint.text.text() == "No past cases yet."
    assert not (runtime.data_folder() / "gallery").exists(), "nothing is made by asking"
    button = hint_button(panel, "Index the")
    assert button.text() == f"Index the {len(category.test)} pictures of tile"
    QTest.mouseClick(button, LEFT)
    assert panel.heard.background[0][1] == "Index tile"
    settled(qtbot, panel)
    assert panel.heard.said == [f"{len(category.test)} pictures were put into the gallery."]
    assert panel.heard.line == f"gallery: {len(category.test)} cases, embedded"
    assert [tile.isVisible() for tile in panel.tiles] == [True] * 5


def test_five_cases_are_shown_with_their_overlays_kinds_and_similarity(asked, category):
    panel = asked
    neighbours = panel.result.neighbours
    assert panel.title.text() == said_of(neighbours, "crack")
    assert panel.title.text().startswith("Five most similar cases · ")
    assert str(one(category, "crack").path) not in [n.case.path for n in neighbours], "itself is left out"
    for tile, neighbour in zip(panel.tiles, neighbours, strict=True):
        assert tile.words == (neighbour.case.kind.replace("_", " "), short(neighbour.similarity))
        assert tile._pixmap is not None
        assert neighbour.case.path in tile.toolTip()
        assert f"{neighbour.case.score:.2f}" in tile.toolTip()
        assert neighbour.case.date[:10] in tile.toolTip()
    assert all(seen.map is not None for seen in panel.seen.kept.values())
    assert panel.heard.found[2] == 5
    assert panel.heard.line == f"gallery: {len(category.test)} cases, embedded"
    assert not panel.heard.failed


def test_the_overlay_follows_the_page(ready, model, category, qtbot):
    panel = ready
    show(panel, model, max(category.test, key=lambda item: model.examine(model.read(item.path)).score))
    settled(qtbot, panel)
    given = panel.owner.given

    def pictures():
        return [tile._pixmap.toImage() for tile in panel.tiles]

    inferno = pictures()
    panel.set_show(InspectShow(heat=False))
    plain = pictures()
    assert plain != inferno
    panel.set_show(InspectShow(colours="viridis"))
    assert pictures() not in (plain, inferno)
    assert panel.owner.given == given, "nothing is examined again for it"


def test_a_picture_of_which_nobody_said_anything_takes_the_most_common_kind(ready, model, category, qtbot):
    item = one(category, "crack")
    shutil.copy(item.path, item.path.parent.parent.parent / "copy.png")
    other = type(item)(item.path.parent.parent.parent / "copy.png")
    show(ready, model, other, "")
    settled(qtbot, ready)
    assert ready.result.neighbours[0].case.path == str(item.path)
    assert ready.result.neighbours[0].similarity == pytest.approx(1, abs=1e-3)
    assert ready.title.text() == said_of(ready.result.neighbours, "")
    other.path.unlink()


def test_the_gallery_knows_the_kind_of_a_case(ready, model, category, qtbot):
    show(ready, model, one(category, "oil"), "")
    settled(qtbot, ready)
    assert ready.result.kind == "oil"
    assert ready.result.known


# ---- clicking


def test_a_click_opens_the_case_and_its_own_neighbours_follow(asked, model, category, qtbot):
    panel = asked
    first = panel.result.neighbours[0].case
    QTest.mouseClick(panel.tiles[0], LEFT)
    assert panel.heard.opened == [first.path]
    show(panel, model, next(item for item in category.test if str(item.path) == first.path))
    settled(qtbot, panel)
    assert first.path not in [n.case.path for n in panel.result.neighbours]


def test_the_tiles_are_reached_with_the_keys(asked):
    panel = asked
    panel.tiles[0].setFocus()
    QTest.keyClick(panel.tiles[0], Qt.Key.Key_Right)
    assert panel.tiles[1].hasFocus()
    QTest.keyClick(panel.tiles[1], Qt.Key.Key_Return)
    assert panel.heard.opened == [panel.result.neighbours[1].case.path]


def test_a_case_whose_picture_is_gone_says_so(ready, model, category, qtbot, there):
    victim = one(category, "oil", 1)
    hidden = victim.path.with_suffix(".hidden")
    victim.path.rename(hidden)
    try:
        show(ready, model, one(category, "oil"))
        settled(qtbot, ready)
        place = [n.case.path for n in ready.result.neighbours].index(str(victim.path))
        assert ready.tiles[place].gone
        QTest.mouseClick(ready.tiles[place], LEFT)
        assert ready.heard.opened == []
        assert "is not there any more" in ready.heard.said[-1]
    finally:
        hidden.rename(victim.path)


def menu_entry(menu, word):
    return next(action for action in menu.actions() if word in action.text())


def test_the_menu_labels_copies_and_takes_out(asked, qtbot, monkeypatch):
    panel = asked
    case = panel.result.neighbours[0].case
    menu = panel.edit.menu_of(case)
    label = menu_entry(menu, "Label as").menu()
    assert menu_entry(label, case.kind).isChecked()
    menu_entry(label, "rough" if case.kind != "rough" else "oil").trigger()
    settled(qtbot, panel)
    assert panel.result.neighbours[0].case.kind in ("rough", "oil")
    assert panel.tiles[0].words[0] == panel.result.neighbours[0].case.kind
    monkeypatch.setattr(QInputDialog, "getText", lambda *_a, **_k: ("odd spot", True))
    menu_entry(label, "Another kind").trigger()
    settled(qtbot, panel)
    assert panel.result.neighbours[0].case.kind == "odd spot"
    assert "odd spot" in panel.facts.kinds
    menu_entry(menu, "Copy its path").trigger()
    assert QGuiApplication.clipboard().text() == case.path
    before = panel.facts.count
    menu_entry(menu, "Take out").trigger()
    settled(qtbot, panel)
    assert panel.facts.count == before - 1
    assert case.path not in [n.case.path for n in panel.result.neighbours]
    text, actions = panel.heard.asked[-1]
    assert "taken out" in text
    actions[0].do()
    settled(qtbot, panel)
    assert panel.facts.count == before
    assert panel.result.neighbours[0].case.path == case.path
    menu.deleteLater()


def test_the_context_menu_opens_on_a_tile(asked, qtbot):
    panel = asked
    tile = panel.tiles[0]
    at = QPoint(20, 20)
    QApplication.sendEvent(tile, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, tile.mapToGlobal(at)))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert [a.text() for a in menu.actions() if a.text()][1:] == [
        "Take out of the gallery", "Open its folder", "Copy its path",
    ]  # fmt: skip
    menu.close()


# ---- other questions


def test_a_region_asks_by_what_is_in_it(asked, qtbot):
    panel = asked
    whole = [n.case.path for n in panel.result.neighbours]
    panel.edit.region_action.trigger()
    assert panel.heard.region == [True]
    panel.ask_region((0.0, 0.0, 0.3, 0.3))
    settled(qtbot, panel)
    assert panel.subject.region == (0, 0, 38, 38)
    assert not panel.edit.region_action.isChecked()
    assert panel.title.text().startswith("Five most similar to the region · ")
    assert panel.back.isVisible()
    QTest.mouseClick(panel.back, LEFT)
    settled(qtbot, panel)
    assert [n.case.path for n in panel.result.neighbours] == whole
    assert not panel.back.isVisible()


def test_a_picture_from_another_page_is_asked_by(ready, model, category, qtbot):
    image = model.read(one(category, "oil").path)
    ready.ask_image(image, "person 3")
    settled(qtbot, ready)
    assert ready.title.text().startswith("Five most similar to person 3 · ")
    assert ready.result.neighbours[0].case.path == str(one(category, "oil").path)
    assert not ready.back.isVisible(), "there is no picture to go back to"


def test_only_the_picture_on_which_one_stays_is_asked_about(ready, model, category, qtbot):
    for item in category.test[:6]:
        show(ready, model, item)
    settled(qtbot, ready)
    # one question, and its tiles
    assert ready.owner.given == 1 + 5
    assert ready.subject.name == str(category.test[5].path)


# ---- the filter


def test_the_filter_narrows_and_is_remembered(asked, qtbot):
    panel = asked
    QTest.mouseClick(panel.filter, LEFT)
    popup = panel.popup
    assert popup.isVisible()
    assert set(popup.kinds.names()) == set(panel.facts.kinds)
    QTest.mouseClick(popup.kinds.button("oil"), LEFT)
    settled(qtbot, panel)
    assert {n.case.kind for n in panel.result.neighbours} == {"oil"}
    assert panel.filter.text() == "filter · 1 ▾"
    assert panel.filter.isChecked()
    QTest.mouseClick(popup.by[WHOLE], LEFT)
    popup.lowest.setValue(0.99)
    settled(qtbot, panel)
    assert panel.result.neighbours == ()
    assert panel.hint.text.text() == "No case matches the filter."
    kept = Settings().load("inspect_gallery", GalleryChoices())
    assert (kept.embedding, kept.kinds, kept.lowest) == (WHOLE, ("oil",), 0.99)
    popup.hide()
    QTest.mouseClick(hint_button(panel, "Clear the filter"), LEFT)
    settled(qtbot, panel)
    assert len(panel.result.neighbours) == 5
    assert panel.chosen == GalleryChoices(embedding=WHOLE)


def test_days_and_the_category_are_filtered_by(asked, qtbot):
    panel = asked
    QTest.mouseClick(panel.filter, LEFT)
    popup = panel.popup
    popup.since.setText("nonsense")
    QTest.keyClick(popup.since, Qt.Key.Key_Return)
    assert panel.chosen.since == ""
    assert popup.since.text() == ""
    popup.since.setText("2200-01-01")
    QTest.keyClick(popup.since, Qt.Key.Key_Return)
    settled(qtbot, panel)
    assert panel.chosen.since == "2200-01-01"
    assert panel.result.neighbours == ()
    QTest.mouseClick(popup.reset, LEFT)
    popup.category.setCurrentIndex(popup.category.findData("tile"))
    popup.category.activated.emit(popup.category.currentIndex())
    settled(qtbot, panel)
    assert panel.chosen.category == "tile"
    assert len(panel.result.neighbours) == 5
    popup.hide()


def test_scores_cannot_cross(panel):
    popup = panel.popup
    popup.highest.setValue(0.4)
    popup.lowest.setValue(0.8)
    assert (panel.chosen.lowest, panel.chosen.highest) == (0.4, 0.4)


def test_cases_of_another_model_are_shown_only_when_wanted(ready, model, category, qtbot, there):
    with open_gallery(there) as gallery:
        cases = gallery.get([case.id for case in gallery.cases()[0]], vectors=True)
        gallery.remove([case.id for case in cases])
        moved = [Case(**{n: getattr(c, n) for n in Case.__slots__} | {"model": "/old@2020"}) for c in cases]
        gallery.add(moved)
    show(ready, model, one(category, "crack"))
    settled(qtbot, ready)
    assert ready.hint.text.text() == f"No past cases of {model.card.name} yet, as it was fitted last."
    QTest.mouseClick(ready.filter, LEFT)
    QTest.mouseClick(ready.popup.this_model, LEFT, pos=QPoint(8, ready.popup.this_model.height() // 2))
    settled(qtbot, ready)
    assert len(ready.result.neighbours) == 5
    assert all(seen.map is None for seen in ready.seen.kept.values()), "its overlay would be another model's"
    ready.popup.hide()


# ---- changing it


def test_the_picture_shown_is_put_in(asked, model, category, qtbot):
    panel = asked
    item = category.train[0]
    show(panel, model, item, "")
    settled(qtbot, panel)
    before = panel.facts.count
    panel.edit.put_in_action.trigger()
    settled(qtbot, panel)
    assert panel.facts.count == before + 1
    assert panel.result.known
    assert panel.heard.said == [f"{item.path.name} is in the gallery, as {panel.result.kind}."]


def test_the_first_picture_makes_the_gallery(panel, model, category, qtbot):
    panel.set_model(model.card)
    show(panel, model, one(category, "crack"))
    panel.edit.put_in_action.trigger()
    settled(qtbot, panel)
    assert panel.facts.count == 1
    assert panel.heard.line == "gallery: 1 case, embedded"
    assert panel.hint.text.text() == "No other case is in the gallery."


def test_changes_follow_one_another_and_none_is_lost(asked, qtbot):
    panel = asked
    cases = [n.case for n in panel.result.neighbours]
    for case in cases:
        panel.edit.label(case, "seen")
    settled(qtbot, panel)
    assert panel.facts.kinds["seen"] == 5


def test_a_label_given_on_the_page_reaches_the_gallery(asked, category, qtbot):
    panel = asked
    path = str(one(category, "crack").path)
    panel.relabel(path, GOOD)
    settled(qtbot, panel)
    assert panel.result.kind == GOOD
    assert panel.facts.kinds.get("crack", 0) == 1
    assert panel.title.text() == said_of(panel.result.neighbours, GOOD)


def test_indexing_can_be_stopped_and_what_is_in_stays(panel, model, category, qtbot):
    panel.set_model(model.card)
    panel.set_category(category)
    panel.edit.index_test()
    job = panel.heard.background[0][0]
    job.progress.connect(lambda now: job.cancel() if now.what == "Adding to the gallery" else None)
    settled(qtbot, panel)
    assert not panel.heard.failed
    assert not panel.edit.filling.busy


def test_a_folder_is_indexed_by_what_its_folders_say(panel, model, category, qtbot, tmp_path):
    for kind in ("good", "burr"):
        (tmp_path / "more" / kind).mkdir(parents=True)
        shutil.copy(one(category, "crack").path, tmp_path / "more" / kind / "a.png")
    (tmp_path / "more" / "burr" / "b.png").write_bytes(b"no picture")
    panel.set_model(model.card)
    panel.edit.index_folder(tmp_path / "more")
    settled(qtbot, panel)
    assert "Left out" in panel.heard.said[0]
    show(panel, model, one(category, "crack"))
    settled(qtbot, panel)
    assert dict(panel.facts.kinds) == {"good": 1, "burr": 1}


# ---- which gallery


def test_another_folder_is_chosen_and_remembered(asked, qtbot, tmp_path, filled):
    panel = asked
    shutil.copytree(filled, tmp_path / "other")
    panel.choose_gallery(str(tmp_path / "other"))
    settled(qtbot, panel)
    assert panel.shelf.where == str(tmp_path / "other")
    assert Settings().load("inspect_gallery", GalleryChoices()).where == str(tmp_path / "other")
    assert len(panel.result.neighbours) == 5
    panel.edit.settle()
    assert panel.edit.other_action.isChecked()
    panel.edit.own_action.trigger()
    settled(qtbot, panel)
    assert panel.chosen.where == ""
    assert len(panel.result.neighbours) == 5


def test_what_is_no_gallery_is_said_once_and_can_be_left(asked, qtbot, tmp_path):
    panel = asked
    (tmp_path / "notes.txt").write_text("mine")
    panel.choose_gallery(str(tmp_path))
    settled(qtbot, panel)
    assert "is no gallery and holds other files" in panel.hint.text.text()
    given = panel.owner.given
    panel.ask_picture_shown()
    settled(qtbot, panel)
    assert panel.owner.given == given, "it is not asked again at every picture"
    assert hint_button(panel, "Choose another folder")
    (tmp_path / "notes.txt").unlink()
    QTest.mouseClick(hint_button(panel, "Try again"), LEFT)
    settled(qtbot, panel)
    assert panel.hint.text.text() == "No past cases yet."


def test_a_gallery_that_another_window_has_open_is_said(ready, model, category, qtbot, there):
    with open_gallery(there):
        show(ready, model, one(category, "crack"))
        settled(qtbot, ready)
        assert "is open in another window" in ready.hint.text.text()
    QTest.mouseClick(hint_button(ready, "Try again"), LEFT)
    settled(qtbot, ready)
    assert len(ready.result.neighbours) == 5


def test_a_gallery_of_other_vectors_is_said(ready, model, category, qtbot, there):
    shutil.rmtree(there)
    with open_gallery(there, lengths={"whole": 3, "defect": 3}) as gallery:
        gallery.add(
            [Case("/p.png", "m", "c", "k", 0.5, 0.5, 1, 1, "2026-11-25", np.eye(3)[0], np.eye(3)[1])]
        )  # fmt: skip
    show(ready, model, one(category, "crack"))
    settled(qtbot, ready)
    assert "compares 3 and 3 numbers" in ready.hint.text.text()


def test_a_servers_key_is_asked_for_and_written_nowhere(asked, qtbot):
    from gallery_stub import Stub

    panel = asked
    stub = Stub(key="secret")
    try:
        panel.edit.server_action.trigger()
        dialog = panel.findChild(ServerDialog)
        assert not dialog.connect_button.isEnabled()
        dialog.address.setText(stub.url)
        QTest.mouseClick(dialog.connect_button, LEFT)
        settled(qtbot, panel)
        assert "wants a key" in panel.hint.text.text()
        QTest.mouseClick(hint_button(panel, "Address and key"), LEFT)
        dialog = [d for d in panel.findChildren(ServerDialog) if d.isVisible()][-1]
        assert dialog.address.text() == stub.url
        assert dialog.key.echoMode() == QLineEdit.EchoMode.Password
        dialog.key.setText("secret")
        QTest.mouseClick(dialog.connect_button, LEFT)
        settled(qtbot, panel)
        assert panel.problem is None
        panel.edit.put_in_action.trigger()
        settled(qtbot, panel)
        assert panel.heard.line == f"gallery: 1 case, on {stub.url}"
        assert "secret" not in Settings().path.read_text()
        assert stub.url in Settings().path.read_text()
    finally:
        panel.shelf.choose("")
        stub.close()


def test_the_gallery_is_not_changed_while_it_is_filled(panel, model, category, qtbot, tmp_path):
    panel.set_model(model.card)
    panel.set_category(category)
    panel.edit.index_test()
    panel.choose_gallery(str(tmp_path))
    assert "stop that first" in panel.heard.said[-1]
    assert panel.chosen.where == ""
    panel.edit.filling.cancel()
    settled(qtbot, panel)


def test_leaving_closes_the_gallery(asked, there, qtbot):
    asked.leave()
    assert shutdown(20_000) == []
    with open_gallery(there) as gallery:
        assert gallery.count() > 5


def test_a_closed_shelf_opens_nothing(there):
    from engine.errors import SightlineError

    shelf = Shelf(str(there))
    shelf.close()
    with pytest.raises(SightlineError, match="closed"):
        drive(shelf.opened())


def test_a_tile_shows_the_part_with_the_hottest_spot(category, model):
    image = model.read(category.test[0].path)
    assert (cut_out(image, (98, 78)) == shrink(image, 98, 78)[..., :3]).all()
    tall = np.zeros((400, 100), np.float32)
    tall[390, 50] = 1
    assert cut_out(tall, (98, 78)).max() == 0
    assert cut_out(tall, (98, 78), (50, 390)).max() > 0


def test_every_control_has_a_name(asked):
    for button in asked.findChildren(QPushButton):
        assert button.accessibleName() or button.text()
    for tile in asked.tiles:
        assert tile.accessibleName().startswith("Similar case ")
    assert asked.more.accessibleName()
    assert DEFECT in asked.popup.by


# ---- on the page


@pytest.fixture
def page(qtbot, category, model, there, monkeypatch):
    """The whole window on the page Inspect, the set open, its model in use."""
    from gui.app import build

    shutil.rmtree(runtime.config_folder(), ignore_errors=True)
    monkeypatch.delenv("SIGHTLINE_WEIGHTS", raising=False)
    _app, window = build()
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    window.show_page("inspect")
    window.open(str(category.folder))
    page = window.pages["inspect"]
    qtbot.waitUntil(lambda: page.category is not None, timeout=LONG)
    page.sets.use(model)
    qtbot.waitUntil(lambda: len(page.rows.scores) == len(category.test) and page.rows.following is None, timeout=LONG)
    rest(qtbot, page)
    yield page
    window.close()
    assert shutdown(20_000) == []
    with open_gallery(there) as gallery:
        # it was closed with the window
        assert gallery.count()


def rest(qtbot, page):
    panel = page.similar.panel

    def done():
        busy = panel._soon.isActive() or panel.asking.busy or panel.seen.slot.busy or panel.edit.changing.busy
        return not busy and panel.result is not None and not page.inspector.waiting

    qtbot.waitUntil(done, timeout=LONG)


def test_the_page_shows_similar_cases_and_goes_on_asking(page, category, qtbot):
    panel = page.similar.panel
    page.look(str(one(category, "oil").path))
    qtbot.waitUntil(lambda: page.item is not None and page.item.kind == "oil", timeout=LONG)
    rest(qtbot, page)
    QTest.mouseClick(page.similar.tab, LEFT)
    assert panel.isVisible()
    assert Settings().load("inspect_gallery", GalleryChoices()).front
    assert f"gallery: {len(category.test)} cases, embedded" in page.window().job_bar.detail.text()
    kinds = [n.case.kind for n in panel.result.neighbours]
    common = max(set(kinds), key=kinds.count)
    said = f" · {common}? · " in page.card_view.text.text()
    assert said == (common != GOOD and 2 * kinds.count(common) > 5)
    first = panel.result.neighbours[0].case.path
    QTest.mouseClick(panel.tiles[0], LEFT)
    qtbot.waitUntil(lambda: page.shown.looked.asked.name == first, timeout=LONG)
    rest(qtbot, page)
    assert panel.shown.name == first
    assert first not in [n.case.path for n in panel.result.neighbours]


def test_a_region_drawn_on_the_page_asks_and_is_outlined(page, qtbot):
    panel, view = page.similar.panel, page.view.over
    panel.edit.region_action.trigger()
    QTest.mousePress(view, LEFT, pos=view.to_view(20, 20).toPoint())
    QTest.mouseMove(view, view.to_view(60, 50).toPoint())
    QTest.mouseRelease(view, LEFT, pos=view.to_view(80, 70).toPoint())
    assert view.tool is None
    assert panel.isVisible(), "the answer is shown"
    rest(qtbot, page)
    left, top, width, height = panel.subject.region
    assert abs(left - 20) < 3
    assert abs(top - 20) < 3
    assert abs(width - 60) < 4
    assert abs(height - 50) < 4
    assert page.overlays.patch == panel.subject.region
    QTest.mouseClick(panel.back, LEFT)
    assert page.overlays.patch is None
    rest(qtbot, page)


def test_a_label_given_on_the_page_is_the_cases_label(page, qtbot, category):
    panel = page.similar.panel
    path, was = page.item.path, page.item.kind
    page.data.labelled.emit("odd spot")
    qtbot.waitUntil(lambda: panel.facts is not None and "odd spot" in panel.facts.kinds, timeout=LONG)
    rest(qtbot, page)
    page.labels.undo()
    qtbot.waitUntil(lambda: "odd spot" not in panel.facts.kinds, timeout=LONG)
    rest(qtbot, page)
    assert page.item.path == path
    assert page.item.kind == was


def test_another_set_takes_the_question_back(page, qtbot, category, tmp_path):
    panel = page.similar.panel
    shutil.copytree(category.folder, tmp_path / "tile")
    page.window().open(str(tmp_path / "tile"))
    qtbot.waitUntil(lambda: page.category.folder == tmp_path / "tile" and page.card is None, timeout=LONG)
    qtbot.waitUntil(lambda: page.shown is not None and page.shown.looked.verdict is None, timeout=LONG)
    assert panel.hint.text.text() == NO_MODEL
    assert page.similar.guess == ""
