"""The environment report tells the truth about the decoders."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import avzoo.media
from avzoo.cli import main
from avzoo.media import Clip, ClipSpec, MediaError, read_clip


def report(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = report(capsys)
    assert code == 0
    assert told["decoders"]["pyav"]["state"] == "works"
    assert told["decoders"]["decord"]["state"] in {"works", "not installed"}
    assert told["versions"]["torch"] is not None
    assert "cpu" in told["devices"]
    assert "libavcodec" in told["ffmpeg"]["libraries"]
    assert main(["doctor"]) == 0
    assert "decoder pyav" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("broken", "state", "code"),
    [
        ({"decord"}, "fails", 1),
        ({"decord"}, "differs", 1),
        ({"pyav", "decord"}, "fails", 3),
    ],
)
def test_broken_decoders(
    broken: set[str], state: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(path: Path, start: float, spec: ClipSpec) -> Clip:
        if spec.decoder in broken and state == "fails":
            raise MediaError("decode_failed", path, "is broken")
        clip = read_clip(path, start, replace(spec, decoder="pyav"))
        if spec.decoder in broken:
            assert clip.frames is not None
            clip.frames[0, 0, 0, 0] += 1
        return clip

    monkeypatch.setattr(avzoo.media, "read_clip", read)
    exit_code, told = report(capsys)
    assert exit_code == code
    assert {name for name, result in told["decoders"].items() if result["state"] == state} == broken


def test_a_decoder_that_is_not_installed_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "decord" else found(name, *a))
    exit_code, told = report(capsys)
    assert exit_code == 0
    assert told["decoders"]["decord"]["state"] == "not installed"
