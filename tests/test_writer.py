"""Saving a video: it plays, it is whole or it is not there."""

import errno
import resource
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media_numbered import number_in, numbered

from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.media import writer
from engine.media.source import open_source
from engine.media.writer import VideoWriter


def write(path, frames=30, size=(160, 96), fps=25.0):
    with VideoWriter(path, *size, fps) as video:
        for index in range(frames):
            video.write(numbered(index, *size))
    return video


def numbers_in(path):
    with open_source(str(path)) as source:
        return [number_in(frame.image) for frame in source.frames()]


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def boxes_of(path):
    """The names of the outer boxes of an MP4, in order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4], "big")
    return names


def test_what_was_written_is_read_again(tmp_path):
    path = tmp_path / "Straße 駅.mp4"
    video = write(path, 40)
    assert (video.codec, video.note, video.frames) == ("H.264", "", 40)
    assert numbers_in(path) == list(range(40))
    assert names_in(tmp_path) == [path.name]


def test_a_browser_can_play_it(tmp_path):
    """avc1 in yuv420p, and the index before the pictures, so that it plays while it loads."""
    path = tmp_path / "a.mp4"
    write(path)
    boxes = boxes_of(path)
    assert boxes[0] == "ftyp"
    assert boxes.index("moov") < boxes.index("mdat")
    assert b"avc1" in path.read_bytes()
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.profile) == ("h264", "yuv420p", "High")


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 24000 / 1001, 10.0, 14.5])
def test_the_rate_is_kept(tmp_path, fps):
    write(tmp_path / "a.mp4", fps=fps)
    with open_source(str(tmp_path / "a.mp4")) as source:
        assert source.info.fps == pytest.approx(fps, rel=1e-6)
        assert source.info.frames == 30


def test_a_source_without_a_rate_is_saved_at_25(tmp_path):
    write(tmp_path / "a.mp4", fps=0.0)
    with open_source(str(tmp_path / "a.mp4")) as source:
        assert source.info.fps == 25.0


@pytest.mark.parametrize("size", [(161, 97), (161, 96), (160, 97), (1, 1), (17, 3)])
def test_an_odd_size_is_made_even_by_repeating_the_edge(tmp_path, size):
    path = tmp_path / "a.mp4"
    image = np.full((size[1], size[0], 3), (40, 60, 200), np.uint8)
    with VideoWriter(path, *size, 25.0) as video:
        video.write(image)
        video.write(image)
    even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert video.note == f"The video size is made even: {even[0]} x {even[1]}."
    with open_source(str(path)) as source:
        assert (source.info.width, source.info.height) == even
        assert np.abs(source.at(1).image.astype(int) - (40, 60, 200)).max() < 12


def test_colours_come_back(tmp_path):
    """By the decoder of the sources and by one that goes by what the file says of its colours."""
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (40, 60, 200), (255, 255, 255), (0, 0, 0), (128, 128, 128)]
    with VideoWriter(tmp_path / "a.mp4", 1280, 720, 25.0) as video:
        for colour in colours:
            video.write(np.full((720, 1280, 3), colour, np.uint8))
    with open_source(str(tmp_path / "a.mp4")) as source:
        for frame, colour in zip(source.frames(), colours, strict=True):
            assert np.abs(frame.image[300, 300].astype(int) - colour).max() <= 6
    with av.open(str(tmp_path / "a.mp4")) as container:
        for frame, colour in zip(container.decode(video=0), colours, strict=True):
            assert frame.colorspace == 6
            assert np.abs(frame.to_ndarray(format="bgr24")[300, 300].astype(int) - colour).max() <= 6


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "H.264"), (".mov", "H.264"), (".webm", "VP9"), (".MP4", "H.264")]
)
def test_the_suffix_says_how(tmp_path, suffix, codec):
    path = tmp_path / f"a{suffix}"
    assert write(path, 12).codec == codec
    assert numbers_in(path) == list(range(12))


def test_the_best_encoder_that_is_there_is_taken_and_named(tmp_path, monkeypatch):
    missing = writer._Codec("no_such_encoder", "H.264")
    kinds = {".mp4": ("mp4", (missing, *writer._VP9)), ".mov": ("mov", (missing,))}
    monkeypatch.setattr(writer, "_KINDS", kinds)
    video = write(tmp_path / "a.mp4", 10, (161, 97))
    assert video.codec == "VP9"
    assert video.note == "The video is coded in VP9; its size is made even: 162 x 98."
    with pytest.raises(SightlineError, match=r"No encoder for .mov is installed"):
        write(tmp_path / "a.mov")
    assert names_in(tmp_path) == ["a.mp4"]


def test_what_was_there_is_replaced_only_by_a_whole_video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    with VideoWriter(path, 160, 96, 25.0) as video:
        video.write(numbered(0))
        assert path.read_bytes() == b"precious"
        assert len(names_in(tmp_path)) == 2
    assert numbers_in(path) == [0]


def test_after_an_error_nothing_is_left_and_what_was_there_stays(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")

    def export():
        with VideoWriter(path, 160, 96, 25.0) as video:
            video.write(numbered(0))
            raise RuntimeError("the tracker broke")

    with pytest.raises(RuntimeError):
        export()
    assert names_in(tmp_path) == ["a.mp4"]
    assert path.read_bytes() == b"precious"


def test_a_job_that_is_closed_leaves_nothing(tmp_path):
    def export():
        with VideoWriter(tmp_path / "a.mp4", 160, 96, 25.0) as video:
            for index in range(100):
                video.write(numbered(index))
                yield index

    with closing(export()) as job:
        for index in job:
            if index == 50:
                break
    assert names_in(tmp_path) == []


def test_the_check_at_the_end_tells_how_far_it_is_and_can_be_stopped(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 160, 96, 25.0) as video:
        for index in range(65):
            video.write(numbered(index))
        seen = []
        assert drive(video.finishing(), seen.append) == path
        assert path.exists()
        assert drive(video.finishing()) == path
    assert seen == [Progress("Checking a.mp4", done, 65, "frames") for done in (20, 40, 60)]

    with VideoWriter(tmp_path / "b.mp4", 160, 96, 25.0) as video:
        for index in range(65):
            video.write(numbered(index))
        job = video.finishing()
        next(job)
        job.close()
    assert names_in(tmp_path) == ["a.mp4"]


def test_a_video_that_does_not_play_back_whole_is_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    close = VideoWriter._close

    def close_and_damage(self):
        close(self)
        data = self._partial.read_bytes()
        self._partial.write_bytes(data[: len(data) * 2 // 3])

    monkeypatch.setattr(VideoWriter, "_close", close_and_damage)
    with pytest.raises(SightlineError, match=r"a.mp4 was not saved: played back, the new file showed \d+ of 30"):
        write(path)
    assert names_in(tmp_path) == []


def test_a_video_without_a_picture_is_not_saved(tmp_path):
    with pytest.raises(SightlineError, match="no picture was written"):
        write(tmp_path / "a.mp4", 0)
    assert names_in(tmp_path) == []


def noise(frames):
    generator = np.random.default_rng(0)
    return (generator.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(frames))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_no_space_is_said_in_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")

    class OnFullDisk(VideoWriter):
        def _open(self, container, codecs):
            self._partial.symlink_to("/dev/full")
            super()._open(container, codecs)

    def export():
        with OnFullDisk(path, 640, 480, 25) as video:
            for image in noise(60):
                video.write(image)

    with pytest.raises(SightlineError, match=r"There is no space left for a.mp4 in"):
        export()
    assert names_in(tmp_path) == ["a.mp4"]
    assert path.read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_file_that_may_not_grow_ends_in_one_sentence(tmp_path):
    """In a process of its own, which may write 200 kB to a file."""
    program = f"""
import resource, signal, sys
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from engine.media.writer import VideoWriter
from engine.errors import SightlineError
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
generator = np.random.default_rng(0)
try:
    with VideoWriter({str(tmp_path / "a.mp4")!r}, 640, 480, 25.0) as video:
        for _ in range(60):
            video.write(generator.integers(0, 256, (480, 640, 3), np.uint8))
except SightlineError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.startswith("a.mp4 cannot be written in ")
    assert run.stderr == ""
    assert names_in(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 200_000


def test_a_place_that_cannot_be_written_to(tmp_path, monkeypatch):
    with pytest.raises(SightlineError, match=r"There is no folder .*nowhere: make it, or save a.mp4 elsewhere"):
        write(tmp_path / "nowhere" / "a.mp4")
    with pytest.raises(SightlineError, match=r"let its name end in one of .mp4"):
        write(tmp_path / "a.txt")
    (tmp_path / "b.mp4").mkdir()
    with pytest.raises(SightlineError, match="is a folder"):
        write(tmp_path / "b.mp4")
    assert names_in(tmp_path) == ["b.mp4"]

    def refuse(*_anything, **_more):
        raise PermissionError(errno.EACCES, "Permission denied")

    # root may write everywhere, so the system's refusal is pretended
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(SightlineError, match=r"cannot be written to: save a.mp4 elsewhere"):
        write(tmp_path / "a.mp4")


def test_a_picture_of_another_size_is_a_defect(tmp_path):
    with pytest.raises(ValueError, match="expected"), VideoWriter(tmp_path / "a.mp4", 160, 96, 25.0) as video:
        video.write(numbered(0, 100, 96))
    assert names_in(tmp_path) == []


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.mp4"

    def one(start):
        with VideoWriter(path, 160, 96, 25.0) as video:
            for index in range(start, start + 20):
                video.write(numbered(index))

    threads = [threading.Thread(target=one, args=(start,)) for start in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers_in(path) in (list(range(20)), list(range(100, 120)))
    assert names_in(tmp_path) == ["a.mp4"]


def test_another_reader_agrees(tmp_path):
    """OpenCV alone, without this project's reader."""
    write(tmp_path / "a.mp4", 30)
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    seen = []
    while (read := capture.read())[0]:
        seen.append(number_in(read[1]))
    capture.release()
    assert seen == list(range(30))
