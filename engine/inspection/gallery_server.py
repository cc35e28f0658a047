"""A gallery on a Qdrant server or cluster, through qdrant-client; in memory where the address is ":memory:".

The client's local folders are never opened: they hold pickles.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.inspection.gallery import DEFECT, EMBEDDINGS, Case, Filter, Neighbour, Vector
from engine.inspection.gallery_base import GalleryBase
from engine.inspection.gallery_points import (
    INDEXES,
    MOST_KINDS,
    case_of,
    checked,
    conditions,
    neighbours,
    other_lengths,
    payload,
)

R = TypeVar("R")

COLLECTION = "sightline"
MEMORY = ":memory:"
_PATIENCE_S = 15
"""How long a server may take for one answer."""


def open_server(address: str, key: str, lengths: Mapping[str, int] | None) -> "ServerGallery":
    """Open the gallery at an address, or make one there; see `open_gallery`."""
    from qdrant_client import QdrantClient

    if address == MEMORY:
        return _opened(QdrantClient(MEMORY, force_disable_check_same_thread=True), MEMORY, COLLECTION, lengths, "")
    host, collection = _parted(address)
    # as a header of one's own: given as api_key the client warns on the console where the address is http
    headers = {"api-key": key} if key else None
    client = QdrantClient(url=host, timeout=_PATIENCE_S, check_compatibility=False, headers=headers)
    open_wire = bool(key) and host.startswith("http://") and urlsplit(host).hostname not in ("localhost", "127.0.0.1")
    note = "The key goes over the network unencrypted: use an https address if there is one." if open_wire else ""
    return _opened(client, host, collection, lengths, note)


def _parted(address: str) -> tuple[str, str]:
    """An address without its fragment, and the collection that the fragment names."""
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole:
        raise SightlineError(f"“{address}” is no address of a server: write it as http://host:6333.")
    # http://host:6333/dashboard#/collections/NAME is what a browser shows
    path = parts.path.rstrip("/").removesuffix("/dashboard")
    name = parts.fragment.rstrip("/").rpartition("/")[2]
    return f"{parts.scheme}://{parts.netloc}{path}", name or COLLECTION


def _opened(client: Any, where: str, collection: str, lengths: Mapping[str, int] | None, note: str) -> "ServerGallery":
    try:
        with _Told(where):
            if client.collection_exists(collection):
                found = _lengths_of(client.get_collection(collection), where, collection)
                if lengths is not None and dict(lengths) != found:
                    raise other_lengths(f"{where}#{collection}", found, lengths)
            elif lengths is None:
                raise SightlineError(f"There is no gallery “{collection}” on {where}: index pictures into it first.")
            else:
                found = {name: lengths[name] for name in EMBEDDINGS}
                _make(client, collection, found)
        return ServerGallery(client, where, collection, found, note)
    except BaseException:
        client.close()
        raise


def _make(client: Any, collection: str, lengths: Mapping[str, int]) -> None:
    from qdrant_client import models

    sizes = {name: models.VectorParams(size=n, distance=models.Distance.COSINE) for name, n in lengths.items()}
    client.create_collection(collection, vectors_config=sizes)
    if not _in_memory(client):
        for field, kind in INDEXES.items():
            client.create_payload_index(collection, field, models.PayloadSchemaType(kind), wait=True)


def _in_memory(client: Any) -> bool:
    from qdrant_client.local.qdrant_local import QdrantLocal

    return isinstance(client._client, QdrantLocal)


def _lengths_of(info: Any, where: str, collection: str) -> dict[str, int]:
    from qdrant_client import models

    found = info.config.params.vectors
    if isinstance(found, dict) and set(found) == set(EMBEDDINGS):
        named = [found[name] for name in EMBEDDINGS]
        if all(params.distance == models.Distance.COSINE for params in named):
            return {name: int(found[name].size) for name in EMBEDDINGS}
    raise SightlineError(
        f"The collection “{collection}” on {where} is no gallery of Sightline: name another after a # in the address."
    )


class ServerGallery(GalleryBase):
    """A gallery on a server; `open_server` makes it. See `Gallery`."""

    def __init__(self, client: Any, where: str, collection: str, lengths: Mapping[str, int], note: str) -> None:
        super().__init__(where if collection == COLLECTION else f"{where}#{collection}", lengths, note)
        self._client: Any = client
        self._collection = collection
        self._alone = threading.RLock()

    def _store(self, cases: Sequence[tuple[Case, Mapping[str, Vector]]]) -> None:
        from qdrant_client import models

        points = [
            models.PointStruct(
                id=case.id,
                vector={name: numbers.tolist() for name, numbers in vectors.items()},
                payload=payload(case),
            )
            for case, vectors in cases
        ]
        # wait: the answer comes when the points are written and can be found
        self._ask(lambda client: client.upsert(self._collection, points, wait=True))

    def similar(
        self, vector: NDArray[np.floating], embedding: str = DEFECT, top: int = 5, where: Filter | None = None
    ) -> list[Neighbour]:
        """See `Gallery.similar`."""
        numbers = checked(vector, embedding, self.lengths).tolist()
        chosen = _filter(where)
        found = self._ask(
            lambda client: client.query_points(
                self._collection, numbers, using=embedding, limit=top, query_filter=chosen, with_payload=True
            )
        )
        return neighbours([(point.payload or {}, point.score) for point in found.points])

    def _fetch(self, ids: Sequence[str], vectors: bool) -> dict[str, Case]:
        records = self._ask(
            lambda client: client.retrieve(self._collection, list(ids), with_payload=True, with_vectors=vectors)
        )
        found: dict[str, Case] = {}
        for record in records:
            given = {name: np.asarray(record.vector[name], np.float32) for name in EMBEDDINGS} if vectors else None
            found[str(record.id)] = case_of(record.payload or {}, given)
        return found

    def _page(self, where: Filter | None, limit: int, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        chosen = _filter(where)
        records, following = self._ask(
            lambda client: client.scroll(
                self._collection, scroll_filter=chosen, limit=limit, offset=after or None, with_payload=True
            )
        )
        return [record.payload or {} for record in records], str(following) if following else ""

    def label(self, id: str, kind: str) -> None:
        """See `Gallery.label`."""
        with self._alone:
            if not self.get([id]):
                raise SightlineError("This case is not in the gallery any more: index its picture again.")
            self._ask(lambda client: client.set_payload(self._collection, {"kind": kind}, points=[id], wait=True))

    def remove(self, ids: Sequence[str]) -> None:
        """See `Gallery.remove`."""
        if ids:
            self._ask(lambda client: client.delete(self._collection, list(ids), wait=True))

    def count(self, where: Filter | None = None) -> int:
        """See `Gallery.count`."""
        chosen = _filter(where)
        found = self._ask(lambda client: client.count(self._collection, count_filter=chosen, exact=True))
        return int(found.count)

    def close(self) -> None:
        """See `Gallery.close`."""
        with self._alone:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    def _values(self, field: str, where: Filter | None) -> dict[str, int]:
        chosen = _filter(where)
        found = self._ask(
            lambda client: client.facet(self._collection, field, facet_filter=chosen, limit=MOST_KINDS, exact=True)
        )
        return {str(hit.value): int(hit.count) for hit in found.hits}

    def _ask(self, request: Callable[[Any], R]) -> R:
        with self._alone:
            if self._client is None:
                raise ValueError(f"the gallery {self.where} is closed")
            with _Told(self.where):
                return request(self._client)


def _filter(where: Filter | None) -> Any:
    from qdrant_client import models

    must, must_not = ([_condition(*one) for one in side] for side in conditions(where))
    return models.Filter(must=must or None, must_not=must_not or None) if must or must_not else None


def _condition(sort: str, field: str, value: Any) -> Any:
    from qdrant_client import models

    if sort == "ids":
        return models.HasIdCondition(has_id=list(value))
    if sort == "any":
        return models.FieldCondition(key=field, match=models.MatchAny(any=list(value)))
    low, high = value
    limits = models.Range if sort == "range" else models.DatetimeRange
    return models.FieldCondition(key=field, range=limits(gte=low, lte=high))


class _Told:
    """Turns what the client raises into one sentence about the server."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        if isinstance(error, ResourceExhaustedResponse):
            raise SightlineError(f"{self._where} is asked too much: try again in {error.retry_after_s} s.") from None
        if isinstance(error, UnexpectedResponse):
            raise SightlineError(_refused(self._where, error.status_code or 0, bytes(error.content))) from None
        if isinstance(error, ResponseHandlingException):
            raise SightlineError(_unreached(self._where, error.source)) from None
        if isinstance(error, json.JSONDecodeError):
            raise SightlineError(_unreached(self._where, error)) from None


def _refused(where: str, status: int, content: bytes) -> str:
    text = content[:2000].decode("utf-8", "replace")
    if status == 401 or (status == 403 and "api" in text.lower() and "key" in text.lower()):
        return f"{where} wants a key, and this one is missing or wrong: give the server's API key."
    if status == 403:
        return f"{where} does not let this key do that: give a key that may write, or ask who runs the server."
    if status == 507 or "no space left" in text.lower() or "disk" in text.lower():
        return f"The server {where} has no space left: free some on it."
    if status == 404:
        return f"{where} has no such gallery, or is no Qdrant server: check the address."
    if status == 413:
        return f"{where} does not take that much at once: raise its limit for a request (max_request_size_mb)."
    if status == 429:
        return f"{where} is asked too much: try again in a minute."
    return f"The server {where} refused with HTTP status {status}: look into its log."


def _unreached(where: str, source: Exception) -> str:
    import httpx

    if isinstance(source, httpx.ConnectTimeout | httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
        return f"{where} does not answer within {_PATIENCE_S} s: check the address, or try again later."
    if isinstance(source, httpx.ConnectError):
        if "certificate" in str(source).lower() or "ssl" in str(source).lower():
            return f"{where} cannot be reached safely: check its certificate, or whether it wants http."
        return f"No server answers at {where}: start it, or check the address."
    if isinstance(source, httpx.TransportError):
        return f"The connection to {where} broke off: try again."
    return f"What answers at {where} is no Qdrant server: check the address."
