"""A Qdrant server for tests: the part of its REST interface that the gallery uses, over the client's memory mode."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stub:
    """Serves on a port of this machine.

    Attributes:
        url: its address.
        key: what requests must bring as `api-key`; "" asks for none.
        answer: (status, bytes) that is given to every request instead, or None.
        indexes: fields for which an index was asked for.
        seen: "METHOD path" of every request.
    """

    def __init__(self, key: str = "") -> None:
        from qdrant_client import QdrantClient

        self.key, self.answer = key, None
        self.indexes: list[str] = []
        self.seen: list[str] = []
        self.store = QdrantClient(":memory:", force_disable_check_same_thread=True)
        self.alone = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args) -> None: ...

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = stub.respond(self.command, self.path, body, self.headers.get("api-key") or "")
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(answer)

            do_GET = do_PUT = do_POST = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), name="stub", daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def respond(self, method: str, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        self.seen.append(f"{method} {path}")
        if self.answer is not None:
            return self.answer
        if self.key and key != self.key:
            text = b"Invalid API key or JWT" if key else b"Must provide an API key or an Authorization bearer token"
            return 401, text
        with self.alone:
            try:
                result = self.result(method, path.partition("?")[0].strip("/").split("/"), json.loads(body or b"{}"))
            except KeyError:
                return 404, b"not found"
            except ValueError as error:
                return 404, json.dumps({"status": {"error": str(error)}}).encode()
        text = result.model_dump_json() if hasattr(result, "model_dump_json") else json.dumps(result)
        return 200, f'{{"time":0.0,"status":"ok","result":{text}}}'.encode()

    def result(self, method: str, parts: list[str], body: dict):
        from qdrant_client import models

        name, rest = parts[1], parts[2:]
        chosen = models.Filter(**body["filter"]) if body.get("filter") else None
        match method, *rest:
            case "GET", "exists":
                return {"exists": self.store.collection_exists(name)}
            case ["GET"]:
                return self.store.get_collection(name)
            case ["PUT"]:
                sizes = {key: models.VectorParams(**value) for key, value in body["vectors"].items()}
                return self.store.create_collection(name, sizes)
            case "PUT", "index":
                self.indexes.append(body["field_name"])
                return models.UpdateResult(operation_id=0, status="completed")
            case "PUT", "points":
                return self.store.upsert(name, [models.PointStruct(**point) for point in body["points"]])
            case "POST", "points", "query":
                query = body["query"]["nearest"] if isinstance(body["query"], dict) else body["query"]
                return self.store.query_points(
                    name, query, using=body["using"], limit=body["limit"], query_filter=chosen
                )
            case "POST", "points":
                found = self.store.retrieve(name, body["ids"], body["with_payload"], body["with_vector"])
                return [json.loads(record.model_dump_json()) for record in found]
            case "POST", "points", "scroll":
                found, after = self.store.scroll(name, chosen, body["limit"], offset=body.get("offset"))
                return {"points": [json.loads(one.model_dump_json()) for one in found], "next_page_offset": after}
            case "POST", "points", "count":
                return self.store.count(name, chosen, exact=True)
            case "POST", "facet":
                return self.store.facet(name, body["key"], chosen, body["limit"], True)
            case "POST", "points", "delete":
                return self.store.delete(name, body["points"])
            case "POST", "points", "payload":
                return self.store.set_payload(name, body["payload"], points=body["points"])
        raise KeyError(method, rest)
