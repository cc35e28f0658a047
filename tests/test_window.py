"""The window around the pages: what is opened, dropped and pasted goes where it belongs; notices; the job bar."""

import time

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from engine.errors import SightlineError
from engine.job import Progress
from gui import words
from gui.job import Job
from gui.job_bar import JobBar
from gui.notice import Action, Notices
from gui.open_bar import OpenBar
from gui.settings import Settings
from gui.window import Window
from gui.workspace import Workspace


class Page(Workspace):
    """A page that only notes what it is asked to open."""

    icon = "track"

    def __init__(self, key, kinds):
        super().__init__()
        self.key, self.title = key, key.title()
        self.kinds, self.opened = kinds, []

    def takes(self, kind):
        return kind in self.kinds

    def open(self, text):
        self.opened.append(text)


@pytest.fixture
def window(qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    made = Window([Page("films", ("video", "camera", "image")), Page("stills", ("image",))], Settings())
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_video_goes_to_the_page_that_takes_it_and_a_picture_to_the_page_last_used_for_pictures(window):
    window.show_page("stills")
    window.open("street.mp4")
    assert window.pages["films"].opened == ["street.mp4"]
    assert window.page.key == "films"
    window.show_page("stills")
    window.open("tile.png")
    assert window.chosen.picture_page == "stills"
    window.show_page("films")
    window.open("other.png")
    assert window.pages["stills"].opened == ["tile.png", "other.png"]
    assert window.page.key == "stills"


def test_ctrl_v_opens_what_is_on_the_clipboard(window, qtbot):
    data = QMimeData()
    data.setText("  7  \nsecond line")
    QGuiApplication.clipboard().setMimeData(data)
    window.page.picture.setFocus()
    QTest.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.pages["films"].opened == ["7"])


def test_the_page_and_the_size_are_there_again_next_time(window, qtbot):
    window.show_page("stills")
    window.resize(800, 610)
    window.open_bar.show_source("street.mp4 · 640×480", "/videos/street.mp4")
    window.close()
    again = Window([Page("films", ("video",)), Page("stills", ("image",))], Settings())
    qtbot.addWidget(again)
    assert again.page.key == "stills"
    assert (again.width(), again.height()) == (800, 610)
    assert again.open_bar.recent() == ["/videos/street.mp4"]


def test_the_bar_shows_words_and_becomes_the_address_when_it_is_edited(qtbot):
    bar = OpenBar()
    qtbot.addWidget(bar)
    bar.resize(800, 48)
    bar.show()
    qtbot.waitExposed(bar)
    bar.browse.setFocus()
    bar.show_source("street.mp4 · 640×480 · 25 fps", "/videos/street.mp4")
    assert bar.address.text().startswith("street.mp4 ·")
    bar.activateWindow()
    bar.address.setFocus()
    qtbot.waitUntil(lambda: bar.address.text() == "/videos/street.mp4")
    wanted = []
    bar.wanted.connect(wanted.append)
    bar.address.setText("  0 ")
    QTest.keyClick(bar.address, Qt.Key.Key_Return)
    assert wanted == ["0"]


def test_notices_say_each_sentence_once_keep_three_and_give_details_to_copy(qtbot):
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(900, 500)
    over.show()
    notices = Notices(over)
    for _ in range(2):
        notices.error(SightlineError("There is no camera 2 here; choose another number."))
    for n in range(3):
        notices.say(f"Note {n}.")
    assert notices.texts() == ["Note 2.", "Note 1.", "Note 0."]
    notices.clear()
    try:
        raise RuntimeError("shape mismatch")
    except RuntimeError as error:
        notices.error(error)
    assert notices.texts()[0].startswith("Something went wrong in Sightline: shape mismatch.")
    card = notices._cards[0]
    assert "Traceback" in card.details
    QTest.mouseClick(card._tools["copy"], Qt.MouseButton.LeftButton)
    assert "RuntimeError: shape mismatch" in QApplication.clipboard().text()
    QTest.mouseClick(card._tools["close"], Qt.MouseButton.LeftButton)
    assert notices.texts() == []


def test_a_question_goes_when_a_button_was_pressed_or_it_was_answered_otherwise(qtbot):
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(900, 500)
    notices = Notices(over)
    done = []
    notices.say("Fetch it?", actions=[Action("Yes", lambda: done.append(1))])
    button = next(
        b
        for b in notices._cards[0].findChildren(type(notices._cards[0]._tools["copy"]).__mro__[1])
        if b.text() == "Yes"
    )
    button.click()
    assert done == [1]
    assert notices.texts() == []
    notices.say("Fetch it?", actions=[Action("Yes", lambda: None)])
    notices.say("It rains.", "warning")
    notices.settle()
    assert notices.texts() == ["It rains."]


def test_the_job_bar_shows_progress_and_cancels(qtbot):
    bar = JobBar()
    qtbot.addWidget(bar)
    bar.show()

    def body():
        for n in range(10_000):
            yield Progress("Export street.mp4", n, 10_000, "frames", 9.0)
            time.sleep(0.005)

    job = Job(body, "export")
    bar.follow(job, "Export street.mp4")
    job.start()
    row = bar.rows()[0]
    qtbot.waitUntil(lambda: "left" in row.text.text())
    assert row.bar.value() >= 0
    with qtbot.waitSignal(job.finished, timeout=2000):
        QTest.mouseClick(row.stop, Qt.MouseButton.LeftButton)
    assert bar.rows() == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Progress("x", 4.1e6, 6.6e6, "bytes", 9.0), "62 % · 4.1 MB of 6.6 MB · 0:09 left"),
        (Progress("x", 50, 200, "frames", 3.4), "25 % · 50 of 200 frames · 0:03 left"),
        (Progress("x", 3, None, "frames"), "3 frames"),
        (Progress("x"), ""),
    ],
)
def test_progress_in_words(now, said):
    assert words.progress(now) == said


def test_times_in_words():
    assert [words.clock(s) for s in (0, 7.9, 61, 3723)] == ["0:00", "0:07", "1:01", "1:02:03"]
