"""Pictures, folders of them, and drawn frames as sources."""

import threading

import cv2
import numpy as np
import pytest
from media_numbered import number_in, numbered, save_picture

from engine.errors import SightlineError
from engine.job import Notice
from engine.media.drawn import DrawnSource
from engine.media.frame import Frame
from engine.media.source import open_source


def test_a_picture_is_a_source_of_one_frame(tmp_path):
    image = numbered(300, 90, 40)
    path = save_picture(tmp_path / "straße 駅.png", image)
    with open_source(str(path)) as source:
        assert source.info.kind == "image"
        assert (source.info.name, source.info.width, source.info.height) == (path.name, 90, 40)
        assert (source.info.frames, source.info.fps, source.info.duration_s) == (1, 0.0, None)
        (frame,) = source.frames()
        assert (frame.image == image).all()
        assert (source.at(0).image == image).all()
        with pytest.raises(SightlineError, match="has no frame 1"):
            source.at(1)


@pytest.mark.parametrize("shape", ["gray", "16 bits", "transparent"])
def test_every_kind_of_picture_comes_as_bgr(tmp_path, shape):
    gray = np.tile(np.arange(0, 256, 4, np.uint8), (20, 1))
    stored = {
        "gray": gray,
        "16 bits": gray.astype(np.uint16) * 257,
        "transparent": np.dstack([gray, gray, gray, np.full_like(gray, 128)]),
    }[shape]
    with open_source(str(save_picture(tmp_path / "a.png", stored))) as source:
        image = source.at(0).image
    assert image.dtype == np.uint8
    assert (image == gray[:, :, None]).all()


def test_a_photograph_is_turned_upright(tmp_path):
    jpeg = cv2.imencode(".jpg", numbered(1, 64, 32))[1].tobytes()
    # an EXIF block with one entry: orientation (0x0112) = 6, the camera was turned clockwise
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    exif = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2, "big") + b"Exif\0\0" + tiff
    (tmp_path / "phone.jpg").write_bytes(jpeg[:2] + exif + jpeg[2:])
    with open_source(str(tmp_path / "phone.jpg")) as source:
        assert (source.info.width, source.info.height) == (32, 64)
        assert source.at(0).image[:5].mean() > 200


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b"\x89PNG but not really", "cannot be read"),
        (b"words", "cannot be"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content, says):
    path = tmp_path / "wrong.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SightlineError, match=says), open_source(str(path)):
        pass


def folder_of(tmp_path, numbers, suffix=".png"):
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in numbers:
        save_picture(folder / f"Frame{number}{suffix}", numbered(number))
    return folder


def test_a_folder_is_read_in_natural_order(tmp_path):
    folder = folder_of(tmp_path, [1, 2, 9, 10, 11, 100])
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".Frame3.png").write_bytes(b"hidden")
    with open_source(str(folder)) as source:
        assert (source.info.kind, source.info.name, source.info.frames) == ("folder", "walk", 6)
        frames = list(source.frames())
        assert [number_in(frame.image) for frame in frames] == [1, 2, 9, 10, 11, 100]
        assert [frame.index for frame in frames] == list(range(6))
        assert [frame.time_s for frame in frames] == pytest.approx([index / 25 for index in range(6)])
        assert number_in(source.at(3).image) == 10
        assert [frame.index for frame in source.frames(4)] == [4, 5]
        for call in (lambda: source.at(6), lambda: list(source.frames(6))):
            with pytest.raises(SightlineError, match="walk has no frame 6: it has 6"):
                call()


def test_a_damaged_picture_is_skipped_and_named_and_the_others_keep_their_numbers(tmp_path):
    folder = folder_of(tmp_path, [1, 2, 3, 4])
    (folder / "Frame1.png").write_bytes(b"\x89PNG, but no more")
    whole = (folder / "Frame3.png").read_bytes()
    (folder / "Frame3.png").write_bytes(whole[:20])
    with open_source(str(folder)) as source:
        events = list(source.frames())
        assert [event.index for event in events if isinstance(event, Frame)] == [1, 3]
        assert [event.text[:20] for event in events if isinstance(event, Notice)] == [
            "Skipped: Frame1.png ",
            "Skipped: Frame3.png ",
        ]
        with pytest.raises(SightlineError, match=r"Frame3.png cannot be read"):
            source.at(2)
        assert number_in(source.at(3).image) == 4


def test_each_picture_of_a_folder_keeps_its_size(tmp_path):
    folder = folder_of(tmp_path, [1])
    save_picture(folder / "Frame2.jpg", numbered(2, 200, 50))
    with open_source(str(folder)) as source:
        assert (source.info.width, source.info.height) == (160, 96)
        assert [frame.image.shape for frame in source.frames()] == [(96, 160, 3), (50, 200, 3)]


def test_the_rate_of_a_benchmark_sequence_is_read(tmp_path):
    folder = folder_of(tmp_path, [1, 2])
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=walk\nframeRate=14\nseqLength=2\n")
    with open_source(str(folder)) as source:
        assert source.info.fps == 14
        assert source.at(1).time_s == pytest.approx(1 / 14)


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing to see")
    with pytest.raises(SightlineError, match="There is no picture in"), open_source(str(tmp_path)):
        pass
    (tmp_path / "a.png").write_bytes(b"damaged")
    (tmp_path / "b.jpg").touch()
    with pytest.raises(SightlineError, match="None of the 2 pictures"), open_source(str(tmp_path)):
        pass


def test_a_folder_of_real_frames(assets):
    with open_source(str(assets / "mot" / "TUD-Campus" / "img1")) as source:
        frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(71))
    assert {frame.image.shape for frame in frames} == {(480, 640, 3)}


def drawn(frames=40, draw=numbered, **how):
    return DrawnSource("squares", 160, 96, 20.0, frames, draw, **how)


def test_drawn_frames_are_a_source():
    with drawn(text="drawn:squares?seed=1") as source:
        info = source.info
        assert (info.text, info.kind, info.frames, info.live) == ("drawn:squares?seed=1", "drawn", 40, False)
        assert info.duration_s == 2.0
        frames = list(source.frames(3))
        assert [number_in(frame.image) for frame in frames] == list(range(3, 40))
        assert frames[0].time_s == pytest.approx(0.15)
        assert number_in(source.at(17).image) == 17
        with pytest.raises(SightlineError, match="squares has no frame 40"):
            source.at(40)


def test_frames_are_drawn_ahead_of_the_reader_but_not_without_end():
    drawn_so_far = []
    enough = threading.Event()

    def draw(index):
        drawn_so_far.append(index)
        if len(drawn_so_far) == 5:
            enough.set()
        return numbered(index)

    with drawn(500, draw) as source:
        frames = source.frames()
        next(frames)
        assert enough.wait(5)
        for _ in range(100):
            next(frames)
        # 101 were taken; 8 wait and one is in hand
        assert len(drawn_so_far) <= 110
        frames.close()


def test_an_error_while_drawing_arrives_after_what_was_drawn():
    def draw(index):
        if index == 5:
            raise RuntimeError("the pen broke")
        return numbered(index)

    with drawn(draw=draw) as source:
        frames = source.frames()
        assert [next(frames).index for _ in range(5)] == list(range(5))
        with pytest.raises(RuntimeError, match="the pen broke"):
            next(frames)
