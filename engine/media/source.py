"""The door to every source: one text in, frames out."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.errors import SightlineError
from engine.files import is_file, is_folder
from engine.job import Job, Progress, drive
from engine.media.frame import Source
from engine.media.patience import PATIENCE, Patience
from engine.media.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES

__all__ = [
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "cleaned",
    "is_picture",
    "is_video",
    "kind_of",
    "open_source",
    "opening",
]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_BARE_ADDRESS = re.compile(r"(www\.\S+|([\w-]+\.)+[a-z]{2,}/\S*)", re.IGNORECASE)


def is_picture(path: str | Path) -> bool:
    """True if the name is that of a picture file; the file is not opened."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def is_video(path: str | Path) -> bool:
    """True if the name is that of a video file; the file is not opened."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def kind_of(text: str) -> str:
    """What a text names, without opening it; under a millisecond.

    Returns:
        "camera", "screen", "address" (a page, a stream, a file on a server), "drawn", "folder", "image" or "video".
        A file that is none of these by its name, or is not there, is a "video"; empty text is "nothing".
    """
    text = cleaned(text)
    lowered = text.lower()
    if not text:
        return "nothing"
    if text.isascii() and text.isdigit():
        return "camera"
    if lowered == "screen" or lowered.startswith("screen:"):
        return "screen"
    if lowered.startswith("drawn:"):
        return "drawn"
    if _SCHEME.match(text):
        return "address"
    path = Path(text).expanduser()
    if is_folder(path):
        return "folder"
    if is_picture(path):
        return "image"
    if _BARE_ADDRESS.fullmatch(text) and not is_file(path) and (lowered.startswith("www.") or not is_video(path)):
        return "address"
    return "video"


def cleaned(text: str) -> str:
    """What was pasted or dropped, without quotes around it and without `file://`."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if text.lower().startswith("file:"):
        # it brings the whole of urllib; not for every text that is looked at
        from urllib.request import url2pathname

        parts = urlsplit(text)
        text = url2pathname(parts.path) if parts.path else unquote(text[5:])
    return text


def open_source(text: str, *, height: int = 720, entry: int | None = None, patience: Patience = PATIENCE) -> Source:
    """Open whatever the text names; see `opening`. Blocks until it is open."""
    return drive(opening(text, height=height, entry=entry, patience=patience))


def opening(text: str, *, height: int = 720, entry: int | None = None, patience: Patience = PATIENCE) -> Job[Source]:
    """Open a source, on this thread, and go on yielding `Progress` while something far away takes its time.

    Args:
        text: a camera number ("0"), "screen" or "screen:left,top,width,height", a picture, a folder of pictures, a
            video file, an http(s) or rtsp address of a stream or a file, or a page that yt-dlp knows.
        height: the largest height in pixels at which a page is watched.
        entry: which video of a page that has several, from 0.
        patience: how long something far away may take.

    Returns:
        The source; close it on this thread.

    Raises:
        ChooseEntry: the page holds several videos and `entry` is None.
        SightlineError: it is missing, damaged, empty, refused or silent.
    """
    kind, name = kind_of(text), cleaned(text)
    # each kind brings its own libraries: those that are not needed are not loaded
    if kind == "nothing":
        raise SightlineError("Nothing was named: type or drop a video, a picture, a folder, a camera or an address.")
    if kind == "drawn":
        raise SightlineError(f"{name} is a drawn scene: choose it from the examples.")
    if kind == "camera":
        from engine.media.camera import opening_camera

        return (yield from opening_camera(int(name)))
    if kind == "screen":
        from engine.media.screen import opening_screen

        return (yield from opening_screen(name))
    if kind == "address":
        return (yield from _opening_address(text, name, height, entry, patience))
    path = Path(name).expanduser()
    if kind == "folder":
        from engine.media.pictures import FolderSource

        return FolderSource(path, text)
    if kind == "image":
        from engine.media.pictures import PictureSource, read_picture

        return PictureSource(read_picture(path), text, path.name)
    from engine.media.aside import aside
    from engine.media.video import VideoFile, examine

    known = yield from aside(lambda _line: examine(path), Progress(f"Opening {path.name}"), "open")
    return VideoFile(path, text, known)


def _opening_address(text: str, address: str, height: int, entry: int | None, patience: Patience) -> Job[Source]:
    from engine.media.address import ask, check, name_of
    from engine.media.aside import aside
    from engine.media.stream import Target, opening_stream

    if not _SCHEME.match(address):
        address = f"https://{address}"
    check(address)
    answer = yield from aside(lambda _line: ask(address, patience), Progress(f"Asking {address}"), "ask")
    if answer.kind == "picture":
        from engine.media.pictures import PictureSource, decode

        return PictureSource(decode(answer.picture, name_of(address)), text, name_of(address))
    if answer.kind == "page":
        from engine.media.youtube import resolving

        target = yield from resolving(address, text, height, entry, patience)
    else:
        target = Target(address, text, name_of(address), finite=answer.finite)
    return (yield from opening_stream(target, patience))
