"""From a checkpoint to files that run without this package, each compared with the model that it came from.

A joint model becomes one file per modality: whoever embeds pictures needs neither the sound encoder nor a sound, and
both files together are the whole model. Projectors belong to the file of their modality.

What a file says of itself is in the file: model, revision, licence, and the settings of the processor that makes its
input. Both formats hold the weights, and with them their licence.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from avzoo.checkpoints.entry import license_notice
from avzoo.extract import Encoder, load
from avzoo.hub.programs import (
    TOLERANCE,
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

__all__ = ["ExportError", "Exported", "export"]

#: Where the licence stands when nobody has said it.
UNKNOWN_LICENSE = "unknown; ask whoever trained the weights"


class _Format(NamedTuple):
    """How files of a format are named, written and run."""

    suffix: str
    write: Callable[[Traced, Path, Mapping[str, str], int | None], None]
    open: Callable[[Path], Runner]


_FORMATS = {
    "onnx": _Format(".onnx", write_onnx, open_onnx),
    "torch-export": _Format(
        ".pt2", lambda traced, path, metadata, _: write_torch_export(traced, path, metadata), open_torch_export
    ),
}


@dataclass(frozen=True)
class Exported:
    """One file that was written.

    Attributes:
        path: The file. Weights of more than 2 GB lie beside it in ``NAME.onnx.data``.
        modality: ``video`` or ``audio``.
        inputs: The input's name, with the length of every axis or the name of a free one.
        outputs: Names of the outputs, in order.
        difference: The largest difference from PyTorch's outputs, as a share of the largest value of its tensor.
        metadata: What the file says of itself: in ``metadata_props`` of an ONNX file, in ``avzoo.json`` (an extra file)
            of one of `torch.export`.
    """

    path: Path
    modality: str
    inputs: dict[str, list[int | str]]
    outputs: list[str]
    difference: float
    metadata: dict[str, str]


def export(
    model: str | Path,
    out: str | Path = ".",
    format: str = "onnx",
    *,
    opset: int | None = None,
    revision: str | None = None,
) -> list[Exported]:
    """Exports the encoders of a checkpoint, in float32.

    The batch is a free axis. Of ConvNets so are the frames and, of clips, height and width, down to where one of the
    network's maps becomes a single value; a ViT takes the size of its configuration. Every file is run again, on other
    batches than the traced one and on other sizes where they are free, and appears under its name only when its outputs
    are those of the model.

    Args:
        model: A packaged name, a checkpoint folder, or a Hub repository (``owner/name``).
        out: A folder, for files named after the model; or, where there is one encoder, a file that ends in ``.onnx`` or
            ``.pt2``.
        format: ``onnx``, or ``torch-export`` for a file that `torch.export.load` reads.
        opset: Version of ONNX's operators; by default the one that PyTorch recommends.
        revision: Branch, tag or commit of a Hub repository.

    Returns:
        What was written: one file, or the video and the audio encoder of a joint model.

    Raises:
        AvzooError: The model cannot be loaded, or not be exported as asked; the message says why, and nothing was
            written.

    Example:
        >>> [file] = export("xkd-video-teacher-kinetics400", "xkd.onnx")  # doctest: +SKIP
        >>> session = onnxruntime.InferenceSession("xkd.onnx")  # doctest: +SKIP
        >>> features, tokens = session.run(None, {"pixel_values_videos": clips})  # doctest: +SKIP
    """
    chosen = _format(format, opset)
    encoder = load(model, "cpu", "float32", revision)
    programs = encoder_programs(encoder.model)
    paths = _paths(Path(out).expanduser(), encoder, list(programs), chosen.suffix)
    folder = next(iter(paths.values())).parent
    made = []
    with _workshop(folder) as workshop:
        for modality, program in programs.items():
            path, written = paths[modality], workshop / paths[modality].name
            traced, metadata = trace(program), _metadata(encoder, modality)
            chosen.write(traced, written, metadata, opset)
            difference = largest_difference(program, chosen.open(written))
            if not difference <= TOLERANCE:
                raise ExportError(
                    f"the {modality} encoder of {encoder.checkpoint.name} computes something else once exported: its "
                    f"outputs differ by {difference:.1e} of their largest value; nothing was kept, please report this"
                )
            inputs = {program.input_name: program.axes}
            made.append(Exported(path, modality, inputs, list(traced.outputs), difference, metadata))
        # The weights first: a file that is there is whole.
        for written in sorted(workshop.iterdir(), key=lambda file: file.suffix == chosen.suffix):
            written.rename(folder / written.name)
    return made


def _format(format: str, opset: int | None) -> _Format:
    if format not in _FORMATS:
        raise ExportError(f"unknown format {format!r}; choose one of {', '.join(_FORMATS)}")
    if opset is not None and format != "onnx":
        raise ExportError("--opset is a version of ONNX's operators and goes with the format onnx")
    missing = [name for name in ("onnxscript", "onnxruntime") if find_spec(name) is None]
    if format == "onnx" and missing:
        raise ExportError(f"writing ONNX needs {' and '.join(missing)}: pip install 'avzoo[export]'")
    return _FORMATS[format]


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A temporary folder inside another one, from where files can be renamed into place.

    The other one is made if need be, and is removed again if nothing came of it.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        workshop = tempfile.TemporaryDirectory(prefix=".avzoo-export-", dir=folder)
    except OSError as error:
        raise ExportError(f"cannot write in {folder} ({error.strerror}); give another --out") from error
    try:
        with workshop:
            yield Path(workshop.name)
    finally:
        if made and not any(folder.iterdir()):
            folder.rmdir()


def _paths(out: Path, encoder: Encoder, modalities: list[str], suffix: str) -> dict[str, Path]:
    """The file of every encoder; none of them exists."""
    name = _name(encoder)
    if out.suffix in {one.suffix for one in _FORMATS.values()}:
        if out.suffix != suffix:
            raise ExportError(f"{out} is named like another format; files of this one end in {suffix}")
        if len(modalities) > 1:
            raise ExportError(f"{name} has two encoders, each a file of its own; give a folder, not {out}")
        paths = {modalities[0]: out}
    elif len(modalities) > 1:
        paths = {modality: out / f"{name}-{modality}{suffix}" for modality in modalities}
    else:
        paths = {modalities[0]: out / f"{name}{suffix}"}
    for path in paths.values():
        if path.exists():
            raise ExportError(f"{path} exists already; remove it or give another --out")
    return paths


def _metadata(encoder: Encoder, modality: str) -> dict[str, str]:
    """What a file says of itself."""
    checkpoint = encoder.checkpoint
    processor = encoder.video_processor if modality == "video" else encoder.feature_extractor
    return {
        "model": _name(encoder) if checkpoint.name == str(checkpoint.folder) else checkpoint.name,
        "revision": checkpoint.revision,
        "model_type": encoder.model.config.model_type,
        "modality": modality,
        "source": str(checkpoint.provenance.get("source", "unknown")),
        "license": UNKNOWN_LICENSE if checkpoint.license is None else license_notice(checkpoint.license),
        "processor_hash": encoder.processor_hash,
        "processor": json.dumps(json.loads(processor.to_json_string()), sort_keys=True),
        "avzoo": version("avzoo"),
        "torch": version("torch"),
    }


def _name(encoder: Encoder) -> str:
    """The name of a checkpoint without the folders or the owner above it."""
    return Path(encoder.checkpoint.name).name
