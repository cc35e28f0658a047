"""Addresses that play as they are, from a server on this machine that behaves well and badly."""

import re
import threading
import time
from pathlib import Path

import pytest
from media_numbered import make_hls, make_video, number_in, numbered, save_picture
from media_server import MediaServer

from engine.errors import SightlineError
from engine.job import Notice, Progress
from engine.media.frame import Frame
from engine.media.patience import Patience
from engine.media.source import open_source, opening

SHORT = Patience(open_s=0.8, read_s=0.8, tries=2, first_wait_s=0.05, longest_wait_s=0.1)
"""For servers that misbehave."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """60 numbered frames with the index in front, some 100 kB."""
    return make_video(
        tmp_path_factory.mktemp("clip") / "clip.mp4",
        size=(320, 192),
        options={"g": "10", "bf": "2", "x264-params": "qp=1"},
        muxing={"movflags": "+faststart"},
    )


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """60 numbered frames as HLS in 6 pieces of 0.4 s."""
    return make_hls(tmp_path_factory.mktemp("hls"), each=10)


@pytest.fixture
def server():
    with MediaServer() as running:
        yield running


def watch(source, start=0):
    """(numbers of the frames, texts of the notices)."""
    numbers, notices = [], []
    for event in source.frames(start):
        if isinstance(event, Frame):
            assert number_in(event.image) == event.index
            numbers.append(event.index)
        elif isinstance(event, Notice):
            notices.append(event.text)
    return numbers, notices


def watch_until_it_is_given_up(source):
    """(numbers that the frames show, texts of the notices, the error)."""
    numbers, notices = [], []

    def look():
        for event in source.frames():
            if isinstance(event, Frame):
                numbers.append(number_in(event.image))
            elif isinstance(event, Notice):
                notices.append(event.text)

    with pytest.raises(SightlineError) as caught:
        look()
    return numbers, notices, str(caught.value)


def refused(address):
    with pytest.raises(SightlineError) as caught, open_source(address, patience=SHORT):
        pass
    sentence = str(caught.value)
    assert address in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_on_a_server_is_read_whole_and_any_frame_is_found(server, clip, ranges):
    address = server.add("/clips/a%20clip.mp4", clip, ranges=ranges)
    server.answers["/clips/a%20clip.mp4"].ranges = ranges
    with open_source(address, patience=SHORT) as source:
        info = source.info
        assert (info.name, info.kind, info.frames, info.live) == ("a clip.mp4", "stream", 60, False)
        assert (info.width, info.height, info.fps) == (320, 192, 25.0)
        assert watch(source) == (list(range(60)), [])
        assert [number_in(source.at(index).image) for index in (40, 3, 59)] == [40, 3, 59]
        assert watch(source, 52)[0] == list(range(52, 60))
        with pytest.raises(SightlineError, match="has no frame 60"):
            source.at(60)


def test_hls_with_an_end_is_a_file(server, pieces):
    for file in pieces.parent.iterdir():
        server.add(f"/hls/{file.name}", file)
    with open_source(server.url("/hls/list.m3u8"), patience=SHORT) as source:
        assert (source.info.frames, source.info.live) == (60, False)
        assert watch(source) == (list(range(60)), [])
        assert number_in(source.at(41).image) == 41


class Broadcast:
    """A live HLS playlist: lists the pieces up to now; what was listed first falls out."""

    def __init__(self, pieces, server):
        self.lines = pieces.read_text().splitlines()
        self.names = [line for line in self.lines if line.endswith(".ts")]
        self.listed, self.over = 3, False
        for name in self.names:
            server.add(f"/live/{name}", pieces.parent / name)
        self.address = server.add("/live/list.m3u8", self.playlist)

    def playlist(self):
        head = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
        listed = [line for name in self.names[: self.listed] for line in ("#EXTINF:0.4,", name)]
        return "\n".join([*head, *listed, *(["#EXT-X-ENDLIST"] if self.over else [])]).encode()


def test_hls_without_an_end_is_live_and_keeps_the_pace_of_the_broadcast(server, pieces):
    broadcast = Broadcast(pieces, server)
    with open_source(broadcast.address, patience=Patience(open_s=5, read_s=5)) as source:
        assert (source.info.live, source.info.frames) == (True, None)
        frames = []
        for event in source.frames():
            if isinstance(event, Frame):
                frames.append(event)
                if len(frames) == 3:
                    broadcast.listed = 6
                if event.index >= 45:
                    break
    # pieces arrive in one go; they are shown at their rate all the same, so hardly one is dropped
    assert len(frames) > 35
    took = frames[-1].captured_s - frames[0].captured_s
    assert took >= frames[-1].time_s - frames[0].time_s - 0.2
    assert [number_in(frame.image) for frame in frames] == [frame.index for frame in frames]


def test_a_live_stream_that_stalls_is_connected_to_again_and_given_up_in_the_end(server, pieces):
    broadcast = Broadcast(pieces, server)

    with open_source(broadcast.address, patience=SHORT) as source:
        # what was fetched is shown; from then on nobody is there
        server.answers["/live/list.m3u8"].never = True
        numbers, notices, error = watch_until_it_is_given_up(source)
    assert re.match(r"list.m3u8 has sent nothing for \d+ s, and did not come back after 2 tries: ", error)
    assert numbers[0] == 0
    assert notices == [
        "list.m3u8 sends nothing; connecting again.",
        "list.m3u8 sends nothing; connecting again in 0.05 s.",
    ]


def test_a_live_stream_that_comes_back_goes_on(server, pieces):
    broadcast = Broadcast(pieces, server)
    with open_source(broadcast.address, patience=SHORT) as source:
        notices, after = [], []
        for event in source.frames():
            if isinstance(event, Notice):
                notices.append(event.text)
                broadcast.listed = 6
            elif isinstance(event, Frame) and len(notices) >= 2:
                after.append(event)
                if len(after) == 3:
                    break
    assert notices[0] == "list.m3u8 sends nothing; connecting again."
    assert notices[1].startswith("list.m3u8 is back after ")
    # numbers and times go on
    assert after[0].index > 0
    assert after[0].time_s > 0.5
    assert after[0].time_s < after[1].time_s < after[2].time_s


def test_a_broadcast_that_is_over_ends(server, pieces):
    broadcast = Broadcast(pieces, server)
    with open_source(broadcast.address, patience=SHORT) as source:
        broadcast.over = True
        _, notices = watch(source)
    assert notices[-1] == "list.m3u8 has ended."


def test_a_camera_in_the_network_is_live(server):
    """Motion JPEG in one answer that does not end, as network cameras send it."""
    import cv2

    parts = []
    for index in range(30):
        jpeg = cv2.imencode(".jpg", numbered(index))[1].tobytes()
        parts.append(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg))
    address = server.add(
        "/video", b"".join(parts), kind="multipart/x-mixed-replace; boundary=next", ranges=False, length=False
    )
    with open_source(address, patience=SHORT) as source:
        assert source.info.live
        frames = source.frames()
        assert number_in(next(event for event in frames if isinstance(event, Frame)).image) == 0
        frames.close()


def test_a_picture_at_an_address_is_a_picture(server, tmp_path):
    address = server.add("/image?id=7", b"")
    server.add("/image", save_picture(tmp_path / "a.png", numbered(5)), kind="image/png")
    with open_source(address, patience=SHORT) as source:
        assert (source.info.kind, source.info.frames) == ("image", 1)
        assert number_in(source.at(0).image) == 5


def test_a_stall_is_told_from_the_end_and_the_rest_is_fetched(server, clip):
    # the question what it is and the first connection stall, the next one does not
    address = server.add("/stalls.mp4", clip, stalls_after=clip.stat().st_size // 2, times=2)
    with open_source(address, patience=SHORT) as source:
        assert watch(source) == (list(range(60)), ["stalls.mp4 sends nothing; connecting again."])


def test_a_file_that_never_goes_on_is_given_up_with_a_sentence(server, clip):
    address = server.add("/stalls.mp4", clip, ranges=False, stalls_after=clip.stat().st_size // 2)
    with open_source(address, patience=SHORT) as source:
        numbers, notices, error = watch_until_it_is_given_up(source)
    assert error.startswith(f"stalls.mp4 stopped after {len(numbers)} of 60 frames and did not go on after 2 tries")
    assert numbers == list(range(len(numbers)))
    assert 10 < len(numbers) < 60
    assert len(notices) == SHORT.tries


def test_a_connection_that_breaks_is_made_again(server, clip):
    address = server.add("/breaks.mp4", clip, breaks_after=clip.stat().st_size // 2, times=2)
    with open_source(address, patience=SHORT) as source:
        assert watch(source) == (list(range(60)), ["breaks.mp4 broke off; connecting again."])


def test_a_file_that_is_short_on_the_server_ends_with_a_notice(server, clip):
    whole = clip.read_bytes()
    address = server.add("/short.mp4", whole[: len(whole) * 2 // 3])
    with open_source(address, patience=SHORT) as source:
        numbers, notices = watch(source)
        assert source.info.frames == len(numbers)
    assert 20 < len(numbers) < 60
    assert notices[-1] == f"short.mp4 is cut short: {len(numbers)} of its 60 frames could be read."


@pytest.mark.parametrize(
    ("status", "says"),
    [(404, "There is nothing at"), (410, "nothing at"), (403, "does not let"), (500, "reports an error")],
)
def test_a_server_that_refuses_is_named(server, status, says):
    assert says in refused(server.add("/a.mp4", status=status))


def test_a_server_that_never_answers(server):
    assert "did not answer within 0.8 s" in refused(server.add("/a.mp4", never=True))


def test_a_port_where_nobody_listens(server):
    address = server.url("/a.mp4")
    server.__exit__()
    try:
        assert "cannot be reached" in refused(address)
    finally:
        server._http.server_close()


@pytest.mark.parametrize("address", ["http://", "http://[::1", "rtsp://"])
def test_what_is_no_address(address):
    assert "is no address that can be opened" in refused(address)


def test_a_stream_that_nobody_sends():
    assert "cannot be reached or has no video" in refused("rtsp://127.0.0.1:9/street")


def test_an_mp4_that_is_none(server):
    assert "cannot be played" in refused(server.add("/a.mp4", b"\0\1\2 nothing like a video" * 500))


def test_opening_can_be_stopped_while_the_server_is_silent(server):
    """The job yields all the time, so that closing it gets through."""
    address = server.add("/a.mp4", never=True)
    job = opening(address, patience=Patience(open_s=2.0, read_s=2.0))
    assert next(job) == Progress(f"Asking {address}")
    assert next(job) == Progress(f"Asking {address}")
    job.close()


def test_reading_can_be_stopped_while_the_server_is_silent(server, clip):
    address = server.add("/stalls.mp4", clip, stalls_after=clip.stat().st_size // 2)
    with open_source(address, patience=Patience(open_s=2.5, read_s=2.5)) as source:
        frames = source.frames()
        assert any(isinstance(event, Progress) for event in frames)
        frames.close()


def test_a_stream_that_was_opened_and_not_read_leaves_nothing(server, clip):
    open_source(server.add("/a.mp4", clip), patience=SHORT).close()
    until = time.monotonic() + 3
    while time.monotonic() < until and _decoding():
        time.sleep(0.02)
    assert not _decoding()


def _decoding():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sightline-decode")]


def test_a_local_playlist_is_played(pieces):
    with open_source(str(Path(pieces))) as source:
        assert [number_in(event.image) for event in source.frames() if isinstance(event, Frame)] == list(range(60))
