"""Files in, feature table out.

The names below load their module when they are first used: the decode workers import this package too, and must not
pay for the model's libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avzoo.extract.checkpoint import Checkpoint as Checkpoint
    from avzoo.extract.checkpoint import CheckpointError as CheckpointError
    from avzoo.extract.checkpoint import resolve as resolve
    from avzoo.extract.embeddings import Embeddings as Embeddings
    from avzoo.extract.encoder import Encoder as Encoder
    from avzoo.extract.encoder import load as load
    from avzoo.extract.lanes import Progress as Progress
    from avzoo.extract.run import ExtractError as ExtractError
    from avzoo.extract.run import ExtractReport as ExtractReport
    from avzoo.extract.run import extract as extract
    from avzoo.extract.table import FeatureTable as FeatureTable
else:
    #: Public name -> module of this package that holds it.
    _EXPORTS = {
        "Checkpoint": "checkpoint",
        "CheckpointError": "checkpoint",
        "Embeddings": "embeddings",
        "Encoder": "encoder",
        "ExtractError": "run",
        "ExtractReport": "run",
        "FeatureTable": "table",
        "Progress": "lanes",
        "extract": "run",
        "load": "encoder",
        "resolve": "checkpoint",
    }
    __all__ = list(_EXPORTS)

    def __getattr__(name: str) -> Any:
        if name not in _EXPORTS:
            raise AttributeError(f"module 'avzoo.extract' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"avzoo.extract.{_EXPORTS[name]}"), name)
        globals()[name] = value
        return value
