"""Writes files and folders so that what was there is replaced only when the new one is whole."""

import contextlib
import errno
import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.errors import SightlineError

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A file beside this one to be written; it takes this one's name when all went well, and goes otherwise.

    Raises:
        SightlineError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def write_whole(path: Path, data: bytes) -> Path:
    """Write beside, then rename; returns the path.

    Raises:
        SightlineError: it cannot be written.
    """
    with written_beside(path) as beside:
        beside.write_bytes(data)
    return path


def cannot_write(path: Path, error: OSError) -> SightlineError:
    """What is said where a file or a folder cannot be written."""
    if error.errno in _FULL:
        return SightlineError(f"There is no space left for {path}: free some, or choose another folder.")
    reason = (error.strerror or "the system refused").lower()
    return SightlineError(f"{path} cannot be written ({reason}): choose another folder.")


def swap_folder(part: Path, target: Path) -> None:
    """Put a whole new folder in the place of an old one; the old one is gone only when the new one is there.

    Raises:
        OSError: it cannot be done; the old one stays.
    """
    if not target.exists():
        part.rename(target)
        return
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        part.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def bring_back(folder: Path) -> None:
    """Undo a swap that was killed between its two renames."""
    if not folder.exists() and folder.parent.is_dir():
        for old in folder.parent.glob(f".{glob.escape(folder.name)}.*.old"):
            with contextlib.suppress(OSError):
                old.rename(folder)
                return


def bring_all_back(folder: Path) -> None:
    """The same for every folder in this one."""
    for old in list(folder.glob(".*.old")):
        bring_back(folder / old.name[1:].rsplit(".", 2)[0])


def sha256_of(path: Path) -> str:
    """A file's sha256, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_folder(path: Path) -> bool:
    """Whether this is a folder; what can be no path, a text of a thousand letters, is none."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_dir()
    return False


def is_file(path: Path) -> bool:
    """Whether this is a file; likewise."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_file()
    return False
