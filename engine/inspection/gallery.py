"""The gallery: past cases with their vectors, and which of them look most like a new one.

It lies in a folder (Qdrant Edge, in a process of its own) or on a Qdrant server. Both answer the same; `open_gallery`
chooses by what it is given. Nothing heavy is imported here.
"""

import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.types import GOOD
from engine.job import Job, Notice, Progress
from engine.media.aside import Line, aside

Vector = NDArray[np.float32]
"""(n,) float32, of unit length."""

WHOLE, DEFECT = "whole", "defect"
EMBEDDINGS = (WHOLE, DEFECT)
"""What a case can be compared by: the whole picture, or what is abnormal in it."""

BATCH = 128
"""Cases that are added at once: 128 of 2 x 512 numbers take some 20 ms to build and as much to store."""
_BATCH_S = 2.0
"""A batch waits no longer than this, so that what is killed loses little."""
_SHOW_S = 0.1
_NAMESPACE = uuid.UUID("6a1f7f0c-5f0e-5f5b-9a49-2c6d1b7a5e11")


@dataclass(frozen=True, slots=True)
class Case:
    """One picture that was inspected.

    Attributes:
        path: of the picture, absolute; what else it is called where it is no file.
        model: name of the model that examined it; vectors of two models are not alike.
        category: of the data set ("tile").
        kind: "good", or what kind of defect it shows ("crack").
        score: calibrated, 0..1; kept to nine decimals, as is the threshold.
        threshold: 0..1; at or above it the picture was called abnormal.
        width, height: of the picture, pixels.
        date: when the file was last changed, ISO 8601 in UTC, whole seconds.
        whole: what the picture looks like, float32 of unit length; None where vectors were not asked for.
        defect: what is abnormal in it looks like, likewise.
    """

    path: str
    model: str
    category: str
    kind: str
    score: float
    threshold: float
    width: int
    height: int
    date: str
    whole: Vector | None = field(default=None, compare=False, repr=False)
    defect: Vector | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """A UUID made of path and model: the same picture added again replaces itself."""
        return _id(self.path, self.model)

    @property
    def abnormal(self) -> bool:
        """Whether it shows a defect."""
        return self.kind != GOOD


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases are meant; what is left empty does not matter.

    Attributes:
        category: of the case.
        kinds: one of these.
        not_kinds: none of these; ("good",) means defects only.
        lowest, highest: of the score, both included.
        since, until: of the date, both included, ISO 8601; a day alone is all of that day, in local time.
        model: name of the model.
        exclude: ids that are left out.
        exclude_paths: paths that are left out, whatever the model.
    """

    category: str = ""
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    since: str = ""
    until: str = ""
    model: str = ""
    exclude: tuple[str, ...] = ()
    exclude_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A case that looks like what was asked for.

    Attributes:
        case: without its vectors.
        similarity: cosine, -1..1.
        rank: from 1.
    """

    case: Case
    similarity: float
    rank: int


class Gallery(Protocol):
    """Where cases are kept. Any thread may call it; calls wait for each other.

    Every method raises SightlineError where the store cannot do it: no space left, a server that went away, damage.

    Attributes:
        where: the folder or address.
        lengths: how many numbers the vectors `whole` and `defect` have.
        note: one sentence worth telling about how it was opened, or "".
    """

    where: str
    lengths: Mapping[str, int]
    note: str

    def add(self, cases: Sequence[Case]) -> int:
        """Put cases in, all or none of those that are malformed; the same id replaces.

        Whatever is in when this returns stays in, also when the program is killed then.

        Returns:
            How many.

        Raises:
            SightlineError: also for vectors of another length.
            ValueError: a case without vectors, or one that is zero or not finite.
        """

    def similar(
        self, vector: NDArray[np.floating], embedding: str = DEFECT, top: int = 5, where: Filter | None = None
    ) -> list[Neighbour]:
        """The cases most like a vector, the most similar first."""

    def get(self, ids: Sequence[str], vectors: bool = False) -> list[Case]:
        """The cases with these ids, in this order; those that are not there are missing."""

    def cases(self, where: Filter | None = None, limit: int = 100, after: str = "") -> tuple[list[Case], str]:
        """A page of cases, and what to give as `after` for the next; "" after the last page."""

    def label(self, id: str, kind: str) -> None:
        """Say what kind a case is."""

    def remove(self, ids: Sequence[str]) -> None:
        """Take cases out; those that are not there do not matter."""

    def count(self, where: Filter | None = None) -> int:
        """How many cases there are."""

    def kinds(self, where: Filter | None = None) -> dict[str, int]:
        """The kinds and how many cases each has, "good" first."""

    def categories(self, where: Filter | None = None) -> dict[str, int]:
        """The categories and how many cases each has."""

    def models(self, where: Filter | None = None) -> dict[str, int]:
        """The models and how many cases each has."""

    def close(self) -> None:
        """Let the folder or connection go; twice is harmless."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


def case_id(path: str | Path, model: str) -> str:
    """The id that the picture at `path` has as a case of `model`."""
    return _id(_absolute(path), model)


def _id(path: str, model: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{model}\n{path}"))


def _absolute(path: str | Path) -> str:
    # without following links, and "a/../b" is "b"
    return os.path.abspath(path)  # noqa: PTH100


def new_case(
    path: str | Path,
    model: str,
    *,
    category: str,
    kind: str,
    score: float,
    threshold: float,
    size: tuple[int, int],
    whole: Vector,
    defect: Vector,
) -> Case:
    """A case of a picture's file: the path is made absolute, the date is the file's (now, where it is gone).

    Args:
        size: width, height of the picture.
    """
    place = _absolute(path)
    try:
        seconds = Path(place).stat().st_mtime
    except OSError:
        seconds = time.time()
    date = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return Case(place, model, category, kind, score, threshold, *size, date, whole, defect)


def open_gallery(where: str | Path, key: str = "", *, lengths: Mapping[str, int] | None = None) -> Gallery:
    """Open a gallery; it can take seconds (`opening` is the same as a job).

    Args:
        where: a folder; the address of a Qdrant server ("http://host:6333", "https://host:6333#collection"); or
            ":memory:", which is gone when it is closed.
        key: the server's API key.
        lengths: of the vectors, {"whole": n, "defect": m}: a gallery that is not there is made with them, and one
            that is there must have them. None opens only what is there.

    Raises:
        SightlineError: it is no gallery, is damaged, of another version, open elsewhere, has other lengths, or the
            server does not answer or wants a key.
    """
    if lengths is not None and (set(lengths) != set(EMBEDDINGS) or min(lengths.values()) < 1):
        raise ValueError(f"lengths {dict(lengths)}, expected {{'whole': n, 'defect': m}}")
    text = str(where).strip()
    if text == ":memory:" or text.lower().startswith(("http://", "https://")):
        from engine.inspection.gallery_server import open_server

        return open_server(text, key, lengths)
    if not text or "://" in text:
        raise SightlineError(f"“{text}” is no gallery: give a folder, or an address that starts with http or https.")
    from engine.inspection.gallery_edge import open_folder

    return open_folder(Path(text).expanduser(), lengths)


def opening(where: str | Path, key: str = "", *, lengths: Mapping[str, int] | None = None) -> Job[Gallery]:
    """As `open_gallery`, as a job: yields `Progress`, returns the gallery; one that opens too late is closed."""

    def work(line: Line[Gallery]) -> Gallery:
        gallery = open_gallery(where, key, lengths=lengths)
        if line.stopped.is_set():
            gallery.close()
        return gallery

    return (yield from aside(work, Progress("Opening the gallery"), "gallery"))


def filling(gallery: Gallery, cases: Iterable[Case | Notice], total: int | None = None) -> Job[int]:
    """Add cases as they come, in batches; stopping it keeps the batches that are in.

    Args:
        gallery: where to.
        cases: what is added; a `Notice` among them (a skipped picture) is passed on. It is closed at the end.
        total: how many pictures there are.

    Yields:
        `Progress` in pictures with the remaining time, and the notices.

    Returns:
        How many were added.
    """
    begun = shown = stored = time.monotonic()
    batch: list[Case] = []
    added = seen = 0
    what = "Adding to the gallery"
    try:
        yield Progress(what, 0, total, "pictures")
        for case in cases:
            seen += 1
            if not isinstance(case, Case):
                yield case
                continue
            batch.append(case)
            now = time.monotonic()
            if len(batch) >= BATCH or now - stored > _BATCH_S:
                added += gallery.add(batch)
                batch = []
                stored = now = time.monotonic()
            elif now - shown < _SHOW_S:
                continue
            shown = now
            yield _progress(what, seen, total, now - begun)
        if batch:
            added += gallery.add(batch)
        yield _progress(what, seen, total, time.monotonic() - begun)
        return added
    finally:
        close: Any = getattr(cases, "close", None)
        if close is not None:
            close()


def _progress(what: str, seen: int, total: int | None, spent: float) -> Progress:
    rate = seen / spent if spent > 0 and seen else None
    left = (total - seen) / rate if rate and total and total >= seen else None
    return Progress(what, seen, total, "pictures", left, rate)
