"""When each frame of a file is shown: what makes an exact seek exact."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FULL_INDEX = ("mp4", "mov", "avi")
"""Containers whose index names every frame."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a container says about its frames before any is decoded.

    Attributes:
        frames: how many are shown; None where there is no full index.
        even: True if they follow one another at one step, so that frame k is shown at k / fps.
        cut: True if the container names bytes that the file does not have.
    """

    frames: int | None = None
    even: bool = False
    cut: bool = False


def contents(path: Path) -> Contents:
    """Read the index of a file; about 1 microsecond a frame, nothing is decoded."""
    import av

    try:
        with av.open(str(path)) as container:
            names = container.format.name.split(",")
            if not container.streams.video or not any(name in names for name in _FULL_INDEX):
                return Contents(cut=_lacks_bytes(path))
            stream = container.streams.video[0]
            entries = [(e.timestamp, e.pos + e.size, e.is_discard) for e in stream.index_entries]
            promised = stream.frames
    except (av.error.FFmpegError, OSError):
        return Contents()
    if not entries or len(entries) < promised:
        return Contents()
    steps = np.diff(np.array([entry[0] for entry in entries]))
    return Contents(
        frames=sum(not entry[2] for entry in entries),
        even=bool(len(steps) == 0 or (steps == steps[0]).all()),
        cut=max(entry[1] for entry in entries) > path.stat().st_size,
    )


def shown_at(path: Path, limit_s: float = 3.0) -> NDArray[np.float64] | None:
    """When each frame is shown, from the packets of a file; some 60,000 frames a second, nothing is decoded.

    Returns:
        (frames,) float64, seconds from the first frame, ascending; empty where the container has no times; None if it
        takes longer than `limit_s`.
    """
    import av

    until = time.monotonic() + limit_s
    times: list[int] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            step = float(stream.time_base or 0.0)
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                if packet.pts is None:
                    return np.zeros(0)
                if time.monotonic() > until:
                    return None
                times.append(packet.pts)
    except (av.error.FFmpegError, OSError, IndexError):
        return np.zeros(0)
    if not times:
        return np.zeros(0)
    ticks = np.sort(np.array(times, np.int64))
    seconds: NDArray[np.float64] = (ticks - ticks[0]) * step
    return seconds


def _lacks_bytes(path: Path) -> bool:
    """True for a Matroska or WebM file that is shorter than its segment (RFC 8794, 4 to 6; RFC 9559, 5.1)."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = 0
    for wanted in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        if head[at : at + 4] != wanted or at + 4 >= len(head):
            return False
        at += 4
        # a number says by its leading zeros how long it is; all ones stand for "unknown"
        length = 9 - head[at].bit_length()
        value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
        if length > 8 or value == (1 << 7 * length) - 1:
            return False
        at += length + (value if wanted[0] == 0x1A else 0)
    return at + value > path.stat().st_size
