"""The index and the search over a feature table."""

from __future__ import annotations

from avzoo.retrieval.index import Hit, Index, RetrievalError
from avzoo.retrieval.search import DIRECTIONS, Direction, check_direction, check_model, search_file

__all__ = [
    "DIRECTIONS",
    "Direction",
    "Hit",
    "Index",
    "RetrievalError",
    "check_direction",
    "check_model",
    "search_file",
]
