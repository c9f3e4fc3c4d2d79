"""``avzoo demo``: what stops it is said in one sentence."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from avzoo.cli import main


def test_without_gradio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gradio" else real(name, *rest)
    )
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == (
        "avzoo: error: the demo needs Gradio, which is not installed: pip install 'avzoo[demo]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--index", "{folder}"], "holds no index: make one with `avzoo index`"),
        (["--model", "xkd-nano-sinth"], "unknown model 'xkd-nano-sinth'"),
        (["--port", "70000"], "65535"),
    ],
)
def test_what_cannot_be_used_is_said(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *(argument.format(folder=tmp_path) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error


def test_a_taken_port_is_told_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", "--model", "no-such-model", "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err


def test_the_script_of_the_demo_is_the_verb() -> None:
    script = Path(__file__).parents[2] / "demos" / "app.py"
    run: Any = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "--index" in run.stdout and "in the browser" in run.stdout


def test_the_licence_of_the_chosen_weights_is_told(
    nano_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gradio")
    folder = shutil.copytree(nano_checkpoint, tmp_path / "mine")
    (folder / "provenance.json").write_text('{"license": "CC-BY-NC-4.0"}')
    monkeypatch.setattr("avzoo.demo.gallery.open_gallery", lambda *_, **__: None)
    monkeypatch.setattr("avzoo.demo.server.serve", lambda *_: None)
    assert main(["demo", "--model", str(folder), "--port", "0"]) == 0
    assert f"licence of {folder}: CC-BY-NC-4.0, non-commercial use only" in capsys.readouterr().err
