"""A web server on 127.0.0.1 that behaves well, or badly in a chosen way."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_KINDS = {
    ".mp4": "video/mp4",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".html": "text/html",
    ".png": "image/png",
}


@dataclass
class Answer:
    """How one path is answered.

    Attributes:
        body: the bytes, or a function that makes them anew for each request.
        status: of HTTP.
        kind: the content type; by the suffix if "".
        ranges: whether a part can be asked for.
        stalls_after: this many bytes are sent, then nothing more, and the connection stays open.
        breaks_after: this many bytes are sent, then the connection is closed.
        times: how often it stalls or breaks; afterwards it behaves.
        never: the request is read and never answered.
        bytes_a_second: None as fast as it goes.
        length: whether the answer says how long it is.
    """

    body: bytes | Callable[[], bytes] = b""
    status: int = 200
    kind: str = ""
    ranges: bool = True
    stalls_after: int | None = None
    breaks_after: int | None = None
    times: int = 1_000_000
    never: bool = False
    bytes_a_second: float | None = None
    length: bool = True


class MediaServer:
    """Serves what it was given; use it in `with`.

    Attributes:
        answers: by path ("/street.mp4"); change them at any time.
        requests: (path, Range header or None) of each request so far.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.over = threading.Event()
        outer = self

        class Handler(_Handler):
            server_of = outer

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="test-server", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def url(self, path):
        """The address of a path."""
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"

    def add(self, path, body=b"", **how):
        """Answer `path` with these bytes (or this file's); returns its address."""
        self.answers[path] = Answer(body.read_bytes() if isinstance(body, Path) else body, **how)
        return self.url(path)

    def ranges_asked(self, path):
        """The Range headers that came for a path, in order."""
        return [asked for where, asked in self.requests if where == path]


class _Handler(BaseHTTPRequestHandler):
    server_of: MediaServer

    def do_HEAD(self):
        self._answer(send=False)

    def do_GET(self):
        self._answer(send=True)

    def _answer(self, send):
        path = urlsplit(self.path).path
        self.server_of.requests.append((path, self.headers.get("Range")))
        answer = self.server_of.answers.get(path, Answer(status=404))
        if answer.never:
            self.server_of.over.wait(60)
            return
        body = answer.body() if callable(answer.body) else answer.body
        part, status, extra = body, answer.status, {}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if answer.ranges and status == 200:
            extra["Accept-Ranges"] = "bytes"
            if asked:
                first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
                if first >= len(body):
                    self.send_error(416)
                    return
                part, status = body[first : last + 1], 206
                extra["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        self.send_response(status)
        kind = answer.kind or _KINDS.get(Path(path).suffix, "text/plain")
        if answer.length:
            extra["Content-Length"] = str(len(part))
        for name, value in {"Content-Type": kind, **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        if send:
            self._send(answer, part)

    def _send(self, answer, part):
        limit = answer.stalls_after if answer.stalls_after is not None else answer.breaks_after
        misbehaves = limit is not None and limit < len(part) and answer.times > 0
        if misbehaves:
            answer.times -= 1
            part = part[:limit]
        try:
            if answer.bytes_a_second is None:
                self.wfile.write(part)
            else:
                step = max(1, int(answer.bytes_a_second / 50))
                for at in range(0, len(part), step):
                    self.wfile.write(part[at : at + step])
                    self.wfile.flush()
                    time.sleep(step / answer.bytes_a_second)
            self.wfile.flush()
            if misbehaves and answer.stalls_after is not None:
                self.server_of.over.wait(60)
        except OSError:
            return
        finally:
            self.close_connection = True

    def log_message(self, *_anything):
        pass
