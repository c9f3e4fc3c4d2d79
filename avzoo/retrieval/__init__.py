"""The index and the search over a feature table."""

from __future__ import annotations

from avzoo.retrieval.index import Hit, Index, RetrievalError
from avzoo.retrieval.search import DIRECTIONS, search_file

__all__ = ["DIRECTIONS", "Hit", "Index", "RetrievalError", "search_file"]
