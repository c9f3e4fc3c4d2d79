"""Layer-wise learning-rate decay: the further a layer is from the classifier, the slower it learns."""

from __future__ import annotations

import re

from torch import nn

from avzoo.pretraining.optim import ParameterGroup

# ViTs: layers; ConvNets: stages; Cnn14: blocks. What comes before any of them is embedding or stem.
_NUMBERED = re.compile(r"(?:layers|stages|blocks)\.(\d+)\.")
_BEFORE = ("embeddings.", "stem.", "input_norm.")
_NOT_DECAYED = ("cls_token", "position_embeddings")


def layer_number(name: str, depth: int) -> int:
    """Which layer of an encoder a parameter belongs to.

    Args:
        name: Name of the parameter in its encoder.
        depth: Layers of a ViT, or stages of a ConvNet.

    Returns:
        0 for patch projection, class token and positions, or the stem; ``i + 1`` for layer ``i``; ``depth + 1`` for
        what follows the layers, such as the final norm, where the classifier is too.
    """
    numbered = _NUMBERED.match(name)
    if numbered is not None:
        return int(numbered[1]) + 1
    return 0 if name.startswith(_BEFORE) else depth + 1


def layer_decay_groups(model: nn.Module, encoder: nn.Module, layer_decay: float = 1.0) -> list[ParameterGroup]:
    """The parameters of a classifier by layer, with the share of the learning rate that each gets.

    Layer ``i`` learns at ``layer_decay ** (depth + 1 - i)`` of the rate of the run, see `layer_number`; the classifier,
    and whatever is not of the encoder, at all of it. There is no weight decay on biases and other 1-D tensors, class
    tokens and position tables, as in the released finetuning code of XKD and of the video-SSL encoders.

    Args:
        model: All that is trained.
        encoder: The part of it that was pretrained.
        layer_decay: Factor from one layer to the one before it, in (0, 1].

    Returns:
        At most two groups per layer, those of the classifier first.
    """
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    depth = max((int(found[1]) + 1 for name in names.values() if (found := _NUMBERED.match(name))), default=0)
    members: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for own, parameter in model.named_parameters():
        name = names.get(id(parameter))
        number = depth + 1 if name is None else layer_number(name, depth)
        decays = parameter.ndim > 1 and not own.endswith((".bias", *_NOT_DECAYED))
        members.setdefault((number, decays), []).append(parameter)
    return [
        ParameterGroup(
            f"layer {number}{'' if decays else ', no weight decay'}",
            members[number, decays],
            None if decays else 0.0,
            layer_decay ** (depth + 1 - number),
        )
        for number, decays in sorted(members, reverse=True)
    ]
