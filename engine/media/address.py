"""What stands behind an address: a video that plays as it is, a picture, or a page to search for one."""

import re
import ssl
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from engine.errors import SightlineError
from engine.media.patience import Patience
from engine.media.suffixes import PLAYLIST_SUFFIXES, VIDEO_SUFFIXES

_PLAYED = re.compile(
    r"video/|application/(vnd\.apple\.mpegurl|x-mpegurl|dash\+xml|ogg)|audio/(x-)?mpegurl|multipart/x-mixed"
)
_AGENT = "Mozilla/5.0 (compatible; Sightline)"
_MOST_PICTURE_BYTES = 200 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said about an address.

    Attributes:
        kind: "media", "picture" or "page".
        finite: True if it named a length: then there is an end.
        picture: the bytes of a picture.
    """

    kind: str
    finite: bool = False
    picture: bytes = b""


def name_of(address: str) -> str:
    """A short name for an address: the last part of its path, or the host."""
    parts = urlsplit(address)
    return unquote(PurePosixPath(parts.path).name) or parts.hostname or address


def check(address: str) -> None:
    """Refuse what cannot be an address.

    Raises:
        SightlineError: it names no server.
    """
    try:
        parts = urlsplit(address)
        # a multicast or listening address (udp://@:1234) needs no host
        named = parts.hostname or not parts.scheme.startswith(("http", "rtsp", "rtmp"))
    except ValueError:
        named = False
    if not named:
        raise SightlineError(f"{address} is no address that can be opened: check how it is written.")


def ask(address: str, patience: Patience) -> Answer:
    """Find out what an address is, from the head of one answer.

    One round trip decides it: faster than asking yt-dlp first (its import and its own request take 0.3 to 1.3 s), and
    an endless answer, which a network camera gives, would never let yt-dlp go.

    Raises:
        SightlineError: nobody answers, or it is not there.
    """
    parts = urlsplit(address)
    suffix = PurePosixPath(parts.path).suffix.lower()
    media = suffix in VIDEO_SUFFIXES or suffix in PLAYLIST_SUFFIXES
    if parts.scheme not in ("http", "https"):
        return Answer("media")
    try:
        request = Request(address, headers={"User-Agent": _AGENT})
        with urlopen(request, timeout=patience.open_s, context=_certificates()) as answer:
            kind = answer.headers.get_content_type()
            finite = answer.headers.get("Content-Length") is not None and suffix not in PLAYLIST_SUFFIXES
            if kind.startswith("image/") and not media:
                return Answer("picture", picture=answer.read(_MOST_PICTURE_BYTES))
            if _PLAYED.match(kind):
                return Answer("media", finite and not re.search("mpegurl|dash|multipart", kind))
            return Answer("media", finite) if media and kind != "text/html" else Answer("page")
    except HTTPError as error:
        error.close()
        # a page that turns plain requests away may still talk to yt-dlp
        if error.code in (404, 410) or media:
            raise SightlineError(refused(address, error.code)) from None
        return Answer("page")
    except TimeoutError:
        raise SightlineError(silent(address, patience.open_s)) from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise SightlineError(silent(address, patience.open_s)) from None
        raise SightlineError(unreachable(address)) from None
    except (OSError, HTTPException, ValueError):
        raise SightlineError(unreachable(address)) from None


def _certificates() -> ssl.SSLContext:
    try:
        # yt-dlp brings them; a Python without the system's certificates (macOS) has no others
        import certifi
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def refused(address: str, status: int) -> str:
    """The sentence for an HTTP status that is an error."""
    if status in (404, 410):
        return f"There is nothing at {address} (the server says {status}): check the address."
    if status in (401, 403, 407):
        return f"The server does not let {address} be read (it says {status}): it may need an account or another link."
    if status == 429:
        return f"The server of {address} has had too many requests (it says {status}): try again later."
    return f"The server of {address} reports an error ({status}): try again later."


def silent(address: str, limit_s: float) -> str:
    """The sentence for an address that does not answer in time."""
    return f"{address} did not answer within {limit_s:g} s: check the address and the network, or try again later."


def unreachable(address: str) -> str:
    """The sentence for an address that cannot be connected to."""
    return f"{address} cannot be reached: check the address and the network."
