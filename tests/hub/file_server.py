"""A server of one file on loopback that can resume, break off, fail and redirect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """What the server does.

    Attributes:
        content: The file.
        etag: Its version; None sends none.
        cut: Bytes after which an answer breaks off; None for never.
        codes: Codes with which the next requests fail.
        redirect: Where every request is sent instead.
        tells_length: Whether answers say how long they are.
        ranges: The ``Range`` header of every request.
    """

    content: bytes
    etag: str | None = '"1"'
    cut: int | None = None
    codes: list[int] = field(default_factory=list)
    redirect: str | None = None
    tells_length: bool = True
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def served(content: bytes) -> Iterator[Served]:
    """Serves a file until the block ends."""
    state = Served(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            if state.codes or state.redirect:
                self.send_response(state.codes.pop(0) if state.codes else 302)
                self.send_header("Location", state.redirect or "")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            fresh = self.headers.get("If-Range") in (None, state.etag)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and fresh else 0
            if start >= len(state.content) > 0 and start:
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.tells_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if state.cut is None else body[: state.cut])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/release/weights.pth"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
