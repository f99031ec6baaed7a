"""What an s3 store makes of answers that a server, or a gateway before it, gives instead of the object."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from lamella_layers.store.object_store import S3ObjectStore

_LOCATOR = "o1/scope/-1/key"


@pytest.fixture
def answering():
    """Give what starts a server with one answer to everything, and returns a store on it and the methods asked for."""
    servers = []

    def answering(status: int, body: bytes = b"") -> tuple[S3ObjectStore, list[str]]:
        asked = []

        class Answer(BaseHTTPRequestHandler):
            def answer(self) -> None:
                asked.append(self.command)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - names of the base class

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        keys = {"access_key_id": "tests", "secret_access_key": "canary-secret"}
        return S3ObjectStore("bucket", region="us-east-1", endpoint=endpoint, allow_http=True, **keys), asked

    yield answering
    for server in servers:
        server.shutdown()
        server.server_close()


def test_delete_is_the_one_request_that_every_server_knows(answering):
    store, asked = answering(204)
    store.delete(_LOCATOR)
    assert asked == ["DELETE"]
