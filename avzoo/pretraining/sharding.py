"""Fully sharded training (FSDP2): weights, gradients and optimizer states spread over the processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from transformers import TrainerCallback
from transformers.trainer_utils import HubStrategy

from avzoo.errors import AvzooError
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.modeling import AVPreTrainedModel
from avzoo.pretraining.probe import OnlineProbe

#: The model is one unit: parts of it are called on their own within ``forward``, which smaller units would not allow.
#: All weights are whole during a step; between steps, and in the optimizer, each process has its share.
FSDP_CONFIG = {"version": 2, "auto_wrap_policy": "NO_WRAP", "state_dict_type": "FULL_STATE_DICT"}


def check_fsdp(model: AVPreTrainedModel, args: AVTrainingArguments, callbacks: Sequence[TrainerCallback]) -> None:
    """Refuses what needs whole weights between the steps of a sharded run.

    Raises:
        AvzooError: says what.
    """
    reasons = {
        f"{type(model).__name__} cannot be sharded, and is small enough for a copy per process": (
            not model.supports_fsdp
        ),
        "LARC needs the norms of whole weights": args.larc,
        "the online probe runs in one process": any(isinstance(part, OnlineProbe) for part in callbacks),
        "publishing at every save runs in one process": args.push_to_hub and args.hub_strategy != HubStrategy.END,
    }
    for reason, holds in reasons.items():
        if holds:
            raise AvzooError(f"fsdp does not go with these settings: {reason}; turn one of the two off.")


def whole_model(accelerator: Any, model: nn.Module, wanted: bool) -> AVPreTrainedModel:
    """A copy with all weights of a sharded model.

    Args:
        accelerator: accelerate's ``Accelerator``, which sharded the model. All processes take part.
        model: the sharded model.
        wanted: whether this process, which must be the first, gets the copy; the others get their share back.
    """
    state = accelerator.get_state_dict(model)
    bare = cast(AVPreTrainedModel, accelerator.unwrap_model(model))
    if not wanted:
        return bare
    with torch.random.fork_rng([]):
        copy = type(bare)(bare.config)
    nn.Module.to(copy, bare.dtype)
    copy.load_state_dict(state)
    return copy
