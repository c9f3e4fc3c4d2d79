"""From frames to the pixel input of the CCL student and its image teacher."""

from __future__ import annotations

from .video_processing_base import ClipVideoProcessor

#: Channel statistics that the released code of CCL calls those of Kinetics.
CCL_MEAN = (0.4345, 0.4051, 0.3775)
CCL_STD = (0.2768, 0.2713, 0.2737)


class CCLVideoProcessor(ClipVideoProcessor):
    """Prepares clips as CCL does, for its student and its image teacher: 16 frames, 112 pixels, its own statistics.

    CCL takes consecutive frames at the rate that a video has. In UCF101, on which it was tested most, that is 25 per
    second, which is the rate here: so the windows of all files have one length and motion has one speed, and videos of
    25 per second give just their consecutive frames. See `ClipVideoProcessor` for the steps.
    """

    size = {"shortest_edge": 112}  # noqa: RUF012 - the base class declares its defaults so
    crop_size = {"height": 112, "width": 112}  # noqa: RUF012
    image_mean = CCL_MEAN
    image_std = CCL_STD
    fps = 25
    num_frames = 16
