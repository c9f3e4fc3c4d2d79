"""The clips of CCL (CVPR 2021)."""

from __future__ import annotations

from ..clip_plan import ClipPlan
from .asked import Asked


def plan(asked: Asked) -> ClipPlan:
    """CCL (CVPR 2021, section 4; its released inference): windows of 16 frames, one after another, central crop."""
    return ClipPlan(sampling="sliding", clips=None)
