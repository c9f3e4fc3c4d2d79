"""Official checkpoints to ours and back, verification, provenance, publishing.

The names below load their module when they are first used: the process that reads official files imports this package
too, and must not pay for the model's libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avzoo.hub.conversion import Conversion as Conversion
    from avzoo.hub.conversion import ConvertError as ConvertError
    from avzoo.hub.conversion import convert as convert
    from avzoo.hub.exporting import Exported as Exported
    from avzoo.hub.exporting import ExportError as ExportError
    from avzoo.hub.exporting import export as export
    from avzoo.hub.state_dicts import StateDictError as StateDictError
    from avzoo.hub.state_dicts import convert_state_dict as convert_state_dict
    from avzoo.hub.state_dicts import official_state_dict as official_state_dict
    from avzoo.hub.verification import Verification as Verification
    from avzoo.hub.verification import verify as verify
else:
    #: Public name -> module of this package that holds it.
    _EXPORTS = {
        "Conversion": "conversion",
        "ConvertError": "conversion",
        "convert": "conversion",
        "Exported": "exporting",
        "ExportError": "exporting",
        "export": "exporting",
        "StateDictError": "state_dicts",
        "convert_state_dict": "state_dicts",
        "official_state_dict": "state_dicts",
        "Verification": "verification",
        "verify": "verification",
    }
    __all__ = list(_EXPORTS)

    def __getattr__(name: str) -> Any:
        if name not in _EXPORTS:
            raise AttributeError(f"module 'avzoo.hub' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"avzoo.hub.{_EXPORTS[name]}"), name)
        globals()[name] = value
        return value
