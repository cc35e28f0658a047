"""A gallery on a server: what is asked of it, and one sentence for whatever it may answer."""

import socket
from types import SimpleNamespace

import pytest
from gallery_stub import Stub
from test_gallery import CASES, LENGTHS

from engine.errors import SightlineError
from engine.inspection import gallery_server
from engine.inspection.gallery import open_gallery
from engine.inspection.gallery_points import INDEXES


@pytest.fixture
def stub():
    server = Stub()
    yield server
    server.close()


def test_what_is_asked_of_a_server(stub):
    with open_gallery(stub.url, lengths=LENGTHS) as gallery:
        gallery.add(CASES[:10])
        assert (gallery.where, gallery.note) == (stub.url, "")
    assert stub.indexes == list(INDEXES)
    assert f"PUT /collections/{gallery_server.COLLECTION}/points?wait=true" in stub.seen
    with open_gallery(f"{stub.url}/") as gallery:
        assert gallery.count() == 10


def test_a_fragment_names_the_collection(stub):
    with open_gallery(f"{stub.url}#other", lengths=LENGTHS) as gallery:
        gallery.add(CASES[:10])
        assert gallery.where == f"{stub.url}#other"
    # as a browser shows it
    with open_gallery(f"{stub.url}/dashboard#/collections/other") as gallery:
        assert gallery.count() == 10
    with open_gallery(stub.url, lengths=LENGTHS) as gallery:
        assert gallery.count() == 0


def test_a_server_that_is_down(stub):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(SightlineError, match=r"No server answers at http://127.0.0.1:\d+: start it, or check"):
            open_gallery(f"http://127.0.0.1:{other.getsockname()[1]}", lengths=LENGTHS)


def test_a_server_that_goes_away():
    stub = Stub()
    with open_gallery(stub.url, lengths=LENGTHS) as gallery:
        gallery.add(CASES[:10])
        stub.close()
        for ask in (lambda: gallery.similar(CASES[0].defect), lambda: gallery.add(CASES), gallery.kinds):
            with pytest.raises(SightlineError, match=r"No server answers at"):
                ask()


def test_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr(gallery_server, "_PATIENCE_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(SightlineError, match=r"does not answer within 1 s: check the address, or try again"):
            open_gallery(f"http://127.0.0.1:{silent.getsockname()[1]}", lengths=LENGTHS)


def test_keys():
    stub = Stub(key="right")
    try:
        for wrong in ("", "wrong"):
            with pytest.raises(SightlineError, match=r"wants a key, and this one is missing or wrong: give the server"):
                open_gallery(stub.url, wrong, lengths=LENGTHS)
        with open_gallery(stub.url, "right", lengths=LENGTHS) as gallery:
            gallery.add(CASES[:2])
            stub.key = "another"
            with pytest.raises(SightlineError, match=r"wants a key"):
                gallery.count()
    finally:
        stub.close()


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (200, b"<html>hello</html>", r"is no Qdrant server: check the address"),
        (200, b'{"result": 5}', r"is no Qdrant server: check the address"),
        (404, b"<html>nothing here</html>", r"has no such gallery, or is no Qdrant server: check"),
        (403, b"Forbidden: Global write access is required", r"does not let this key do that: give a key that may"),
        (403, b"Invalid api key", r"wants a key, and this one is missing or wrong"),
        (413, b"Payload too large", r"does not take that much at once: raise"),
        (429, b"", r"is asked too much: try again"),
        (500, b'{"status":{"error":"Service internal error: No space left on device"}}', r"has no space left: free"),
        (502, b"bad gateway", r"refused with HTTP status 502: look into its log"),
    ],
)
def test_what_a_server_may_answer(stub, status, content, sentence):
    with open_gallery(stub.url, lengths=LENGTHS) as gallery:
        stub.answer = (status, content)
        with pytest.raises(SightlineError, match=sentence) as told:
            gallery.add(CASES[:3])
        assert stub.url in str(told.value)
        with pytest.raises(SightlineError, match=sentence):
            open_gallery(stub.url, lengths=LENGTHS)


def test_a_collection_of_another_kind(stub):
    from qdrant_client import models

    with open_gallery(stub.url, lengths=LENGTHS):
        pass
    with pytest.raises(SightlineError, match=r"compares 24 and 16 numbers, but the model makes 512 and 512"):
        open_gallery(stub.url, lengths={"whole": 512, "defect": 512})
    cosine = models.VectorParams(size=4, distance=models.Distance.COSINE)
    dot = models.VectorParams(size=4, distance=models.Distance.DOT)
    for name, vectors in (("one", cosine), ("named", {"text": cosine}), ("dot", {"whole": dot, "defect": cosine})):
        stub.store.create_collection(name, vectors)
        with pytest.raises(SightlineError, match=rf"“{name}” on .* is no gallery of Sightline: name another after a #"):
            open_gallery(f"{stub.url}#{name}", lengths={"whole": 4, "defect": 4})


def test_points_that_somebody_else_wrote(stub):
    from qdrant_client import models

    with open_gallery(stub.url, lengths=LENGTHS) as gallery:
        vectors = {"whole": [1.0] * 24, "defect": [1.0] * 16}
        stub.store.upsert("sightline", [models.PointStruct(id=1, vector=vectors, payload={"text": "hello"})])
        with pytest.raises(SightlineError, match=r"holds something that is no case of Sightline: choose another"):
            gallery.cases()


def test_a_key_over_an_open_wire_is_mentioned():
    client, notes = SimpleNamespace(close=lambda: None, collection_exists=lambda _: False), []
    original = gallery_server._opened
    gallery_server._opened = lambda _client, _where, _name, _lengths, note: notes.append(note) or client
    try:
        for address in ("http://example.org:6333", "https://example.org:6333", "http://localhost:6333"):
            gallery_server.open_server(address, "key", LENGTHS)
    finally:
        gallery_server._opened = original
    assert [bool(note) for note in notes] == [True, False, False]
