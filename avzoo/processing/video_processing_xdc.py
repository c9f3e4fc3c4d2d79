"""From frames to the pixel input of the XDC video encoder."""

from __future__ import annotations

from .video_processing_base import ClipVideoProcessor

#: Channel statistics of Kinetics, of the network's own code family (VMZ).
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


class XDCVideoProcessor(ClipVideoProcessor):
    """Prepares clips as XDC does: 32 frames at 30 per second, a crop of 224 pixels, statistics of Kinetics.

    The state-of-the-art results and the released weights are of 32 frames; the ablations use 8 (``num_frames=8``). See
    `ClipVideoProcessor` for the steps.
    """

    size = {"shortest_edge": 256}  # noqa: RUF012 - the base class declares its defaults so
    crop_size = {"height": 224, "width": 224}  # noqa: RUF012
    image_mean = KINETICS_MEAN
    image_std = KINETICS_STD
    fps = 30
    num_frames = 32
