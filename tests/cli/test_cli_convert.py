"""``avzoo convert`` and ``avzoo verify`` from the command line: exit codes, output, one line per mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from avzoo.checkpoints import packaged
from avzoo.cli import main
from avzoo.hub import official_state_dict
from avzoo.models.configuration_xkd import XKDAudioConfig
from avzoo.models.modeling_xkd import XKDAudioModel


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file in the layout of the release."""
    torch.manual_seed(0)
    model = XKDAudioModel(XKDAudioConfig.preset("nano", patch_size=[4, 16]))
    path = tmp_path_factory.mktemp("official") / "aud_student.pth.tar"
    torch.save(official_state_dict("xkd_audio", model.state_dict()), path)
    return path


def test_convert_and_verify(official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["convert", "xkd", str(official), "--out", str(out), "--network", "student"]) == 0
    shown = capsys.readouterr().out
    assert f"{out}: xkd_audio, " in shown
    assert "tensors are bit by bit those of aud_student.pth.tar" in shown
    assert json.loads((out / "provenance.json").read_text())["sources"][0]["network"] == "student"

    assert main(["verify", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["golden_difference"] <= report["tolerance"]
    assert main(["convert", "xkd", str(official), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"avzoo: error: {out} exists and is not an empty folder; give another one\n"


def test_convert_as_json(official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "xkd", str(official), "--out", str(tmp_path / "out"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["folder"], facts["model_type"]) == (str(tmp_path / "out"), "xkd_audio")
    assert facts["provenance"]["parity"]["golden_difference"] == 0


def test_a_mistake_is_one_line(official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "crisscross", str(official), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("avzoo: error: aud_student.pth.tar is no checkpoint of CrissCross")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert main(["convert", "xkd", "--out", str(tmp_path / "out")]) == 2


def test_verify_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(packaged()["xkd-nano-synth"], tmp_path / "copy"))
    (folder / "golden.safetensors").unlink()
    (folder / "extra.pkl").touch()
    assert main(["verify", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "files: wrong",
        "  there is no golden.safetensors",
        "  extra.pkl could be unpickled; a checkpoint holds no such file",
    ]
    assert "model: good" in lines
    assert main(["verify", "no-such-model"]) == 2


def test_verify_of_the_packaged_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:4] == ["files: good", "hashes: good", "model: good", "golden output: good"]
    assert shown[4].startswith("difference from the golden output: ")
