"""The bytes behind an address, read on a thread of their own so that whoever waits for them can stop at any time."""

import contextlib
import http.client
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

_CHUNK = 1 << 17
_AGENT = "sightline"


@dataclass(frozen=True, slots=True)
class Reply:
    """How a server answered.

    Attributes:
        begins_at: the number of the first byte that will come.
        total: bytes of the whole file, or None where the server does not say.
        validator: what tells this file from a later one at the same address (an ETag or a date), or "".
        kind: the content type, lower case.
    """

    begins_at: int
    total: int | None
    validator: str
    kind: str


class Transfer:
    """One request. `items()` gives its `Reply`, then bytes; leaving the `with` breaks the connection.

    urllib alone cannot be stopped while a server keeps it waiting; here the socket is shut down from outside.
    """

    def __init__(self, address: str, begins_at: int = 0, validator: str = "", timeout_s: float = 20.0) -> None:
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        if begins_at and validator:
            headers |= {"Range": f"bytes={begins_at}-", "If-Range": validator}
        self._request = urllib.request.Request(address, headers=headers)
        self._timeout_s = timeout_s
        self._items: queue.Queue[Reply | bytes | BaseException | None] = queue.Queue(maxsize=32)
        self._stop = threading.Event()
        self._connections: list[http.client.HTTPConnection] = []
        self._thread = threading.Thread(target=self._run, name="sightline-transfer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for connection in list(self._connections):
            # a connection that has handed its socket to the response has none; close() alone does not wake a reader
            sock = getattr(connection, "sightline_socket", None)
            with contextlib.suppress(OSError):
                if sock is not None:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        # a name that is being looked up cannot be interrupted: the thread then ends by itself
        self._thread.join(1.0)

    def items(self, patience_s: float) -> Iterator[Reply | bytes | None]:
        """The reply, then bytes as they come; None whenever nothing came for 50 ms.

        Raises:
            TimeoutError: nothing came for `patience_s`.
            OSError, http.client.HTTPException: as urllib.
        """
        heard = time.monotonic()
        while True:
            try:
                item = self._items.get(timeout=0.05)
            except queue.Empty:
                if time.monotonic() - heard > patience_s:
                    raise TimeoutError from None
                yield None
                continue
            heard = time.monotonic()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        try:
            opener = urllib.request.build_opener(_Http(self._connections), _Https(self._connections))
            with opener.open(self._request, timeout=self._timeout_s) as response:
                self._put(_reply(response))
                while not self._stop.is_set():
                    chunk = response.read1(_CHUNK)
                    if not chunk:
                        break
                    self._put(chunk)
            self._put(None)
        except urllib.error.HTTPError as error:
            error.close()
            self._put(error)
        except Exception as error:
            self._put(error)

    def _put(self, item: Reply | bytes | BaseException | None) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put(item, timeout=0.1)
                return


def _reply(response: Any) -> Reply:
    headers = response.headers
    length = int(headers["Content-Length"]) if (headers["Content-Length"] or "").isdigit() else None
    begins_at = 0
    if response.status == 206:
        # "bytes 100-199/200"
        begins_at = int(headers["Content-Range"].split()[1].partition("-")[0])
    etag = headers["ETag"] or ""
    validator = etag if etag and not etag.startswith("W/") else headers["Last-Modified"] or ""
    kind = headers.get_content_type()
    return Reply(begins_at, None if length is None else begins_at + length, validator, kind)


def _watched(base: type[http.client.HTTPConnection], connections: list[http.client.HTTPConnection]) -> Any:
    """A connection that leaves its socket where another thread can shut it down."""

    class Watched(base):  # type: ignore[valid-type, misc]
        def connect(self) -> None:
            super().connect()
            self.sightline_socket = self.sock
            connections.append(self)

    return Watched


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connections: list[http.client.HTTPConnection]) -> None:
        super().__init__()
        self._connections = connections

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_watched(http.client.HTTPConnection, self._connections), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connections: list[http.client.HTTPConnection]) -> None:
        super().__init__()
        self._connections = connections

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_watched(http.client.HTTPSConnection, self._connections), request)
