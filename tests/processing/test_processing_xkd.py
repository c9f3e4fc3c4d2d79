"""Picture and sound through one processor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor

import avzoo  # noqa: F401 - registers the Auto classes
from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor
from avzoo.processing.processing_xkd import XKDProcessor
from avzoo.processing.video_processing_xkd import XKDVideoProcessor


@pytest.fixture
def processor() -> XKDProcessor:
    video_processor = XKDVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, num_frames=4)
    return XKDProcessor(XKDFeatureExtractor(max_samples=8000), video_processor)


@pytest.fixture
def clips() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 4, 3, 20, 20), dtype=torch.uint8, generator=generator)


@pytest.fixture
def waveforms() -> torch.Tensor:
    return torch.rand(2, 8000, generator=torch.Generator().manual_seed(1)) - 0.5


def test_both_modalities_are_what_each_processor_gives(
    processor: XKDProcessor, clips: torch.Tensor, waveforms: torch.Tensor
) -> None:
    inputs = processor(clips, waveforms, sampling_rate=16_000)
    assert list(inputs) == processor.model_input_names == ["pixel_values_videos", "input_features"]
    assert torch.equal(inputs["pixel_values_videos"], processor.video_processor(clips).pixel_values_videos)
    assert torch.equal(inputs["input_features"], processor.feature_extractor(waveforms).input_features)


def test_one_modality_alone(processor: XKDProcessor, clips: torch.Tensor, waveforms: torch.Tensor) -> None:
    assert list(processor(videos=clips)) == ["pixel_values_videos"]
    assert list(processor(audio=waveforms)) == ["input_features"]


def test_save_and_load_as_one(
    processor: XKDProcessor, clips: torch.Tensor, waveforms: torch.Tensor, tmp_path: Path
) -> None:
    processor.save_pretrained(tmp_path)
    expected = processor(clips, waveforms)
    for loaded in (XKDProcessor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert type(loaded) is XKDProcessor
        inputs = loaded(clips, waveforms)
        assert all(torch.equal(inputs[name], expected[name]) for name in expected)
    assert XKDVideoProcessor.from_pretrained(tmp_path).num_frames == 4
    assert XKDFeatureExtractor.from_pretrained(tmp_path).max_samples == 8000


def test_bad_input(processor: XKDProcessor, clips: torch.Tensor, waveforms: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="`videos`, `audio`, or both"):
        processor()
    with pytest.raises(ValueError, match="pair up"):
        processor(clips, waveforms[:1])
    with pytest.raises(ValueError, match="not 8000 Hz"):
        processor(clips, waveforms, sampling_rate=8000)
