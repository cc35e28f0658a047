"""A gallery in a folder: Qdrant Edge in a process of its own, and a small JSON file that says what it is.

FOLDER/store/gallery.json    format, lengths of the vectors, how many cases are acknowledged
FOLDER/store/...             Qdrant Edge's own files; none of them is a pickle
FOLDER/.new-*                a store that is being made; it is renamed to `store` when it is whole
"""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.gallery import DEFECT, EMBEDDINGS, Case, Filter, Neighbour, Vector
from engine.inspection.gallery_base import GalleryBase
from engine.inspection.gallery_child import LOCK, Reply, command, receive, send
from engine.inspection.gallery_points import (
    INDEXES,
    MOST_KINDS,
    case_of,
    checked,
    conditions,
    neighbours,
    other_lengths,
    payload,
)

FORMAT = 1
_STORE, _META = "store", "gallery.json"
_SPARE = 64 << 20
"""Bytes that must be free to open or change a gallery; a new one takes 40 MiB at once. Edge maps its files into memory:
where a page of one finds no room on the disk, the system ends the process."""
_CLOSE_S = 20.0
_HELD_S = 2.0
"""How long the process of a program that was killed may keep the folder."""
_ROOT = Path(__file__).resolve().parent.parent.parent


class _Failed(Exception):
    """What Edge said."""


class _Dead(Exception):
    """The process is gone."""


class _Process:
    """Edge's process; one request at a time, from any thread."""

    def __init__(self) -> None:
        # Windows opens a console for a child otherwise
        flags: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        self._process = subprocess.Popen(
            command(_ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=flags,
        )
        self._alone = threading.Lock()

    def ask(self, do: str, numbers: bytes = b"", **fields: Any) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            _Failed: Edge refused.
            _Dead: the process is gone.
        """
        sink, source = self._process.stdin, self._process.stdout
        assert sink is not None
        assert source is not None
        with self._alone:
            try:
                send(sink, {"do": do, **fields}, numbers)
                answer = receive(source)
            except (OSError, ValueError):
                # a pipe that broke, or was closed
                answer = None
        if answer is None:
            raise _Dead
        if "error" in answer[0]:
            raise _Failed(answer[0]["error"])
        return answer

    def end(self) -> int | None:
        """Let the process close its files and end; the number of cases that are stored then, if it could say."""
        points: int | None = None
        with contextlib.suppress(_Failed, _Dead):
            points = self.ask("close")[0].get("points")
        with self._alone:
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
            try:
                self._process.wait(_CLOSE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return points


def open_folder(folder: Path, lengths: Mapping[str, int] | None) -> "EdgeGallery":
    """Open the gallery in a folder, or make one there; see `open_gallery`."""
    try:
        there = _looked_at(folder)
        if not there and lengths is None:
            raise SightlineError(f"There is no gallery in {folder}: index pictures into it first.")
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "")
        _need_space(folder, 0)
        process = _Process()
        try:
            _hold(process, folder)
            # somebody may have been quicker
            if not _looked_at(folder) and lengths is not None:
                _make(process, folder, lengths)
            return _load(process, folder, lengths)
        except BaseException:
            process.end()
            raise
    except OSError as error:
        raise _disk_sentence(folder, error) from None
    except _Dead:
        raise _dead_sentence(folder) from None
    except _Failed as error:
        raise _failed_sentence(folder, str(error)) from None


def _looked_at(folder: Path) -> bool:
    """Whether a gallery lies in the folder; False where it is empty or not there."""
    if folder.exists() and not folder.is_dir():
        raise SightlineError(f"{folder} is a file: a gallery is a folder, choose one or an empty one.")
    if (folder / _STORE / _META).is_file():
        return True
    names = [path.name for path in folder.iterdir() if not _is_ours(path.name)] if folder.exists() else []
    if _STORE in names and (folder / _STORE / "segments").is_dir():
        raise _damaged(folder, f"its {_META} is gone")
    if "meta.json" in names and "collection" in names:
        raise SightlineError(
            f"{folder} was written by qdrant-client's local mode, whose files can run code when they are opened: "
            "index the pictures into an empty folder instead."
        )
    if names:
        raise SightlineError(f"{folder} is no gallery and holds other files: choose an empty folder, or a new one.")
    return False


def _is_ours(name: str) -> bool:
    return name == LOCK or name.startswith(".new-")


def _hold(process: _Process, folder: Path) -> None:
    until = time.monotonic() + _HELD_S
    while not process.ask("hold", folder=str(folder))[0]["held"]:
        if time.monotonic() > until:
            raise SightlineError(
                f"The gallery {folder} is open in another window or program: close it there, or choose another gallery."
            )
        time.sleep(0.05)


def _make(process: _Process, folder: Path, lengths: Mapping[str, int]) -> None:
    fresh = folder / f".new-{uuid.uuid4().hex}"
    fresh.mkdir()
    try:
        process.ask("make", folder=str(fresh), lengths=dict(lengths), indexes=INDEXES)
        _write_meta(fresh, lengths, 0)
        fresh.rename(folder / _STORE)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _load(process: _Process, folder: Path, wanted: Mapping[str, int] | None) -> "EdgeGallery":
    store = folder / _STORE
    lengths, promised = _read_meta(folder)
    if wanted is not None and dict(wanted) != lengths:
        raise other_lengths(str(folder), lengths, wanted)
    segments = [path for path in (store / "segments").glob("*") if path.is_dir()]
    # Edge deletes a segment without this file, silently
    if not segments or not all((path / "version.info").is_file() for path in segments):
        raise _damaged(folder, "some of its files are gone")
    points = int(process.ask("load", folder=str(store))[0]["points"])
    if points < promised:
        raise _damaged(folder, f"{promised - points:,} of its {promised:,} cases are gone")
    # what was begun and killed
    for stale in folder.glob(".new-*"):
        shutil.rmtree(stale, ignore_errors=True)
    return EdgeGallery(process, folder, lengths, promised)


class EdgeGallery(GalleryBase):
    """A gallery in a folder; `open_folder` makes it. See `Gallery`."""

    def __init__(self, process: _Process, folder: Path, lengths: Mapping[str, int], promised: int) -> None:
        super().__init__(str(folder), lengths)
        self._folder = folder
        self._process: _Process | None = process
        self._promised = promised
        self._changing = threading.RLock()

    def _store(self, cases: Sequence[tuple[Case, Mapping[str, Vector]]]) -> None:
        numbers = np.concatenate([vectors[name] for _case, vectors in cases for name in self.lengths])
        points = [(case.id, payload(case)) for case, _vectors in cases]
        self._change("add", numbers.tobytes(), points=points, lengths=dict(self.lengths))

    def similar(
        self, vector: NDArray[np.floating], embedding: str = DEFECT, top: int = 5, where: Filter | None = None
    ) -> list[Neighbour]:
        """See `Gallery.similar`."""
        numbers = checked(vector, embedding, self.lengths)
        answer, _ = self._ask("similar", numbers.tobytes(), embedding=embedding, top=top, **_words(where))
        return neighbours(answer["found"])

    def _fetch(self, ids: Sequence[str], vectors: bool) -> dict[str, Case]:
        answer, numbers = self._ask("get", ids=list(ids), vectors=vectors, names=EMBEDDINGS)
        if not vectors:
            return {id_: case_of(fields) for id_, fields in answer["found"]}
        rows = np.frombuffer(numbers, np.float32).reshape(-1, sum(self.lengths.values()))
        cut = self.lengths[EMBEDDINGS[0]]
        return {
            id_: case_of(fields, dict(zip(EMBEDDINGS, (row[:cut].copy(), row[cut:].copy()), strict=True)))
            for (id_, fields), row in zip(answer["found"], rows, strict=True)
        }

    def _page(self, where: Filter | None, limit: int, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        answer, _ = self._ask("page", limit=limit, after=after, **_words(where))
        return answer["found"], answer["after"]

    def label(self, id: str, kind: str) -> None:
        """See `Gallery.label`."""
        with self._changing:
            if not self.get([id]):
                raise SightlineError("This case is not in the gallery any more: index its picture again.")
            self._change("label", id=id, payload={"kind": kind})

    def remove(self, ids: Sequence[str]) -> None:
        """See `Gallery.remove`."""
        if not ids:
            return
        with self._changing:
            # written first: the file may promise less than there is, never more
            self._promise(max(0, self._promised - len(set(ids))))
            self._change("remove", ids=list(ids))

    def count(self, where: Filter | None = None) -> int:
        """See `Gallery.count`."""
        return int(self._ask("count", **_words(where))[0]["count"])

    def close(self) -> None:
        """See `Gallery.close`."""
        with self._changing:
            process, self._process = self._process, None
            if process is not None:
                points = process.end()
                # unwritten, it promises less
                with contextlib.suppress(SightlineError):
                    if points is not None and points != self._promised:
                        self._promise(points)

    def _values(self, field: str, where: Filter | None) -> dict[str, int]:
        found = self._ask("values", field=field, most=MOST_KINDS, **_words(where))[0]["found"]
        return {str(value): int(count) for value, count in found}

    def _change(self, do: str, numbers: bytes = b"", **fields: Any) -> None:
        with self._changing:
            try:
                _need_space(self._folder, 8 * len(numbers))
            except OSError as error:
                raise _disk_sentence(self._folder, error) from None
            answer, _ = self._ask(do, numbers, **fields)
            # the promise follows the flush, so that after a power cut it is not ahead of the store
            if answer["flushed"] and answer["points"] != self._promised:
                self._promise(answer["points"])

    def _promise(self, points: int) -> None:
        try:
            _write_meta(self._folder / _STORE, self.lengths, points)
        except OSError as error:
            raise _disk_sentence(self._folder, error) from None
        self._promised = points

    def _ask(self, do: str, numbers: bytes = b"", **fields: Any) -> Reply:
        if self._process is None:
            raise ValueError(f"the gallery {self.where} is closed")
        try:
            return self._process.ask(do, numbers, **fields)
        except _Dead:
            raise _dead_sentence(self._folder) from None
        except _Failed as error:
            raise _failed_sentence(self._folder, str(error)) from None


def _words(where: Filter | None) -> dict[str, Any]:
    must, must_not = conditions(where)
    return {"must": must, "must_not": must_not}


def _write_meta(store: Path, lengths: Mapping[str, int], points: int) -> None:
    part = store / f"{_META}.part"
    part.write_text(json.dumps({"format": FORMAT, "lengths": dict(lengths), "cases": points}), "utf-8")
    part.replace(store / _META)


def _read_meta(folder: Path) -> tuple[dict[str, int], int]:
    try:
        meta = json.loads((folder / _STORE / _META).read_text("utf-8"))
        version = meta["format"]
        if version == FORMAT:
            return {name: int(meta["lengths"][name]) for name in EMBEDDINGS}, int(meta["cases"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(folder, f"its {_META} cannot be read") from None
    raise SightlineError(
        f"The gallery {folder} was made by another version of Sightline (format {version}, this one knows {FORMAT}): "
        "open it there, or index the pictures into an empty folder."
    )


def _need_space(folder: Path, more: int) -> None:
    if shutil.disk_usage(folder).free < _SPARE + more:
        raise OSError(errno.ENOSPC, "")


def _damaged(folder: Path, how: str) -> SightlineError:
    return SightlineError(
        f"The gallery {folder} is damaged, {how}: put back a copy of the folder, or index the pictures into another."
    )


def _dead_sentence(folder: Path) -> SightlineError:
    if _is_full(folder):
        return _disk_sentence(folder, OSError(errno.ENOSPC, ""))
    return SightlineError(
        f"The store of the gallery {folder} stopped unexpectedly: open it again; what was acknowledged is in it."
    )


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _SPARE
    except OSError:
        return False


def _failed_sentence(folder: Path, text: str) -> SightlineError:
    if "os error 28" in text or "No space left" in text:
        return _disk_sentence(folder, OSError(errno.ENOSPC, ""))
    if "Permission denied" in text or "Read-only file system" in text:
        return _disk_sentence(folder, OSError(errno.EACCES, ""))
    return _damaged(folder, "or another version of Qdrant Edge wrote it")


def _disk_sentence(folder: Path, error: OSError) -> SightlineError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return SightlineError(
            f"There is no space left for the gallery {folder}: free some ({_SPARE >> 20} MiB at least), "
            "or choose a folder elsewhere."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SightlineError(f"{folder} cannot be written to: choose a folder elsewhere for the gallery.")
    reason = (error.strerror or "the system refused").lower()
    return SightlineError(f"The gallery {folder} cannot be used: {reason}; choose a folder elsewhere.")
