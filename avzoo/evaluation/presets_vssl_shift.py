"""How the video-SSL thesis and its released code test under shift, under perturbation and from the first person.

A test is selected by the test items of the source in all of them, which is a leak and therefore in no preset:
``linear_svm.choose_on=test``, ``linear.choose="best test epoch"`` and, finetuned, ``choose="best test epoch"`` say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .clip_presets import plans
from .finetuning import FINETUNE
from .linear_head import LINEAR
from .linear_svm import LINEAR_SVM

Presets = Mapping[str, Mapping[str, Any]]

_SVM = LINEAR_SVM.presets["vssl"]

#: An SVM for all pairs but that of MiT and TinyVIRAT, for which linear layers were trained, by method.
SHIFT_PRESETS: Presets = {
    "vssl": {"linear_svm": _SVM, "seed": _SVM["seed"]},
    **{
        f"{name}-tinyvirat": {"classifier": "linear", "linear": values}
        for name, values in LINEAR.presets.items()
        if name.startswith("vssl-") and "/" not in name
    },
}

#: The finetuning presets of the pairs, ``vssl-METHOD-PAIR``, and those of the methods.
SHIFT_FINETUNE_PRESETS: Presets = {name: values for name, values in FINETUNE.presets.items() if name.startswith("vssl")}

#: How many clips its figures under perturbation are of is not told: those of its other tests are taken.
ROBUSTNESS_PRESETS: Presets = {
    "vssl": {
        **SHIFT_PRESETS["vssl"],
        "train": plans("vssl", "train", "video").model_dump(),
        "test": plans("vssl", "test", "video").model_dump(),
    }
}

#: Equal narrations are negatives of each other in the released code.
EGOCENTRIC_PRESETS: Presets = {"vssl": {"repeated": "negatives"}}
