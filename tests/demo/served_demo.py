"""What tests know of the demo that is served to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Served:
    """A running demo: its address, and its private folder."""

    url: str
    private: Path
