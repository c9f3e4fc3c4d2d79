"""Official files of official sizes, converted from end to end: the folder's model gives the original code's outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from official_files import write

import avzoo
from avzoo.hub import convert, verify

# Family, case, model type, parameters (None for all that the file holds), tensors of the file that are used, and how a
# file of the kind wraps them.
CASES = [
    ("xkd", "video_tiny_native", "xkd_video", None, 138, lambda weights: weights),
    ("xkd", "audio_tiny_native", "xkd_audio", None, 138, lambda weights: weights),
    ("crisscross", "video_8x112", "crisscross_video", 15_379_136, 201, lambda weights: weights),
    ("crisscross", "audio_80x200", "crisscross_audio", 11_170_240, 120, lambda weights: weights),
    ("xdc", "video_16x112", "xdc_video", 33_165_639, 222, lambda weights: weights),
    (
        *("ccl", "student_16x112", "ccl_video", 14_365_303, 144),
        lambda weights: {"epoch": 300, "arch": "r21d-18", "state_dict": weights, "optimizer": {"state": {}}},
    ),
    ("vssl", "encoder_base", "vssl", 87_540_480, 138, lambda weights: weights),
]

# What the files hold beside the encoder.
LEFT_OUT = {"xdc_video": {"fc"}, "ccl_video": {"linear", "epoch", "arch", "optimizer"}}


@pytest.mark.parametrize(("family", "case", "model_type", "parameters", "tensors", "wrap"), CASES)
def test_the_converted_folder_gives_the_outputs_of_the_original(
    family: str,
    case: str,
    model_type: str,
    parameters: int | None,
    tensors: int,
    wrap: Callable[[Any], Any],
    parity: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    reference = parity(f"{family}/{case}")
    weights = reference.state_dict()
    source = write(tmp_path / "official.pth.tar", wrap(weights))
    made = convert(family, source, tmp_path / "out")
    assert made.model_type == model_type
    assert made.parameters == (parameters or sum(tensor.numel() for tensor in weights.values()))
    assert made.provenance["parity"] == {"tensors": tensors, "golden_difference": 0.0}
    assert made.provenance["sources"][0]["left_out"].keys() == LEFT_OUT.get(model_type, set())

    model = avzoo.load(made.folder, "cpu").model
    (inputs,) = reference.inputs.values()
    with torch.inference_mode():
        outputs = model(inputs if model.input_modalities == "audio" else inputs.transpose(1, 2))
    expected = pooled(reference)
    torch.testing.assert_close(outputs.pooler_output.flatten()[: len(expected)], expected, rtol=1e-5, atol=1e-5)
    assert verify(made.folder).problems == {"files": [], "hashes": [], "model": [], "golden output": []}


def pooled(reference: Any) -> torch.Tensor:
    """The pooled output of the original code, or its first values."""
    for name in ("pooled", "features"):
        if name in reference.expected:
            return reference.expected[name].flatten()
    return torch.tensor(reference.spec["expected"]["pool"]["first"])
