"""The one place that meets yt-dlp: how it is set up, asked, and what its errors mean to a person."""

import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import SightlineError
from engine.media.address import refused, silent, unreachable
from engine.media.patience import Patience

Info = dict[str, Any]
"""yt-dlp's own description of a video or a list of them."""

_MOST_ENTRIES = 200
_NOISE = re.compile(r"^(ERROR:\s*)?(\[[^\]]+\]\s*)?([\w-]{6,}:\s+)?")


class _Silent:
    """yt-dlp prints nothing: what matters comes as an exception."""

    def debug(self, _text: str) -> None: ...

    def info(self, _text: str) -> None: ...

    def warning(self, _text: str) -> None: ...

    def error(self, _text: str) -> None: ...


def options(patience: Patience) -> dict[str, Any]:
    """What every call uses: no output, no files of its own, no programs but the JavaScript runtime.

    A `YoutubeDL` that is made in Python reads no configuration files by itself.
    """
    return {
        "logger": _Silent(),
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "cachedir": False,
        "socket_timeout": patience.read_s,
        "extractor_retries": 1,
        "retries": patience.tries,
        "fragment_retries": patience.tries,
        # a missing piece is an error, not a hole in the video
        "skip_unavailable_fragments": False,
        "noplaylist": True,
        "playlistend": _MOST_ENTRIES,
        # of a list only the titles; the chosen one is looked up then
        "extract_flat": "in_playlist",
        # nothing is merged, repaired or downloaded by another program, even where there is one
        "postprocessors": [],
        "fixup": "never",
        "external_downloader": {"default": "native"},
        "ffmpeg_location": os.devnull,
        "updatetime": False,
        "windowsfilenames": True,
        "js_runtimes": {"deno": _deno()},
    }


def _deno() -> dict[str, str]:
    """YouTube's pages hold a puzzle in JavaScript. The runtime came with yt-dlp, beside the Python that runs."""
    beside = shutil.which("deno", path=str(Path(sys.executable).parent)) or shutil.which("deno")
    return {"path": beside} if beside else {}


@contextmanager
def youtube_dl(address: str, patience: Patience, more: Mapping[str, Any]) -> Iterator[Any]:
    """A `YoutubeDL`, whose errors become one sentence.

    Raises:
        SightlineError: yt-dlp could not do what was asked.
    """
    # plug-ins are code from a user's folder; they would be loaded without a word
    os.environ.setdefault("YTDLP_NO_PLUGINS", "1")
    import yt_dlp

    try:
        with yt_dlp.YoutubeDL({**options(patience), **more}) as ydl:
            yield ydl
    except yt_dlp.utils.DownloadCancelled:
        raise
    except yt_dlp.utils.YoutubeDLError as error:
        raise SightlineError(sentence(error, address, patience)) from error


def entries_of(info: Info) -> list[Info] | None:
    """The videos of a list; None for a video. (`entries` come even with `noplaylist`.)"""
    found = info.get("entries")
    if found is None:
        return None
    return [entry for entry in found if entry]


def sentence(error: Exception, address: str, patience: Patience) -> str:
    """What an error of yt-dlp means, in one sentence."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import ContentTooShortError, UnsupportedError

    for cause in _causes(error):
        if isinstance(cause, HTTPError):
            return refused(address, cause.status)
        if isinstance(cause, ContentTooShortError):
            return _broke_off(address)
        if isinstance(cause, TransportError):
            timed_out = "timed out" in str(cause).lower()
            return silent(address, patience.read_s) if timed_out else unreachable(address)
        if isinstance(cause, UnsupportedError):
            return f"No video was found at {address}: open the page of one video, or give the address of a file."
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return "There is no space left for the download: free some, and start it again; what is there is kept."
        if isinstance(cause, OSError) and cause.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"The download cannot be written: {cause.filename or 'its folder'} may not be changed."
    text = str(error).lower()
    if "giving up after" in text or "more expected" in text:
        # the downloader gives its last error as words alone
        return _broke_off(address)
    return silent(address, patience.read_s) if "timed out" in text else _says(error, address)


def _broke_off(address: str) -> str:
    return f"{address} broke off before it was whole: download it again, what is there already is kept."


def _says(error: Exception, address: str) -> str:
    """The site's own words without yt-dlp's wrapping."""
    text = str(getattr(error, "msg", "") or error).split("\n")[0]
    text = re.split(r";? *please report this issue on|\. +(?:Use|See|Also see|Confirm you are on|Try)\b", text)[0]
    text = _NOISE.sub("", text).strip().rstrip(".;: ")
    if "requested format" in text.lower() or "no video formats" in text.lower():
        return (
            f"There is no video that can be played at {address}: it may be sound alone, or come in pieces that only a "
            "download puts together."
        )
    host = urlsplit(address).hostname or address
    return f"{host} does not give this video: {text}." if text else f"The video at {address} cannot be read."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        info = getattr(cause, "exc_info", None)
        waiting += [info[1] if info else None, getattr(cause, "cause", None), cause.__cause__, cause.__context__]
