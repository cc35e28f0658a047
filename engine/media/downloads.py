"""The videos that were downloaded: kept in a folder, listed in a small index beside them."""

import json
import threading
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from engine import runtime

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class DownloadedVideo:
    """One downloaded video.

    Attributes:
        path: the file.
        title: what its page calls it.
        address: where it came from.
        width, height: pixels.
        fps: frames a second.
        duration_s: seconds; None if unknown.
        bytes: its size.
        added: when it was whole, seconds since 1970.
    """

    path: Path
    title: str
    address: str
    width: int
    height: int
    fps: float
    duration_s: float | None
    bytes: int
    added: float


def downloads() -> list[DownloadedVideo]:
    """The downloaded videos that are still there, newest first."""
    found = [video for video in _read() if video.path.is_file()]
    return sorted(found, key=lambda video: video.added, reverse=True)


def remember(video: DownloadedVideo) -> None:
    """Add a video to the list; one with the same path is replaced."""
    video = replace(video, path=video.path.absolute())
    with _lock:
        kept = [known for known in _read() if known.path.is_file() and known.path != video.path]
        _write([*kept, video])


def forget(path: Path) -> None:
    """Delete a downloaded video and take it off the list; a file that is gone already is no error."""
    path = path.absolute()
    with _lock:
        kept = [known for known in _read() if known.path != path]
        path.unlink(missing_ok=True)
        _write(kept)


def _index() -> Path:
    return runtime.downloads_folder() / "downloads.json"


def _read() -> list[DownloadedVideo]:
    names = {field.name for field in fields(DownloadedVideo)}
    found = []
    try:
        rows: Any = json.loads(_index().read_text(encoding="utf-8"))
        for row in rows:
            if set(row) == names:
                found.append(DownloadedVideo(**{**row, "path": Path(row["path"])}))
    except (OSError, ValueError, TypeError):
        # no list yet, or a damaged one: the files themselves are untouched
        return found
    return found


def _write(videos: list[DownloadedVideo]) -> None:
    index = _index()
    beside = index.with_name(f".{index.name}.new")
    rows = [{**asdict(video), "path": str(video.path)} for video in videos]
    beside.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    beside.replace(index)
