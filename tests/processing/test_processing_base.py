"""Picture and sound of every joint model through one processor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor

import avzoo  # noqa: F401 - registers the Auto classes
from avzoo.processing.processing_base import ClipProcessor
from avzoo.processing.processing_crisscross import CrissCrossProcessor
from avzoo.processing.processing_xdc import XDCProcessor
from avzoo.processing.processing_xkd import XKDProcessor
from avzoo.processing.video_processing_crisscross import CrissCrossVideoProcessor

families = pytest.mark.parametrize(
    "family", [XKDProcessor, CrissCrossProcessor, XDCProcessor], ids=lambda family: family.__name__
)


@families
def test_both_modalities_and_back_from_a_folder(family: type[ClipProcessor], tmp_path: Path) -> None:
    processor = family()
    processor.save_pretrained(tmp_path)
    clip = torch.randint(0, 256, (2, 3, 30, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    waveform = torch.rand(9000, generator=torch.Generator().manual_seed(1)) - 0.5
    expected = processor(clip, waveform, sampling_rate=16_000)
    assert list(expected) == processor.model_input_names == ["pixel_values_videos", "input_features"]
    assert list(processor(videos=clip)) == ["pixel_values_videos"]
    assert list(processor(audio=waveform)) == ["input_features"]
    for loaded in (family.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert type(loaded) is family
        assert type(loaded.video_processor) is type(processor.video_processor)
        assert type(loaded.feature_extractor) is type(processor.feature_extractor)
        inputs = loaded(clip, waveform)
        assert all(torch.equal(inputs[name], expected[name]) for name in expected)


def test_a_clip_of_crisscross_is_two_seconds_of_both() -> None:
    processor = CrissCrossProcessor()
    assert (processor.video_processor.num_frames, processor.video_processor.fps) == (32, 16)
    assert processor.feature_extractor.max_samples == 32_000
    assert CrissCrossProcessor(video_processor=CrissCrossVideoProcessor()).video_processor.num_frames == 8


@families
def test_bad_input(family: type[ClipProcessor]) -> None:
    processor = family()
    with pytest.raises(ValueError, match="`videos`, `audio`, or both"):
        processor()
    with pytest.raises(ValueError, match="pair up"):
        processor(torch.zeros(2, 1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 9000))
    with pytest.raises(ValueError, match="not 8000 Hz"):
        processor(audio=torch.zeros(9000), sampling_rate=8000)
