"""Picture and sound together: the input of the joint XDC model."""

from __future__ import annotations

from .feature_extraction_xdc import XDCFeatureExtractor
from .processing_base import ClipProcessor
from .video_processing_xdc import XDCVideoProcessor


class XDCProcessor(ClipProcessor):
    """Joins an `XDCVideoProcessor` and an `XDCFeatureExtractor`; saved and loaded as one.

    By default a clip is 32 frames, 1.07 s, and the 2 s of sound that begin with them.

    Args:
        feature_extractor: what turns waveforms into ``input_features``.
        video_processor: what turns frames into ``pixel_values_videos``.
    """

    def __init__(
        self,
        feature_extractor: XDCFeatureExtractor | None = None,
        video_processor: XDCVideoProcessor | None = None,
    ) -> None:
        super().__init__(feature_extractor or XDCFeatureExtractor(), video_processor or XDCVideoProcessor())
