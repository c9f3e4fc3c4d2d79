"""Encoders as programs that run without this package: traced once, written as ONNX or by `torch.export`, run again.

A program takes one modality, by the name that the model gives it, and returns the encoder's tensors by their names,
``pooler_output`` first. The batch is free. So are the frames and, of clips, height and width, unless the encoder is a
ViT, whose positions belong to one size of input.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as symbolic_shapes

from avzoo.errors import AvzooError
from avzoo.hub.golden import relative_difference
from avzoo.models.vit_encoder import ViTEncoder

#: Where a `torch.export` file keeps what it says of itself.
METADATA_FILE = "avzoo.json"

#: The most by which an output may differ, as a share of the largest value of its tensor.
TOLERANCE = 1e-4

#: Bytes of weights up to which an ONNX file holds them itself; the format ends at 2 GiB.
MOST_IN_ONE_FILE = 2**31 - 2**27

CLIPS, SPECTROGRAMS = "pixel_values_videos", "input_features"
#: Input -> its axes that are free besides the batch where the encoder is no ViT.
_FREE = {CLIPS: {1: "frames", 3: "height", 4: "width"}, SPECTROGRAMS: {3: "frames"}}
# An encoder with free axes is traced at the first size, where no map is a single value, and compared at the others.
_SIZES = {CLIPS: ((8, 3, 128, 128), (8, 3, 112, 112), (12, 3, 128, 160)), SPECTROGRAMS: ((160,), (200,), (136,))}
# Traced with two examples, for one would count as a constant; compared with other numbers than that.
_BATCHES = (2, 1, 3)


class ExportError(AvzooError):
    """An encoder cannot be exported as asked; nothing was written."""


class EncoderProgram(nn.Module):
    """One encoder with nothing but tensors going in and out.

    Args:
        model: A single-modality model, or a joint one whose other modality is not called.

    Attributes:
        input_name: What it takes.
    """

    input_name: str

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @property
    def encoder(self) -> Any:
        """The single-modality model."""
        return getattr(self.model, "video_model" if self.input_name == CLIPS else "audio_model", self.model)

    @property
    def free_axes(self) -> dict[int, str]:
        """Axes of the input whose length may differ from call to call, with their names."""
        return {0: "batch", **({} if isinstance(self.encoder, ViTEncoder) else _FREE[self.input_name])}

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of the example that it is traced with, then of those that it is compared on."""
        config = self.encoder.config
        sizes: Sequence[tuple[int, ...]] = _SIZES[self.input_name]
        if isinstance(self.encoder, ViTEncoder):
            clip = self.input_name == CLIPS
            native = (config.num_frames, 3, config.image_size, config.image_size) if clip else (config.max_length,)
            sizes = [native] * len(_BATCHES)
        fixed = () if self.input_name == CLIPS else (1, config.num_mel_bins)
        return [(batch, *fixed, *size) for batch, size in zip(_BATCHES, sizes, strict=True)]

    @property
    def axes(self) -> list[int | str]:
        """The length of every axis of the input, or the name of a free one."""
        return [self.free_axes.get(axis, length) for axis, length in enumerate(self.shapes[0])]

    def _run(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.model(**{self.input_name: inputs})
        own = next((value for name, value in outputs.items() if name.endswith("_model_output")), outputs)
        # A joint model repeats the pooled feature as the embedding of a modality.
        added = {name: value for name, value in outputs.items() if not name.endswith("_embeds")}
        tensors = {name: value for name, value in {**own, **added}.items() if isinstance(value, torch.Tensor)}
        return {"pooler_output": tensors.pop("pooler_output"), **tensors}


class VideoProgram(EncoderProgram):
    """A program over clips."""

    input_name = CLIPS

    def forward(self, pixel_values_videos: torch.Tensor) -> dict[str, torch.Tensor]:
        """Encodes clips `(B, T, C, H, W)`."""
        return self._run(pixel_values_videos)


class AudioProgram(EncoderProgram):
    """A program over spectrograms."""

    input_name = SPECTROGRAMS

    def forward(self, input_features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Encodes log-mels `(B, 1, mel, frames)`."""
        return self._run(input_features)


def encoder_programs(model: Any) -> dict[str, EncoderProgram]:
    """The encoders of a model by modality, each with no weights but its own.

    Args:
        model: A model of the zoo in float32, on the CPU, in evaluation mode.
    """
    kinds = {"video": VideoProgram, "audio": AudioProgram}
    if isinstance(model.input_modalities, str):
        return {model.input_modalities: kinds[model.input_modalities](model)}
    programs: dict[str, EncoderProgram] = {}
    for modality in model.input_modalities:
        alone = copy.copy(model)
        # Of the other encoder and its projector nothing is called, but they would be written.
        alone._modules = {
            name: module if name.startswith(modality) else None for name, module in model._modules.items()
        }
        programs[modality] = kinds[modality](alone)
    return programs


@dataclass(frozen=True)
class Traced:
    """A traced encoder.

    Attributes:
        program: What traced it, for comparison.
        graph: The graph.
        outputs: Names of the outputs, in order.
    """

    program: EncoderProgram
    graph: ExportedProgram
    outputs: tuple[str, ...]


@torch.no_grad()
def trace(program: EncoderProgram) -> Traced:
    """Traces an encoder; its free axes stay free."""
    example = torch.zeros(program.shapes[0])
    free = {axis: Dim.AUTO if axis else Dim("batch") for axis in program.free_axes}
    # Without this, an axis that some map has only one value of is taken for a constant, as in PyTorch's ONNX exporter.
    with symbolic_shapes.patch(backed_size_oblivious=True), _quiet():  # type: ignore[attr-defined]
        graph = torch.export.export(
            program, (), {program.input_name: example}, dynamic_shapes={program.input_name: free}
        )
        outputs = tuple(program(example))
    graph.example_inputs = None  # as large as a small model, and written with it
    return Traced(program, graph, outputs)


def write_onnx(traced: Traced, path: Path, metadata: Mapping[str, str], opset: int | None) -> None:
    """Writes a traced encoder as ONNX; weights that one file cannot hold are written to ``NAME.onnx.data`` beside it.

    Args:
        traced: The encoder.
        path: The file.
        metadata: Goes into ``metadata_props``.
        opset: Version of ONNX's operators; by default the one that PyTorch recommends.

    Raises:
        ExportError: It cannot be expressed in that version.
    """
    program = traced.program
    with _quiet():
        written: Any = torch.onnx.export(
            traced.graph,
            input_names=[program.input_name],
            output_names=traced.outputs,
            dynamic_shapes={program.input_name: program.free_axes},
            opset_version=opset,
            verbose=False,
        )
    used = written.model.opset_imports[""]
    if opset is not None and used != opset:
        raise ExportError(f"this encoder cannot be written in ONNX opset {opset}; opset {used} works")
    written.model.metadata_props.update(metadata)
    size = sum(tensor.nbytes for tensor in traced.graph.state_dict.values())
    written.save(path, external_data=size > MOST_IN_ONE_FILE)


def write_torch_export(traced: Traced, path: Path, metadata: Mapping[str, str]) -> None:
    """Writes a traced encoder for `torch.export.load`.

    Args:
        traced: The encoder.
        path: The file.
        metadata: Goes into `METADATA_FILE` inside the file.
    """
    with _quiet():
        torch.export.save(traced.graph, path, extra_files={METADATA_FILE: json.dumps(dict(metadata))})


Runner = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]


def open_onnx(path: Path) -> Runner:
    """An ONNX file as a function, run by onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [given] = [one.name for one in session.get_inputs()]
    names = [one.name for one in session.get_outputs()]

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        values = session.run(names, {given: inputs.numpy()})
        return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}

    return run


def open_torch_export(path: Path) -> Runner:
    """A file of `torch.export` as a function."""
    with _quiet():
        module = torch.export.load(path).module()
    given = next(iter(module.graph.find_nodes(op="placeholder"))).name
    return lambda inputs: module(**{given: inputs})


@torch.no_grad()
def largest_difference(program: EncoderProgram, run: Runner) -> float:
    """The largest difference between an encoder and its file, as a share of the largest value of the tensor.

    Compared are batches of other sizes than the traced one and, where axes are free, inputs of other sizes too.

    Args:
        program: The encoder.
        run: The file.

    Raises:
        ExportError: The file returns other names or other shapes.
    """
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for shape in program.shapes[1:]:
        inputs = torch.randn(shape, generator=generator)
        expected, found = program(inputs), run(inputs)
        for name, tensor in expected.items():
            if name not in found or found[name].shape != tensor.shape:
                raise ExportError(f"what was exported gives no {name} {tuple(tensor.shape)} for an input {shape}")
            largest = max(largest, relative_difference(tensor, found[name]))
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides what the exporters tell their own developers."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
