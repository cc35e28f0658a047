"""What both stores of the gallery do alike: whatever is not the store's own way of asking."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

from engine.inspection.gallery import Case, Filter, Vector
from engine.inspection.gallery_points import case_of, checked_cases, good_first


class GalleryBase(ABC):
    """A gallery in a store; see `Gallery`.

    Args:
        where: the folder or address.
        lengths: of the vectors.
        note: how it was opened, or "".
    """

    def __init__(self, where: str, lengths: Mapping[str, int], note: str = "") -> None:
        self.where = where
        self.lengths: Mapping[str, int] = dict(lengths)
        self.note = note

    def add(self, cases: Sequence[Case]) -> int:
        """See `Gallery.add`."""
        vectors = checked_cases(cases, self.lengths)
        if cases:
            # of two with one id the later counts, as if they had come one after the other
            last = {case.id: at for at, case in enumerate(cases)}
            self._store([(cases[at], vectors[at]) for at in sorted(last.values())])
        return len(cases)

    def get(self, ids: Sequence[str], vectors: bool = False) -> list[Case]:
        """See `Gallery.get`."""
        found = self._fetch(ids, vectors)
        return [found[id_] for id_ in ids if id_ in found]

    def cases(self, where: Filter | None = None, limit: int = 100, after: str = "") -> tuple[list[Case], str]:
        """See `Gallery.cases`."""
        found, following = self._page(where, limit, after)
        return [case_of(fields) for fields in found], following

    def kinds(self, where: Filter | None = None) -> dict[str, int]:
        """See `Gallery.kinds`."""
        return good_first(self._values("kind", where))

    def categories(self, where: Filter | None = None) -> dict[str, int]:
        """See `Gallery.categories`."""
        return self._sorted("category", where)

    def models(self, where: Filter | None = None) -> dict[str, int]:
        """See `Gallery.models`."""
        return self._sorted("model", where)

    def _sorted(self, field: str, where: Filter | None) -> dict[str, int]:
        return dict(sorted(self._values(field, where).items()))

    @abstractmethod
    def close(self) -> None:
        """See `Gallery.close`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @abstractmethod
    def _store(self, cases: Sequence[tuple[Case, Mapping[str, Vector]]]) -> None:
        """Put cases in, with their vectors as the store compares them; no id is there twice."""

    @abstractmethod
    def _fetch(self, ids: Sequence[str], vectors: bool) -> dict[str, Case]:
        """The cases with these ids that are there, by id."""

    @abstractmethod
    def _page(self, where: Filter | None, limit: int, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """What is stored with the cases of a page, and where the next one begins; "" after the last."""

    @abstractmethod
    def _values(self, field: str, where: Filter | None) -> dict[str, int]:
        """The values of a field and how many cases each has."""
