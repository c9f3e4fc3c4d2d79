"""Writing a split of the set to disk: mp4 files, their labels and the spec they came from."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

import torch

from avzoo.media.write import write_clip

from .render import render
from .scene import Scene, draw_scene
from .spec import CLASS_NAMES, GENERATOR_VERSION, SyntheticError, SyntheticSpec

LABELS_FILE: Final = "labels.csv"
SPEC_FILE: Final = "spec.json"
LABEL_COLUMNS: Final = (
    "path",
    "index",
    "label",
    "class",
    "event",
    "shape",
    "timbre",
    "audio_label",
    "audio_class",
    "mismatched",
    "time_offset",
    "tempo",
    "body",
)


def clip_name(index: int) -> str:
    """File name of a clip, such as ``000017_impact_square.mp4``; the class is that of the picture."""
    return f"{index:06d}_{CLASS_NAMES[index % len(CLASS_NAMES)]}.mp4"


def write_set(
    root: str | Path,
    count: int,
    spec: SyntheticSpec | None = None,
    seed: int = 0,
    split: str = "train",
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Writes ``count`` clips of one split into ``root/split``.

    The folder gets ``spec.json`` first, then one mp4 per clip, and ``labels.csv`` last, so that a folder with labels is
    complete. Every file appears whole or not at all: called again after an interruption, the same call writes only the
    missing clips and ends with the same bytes. A larger ``count`` extends a set. One call per folder at a time.

    Args:
        root: Folder of the set.
        count: Number of clips; multiples of 16 hold every class equally often.
        spec: What to draw; None for the defaults.
        seed: Seed of the set.
        split: train, validation or test.
        workers: Processes; 1 writes in this one.
        progress: Called with the number of clips present, from 0 to ``count``.

    Returns:
        The folder of the split.

    Raises:
        SyntheticError: The arguments are impossible, or the folder holds a set of another spec, seed or version.
    """
    spec = spec or SyntheticSpec()
    if count < 1 or workers < 1:
        raise SyntheticError(f"count and workers must be at least 1, got {count} and {workers}")
    scenes = [draw_scene(spec, seed, index, split) for index in range(count)]
    folder = Path(root) / split
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, spec, seed, split)
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink()

    missing = [index for index in range(count) if not (folder / clip_name(index)).is_file()]
    done = count - len(missing)
    if progress is not None:
        progress(done)
    if workers == 1 or len(missing) < 2:
        for index in missing:
            _write_one(folder, spec, seed, index, split)
            done += 1
            if progress is not None:
                progress(done)
    else:
        # Started afresh and not forked: a forked copy of a process that has decoded or trained may hang.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(missing)), context, torch.set_num_threads, (1,)) as pool:
            futures = [pool.submit(_write_one, folder, spec, seed, index, split) for index in missing]
            try:
                for future in as_completed(futures):
                    future.result()
                    done += 1
                    if progress is not None:
                        progress(done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    _write_text(folder / LABELS_FILE, _labels(scenes))
    return folder


def _write_one(folder: Path, spec: SyntheticSpec, seed: int, index: int, split: str) -> None:
    clip = render(spec, seed, index, split)
    write_clip(folder / clip_name(index), clip.frames, spec.fps, clip.samples, spec.sample_rate)


def _claim(folder: Path, spec: SyntheticSpec, seed: int, split: str) -> None:
    """Records what the folder holds, or checks that it holds the same."""
    origin: dict[str, Any] = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "split": split,
        "spec": spec.model_dump(mode="json"),
    }
    path = folder / SPEC_FILE
    if not path.is_file():
        _write_text(path, json.dumps(origin, indent=2) + "\n")
        return
    try:
        present = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SyntheticError(f"{path} is not readable JSON; give another folder") from error
    if present != origin:
        raise SyntheticError(f"{folder} already holds a set of another spec, seed or version; give another folder")


def _labels(scenes: list[Scene]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(LABEL_COLUMNS)
    for index, scene in enumerate(scenes):
        seen, heard = scene.seen, scene.heard
        table.writerow(
            (
                clip_name(index),
                index,
                seen.label,
                CLASS_NAMES[seen.label],
                seen.event,
                seen.shape,
                heard.timbre,
                heard.label,
                CLASS_NAMES[heard.label],
                int(scene.mismatched),
                f"{scene.time_offset:.6f}",
                f"{seen.tempo:.6f}",
                f"{seen.body:.6f}",
            )
        )
    return text.getvalue()


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
