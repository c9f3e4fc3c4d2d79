"""Picture and sound together: the input of the joint XKD model."""

from __future__ import annotations

from .feature_extraction_xkd import XKDFeatureExtractor
from .processing_base import ClipProcessor
from .video_processing_xkd import XKDVideoProcessor


class XKDProcessor(ClipProcessor):
    """Joins an `XKDVideoProcessor` and an `XKDFeatureExtractor`; saved and loaded as one.

    Args:
        feature_extractor: what turns waveforms into ``input_features``.
        video_processor: what turns frames into ``pixel_values_videos``.
    """

    def __init__(
        self,
        feature_extractor: XKDFeatureExtractor | None = None,
        video_processor: XKDVideoProcessor | None = None,
    ) -> None:
        super().__init__(feature_extractor or XKDFeatureExtractor(), video_processor or XKDVideoProcessor())
