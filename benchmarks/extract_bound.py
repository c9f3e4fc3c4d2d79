"""How much of the machine ``avzoo extract`` uses: ``python -m benchmarks.extract_bound [PATH...]``.

What a window costs is measured first, on one core with nothing else going on: decoding it, and embedding it (processors
included) in batches. If nothing else took time and all cores were always busy, an extraction would embed
``cores / (decoding + embedding)`` windows per second. How near does it come? Measured with random weights of the base
model, where embedding is nearly all of the cost, and of the nano model, where decoding is.

PATH... are media files or folders of them. By default clips of the synthetic set are written, 256 x 256 pixels and
12 seconds long.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from avzoo.data.synthetic import SyntheticSpec, write_set
from avzoo.data.view_config import ViewConfig
from avzoo.extract import Encoder, extract, load
from avzoo.extract.discover import discover
from avzoo.media import Clip, ClipSpec, MediaError, iter_clips
from avzoo.models.configuration_xkd import XKDConfig
from avzoo.models.modeling_xkd import XKDModel
from avzoo.pretraining.xkd_recipe import XKDModelSection
from benchmarks.common import Ratio, Report, cores, in_turn, reporting, seconds_of

AIM = 0.85
BATCH = 8  # windows per forward, the default of the command
EMBEDDED = 16  # windows, spread over the files, of which the cost of embedding is measured
SIZES = ("base", "nano")


def checkpoint(size: str, folder: Path) -> Encoder:
    """A randomly initialised model, saved with its processors and loaded as a user does."""
    views = ViewConfig.nano() if size == "nano" else ViewConfig()
    XKDModel(XKDConfig.preset(size)).save_pretrained(folder)
    XKDModelSection.processor(views, fps=8.0).save_pretrained(folder)
    return load(folder, device="cpu")


def decode(paths: Sequence[Path], spec: ClipSpec) -> list[Clip]:
    """All windows of all files that can be decoded."""
    clips: list[Clip] = []
    for file in discover(paths, exclude=Path("nothing")):
        try:
            clips.extend(iter_clips(file.path, spec))
        except MediaError:
            continue
    return clips


def measure(report: Report, size: str, paths: Sequence[Path], folder: Path, repeats: int) -> None:
    """Adds the figures of one model."""
    encoder = checkpoint(size, folder / size)
    torch.set_num_threads(1)  # both costs are those of one core; an extraction sets its own threads
    clips = decode(paths, encoder.clip_spec())
    spread = clips[:: max(1, len(clips) // EMBEDDED)][:EMBEDDED]
    batches = [spread[start : start + BATCH] for start in range(0, len(spread), BATCH)]
    numbers = count()
    samples = in_turn(
        {
            "decode": lambda: seconds_of(lambda: decode(paths, encoder.clip_spec())),
            "embed": lambda: seconds_of(lambda: [encoder.embed_clips(batch) for batch in batches]),
            "extract": lambda: extract(paths, encoder, folder / f"{size}-{next(numbers)}", batch_size=BATCH).seconds,
        },
        repeats,
    )
    report.samples |= {f"{size}: {name}": times for name, times in samples.items()}
    best = {name: min(times) for name, times in samples.items()}
    decoding, embedding = best["decode"] / len(clips), best["embed"] / len(spread)
    bound = cores() / (decoding + embedding)
    achieved = len(clips) / best["extract"]
    report.measurements.append(
        {
            "model": size,
            "windows": len(clips),
            "decode ms per window": 1000 * decoding,
            "embed ms per window": 1000 * embedding,
            "bound windows/s": bound,
            "extract windows/s": achieved,
        }
    )
    report.ratios.append(Ratio(f"{size}: share of the bound", achieved / bound, at_least=AIM))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("--clips", type=int, default=24, help="synthetic clips, where no PATH is given")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the fastest counts")
    parser.add_argument("--sizes", nargs="+", default=SIZES, choices=SIZES)
    arguments = parser.parse_args()
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as temporary, reporting("extract_bound") as report:
        folder = Path(temporary)
        report.settings = {"clips": arguments.clips, "repeats": arguments.repeats, "batch": BATCH}
        report.settings["media"] = [path.name for path in arguments.paths] or "synthetic"
        paths = arguments.paths
        if not paths:
            spec = SyntheticSpec(size=256, fps=25.0, duration=12.0)
            paths = [write_set(folder / "clips", arguments.clips, spec, workers=cores())]
        for size in arguments.sizes:
            measure(report, size, paths, folder, arguments.repeats)
        report.notes.append(
            "Extract is timed without loading the model; after the first round the server that decode processes are "
            "forked from is up."
        )


if __name__ == "__main__":
    main()
