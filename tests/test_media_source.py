"""What a text names, before anything is opened."""

import subprocess
import sys
from pathlib import Path

import pytest
from media_numbered import numbered, save_picture

from engine.errors import SightlineError
from engine.job import drive
from engine.media.patience import Patience
from engine.media.source import cleaned, is_picture, is_video, kind_of, open_source, opening


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", "camera"),
        (" 12 ", "camera"),
        ("screen", "screen"),
        ("Screen:0,0,640,480", "screen"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "address"),
        ("rtsp://10.0.0.5/stream1", "address"),
        ("HTTP://server/a.mp4", "address"),
        ("www.youtube.com/watch?v=dQw4w9WgXcQ", "address"),
        ("youtu.be/dQw4w9WgXcQ", "address"),
        ("drawn:crossing", "drawn"),
        ("street.mp4", "video"),
        ("./0", "video"),
        ("my.clips/street.mp4", "video"),
        ("C:\\clips\\street.mp4", "video"),
        ("'~/my clips/street.MKV'", "video"),
        ("no suffix", "video"),
        ("photo.JPG", "image"),
        ('"a photo.webp"', "image"),
        ("file:///home/me/a%20photo.png", "image"),
        ("", "nothing"),
        ('""', "nothing"),
    ],
)
def test_kind_of(text, kind):
    assert kind_of(text) == kind


def test_a_folder_is_known_by_looking(tmp_path):
    (tmp_path / "walk.mp4").mkdir()
    assert kind_of(str(tmp_path / "walk.mp4")) == "folder"
    # what is there is a file, whatever its name looks like
    (tmp_path / "site.org").mkdir()
    (tmp_path / "site.org" / "clip").touch()
    assert kind_of(str(tmp_path / "site.org" / "clip")) == "video"


def test_what_was_pasted_is_cleaned():
    assert cleaned('  "/a b/c.mp4"\n') == "/a b/c.mp4"
    assert cleaned("file:///a%20b/%C3%BC.mp4") == "/a b/ü.mp4"
    assert cleaned("it's.mp4") == "it's.mp4"


def test_names():
    assert is_picture("a.JPEG")
    assert not is_picture("a.mp4")
    assert is_video(Path("a.MOV"))
    assert not is_video("a.txt")


@pytest.mark.parametrize(("text", "says"), [("", "Nothing was named"), ("drawn:x", "choose it from the examples")])
def test_what_cannot_be_opened(text, says):
    with pytest.raises(SightlineError, match=says):
        open_source(text)


def test_opening_is_a_job(tmp_path):
    path = save_picture(tmp_path / "a.png", numbered(1))
    with drive(opening(str(path))) as source:
        assert source.info.text == str(path)


def test_each_try_waits_longer_up_to_a_limit():
    patience = Patience(first_wait_s=1, longest_wait_s=8)
    assert [patience.wait_s(attempt) for attempt in range(7)] == [0, 1, 2, 4, 8, 8, 8]


def test_the_door_is_light():
    """The window asks what a text names before anything heavy is loaded."""
    program = (
        "import sys; from engine.media import source; source.kind_of('a.mp4'); "
        "print({'cv2', 'av', 'yt_dlp', 'mss', 'urllib.request'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
