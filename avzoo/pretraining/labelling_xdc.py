"""The labelling rule of deep clustering with two encoders (arXiv 1911.12667): who learns whose clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Variant = Literal["sdc", "mdc", "cdc", "xdc"]

#: The clustering of both encoders' features together.
JOINT = "joint"


def label_sources(variant: Variant, encoders: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Whose clusters each encoder learns to tell apart, one classification head for each (paper, Figure 2).

    | variant | one encoder learns | heads |
    |---|---|---|
    | `sdc`, single-modality (DeepCluster) | its own clusters | 1 |
    | `mdc`, multi-head | its own and the other's | 2 |
    | `cdc`, concatenation | those of both features together | 1 |
    | `xdc`, cross-modal | the other's | 1 |

    Two encoders of one modality under `xdc` are the paper's same-modality control.

    Args:
        variant: The rule.
        encoders: Names of the encoders, one or two.

    Returns:
        For every encoder the names of the clusterings: those of encoders, or `JOINT`.

    Raises:
        ValueError: Anything but `sdc` needs two encoders.
    """
    if variant == "sdc":
        return {name: (name,) for name in encoders}
    if len(encoders) != 2:
        raise ValueError(f"{variant} needs two encoders, not {len(encoders)}; one alone can only do sdc")
    first, second = encoders
    if variant == "mdc":
        return {first: (first, second), second: (second, first)}
    if variant == "cdc":
        return {first: (JOINT,), second: (JOINT,)}
    return {first: (second,), second: (first,)}
