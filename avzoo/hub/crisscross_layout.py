"""How official CrissCross checkpoints name their weights (the released code, commit 1fe8953).

Released files are bare backbones. A training checkpoint holds every backbone and projector twice, once by itself and
once inside the encoder it is a part of; its projectors have three layers even where the second is not used.
"""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed

_VIDEO_BLOCK: Pairs = (
    ("spt_conv1", "conv1.spatial"),
    ("spt_bn1", "conv1.norm"),
    ("tmp_conv1", "conv1.temporal"),
    ("tmp_bn1", "norm1"),
    ("spt_conv2", "conv2.spatial"),
    ("spt_bn2", "conv2.norm"),
    ("tmp_conv2", "conv2.temporal"),
    ("out_bn", "norm2"),
    ("res_conv", "shortcut.0"),
)
_AUDIO_BLOCK: Pairs = (
    ("conv1", "conv1"),
    ("bn1", "norm1"),
    ("conv2", "conv2"),
    ("bn2", "norm2"),
    ("downsample.0", "shortcut.0"),
    ("downsample.1", "shortcut.1"),
)
_AUDIO: Pairs = (
    ("conv1.0", "stem.0"),
    ("conv1.1", "stem.1"),
    *(pair for n in range(4) for pair in prefixed(_AUDIO_BLOCK, f"block{n + 1}.{{n}}.", f"stages.{n}.{{n}}.")),
)
_PROJECTOR: Pairs = tuple((f"layer{n + 1}", f"{n}") for n in range(3))
_PREDICTOR: Pairs = (("layer1", "0"), ("layer2", "1.0"))


def _video(one_block: bool) -> Pairs:
    """The video backbone; where a stage is one block (depth 10), its official name has no number."""
    pairs: Pairs = (("conv1.0", "stem.conv"), ("conv1.1", "stem.norm"))
    for n in range(4):
        theirs, ours = (".", ".0.") if one_block else (".{n}.", ".{n}.")
        pairs += prefixed(_VIDEO_BLOCK, f"conv{n + 2}x{theirs}", f"stages.{n}{ours}")
    return pairs


def _training(modality: str, backbone: Pairs) -> Pairs:
    """All that a training checkpoint holds of one modality."""
    return (
        *prefixed(backbone, f"{modality}_backbone.", f"encoders.{modality}_model."),
        *prefixed(backbone, f"{modality}_encoder.0.", f"encoders.{modality}_model."),
        *prefixed(_PROJECTOR, f"{modality}_projector.", f"{modality}_projector."),
        *prefixed(_PROJECTOR, f"{modality}_encoder.2.", f"{modality}_projector."),
        *prefixed(_PREDICTOR, f"{modality}_predictor.", f"{modality}_predictor."),
    )


def crisscross_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of an official CrissCross state dict.

    Args:
        model_type: `crisscross_video`, `crisscross_audio`, `crisscross` (both backbones of a training checkpoint) or
            `crisscross_pretraining` (all of it).
        names: The names in the checkpoint or in the model, from which a training checkpoint is told from a bare
            backbone, and depth 10 from the others.
        network: Not needed: there is one network.
    """
    names = set(names)
    video = [name for name in names if "audio_" not in name]
    one_block = any("conv2x.spt_conv1." in name for name in video) or (
        any("stages.0.0." in name for name in video) and not any("stages.0.1." in name for name in video)
    )
    backbones = {"video": _video(one_block), "audio": _AUDIO}
    if model_type == "crisscross_pretraining":
        return Layout(tuple(pair for modality in backbones for pair in _training(modality, backbones[modality])))
    if model_type != "crisscross" and not any(name.startswith(("video_", "audio_")) for name in names):
        return Layout(backbones[model_type.removeprefix("crisscross_")])
    taken: Pairs = ()
    ignored: Pairs = ()
    for modality, backbone in backbones.items():
        ignored += tuple((f"{modality}_{head}", "") for head in ("projector", "encoder.2", "predictor"))
        ours = f"{modality}_model." if model_type == "crisscross" else ""
        pairs = prefixed(backbone, f"{modality}_backbone.", ours) + prefixed(backbone, f"{modality}_encoder.0.", ours)
        if model_type in ("crisscross", f"crisscross_{modality}"):
            taken += pairs
        else:
            ignored += pairs
    return Layout(taken, ignored)
