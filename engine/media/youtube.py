"""Pages with a video (YouTube and all that yt-dlp knows): look them up, watch them, download them."""

import errno
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import runtime
from engine.errors import SightlineError
from engine.job import Job, Notice, Progress, drive
from engine.media.address import name_of
from engine.media.aside import Line, aside
from engine.media.capture import open_capture
from engine.media.downloads import DownloadedVideo, downloads, remember
from engine.media.patience import PATIENCE, Patience
from engine.media.stream import Target
from engine.media.ytdlp import Info, entries_of, youtube_dl

__all__ = ["ChooseEntry", "DownloadedVideo", "Entry", "Page", "download", "downloads", "look_up", "looking_up"]

# One format that has pictures, with or without sound: the highest resolutions come as pictures alone, and joining
# them with their sound would need an ffmpeg program, for sound that nobody hears here.
_DOWNLOAD = "bv*/b"
# To watch, FFmpeg must be able to open it directly: DASH pieces are not one address.
_DIRECT = "[protocol~='^(https?|m3u8(_native)?|rtsps?|rtmp.*|mms.*)$']"
_WATCH = f"bv*{_DIRECT}/b{_DIRECT}"
# Of formats of one size, H.264 is decoded the fastest; AV1 only by the slower decoder.
_CODEC = "vcodec:h264"


@dataclass(frozen=True, slots=True)
class Entry:
    """One video of a list.

    Attributes:
        title: what the page calls it.
        duration_s: seconds; None if unknown.
    """

    title: str
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of a page before anything is played.

    Attributes:
        address: the page's.
        title: what it calls its video, or its list.
        heights: pixels that can be had, the highest first; empty where the page does not say.
        duration_s: seconds; None if unknown or live.
        live: True for a broadcast that goes on: it can be watched, not downloaded.
        entries: the videos of a list; empty for one video.
    """

    address: str
    title: str
    heights: tuple[int, ...] = ()
    duration_s: float | None = None
    live: bool = False
    entries: tuple[Entry, ...] = ()


class ChooseEntry(SightlineError):
    """An address that holds several videos; the person (or `entry=`) chooses one.

    Attributes:
        page: what it holds, `page.entries` in order; `entry` counts them from 0.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        titles = [f"{n} {entry.title}" for n, entry in enumerate(page.entries[:10], 1)]
        more = len(page.entries) - len(titles)
        listed = ", ".join(titles) + (f" and {more} more" if more else "")
        super().__init__(f"{page.address} holds {len(page.entries)} videos, choose one: {listed}.")


def look_up(address: str, *, entry: int | None = None, patience: Patience = PATIENCE) -> Page:
    """What a page holds; see `looking_up`."""
    return drive(looking_up(address, entry=entry, patience=patience))


def looking_up(address: str, *, entry: int | None = None, patience: Patience = PATIENCE) -> Job[Page]:
    """Ask a page what it holds.

    Args:
        address: of a page, a list or a media file.
        entry: which video of a list, from 0; None returns the list itself.
        patience: how long the site may take.

    Raises:
        SightlineError: there is no video, or the site refuses.
    """

    def work(_line: Line[Page]) -> Page:
        with youtube_dl(address, patience, {"format": _DOWNLOAD}) as ydl:
            info = ydl.extract_info(address, download=False)
            entries = entries_of(info)
            if entries is None:
                return _page(address, info)
            if entry is not None or len(entries) == 1:
                return _page(address, _chosen(ydl, address, info, entry or 0))
            return _list(address, info, entries)

    return (yield from aside(work, Progress(f"Looking up {address}"), "look-up"))


def resolving(address: str, text: str, height: int, entry: int | None, patience: Patience) -> Job[Target]:
    """Find what the decoder should open to watch a page at a height (the largest that is no higher).

    Raises:
        ChooseEntry: it holds several videos and `entry` is None.
        SightlineError: there is no video, or the site refuses.
    """
    return (
        yield from aside(
            lambda _line: _resolve(address, text, height, entry, patience),
            Progress(f"Looking up {address}"),
            "look-up",
        )
    )


def _resolve(address: str, text: str, height: int, entry: int | None, patience: Patience) -> Target:
    sort = [f"res:{height}", "fps", _CODEC]
    with youtube_dl(address, patience, {"format": _WATCH, "format_sort": sort}) as ydl:
        info = _one(ydl, address, entry)
    headers: dict[str, str] = info.get("http_headers") or {}
    options = {"user_agent": headers.get("User-Agent"), "referer": headers.get("Referer")}
    live = bool(info.get("is_live"))
    return Target(
        address=info["url"],
        text=text,
        name=info.get("title") or name_of(address),
        live=live,
        finite=not live,
        options={key: value for key, value in options.items() if value},
        renew=(lambda: _resolve(address, text, height, entry, patience)) if live else None,
    )


def download(
    address: str,
    *,
    height: int | None = None,
    folder: Path | None = None,
    entry: int | None = None,
    patience: Patience = PATIENCE,
) -> Job[Path]:
    """Download a video in the highest resolution; closing stops it, and calling it again goes on where it stopped.

    Args:
        address: of a page, a list or a media file.
        height: the largest height in pixels; None for the best there is.
        folder: where to put it; None for the folder of downloads.
        entry: which video of a list, from 0.
        patience: how long the site may be silent, how often it is asked again.

    Yields:
        `Progress` in bytes with speed and remaining time; `Notice` where a connection broke.

    Returns:
        The file. Under its name there is never half a video.

    Raises:
        ChooseEntry: it holds several videos and `entry` is None.
        SightlineError: there is no video, the site refuses, or there is no space.
    """
    into = folder or runtime.downloads_folder()
    task = _Download(address, height, into, entry, patience)
    return (yield from aside(task.run, Progress(f"Looking up {address}"), "download"))


class _Download:
    """One download, on its own thread."""

    def __init__(self, address: str, height: int | None, folder: Path, entry: int | None, patience: Patience) -> None:
        self._address, self._height, self._folder = address, height, folder
        self._entry, self._patience = entry, patience
        # the same request finds its own half file again
        key = hashlib.sha256(f"{address}|{height}|{entry}".encode()).hexdigest()[:12]
        self._work = folder / ".unfinished" / key

    def run(self, line: Line[Path]) -> Path:
        size = "res" if self._height is None else f"res:{self._height}"
        more = {
            "format": _DOWNLOAD,
            "format_sort": [size, "fps", _CODEC],
            "outtmpl": {"default": str(self._work / "%(title).100B.%(format_id)s.%(ext)s")},
            "progress_hooks": [lambda event: self._progress(line, event)],
            "retry_sleep_functions": {kind: self._pause(line) for kind in ("http", "fragment")},
        }
        with youtube_dl(self._address, self._patience, more) as ydl:
            info = _one(ydl, self._address, self._entry)
            self._stop_if_asked(line)
            title = info.get("title") or name_of(self._address)
            if info.get("is_live"):
                raise SightlineError(f"{title} is live: watch it now, and download it when it has ended.")
            known = self._known()
            if known is not None:
                line.say(Notice(f"{known.name} was downloaded before."))
                return known
            self._title = title
            try:
                self._work.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._unwritable(error) from None
            part = Path(ydl.prepare_filename(info))
            ydl.process_info(info)
        return self._finish(line, part, info, title)

    def _unwritable(self, error: OSError) -> SightlineError:
        if error.errno == errno.ENOSPC:
            return SightlineError(f"There is no space left in {self._folder}: free some, and start it again.")
        reason = (error.strerror or str(error)).lower()
        return SightlineError(f"{self._folder} cannot be written: {reason}; choose another folder.")

    def _known(self) -> Path | None:
        """The file of an earlier download of the same."""
        for video in downloads():
            same = video.address == self._remembered_as() and video.path.parent == self._folder.absolute()
            if same and video.path.stat().st_size == video.bytes:
                return self._folder / video.path.name
        return None

    def _remembered_as(self) -> str:
        marks = [f"entry={self._entry}"] if self._entry is not None else []
        marks += [f"height={self._height}"] if self._height is not None else []
        return f"{self._address}#{'&'.join(marks)}" if marks else self._address

    def _stop_if_asked(self, line: Line[Path]) -> None:
        if line.stopped.is_set():
            from yt_dlp.utils import DownloadCancelled

            raise DownloadCancelled

    def _progress(self, line: Line[Path], event: Info) -> None:
        self._stop_if_asked(line)
        if event.get("status") == "downloading":
            line.show(
                Progress(
                    f"Downloading {self._title}",
                    event.get("downloaded_bytes") or 0,
                    event.get("total_bytes") or event.get("total_bytes_estimate"),
                    "bytes",
                    event.get("eta"),
                    event.get("speed"),
                )
            )

    def _pause(self, line: Line[Path]) -> Callable[..., float]:
        def pause(n: int) -> float:
            wait_s = self._patience.wait_s(n)
            again = f"in {wait_s:g} s" if wait_s else "now"
            line.say(Notice(f"{self._title} broke off; trying again {again}."))
            # waited here, not in yt-dlp, so that closing need not wait
            line.stopped.wait(wait_s)
            self._stop_if_asked(line)
            return 0.0

        return pause

    def _finish(self, line: Line[Path], part: Path, info: Info, title: str) -> Path:
        """Look at what came, and give it its name."""
        opened = open_capture(str(part))
        if opened is None:
            size = part.stat().st_size if part.exists() else 0
            part.unlink(missing_ok=True)
            raise SightlineError(
                f"What came from {self._address} ({size} bytes) is no video that can be read: try another height."
            )
        capture, image = opened
        fps, count = capture.fps, capture.count
        capture.release()
        try:
            whole = _as_mp4(part)
            final = _free_name(self._folder / f"{_stem(part, info)}{whole.suffix}")
            whole.replace(final)
        except OSError as error:
            raise self._unwritable(error) from None
        for left in self._work.iterdir():
            left.unlink(missing_ok=True)
        self._work.rmdir()
        video = DownloadedVideo(
            path=final,
            title=title,
            address=self._remembered_as(),
            width=image.shape[1],
            height=image.shape[0],
            fps=fps,
            duration_s=info.get("duration") or (count / fps if count and fps else None),
            bytes=final.stat().st_size,
            added=time.time(),
        )
        try:
            remember(video)
        except OSError:
            line.say(Notice(f"{final} is whole, but there was no room to add it to the list of downloads."))
        return final


def _one(ydl: Any, address: str, entry: int | None) -> Info:
    """The one video that is meant."""
    info: Info = ydl.extract_info(address, download=False)
    entries = entries_of(info)
    if entries is None:
        return info
    if entry is None and len(entries) > 1:
        raise ChooseEntry(_list(address, info, entries))
    return _chosen(ydl, address, info, entry or 0)


def _chosen(ydl: Any, address: str, info: Info, entry: int) -> Info:
    entries = entries_of(info) or []
    if not entries:
        raise SightlineError(f"The list at {address} is empty: open the page of one video.")
    if not 0 <= entry < len(entries):
        raise SightlineError(f"{address} holds {len(entries)} videos; there is no number {entry + 1}.")
    chosen = entries[entry]
    if chosen.get("_type") in ("url", "url_transparent"):
        chosen = ydl.extract_info(chosen["url"], download=False, ie_key=chosen.get("ie_key"))
    if entries_of(chosen) is not None:
        raise SightlineError(f"Number {entry + 1} of {address} is a list itself: open its own address.")
    return chosen


def _list(address: str, info: Info, entries: list[Info]) -> Page:
    listed = tuple(
        Entry(entry.get("title") or f"Video {n}", entry.get("duration")) for n, entry in enumerate(entries, 1)
    )
    return Page(address, info.get("title") or name_of(address), entries=listed)


def _page(address: str, info: Info) -> Page:
    formats = [f for f in info.get("formats") or [info] if f.get("vcodec") != "none" and f.get("height")]
    heights = tuple(sorted({int(f["height"]) for f in formats}, reverse=True))
    return Page(
        address, info.get("title") or name_of(address), heights, info.get("duration"), bool(info.get("is_live"))
    )


def _stem(part: Path, info: Info) -> str:
    """The file's name without yt-dlp's mark of the format, with the height where the page tells it."""
    stem = part.stem.removesuffix(f".{info.get('format_id')}")
    return f"{stem} {info['height']}p" if info.get("height") else stem


def _free_name(path: Path) -> Path:
    """The path, or with a number behind it where that is taken."""
    n, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem} ({n}){path.suffix}")
        n += 1
    return found


def _as_mp4(path: Path) -> Path:
    """HLS comes as an MPEG transport stream, in which no frame can be found exactly: copy it into an MP4.

    The packets stay as they are; a codec that MP4 does not take leaves the file as it is.
    """
    import av

    try:
        with av.open(str(path)) as source:
            if "mpegts" not in source.format.name.split(","):
                return path
            whole = path.with_name(f"{path.stem}.whole.mp4")
            with av.open(str(whole), "w", format="mp4", options={"movflags": "+faststart"}) as target:
                streams = {
                    stream.index: target.add_stream_from_template(stream)
                    for stream in (*source.streams.video[:1], *source.streams.audio[:1])
                }
                for packet in source.demux([source.streams[index] for index in streams]):
                    if packet.dts is not None:
                        packet.stream = streams[packet.stream.index]
                        target.mux(packet)
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        return path.rename(path.with_suffix(".ts"))
    path.unlink()
    return whole
