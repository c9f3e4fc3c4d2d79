"""The video-SSL thesis on shifted sets, by method of pretraining (released code)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: All of its pairs of sets but one.
SVM: Mapping[str, Mapping[str, Any]] = {"vssl": {"costs": (1e-4, 1e-3, 1e-2, 1e-1, 1.0), "seed": 42}}

#: Learning rates on the classes that Moments in Time shares with TinyVirat.
_RATES: Mapping[str, float] = {
    "supervised": 8e-5,
    "simclr": 8e-5,
    "moco": 3.2e-4,
    "byol": 1.28e-3,
    "simsiam": 1.6e-4,
    "dino": 6.4e-4,
    "mae": 4e-5,
}

_LINEAR: Mapping[str, Any] = {
    "standardize": False,
    "norm": "batch",
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": 1e-5,
    "epochs": 100,
    "warmup_epochs": 20.0,
    "batch_size": 32,
}

#: The plain preset has the rate of SimCLR and of supervision.
LINEAR: Mapping[str, Mapping[str, Any]] = {
    "vssl": {**_LINEAR, "learning_rate": _RATES["simclr"]},
    **{f"vssl-{method}": {**_LINEAR, "learning_rate": rate} for method, rate in _RATES.items()},
}
