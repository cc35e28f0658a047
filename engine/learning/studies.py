"""Studies of Optuna: where they live, and which of their trials are still alive.

A trial is written down as running by the process that works on it. One that was killed cannot say so. Everybody who
works on the study therefore says "still here" every few seconds; a trial whose process has been silent for
`SILENT_S`, or is known to be gone from this machine, is marked as failed by whoever notices, and its place is taken
anew. Nobody's clock is compared with another's.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import SightlineError
from engine.job import Job

T = TypeVar("T")

BEAT_S, SILENT_S, NAMELESS_S = 5.0, 60.0, 10.0
"""Seconds between two words of a process that works, and of silence after which it is given up: sooner where it has not
even said who works on it, as it was killed while it began."""
_TRIES = 6
"""Two that make the tables of a new database at once are in each other's way: the slower one tries again."""
_CONNECT_S = 10


def quiet() -> Any:
    """Optuna, without what it writes to standard error."""
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def begin_study(name: str, address: str) -> Job[tuple[Any, bool]]:
    """Make or open a study.

    Args:
        name: of the study; "" only where it lives in memory.
        address: of its storage: one of Optuna's such as sqlite:///study.db or postgresql://user@host/base, or the path
            of a journal that ends in .log or .journal; "" keeps it in memory.

    Yields:
        None while a server is waited for.

    Returns:
        The study, and whether it is new.

    Raises:
        SightlineError: an address without a name, one that is none, or a storage that cannot be reached.
    """
    if address and not name:
        raise SightlineError("A storage holds many studies: name one with --study.")
    if name and not address:
        raise SightlineError(
            f"The study {name} needs a place to live: give one with --storage, such as sqlite:///a.db."
        )
    optuna = quiet()
    if not address:
        return optuna.create_study(), True
    return (yield from elsewhere(lambda: _opened(optuna, name, address)))


def _opened(optuna: Any, name: str, address: str) -> tuple[Any, bool]:
    for left in reversed(range(_TRIES)):
        try:
            storage = _storage(optuna, address)
            try:
                return optuna.create_study(storage=storage, study_name=name), True
            except optuna.exceptions.DuplicatedStudyError:
                study = optuna.load_study(study_name=name, storage=storage)
            if [one.name for one in study.directions] != ["MINIMIZE"]:
                raise SightlineError(f"The study {name} was not made by a search here: name another.")
            return study, False
        except (SightlineError, ImportError, ValueError, OSError) as error:
            raise _refused(address, error) from None
        except Exception as error:
            words = f"{error.__cause__ or ''} {error}"
            if not left or not any(word in words for word in ("already exists", "UNIQUE", "locked", "duplicate")):
                raise _refused(address, error) from None
            time.sleep(0.2 * (_TRIES - left))
    raise AssertionError("unreachable")


def _storage(optuna: Any, address: str) -> Any:
    if address.endswith((".log", ".journal")) and "://" not in address:
        folder = Path(address).absolute().parent
        if not folder.is_dir():
            raise SightlineError(f"There is no folder {folder}: make it, or give another path.")
        backend = optuna.storages.journal.JournalFileBackend(str(address))
        return optuna.storages.JournalStorage(backend)
    connect: dict[str, Any] = {}
    if address.startswith("sqlite"):
        # several processes take turns at writing
        connect = {"timeout": 60}
    elif address.startswith(("postgres", "mysql")):
        connect = {"connect_timeout": _CONNECT_S}
        # the driver that is here: SQLAlchemy would ask for an older one
        for plain in ("postgres://", "postgresql://"):
            if address.startswith(plain):
                address = f"postgresql+psycopg://{address.removeprefix(plain)}"
    return optuna.storages.RDBStorage(address, engine_kwargs={"connect_args": connect})


def _refused(address: str, error: Exception) -> SightlineError:
    if isinstance(error, SightlineError):
        return error
    if isinstance(error, ImportError):
        # Optuna tells the missing driver in words alone
        cause = error.__cause__ or error.__context__
        name = error.name or getattr(cause, "name", None) or ("psycopg2" if "postgres" in address else "of its driver")
        return SightlineError(
            f"The storage {shown(address)} needs the Python package {name}, which is not here: install it, or "
            f"give another address such as sqlite:///study.db."
        )
    return SightlineError(
        f"The storage {shown(address)} could not be opened ({_first(error)}): give an address such as "
        f"sqlite:///study.db, or the path of a journal that ends in .log."
    )


def lost(address: str, error: Exception) -> SightlineError:
    """What is said of a storage that stops answering half-way."""
    return SightlineError(
        f"The storage {shown(address)} no longer answers ({_first(error)}): what was finished is in it, so start the "
        f"same search again when it is back."
    )


def _first(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip(" .")[:120]


def shown(address: str) -> str:
    """An address without its password."""
    head, mark, tail = address.partition("://")
    if not mark or "@" not in tail:
        return address
    who, _, where = tail.rpartition("@")
    return f"{head}://{who.partition(':')[0]}@{where}"


def elsewhere(work: Callable[[], T], *, finish: bool = False) -> Job[T]:
    """Do on another thread what cannot be interrupted, so that whoever waits can be.

    Args:
        work: what is done.
        finish: wait for its end when stopped, as it works on what is closed then.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.02)
            yield None
    finally:
        if finish:
            thread.join()
    if failed:
        raise failed[0]
    return found[0]


def owner() -> tuple[str, int]:
    """This machine, as it can be told from others, and this process."""
    parts = [platform.node()]
    # containers of one name on one machine have processes of the same numbers
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(path).readlink()) if path.endswith("pid") else Path(path).read_text().strip())
        except OSError:
            continue
    return " ".join(parts), os.getpid()


class Beat:
    """Says now and then that the process that works on a trial is alive."""

    def __init__(self, trial: Any) -> None:
        self._trial, self._count, self._said = trial, 0, time.monotonic()
        trial.set_user_attr("owner", list(owner()))

    def still_here(self) -> None:
        """Say it, if that was not said just now."""
        if time.monotonic() - self._said > BEAT_S:
            self._count += 1
            self._said = time.monotonic()
            self._trial.set_user_attr("beat", self._count)


class Watch:
    """Finds the trials whose process is gone."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}
        self._machine, self._process = owner()

    def gone(self, running: Sequence[Any]) -> Iterator[int]:
        """The numbers of those that nobody works on any more.

        Args:
            running: trials as the storage has them now.
        """
        now = time.monotonic()
        for trial in running:
            machine, process = trial.user_attrs.get("owner", ("", 0))
            if machine == self._machine and not _alive(process):
                yield trial.number
                continue
            said = (trial.user_attrs.get("beat"), len(trial.intermediate_values), len(trial.params), machine)
            before = self._seen.get(trial.number)
            if before is None or before[0] != said:
                self._seen[trial.number] = (said, now)
            elif now - before[1] > (SILENT_S if machine else NAMELESS_S):
                yield trial.number


def _alive(process: int) -> bool:
    """Whether a process of this machine runs; true where that cannot be asked."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
