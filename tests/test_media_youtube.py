"""Pages with a video, looked up, watched and downloaded by the real yt-dlp from a server on this machine."""

import errno
import json
import os
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from media_numbered import make_hls, make_video, number_in
from media_server import MediaServer

from engine.errors import SightlineError
from engine.job import Notice, Progress, drive
from engine.media import youtube, ytdlp
from engine.media.downloads import DownloadedVideo, downloads, forget, remember
from engine.media.frame import Frame
from engine.media.patience import Patience
from engine.media.source import open_source
from engine.media.youtube import ChooseEntry, Entry, download, look_up

SHORT = Patience(open_s=1.0, read_s=1.0, tries=2, first_wait_s=0.05, longest_wait_s=0.1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """60 numbered frames in some 200 kB: the noise of a soundtrack makes it large enough to be interrupted."""
    path = make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", muxing={"movflags": "+faststart"})
    # a box that players skip (ISO/IEC 14496-12, 8.1.2)
    filling = 200_000
    path.write_bytes(path.read_bytes() + filling.to_bytes(4, "big") + b"free" + b"\xa5" * (filling - 8))
    return path


@pytest.fixture
def server():
    with MediaServer() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of downloads, empty."""
    monkeypatch.setattr("engine.runtime.downloads_folder", lambda: tmp_path)
    return tmp_path


def add_page(server, clip, names=("street",), title="A page about streets"):
    """A page with as many videos; returns its address."""
    for name in names:
        server.add(f"/media/{name}.mp4", clip)
    videos = "".join(f'<video src="/media/{name}.mp4" width="160" height="96"></video>' for name in names)
    head = f'<title>{title}</title><meta property="og:title" content="{title}">'
    body = f"<html><head>{head}</head><body>{videos}</body></html>"
    return server.add("/page.html", body.encode())


def videos_in(folder):
    return sorted(file.name for file in folder.iterdir() if file.suffix in (".mp4", ".ts"))


def parts_in(folder):
    return list(folder.rglob("*.part"))


def test_a_page_is_looked_up(server, clip):
    page = look_up(add_page(server, clip), patience=SHORT)
    # yt-dlp numbers what a page of its own making holds
    assert page.title.startswith("A page about streets")
    assert (page.live, page.entries) == (False, ())


def test_a_page_with_a_video_is_watched(server, clip):
    address = add_page(server, clip)
    with open_source(address, patience=SHORT) as source:
        info = source.info
        assert (info.text, info.kind) == (address, "stream")
        assert info.name.startswith("A page about streets")
        assert (info.frames, info.live) == (60, False)
        assert [number_in(event.image) for event in source.frames() if isinstance(event, Frame)] == list(range(60))
        assert number_in(source.at(33).image) == 33


def test_what_the_page_asks_for_is_sent_with_each_request(server, clip, monkeypatch):
    address = add_page(server, clip)
    sent = []
    monkeypatch.setattr(
        "engine.media.stream.open_capture",
        lambda url, patience, options: sent.append(dict(options)),
    )
    with pytest.raises(SightlineError, match="cannot be played"), open_source(address, patience=SHORT):
        pass
    assert sent[0]["user_agent"].startswith("Mozilla/5.0")
    assert "OPENCV_FFMPEG_CAPTURE_OPTIONS" not in os.environ


def test_a_page_with_two_videos_asks_which(server, clip):
    address = add_page(server, clip, ("street", "square"))
    page = look_up(address, patience=SHORT)
    assert len(page.entries) == 2
    assert all(isinstance(entry, Entry) and entry.title for entry in page.entries)
    for call in (lambda: open_source(address, patience=SHORT), lambda: drive(download(address, patience=SHORT))):
        with pytest.raises(ChooseEntry, match=r"page.html holds 2 videos, choose one: 1 .*, 2 ") as caught:
            call()
        assert caught.value.page.entries == page.entries
    with open_source(address, entry=1, patience=SHORT) as source:
        assert source.info.frames == 60
    assert server.requests[-1][0] == "/media/square.mp4"
    with pytest.raises(SightlineError, match="there is no number 3"):
        open_source(address, entry=2, patience=SHORT)


def test_one_of_two_is_downloaded(server, clip, folder):
    address = add_page(server, clip, ("street", "square"))
    path = drive(download(address, entry=1, patience=SHORT))
    assert path.read_bytes() == clip.read_bytes()
    assert server.ranges_asked("/media/square.mp4")


def test_a_download_is_kept_and_listed(server, clip, folder):
    address = add_page(server, clip)
    events = []
    path = drive(download(address, patience=SHORT), events.append)
    assert path.parent == folder
    assert path.name.startswith("A page about streets")
    assert path.read_bytes() == clip.read_bytes()
    assert not (folder / ".unfinished").exists() or not list((folder / ".unfinished").iterdir())
    assert any(isinstance(event, Progress) and event.unit == "bytes" for event in events)

    (video,) = downloads()
    assert (video.path, video.address) == (path, address)
    assert video.title.startswith("A page about streets")
    assert (video.width, video.height, video.fps, video.bytes) == (160, 96, 25.0, clip.stat().st_size)
    assert video.duration_s == pytest.approx(2.4)

    # the second time it is there already
    events.clear()
    server.requests.clear()
    assert drive(download(address, patience=SHORT), events.append) == path
    assert Notice(f"{path.name} was downloaded before.") in events
    assert server.ranges_asked("/media/street.mp4") == []
    assert videos_in(folder) == [path.name]

    forget(path)
    assert downloads() == []
    assert not path.exists()


def test_a_download_tells_how_far_it_is_and_how_long_still(server, clip, folder):
    address = server.add("/slow.mp4", clip)
    server.answers["/slow.mp4"].bytes_a_second = 400_000
    seen = []
    drive(download(address, patience=Patience(read_s=5)), seen.append)
    steps = [event for event in seen if isinstance(event, Progress) and event.unit == "bytes"]
    done = [event.done for event in steps]
    assert done == sorted(done)
    assert 0 < done[0] < steps[0].total == clip.stat().st_size
    assert any(event.rate and event.left_s is not None for event in steps)
    assert steps[0].what.startswith("Downloading ")


def test_cancel_leaves_the_part_and_no_file_and_the_next_try_goes_on_there(server, clip, folder):
    address = server.add("/slow.mp4", clip)
    server.answers["/slow.mp4"].bytes_a_second = 200_000
    with closing(download(address, patience=SHORT)) as job:
        for event in job:
            if isinstance(event, Progress) and event.unit == "bytes" and event.done > 40_000:
                break
    assert videos_in(folder) == []
    assert downloads() == []
    (part,) = parts_in(folder)
    there = part.stat().st_size
    assert 0 < there < clip.stat().st_size

    server.answers["/slow.mp4"].bytes_a_second = None
    server.requests.clear()
    path = drive(download(address, patience=SHORT))
    assert f"bytes={there}-" in server.ranges_asked("/slow.mp4")
    assert path.read_bytes() == clip.read_bytes()
    assert parts_in(folder) == []


def test_a_server_that_knows_no_ranges_starts_again(server, clip, folder):
    address = server.add("/old.mp4", clip, ranges=False)
    server.answers["/old.mp4"].bytes_a_second = 200_000
    with closing(download(address, patience=SHORT)) as job:
        for event in job:
            if isinstance(event, Progress) and event.done > 40_000:
                break
    assert parts_in(folder)
    server.answers["/old.mp4"].bytes_a_second = None
    assert drive(download(address, patience=SHORT)).read_bytes() == clip.read_bytes()


def test_a_connection_that_breaks_is_made_again_where_it_was(server, clip, folder):
    # yt-dlp's look at what it is, and the first part of the download, break off
    address = server.add("/breaks.mp4", clip, breaks_after=90_000, times=2)
    seen = []
    path = drive(download(address, patience=SHORT), seen.append)
    assert path.read_bytes() == clip.read_bytes()
    assert any(isinstance(event, Notice) and "broke off; trying again" in event.text for event in seen)
    assert any(asked and asked != "bytes=0-" for asked in server.ranges_asked("/breaks.mp4"))


def test_a_download_that_never_gets_whole_is_given_up_and_its_part_kept(server, clip, folder):
    address = server.add("/stalls.mp4", clip, stalls_after=50_000)
    server.answers["/stalls.mp4"].ranges = False
    with pytest.raises(SightlineError, match=r"did not answer|broke off"):
        drive(download(address, patience=SHORT))
    assert videos_in(folder) == []
    (part,) = parts_in(folder)
    assert len(part.read_bytes()) > 1000
    assert clip.read_bytes().startswith(part.read_bytes())


def test_a_stalled_download_can_be_stopped(server, clip, folder):
    address = server.add("/stalls.mp4", clip, stalls_after=100_000)
    patience = Patience(read_s=2.0, tries=0)
    with closing(download(address, patience=patience)) as job:
        for event in job:
            # the same is said again and again while nothing comes, so that the job can be closed between
            if isinstance(event, Progress) and event.done and next(job) == event:
                break
    assert videos_in(folder) == []


def test_hls_becomes_a_file_in_which_any_frame_is_found(server, tmp_path, folder):
    (tmp_path / "hls").mkdir()
    playlist = make_hls(tmp_path / "hls")
    for file in playlist.parent.iterdir():
        server.add(f"/hls/{file.name}", file)
    path = drive(download(server.url("/hls/list.m3u8"), patience=SHORT))
    assert path.suffix == ".mp4"
    with open_source(str(path)) as source:
        assert [number_in(event.image) for event in source.frames()] == list(range(60))
        assert number_in(source.at(41).image) == 41
    assert path.read_bytes()[4:8] == b"ftyp"


def test_what_is_live_is_not_downloaded(server, tmp_path, folder):
    (tmp_path / "hls").mkdir()
    playlist = make_hls(tmp_path / "hls")
    for file in playlist.parent.iterdir():
        server.add(f"/hls/{file.name}", file)
    server.add("/hls/list.m3u8", playlist.read_bytes().replace(b"#EXT-X-ENDLIST", b""))
    assert look_up(server.url("/hls/list.m3u8"), patience=SHORT).live
    with pytest.raises(SightlineError, match="is live: watch it now"):
        drive(download(server.url("/hls/list.m3u8"), patience=SHORT))


def test_what_is_no_video_is_not_kept(server, folder):
    address = server.add("/broken.mp4", b"\0\0\0\x18ftypisom, and then nothing like a video" * 400)
    with pytest.raises(SightlineError, match=r"What came from .* is no video that can be read"):
        drive(download(address, patience=SHORT))
    assert [file for file in folder.rglob("*") if file.is_file()] == []


def test_two_videos_of_one_name_do_not_replace_each_other(server, clip, folder):
    first = drive(download(server.add("/a/clip.mp4", clip), patience=SHORT))
    second = drive(download(server.add("/b/clip.mp4", clip), patience=SHORT))
    assert first != second
    assert len(videos_in(folder)) == len(downloads()) == 2


@pytest.mark.parametrize(
    ("status", "says"), [(404, "There is nothing at"), (403, "does not let"), (503, "reports an error")]
)
def test_a_page_that_is_refused(server, folder, status, says):
    address = server.add("/watch", b"<html>no</html>", kind="text/html", status=status)
    for call in (lambda: look_up(address, patience=SHORT), lambda: drive(download(address, patience=SHORT))):
        with pytest.raises(SightlineError, match=says) as caught:
            call()
        assert address in str(caught.value)
        assert "ERROR" not in str(caught.value)
        assert "[generic]" not in str(caught.value)


def test_a_page_without_a_video(server):
    address = server.add("/watch", b"<html><title>Words</title>only words</html>", kind="text/html")
    for call in (lambda: look_up(address, patience=SHORT), lambda: open_source(address, patience=SHORT)):
        with pytest.raises(SightlineError, match=f"No video was found at {address}"):
            call()


def test_a_page_that_never_answers(server):
    with pytest.raises(SightlineError, match="did not answer within 1 s"):
        look_up(server.add("/watch", never=True), patience=SHORT)


def test_what_is_no_address(server):
    for wrong in ("file:///etc/passwd", "https://", "nosuch://thing"):
        with pytest.raises(SightlineError) as caught:
            look_up(wrong, patience=SHORT)
        assert str(caught.value).endswith(".")
        assert "ERROR" not in str(caught.value)


def test_the_words_of_a_site_are_passed_on_without_the_wrapping():
    from yt_dlp.utils import DownloadError, ExtractorError

    inner = ExtractorError("Private video. Sign in if you've been granted access to this video", expected=True)
    outer = DownloadError(
        "ERROR: [youtube] dQw4w9WgXcQ: Private video. Sign in if you've been granted access to this video. "
        "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/x",
        (ExtractorError, inner, None),
    )
    assert ytdlp.sentence(outer, "https://www.youtube.com/watch?v=dQw4w9WgXcQ", SHORT) == (
        "www.youtube.com does not give this video: Private video. Sign in if you've been granted access to this video."
    )
    full = DownloadError("ERROR: unable to write data", (OSError, OSError(errno.ENOSPC, "No space left"), None))
    assert "no space left" in ytdlp.sentence(full, "https://a.b/c", SHORT)


def test_no_space_for_a_download(server, clip, folder, monkeypatch):
    import yt_dlp.downloader.common as common

    class Full:
        """A file on a full disk."""

        def write(self, _data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self): ...

    monkeypatch.setattr(common.FileDownloader, "sanitize_open", lambda _self, name, _mode: (Full(), name), raising=True)
    with pytest.raises(SightlineError, match="no space left"):
        drive(download(server.add("/a.mp4", clip), patience=SHORT))
    assert videos_in(folder) == []


def test_a_folder_that_cannot_be_made(server, clip, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SightlineError, match="file cannot be written: not a directory; choose another folder"):
        drive(download(server.add("/a.mp4", clip), folder=tmp_path / "file", patience=SHORT))


def test_the_list_of_downloads_survives_damage_and_lost_files(folder):
    path = folder / "a.mp4"
    path.write_bytes(b"1")
    video = DownloadedVideo(path, "A – ü", "https://a.b/c", 10, 20, 25.0, None, 1, 5.0)
    remember(video)
    remember(video)
    assert downloads() == [video]
    other = folder / "b.mp4"
    other.write_bytes(b"1")
    remember(DownloadedVideo(other, "B", "https://a.b/d", 10, 20, 25.0, 3.5, 1, 6.0))
    assert [known.title for known in downloads()] == ["B", "A – ü"]
    other.unlink()
    assert downloads() == [video]
    (folder / "downloads.json").write_text("{ half a li")
    assert downloads() == []
    (folder / "downloads.json").write_text(json.dumps([{"path": "x"}, 7]))
    assert downloads() == []


def test_yt_dlp_is_asked_to_run_nothing_and_to_write_nothing_of_its_own():
    asked = ytdlp.options(SHORT)
    assert asked["cachedir"] is False
    assert asked["postprocessors"] == []
    assert asked["ffmpeg_location"] == os.devnull
    assert "exec_cmd" not in asked
    runtime = asked["js_runtimes"]["deno"].get("path")
    if (Path(sys.executable).parent / "deno").exists():
        assert Path(runtime).parent == Path(sys.executable).parent


def test_yt_dlp_finds_the_runtime_for_youtube_where_the_path_does_not(monkeypatch):
    if not (Path(sys.executable).parent / "deno").exists():
        pytest.skip("deno is not installed beside this Python")
    monkeypatch.setenv("PATH", "/nowhere")
    with ytdlp.youtube_dl("https://a.b/c", SHORT, {}) as ydl:
        found = ydl._js_runtimes["deno"]
        assert found is not None
        assert found.info is not None
        assert found.info.supported


def test_of_many_formats_the_highest_is_downloaded_and_the_chosen_height_watched():
    formats = [
        {"format_id": str(n), "url": f"https://a.b/{n}.mp4", "protocol": protocol, "ext": "mp4"}
        | {"height": height, "width": height * 16 // 9, "vcodec": codec, "acodec": sound, "fps": 30}
        for n, (height, codec, sound, protocol) in enumerate(
            [
                (360, "avc1.42", "mp4a", "https"),
                (720, "avc1.64", "none", "https"),
                (1080, "av01.0", "none", "https"),
                (1080, "avc1.64", "none", "https"),
                (1440, "vp9", "none", "https"),
                (2160, "av01.0", "none", "https"),
                (2160, "vp9", "none", "https"),
                (2160, "avc1.64", "none", "http_dash_segments"),
            ]
        )
    ]

    def chosen(form, sort):
        with ytdlp.youtube_dl("https://a.b/c", SHORT, {"format": form, "format_sort": sort}) as ydl:
            info = {"id": "x", "title": "x", "extractor": "x", "formats": [dict(f) for f in formats]}
            return ydl.process_ie_result(info, download=False)

    best = chosen(youtube._DOWNLOAD, ["res", "fps", youtube._CODEC])
    assert best["height"] == 2160
    assert "requested_formats" not in best
    for height, expected in ((720, "1"), (1080, "3"), (1000, "1"), (4000, "6")):
        assert chosen(youtube._WATCH, [f"res:{height}", "fps", youtube._CODEC])["format_id"] == expected
    assert youtube._page("https://a.b/c", best).heights == (2160, 1440, 1080, 720, 360)


def test_no_download_thread_is_left():
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sightline")]
