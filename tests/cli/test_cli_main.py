"""Exit codes and messages of the command line, and the verbs that describe checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoModel

from avzoo.cli import VERBS, main
from avzoo.cli import list as list_verb
from avzoo.errors import AvzooError


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


@pytest.mark.parametrize("arguments", [[], ["no-such-verb"], ["list", "--no-such-option"], ["info", "a", "b"]])
def test_usage_errors_are_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AvzooError("give a folder"), "avzoo: error: give a folder\n"),
        (FileNotFoundError(2, "No such file or directory", "clip.mp4"), "No such file or directory: clip.mp4\n"),
    ],
)
def test_what_the_user_caused_is_one_line_and_two(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        """Fail."""
        raise error

    monkeypatch.setattr(list_verb, "command", fail)
    assert main(["list"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith(message)
    assert shown.err.count("\n") == 1


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        """Fail."""
        raise KeyError("defect")

    monkeypatch.setattr(list_verb, "command", fail)
    with pytest.raises(KeyError, match="defect"):
        main(["list"])


def test_info(nano_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(nano_checkpoint), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model_type"] == "xkd"
    assert facts["parameters"] == sum(
        tensor.numel() for tensor in AutoModel.from_pretrained(nano_checkpoint).state_dict().values()
    )
    assert facts["config"]["video_config.num_frames"] == 32, "fields at their default are told too"
    assert main(["info", str(nano_checkpoint)]) == 0
    assert facts["revision"] in capsys.readouterr().out.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", b'{"model_type": "no_such_type"}'),
        ("config.json", b'{"model_type": "xkd", "sharing": "none"}'),
        ("model.safetensors", b"no tensors"),
    ],
)
def test_info_of_a_damaged_checkpoint(
    file: str, content: bytes, nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(nano_checkpoint, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_bytes(content)
    assert main(["info", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert file in error
    assert error.count("\n") == 1


def test_info_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "no-such-model"]) == 2
    assert "no-such-model" in capsys.readouterr().err


def test_list(nano_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("avzoo.checkpoints.packaged", lambda: {nano_checkpoint.name: nano_checkpoint})
    assert main(["list", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["name"], row["model_type"], row["default"]) == ("xkd-nano-random", "xkd", False)
    assert main(["list"]) == 0
    assert "xkd-nano-random" in capsys.readouterr().out
