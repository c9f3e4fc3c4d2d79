"""Golden outputs: what a model made of a fixed input where its checkpoint was written, kept beside the weights.

The input follows from the configuration alone, so that it need not be stored: uniform values of zero mean and unit
variance from numpy's ``RandomState``, whose stream is frozen, seeded with the CRC-32 of the input's name. Two examples
of the native length and size; ConvNets, whose native clips are costly, get at most 8 frames of 112 x 112.

The output is computed on the CPU in float32. Of every tensor that the model returns at most 1024 values are kept,
evenly spread over it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from avzoo.checkpoints.contents import GOLDEN_FILE
from avzoo.errors import AvzooError

#: The most by which an output may differ, as a share of the largest value of its tensor. Other kernels, numbers of
#: threads and memory layouts sum in other orders, which cost up to 2e-6 where it was measured.
TOLERANCE = 2e-5

EXAMPLES, VALUES = 2, 1024
_MOST_FRAMES, _MOST_PIXELS = 8, 112


class GoldenError(AvzooError):
    """Golden outputs are missing, damaged, or not those of the model."""


def golden_inputs(config: Any, modalities: str | list[str]) -> dict[str, torch.Tensor]:
    """The fixed input of a model.

    Args:
        config: Its configuration.
        modalities: What it takes, its ``input_modalities``.

    Returns:
        ``pixel_values_videos`` ``(2, T, 3, H, W)`` and ``input_features`` ``(2, 1, mel, frames)``, each where the model
        takes it.
    """
    inputs = {}
    if "video" in modalities:
        inputs["pixel_values_videos"] = _values("pixel_values_videos", _clip(getattr(config, "video_config", config)))
    if "audio" in modalities:
        shape = _spectrogram(getattr(config, "audio_config", config))
        inputs["input_features"] = _values("input_features", shape)
    return inputs


def _clip(config: Any) -> tuple[int, ...]:
    frames, size = config.num_frames, config.image_size
    if not hasattr(config, "tubelet_size"):
        frames, size = min(frames, _MOST_FRAMES), min(size, _MOST_PIXELS)
    return EXAMPLES, frames, 3, size, size


def _spectrogram(config: Any) -> tuple[int, ...]:
    return EXAMPLES, 1, config.num_mel_bins, getattr(config, "max_length", 100)


def _values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    uniform = np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape)
    return torch.from_numpy(((uniform - 0.5) * math.sqrt(12)).astype(np.float32))


def golden_outputs(model: Any) -> dict[str, torch.Tensor]:
    """What a model makes of the fixed input.

    Args:
        model: A model in float32 on the CPU, in evaluation mode.

    Returns:
        A float32 vector of at most 1024 values for each tensor that it returns, under dotted names.

    Raises:
        GoldenError: It returns numbers that are not finite.
    """
    with torch.inference_mode():
        outputs = _flat(model(**golden_inputs(model.config, model.input_modalities)))
    spread = {name: _spread(tensor) for name, tensor in outputs.items()}
    for name, tensor in spread.items():
        if not tensor.isfinite().all():
            raise GoldenError(f"its {name} is not finite for an ordinary input")
    return spread


def _flat(outputs: Mapping[str, Any], prefix: str = "") -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for name, value in outputs.items():
        if isinstance(value, Mapping):
            tensors |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, torch.Tensor):
            tensors[prefix + name] = value
    return tensors


def _spread(tensor: torch.Tensor) -> torch.Tensor:
    values = tensor.reshape(-1)
    # Rounded in integers: the same places whatever the machine.
    places = torch.arange(min(VALUES, len(values))) * len(values) // min(VALUES, len(values))
    return values[places].float().clone()


def write_golden(folder: Path, outputs: Mapping[str, torch.Tensor]) -> None:
    """Writes golden outputs into a checkpoint folder."""
    # Through Python's own file: safetensors makes files that only their owner may read.
    (folder / GOLDEN_FILE).write_bytes(save(dict(outputs)))


def read_golden(folder: Path) -> dict[str, torch.Tensor]:
    """The golden outputs of a checkpoint folder.

    Raises:
        GoldenError: There are none, the file is damaged, or it holds numbers that are not finite.
    """
    try:
        golden = load_file(folder / GOLDEN_FILE)
    except FileNotFoundError:
        raise GoldenError(f"there is no {GOLDEN_FILE}") from None
    except SafetensorError as error:
        raise GoldenError(f"{GOLDEN_FILE} is damaged or no safetensors file ({error})") from error
    for name, tensor in golden.items():
        if not tensor.float().isfinite().all():
            raise GoldenError(f"{name} of {GOLDEN_FILE} is not finite")
    return golden


def largest_difference(golden: Mapping[str, torch.Tensor], outputs: Mapping[str, torch.Tensor]) -> float:
    """The largest difference between two outputs, as a share of the largest golden value of its tensor.

    Raises:
        GoldenError: They have other names or other lengths.
    """
    if golden.keys() != outputs.keys():
        raise GoldenError(
            f"the model returns {', '.join(sorted(outputs))} and the golden output has {', '.join(sorted(golden))}"
        )
    largest = 0.0
    for name, expected in golden.items():
        if expected.shape != outputs[name].shape:
            raise GoldenError(f"{name} has {len(outputs[name])} values and the golden one {len(expected)}")
        largest = max(largest, relative_difference(expected, outputs[name]))
    return largest


def relative_difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    """The largest difference between two tensors of one shape, as a share of the largest expected value.

    Infinite where one of them is not finite: a NaN compares as smaller than anything.
    """
    difference = (found - expected).abs().max().item() / (expected.abs().max().item() or 1.0)
    return difference if math.isfinite(difference) else math.inf
