"""Golden outputs: one input for all machines, one short vector per output."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from avzoo.hub.golden import (
    GoldenError,
    golden_inputs,
    golden_outputs,
    largest_difference,
    read_golden,
    relative_difference,
    write_golden,
)
from avzoo.models.configuration_cnn14 import CNN14Config
from avzoo.models.configuration_crisscross import CrissCrossConfig, CrissCrossVideoConfig
from avzoo.models.configuration_xkd import XKDAudioConfig, XKDConfig
from avzoo.models.modeling_xkd import XKDModel

VIDEO, AUDIO = "002d7c6f672c9bb6", "f845224ef6811b1c"


def test_the_input_is_the_same_everywhere() -> None:
    inputs = golden_inputs(XKDConfig(), ["video", "audio"])
    digests = {name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()[:16] for name, tensor in inputs.items()}
    assert digests == {"pixel_values_videos": VIDEO, "input_features": AUDIO}
    for tensor in inputs.values():
        assert tensor.dtype == torch.float32
        assert abs(tensor.mean()) < 0.01
        assert abs(tensor.std() - 1) < 0.01


@pytest.mark.parametrize(
    ("config", "modalities", "shapes"),
    [
        (XKDConfig(), ["video", "audio"], [(2, 32, 3, 112, 112), (2, 1, 80, 448)]),
        (XKDAudioConfig(), "audio", [(2, 1, 80, 448)]),
        (CrissCrossConfig(), ["video", "audio"], [(2, 8, 3, 112, 112), (2, 1, 80, 200)]),
        (CrissCrossVideoConfig(num_frames=32, image_size=224), "video", [(2, 8, 3, 112, 112)]),
        (CNN14Config(), "audio", [(2, 1, 64, 100)]),
    ],
)
def test_the_input_is_native_where_that_is_cheap(config, modalities, shapes) -> None:
    assert [tuple(tensor.shape) for tensor in golden_inputs(config, modalities).values()] == shapes


@pytest.fixture(scope="module")
def model() -> XKDModel:
    torch.manual_seed(0)
    return XKDModel(XKDConfig.preset("nano")).eval()


def test_every_output_of_a_joint_model_is_kept_short(model: XKDModel) -> None:
    outputs = golden_outputs(model)
    assert outputs.keys() == {
        *("video_embeds", "audio_embeds", "video_projections", "audio_projections"),
        *(
            f"{kind}_model_output.{name}"
            for kind in ("video", "audio")
            for name in ("last_hidden_state", "pooler_output")
        ),
    }
    assert len(outputs["video_embeds"]) == 2 * 64
    hidden = outputs["video_model_output.last_hidden_state"]
    assert len(hidden) == 1024
    inputs = golden_inputs(model.config, model.input_modalities)
    with torch.inference_mode():
        whole = model(**inputs).video_model_output.last_hidden_state.flatten()
    assert hidden[0] == whole[0]
    assert hidden[512] == whole[len(whole) // 2]


def test_what_is_written_is_read_and_compared(model: XKDModel, tmp_path: Path) -> None:
    outputs = golden_outputs(model)
    write_golden(tmp_path, outputs)
    assert largest_difference(read_golden(tmp_path), outputs) == 0
    scale = outputs["audio_embeds"].abs().max()
    changed = {**outputs, "audio_embeds": outputs["audio_embeds"] + scale / 8}
    assert largest_difference(outputs, changed) == pytest.approx(1 / 8, rel=1e-3)


def test_what_cannot_be_compared_is_told(model: XKDModel, tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match=r"there is no golden\.safetensors"):
        read_golden(tmp_path)
    (tmp_path / "golden.safetensors").write_bytes(b"damaged")
    with pytest.raises(GoldenError, match="is damaged or no safetensors file"):
        read_golden(tmp_path)
    with pytest.raises(GoldenError, match="the model returns b and the golden output has a"):
        largest_difference({"a": torch.ones(1)}, {"b": torch.ones(1)})
    with pytest.raises(GoldenError, match="a has 2 values and the golden one 1"):
        largest_difference({"a": torch.ones(1)}, {"a": torch.ones(2)})


def test_numbers_that_are_not_finite_are_no_golden_output() -> None:
    model = XKDModel(XKDConfig.preset("nano")).eval()
    with torch.no_grad():
        model.video_model.layernorm.bias.fill_(torch.inf)
    with pytest.raises(GoldenError, match="is not finite"):
        golden_outputs(model)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_not_finite_are_never_equal(bad: float, tmp_path: Path) -> None:
    good, spoilt = torch.ones(3), torch.tensor([1.0, bad, 1.0])
    for one, other in ((good, spoilt), (spoilt, good), (spoilt, spoilt)):
        assert relative_difference(one, other) == torch.inf
        assert largest_difference({"a": good, "b": one}, {"a": good, "b": other}) == torch.inf
    write_golden(tmp_path, {"a": spoilt})
    with pytest.raises(GoldenError, match=r"a of golden\.safetensors is not finite"):
        read_golden(tmp_path)
