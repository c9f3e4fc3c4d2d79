"""Picture and sound together: what the processors of all joint models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin

from .feature_extraction_base import MelFeatureExtractor, Waveform
from .video_processing_base import ClipVideoProcessor, Frames


class ClipProcessor(ProcessorMixin):
    """Joins a video processor and a feature extractor; saved and loaded as one. A subclass says which by default.

    Args:
        feature_extractor: what turns waveforms into ``input_features``.
        video_processor: what turns frames into ``pixel_values_videos``.
    """

    feature_extractor: MelFeatureExtractor
    video_processor: ClipVideoProcessor

    def __init__(self, feature_extractor: MelFeatureExtractor, video_processor: ClipVideoProcessor) -> None:
        super().__init__(feature_extractor, video_processor)

    def __call__(
        self,
        videos: Frames | Sequence[Frames] | None = None,
        audio: Waveform | Sequence[Waveform] | None = None,
        sampling_rate: int | None = None,
        device: str | torch.device | None = None,
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Prepares clips, waveforms, or both.

        Args:
            videos: what `ClipVideoProcessor.preprocess` takes.
            audio: what `MelFeatureExtractor.__call__` takes, as many as there are videos when both are given.
            sampling_rate: samples per second of ``audio``, checked when given.
            device: where to compute; by default where the input is.
            return_tensors: ``"pt"`` or ``"np"``.

        Returns:
            ``pixel_values_videos`` ``(B, T, 3, H, W)`` and ``input_features`` ``(B, 1, mel, frames)``, each where its
            input was given.

        Raises:
            ValueError: neither was given, their numbers differ, or one of them cannot be used.
        """
        if videos is None and audio is None:
            raise ValueError("Give `videos`, `audio`, or both.")
        outputs: dict[str, Any] = {}
        if videos is not None:
            outputs |= self.video_processor(videos, device=device, return_tensors=return_tensors)
        if audio is not None:
            outputs |= self.feature_extractor(audio, sampling_rate, device, return_tensors)
        sizes = {name: len(values) for name, values in outputs.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"Videos and audio must pair up, but their numbers differ: {sizes}.")
        return BatchFeature(outputs)

    @property
    def model_input_names(self) -> list[str]:
        """Names of the tensors that the processor makes."""
        return [*self.video_processor.model_input_names, *self.feature_extractor.model_input_names]
