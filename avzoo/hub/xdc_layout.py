"""How official XDC checkpoints name their weights (the released code, commit 0961d8b)."""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed

_FACTORED: Pairs = (("0", "spatial"), ("1", "norm"), ("3", "temporal"))
_BLOCK: Pairs = (
    *prefixed(_FACTORED, "conv1.0.", "conv1."),
    ("conv1.1", "norm1"),
    *prefixed(_FACTORED, "conv2.0.", "conv2."),
    ("conv2.1", "norm2"),
    ("downsample.0", "shortcut.0"),
    ("downsample.1", "shortcut.1"),
)
_VIDEO: Pairs = (
    *prefixed(_FACTORED, "stem.", "stem.conv."),
    ("stem.4", "stem.norm"),
    *(pair for n in range(4) for pair in prefixed(_BLOCK, f"layer{n + 1}.{{n}}.", f"stages.{n}.{{n}}.")),
)


def xdc_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of an official XDC state dict; a classifier, which released files do not have, is left out.

    Args:
        model_type: `xdc_video`.
        names: Not needed: there is one layout.
        network: Not needed: there is one network.
    """
    return Layout(_VIDEO, ignored=(("fc", ""),))
