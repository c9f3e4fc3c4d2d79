"""A server on loopback that speaks the Hub's HTTP protocol, standard library only.

It answers what ``huggingface_hub`` asks when it creates, fills, tags, lists and downloads model repositories; large
files go over git-lfs and are served by a second origin, as the real one's are. Faults can be switched on: connections
cut in the middle of an upload or a download, wrong bytes, error codes. Every request is kept in ``requests``.
"""

from __future__ import annotations

import re
import threading
from http.server import ThreadingHTTPServer

import hub_routes  # noqa: F401 - enters its pages
from hub_http import Fault, Handler, Request, State
from hub_repos import Hub


class HubServer:
    """The running server.

    Attributes:
        url: What ``HF_ENDPOINT`` must be.
        cdn: Where large files are.
        hub: Its state.
        faults: What goes wrong next.
        requests: Every request so far.
    """

    def __init__(self) -> None:
        self.hub, self.faults, self.requests = Hub(), list[Fault](), list[Request]()
        handler = type("BoundHandler", (Handler,), {})
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        self.url, self.cdn = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)
        self._state = handler.state = State(self.url, self.cdn, self.hub, self.faults, self.requests)
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Ends the server, open connections included."""
        self._state.closed = True
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests so far with that method whose path contains a regular expression."""
        return [request for request in self.requests if request.method == method and re.search(path, request.path)]
