"""`avzoo.hub.export`: from a checkpoint to files, or to one sentence and nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from avzoo import CNN14Config, CNN14FeatureExtractor
from avzoo.hub import ExportError, export, exporting
from avzoo.hub.programs import Runner, open_onnx, open_torch_export
from avzoo.models.modeling_cnn14 import CNN14Model


@pytest.fixture(scope="module")
def sound_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a very small audio encoder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("export") / "cnn14-nano"
    CNN14Model(CNN14Config(block_channels=[2, 4], hidden_size=8)).save_pretrained(folder)
    CNN14FeatureExtractor().save_pretrained(folder)
    (folder / "provenance.json").write_text('{"license": "CC-BY-NC-4.0", "source": "somewhere"}')
    return folder


def metadata_of(path: Path) -> dict[str, str]:
    onnx = pytest.importorskip("onnx")
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_one_encoder_is_one_file(sound_checkpoint: Path, tmp_path: Path) -> None:
    [made] = export(sound_checkpoint, tmp_path / "new" / "folder")
    assert made.path == tmp_path / "new" / "folder" / "cnn14-nano.onnx"
    assert [*made.path.parent.iterdir()] == [made.path]
    assert (made.modality, made.inputs) == ("audio", {"input_features": ["batch", 1, 64, "frames"]})
    assert made.outputs == ["pooler_output", "last_hidden_state"]
    assert made.difference < 1e-5
    inputs = torch.randn(5, 1, 64, 99)
    expected = CNN14Model.from_pretrained(sound_checkpoint)(inputs).pooler_output
    torch.testing.assert_close(open_onnx(made.path)(inputs)["pooler_output"], expected, atol=1e-5, rtol=1e-4)
    said = metadata_of(made.path)
    assert said == made.metadata
    assert said["license"] == "CC-BY-NC-4.0, non-commercial use only"
    assert (said["model"], said["source"]) == ("cnn14-nano", "somewhere")
    assert said["revision"].startswith("sha256:")
    assert json.loads(said["processor"])["sampling_rate"] == 32_000
    assert not any(str(sound_checkpoint.parent) in value for value in said.values()), "no paths of this machine"


def test_a_file_may_be_named(sound_checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "sounds.pt2"
    [made] = export(sound_checkpoint, out, "torch-export")
    assert [*tmp_path.iterdir()] == [out] == [made.path]
    assert open_torch_export(out)(torch.zeros(1, 1, 64, 70))["pooler_output"].shape == (1, 8)
    with pytest.raises(ExportError, match="exists already"):
        export(sound_checkpoint, out, "torch-export")


def test_a_licence_that_nobody_has_told(sound_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound_checkpoint, tmp_path / "untold")
    (folder / "provenance.json").unlink()
    [made] = export(folder, tmp_path, "torch-export")
    assert made.metadata["license"].startswith("unknown")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "tflite"}, "unknown format 'tflite'; choose one of onnx, torch-export"),
        ({"format": "torch-export", "opset": 18}, "--opset"),
        ({"model": "no-such-model"}, "unknown model 'no-such-model'"),
        ({"out": "sounds.pt2"}, r"end in \.onnx"),
        ({"model": "xkd-nano-synth", "out": "one.onnx"}, "two encoders"),
        ({"opset": 999}, "opset 999"),
    ],
)
def test_what_cannot_be_used(
    arguments: dict[str, Any], message: str, sound_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        export(**{"model": sound_checkpoint, "out": "made", **arguments})
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("out", ["file", "file/inside"])
def test_a_place_where_nothing_can_be_written(out: str, sound_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="cannot write in"):
        export(sound_checkpoint, tmp_path / out, "torch-export")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_not_ours(sound_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    with pytest.raises(ExportError, match=r"cannot write in .* \(Permission denied\)"):
        export(sound_checkpoint, tmp_path, "torch-export")


def test_onnx_that_is_not_installed(sound_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"onnxscript and onnxruntime: pip install 'avzoo\[export\]'"):
        export(sound_checkpoint, tmp_path)


@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_a_file_that_computes_something_else_is_not_kept(
    factor: float, sound_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(path: Path) -> Runner:
        run = open_torch_export(path)

        def wrong(inputs: torch.Tensor) -> Mapping[str, torch.Tensor]:
            return {name: factor * tensor for name, tensor in run(inputs).items()}

        return wrong

    known = exporting._FORMATS["torch-export"]
    monkeypatch.setitem(exporting._FORMATS, "torch-export", known._replace(open=opened))
    with pytest.raises(ExportError, match="computes something else"):
        export(sound_checkpoint, tmp_path / "out", "torch-export")
    assert not [*tmp_path.iterdir()]
