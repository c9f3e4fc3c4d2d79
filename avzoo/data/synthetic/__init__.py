"""A generated set of clips whose sound and picture share their cause; ``DATASHEET.md`` describes it."""

from __future__ import annotations

from .dataset import SyntheticDataset
from .render import RenderedClip, render
from .spec import CLASS_NAMES, EVENTS, SHAPES, SPLITS, TIMBRES, Range, SyntheticError, SyntheticSpec, class_of
from .writing import write_set

__all__ = [
    "CLASS_NAMES",
    "EVENTS",
    "SHAPES",
    "SPLITS",
    "TIMBRES",
    "Range",
    "RenderedClip",
    "SyntheticDataset",
    "SyntheticError",
    "SyntheticSpec",
    "class_of",
    "render",
    "write_set",
]
