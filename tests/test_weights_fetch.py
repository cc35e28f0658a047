"""Finding weights on this machine, and fetching them from a server on 127.0.0.1 that behaves well or badly."""

import hashlib
import json
import os
import socket
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine import runtime
from engine.errors import SightlineError
from engine.job import Progress, drive
from engine.weights.cards import Card
from engine.weights.fetch import fetch, find_weights, locate

DATA = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers by path: /good, /missing, /page, /cut, /stall, /silent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append(dict(self.headers))
        getattr(self, "answer_" + self.path.strip("/").partition("/")[0])()

    def head(self, status=200, length=1 << 20, **more):
        self.send_response(status)
        for name, value in {"Content-Length": length, "ETag": '"one"', "Connection": "close", **more}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def answer_good(self):
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if begin and self.headers.get("If-Range") == '"one"':
            self.head(206, len(DATA) - begin, Content_Range=f"bytes {begin}-{len(DATA) - 1}/{len(DATA)}")
            self.wfile.write(DATA[begin:])
        else:
            self.head()
            self.wfile.write(DATA)

    def answer_missing(self):
        self.send_error(404)

    def answer_page(self):
        self.head(length=15, Content_Type="text/html; charset=utf-8")
        self.wfile.write(b"<html>no</html>")

    def answer_cut(self):
        self.head()
        self.wfile.write(DATA[:1000])

    def answer_stall(self):
        self.head()
        self.wfile.write(DATA[:1000])
        self.wfile.flush()
        self.server.released.wait(20)

    def answer_silent(self):
        self.server.released.wait(20)

    def log_message(self, *_args):
        pass


@contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen, server.released = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server():
    with serving() as server:
        yield server


def card_at(server, path, **more):
    host, port = server.server_address
    return Card("net", "Net", f"http://{host}:{port}/{path}/net.pt", ("net.pt",), "AGPL-3.0", "detect", **more)


def refused(job):
    """The sentence with which a job ends."""
    with pytest.raises(SightlineError) as error:
        drive(job)
    return str(error.value)


def test_a_download_arrives_whole_and_its_hash_is_recorded(server, tmp_path):
    seen = []
    path = drive(fetch(card_at(server, "good", sha256=SHA256[:8]), tmp_path), seen.append)
    assert path == tmp_path / "net.pt"
    assert path.read_bytes() == DATA
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hashes.json", "net.pt"]
    assert json.loads((tmp_path / "hashes.json").read_text())["net.pt"]["sha256"] == SHA256
    loading = [event for event in seen if isinstance(event, Progress) and event.what == "Downloading net.pt"]
    assert (loading[-1].done, loading[-1].total, loading[-1].unit) == (len(DATA), len(DATA), "bytes")


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"mine")
    assert drive(fetch(card_at(server, "good", sha256=SHA256), tmp_path)).read_bytes() == b"mine"
    assert not server.seen


def test_an_interrupted_download_goes_on_where_it_was(server, tmp_path):
    job = fetch(card_at(server, "good"), tmp_path)
    for event in job:
        if event.done:
            break
    job.close()
    part = tmp_path / "net.pt.part"
    part.write_bytes(DATA[:5000])
    assert drive(fetch(card_at(server, "good"), tmp_path)).read_bytes() == DATA
    assert server.seen[-1]["Range"] == "bytes=5000-"
    assert not part.exists()


def test_what_was_begun_of_another_address_is_not_gone_on_with(server, tmp_path):
    (tmp_path / "net.pt.part").write_bytes(b"x" * 100)
    (tmp_path / "net.pt.part.json").write_text('{"address": "http://elsewhere", "validator": "one", "total": null}')
    assert drive(fetch(card_at(server, "good"), tmp_path)).read_bytes() == DATA


def test_another_file_than_expected_is_thrown_away(server, tmp_path):
    say = refused(fetch(card_at(server, "good", sha256="00000000"), tmp_path))
    assert "not the expected net.pt" in say
    assert list(tmp_path.iterdir()) == []


def test_a_later_download_is_compared_with_the_first(server, tmp_path):
    (tmp_path / "hashes.json").write_text('{"net.pt": {"sha256": "1234"}}')
    assert "not the expected net.pt" in refused(fetch(card_at(server, "good"), tmp_path))


@pytest.mark.parametrize(
    ("path", "words"),
    [("missing", "answers 404"), ("page", "web page"), ("cut", "broke after 1,000 of 1,048,576 bytes")],
)
def test_a_bad_answer_is_one_sentence(server, tmp_path, path, words):
    say = refused(fetch(card_at(server, path), tmp_path))
    assert words in say
    assert "net.pt" in say
    assert say.endswith(".")
    assert not (tmp_path / "net.pt").exists()


@pytest.mark.parametrize("path", ["silent", "stall"])
def test_a_server_that_stops_answering_is_given_up(server, tmp_path, path):
    say = refused(fetch(card_at(server, path), tmp_path, patience_s=0.4))
    assert "127.0.0.1" in say
    assert "answer" in say


@pytest.mark.parametrize("path", ["silent", "stall"])
def test_cancelling_does_not_wait_for_the_server(server, tmp_path, path):
    job = fetch(card_at(server, path), tmp_path)
    for _ in range(6):
        next(job)
    begun = time.monotonic()
    job.close()
    assert time.monotonic() - begun < 2
    assert not [thread for thread in threading.enumerate() if thread.name == "sightline-transfer"]
    assert not (tmp_path / "net.pt").exists()


def test_no_network_names_the_file_the_address_and_the_folder(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/net.pt"
        say = refused(fetch(Card("net", "Net", address, ("net.pt",), "MIT", "detect"), tmp_path))
    assert "no connection" in say
    assert "net.pt" in say
    assert address in say
    assert str(tmp_path) in say


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_sentence(server, tmp_path):
    (tmp_path / "net.pt.part").symlink_to("/dev/full")
    assert "no room left" in refused(fetch(card_at(server, "good"), tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="no lock that ends with the process")
def test_the_same_file_is_not_fetched_twice_at_once(server, tmp_path):
    first = fetch(card_at(server, "stall"), tmp_path)
    next(first)
    assert "being fetched already" in refused(fetch(card_at(server, "good"), tmp_path))
    first.close()


def test_weights_are_found_by_path_then_folders_then_what_was_downloaded(tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    downloaded = runtime.weights_folder() / "yolov8n.pt"
    monkeypatch.setenv("SIGHTLINE_WEIGHTS", os.pathsep.join([str(one), str(two)]))
    assert locate("yolov8n") is None
    try:
        downloaded.write_bytes(b"any")
        assert locate("yolov8n") == downloaded
        (two / "yolov8n.pt").write_bytes(b"whatever its hash")
        assert locate("yolov8n") == locate("yolov8n.pt") == two / "yolov8n.pt"
        by_hand = tmp_path / "my own.pt"
        by_hand.write_bytes(b"any")
        assert locate(by_hand) == locate(str(by_hand)) == by_hand
    finally:
        downloaded.unlink()


def test_an_openvino_folder_is_found_by_name(tmp_path, monkeypatch):
    folder = tmp_path / "street_openvino_model"
    folder.mkdir()
    monkeypatch.setenv("SIGHTLINE_WEIGHTS", str(tmp_path))
    assert locate("street") is None
    (folder / "street.xml").write_text("<net/>")
    assert locate("street") == folder


def test_what_is_not_here_says_where_to_get_it_and_where_to_put_it(tmp_path):
    with pytest.raises(SightlineError) as error:
        find_weights("yolo11s")
    say = str(error.value)
    assert "yolo11s.pt" in say
    assert "https://github.com/ultralytics/assets" in say
    assert str(runtime.weights_folder()) in say
    with pytest.raises(SightlineError, match=r"no weights named mine\.pt"):
        find_weights("mine.pt")
    with pytest.raises(SightlineError, match="There is no file"):
        find_weights(tmp_path / "gone.pt")
    with pytest.raises(SightlineError, match="without an OpenVINO model"):
        find_weights(tmp_path)
