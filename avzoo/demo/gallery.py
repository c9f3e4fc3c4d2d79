"""The packaged gallery: synthetic clips of the test split, rendered, embedded and indexed on first start."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from avzoo.checkpoints import DEFAULT
from avzoo.data.synthetic import CLASS_NAMES, SyntheticDataset, SyntheticSpec, write_set
from avzoo.data.synthetic.spec import GENERATOR_VERSION
from avzoo.demo.library import Library
from avzoo.extract import Encoder, extract
from avzoo.pretraining.data_sections import SyntheticSection
from avzoo.pretraining.recipe import load_recipe
from avzoo.retrieval import Index, RetrievalError

COUNT = 64  # four clips of each class
_SEED = 0
_SPLIT = "test"  # no checkpoint was trained on it

#: Called with what is being done, how much of it is done, and how much there is.
OnProgress = Callable[[str, int, int], None]


def gallery_spec() -> SyntheticSpec:
    """Clips of the kind that the packaged checkpoint was trained on.

    They are larger, for the eye, and without pixel noise, which costs most of a file's bytes.
    """
    recipe = load_recipe(DEFAULT.replace("-", "_"))  # packaged checkpoints are called after their recipes
    return cast(SyntheticSection, recipe.data).spec.shifted(size=128, picture_noise=(0.0, 0.0))


def cache_folder() -> Path:
    """Where galleries are kept: ``$XDG_CACHE_HOME/avzoo/gallery``, by default ``~/.cache/avzoo/gallery``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "avzoo" / "gallery"


def open_gallery(
    encoder: Encoder,
    root: Path | None = None,
    count: int = COUNT,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Library:
    """Opens the packaged gallery, building what is missing of it.

    Clips are kept under the generator's version and spec, their index under the clips, the checkpoint and its
    processors: another generator or checkpoint builds another gallery and never mixes with this one. Every file
    appears whole or not at all, so a build that was interrupted goes on where it stopped. Two demos that start at once
    build one gallery.

    Args:
        encoder: What embeds the clips.
        root: Where to keep galleries; None for `cache_folder`.
        count: Number of clips; multiples of 16 hold every class equally often.
        on_progress: Told how the build goes.
    """
    root = cache_folder() if root is None else root
    spec = gallery_spec()
    clips_key = _key(GENERATOR_VERSION, spec.model_dump(mode="json"), _SEED, _SPLIT, count)
    made_with = (encoder.checkpoint.revision, encoder.processor_hash, str(encoder.dtype), encoder.device.type)
    clips = root / f"clips-{clips_key}"
    features = root / f"features-{_key(clips_key, str(root), *made_with)}"
    with _sole_builder(root):
        folder = write_set(
            clips, count, spec, _SEED, _SPLIT, progress=lambda done: on_progress("Rendering clips", done, count)
        )
        index = _load(features / "index")
        if index is None:
            extract(
                sorted(folder.glob("*.mp4")),
                encoder,
                features,
                on_progress=lambda progress: on_progress("Embedding clips", progress.files, progress.total),
            )
            index = Index.build(features)
            index.save(features / "index")
    written = SyntheticDataset(clips, _SPLIT, cache_bytes=0)
    names = [CLASS_NAMES[label].replace("_", " ") for label in written.labels]
    return Library(index, dict(zip(map(str, written.paths), names, strict=True)))


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _load(folder: Path) -> Index | None:
    """The index, or None where there is none that can be used: a cache is made again, not complained about."""
    try:
        return Index.load(folder)
    except RetrievalError:
        return None


@contextmanager
def _sole_builder(root: Path) -> Iterator[None]:
    """Keeps other processes from building at the same time; they wait."""
    root.mkdir(parents=True, exist_ok=True)
    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
