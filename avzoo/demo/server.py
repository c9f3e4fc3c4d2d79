"""The server: the page, the moments by number, and nothing else."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from avzoo.demo.app import build, style, theme
from avzoo.demo.library import Library, UnknownMomentError
from avzoo.demo.previews import Previews
from avzoo.demo.retriever import Retriever
from avzoo.errors import AvzooError
from avzoo.extract import Encoder

PORT = 7860
_PORTS = 10  # that are tried when none was asked for
MAX_UPLOAD = 100 * 2**20  # bytes

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

#: What the page needs. Everything else that Gradio can do is refused: serving files of its cache, which hold what
#: others uploaded (``file=``), fetching URLs, proxies, recordings, monitoring, ...
_PATHS = {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json"}
_PREFIXES = ("/assets/", "/static/", "/moments/")
_GRADIO_PATHS = {"/upload", "/upload_progress", "/queue/join", "/queue/data", "/theme.css", "/app_id", "/cancel"}
_GRADIO_PREFIXES = ("/heartbeat/",)

#: The browser itself keeps the page from talking to anyone else. Gradio builds functions from strings.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' blob: data:; object-src 'none'; form-action 'self'"
)


class ServerError(AvzooError):
    """The server cannot start."""


def serve(
    encoder: Encoder, library: Library, listener: socket.socket, on_ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serves the demo until it is interrupted.

    Args:
        encoder: The model of the library's index.
        library: What can be found. Where the address is not of loopback, everyone who reaches it can search and play
            this.
        listener: The address, from `listen`.
        on_ready: Told the URL.

    Raises:
        RetrievalError: The encoder is not the one of the index.
    """
    host, port = listener.getsockname()[:2]
    with TemporaryDirectory(prefix="avzoo-demo-") as private:
        folder = Path(private)
        retriever = Retriever(encoder, library, folder)
        app = create_app(retriever, folder, _LOOPBACK | {host} if ip_address(host).is_loopback else None)
        Thread(target=retriever.warm_up, daemon=True).start()
        on_ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        # Pages that are open hold a connection for ever: leave them a second.
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


def create_app(retriever: Retriever, private: Path, hosts: set[str] | None = None) -> FastAPI:
    """The whole application.

    Args:
        retriever: What answers.
        private: A folder for uploads and for work on previews, that nobody else can read.
        hosts: Names under which it may be called; None for any. Those of loopback alone keep pages of other sites from
            reaching it through a name of theirs (DNS rebinding), or in a frame.
    """
    uploads, scratch = private / "uploads", private / "scratch"
    uploads.mkdir()
    scratch.mkdir()
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    previews = Previews(retriever.library, scratch)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    # Not asynchronous: decoding runs in a thread.
    @app.get("/moments/{number}.mp4")
    def clip(number: int, request: Request) -> Response:
        return _found(lambda: _part(previews.clip(number), request.headers.get("range", "")))

    @app.get("/moments/{number}.jpg")
    def still(number: int) -> Response:
        cached = {"Cache-Control": "private, max-age=3600"}
        return _found(lambda: Response(previews.still(number), media_type="image/jpeg", headers=cached))

    gr.mount_gradio_app(
        app,
        build(retriever, uploads),
        path="/",
        theme=theme(),
        css=style(),
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        blocked_paths=[],
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )
    app.add_middleware(_Gate, hosts=hosts)
    return app


def _found(make: Callable[[], Response]) -> Response:
    try:
        return make()
    except UnknownMomentError:
        return PlainTextResponse("no such moment", status_code=404)
    except AvzooError:  # the file was moved, removed or damaged since it was indexed
        return PlainTextResponse("this moment cannot be read any more", status_code=410)


def _part(clip: bytes, asked: str) -> Response:
    """A clip, or the one range of its bytes that is asked for: players need that to seek."""
    headers = {"Accept-Ranges": "bytes"}
    match = re.fullmatch(r"bytes=(\d{1,15})-(\d{0,15})", asked)
    if match is None:  # none, or a form that may be ignored (RFC 9110, 14.2)
        return Response(clip, media_type="video/mp4", headers=headers)
    first = int(match[1])
    last = min(int(match[2] or len(clip)), len(clip) - 1)
    if first > last:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{len(clip)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(clip)}"
    return Response(clip[first : last + 1], 206, media_type="video/mp4", headers=headers)


class _Gate:
    """Lets through what the page needs, and tells the browser to let it reach nothing else."""

    def __init__(self, app: Any, hosts: set[str] | None) -> None:
        self._app = app
        self._hosts = hosts
        self._policy = _POLICY if hosts is None else f"{_POLICY}; frame-ancestors 'none'"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if not (_needed(scope["path"]) and self._meant(scope)):
            await PlainTextResponse("not found", status_code=404)(scope, receive, send)
            return

        async def send_with_policy(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [
                    *event["headers"],
                    (b"content-security-policy", self._policy.encode()),
                    (b"cross-origin-resource-policy", b"same-origin"),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(event)

        await self._app(scope, receive, send_with_policy)

    def _meant(self, scope: Any) -> bool:
        """Whether a request calls this server by its name and is no other site's."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]")
        own = headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin")
        return (own or self._opens_page(scope, headers)) and (self._hosts is None or host in self._hosts)

    def _opens_page(self, scope: Any, headers: dict[bytes, bytes]) -> bool:
        """Whether a request of another site does no more than open the page, as a link or, where allowed, a frame."""
        places = (b"document",) if self._hosts is not None else (b"document", b"iframe")
        return (
            (scope["method"], scope["path"]) == ("GET", "/")
            and headers.get(b"sec-fetch-mode") == b"navigate"
            and headers.get(b"sec-fetch-dest") in places
        )


def _needed(path: str) -> bool:
    if path.startswith("/gradio_api"):
        path = path.removeprefix("/gradio_api")
        return path in _GRADIO_PATHS or path.startswith(_GRADIO_PREFIXES)
    return path in _PATHS or path.startswith(_PREFIXES)


def listen(host: str = "127.0.0.1", port: int | None = None) -> socket.socket:
    """Takes an address, so that it is known to be free before anything is built for it.

    Args:
        host: Name or address to listen on.
        port: None for the first free one from 7860, 0 for any.

    Raises:
        ServerError: It cannot be taken.
    """
    wanted = [port] if port is not None else list(range(PORT, PORT + _PORTS))
    for number in wanted:
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, kind)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                listener.listen()
            except OSError:
                listener.close()
                raise
        except OSError as error:
            reason = error.strerror
        else:
            return listener
    ports = str(wanted[0]) if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
    raise ServerError(f"cannot listen on {host}, port {ports}: {reason}; give another --port or --host")
