"""The clips of XDC (arXiv 1911.12667)."""

from __future__ import annotations

from ..clip_plan import ClipPlan
from .asked import Asked


def plan(asked: Asked) -> ClipPlan:
    """XDC (arXiv 1911.12667, section 4): ten clips spread evenly, central crop; 60 of the scenes of DCASE.

    What its classifiers learn from is in a supplement that is not public: here the same clips.
    """
    return ClipPlan(clips=60 if asked.dataset == "dcase2014" else 10)
