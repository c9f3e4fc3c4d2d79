"""The video side of the processor: parity, batching, saving, and what bad input gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoVideoProcessor

import avzoo  # noqa: F401 - registers the Auto classes
from avzoo.processing.video_processing_xkd import XKDVideoProcessor
from avzoo.processing.video_transforms import normalize_


def random_clip(frames: int = 4, height: int = 20, width: int = 30, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 3, height, width), dtype=torch.uint8, generator=generator)


def small_processor(**options: Any) -> XKDVideoProcessor:
    return XKDVideoProcessor(
        **{"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}, "num_frames": 4} | options
    )


def test_matches_the_original(video_preproc: tuple[torch.Tensor, dict[str, torch.Tensor]]) -> None:
    frames, expected = video_preproc
    processor = XKDVideoProcessor(size={"shortest_edge": 128}, num_frames=None)
    pixels = processor(frames).pixel_values_videos[0].transpose(0, 1)
    difference = (pixels - expected["svm_val_3crop_crop0"]).abs()
    assert difference.max() < 1.01 / 255 / 0.224  # one grey level, where the resize kernel of the machine rounds apart
    assert difference.mean() < 1e-3
    # A clip of half the length is repeated from its start.
    means = processor(frames, num_frames=8).pixel_values_videos[0].mean(dim=(2, 3))
    torch.testing.assert_close(means.T, expected["val_padded_frame_means"], atol=1e-3, rtol=0)


def test_defaults_are_those_of_the_released_model() -> None:
    pixels = XKDVideoProcessor()(random_clip(32, 120, 160)).pixel_values_videos
    assert pixels.shape == (1, 32, 3, 112, 112) and pixels.dtype == torch.float32


def test_batch_equals_one_by_one_for_clips_of_several_sizes() -> None:
    processor = small_processor()
    clips = [random_clip(4, 20, 30, 1), random_clip(2, 20, 30, 2), random_clip(9, 33, 17, 3), random_clip(4, 20, 30, 4)]
    batch = processor(clips).pixel_values_videos
    single = torch.cat([processor(clip).pixel_values_videos for clip in clips])
    assert torch.equal(batch, single)
    stacked = torch.stack([clips[0], clips[3]])
    assert torch.equal(processor(stacked).pixel_values_videos, batch[[0, 3]])
    assert torch.equal(processor(stacked.numpy()).pixel_values_videos, batch[[0, 3]])


def test_no_work_to_do_only_normalises() -> None:
    clip = random_clip(4, 16, 16)
    torch.testing.assert_close(small_processor()(clip).pixel_values_videos[0], normalize_(clip / 255))


def test_arrays_out() -> None:
    pixels = small_processor()(random_clip(), return_tensors="np").pixel_values_videos
    assert isinstance(pixels, np.ndarray) and pixels.shape == (1, 4, 3, 16, 16)


def test_frames_of_a_whole_video_are_chosen_by_time(parity: Callable[[str], Any]) -> None:
    cases = parity("xkd/frame_sampling").spec["cases"]
    for case in (cases["25fps"], cases["slow5fps"]):
        rate = case["fps"][0] / case["fps"][1]
        video = torch.arange(case["num_frames"], dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
        pixels = XKDVideoProcessor(do_resize=False, do_center_crop=False, do_normalize=False, do_rescale=False)(
            video, do_sample_frames=True, video_metadata={"fps": rate, "total_num_frames": case["num_frames"]}
        ).pixel_values_videos
        assert pixels[0, :, 0, 0, 0].tolist() == case["indices"]


def test_a_short_video_sampled_by_time_starts_again() -> None:
    metadata = {"fps": 16.0, "total_num_frames": 3}
    processor = small_processor(do_resize=False, do_center_crop=False, do_normalize=False, do_rescale=False)
    video = torch.arange(3, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    pixels = processor(video, do_sample_frames=True, video_metadata=metadata).pixel_values_videos
    assert pixels[0, :, 0, 0, 0].tolist() == [0, 2, 0, 2]


def test_sampling_without_a_frame_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="frame rate"):
        small_processor()(random_clip(), do_sample_frames=True)


def test_save_and_load(tmp_path: Path) -> None:
    processor = small_processor(fps=4, num_frames=6)
    processor.save_pretrained(tmp_path)
    clip = random_clip()
    for loaded in (XKDVideoProcessor.from_pretrained(tmp_path), AutoVideoProcessor.from_pretrained(tmp_path)):
        assert type(loaded) is XKDVideoProcessor
        assert loaded.to_json_string() == processor.to_json_string()
        assert (loaded.fps, loaded.num_frames) == (4, 6)
        assert torch.equal(loaded(clip).pixel_values_videos, processor(clip).pixel_values_videos)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([], "No video"),
        (torch.zeros(0, 4, 3, 8, 8, dtype=torch.uint8), "No video"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), "empty"),
        (torch.zeros(4, 3, 8, 8), "uint8"),
        (torch.zeros(4, 8, 8, 3, dtype=torch.uint8), r"\(T, 3, H, W\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "shape"),
        ("clip.mp4", "avzoo.media"),
        (["clip.mp4"], "avzoo.media"),
    ],
)
def test_bad_input(videos: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_processor()(videos)
