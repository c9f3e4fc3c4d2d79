"""From frames to the pixel input of the video self-supervised encoders."""

from __future__ import annotations

from .video_processing_base import ClipVideoProcessor


class VSSLVideoProcessor(ClipVideoProcessor):
    """Prepares clips for the video-only encoders: 16 frames at 8 per second, 112 pixels, ImageNet statistics.

    All seven are evaluated with these 2 s, v-MAE too, which was pretrained with 32 frames. The short side is brought to
    128 before the crop, as in linear evaluation. See `ClipVideoProcessor` for the steps.
    """

    size = {"shortest_edge": 128}  # noqa: RUF012 - the base class declares its defaults so
    crop_size = {"height": 112, "width": 112}  # noqa: RUF012
    fps = 8
    num_frames = 16
