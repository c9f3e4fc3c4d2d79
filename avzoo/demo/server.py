"""The server: the page, the moments by number, and nothing else."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response

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
    encoder: Encoder,
    library: Library,
    host: str = "127.0.0.1",
    port: int | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves the demo until it is interrupted.

    Args:
        encoder: The model of the library's index.
        library: What can be found.
        host: Address to listen on. With one other than loopback, everyone who reaches it can search and play the
            index.
        port: None for the first free one from 7860.
        on_ready: Told the address, once it is taken.

    Raises:
        ServerError: The address cannot be taken.
        RetrievalError: The encoder is not the one of the index.
    """
    with _listen(host, port) as listener, TemporaryDirectory(prefix="avzoo-demo-") as private:
        app = create_app(encoder, library, Path(private), None if host not in _LOOPBACK else _LOOPBACK)
        url_host = f"[{host}]" if ":" in host else host
        on_ready(f"http://{url_host}:{listener.getsockname()[1]}")
        # Pages that are open hold a connection for ever: leave them a second.
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


def create_app(encoder: Encoder, library: Library, private: Path, hosts: set[str] | None = None) -> FastAPI:
    """The whole application.

    Args:
        encoder: The model of the library's index.
        library: What can be found.
        private: An empty folder for uploads and previews, that nobody else can read.
        hosts: Names under which it may be called; None for any. Those of loopback alone keep pages of other sites from
            reaching it through a name of theirs (DNS rebinding).
    """
    folders = {name: private / name for name in ("uploads", "clips", "work")}
    for folder in folders.values():
        folder.mkdir()
    os.environ["GRADIO_TEMP_DIR"] = str(folders["uploads"])
    previews = Previews(library, folders["clips"])
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    # Not asynchronous: decoding runs in a thread.
    @app.get("/moments/{number}.mp4")
    def clip(number: int) -> Response:
        return _found(lambda: FileResponse(previews.clip(number), media_type="video/mp4"))

    @app.get("/moments/{number}.jpg")
    def still(number: int) -> Response:
        cached = {"Cache-Control": "private, max-age=3600"}
        return _found(lambda: Response(previews.still(number), media_type="image/jpeg", headers=cached))

    gr.mount_gradio_app(
        app,
        build(Retriever(encoder, library, folders["work"]), folders["uploads"]),
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


class _Gate:
    """Lets through what the page needs, and tells the browser to let it reach nothing else."""

    def __init__(self, app: Any, hosts: set[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http" or not (_needed(scope["path"]) and self._meant(scope)):
            await PlainTextResponse("not found", status_code=404)(scope, receive, send)
            return

        async def send_with_policy(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [
                    *event["headers"],
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(event)

        await self._app(scope, receive, send_with_policy)

    def _meant(self, scope: Any) -> bool:
        """Whether a request calls this server by its name and is no other site's."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]")
        foreign = scope["method"] != "GET" and headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin")
        return not foreign and (self._hosts is None or host in self._hosts)


def _needed(path: str) -> bool:
    if path.startswith("/gradio_api"):
        path = path.removeprefix("/gradio_api")
        return path in _GRADIO_PATHS or path.startswith(_GRADIO_PREFIXES)
    return path in _PATHS or path.startswith(_PREFIXES)


def _listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted = [port] if port is not None else list(range(PORT, PORT + _PORTS))
    for number in wanted:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            return listener
        except OSError as error:
            listener.close()
            reason = error.strerror
        except OverflowError:
            listener.close()
            raise ServerError(f"there is no port {number}: give one from 0 to 65535") from None
    ports = str(wanted[0]) if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
    raise ServerError(f"cannot listen on {host}, port {ports}: {reason}; give another --port or --host")
