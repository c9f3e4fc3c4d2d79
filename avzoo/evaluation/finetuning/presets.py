"""Finetuning as the papers do it: one entry per paper, and on top of it what differs for a set or a modality.

- ``xkd`` (Table S12 and released configurations), sound on ESC-50 and FSD50K included. The released ones differ from
  the paper, and what they ran from what they say: ``xkd-released`` cuts cutmix's box out of clips as their code did and
  trains the head of sound that their engine made; ``xkd-paper`` has the warm-up and RandAugment of the paper.
- ``crisscross`` (Table S11): 32 frames; ``crisscross-8f`` 8 of them; ``-audioset`` what differs for encoders that were
  pretrained on AudioSet.
- ``xdc`` finetunes all, ``xdc-fc`` trains the linear layer on the frozen encoder. The paper's numbers are in a
  supplement that cannot be had; these are those of the same authors' VMZ code for the same network family.
- ``ccl`` (released code): recognition on UCF51 from random or given weights, without teachers.
- ``vssl-METHOD`` (released configurations) with the rate that was found for each method: the closed-set runs on UCF101
  and Kinetics-400; ``vssl-METHOD-PAIR`` those of which a shifted set was tested, PAIR one of `PAIRS`.

Batches are those of all GPUs together. None chooses its epoch on the test items, as most of the papers do: that is
``choose="best test epoch"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]

_MIX: Values = {"mixup": 0.6, "cutmix": 0.5}
_RAND_AUGMENT = "rand-m7-n4-mstd0.5-inc1"
#: XKD and the video-SSL encoders: RandAugment, a crop without antialiasing, flip, erasing.
_STRONG: Values = {
    "rand_augment": _RAND_AUGMENT,
    "crop_area": (0.2, 0.766),
    "antialias": False,
    "erase_probability": 0.25,
}
_THREE_BY_THREE: Values = {"clips": 3, "crops": "three"}
_SILENT: Values = {"volume": 0.0}

# ---- XKD ----

_XKD: Values = {
    "num_frames": 32,
    "image_size": 224,
    "video": _STRONG,
    "mix": _MIX,
    "label_smoothing": 0.1,
    "epochs": 100,
    "batch_size": 96,
    "learning_rate": 5e-4,
    "final_learning_rate": 1e-6,
    "warmup_epochs": 5,
    "weight_decay": 0.05,
    "layer_decay": 0.45,
    "test": _THREE_BY_THREE,
}
_XKD_HMDB: Values = {
    "mix": {"mixup": 1.0, "cutmix": 1.0},
    "learning_rate": 1e-4,
    "warmup_epochs": 20,
    "layer_decay": 0.75,
}
_XKD_AUDIO: Values = {
    "num_frames": None,
    "image_size": None,
    "mix": {},
    "label_smoothing": 0.0,
    "norm": "l2",
    "batch_size": 64,
    "learning_rate": 1e-4,
    "final_learning_rate": 0.0,
    "warmup_epochs": 10,
    "weight_decay": 0.005,
    "layer_decay": 0.65,
    "test": {"clips": 3},
}
_XKD_FSD50K: Values = {
    **_XKD_AUDIO,
    "norm": None,
    "dropout": 0.3,
    "epochs": 30,
    "batch_size": 128,
    "schedule": "constant",
    "warmup_epochs": 0,
    "weight_decay": 1e-5,
    "test": {"clips": 8},
    "average": "score",
}
_ENGINE_HEAD: Values = {"norm": None, "dropout": 0.0, "init": "normal"}

_XKD_PRESETS: dict[str, Values] = {
    "xkd": _XKD,
    "xkd/hmdb51": _XKD_HMDB,
    "xkd/audio": _XKD_AUDIO,
    "xkd/fsd50k": _XKD_FSD50K,
    "xkd-released": {**_XKD, "mix": {**_MIX, "box": "released"}},
    "xkd-released/hmdb51": {**_XKD_HMDB, "mix": {"mixup": 1.0, "cutmix": 1.0, "box": "released"}},
    "xkd-released/audio": {**_XKD_AUDIO, **_ENGINE_HEAD},
    "xkd-released/fsd50k": {**_XKD_FSD50K, **_ENGINE_HEAD},
    "xkd-paper": {**_XKD, "video": {**_STRONG, "rand_augment": "rand-m9-mstd0.05-inc1"}},
    "xkd-paper/kinetics400": {"warmup_epochs": 30},
    "xkd-paper/hmdb51": _XKD_HMDB,
    "xkd-paper/audio": _XKD_AUDIO,
    "xkd-paper/fsd50k": _XKD_FSD50K,
}

# ---- CrissCross ----

_CRISSCROSS: Values = {
    "num_frames": 32,
    "image_size": 224,
    "network": {"pooling": "max"},
    "init": "orthogonal",
    "dropout": 0.0,
    "clips_per_item": 10,
    "video": {
        "crop_area": (0.08, 1.0),
        "jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2},
        "gray_probability": 0.2,
        "cutout_size": 20,
    },
    "epochs": 20,
    "batch_size": 32,
    "optimizer": "sgd",
    "learning_rate": 7e-5,
    "warmup_epochs": 0,
    "schedule": "multistep",
    "milestones": (8, 12, 16),
    "gamma": 0.3,
    "weight_decay": 0.0,
    "test": {"clips": 10},
}
_EARLY = (6, 10, 14)

_CRISSCROSS_PRESETS: dict[str, Values] = {
    "crisscross": _CRISSCROSS,
    "crisscross/hmdb51": {"learning_rate": 1e-4},
    "crisscross-audioset": _CRISSCROSS,
    "crisscross-audioset/hmdb51": {"learning_rate": 1e-4, "milestones": _EARLY, "gamma": 0.1, "dropout": 0.5},
    "crisscross-8f": {
        **_CRISSCROSS,
        "num_frames": 8,
        "batch_size": 64,
        "learning_rate": 5e-4,
        "milestones": _EARLY,
    },
    "crisscross-8f/hmdb51": {"gamma": 0.1},
    "crisscross-8f-audioset": {**_CRISSCROSS, "num_frames": 8, "batch_size": 64, "gamma": 0.1, "dropout": 0.1},
    "crisscross-8f-audioset/hmdb51": {"learning_rate": 1e-4, "dropout": 0.5},
}

# ---- XDC ----

_XDC: Values = {
    "image_size": 224,
    "network": {"batch_norm_momentum": 0.1},
    "dropout": 0.0,
    "clips_per_item": 10,
    "video": {"short_side": 256, "crop_area": None},
    "audio": _SILENT,
    "epochs": 8,
    "batch_size": 32,
    "optimizer": "sgd",
    "learning_rate": 1e-4,
    "warmup_epochs": 0,
    "schedule": "multistep",
    "milestones": (2, 4, 6),
    "gamma": 0.1,
    "weight_decay": 0.005,
    "test": {"clips": 10},
}
_XDC_FC: Values = {
    **_XDC,
    "frozen": True,
    "network": {},
    "clips_per_item": 1,
    "epochs": 45,
    "learning_rate": 0.1,
    "warmup_epochs": 10,
    "milestones": (20, 30, 40),
    "weight_decay": 1e-4,
}

_XDC_PRESETS: dict[str, Values] = {
    "xdc": _XDC,
    "xdc/hmdb51": {"learning_rate": 2e-4},
    "xdc/audio": {"image_size": None, "network": {}},
    "xdc-fc": _XDC_FC,
    "xdc-fc/audio": {"image_size": None},
}

# ---- CCL ----

_CCL: Values = {
    "num_frames": 16,
    "image_size": 112,
    "dropout": 0.0,
    "video": {"short_side": 240, "crop_area": (0.25, 1.0)},
    "epochs": 300,
    "batch_size": 16,
    "optimizer": "sgd",
    "learning_rate": 1e-3,
    "warmup_epochs": 0,
    "schedule": "multistep",
    "milestones": (150, 225),
    "gamma": 0.1,
    "weight_decay": 5e-4,
    "test": {"sampling": "sliding", "clips": None},
}

# ---- video self-supervision ----

#: The methods, in the order in which the tables below give their learning rates.
METHODS = ("supervised", "simclr", "moco", "byol", "simsiam", "dino", "mae")

_VSSL: Values = {
    "num_frames": 16,
    "image_size": 112,
    "video": _STRONG,
    "epochs": 100,
    "batch_size": 768,
    "warmup_epochs": 10,
    "weight_decay": 0.05,
    "layer_decay": 0.55,
    "test": {"clips": 5, "crops": "three"},
}
_MIXED: Values = {"mix": _MIX, "label_smoothing": 0.1}

#: Training and shifted set -> what differs, the rates by method, and layer decays that are not that of the others.
PAIRS: Mapping[str, tuple[Values, tuple[float, ...], Mapping[str, float]]] = {
    "mimetics10": (
        {**_MIXED, "epochs": 200, "final_learning_rate": 1e-6},
        (1e-3, 8e-4, 8e-3, 2e-3, 8e-4, 1e-3, 8e-4),
        {"simclr": 0.35},
    ),
    "mimetics50": (_MIXED, (5e-3, 4e-4, 4e-4, 4e-4, 8e-4, 6e-4, 4e-4), {}),
    "actorshift": ({}, (5e-4, 8e-5, 6e-5, 8e-5, 6e-4, 2e-4, 8e-5), {}),
    "tinyvirat": (
        {"weight_decay": 0.2, "layer_decay": 0.35, "test": {"clips": 2, "crops": "three"}},
        (1e-3, 3e-3, 7e-4, 7e-4, 9e-4, 7e-4, 9e-4),
        {"mae": 0.45},
    ),
    "sims4action": (
        {"layer_decay": 0.45, "test": {"clips": 2, "crops": "three"}},
        (5e-4, 1e-3, 3e-4, 4e-4, 3e-4, 4e-4, 2e-4),
        {"byol": 0.35, "simsiam": 0.35},
    ),
    "ucf-hmdb": (
        {"batch_size": 32},
        (5e-5, 6e-5, 1e-4, 6e-5, 6e-5, 8e-5, 2e-4),
        {"byol": 0.35, "dino": 0.35},
    ),
    "hmdb-ucf": ({"final_learning_rate": 1e-6}, (5e-4, 6e-4, 4e-4, 1e-3, 6e-4, 1e-3, 6e-4), {}),
}
_CLOSED: Mapping[str, tuple[Values, tuple[float | None, ...], Mapping[str, float]]] = {
    "ucf101": ({"layer_decay": 0.45}, (1e-3, 1e-2, 1e-2, 1e-2, 8e-3, 8e-3, 1e-3), {"mae": 0.55}),
    "kinetics400": (
        {},
        (None, 8e-3, 8e-3, 1e-2, 1e-2, 8e-3, 2e-3),
        {"dino": 0.65, "mae": 0.45, "simclr": 0.45},
    ),
}


def _row(values: Values, rate: float, decays: Mapping[str, float], method: str) -> Values:
    decay = {"layer_decay": decays[method]} if method in decays else {}
    return {**values, "learning_rate": rate, **decay}


def _vssl_presets() -> dict[str, Values]:
    presets: dict[str, Values] = {}
    base = {**_VSSL, **_MIXED, "final_learning_rate": 1e-6}
    for number, method in enumerate(METHODS):
        name = f"vssl-{method}"
        for dataset, (values, rates, decays) in _CLOSED.items():
            rate = rates[number]
            if rate is not None:
                presets[f"{name}/{dataset}"] = _row(values, rate, decays, method)
        presets[name] = {**base, **presets[f"{name}/ucf101"]}
        if f"{name}/kinetics400" in presets:
            presets[f"{name}/kinetics400"] = {"layer_decay": 0.55, **presets[f"{name}/kinetics400"]}
        for pair, (values, pair_rates, decays) in PAIRS.items():
            presets[f"{name}-{pair}"] = {**_VSSL, **_row(values, pair_rates[number], decays, method)}
    # Of a method that nobody has named: the rate that most of them had.
    return {"vssl": presets["vssl-moco"], **presets}


#: Every preset by its name; ``NAME/SET`` and ``NAME/audio`` are what differs from ``NAME`` there.
PRESETS: Mapping[str, Values] = {
    **_XKD_PRESETS,
    **_CRISSCROSS_PRESETS,
    **_XDC_PRESETS,
    "ccl": _CCL,
    **_vssl_presets(),
}
