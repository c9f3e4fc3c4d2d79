"""From frames to pixel input: what the video processors of all families share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchvision.transforms.v2 import functional as F
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from .video_transforms import IMAGENET_MEAN, IMAGENET_STD, fit_frames

Frames = torch.Tensor | np.ndarray

_ROUNDING = 1e-9  # frames: far above the rounding of doubles, far below what tells frame rates apart


class ClipVideoProcessor(BaseVideoProcessor):
    """Resizes, crops and normalises clips. A subclass says to which size and how many frames.

    Short side to ``size["shortest_edge"]`` with PIL's bilinear filter, centre crop to ``crop_size``, division by 255,
    mean and standard deviation. Clips shorter than ``num_frames`` are repeated from their start.

    The processor takes frames; choosing them by time from a file is the decoder's work. For arrays that hold every
    frame of a video, ``do_sample_frames=True`` with ``video_metadata`` picks ``num_frames`` at ``fps``.
    """

    resample = PILImageResampling.BILINEAR
    default_to_square = False
    image_mean = IMAGENET_MEAN
    image_std = IMAGENET_STD
    do_resize = True
    do_center_crop = True
    do_rescale = True
    do_normalize = True
    do_sample_frames = False
    return_tensors = "pt"
    fps: float
    num_frames: int

    def preprocess(self, videos: Frames | Sequence[Frames], **kwargs: Any) -> BatchFeature:
        """Turns one clip or a batch into model input.

        Args:
            videos: RGB uint8: one clip ``(T, 3, H, W)``, a batch ``(B, T, 3, H, W)``, or a list of clips of any sizes.
            **kwargs: any field of the processor, for this call; ``device`` to compute elsewhere than on the input's.

        Returns:
            ``pixel_values_videos``: float32 ``(B, num_frames, 3, height, width)``.

        Raises:
            ValueError: nothing was given, or a clip is empty, not uint8, or not of the shape above.
        """
        clips = _as_list(videos)
        for clip in clips:
            _check(clip)
        num_frames = kwargs.get("num_frames", self.num_frames)
        if num_frames is not None and not kwargs.get("do_sample_frames", self.do_sample_frames):
            clips = [fit_frames(clip, num_frames) for clip in clips]
        return super().preprocess(clips, input_data_format="channels_first", **kwargs)

    def center_crop(  # type: ignore[override]  # of a base class for arrays, two levels up
        self, image: torch.Tensor, size: SizeDict, **kwargs: Any
    ) -> torch.Tensor:
        """Crops ``(..., H, W)`` at its centre, an offset of half a pixel rounded to the even one as torchvision does.

        So do the original transforms of all families (that of transformers always rounds down).
        """
        return F.center_crop(image, [size.height, size.width])

    def sample_frames(
        self,
        metadata: VideoMetadata,
        num_frames: int | None = None,
        fps: float | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """Indices of the frames shown at ``k / fps`` seconds, the nearest earlier one each: ``int(k / fps * rate)``.

        Frames repeat where the source is slower than ``fps``; a source that ends early is repeated from its start.

        Raises:
            ValueError: the metadata lack the frame rate.
        """
        if metadata.fps is None:
            raise ValueError("Sampling frames needs `video_metadata` with the frame rate (`fps`) of the video.")
        times = np.arange(num_frames or self.num_frames) / (fps or self.fps)
        indices = (times * metadata.fps + _ROUNDING).astype(np.int64)
        return np.resize(indices[indices < metadata.total_num_frames], len(indices))


def _as_list(videos: Frames | Sequence[Frames]) -> list[torch.Tensor]:
    if isinstance(videos, torch.Tensor | np.ndarray):
        if videos.ndim not in (4, 5):
            raise ValueError(
                f"Expected a clip (T, 3, H, W) or a batch (B, T, 3, H, W), not an array of shape {tuple(videos.shape)}."
            )
        videos = list(videos[None] if videos.ndim == 4 else videos)
    elif isinstance(videos, str) or any(not isinstance(video, torch.Tensor | np.ndarray) for video in videos):
        raise ValueError("Expected decoded frames, as tensors or arrays: decode files with `avzoo.media` first.")
    if not videos:
        raise ValueError("No video was given.")
    return [torch.as_tensor(video) for video in videos]


def _check(clip: torch.Tensor) -> None:
    if clip.ndim != 4 or clip.shape[1] != 3:
        raise ValueError(f"Expected clips of RGB frames (T, 3, H, W), not shape {tuple(clip.shape)}.")
    if clip.dtype != torch.uint8:
        raise ValueError(f"Expected uint8 frames in 0 ... 255, not {clip.dtype}.")
    if clip.numel() == 0:
        raise ValueError(f"A clip is empty: shape {tuple(clip.shape)}.")
