"""Video files: every frame in order, any frame exactly, and a sentence for each that cannot be read."""

import random
import shutil
import threading

import av
import numpy as np
import pytest
from media_numbered import FPS, make_video, number_in, turned

from engine.errors import SightlineError
from engine.job import Notice
from engine.media.frame import Frame
from engine.media.source import open_source

UNEVEN_MS = [0, *np.cumsum([20, 33, 50, 120, 33, 33, 41] * 9)][:60]

FILES = {
    "B-frames.mp4": {},
    "one long group.mp4": {"options": {"g": "250"}},
    "open groups.mp4": {"options": {"x264-params": "open-gop=1"}},
    "29.97.mp4": {"fps": 30000 / 1001},
    "odd width.mp4": {"size": (161, 97), "pixels": "yuv444p"},
    "variable rate.mp4": {"shown_ms": UNEVEN_MS},
    "variable rate.mkv": {"shown_ms": UNEVEN_MS},
    "starts late.mp4": {"shown_ms": [1500 + 40 * i for i in range(60)]},
    "fragments.mp4": {"muxing": {"movflags": "frag_keyframe+empty_moov"}},
    "matroska.mkv": {},
    "no length.mkv": {"muxing": {"live": "1"}},
    "broadcast.ts": {},
    "old.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "raw.h264": {"container": "h264"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "motion jpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Numbered videos of 60 frames, made when they are first asked for."""
    folder = tmp_path_factory.mktemp("videos")

    def get(name):
        path = folder / name
        return path if path.exists() else make_video(path, **FILES[name])

    return get


def frames_of(events):
    return [event for event in events if isinstance(event, Frame)]


def refused(text):
    with pytest.raises(SightlineError) as caught, open_source(str(text)):
        pass
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", FILES)
def test_every_frame_comes_once_in_order(files, name):
    with open_source(str(files(name))) as source:
        seen = list(source.frames())
    assert [number_in(frame.image) for frame in seen] == list(range(60))
    assert [frame.index for frame in seen] == list(range(60))
    times = np.array([frame.time_s for frame in seen])
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    wanted = np.array(UNEVEN_MS) / 1e3 if "variable" in name else np.arange(60) / FILES[name].get("fps", FPS)
    np.testing.assert_allclose(times, wanted, atol=0.0015)


@pytest.mark.parametrize("name", FILES)
def test_a_seek_finds_exactly_that_frame(files, name):
    wanted = [0, 59, 1, 30, 31, 29, 58, *random.Random(0).sample(range(60), 12)]
    with open_source(str(files(name))) as source:
        found = [source.at(index) for index in wanted]
        begun = {start: frames_of(source.frames(start)) for start in (1, 37, 59)}
    assert [number_in(frame.image) for frame in found] == wanted
    assert [frame.index for frame in found] == wanted
    for start, frames in begun.items():
        assert [number_in(frame.image) for frame in frames] == list(range(start, 60))


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_says_of_itself(files, name):
    with open_source(str(files(name))) as source:
        info = source.info
        list(source.frames())
        after = source.info
    assert (info.name, info.kind, info.live) == (name, "video", False)
    assert (info.width, info.height) == FILES[name].get("size", (160, 96))
    # a raw stream says nothing; read to its end, its length is known
    assert info.frames == (None if name == "raw.h264" else 60)
    assert after.frames == 60


def test_av1_is_decoded_by_the_second_decoder(tmp_path):
    if "libsvtav1" not in av.codecs_available:
        pytest.skip("this build of PyAV has no AV1 encoder to draw the video with")
    path = make_video(tmp_path / "av1.mp4", 30, codec="libsvtav1", options={"preset": "12", "svtav1-params": "lp=1"})
    with open_source(str(path)) as source:
        assert [number_in(frame.image) for frame in source.frames()] == list(range(30))
        assert [number_in(source.at(index).image) for index in (29, 0, 15, 14)] == [29, 0, 15, 14]


def test_a_seek_past_the_end_is_refused_and_the_source_lives_on(files):
    with open_source(str(files("B-frames.mp4"))) as source:
        for call in (lambda: source.at(60), lambda: source.at(10**9), lambda: list(source.frames(75))):
            with pytest.raises(SightlineError, match=r"B-frames.mp4 has no frame \d+: it has 60"):
                call()
        assert number_in(source.at(12).image) == 12


def test_frames_that_were_handed_out_are_never_written_again(files):
    with open_source(str(files("B-frames.mp4"))) as source:
        kept, copies = [], []
        for frame in source.frames():
            kept.append(frame.image)
            copies.append(frame.image.copy())
    assert all((a == b).all() for a, b in zip(kept, copies, strict=True))


def test_a_picture_is_turned_as_the_camera_was(tmp_path):
    path = turned(make_video(tmp_path / "flat.mp4", 3), tmp_path / "upright.mp4")
    with open_source(str(path)) as source:
        assert (source.info.width, source.info.height) == (96, 160)
        image = source.at(1).image
    # frame 1 has its white column at the left, which is the top now
    assert image[:10].mean() > 200
    assert image[40:].mean() < 50


def test_one_pixel_is_a_video(tmp_path):
    path = make_video(tmp_path / "one.avi", 5, size=(1, 1), codec="ffv1", pixels="bgr0")
    with open_source(str(path)) as source:
        assert [frame.image.shape for frame in source.frames()] == [(1, 1, 3)] * 5


def test_any_name_opens(files, tmp_path):
    path = tmp_path / "Zürich – 駅前 100%d 'Straße'.mp4"
    shutil.copy(files("B-frames.mp4"), path)
    for text in (str(path), f'"{path}"', path.as_uri()):
        with open_source(text) as source:
            assert number_in(source.at(33).image) == 33
            assert source.info.text == text
            assert source.info.name == path.name


def test_a_truncated_file_is_read_as_far_as_it_goes_and_says_so(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", muxing={"movflags": "+faststart"}, options={"g": "10"}).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * 0.7)])
    with open_source(str(cut)) as source:
        assert source.info.frames == 60
        events = list(source.frames())
        frames = frames_of(events)
        assert 20 < len(frames) < 60
        assert [number_in(frame.image) for frame in frames[:-2]] == list(range(len(frames) - 2))
        assert events[-1] == Notice(f"cut.mp4 is cut short: {len(frames)} of its 60 frames could be read.")
        assert source.info.frames == len(frames)
        with pytest.raises(SightlineError, match="has no frame 59"):
            source.at(59)


def test_a_truncated_matroska_file_is_told_from_a_whole_one(tmp_path):
    whole = make_video(tmp_path / "whole.mkv", options={"g": "10"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    with open_source(str(cut)) as source:
        *frames, last = list(source.frames())
        assert 20 < len(frames) < 60
        assert last == Notice(f"cut.mkv is cut short: its first {len(frames)} frames could be read.")
        assert source.info.frames == len(frames)


def test_a_whole_file_ends_without_a_notice(files):
    with open_source(str(files("B-frames.mp4"))) as source:
        assert all(isinstance(event, Frame) for event in source.frames())


def test_a_file_that_lost_its_index_says_that_it_is_cut_short(tmp_path):
    # x264's default puts the index at the end
    whole = make_video(tmp_path / "whole.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    assert refused(cut).startswith("cut.mp4 is cut short: the index")


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path):
    assert "There is no file" in refused(tmp_path / "missing.mp4")

    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4").startswith("empty.mp4 is empty (0 bytes)")

    (tmp_path / "letter.mp4").write_text("Dear reader, this is no video.\n" * 300)
    assert refused(tmp_path / "letter.mp4").startswith("letter.mp4 is a text file")

    (tmp_path / "noise.mp4").write_bytes(random.Random(0).randbytes(50_000))
    assert refused(tmp_path / "noise.mp4").startswith("noise.mp4 cannot be read")

    with av.open(str(tmp_path / "song.mp4"), "w") as target:
        stream = target.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        target.mux(stream.encode(frame))
        target.mux(stream.encode())
    assert refused(tmp_path / "song.mp4").startswith("song.mp4 has sound but no pictures")


def test_the_decoders_print_nothing(files, tmp_path, capfd):
    (tmp_path / "noise.mp4").write_bytes(random.Random(0).randbytes(50_000))
    refused(tmp_path / "noise.mp4")
    with open_source(str(files("broadcast.ts"))) as source:
        for index in (50, 3, 41):
            source.at(index)
    assert capfd.readouterr() == ("", "")


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sightline-decode")]


def test_closing_the_iterator_or_the_source_ends_the_decoder(files):
    source = open_source(str(files("B-frames.mp4")))
    first, second = source.frames(), source.frames(20)
    assert number_in(next(first).image) == 0
    assert number_in(next(second).image) == 20
    assert len(decoders()) == 2
    first.close()
    assert len(decoders()) == 1
    source.close()
    assert decoders() == []
    source.close()


def test_two_readers_of_one_source_do_not_disturb_each_other(files):
    with open_source(str(files("B-frames.mp4"))) as source:
        pairs = list(zip(source.frames(), source.frames(10), strict=False))
        assert [(number_in(a.image), number_in(b.image)) for a, b in pairs] == [(n, n + 10) for n in range(50)]


def test_real_clips_are_read_whole(assets):
    for name, frames in {"TUD-Campus.mp4": 71, "TUD-Stadtmitte.mp4": 179}.items():
        with open_source(str(assets / "video" / name)) as source:
            assert source.info.frames == frames
            assert (source.info.width, source.info.height) == (640, 480)
            events = list(source.frames())
            assert [frame.index for frame in events] == list(range(frames))
            for index in (frames - 1, 40, 3):
                assert (source.at(index).image == events[index].image).all()
