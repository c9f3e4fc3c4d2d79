"""What the video processors of all families owe, and what each makes of the frames of its reference case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as pil_transforms
from transformers import AutoVideoProcessor

import avzoo  # noqa: F401 - registers the Auto classes
from avzoo.processing.video_processing_base import ClipVideoProcessor
from avzoo.processing.video_processing_ccl import CCLVideoProcessor
from avzoo.processing.video_processing_crisscross import CrissCrossVideoProcessor
from avzoo.processing.video_processing_vssl import VSSLVideoProcessor
from avzoo.processing.video_processing_xdc import XDCVideoProcessor
from avzoo.processing.video_processing_xkd import XKDVideoProcessor

#: Frames per second, frames, short side and crop of each family.
DEFAULTS: dict[type[ClipVideoProcessor], tuple[int, int, int, int]] = {
    XKDVideoProcessor: (8, 32, 112, 112),
    CrissCrossVideoProcessor: (16, 8, 128, 112),
    XDCVideoProcessor: (30, 32, 256, 224),
    CCLVideoProcessor: (25, 16, 112, 112),
    VSSLVideoProcessor: (8, 16, 128, 112),
}
GREY_LEVEL = 1 / 255

families = pytest.mark.parametrize("family", DEFAULTS, ids=lambda family: family.__name__)


def random_clip(frames: int = 4, height: int = 20, width: int = 30, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 3, height, width), dtype=torch.uint8, generator=generator)


def small(family: type[ClipVideoProcessor], **options: Any) -> ClipVideoProcessor:
    sizes = {"size": {"shortest_edge": 18}, "crop_size": {"height": 16, "width": 16}}
    return family(**{**sizes, "num_frames": 4, **options})


@families
def test_defaults_are_those_of_the_paper(family: type[ClipVideoProcessor]) -> None:
    fps, frames, short_side, crop = DEFAULTS[family]
    processor = family()
    assert (processor.fps, processor.num_frames, processor.size["shortest_edge"]) == (fps, frames, short_side)
    pixels = processor(random_clip(3, 60, 80)).pixel_values_videos
    assert pixels.shape == (1, frames, 3, crop, crop) and pixels.dtype == torch.float32
    grey = processor(torch.full((1, 3, 60, 80), 51, dtype=torch.uint8)).pixel_values_videos[0, 0, :, 0, 0]
    expected = [(0.2 - mean) / std for mean, std in zip(processor.image_mean, processor.image_std, strict=True)]
    torch.testing.assert_close(grey, torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("case", "family"),
    [("crisscross/video_val_transform", CrissCrossVideoProcessor), ("ccl/video_val_transform", CCLVideoProcessor)],
)
def test_matches_the_original(parity: Callable[[str], Any], case: str, family: type[ClipVideoProcessor]) -> None:
    reference = parity(case)
    entry = reference.spec["input"]
    cells = reference.fill.seeded_uniform(entry["name"], entry["shape"], 0, 256).floor().to(torch.uint8)
    frames = cells.repeat_interleave(8, 1).repeat_interleave(8, 2).permute(0, 3, 1, 2)
    pixels = family(num_frames=2)(frames).pixel_values_videos[0].transpose(0, 1)
    difference = (pixels - reference.expected["clip"]).abs()
    assert difference.max() < 1.01 * GREY_LEVEL / 0.224  # where the resize kernel of the machine rounds apart
    assert difference.mean() < 1e-3


@pytest.mark.parametrize(("height", "width"), [(30, 41), (30, 43), (43, 30), (31, 31)])
def test_half_a_pixel_is_rounded_as_the_original_transforms_do(height: int, width: int) -> None:
    clip = random_clip(1, height, width)
    processor = CrissCrossVideoProcessor(do_resize=False, do_rescale=False, do_normalize=False, num_frames=1)
    crop = processor(clip, crop_size={"height": 16, "width": 16}).pixel_values_videos[0, 0]
    expected = pil_transforms.center_crop(Image.fromarray(clip[0].permute(1, 2, 0).numpy()), [16, 16])
    assert torch.equal(crop, pil_transforms.pil_to_tensor(expected))


@families
def test_batch_equals_one_by_one_for_clips_of_several_sizes(family: type[ClipVideoProcessor]) -> None:
    processor = small(family)
    clips = [random_clip(4, 20, 30, 1), random_clip(2, 33, 17, 2), random_clip(9, 20, 30, 3)]
    batch = processor(clips).pixel_values_videos
    assert torch.equal(batch, torch.cat([processor(clip).pixel_values_videos for clip in clips]))


@families
def test_save_and_load(family: type[ClipVideoProcessor], tmp_path: Path) -> None:
    processor = small(family, num_frames=6)
    processor.save_pretrained(tmp_path)
    clip = random_clip()
    for loaded in (family.from_pretrained(tmp_path), AutoVideoProcessor.from_pretrained(tmp_path)):
        assert type(loaded) is family
        assert loaded.to_json_string() == processor.to_json_string()
        assert torch.equal(loaded(clip).pixel_values_videos, processor(clip).pixel_values_videos)


@pytest.mark.parametrize("rate", [25.0, 30.0, 30_000 / 1001])
def test_frames_at_the_rate_of_the_source_are_consecutive(rate: float) -> None:
    """Also where a quotient of doubles falls just short of a whole number, as 29 / 25 * 25 does."""
    video = torch.arange(70, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    processor = CCLVideoProcessor(do_resize=False, do_center_crop=False, do_normalize=False, do_rescale=False)
    metadata = {"fps": rate, "total_num_frames": 70}
    pixels = processor(video, do_sample_frames=True, fps=rate, num_frames=64, video_metadata=metadata)
    assert pixels.pixel_values_videos[0, :, 0, 0, 0].tolist() == list(range(64))


@families
@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([], "No video"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), "empty"),
        (torch.zeros(4, 3, 8, 8), "uint8"),
        (torch.zeros(4, 8, 8, 3, dtype=torch.uint8), r"\(T, 3, H, W\)"),
        ("clip.mp4", "avzoo.media"),
    ],
)
def test_bad_input(family: type[ClipVideoProcessor], videos: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family()(videos)
