"""The gallery that is chosen: where it lies, opened when it is first needed, what is known of it. `alike` asks it.

A gallery may be called from any thread, but not from the one that paints.

A page imports this before its first paint: what is heavy is imported where it is used.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import runtime
from engine.errors import SightlineError
from engine.inspection.gallery import Gallery, opening
from engine.job import Job

LOOK_S = 0.02
"""A job that waits looks this often whether it is stopped."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a gallery.

    Attributes:
        where: the folder or address.
        count: of its cases.
        kinds, categories, models: how many cases each has.
    """

    where: str
    count: int
    kinds: Mapping[str, int]
    categories: Mapping[str, int]
    models: Mapping[str, int]


def own_folder() -> Path:
    """Where the gallery lies unless another one was chosen; the command line's as well."""
    return runtime.data_folder() / "gallery"


def on_server(where: str) -> bool:
    """Whether this is a server's address rather than a folder."""
    return "://" in where


class Shelf:
    """The gallery that is chosen, opened when it is first needed and closed once. Any thread may use it."""

    def __init__(self, where: str = "") -> None:
        self._alone = threading.Lock()
        self._where, self._key = where or str(own_folder()), ""
        self._gallery: Gallery | None = None
        self._opened: tuple[str, str] | None = None
        self._facts: Facts | None = None
        self._changes = 0
        self._over = False

    @property
    def where(self) -> str:
        """The folder or address."""
        return self._where

    @property
    def there(self) -> bool:
        """Whether there is something to open; of a server nobody knows."""
        if on_server(self._where) or (self._gallery is not None and self._opened == (self._where, self._key)):
            return True
        with suppress(OSError):
            return any(not path.name.startswith(".") for path in Path(self._where).expanduser().iterdir())
        return Path(self._where).expanduser().exists()

    def choose(self, where: str, key: str = "") -> None:
        """Use another gallery from now on; the present one is closed before that is opened.

        Args:
            where: a folder or an address; "" is Sightline's own folder.
            key: of a server; it is kept in memory alone.
        """
        self._where, self._key = where or str(own_folder()), key

    def opened(self, lengths: Mapping[str, int] | None = None) -> Job[Gallery]:
        """The gallery, open; yields `Progress` meanwhile.

        Args:
            lengths: of the vectors; one that is not there yet is made with them.

        Raises:
            SightlineError: it cannot be opened, or compares other vectors.
        """
        while not self._alone.acquire(timeout=LOOK_S):
            yield None
        try:
            wanted = self._where, self._key
            if self._gallery is not None and self._opened == wanted:
                if lengths is not None and dict(lengths) != dict(self._gallery.lengths):
                    from engine.inspection.gallery_points import other_lengths

                    raise other_lengths(self._gallery.where, self._gallery.lengths, lengths)
                return self._gallery
            self._let_go()
            gallery = yield from opening(*wanted, lengths=lengths)
            if self._over:
                gallery.close()
                raise SightlineError("The gallery is closed.")
            self._gallery, self._opened = gallery, wanted
            return gallery
        finally:
            self._alone.release()

    def facts(self, gallery: Gallery) -> Facts:
        """What is known of the open gallery; asked anew after a change."""
        facts, changes = self._facts, self._changes
        if facts is None:
            # Edge still lists what no case is called any more, with a count of 0
            found = [
                {name: many for name, many in counts.items() if many}
                for counts in (gallery.kinds(), gallery.categories(), gallery.models())
            ]
            facts = Facts(gallery.where, gallery.count(), *found)
            # not if it was changed while it was asked
            self._facts = facts if changes == self._changes else None
        return facts

    def changed(self) -> None:
        """Something was put in, taken out or labelled."""
        self._changes += 1
        self._facts = None

    def drop(self) -> None:
        """Let go of the gallery, if nobody is just opening it; the next question opens it again."""
        if self._alone.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._alone.release()

    def close(self) -> None:
        """Let go of it for good."""
        self._over = True
        self.drop()

    def _let_go(self) -> None:
        gallery, self._gallery, self._facts = self._gallery, None, None
        if gallery is not None:
            # what is broken cannot be closed properly either
            with suppress(SightlineError):
                gallery.close()


def dropping(shelf: Shelf) -> Job[None]:
    """Let go of a gallery that is not chosen any more."""
    yield None
    shelf.drop()
