"""How the papers classify frozen features, one module each: settings of protocols by name, and what differs for a set.

No preset chooses on the test part, as all of the papers do with the cost of an SVM: that is ``choose_on=test``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

Presets = Mapping[str, Mapping[str, Any]]

_PAPERS = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]


def _of(protocol: str) -> Presets:
    return {name: values for paper in _PAPERS for name, values in getattr(paper, protocol, {}).items()}


#: Presets of ``linear-svm``, ``linear`` and ``fusion``.
SVM, LINEAR, FUSION = _of("SVM"), _of("LINEAR"), _of("FUSION")
