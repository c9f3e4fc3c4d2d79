"""How the loopback Hub speaks HTTP: requests in, answers or faults out."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from hub_repos import Hub, HubError, Repo, User


@dataclass
class Fault:
    """What goes wrong with requests whose method and path match.

    Attributes:
        method: HTTP method.
        path: Regular expression that the path must contain.
        after: Bytes of the body, read or written, after which the connection is cut; None cuts nothing.
        flip: Serve the right number of wrong bytes.
        status: Answer with this status at once.
        times: How often.
    """

    method: str
    path: str
    after: int | None = None
    flip: bool = False
    status: int | None = None
    times: int = 1


@dataclass(frozen=True)
class Request:
    """A request as it came in, the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class State:
    """What all connections share."""

    url: str
    cdn: str
    hub: Hub
    faults: list[Fault]
    requests: list[Request]
    closed: bool = False

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault for a request, counted down."""
        with self.hub.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


class _Cut(Exception):
    """The connection is to be dropped."""


Answer = tuple[int, Any, dict[str, str]]
Route = Callable[..., Answer]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    state: ClassVar[State]
    routes: ClassVar[list[tuple[str, re.Pattern[str], Route]]] = []
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""

    def _any(self) -> None:
        state = self.state
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        state.requests.append(Request(self.command, self.path, headers))
        fault = state.fault(self.command, parts.path)
        try:
            if state.closed:
                self._cut()
            self.body = self._read_body(fault)
            if fault is not None and fault.status is not None:
                raise HubError(fault.status, "fault")
            status, body, headers = self._route(parts.path.rstrip("/"))
        except _Cut:
            return
        except HubError as error:
            headers = {"X-Error-Message": error.message}
            if error.code:
                headers["X-Error-Code"] = error.code
            if "id" in error.body:
                error.body["url"] = f"{state.url}/{error.body['id']}"
            status, body = error.status, {"error": error.message, **error.body}
        with suppress(_Cut, BrokenPipeError, ConnectionResetError):
            self._send(status, body, headers, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any

    def _read_body(self, fault: Fault | None) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            chunks = b""
            while size := int(self.rfile.readline(), 16):
                chunks += self.rfile.read(size)
                self.rfile.readline()
                if fault is not None and fault.after is not None and len(chunks) > fault.after:
                    self._cut()
            self.rfile.readline()
            return chunks
        length = int(self.headers.get("Content-Length", 0))
        if fault is not None and fault.after is not None and self.command in ("PUT", "POST"):
            self.rfile.read(min(length, fault.after))
            self._cut()
        return self.rfile.read(length)

    def _cut(self) -> None:
        """Drops the connection with a reset, as a broken network does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        raise _Cut

    def _route(self, path: str) -> Answer:
        state = self.state
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.user: User | None = state.hub.users.get(token)
        if token and self.user is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        method = "GET" if self.command == "HEAD" else self.command
        with state.hub.lock:
            for verb, pattern, route in self.routes:
                if verb == method and (match := pattern.fullmatch(path)):
                    return route(self, *(unquote(group) for group in match.groups()))
        raise HubError(404, f"no such page: {path}")

    def _send(self, status: int, body: Any, headers: dict[str, str], fault: Fault | None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and status == 200:
            start, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{last}/{len(content)}"
            status, content = 206, content[start : last + 1]
        if fault is not None and fault.flip:
            content = bytes(255 - byte for byte in content)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.after is not None and self.command == "GET":
            self.wfile.write(content[: fault.after])
            self.wfile.flush()
            self.close_connection = True  # an orderly end, too early: what was sent arrives
            raise _Cut
        self.wfile.write(content)

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def repo(self, repo_id: str, write: bool = False) -> Repo:
        return self.state.hub.repo(repo_id, self.user, write)


def route(verb: str, path: str) -> Callable[[Route], Route]:
    """Enters a function in the table; ``{repo}`` stands for an id, ``{rev}`` for one part, ``{path}`` for any."""
    pattern = path.replace("{repo}", r"([^/]+/[^/]+?)").replace("{rev}", r"([^/]+)").replace("{path}", r"(.+)")

    def enter(function: Route) -> Route:
        Handler.routes.append((verb, re.compile(pattern), function))
        return function

    return enter
