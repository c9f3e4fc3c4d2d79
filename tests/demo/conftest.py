"""A small gallery, opened once, and a server of it."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_demo import Served

import avzoo
from avzoo.demo.gallery import open_gallery
from avzoo.demo.library import Library
from avzoo.demo.retriever import Retriever
from avzoo.extract import Encoder


@pytest.fixture(scope="session")
def encoder(nano_checkpoint: Path) -> Encoder:
    return avzoo.load(nano_checkpoint, device="cpu")


@pytest.fixture(scope="session")
def gallery_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gallery")


@pytest.fixture(scope="session")
def library(encoder: Encoder, gallery_root: Path) -> Library:
    return open_gallery(encoder, gallery_root, count=3)


@pytest.fixture
def retriever(encoder: Encoder, library: Library, tmp_path: Path) -> Retriever:
    return Retriever(encoder, library, tmp_path)


@pytest.fixture(scope="session")
def served(encoder: Encoder, library: Library) -> Iterator[Served]:
    pytest.importorskip("gradio")
    import uvicorn

    from avzoo.demo.server import create_app

    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        private = Path(folder)
        app = create_app(Retriever(encoder, library, private), private, {"127.0.0.1"})
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", private)
        server.should_exit = True
        thread.join(timeout=20)
