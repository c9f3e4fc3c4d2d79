"""The sets that encoders are evaluated on, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from avzoo.data.clips import DataError

from .action_splits import hmdb51, ucf101
from .activitynet import activitynet
from .audioset import audioset
from .benchmark import Benchmark, one_label_set
from .classes import ClassList, read_classes, same
from .kinetics import kinetics, kinetics_sound
from .label_maps import LabelMap
from .media_set import MediaSet
from .vggsound import vggsound

#: Where copies lie that are named without a folder: ``$AVZOO_DATASETS/NAME``.
DATASETS_VARIABLE = "AVZOO_DATASETS"

_AUDIO, _VIDEO, _BOTH = ("audio",), ("video",), ("video", "audio")


def _of_layout(
    layout: Callable[..., MediaSet],
    splits: Mapping[str, str],
    modalities: tuple[str, ...],
    multilabel: bool = False,
    folds: tuple[str, ...] = ("",),
    label_set: str = "class",
) -> Callable[[str, Path], Benchmark]:
    """A benchmark of a layout whose options are ``split``, ``classes``, ``allow_missing`` and perhaps ``fold``.

    Args:
        layout: From a folder to a set.
        splits: What the layout calls train, validation and test, as far as it has them.
        modalities: See `Benchmark`.
        multilabel: See `Benchmark`.
        folds: See `Benchmark`.
        label_set: What the items are labelled with.
    """

    def build(name: str, root: Path) -> Benchmark:
        def read(part: str, fold: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
            division = {"fold": int(fold)} if fold else {}
            return layout(root, split=splits[part], classes=classes, allow_missing=allow_missing, **division)

        return Benchmark(
            name, root, folds, (label_set,), multilabel, tuple(splits), modalities, read=one_label_set(read)
        )

    return build


_TRAIN_TEST = {"train": "train", "test": "test"}
_TRAIN_VAL = {"train": "train", "test": "val"}
_THREE = ("1", "2", "3")


def _ucf51(root: Path, *, classes: ClassList | None, **options: object) -> MediaSet:
    return ucf101(root, classes=classes or read_classes("ucf51"), **options)  # type: ignore[arg-type]


#: Every benchmark by its name. The part ``test`` is what the papers report on: of Kinetics, ActivityNet and others the
#: official validation split, for the labels of their test splits are not public.
BENCHMARKS: Mapping[str, Callable[[str, Path], Benchmark]] = {
    "ucf101": _of_layout(ucf101, _TRAIN_TEST, _VIDEO, folds=_THREE),
    "ucf51": _of_layout(_ucf51, _TRAIN_TEST, _BOTH, folds=_THREE),
    "hmdb51": _of_layout(hmdb51, _TRAIN_TEST, _VIDEO, folds=_THREE),
    "kinetics400": _of_layout(kinetics, _TRAIN_VAL, _BOTH),
    "kinetics700": _of_layout(partial(kinetics, num_classes=700), _TRAIN_VAL, _BOTH),
    "kinetics_sound": _of_layout(kinetics_sound, _TRAIN_VAL, _BOTH),
    "vggsound": _of_layout(vggsound, _TRAIN_TEST, _BOTH),
    "activitynet": _of_layout(partial(activitynet, segments=False), _TRAIN_VAL, _BOTH),
    "audioset": _of_layout(audioset, {"train": "train", "test": "eval"}, _BOTH, multilabel=True),
}


def benchmark(
    spec: str,
    root: str | Path | None = None,
    *,
    classes: ClassList | None = None,
    label_map: LabelMap | None = None,
    allow_missing: float = 0.0,
) -> Benchmark:
    """A benchmark by its name.

    Args:
        spec: ``NAME`` or ``NAME:ROOT``; NAME is a key of `BENCHMARKS`, whatever its case, dashes and underscores.
        root: The folder of the copy, if ``spec`` does not say; by default the folder of that name in the folder that
            the environment variable ``AVZOO_DATASETS`` names.
        classes: Which classes to keep, and their order; None keeps all.
        label_map: Maps the classes onto others, for example ``shift_pair("ucf_hmdb").source_map``.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: There is no such benchmark, no such folder, or what is there is something else.
    """
    given, _, place = spec.partition(":")
    name = next((known for known in BENCHMARKS if same(known) == same(given)), None)
    if name is None:
        raise DataError(f"there is no benchmark {given!r}; there are {', '.join(BENCHMARKS)}")
    folder = Path(place) if place else Path(root) if root is not None else _default_root(name)
    if not folder.exists():
        raise DataError(f"{folder}, where {name} should lie, does not exist; say where it does with {name}:FOLDER")
    built = BENCHMARKS[name](name, folder)
    return replace(built, classes=classes, label_map=label_map, allow_missing=allow_missing)


def _default_root(name: str) -> Path:
    parent = os.environ.get(DATASETS_VARIABLE)
    if not parent:
        raise DataError(
            f"where does {name} lie? Say {name}:FOLDER, or set {DATASETS_VARIABLE} to the folder of all sets"
        )
    spelt = [path for path in sorted(Path(parent).glob("*")) if path.is_dir() and same(path.name) == same(name)]
    return spelt[0] if spelt else Path(parent, name)
