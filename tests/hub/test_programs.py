"""Every encoder as ONNX and as a file of torch.export: the same numbers, whatever the batch, by the model's names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

import avzoo
from avzoo._auto import FAMILIES
from avzoo.hub import programs
from avzoo.hub.programs import (
    EncoderProgram,
    ExportError,
    Runner,
    Traced,
    encoder_programs,
    largest_difference,
    open_onnx,
    open_torch_export,
    trace,
    write_onnx,
    write_torch_export,
)

VIDEO = {"image_size": 32, "num_frames": 8, "num_hidden_layers": 1}
AUDIO = {"num_mel_bins": 32, "max_length": 64, "num_hidden_layers": 1}
NARROW = {"hidden_sizes": [4, 8, 8, 16]}

#: Every model type of one modality -> a small configuration.
CONFIGS: dict[str, Callable[[], Any]] = {
    "xkd_video": lambda: avzoo.XKDVideoConfig.preset("nano", **VIDEO),
    "xkd_audio": lambda: avzoo.XKDAudioConfig.preset("nano", **AUDIO),
    "vssl": lambda: avzoo.VSSLConfig.preset("nano", **VIDEO, pooling="cls"),
    "crisscross_video": lambda: avzoo.CrissCrossVideoConfig.preset("nano", **NARROW, feature_pooling="linear"),
    "crisscross_audio": lambda: avzoo.CrissCrossAudioConfig.preset("nano", **NARROW),
    "xdc_video": lambda: avzoo.XDCVideoConfig.preset("nano", **NARROW),
    "xdc_audio": lambda: avzoo.XDCAudioConfig.preset("nano"),
    "ccl_video": lambda: avzoo.CCLVideoConfig.preset("nano", **NARROW),
    "ccl_image": lambda: avzoo.CCLImageConfig(depths=[1, 1, 1, 1], **NARROW),
    "cnn14": lambda: avzoo.CNN14Config(num_mel_bins=32, block_channels=[4, 8, 8, 16], hidden_size=32),
}
VITS = {"xkd_video", "xkd_audio", "vssl"}
#: Sizes that no encoder is traced at or compared on by the exporter itself.
OTHER_SIZES = {"pixel_values_videos": (10, 3, 144, 112), "input_features": (1, 32, 180)}


def made(config: Any) -> Any:
    """A model whose batch norms have something to say."""
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.01, 0.1)
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def traced(request: pytest.FixtureRequest) -> Traced:
    [program] = encoder_programs(made(CONFIGS[request.param]())).values()
    return trace(program)


def test_every_encoder_has_a_case() -> None:
    parts = {name for name, family in FAMILIES.items() if family.video_processor and family.feature_extractor}
    assert {name for name, family in FAMILIES.items() if family.model} - parts == set(CONFIGS)


@torch.no_grad()
def assert_same(program: EncoderProgram, run: Runner) -> None:
    """Compares a file with the model itself, on 1 and 3 examples, and on another size where that is free."""
    generator = torch.Generator().manual_seed(1)
    native = program.shapes[0][1:]
    shapes = [(1, *native), (3, *native)]
    if program.encoder.config.model_type not in VITS:
        size = OTHER_SIZES[program.input_name]
        shapes.append((2, *size) if program.input_name == "pixel_values_videos" else (2, 1, native[1], size[2]))
    for shape in shapes:
        inputs = torch.randn(shape, generator=generator)
        expected = program.encoder(inputs)
        found = run(inputs)
        assert list(found) == ["pooler_output", *(name for name in expected if name != "pooler_output")]
        assert len(found["pooler_output"]) == shape[0]
        for name, tensor in found.items():
            scale = expected[name].abs().max()
            torch.testing.assert_close(tensor / scale, expected[name] / scale, atol=1e-5, rtol=0)


def test_onnx(traced: Traced, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    write_onnx(traced, tmp_path / "encoder.onnx", {"license": "CC-BY-NC-4.0"}, None)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.onnx"]
    written = onnx.load(tmp_path / "encoder.onnx")
    onnx.checker.check_model(written)
    assert {entry.key: entry.value for entry in written.metadata_props} == {"license": "CC-BY-NC-4.0"}
    [given] = written.graph.input
    axes = [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim]
    assert axes == traced.program.axes and axes[0] == "batch"
    assert ("frames" in axes) == (traced.program.encoder.config.model_type not in VITS)
    assert given.name == traced.program.input_name
    run = open_onnx(tmp_path / "encoder.onnx")
    assert_same(traced.program, run)
    assert largest_difference(traced.program, run) < 1e-5


def test_torch_export(traced: Traced, tmp_path: Path) -> None:
    path = tmp_path / "encoder.pt2"
    write_torch_export(traced, path, {})
    run = open_torch_export(path)
    assert_same(traced.program, run)
    assert largest_difference(traced.program, run) == 0


@pytest.mark.parametrize(
    "config",
    [
        lambda: avzoo.XKDConfig.preset(
            "nano",
            video_config=avzoo.XKDVideoConfig.preset("nano", **VIDEO),
            audio_config=avzoo.XKDAudioConfig.preset("nano", **AUDIO),
            sharing="mats",
        ),
        lambda: avzoo.CrissCrossConfig.preset("nano"),
        lambda: avzoo.XDCConfig.preset("nano"),
    ],
    ids=["xkd", "crisscross", "xdc"],
)
def test_a_joint_model_is_two_programs(config: Callable[[], Any]) -> None:
    model = made(config())
    parts = encoder_programs(model)
    assert list(parts) == ["video", "audio"]
    for modality, program in parts.items():
        inputs = torch.randn(program.shapes[1])
        outputs = program(inputs)
        whole = model(**{program.input_name: inputs})
        assert torch.equal(outputs["pooler_output"], whole[f"{modality}_embeds"])
        assert torch.equal(outputs["last_hidden_state"], whole[f"{modality}_model_output"].last_hidden_state)
        projected = f"{modality}_projections"
        assert (projected in outputs) == (projected in whole)
        if projected in whole:
            assert torch.equal(outputs[projected], whole[projected])
        own = {name for name, _ in model.named_parameters(remove_duplicate=False) if name.startswith(modality)}
        names = {name.removeprefix("model.") for name, _ in program.named_parameters(remove_duplicate=False)}
        assert names == own, "no weights of the other encoder"
    assert model.audio_model is not None, "the model itself is left as it was"


@pytest.fixture(scope="module")
def small() -> Traced:
    config = avzoo.CNN14Config(num_mel_bins=8, block_channels=[2, 4], hidden_size=8)
    return trace(encoder_programs(made(config))["audio"])


def test_weights_beyond_one_file_lie_beside_it(small: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "MOST_IN_ONE_FILE", 100)
    written = tmp_path / "made" / "encoder.onnx"
    written.parent.mkdir()
    write_onnx(small, written, {}, None)
    moved = tmp_path / "moved"
    written.parent.rename(moved)
    assert sorted(path.name for path in moved.iterdir()) == ["encoder.onnx", "encoder.onnx.data"]
    assert largest_difference(small.program, open_onnx(moved / "encoder.onnx")) < 1e-5


def test_opset(small: Traced, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    write_onnx(small, tmp_path / "encoder.onnx", {}, 18)
    assert onnx.load(tmp_path / "encoder.onnx").opset_import[0].version == 18
    with pytest.raises(ExportError, match="opset 999"):
        write_onnx(small, tmp_path / "other.onnx", {}, 999)
    assert not (tmp_path / "other.onnx").exists()


def test_torch_alone_runs_what_torch_export_wrote(small: Traced, tmp_path: Path) -> None:
    write_torch_export(small, tmp_path / "encoder.pt2", {"license": "CC-BY-NC-4.0"})
    code = (
        "import sys, torch\n"
        "said = {'avzoo.json': ''}\n"
        f"module = torch.export.load({str(tmp_path / 'encoder.pt2')!r}, extra_files=said).module()\n"
        """assert said['avzoo.json'] == '{"license": "CC-BY-NC-4.0"}', said\n"""
        "assert module(input_features=torch.zeros(3, 1, 8, 50))['pooler_output'].shape == (3, 8)\n"
        "assert not {'avzoo', 'transformers'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_differences_are_found(small: Traced) -> None:
    program = small.program

    def changed(change: Callable[[torch.Tensor], torch.Tensor]) -> Runner:
        return lambda inputs: {**program(inputs), "pooler_output": change(program(inputs)["pooler_output"])}

    assert largest_difference(program, changed(lambda tensor: tensor)) == 0
    assert largest_difference(program, changed(lambda tensor: tensor * 0.99)) == pytest.approx(0.01, rel=1e-3)
    assert largest_difference(program, changed(lambda tensor: tensor * float("nan"))) == float("inf")
    with pytest.raises(ExportError, match="pooler_output"):
        largest_difference(program, changed(lambda tensor: tensor[:1, :1]))
