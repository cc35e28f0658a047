"""Methods on the page Inspect: which are offered, what is said of those that cannot be run, fits that go on."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine import runtime
from engine.errors import SightlineError
from engine.inspection import checkpoint
from engine.inspection.anomalib_models import anomalib_names, why_not
from engine.inspection.dataset import read_category
from engine.inspection.fit import fit
from engine.inspection.knobs import AUTO, METHODS, FitKnobs
from engine.inspection.titles import ONE_PASS, TITLES
from engine.inspection.unfinished import KEPT, forget, make_room, state_folder, unfinished
from engine.job import Notice, Progress, drive
from gui.app import build
from gui.form import SHORT
from gui.inspection_method import MethodGroup
from gui.inspection_methods import MethodChoice
from gui.job import Job, shutdown
from gui.job_bar import JobBar, titled

LONG = 150_000
LEFT = Qt.MouseButton.LeftButton
TIP = Qt.ItemDataRole.ToolTipRole
ROOT = Path(__file__).resolve().parent.parent
TRAINED = FitKnobs(method="efficientad", size=128, steps=6)
LACKING = "fastflow"
"""Rests on ResNet-18 or Wide-ResNet-50-2, whose weights no test has."""


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch):
    monkeypatch.delenv("SIGHTLINE_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A drawn category: 6 good pictures to learn, 3 good ones and some defects to test."""
    from engine.samples.textures import write_mvtec

    return write_mvtec(tmp_path_factory.mktemp("sets"), "tile", train=6, good=3, each=1, size=(128, 128))


@pytest.fixture
def window(qtbot):
    """A window with nothing remembered and nothing fitted, on the page Inspect."""
    for folder in (runtime.config_folder(), runtime.models_folder(), runtime.data_folder() / "inspection"):
        shutil.rmtree(folder, ignore_errors=True)
    _app, made = build()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.show_page("inspect")
    yield made
    made.close()
    assert shutdown(20_000) == []


@pytest.fixture
def page(window, qtbot, drawn):
    """The page with the drawn category, without a model, all methods listed."""
    window.open(str(drawn))
    qtbot.waitUntil(lambda: window.page.shown is not None, timeout=LONG)
    page = window.page
    qtbot.waitUntil(lambda: page.method.method.findData("padim") >= 0, timeout=LONG)
    return page


def choose(page, name):
    """Go to a method with the keyboard, the list closed."""
    box = page.method.method
    QTest.keyClick(box, Qt.Key.Key_Home)
    for _ in range(box.count()):
        if page.knobs.method == name:
            return
        QTest.keyClick(box, Qt.Key.Key_Down)
    pytest.fail(f"{name} cannot be reached")


def said(window):
    """The notices that are shown."""
    return [row.text() for row in window.notices.findChildren(type(window.job_bar.state)) if row.text()]


# -- which methods there are


def test_every_method_has_a_title_of_its_own():
    assert {*TITLES} == {*METHODS, *anomalib_names()}
    assert len({*TITLES.values()}) == len(TITLES)
    assert {*TITLES} > ONE_PASS


@pytest.mark.slow
def test_the_methods_of_one_pass_are_those_of_anomalib():
    import anomalib.models
    from anomalib.models.components import MemoryBankMixin

    from engine.inspection.anomalib_table import TABLE

    banks = {model.name for model in TABLE if issubclass(getattr(anomalib.models, model.cls), MemoryBankMixin)}
    assert banks == ONE_PASS - {*METHODS}


def test_the_page_lists_own_methods_first_and_those_that_cannot_be_run_last(page):
    box = page.method.method
    values = [box.itemData(place) for place in range(box.count())]
    assert values[:3] == [*METHODS, None], "a separator follows Sightline's own"
    assert sorted(name for name in values[3:] if name) == sorted(anomalib_names())
    able, unable = values[3 : values.index(None, 3)], values[values.index(None, 3) + 1 :]
    assert able
    assert not any(why_not(name) for name in able)
    for name in unable:
        place = box.findData(name)
        assert box.itemText(place) == f"{TITLES[name]}  ·  not available"
        assert box.itemData(place, SHORT) == TITLES[name], "the closed list shows the name alone"
        assert box.itemData(place, TIP) == why_not(name) != ""
    assert box.itemText(box.findData("padim")) == "PaDiM"


def test_listing_the_methods_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from engine.inspection.anomalib_models import anomalib_names, why_not\n"
        "assert why_not('winclip') and [why_not(name) for name in anomalib_names()]\n"
        "assert not {'torch', 'torchvision', 'timm', 'lightning', 'anomalib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_steps_are_asked_for_where_there_are_any(page):
    steps = page.method.steps
    for name, on in (("padim", False), ("stfpm", True), ("patchcore", False), ("efficientad", True)):
        page.method.set_knobs(replace(page.knobs, method=name))
        assert steps.isVisible() == on, name


def test_a_remembered_method_is_listed_before_the_others_are_known(qtbot):
    group = MethodGroup(FitKnobs(method="stfpm"))
    qtbot.addWidget(group.form)
    assert group.method.currentText() == "STFPM"
    group.set_methods(["padim", "stfpm"], {"stfpm": "It lacks its weights.", "padim": ""})
    assert group.method.currentData() == "stfpm"
    assert group.why_not("stfpm") == "It lacks its weights."
    assert group.why_not("padim") == ""


# -- one that cannot be run


def test_choosing_and_fitting_one_that_lacks_its_weights_says_why(page, window, qtbot):
    why = why_not(LACKING)
    assert "weights of resnet18" in why
    choose(page, LACKING)
    assert page.method.note.isVisible()
    assert page.method.note.text() == why
    QTest.mouseClick(page.fit.button, LEFT)
    qtbot.waitUntil(lambda: not page.fit.slot.busy, timeout=5000)
    assert why in said(window)
    assert window.job_bar.state.text() == "Ready"
    assert page.card is None
    choose(page, "patchcore")
    assert not page.method.note.isVisible()


@pytest.mark.parametrize(("method", "says"), [(LACKING, "needs the weights of resnet18"), ("nosuch", "is no method")])
def test_the_sentence_comes_before_anything_heavy(drawn, method, says):
    says = {"nosuch": "There is no method nosuch"}.get(method, says)
    command = [sys.executable, "-X", "importtime", "main.py", "inspect", "fit", str(drawn), "--method", method]
    environment = {name: value for name, value in os.environ.items() if name != "SIGHTLINE_WEIGHTS"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert any(says in line for line in lines if not line.startswith("import time:"))
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "engine.inspection.fit" in imported
    assert not {"torch", "timm", "lightning", "anomalib"} & imported


def test_a_backbone_that_was_chosen_for_patchcore_is_not_asked_of_another(page):
    page.method.form.set_field("backbone", "resnet18")
    page.method.form.set_field("weights", "resnet18.pth")
    page.method.form.set_field("method", "padim")
    assert (page.fit._knobs().backbone, page.fit._knobs().weights) == (AUTO, "")
    page.method.form.set_field("method", "patchcore")
    assert page.fit._knobs().backbone == "resnet18"


def test_the_engine_says_that_a_model_cannot_rest_on_a_backbone(drawn):
    with pytest.raises(SightlineError, match="Padim cannot rest on resnet50"):
        next(fit(read_category(drawn), FitKnobs(method="padim", backbone="resnet50")))


def test_one_that_cannot_be_run_is_not_added_to_an_evaluation(qtbot):
    choice = MethodChoice(FitKnobs(method=LACKING))
    qtbot.addWidget(choice)
    heard = []
    choice.said.connect(lambda text, _level: heard.append(text))
    QTest.mouseClick(choice.add, LEFT)
    assert heard == [why_not(LACKING)]
    assert len(choice.methods.names()) == len(METHODS)
    choice.set_knobs(FitKnobs(method="padim", backbone="resnet18", size=128))
    QTest.mouseClick(choice.add, LEFT)
    assert choice.methods.names()[-1] == "PaDiM · 128 px"
    assert choice.chosen_settings()[-1].backbone == AUTO


# -- a fit that was broken off


def test_a_state_belongs_to_pictures_settings_and_device(drawn, tmp_path):
    category = read_category(shutil.copytree(drawn, tmp_path / "tile"))
    place = state_folder(category, TRAINED, "cpu")
    assert place.is_relative_to(runtime.data_folder())
    assert state_folder(category, replace(TRAINED, method="patchcore"), "cpu") is None
    assert state_folder(category, replace(TRAINED, method="stfpm"), "cpu") is None
    assert state_folder(category, replace(TRAINED, coreset=0.5), "cpu") == place, "PatchCore's alone"
    assert state_folder(category, replace(TRAINED, steps=7), "cpu") != place
    assert state_folder(category, replace(TRAINED, region=(0.1, 0.0, 0.9, 1.0)), "cpu") != place
    os.utime(category.train[0].path, (1, 1))
    assert state_folder(category, TRAINED, "cpu") != place, "a picture has been changed"
    category.train[0].path.unlink()
    assert state_folder(category, TRAINED, "cpu") != place
    with pytest.raises(SightlineError, match="device"):
        state_folder(category, TRAINED, "abacus")


def test_the_newest_state_of_the_later_stage_counts(drawn):
    category = read_category(drawn)
    place = state_folder(category, TRAINED, "cpu")
    shutil.rmtree(place.parent, ignore_errors=True)
    assert unfinished(category, TRAINED, "cpu") is None
    (place / ".teacher-00000004.12.part").mkdir(parents=True)
    assert unfinished(category, TRAINED, "cpu") is None, "that one was being written"
    (place / "teacher-00000003").mkdir()
    (place / "teacher-00000006").mkdir()
    assert (unfinished(category, TRAINED, "cpu").stage, unfinished(category, TRAINED, "cpu").step) == ("teacher", 6)
    (place / "student-00000002").mkdir()
    assert (unfinished(category, TRAINED, "cpu").stage, unfinished(category, TRAINED, "cpu").step) == ("student", 2)
    forget(place)
    assert unfinished(category, TRAINED, "cpu") is None


def test_the_oldest_unfinished_fits_make_room(drawn):
    place = state_folder(read_category(drawn), TRAINED, "cpu")
    shutil.rmtree(place.parent, ignore_errors=True)
    for age in range(KEPT + 2):
        (place.parent / f"{age}").mkdir(parents=True)
        os.utime(place.parent / f"{age}", (1000 - age, 1000 - age))
    place.mkdir()
    os.utime(place, (1, 1))
    make_room(place)
    assert {one.name for one in place.parent.iterdir()} == {place.name, *(f"{age}" for age in range(KEPT))}
    shutil.rmtree(place.parent)


def broken_off(page, window, qtbot, monkeypatch):
    """Fit EfficientAD and cancel it in the job bar after some steps; returns after how many."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    page.method.form.set_value(TRAINED)
    page.method.set_knobs(TRAINED)
    page.method.knobs_changed.emit(TRAINED)
    seen = []
    page.fit.slot.progress.connect(seen.append)
    QTest.mouseClick(page.fit.button, LEFT)

    def trained():
        return any("training EfficientAD" in now.what and now.done >= 2 for now in seen)

    qtbot.waitUntil(lambda: trained() or not page.fit.slot.busy, timeout=LONG)
    assert trained(), said(window)
    assert window.job_bar.rows()[-1].title.text() == "Fit tile: training EfficientAD"
    assert not page.method.go_on.isVisible(), "not while it runs"
    QTest.mouseClick(window.job_bar.rows()[-1].stop, LEFT)
    qtbot.waitUntil(lambda: not page.fit.slot.busy, timeout=LONG)
    qtbot.waitUntil(lambda: page.method.go_on.isVisible(), timeout=LONG)
    return unfinished(page.category, TRAINED).step


def test_a_cancelled_training_is_offered_and_gone_on_with(page, window, qtbot, monkeypatch):
    step = broken_off(page, window, qtbot, monkeypatch)
    assert 2 <= step < 6
    assert page.method.broken_off.text() == f"A fit was broken off after step {step} of 6."
    assert page.method.go_on.text() == f"Go on from step {step}"
    assert "goes on from there" in page.fit.button.toolTip()
    assert window.job_bar.state.text() == "Ready"
    assert page.card is None
    page.method.form.set_field("model_size", "medium")
    assert not page.method.go_on.isVisible(), "that would be another training"
    assert "goes on" not in page.fit.button.toolTip()
    page.method.form.set_field("model_size", "small")
    qtbot.waitUntil(lambda: page.method.go_on.isVisible(), timeout=LONG)
    heard = []
    page.fit.slot.notice.connect(lambda notice: heard.append(notice.text))
    QTest.mouseClick(page.method.go_on, LEFT)
    qtbot.waitUntil(lambda: page.card is not None, timeout=LONG)
    assert f"The training goes on after step {step} of 6." in heard
    assert page.card.name == "tile · EfficientAD"
    qtbot.waitUntil(lambda: not page.fit.slot.busy and not page.fit.looking.busy, timeout=LONG)
    assert not page.method.go_on.isVisible()
    assert unfinished(page.category, TRAINED) is None, "a fit that has ended keeps no state"


def test_a_cancelled_training_can_begin_anew(page, window, qtbot, monkeypatch):
    broken_off(page, window, qtbot, monkeypatch)
    heard, seen = [], []
    page.fit.slot.notice.connect(lambda notice: heard.append(notice.text))
    page.fit.slot.progress.connect(seen.append)
    QTest.mouseClick(page.method.anew, LEFT)
    qtbot.waitUntil(lambda: any("teaching the stand-in" in now.what for now in seen), timeout=LONG)
    qtbot.waitUntil(lambda: page.card is not None, timeout=LONG)
    assert not [text for text in heard if "goes on" in text]


# -- the job bar


def test_a_titled_job_keeps_its_title_before_what_is_done(qtbot):
    bar = JobBar()
    qtbot.addWidget(bar)
    bar.show()
    go, closed, notices = [], [], []

    def body():
        try:
            yield Progress("Loading the backbone")
            yield Notice("MobileNetV2 stands in.")
            while not go:
                yield Progress("", 1, 4)
            yield Progress("Looking at good pictures", 1, 4, "pictures")
            return "model"
        finally:
            closed.append(True)

    job = Job(lambda: titled("Fit tile", body()), "Fit tile")
    job.notice.connect(lambda notice: notices.append(notice.text))
    bar.follow(job, "Fit tile")
    row = bar.rows()[0]
    assert row.title.text() == "Fit tile"
    job.start()
    qtbot.waitUntil(lambda: bool(notices), timeout=5000)
    assert notices == ["MobileNetV2 stands in."]
    with qtbot.waitSignal(job.returned, timeout=5000) as returned:
        go.append(True)
    assert returned.args == ["model"]
    assert row.title.text() == "Fit tile: looking at good pictures"
    assert closed


def test_a_titled_job_is_closed_with_what_it_shows():
    closed = []

    def body():
        try:
            yield Progress("Loading")
        finally:
            closed.append(True)

    job = titled("Fit tile", body())
    assert next(job).what == "Fit tile: loading"
    job.close()
    assert closed == [True]


def test_an_error_passes_through_a_title():
    def body():
        yield Progress("Loading")
        raise SightlineError("No room.")

    with pytest.raises(SightlineError, match="No room"):
        drive(titled("Fit tile", body()))
