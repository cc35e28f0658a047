"""The page Track in the window: real widgets, the drawn example, the shipped network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit

from engine import runtime
from engine.tracking.knobs import TrackKnobs
from gui.app import build
from gui.job import shutdown
from gui.settings import Settings

ROOT = Path(__file__).parent.parent
LONG = 150_000


@pytest.fixture
def window(qtbot, monkeypatch):
    """A window with nothing remembered and no weights at hand."""
    shutil.rmtree(runtime.config_folder(), ignore_errors=True)
    monkeypatch.delenv("SIGHTLINE_WEIGHTS", raising=False)
    _app, made = build()
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()
    assert shutdown(10_000) == []


@pytest.fixture
def page(window):
    return window.pages["track"]


@pytest.fixture
def playing(window, page, qtbot):
    """The example, being tracked as fast as it goes, after a click on its button."""
    page.timeline.rate.setCurrentIndex(page.timeline.rate.findData(0.0))
    QTest.mouseClick(page.empty.button("Try the example"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.frame is not None and len(page.frame.seen.tracks) >= 3, timeout=LONG)
    return page


@pytest.fixture
def tracked(window, page, qtbot):
    """A short drawn scene, tracked to its end."""
    page.timeline.rate.setCurrentIndex(page.timeline.rate.findData(0.0))
    window.open("example:look-alikes")
    whole = lambda: page.info is not None and page.history.ranges() == [(0, page.info.frames - 1)]  # noqa: E731
    qtbot.waitUntil(whole, timeout=2 * LONG)
    qtbot.waitUntil(lambda: not page.timeline.playing, timeout=LONG)
    return page


def test_an_empty_page_says_what_to_do(window, page):
    assert page.empty.isVisible()
    assert "Drop a video" in page.empty.title.text()
    assert not page.export.button.isEnabled()


def test_every_control_has_a_name(window):
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)
    nameless = []
    for kind in kinds:
        for widget in window.findChildren(kind):
            inner = widget.objectName().startswith("qt_") or isinstance(widget.parent(), QAbstractSpinBox | QComboBox)
            text = widget.text() if hasattr(widget, "text") and isinstance(widget, QAbstractButton) else ""
            if not inner and widget.isVisible() and not (widget.accessibleName() or text):
                nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    assert not nameless


def test_the_first_paint_comes_before_anything_heavy():
    code = """
import sys
from engine import runtime
runtime.prepare()
from gui.app import build
app, window = build()
window.show()
for _ in range(20): app.processEvents()
heavy = [n for n in ("torch", "ultralytics", "pyqtgraph", "openvino", "yt_dlp", "av") if n in sys.modules]
print("heavy:", heavy)
window.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "heavy: []" in done.stdout


@pytest.mark.parametrize("scale", ["1.5", "2"])
def test_the_window_works_at_other_scales(scale, tmp_path):
    """A screen of 1920 x 1080 at 200 % has room for 960 x 540."""
    code = f"""
from engine import runtime
runtime.prepare()
from gui.app import build
app, window = build()
window.resize(960, 540)
window.show()
for _ in range(20): app.processEvents()
assert (window.width(), window.height()) == (960, 540), (window.width(), window.height())
shot = window.grab()
assert shot.width() == round(960 * {scale}), shot.width()
page = window.page
assert page.picture.height() >= 150 and page.timeline.geometry().bottom() <= page.height()
right = page.timeline.rate.mapTo(window, page.timeline.rate.rect().bottomRight())
assert right.x() < page.form.mapTo(window, page.form.rect().topLeft()).x()
window.close()
"""
    import os

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "QT_SCALE_FACTOR": scale},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_example_is_tracked_live_and_drawn(playing, qtbot, window):
    page = playing
    assert page.loaded.names
    assert page.timeline.line.frames == page.info.frames
    assert "example" not in window.notices.texts()
    qtbot.waitUntil(lambda: page.strip_view.table.rows.rowCount() >= 3, timeout=LONG)
    assert page._marks, "boxes and labels are painted over the picture"
    assert (page.picture.image == page.frame.seen.image).all(), "the frame stays clean"


def test_space_holds_and_a_comma_steps_back_to_what_was_tracked(playing, qtbot):
    page = playing
    qtbot.waitUntil(lambda: page.index >= 12, timeout=LONG)
    page.picture.setFocus()
    QTest.keyClick(page.picture, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not page.timeline.playing)
    qtbot.wait(150)
    index = page.index
    QTest.keyClick(page.picture, Qt.Key.Key_Comma)
    qtbot.waitUntil(lambda: page.index == index - 1, timeout=LONG)
    assert page.frame.tracked
    assert not page.frame.fresh
    QTest.mouseClick(page.timeline.on, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.index == index, timeout=LONG)


def test_dragging_the_line_seeks(playing, qtbot):
    page = playing
    page.play(on=False)
    line = page.timeline.line
    QTest.mousePress(line, Qt.MouseButton.LeftButton, pos=QPoint(7, 14))
    QTest.mouseMove(line, QPoint(line.width() // 2, 14))
    QTest.mouseRelease(line, Qt.MouseButton.LeftButton, pos=QPoint(line.width() // 2, 14))
    middle = (page.info.frames - 1) / 2
    qtbot.waitUntil(lambda: abs(page.index - middle) <= 2, timeout=LONG)


def test_clicking_a_box_shows_its_card_and_focus_keeps_it_in_the_middle(playing, qtbot):
    page = playing
    page.play(on=False)
    qtbot.wait(200)
    tracks = page.frame.seen.tracks
    number, (left, top, right, bottom) = int(tracks.ids[0]), tracks.boxes[0].tolist()
    smallest = min(range(len(tracks)), key=lambda i: tracks.boxes[i, 2] - tracks.boxes[i, 0])
    number, (left, top, right, bottom) = int(tracks.ids[smallest]), tracks.boxes[smallest].tolist()
    at = page.picture.to_view((left + right) / 2, (top + bottom) / 2).toPoint()
    QTest.mouseClick(page.picture, Qt.MouseButton.LeftButton, pos=at)
    assert page.track.number == number
    qtbot.waitUntil(lambda: page.card.isVisible(), timeout=5000)
    assert page.card.title.text().startswith(f"{number} · ")
    QTest.mouseClick(page.card.button, Qt.MouseButton.LeftButton)
    centre = page.picture.to_picture(QPointF(page.picture.width() / 2, page.picture.height() / 2))
    assert abs(centre.x() - (left + right) / 2) < 5
    QTest.mouseClick(page.card.shut, Qt.MouseButton.LeftButton)
    assert page.track.number is None
    assert page.picture.fits


def test_a_knob_reaches_the_running_job_and_is_there_next_time(playing, qtbot):
    page = playing
    page.controls.form.control("confidence").slider.setValue(60)
    assert page.knobs.value.confidence == pytest.approx(0.60)
    assert Settings().load("track", TrackKnobs()).confidence == pytest.approx(0.60)


def test_layers_switch_what_is_drawn(playing):
    page = playing
    page.play(on=False)
    before = len(page._marks)
    QTest.mouseClick(page.controls.layers.button("numbers"), Qt.MouseButton.LeftButton)
    assert len(page._marks) < before


def test_the_end_is_said_and_play_begins_again(tracked, qtbot, window):
    page = tracked
    assert page.index == page.info.frames - 1
    assert window.job_bar.state.text() == "At the end"
    page.play(on=True)
    qtbot.waitUntil(lambda: page.index < 20, timeout=LONG)


def test_export_writes_video_and_mot_text_that_can_be_read(tracked, qtbot, tmp_path):
    from engine.media.source import open_source
    from engine.tracking.score import read_mot

    page = tracked
    for name in ("out.txt", "out.mp4"):
        with qtbot.waitSignal(page.export.slot.returned, timeout=LONG):
            page.export.save(tmp_path / name)
    rows = read_mot(tmp_path / "out.txt")
    assert rows[:, 0].max() <= page.info.frames
    with open_source(str(tmp_path / "out.mp4")) as made:
        assert made.info.frames == page.info.frames
        assert (made.info.width, made.info.height) == (page.info.width, page.info.height)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "out.txt"]


def test_a_cancelled_export_leaves_nothing(playing, qtbot, tmp_path, window):
    page = playing
    page.export.save(tmp_path / "half.mp4")
    qtbot.waitUntil(lambda: bool(window.job_bar.rows()), timeout=LONG)
    QTest.mouseClick(window.job_bar.rows()[-1].stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.export.slot.busy, timeout=LONG)
    assert list(tmp_path.iterdir()) == []


def test_scores_against_the_drawn_truth(tracked, qtbot, tmp_path):
    from engine.tracking.example import example_truth

    page = tracked
    example_truth("look-alikes", tmp_path / "gt.txt")
    with qtbot.waitSignal(page.export.score_slot.returned, timeout=LONG):
        page.export.score(tmp_path / "gt.txt")
    assert "HOTA" in page.controls.scores.text()


def test_a_dropped_text_file_named_mp4_ends_in_one_sentence_and_the_window_lives_on(window, page, qtbot, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(300, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(event)
    qtbot.waitUntil(lambda: bool(window.notices.texts()), timeout=LONG)
    said = window.notices.texts()[0]
    assert "notes.mp4" in said
    assert "Traceback" not in said
    assert page.empty.isVisible()


@pytest.mark.parametrize("text", ["/nowhere/street.mp4", "97", "screen:0,0,5"])
def test_what_is_not_there_is_said(window, qtbot, text):
    window.open_bar.address.setText(text)
    QTest.keyClick(window.open_bar.address, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(window.notices.texts()), timeout=LONG)
    assert window.notices.texts()[0].endswith(".")
    assert "Something went wrong" not in window.notices.texts()[0]


def test_a_real_source_without_weights_is_shown_and_the_download_is_offered(window, page, qtbot, tmp_path):
    """The shipped network knows drawn things only: it is never used on anything else."""
    from engine.media.writer import VideoWriter
    from engine.tracking.example import open_example

    with (
        open_example() as source,
        VideoWriter(tmp_path / "real.mp4", source.info.width, source.info.height, 25.0) as to,
    ):
        for index in range(6):
            to.write(source.at(index).image)
    window.open(str(tmp_path / "real.mp4"))
    qtbot.waitUntil(lambda: page.index == 5, timeout=LONG)
    assert page.loaded is None
    assert page.history.frames == {}
    assert page._marks == []
    assert not page.export.button.isEnabled()
    assert "YOLO11n is not on this machine" in window.notices.texts()[0]


def test_a_picture_is_looked_at_at_once_and_again_when_a_knob_moves(window, page, qtbot, tmp_path):
    import cv2

    from engine.tracking.example import EXAMPLE_WEIGHTS, open_example

    with open_example() as source:
        cv2.imwrite(str(tmp_path / "scene.png"), source.at(50).image)
    page.controls.model.choose(str(EXAMPLE_WEIGHTS))
    window.open(str(tmp_path / "scene.png"))
    qtbot.waitUntil(lambda: page.frame is not None and len(page.frame.seen.tracks) >= 3, timeout=LONG)
    before = len(page.frame.seen.tracks)
    page.controls.form.control("confidence").slider.setValue(95)
    qtbot.waitUntil(lambda: len(page.frame.seen.tracks) < before, timeout=LONG)
    assert window.notices.texts() == []


def test_of_two_sources_opened_at_once_only_the_newest_is_shown(window, page, qtbot):
    window.open("example:crossing")
    window.open("example:pan")
    qtbot.waitUntil(lambda: page.info is not None and page.info.text == "example:pan", timeout=LONG)
    qtbot.waitUntil(lambda: page.frame is not None, timeout=LONG)
    qtbot.wait(300)
    assert page.info.text == "example:pan"


def test_closing_the_window_while_it_tracks_leaves_no_thread(playing, window):
    window.close()
    assert shutdown(10_000) == []


def test_both_themes_and_the_form_can_be_switched_while_it_plays(playing, window):
    for look in ("light", "dark", "system"):
        window.set_theme(look)
    window.toggle_form()
    assert not playing.form.isVisible()
    window.toggle_form()
    assert playing.form.isVisible()


def test_the_same_job_runs_without_a_window():
    from engine.knobs import Cell
    from engine.tracking.example import EXAMPLE_WEIGHTS
    from engine.tracking.player import Playback, Played
    from engine.tracking.session import watch

    seen = []
    job = watch("example:crossing", EXAMPLE_WEIGHTS, "deepsort", Cell(TrackKnobs()), Cell(Playback(speed=0.0)))
    for event in job:
        if isinstance(event, Played):
            seen.append(event)
        if len(seen) > 20:
            break
    job.close()
    assert any(len(event.seen.tracks) for event in seen)


def test_a_chosen_track_goes_to_inspect(playing, qtbot):
    playing.play(on=False)
    playing.track.choose(playing.frame.seen.tracks.ids.tolist()[0])
    with qtbot.waitSignal(playing.sent) as sent:
        QTest.mouseClick(playing.card.send, Qt.MouseButton.LeftButton)
    key, crop, name = sent.args
    left, top, right, bottom = playing.track.box().getCoords()
    assert key == "inspect"
    assert abs(crop.shape[0] - (bottom - top)) <= 2
    assert abs(crop.shape[1] - (right - left)) <= 2
    assert name.startswith(f"track {playing.track.number}, frame")
