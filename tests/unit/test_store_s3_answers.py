"""What an s3 store makes of answers that a server, or a gateway before it, gives instead of the object."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from lamella.errors import ObjectNotFoundError, StoreConflictError, StoreError
from lamella_layers.store.object_store import S3ObjectStore

_LOCATOR = "o1/scope/-1/key"
_ABSENT = b"<Error><Code>NoSuchKey</Code></Error>"
_GATEWAY = b"<html>default backend</html>"
_ATTEMPTS = {
    "put": lambda store: store.put(_LOCATOR, (b"new",)),
    "upload": lambda store: store.put(_LOCATOR, (bytes(1024 * 1024) for _ in range(9))),
    "get": lambda store: store.get(_LOCATOR),
    "delete": lambda store: store.delete(_LOCATOR),
    "list": lambda store: list(store.list("o1/")),
}


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


def test_404_of_the_server_for_the_key_means_that_nothing_is_stored(answering):
    store, _ = answering(404, _ABSENT)
    with pytest.raises(ObjectNotFoundError):
        store.get(_LOCATOR)
    store.delete(_LOCATOR)


@pytest.mark.parametrize("method", ["put", "upload"])
def test_404_for_a_key_that_is_written_is_a_conflict(answering, method):
    store, _ = answering(404, _ABSENT)
    with pytest.raises(StoreConflictError):
        _ATTEMPTS[method](store)


@pytest.mark.parametrize("body", [b"", _GATEWAY, b"<Error><Code>NoSuchUpload</Code></Error>"])
@pytest.mark.parametrize("method", _ATTEMPTS)
def test_404_of_anything_else_never_means_that_nothing_is_stored(answering, method, body):
    store, _ = answering(404, body)
    with pytest.raises(StoreError, match="with HTTP status 404") as caught:
        _ATTEMPTS[method](store)
    assert type(caught.value) is StoreError


def test_page_of_a_gateway_is_no_object(answering):
    store, _ = answering(200, _GATEWAY)
    with pytest.raises(StoreError, match="ETag"):
        store.get(_LOCATOR)


@pytest.mark.parametrize("method", _ATTEMPTS)
def test_bucket_in_another_region_is_a_store_error_that_says_so(answering, method):
    store, _ = answering(301, b"<Error><Code>PermanentRedirect</Code></Error>")
    with pytest.raises(StoreError, match="in another region") as caught:
        _ATTEMPTS[method](store)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredToken"), (403, "RequestTimeTooSkewed"), (501, "NotImplemented")]
)
def test_refusal_names_the_code_that_the_server_gives(answering, status, code):
    store, _ = answering(status, f"<Error><Code>{code}</Code></Error>".encode())
    with pytest.raises(StoreError, match=rf"\({code}\)") as caught:
        store.get(_LOCATOR)
    assert not caught.value.transient
    assert "canary" not in f"{caught.value} {caught.value.__cause__}"
