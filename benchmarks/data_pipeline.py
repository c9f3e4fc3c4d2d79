"""What views cost beside decoding: ``python -m benchmarks.data_pipeline [PATH...]``.

Clips per second of one core that makes training items of media files, and of one core that only decodes the windows of
these items: frames at their final rate, scaled to the size from which views are cut, and sound. What lies between is
augmentation and spectrograms. Also measured: items of clips that the cache holds already, where decoding costs nothing.

PATH... are media files or folders of them. By default clips of the synthetic set are written, 256 x 256 pixels and 10
seconds at 25 frames per second: the size of Kinetics as it is mostly kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from avzoo.data.clips import ClipSample, item_seed
from avzoo.data.folder import FolderDataset
from avzoo.data.pretraining_dataset import PretrainingDataset
from avzoo.data.sets import MediaItem, MediaSet, folder
from avzoo.data.synthetic import SyntheticSpec, write_set
from avzoo.pretraining.recipe import load_recipe
from benchmarks.common import Ratio, Report, cores, in_turn, reporting

AIM = 0.9
RECIPES = (
    "xkd_kinetics400_released",
    "crisscross_kinetics400_released",
    "vssl_simclr_kinetics400_released",
    "vssl_mae_kinetics400_released",
)


def media_of(paths: Sequence[Path]) -> MediaSet:
    """Files and the videos of folders."""
    found = [file for path in paths for file in (folder(path).paths if path.is_dir() else [path])]
    return MediaSet(tuple(map(MediaItem, found)))


def items(dataset: PretrainingDataset, make: Callable[[int, int], object], epoch: int) -> float:
    """Seconds of processor time of one item per file, all drawn anew."""
    start = time.process_time()
    for index in range(len(dataset)):
        make(index, item_seed(dataset.seed, epoch, index))
    return time.process_time() - start


def measure(report: Report, name: str, media: MediaSet, repeats: int) -> None:
    """Adds the figures of one recipe."""
    torch.set_num_threads(1)  # what one worker of a DataLoader has
    recipe = load_recipe(name)
    spec, windows = recipe.model.clip_request(recipe.views, recipe.data.fps)
    pipeline = recipe.model.pipeline(recipe.views)
    clips = FolderDataset(media, spec, windows=windows)
    dataset = PretrainingDataset(clips, pipeline, recipe.seed)
    held: dict[int, list[ClipSample]] = {index: clips.read(index, 0) for index in range(len(clips))}
    epoch = iter(range(1, 1_000_000))  # what is compared in one round sees the same windows
    current = [0]

    def first(make: Callable[[int, int], object]) -> float:
        current[0] = next(epoch)
        return items(dataset, make, current[0])

    samples = in_turn(
        {
            "decode": lambda: first(clips.read),
            "item": lambda: items(dataset, dataset.item, current[0]),
            "views": lambda: items(dataset, lambda index, seed: pipeline(held[index], seed), current[0]),
        },
        repeats,
    )
    report.samples |= {f"{name}: {part}": times for part, times in samples.items()}
    best = {part: min(times) / len(clips) for part, times in samples.items()}
    report.measurements.append(
        {
            "recipe": name,
            "decode ms": 1000 * best["decode"],
            "views ms": 1000 * best["views"],
            "item ms": 1000 * best["item"],
            "clips/s per core": 1 / best["item"],
            "from the cache": 1 / best["views"],
        }
    )
    report.ratios.append(Ratio(f"{name}: of decode-only speed", best["decode"] / best["item"], at_least=AIM))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("--clips", type=int, default=16, help="synthetic clips, where no PATH is given")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the fastest counts")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, reporting("data_pipeline") as report:
        report.settings = {"clips": arguments.clips, "repeats": arguments.repeats}
        report.settings["media"] = [path.name for path in arguments.paths] or "synthetic"
        paths = arguments.paths
        if not paths:
            spec = SyntheticSpec(size=256, fps=25.0, duration=10.0)
            paths = [write_set(Path(temporary), arguments.clips, spec, workers=cores())]
        media = media_of(paths)
        for name in arguments.recipes:
            measure(report, name, media, arguments.repeats)
        report.notes.append(
            "One thread, processor time: what a core gives when it has nothing else to do. Files are in the page cache "
            "after the first round."
        )


if __name__ == "__main__":
    main()
