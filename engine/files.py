"""Writes a file so that what was there is replaced only when the new one is whole."""

import errno
import os
from pathlib import Path

from engine.errors import SightlineError

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def write_whole(path: Path, data: bytes) -> Path:
    """Write beside, then rename; returns the path.

    Raises:
        SightlineError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            beside.write_bytes(data)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def cannot_write(path: Path, error: OSError) -> SightlineError:
    """What is said where a file or a folder cannot be written."""
    if error.errno in _FULL:
        return SightlineError(f"There is no space left for {path}: free some, or choose another folder.")
    reason = (error.strerror or "the system refused").lower()
    return SightlineError(f"{path} cannot be written ({reason}): choose another folder.")
