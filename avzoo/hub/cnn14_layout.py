"""How the released PANNs checkpoints of CNN14 name their weights (MIT; file `{"iteration": ..., "model": ...}`)."""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed

_BLOCK: Pairs = (("conv1", "conv1"), ("bn1", "norm1"), ("conv2", "conv2"), ("bn2", "norm2"))
_ENCODER: Pairs = (
    ("bn0", "input_norm"),
    *(pair for n in range(6) for pair in prefixed(_BLOCK, f"conv_block{n + 1}.", f"blocks.{n}.")),
    ("fc1", "projection"),
)
# The Fourier and mel matrices of its front end, which is our feature extractor.
_FRONT_END: Pairs = (("spectrogram_extractor", ""), ("logmel_extractor", ""))
_CLASSIFIER: Pairs = (("fc_audioset", "classifier.linear"),)


def cnn14_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of a released CNN14 state dict, its front end left out.

    Args:
        model_type: `cnn14`, which leaves the AudioSet classifier out too, or `cnn14_classifier`, for a
            `CNN14ForAudioClassification` of 527 labels.
        names: Not needed: there is one layout.
        network: Not needed: there is one network.
    """
    if model_type == "cnn14_classifier":
        return Layout(prefixed(_ENCODER, "", "cnn14.") + _CLASSIFIER, ignored=_FRONT_END)
    return Layout(_ENCODER, ignored=_FRONT_END + _CLASSIFIER)
