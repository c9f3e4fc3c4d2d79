"""Picture and sound together: the input of the joint CrissCross model."""

from __future__ import annotations

from .feature_extraction_crisscross import CrissCrossFeatureExtractor
from .processing_base import ClipProcessor
from .video_processing_crisscross import CrissCrossVideoProcessor


class CrissCrossProcessor(ClipProcessor):
    """Joins a `CrissCrossVideoProcessor` and a `CrissCrossFeatureExtractor`; saved and loaded as one.

    By default a clip is 2 s of both, 32 frames, as in the paper's downstream setting. Pretraining takes 8 frames, which
    are 0.5 s, beside 2 s of sound: ``video_processor=CrissCrossVideoProcessor()``.

    Args:
        feature_extractor: what turns waveforms into ``input_features``.
        video_processor: what turns frames into ``pixel_values_videos``.
    """

    def __init__(
        self,
        feature_extractor: CrissCrossFeatureExtractor | None = None,
        video_processor: CrissCrossVideoProcessor | None = None,
    ) -> None:
        super().__init__(
            feature_extractor or CrissCrossFeatureExtractor(),
            video_processor or CrissCrossVideoProcessor(num_frames=32),
        )
