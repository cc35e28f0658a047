"""How much memory is free, and the sentence for what does not fit."""

import os
from pathlib import Path

from engine.errors import SightlineError

_MEMORY = Path("/proc/meminfo")
_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def free_memory() -> int | None:
    """Bytes that can be used without swapping, within a container's limit too; None where nobody says."""
    found = []
    try:
        for line in _MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        pass
    for most, used in _GROUPS:
        try:
            found.append(max(0, int(most.read_text()) - int(used.read_text())))
        except (OSError, ValueError):
            continue
    if not found:
        try:
            # other systems say at least how much is built in
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        except (AttributeError, OSError, ValueError):
            return None
    return min(found)


def said_bytes(count: float) -> str:
    """ "3.2 GB", "0.4 MB", "12 kB"."""
    if count < 1e5:
        return f"{count / 1e3:,.0f} kB"
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def check_room(what: str, rows: int, numbers: int, free: int | None, beside: int = 0) -> None:
    """See whether float64 numbers fit before they are made.

    Args:
        what: whose they are, with which the sentence begins.
        rows, numbers: how many rows, and numbers in each.
        free: bytes; None where nobody says, then everything is taken to fit.
        beside: numbers a row that are held while these are made.

    Raises:
        SightlineError: they do not fit.
    """
    need = 8 * rows * (numbers + beside)
    if free is not None and need > free:
        raise SightlineError(
            f"{what} would take about {said_bytes(need)} of memory to make {rows:,} rows of {numbers:,} numbers, and "
            f"{said_bytes(free)} are free: choose fewer columns, or a file with fewer rows."
        )
