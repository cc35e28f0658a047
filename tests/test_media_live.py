"""What goes on whether anybody looks or not: cameras (a hand-made one here), the screen, and reading ahead itself."""

import gc
import os
import shutil
import subprocess
import threading
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from media_numbered import number_in, numbered

from engine.errors import SightlineError
from engine.job import Progress
from engine.media import camera
from engine.media.ahead import Ahead, AheadSource
from engine.media.frame import Frame, SourceInfo
from engine.media.screen import region_of
from engine.media.source import open_source


class PretendCamera:
    """Stands in for `cv2.VideoCapture(number)`; numbers its pictures, and remembers who used it.

    Attributes:
        gone: set when somebody pulls the cable.
        go: each picture waits for this many seconds.
    """

    there = True
    go = 0.001
    made: "list[PretendCamera]" = []

    def __init__(self, number):
        self.number, self.count, self.released = number, 0, False
        self.gone = threading.Event()
        self.users = {threading.current_thread().name}
        type(self).made.append(self)

    def isOpened(self):
        return self.there

    def read(self):
        self.users.add(threading.current_thread().name)
        if self.gone.is_set() or not self.there:
            return False, None
        time.sleep(self.go)
        self.count += 1
        return True, numbered((self.count - 1) % 1024)

    def get(self, key):
        return 24.0 if key == cv2.CAP_PROP_FPS else 0.0

    def set(self, _key, _value):
        return True

    def release(self):
        self.users.add(threading.current_thread().name)
        self.released = True


@pytest.fixture
def pretend(monkeypatch):
    """Cameras are pretended; returns the list of those that were opened."""
    made = []
    monkeypatch.setattr(PretendCamera, "made", made)
    monkeypatch.setattr(camera.cv2, "VideoCapture", PretendCamera)
    monkeypatch.setattr(camera, "_SILENT_S", 0.2)
    return made


def test_a_camera_is_live_and_shows_what_is_newest(pretend):
    with open_source("2") as source:
        assert (source.info.kind, source.info.name, source.info.live) == ("camera", "camera 2", True)
        assert (source.info.width, source.info.height, source.info.fps, source.info.frames) == (160, 96, 24.0, None)
        frames = (event for event in source.frames() if isinstance(event, Frame))
        seen = [next(frames) for _ in range(5)]
        # nobody looks for a while: what was captured then is dropped, and counted
        reached = pretend[0].count + 50
        while pretend[0].count < reached:
            time.sleep(0.005)
        seen += [next(frames) for _ in range(2)]
        assert [number_in(frame.image) for frame in seen] == [frame.index for frame in seen]
        assert seen[-1].index >= reached - 2
        assert all(a.time_s < b.time_s for a, b in pairwise(seen))
    assert pretend[0].released
    assert pretend[0].users == {"sightline-decode-camera 2"}


def test_a_live_source_does_not_go_back(pretend):
    with open_source("0") as source, pytest.raises(SightlineError, match="camera 0 is live"):
        source.at(3)


def test_a_camera_that_was_closed_is_opened_again_by_the_next_reader(pretend):
    with open_source("0") as source:
        for _ in range(2):
            frames = source.frames()
            assert isinstance(next(frames), Frame | Progress)
            frames.close()
    assert [made.released for made in pretend] == [True, True]


def test_a_camera_source_that_is_dropped_lets_its_camera_go(pretend):
    source = open_source("0")
    del source
    gc.collect()
    assert pretend[0].released


def test_a_camera_that_is_not_there(pretend, monkeypatch):
    monkeypatch.setattr(PretendCamera, "there", False)
    with pytest.raises(SightlineError, match="camera 7"), open_source("7"):
        pass


def test_a_camera_that_opens_but_shows_nothing(pretend, monkeypatch):
    monkeypatch.setattr(PretendCamera, "read", lambda _self: (False, None))
    with pytest.raises(SightlineError, match="Camera 1 gives no picture"), open_source("1"):
        pass
    assert pretend[0].released


def test_a_camera_that_is_unplugged(pretend):
    with open_source("0") as source:
        frames = source.frames()
        next(frames)
        pretend[0].gone.set()
        with pytest.raises(SightlineError, match="Camera 0 sends no more pictures: plug it in"):
            for _ in frames:
                pass
    assert pretend[0].released


def test_no_camera_here():
    if camera.cameras():
        pytest.skip("this machine has a camera")
    with pytest.raises(SightlineError, match="no camera 63"), open_source("63"):
        pass


def test_the_region_of_a_screen():
    assert region_of("screen") is None
    assert region_of("screen:10, -20,300,200") == (10, -20, 300, 200)
    for wrong in ("screen:1,2,3", "screen:0,0,0,10", "screens"):
        with pytest.raises(SightlineError, match=r"screen:left,top,width,height"):
            region_of(wrong)


def test_a_machine_without_a_screen_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if os.name != "posix":
        pytest.skip("there is always a screen here")
    with pytest.raises(SightlineError, match=r"The screen cannot be captured here: there is no display"):
        open_source("screen")


@pytest.fixture
def display(monkeypatch):
    """A screen of 320 x 240 that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("install xvfb to run this test")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "320x240x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    if not number:
        process.wait()
        pytest.skip("Xvfb does not start here")
    monkeypatch.setenv("DISPLAY", f":{number}")
    yield
    process.terminate()
    process.wait()


def test_a_screen_is_a_live_source(display):
    with open_source("screen") as source:
        assert (source.info.width, source.info.height, source.info.live) == (320, 240, True)
        frames = [event for event, _ in zip(source.frames(), range(6), strict=False) if isinstance(event, Frame)]
        assert frames[0].image.shape == (240, 320, 3)
        assert frames[0].image.flags["C_CONTIGUOUS"]
    with open_source("screen:300,200,100,100") as source:
        # what lies outside is cut off
        assert (source.info.width, source.info.height) == (20, 40)
    with pytest.raises(SightlineError, match="lies outside the screen, which is 320 x 240"):
        open_source("screen:900,0,10,10")


class Stuck:
    """A reader whose library call cannot be broken off."""

    def __init__(self, inside, free):
        self.info = SourceInfo("stuck", "stuck", "stream", 8, 8, 25.0, None, live=False)
        self.inside, self.free = inside, free
        self.closed_by = None

    def events(self, start):
        yield Frame(np.zeros((8, 8, 3), np.uint8), start, 0.0, 0.0)
        self.inside.set()
        self.free.wait(30)

    def frame(self, index):
        raise NotImplementedError

    def close(self):
        self.closed_by = threading.current_thread().name


def test_closing_does_not_wait_for_a_stuck_library_and_the_thread_releases_the_source_itself():
    inside, free = threading.Event(), threading.Event()
    reader = Stuck(inside, free)
    with AheadSource(reader.info, lambda _stop: reader, waits=0.02) as source:
        frames = source.frames()
        assert isinstance(next(frames), Frame)
        assert inside.wait(5)
        # nothing comes, and the reader is told so: the job can be stopped between two of these
        assert next(frames) == Progress("Waiting for stuck")
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "sightline-decode-stuck"]
        frames.close()
        assert thread.is_alive()
        assert reader.closed_by is None
        free.set()
        thread.join(5)
    assert reader.closed_by == "sightline-decode-stuck"


def test_a_source_that_was_opened_and_never_read_leaves_no_thread():
    stop_seen = []

    def make(stop):
        stop_seen.append(stop)
        return Stuck(threading.Event(), stop)

    ahead = Ahead("unread", make)
    assert ahead.opened(5)
    ahead.close()
    assert stop_seen[0].is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "sightline-decode-unread"]
