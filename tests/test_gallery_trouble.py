"""What goes wrong with a gallery in a folder: one sentence each, and nothing that was there is lost."""

import errno
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_gallery import CASES, LENGTHS, case

from engine.errors import SightlineError
from engine.inspection import gallery_edge
from engine.inspection.gallery import filling, open_gallery
from engine.job import drive


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "gallery"
    with open_gallery(folder, lengths=LENGTHS) as gallery:
        gallery.add(CASES[:200])
        gallery.add(CASES[200:])
    return folder


@pytest.fixture
def folder(kept, tmp_path):
    return Path(shutil.copytree(kept, tmp_path / "gallery"))


def contents(folder: Path) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def segment(folder: Path) -> Path:
    (found,) = (folder / "store" / "segments").iterdir()
    return found


def test_a_folder_is_moved_and_opened_again(folder, tmp_path):
    moved = folder.rename(tmp_path / "elsewhere")
    with open_gallery(moved) as gallery:
        assert gallery.lengths == LENGTHS
        assert gallery.count() == 300
        assert gallery.similar(CASES[7].defect)[0].case == CASES[7]
    assert sorted(path.name for path in moved.iterdir()) == [".lock", "store"]


def test_nothing_in_the_folder_can_run_code(folder):
    """A pickle of protocol 2 to 5 begins with 0x80 and ends with a full stop; the JSON files are text."""
    for path, content in contents(folder).items():
        assert not (content[:1] == b"\x80" and content[-1:] == b"."), path
        assert path.suffix not in (".pkl", ".pickle", ".sqlite"), path


def test_open_elsewhere(folder, monkeypatch):
    monkeypatch.setattr(gallery_edge, "_HELD_S", 0.1)
    with open_gallery(folder) as gallery:
        with pytest.raises(SightlineError, match=r"is open in another window or program: close it there"):
            open_gallery(folder)
        assert gallery.count() == 300
    with open_gallery(folder) as gallery:
        assert gallery.count() == 300


def test_who_is_refused_does_no_harm(folder, monkeypatch):
    """Edge's own refusal comes after it has cut off what the other was writing."""
    monkeypatch.setattr(gallery_edge, "_HELD_S", 0.0)
    stop, refused = threading.Event(), []

    def knock() -> None:
        while not stop.is_set():
            try:
                open_gallery(folder).close()
            except SightlineError as error:
                refused.append(str(error))

    with open_gallery(folder) as gallery:
        others = [threading.Thread(target=knock) for _ in range(2)]
        for other in others:
            other.start()
        added = 0
        while len(refused) < 6:
            added += gallery.add([case(1000 + added + i) for i in range(20)])
        stop.set()
        for other in others:
            other.join()
    assert all("is open in another window" in text for text in refused)
    with open_gallery(folder) as gallery:
        assert gallery.count() == 300 + added


def test_another_model(folder):
    with pytest.raises(SightlineError, match=r"compares 24 and 16 numbers, but the model makes 24 and 32: open the"):
        open_gallery(folder, lengths={"whole": 24, "defect": 32})


def test_what_is_no_gallery(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"x")
    (tmp_path / "local" / "collection").mkdir(parents=True)
    (tmp_path / "local" / "meta.json").write_text("{}")
    for name, sentence in (
        ("file", r"is a file: a gallery is a folder"),
        ("file/below", r"cannot be used: not a directory; choose a folder elsewhere"),
        ("pictures", r"holds other files: choose an empty folder"),
        ("local", r"qdrant-client's local mode, whose files can run code .*: index"),
    ):
        before = contents(tmp_path)
        with pytest.raises(SightlineError, match=sentence):
            open_gallery(tmp_path / name, lengths=LENGTHS)
        assert contents(tmp_path) == before


def test_what_a_killed_creation_leaves_is_swept_up(tmp_path):
    (tmp_path / ".new-0123" / "segments").mkdir(parents=True)
    with open_gallery(tmp_path, lengths=LENGTHS) as gallery:
        gallery.add(CASES[:3])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "store"]


def test_another_version(folder):
    meta = folder / "store" / "gallery.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "format": 2}))
    with pytest.raises(SightlineError, match=r"another version of Sightline \(format 2, this one knows 1\): open it"):
        open_gallery(folder)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {
    "no meta": (lambda f: (f / "store" / "gallery.json").unlink(), "its gallery.json is gone"),
    "half a meta": (lambda f: _cut(f / "store" / "gallery.json"), "its gallery.json cannot be read"),
    "a meta of nonsense": (lambda f: (f / "store" / "gallery.json").write_text("[]"), "its gallery.json cannot be"),
    "no segments": (lambda f: shutil.rmtree(f / "store" / "segments"), "some of its files are gone"),
    # Edge deletes such a segment
    "a segment without version": (lambda f: (segment(f) / "version.info").unlink(), "some of its files are gone"),
    # Edge opens it and says nothing
    "half the ids": (lambda f: _cut(segment(f) / "mutable_id_tracker.mappings"), r"\d+ of its 300 cases are gone"),
    "no ids": (lambda f: (segment(f) / "mutable_id_tracker.mappings").unlink(), r"\d+ of its 300 cases are gone"),
    # a panic of Rust
    "half a status": (lambda f: _cut(segment(f) / "vector_storage-defect" / "deleted" / "status.dat"), "Qdrant Edge"),
    "half a segment.json": (lambda f: _cut(segment(f) / "segment.json"), "Qdrant Edge"),
    "no payload": (lambda f: (segment(f) / "payload_storage" / "page_0.dat").unlink(), "Qdrant Edge"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(folder, name):
    damage, sentence = DAMAGE[name]
    damage(folder)
    before = contents(folder)
    with pytest.raises(SightlineError, match=rf"is damaged, .*{sentence}.*: put back a copy of the folder, or index"):
        open_gallery(folder)
    if "Qdrant Edge" not in sentence and "cases" not in sentence:
        assert contents(folder) == before


def test_no_vectors(folder):
    """Edge notices it only when it reads them."""
    (segment(folder) / "vector_storage-defect" / "vectors" / "chunk_0.mmap").unlink()
    with open_gallery(folder) as gallery, pytest.raises(SightlineError, match=r"is damaged, .*: put back a copy"):
        gallery.get([CASES[0].id], vectors=True)


def test_no_space_left(folder, tmp_path, monkeypatch):
    with open_gallery(folder) as gallery:
        monkeypatch.setattr(gallery_edge.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
        for change in (
            lambda: gallery.add([case(900)]),
            lambda: gallery.label(CASES[0].id, "hole"),
            lambda: gallery.remove([CASES[0].id]),
            lambda: drive(filling(gallery, [case(900)])),
        ):
            with pytest.raises(
                SightlineError, match=r"no space left for the gallery .*: free some \(64 MiB at least\)"
            ):
                change()
        assert gallery.count() == 300
        assert gallery.get([CASES[0].id]) == [CASES[0]]
    for place in (folder, tmp_path / "new"):
        with pytest.raises(SightlineError, match=r"no space left"):
            open_gallery(place, lengths=LENGTHS)
    monkeypatch.undo()
    with open_gallery(folder) as gallery:
        gallery.add([case(900)])
        assert gallery.count() == 301


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 150 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", str(place)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("only root on Linux can make a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_up(small_disk, monkeypatch):
    """First the check stops it; without the check the system ends Edge's process, and the window lives."""
    lengths = {"whole": 512, "defect": 512}
    rng = np.random.default_rng(0)

    def batch(start: int):
        rows = rng.normal(size=(250, 2, 512)).astype(np.float32)
        return [case(start + i, whole=row[0], defect=row[1]) for i, row in enumerate(rows)]

    acknowledged = 0

    def fill(gallery) -> None:
        nonlocal acknowledged
        while True:
            acknowledged += gallery.add(batch(acknowledged))

    with open_gallery(small_disk / "g", lengths=lengths) as gallery:
        with pytest.raises(SightlineError, match=r"no space left for the gallery"):
            fill(gallery)
        assert 1000 < acknowledged == gallery.count()
        real = gallery_edge._need_space
        monkeypatch.setattr(gallery_edge, "_need_space", lambda _folder, _more: None)
        with pytest.raises(SightlineError, match=r"no space left for the gallery"):
            fill(gallery)
        with pytest.raises(SightlineError, match=r"no space left for the gallery"):
            gallery.count()
    monkeypatch.setattr(gallery_edge, "_need_space", real)
    subprocess.run(["mount", "-o", "remount,size=400m", str(small_disk)], check=True)
    with open_gallery(small_disk / "g") as gallery:
        assert gallery.count() >= acknowledged
        got = gallery.get([case(i).id for i in range(acknowledged)])
        assert len(got) == acknowledged


def test_a_folder_that_cannot_be_written(folder, monkeypatch):
    monkeypatch.setattr(gallery_edge.os, "access", lambda *_: False)
    with pytest.raises(SightlineError, match=r"cannot be written to: choose a folder elsewhere for the gallery"):
        open_gallery(folder)


def test_the_promise_cannot_be_written(folder, monkeypatch):
    with open_gallery(folder) as gallery:

        def refuse(*_args):
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(gallery_edge.Path, "replace", refuse)
        with pytest.raises(SightlineError, match=r"cannot be written to"):
            gallery.add([case(900)])


def test_the_process_is_killed(folder):
    with open_gallery(folder) as gallery:
        gallery.add([case(900)])
        os.kill(gallery._process._process.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(SightlineError, match=r"stopped unexpectedly: open it again"):
                gallery.similar(CASES[0].defect)
        with open_gallery(folder) as again:
            assert again.count() == 301


def test_closing_ends_the_process(folder):
    gallery = open_gallery(folder)
    process = gallery._process._process
    gallery.close()
    assert process.returncode == 0
    with pytest.raises(SightlineError):
        open_gallery(folder, lengths={"whole": 1, "defect": 1})
