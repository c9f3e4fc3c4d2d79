"""CrissCross (arXiv 2111.05329, appendix on downstream evaluation, and released configurations)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The paper on UCF101 and HMDB51, and the released configuration for ESC50.
SVM: Mapping[str, Mapping[str, Any]] = {"crisscross": {"costs": (1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 1.0)}}

#: The released configuration for DCASE2014, which is sound. How the layers on video were trained is not told: those are
#: trained as without a preset.
LINEAR: Mapping[str, Mapping[str, Any]] = {
    "crisscross/audio": {
        "standardize": False,
        "norm": "l2",
        "dropout": 0.1,
        "optimizer": "adam",
        "learning_rate": 0.007,
        "schedule": "constant",
        "warmup_epochs": 0.0,
        "weight_decay": 1e-5,
        "epochs": 200,
        "batch_size": 512,
    }
}

#: Kinetics-Sound: max-pooled features as they are. Which costs are tried is not told; they are those of its other SVMs.
FUSION: Mapping[str, Mapping[str, Any]] = {"crisscross": {"norm": None, "linear_svm": SVM["crisscross"]}}
