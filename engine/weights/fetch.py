"""Where weights lie on this machine, and how they come onto it."""

import contextlib
import errno
import hashlib
import http.client
import json
import math
import os
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from engine import runtime
from engine.errors import SightlineError
from engine.job import Job, Progress
from engine.weights.cards import Card, find_card
from engine.weights.transfer import Reply, Transfer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_RECORD = "hashes.json"
_SUFFIXES = ("", ".pt", ".pth", ".onnx", ".xml", "_openvino_model")


def folders() -> list[Path]:
    """Where weights are looked for, in order: `SIGHTLINE_WEIGHTS`, the folder of downloads, what is shipped."""
    given = [Path(text).expanduser() for text in os.environ.get("SIGHTLINE_WEIGHTS", "").split(os.pathsep) if text]
    return [*given, runtime.weights_folder(), runtime.resources_folder()]


def locate(name: str | Path) -> Path | None:
    """The file or folder of weights meant by a path, a file name or a card's name; None where it is not here.

    A path given by hand comes first, then `folders()`. Nothing that is found is refused for its hash.
    """
    path = Path(name).expanduser()
    if path.is_file() or (path.is_dir() and _is_model(path)):
        return path
    if path.parent != Path():
        return None
    card = find_card(path.name)
    names = [*(path.name + suffix for suffix in _SUFFIXES), *(card.files if card else ())]
    for folder in folders():
        for candidate in names:
            found = folder / candidate
            if found.is_file() or (found.is_dir() and _is_model(found)):
                return found
    return None


def _is_model(folder: Path) -> bool:
    return any(folder.glob("*.xml"))


def find_weights(name: str | Path) -> Path:
    """As `locate`, for those who cannot go on without it.

    Raises:
        SightlineError: it is not here; the sentence says where to get it and where to put it.
    """
    found = locate(name)
    if found is not None:
        return found
    path = Path(name).expanduser()
    if path.is_dir():
        raise SightlineError(f"{path} is a folder without an OpenVINO model (.xml): choose a file of weights.")
    if path.parent != Path():
        raise SightlineError(f"There is no file {path}: check the path, or choose another file of weights.")
    card = find_card(path.name)
    if card is None:
        raise SightlineError(
            f"There are no weights named {path.name}: give the path of a file, or put it in {runtime.weights_folder()}."
        )
    raise SightlineError(
        f"{card.file} is not on this machine: fetch it, or {_by_hand(card, runtime.weights_folder())}."
    )


def _by_hand(card: Card, folder: Path) -> str:
    return f"get it from {card.address} and put it in {folder}"


def fetch(card: Card, folder: Path | None = None, patience_s: float = 20.0) -> Job[Path]:
    """Download a file of weights: yields `Progress` in bytes, returns where it lies.

    It grows as `.part` beside its final name, is taken up again after an interruption where the server allows it, is
    checked against the size and hash that are known, and only then gets its name. The hash of a first download is
    recorded in `hashes.json` beside it. A file that is there already is returned at once.

    Args:
        card: what to fetch.
        folder: where to; None means `runtime.weights_folder()`.
        patience_s: seconds without a byte after which the server is given up.

    Raises:
        SightlineError: no connection, an error of the server, a full disk, another file than expected.
    """
    folder = folder or runtime.weights_folder()
    target = folder / card.file
    if target.is_file():
        return target
    part = target.with_name(target.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(card, part):
            yield from _download(card, part, patience_s)
            digest = yield from _check(card, part)
            size = part.stat().st_size
            part.replace(target)
            _note_of(part).unlink(missing_ok=True)
        _remember(folder, card, digest, size)
    except OSError as error:
        raise SightlineError(_disk_sentence(card, folder, error)) from None
    return target


def _download(card: Card, part: Path, patience_s: float) -> Job[None]:
    """Bring `part` to its full length; what is here already stays if the server still has the same file."""
    have, validator = _resumable(part, card)
    total: int | None = None
    what = f"Downloading {card.file}"
    yield Progress(what, have, None, "bytes")
    with Transfer(card.address, have, validator, patience_s) as transfer, contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        told = begun = time.monotonic()
        first = have
        for item in _network(card, part.parent, transfer.items(patience_s)):
            if isinstance(item, Reply):
                if item.kind == "text/html":
                    raise SightlineError(
                        f"{card.address} answers with a web page instead of {card.file}: "
                        f"{_by_hand(card, part.parent)}, or try again later."
                    )
                first = have = item.begins_at
                total, begun = item.total, time.monotonic()
                note = {"address": card.address, "validator": item.validator, "total": total}
                _note_of(part).write_text(json.dumps(note), encoding="utf-8")
                file = stack.enter_context(part.open("ab" if have else "wb"))
            elif item is not None and file is not None:
                file.write(item)
                have += len(item)
            now = time.monotonic()
            if item is None or now - told > 0.05:
                told = now
                speed = (have - first) / max(now - begun, 1e-3)
                left_s = (total - have) / speed if total is not None and speed > 0 else None
                yield Progress(what, have, total, "bytes", left_s, speed or None)
    if total is not None and have != total:
        raise SightlineError(
            f"The connection broke after {have:,} of {total:,} bytes of {card.file}: fetch it again to go on."
        )
    yield Progress(what, have, total, "bytes", 0.0)


@contextlib.contextmanager
def _alone(card: Card, part: Path) -> Iterator[None]:
    """Nobody else may write the same `.part` meanwhile (where the system has locks that end with the process)."""
    if fcntl is None:
        yield
        return
    with part.with_name(part.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SightlineError(f"{card.file} is being fetched already: wait until that is done.") from None
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def _network(card: Card, folder: Path, items: Iterator[Reply | bytes | None]) -> Iterator[Reply | bytes | None]:
    """The same items; what goes wrong on the way is said in one sentence."""
    host = urllib.parse.urlsplit(card.address).hostname or card.address
    by_hand = _by_hand(card, folder)
    try:
        yield from items
    except urllib.error.HTTPError as error:
        raise SightlineError(
            f"{host} answers {error.code} ({error.reason or 'error'}) for {card.file}: try again later, or {by_hand}."
        ) from None
    except TimeoutError:
        raise SightlineError(
            f"{host} has stopped answering while {card.file} was fetched: try again, or {by_hand}."
        ) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise SightlineError(f"{host} does not answer: try again later, or {by_hand}.") from None
        raise SightlineError(
            f"{card.file} could not be fetched because there is no connection to {host}: {by_hand}."
        ) from None
    except (OSError, http.client.HTTPException, ValueError):
        raise SightlineError(
            f"The connection to {host} broke while {card.file} was fetched: fetch it again to go on, or {by_hand}."
        ) from None


def _note_of(part: Path) -> Path:
    """The small file beside a `.part` that says which file of which address it is the beginning of."""
    return part.with_name(part.name + ".json")


def _resumable(part: Path, card: Card) -> tuple[int, str]:
    """How many bytes are here already and what the server may know them by; (0, "") to begin anew."""
    try:
        note = json.loads(_note_of(part).read_text(encoding="utf-8"))
        have = part.stat().st_size
        if note["address"] == card.address and note["validator"] and 0 < have < (note["total"] or math.inf):
            return have, str(note["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _check(card: Card, part: Path) -> Job[str]:
    """The sha256 of what came, after comparing it with what the card and the record know."""
    what, size = f"Checking {card.file}", part.stat().st_size
    digest, done = hashlib.sha256(), 0
    with part.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            done += len(block)
            yield Progress(what, done, size, "bytes")
    found = digest.hexdigest()
    known = _record(part.parent).get(card.file, {}).get("sha256", "")
    if not found.startswith(card.sha256 or "") or (known and found != known):
        part.unlink()
        _note_of(part).unlink(missing_ok=True)
        expected = card.sha256 or known
        raise SightlineError(
            f"What {card.address} gave is not the expected {card.file} (sha256 {found[:8]}, not {expected[:8]}) "
            f"and was thrown away: fetch it again, or {_by_hand(card, part.parent)}."
        )
    return found


def _record(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _remember(folder: Path, card: Card, digest: str, size: int) -> None:
    """Record the hash of a download, for the next one of the same name."""
    record = _record(folder) | {card.file: {"sha256": digest, "bytes": size, "address": card.address}}
    beside = folder / f"{_RECORD}.{os.getpid()}"
    beside.write_text(json.dumps(record, indent=1), encoding="utf-8")
    beside.replace(folder / _RECORD)


def _disk_sentence(card: Card, folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"There is no room left on the disk of {folder} for {card.file}: free some and fetch it again."
    reason = (error.strerror or "it cannot be written").lower()
    return f"{card.file} could not be written into {folder} ({reason}): check that the folder may be written."
