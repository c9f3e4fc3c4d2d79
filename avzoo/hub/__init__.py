"""Official state dicts to ours and back, provenance, model cards."""

from avzoo.hub.state_dicts import StateDictError, convert_state_dict, official_state_dict

__all__ = ["StateDictError", "convert_state_dict", "official_state_dict"]
