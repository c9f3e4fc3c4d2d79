"""``avzoo export`` on the packaged checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from avzoo.cli import main


def test_the_packaged_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    assert main(["export", "xkd-nano-synth", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    names = ["xkd-nano-synth-audio.onnx", "xkd-nano-synth-video.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all(name in shown.out for name in names)
    assert "pixel_values_videos (batch, 32, 3, 48, 48) -> pooler_output" in shown.out
    assert shown.out.splitlines()[-1].endswith(": Apache-2.0")
    assert shown.err == ""
    session = onnxruntime.InferenceSession(tmp_path / names[0], providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        outputs = session.run(["audio_projections"], {"input_features": torch.zeros(batch, 1, 80, 448).numpy()})
        assert outputs[0].shape == (batch, 256)
    assert main(["export", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_torch_export_for_machines(nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(nano_checkpoint), "-f", "torch-export", "-o", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["modality"] for row in rows] == ["video", "audio"]
    assert all(Path(row["path"]).is_file() and row["difference"] < 1e-5 for row in rows)
    assert rows[0]["inputs"] == {"pixel_values_videos": ["batch", 32, 3, 64, 64]}
    assert rows[1]["metadata"]["model"] == "xkd-nano-random"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-model"], "no-such-model"),
        (["--format", "tflite"], "tflite"),
        (["--out", "one.onnx"], "two encoders"),
    ],
)
def test_what_cannot_be_used(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown and "Traceback" not in shown
    assert not [*tmp_path.iterdir()]
