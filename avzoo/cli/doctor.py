"""``avzoo doctor``: what of this machine, or of a dataset, works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

LIBRARIES = ["avzoo", "torch", "torchvision", "torchaudio", "transformers", "accelerate", "av", "decord", "gradio"]

#: Codecs of the media people have, as FFmpeg names them.
CODECS = ["h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "opus", "flac", "vorbis", "pcm_s16le"]

WIDTH, HEIGHT, FPS, SECONDS, SAMPLE_RATE = 96, 64, 8, 2, 16_000


def _versions() -> dict[str, str | None]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {"python": platform.python_version(), "platform": platform.platform()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    return found


def _devices() -> dict[str, str]:
    import os

    import torch

    devices = {"cpu": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def _ffmpeg() -> dict[str, Any]:
    import av

    libraries = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    missing = []
    for codec in CODECS:
        try:
            av.Codec(codec, "r")
        except ValueError:
            missing.append(codec)
    return {"version": av.ffmpeg_version_info, "libraries": libraries, "missing_codecs": missing}


def _write_clip(path: Path) -> None:
    """A bright square that moves over a gradient, and a tone."""
    import torch

    from avzoo.media import write_clip

    count = FPS * SECONDS
    frames = torch.linspace(0, 160, WIDTH).to(torch.uint8).expand(count, 3, HEIGHT, WIDTH).clone()
    for index, frame in enumerate(frames):
        frame[:, 16:32, 4 * index : 4 * index + 16] = 255
    time = torch.arange(SAMPLE_RATE * SECONDS) / SAMPLE_RATE
    write_clip(path, frames, FPS, 0.5 * torch.sin(2 * torch.pi * 440 * time), SAMPLE_RATE)


def _decoders() -> dict[str, dict[str, Any]]:
    """Reads one generated clip through every video decode backend and compares the frames with the first backend's.

    Returns:
        Per backend its ``state``: ``works``, ``differs``, ``not installed`` or ``fails``, and a ``detail`` in words.
    """
    import tempfile
    from importlib.util import find_spec
    from typing import get_args

    from avzoo.media import ClipSpec, MediaError, read_clip
    from avzoo.media.clips import Decoder

    results: dict[str, dict[str, Any]] = {}
    reference = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "doctor.mp4"
        _write_clip(path)
        for decoder in get_args(Decoder):
            if decoder == "decord" and find_spec("decord") is None:
                results[decoder] = {"state": "not installed", "detail": "pip install 'avzoo[decord]' to have it"}
                continue
            state = "works"
            try:
                clip = read_clip(path, 0.0, ClipSpec(fps=FPS, num_frames=FPS * SECONDS, decoder=decoder))
            except (MediaError, OSError) as error:
                state, detail = "fails", str(error)
            else:
                if clip.frames is None or clip.samples is None:
                    state, detail = "fails", "the clip came back without picture or without sound"
                elif reference is None or clip.frames.equal(reference):
                    reference = clip.frames
                    detail = f"{len(clip.frames)} frames as they should be"
                else:
                    state, detail = "differs", "its frames are not those of the first decoder"
            results[decoder] = {"state": state, "detail": detail}
    return results


def command(
    topic: Annotated[
        Literal["data"] | None, typer.Argument(help="data: check the media of PATH instead of the machine.")
    ] = None,
    path: Annotated[Path | None, typer.Argument(help="With data: a folder, or a list of files.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output; no progress.")] = False,
    kind: Annotated[
        str | None, typer.Option(help="With data: layout, such as kinetics400; by default whatever media PATH holds.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="With --kind: such as split=val; repeatable.")
    ] = None,
    need: Annotated[
        Literal["both", "video", "audio"], typer.Option(help="With data: what files must have; the rest is not read.")
    ] = "both",
    min_duration: Annotated[float, typer.Option(help="With data: seconds that files must have of it.")] = 1.1,
    timeout: Annotated[float, typer.Option(help="With data: seconds that one file may take.")] = 120.0,
    workers: Annotated[int | None, typer.Option(min=1, help="With data: decode processes; one per core.")] = None,
) -> None:
    """Report what of this machine works: versions, devices, FFmpeg, and every decoder on a generated clip.

    Exits with 1 when an installed decoder fails or disagrees with the first, with 3 when none works.

    "avzoo doctor data PATH" decodes the media of a dataset once, in processes that may die, and reports files that
    cannot be read, lack picture or sound, are short, muted, still, or duplicates. Exits with 1 when something is wrong
    with a file, with 3 when no file can be used.
    """
    if topic == "data":
        from avzoo.cli._doctor_data import check
        from avzoo.errors import AvzooError
        from avzoo.extract.inspection import Checks

        if path is None:
            raise AvzooError("say which folder or list to check: avzoo doctor data PATH")
        checks = Checks(need != "audio", need != "video", min_duration, timeout=timeout)
        raise typer.Exit(check(path, kind, settings or (), checks, workers, as_json))
    _check_machine(as_json)


def _check_machine(as_json: bool) -> None:
    from avzoo.checkpoints import packaged

    report: dict[str, Any] = {
        "versions": _versions(),
        "devices": _devices(),
        "ffmpeg": _ffmpeg(),
        "decoders": _decoders(),
        "checkpoints": list(packaged()),
    }
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    states = {result["state"] for result in report["decoders"].values()}
    if "works" not in states:
        raise typer.Exit(3)
    if states & {"fails", "differs"}:
        raise typer.Exit(1)


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    ffmpeg = report["ffmpeg"]
    missing = ", ".join(ffmpeg["missing_codecs"])
    rows = {name: version or "not installed" for name, version in report["versions"].items()}
    rows |= report["devices"]
    rows["FFmpeg of PyAV"] = ffmpeg["version"] + (f", cannot decode {missing}" if missing else "")
    rows |= {f"decoder {name}": f"{state['state']}: {state['detail']}" for name, state in report["decoders"].items()}
    rows["checkpoints"] = ", ".join(report["checkpoints"]) or "none"
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    table.columns[1].overflow = "fold"
    for name, value in rows.items():
        table.add_row(name, value)
    Console(markup=False).print(table)
