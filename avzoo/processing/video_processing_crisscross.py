"""From frames to the pixel input of the CrissCross video encoder."""

from __future__ import annotations

from .video_processing_base import ClipVideoProcessor


class CrissCrossVideoProcessor(ClipVideoProcessor):
    """Prepares clips as CrissCross does: 8 frames at 16 per second, 112 pixels, ImageNet statistics.

    The short side is brought to ``int(crop / 0.875)``, 128 for a crop of 112. The paper evaluates larger input too:
    224 pixels (``size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}``) and 32 frames, which are 2 s.
    See `ClipVideoProcessor` for the steps.
    """

    size = {"shortest_edge": 128}  # noqa: RUF012 - the base class declares its defaults so
    crop_size = {"height": 112, "width": 112}  # noqa: RUF012
    fps = 16
    num_frames = 8
