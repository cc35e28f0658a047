"""The process in which Qdrant Edge lives: it reads requests from its input and answers on its output.

Edge keeps the interpreter's lock in every call, and where a disk is full or a file is cut short the system ends the
process (SIGBUS) instead of raising anything. In a process of its own neither reaches the window.

A message is two big-endian lengths, that many bytes of JSON, and that many bytes of float32 numbers. When the input
ends, so does the process: a program that is killed leaves none behind.
"""

import json
import signal
import struct
import sys
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_HEAD = struct.Struct(">II")
_FLUSH_S = 1.0
"""Between two flushes: one takes 15 ms on a quiet disk and 350 ms on a busy one."""

LOCK = ".lock"

Reply = tuple[dict[str, Any], bytes]


def send(stream: IO[bytes], fields: Mapping[str, Any], numbers: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps(fields).encode()
    stream.write(_HEAD.pack(len(text), len(numbers)) + text + numbers)
    stream.flush()


def receive(stream: IO[bytes]) -> Reply | None:
    """Read one message; None where the other side is gone."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    text_size, numbers_size = _HEAD.unpack(head)
    text = stream.read(text_size)
    numbers = stream.read(numbers_size)
    if len(text) < text_size or len(numbers) < numbers_size:
        return None
    fields: dict[str, Any] = json.loads(text)
    return fields, numbers


def _locked(file: IO[bytes]) -> bool:
    """Lock a file if nobody else has; the system lets go of it when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


class _Store:
    """One shard of Qdrant Edge and what can be asked of it."""

    def __init__(self) -> None:
        import qdrant_edge

        self._edge: Any = qdrant_edge
        self._shard: Any = None
        self._flushed = 0.0
        self._lock: IO[bytes] | None = None

    def hold(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        """Take the folder until this process ends; it must be taken before Edge comes near it.

        Edge refuses to load what is loaded already, but by then it has opened the files of its segments and cut off
        what the other was just writing.
        """
        self._lock = (Path(fields["folder"]) / LOCK).open("ab")
        return {"held": _locked(self._lock)}, b""

    def make(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        """A new shard in a folder that is there and empty; it is closed again."""
        edge = self._edge
        vectors = {
            name: edge.EdgeVectorParams(size=size, distance=edge.Distance.Cosine)
            for name, size in fields["lengths"].items()
        }
        shard = edge.EdgeShard.create(fields["folder"], edge.EdgeConfig(vectors=vectors))
        for field, kind in fields["indexes"].items():
            schema = getattr(edge.PayloadSchemaType, kind.capitalize())
            shard.update(edge.UpdateOperation.create_field_index(field, schema))
        shard.flush()
        shard.close()
        return {}, b""

    def load(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        self._shard = self._edge.EdgeShard.load(fields["folder"])
        return {"points": self._points()}, b""

    def add(self, fields: dict[str, Any], numbers: bytes) -> Reply:
        edge, lengths = self._edge, fields["lengths"]
        row = array("f", numbers).tolist()
        points, at = [], 0
        for point_id, payload in fields["points"]:
            vectors = {}
            for name, size in lengths.items():
                vectors[name] = row[at : at + size]
                at += size
            points.append(edge.Point(point_id, vectors, payload))
        return self._changed(edge.UpdateOperation.upsert_points(points))

    def similar(self, fields: dict[str, Any], numbers: bytes) -> Reply:
        edge = self._edge
        query = edge.Query.Nearest(array("f", numbers).tolist(), using=fields["embedding"])
        found = self._shard.query(
            edge.QueryRequest(limit=fields["top"], query=query, filter=self._filter(fields), with_payload=True)
        )
        return {"found": [(point.payload, point.score) for point in found]}, b""

    def get(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        records = self._shard.retrieve(fields["ids"], True, fields["vectors"])
        numbers = array("f")
        if fields["vectors"]:
            for record in records:
                for name in fields["names"]:
                    numbers.extend(record.vector[name])
        return {"found": [(str(record.id), record.payload) for record in records]}, numbers.tobytes()

    def page(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        records, after = self._shard.scroll(
            self._edge.ScrollRequest(
                offset=fields["after"] or None,
                limit=fields["limit"],
                filter=self._filter(fields),
                with_payload=True,
                with_vector=False,
            )
        )
        return {"found": [record.payload for record in records], "after": str(after) if after else ""}, b""

    def label(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        return self._changed(self._edge.UpdateOperation.set_payload([fields["id"]], fields["payload"]))

    def remove(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        return self._changed(self._edge.UpdateOperation.delete_points(fields["ids"]))

    def count(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        return {"count": self._shard.count(self._edge.CountRequest(exact=True, filter=self._filter(fields)))}, b""

    def values(self, fields: dict[str, Any], _numbers: bytes) -> Reply:
        request = self._edge.FacetRequest(fields["field"], fields["most"], True, self._filter(fields))
        return {"found": [(hit.value, hit.count) for hit in self._shard.facet(request).hits]}, b""

    def close(self, _fields: dict[str, Any], _numbers: bytes) -> Reply:
        if self._shard is None:
            return {}, b""
        points = self._points()
        self._shard.flush()
        self._shard.close()
        return {"points": points}, b""

    def _changed(self, operation: Any) -> Reply:
        # what is in Edge's log outlives a kill of both processes; flushed, it outlives a power cut too
        self._shard.update(operation)
        flush = time.monotonic() - self._flushed > _FLUSH_S
        if flush:
            self._shard.flush()
            self._flushed = time.monotonic()
        return {"points": self._points(), "flushed": flush}, b""

    def _points(self) -> int:
        points: int = self._shard.info().points_count
        return points

    def _filter(self, fields: dict[str, Any]) -> Any:
        must = [self._condition(*condition) for condition in fields["must"]]
        must_not = [self._condition(*condition) for condition in fields["must_not"]]
        return self._edge.Filter(must=must or None, must_not=must_not or None) if must or must_not else None

    def _condition(self, sort: str, field: str, value: Sequence[Any]) -> Any:
        edge = self._edge
        if sort == "ids":
            return edge.HasIdCondition(set(value))
        if sort == "any":
            match = edge.MatchValue(value[0]) if len(value) == 1 else edge.MatchAny(list(value))
            return edge.FieldCondition(field, match=match)
        low, high = value
        limits = edge.RangeFloat if sort == "range" else edge.RangeDateTime
        return edge.FieldCondition(field, range=limits(gte=low, lte=high))


def main() -> None:
    """Answer until the input ends."""
    # Ctrl-C in a terminal reaches every process of the group; the one that asks decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    store = _Store()
    while (message := receive(source)) is not None:
        fields, numbers = message
        what = fields["do"]
        call: Callable[[dict[str, Any], bytes], Reply] = getattr(store, what)
        try:
            answer, out = call(fields, numbers)
        except BaseException as error:
            # a panic of Rust is a BaseException
            answer, out = {"error": str(error)}, b""
        try:
            send(sink, answer, out)
        except BrokenPipeError:
            return
        if what == "close":
            return


def command(folder: Path) -> list[str]:
    """How this process is started, with the checkout in `folder`."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from engine.inspection.gallery_child import main; main()"
    return [sys.executable, "-c", code, str(folder)]
