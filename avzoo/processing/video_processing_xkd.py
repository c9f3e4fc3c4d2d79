"""From frames to the pixel input of the XKD video encoders."""

from __future__ import annotations

from transformers.video_processing_utils import BaseVideoProcessor

from .video_processing_base import ClipVideoProcessor


class XKDVideoProcessor(ClipVideoProcessor):
    """Prepares clips as the official XKD evaluation does: 32 frames at 8 per second, 112 pixels, ImageNet statistics.

    See `ClipVideoProcessor` for the steps.
    """

    size = {"shortest_edge": 112}  # noqa: RUF012 - the base class declares its defaults so
    crop_size = {"height": 112, "width": 112}  # noqa: RUF012
    fps = 8
    num_frames = 32

    # Half a pixel is rounded down, as in all features that were extracted so far.
    center_crop = BaseVideoProcessor.center_crop
