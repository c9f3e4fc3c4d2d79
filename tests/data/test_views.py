"""The view pipeline: shapes, determinism, independence and consistency over time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from avzoo.data.view_config import AudioViewConfig, ColorJitterConfig, VideoViewConfig, ViewConfig
from avzoo.data.views import ViewPipeline
from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor
from avzoo.processing.video_processing_xkd import XKDVideoProcessor

STILL = ColorJitterConfig(brightness=0, contrast=0, saturation=0, hue=0)


def tiny(**options: Any) -> ViewConfig:
    """Views small enough for many draws: 4 x 16 x 16 pixels and 16 frames of sound."""
    defaults: dict[str, Any] = {
        "global_video": VideoViewConfig(num_frames=4, image_size=16),
        "local_video": VideoViewConfig(num_frames=2, image_size=8, crop_area=(0.08, 0.4)),
        "global_audio": AudioViewConfig(num_samples=4500, volume=0.1),
        "local_audio": AudioViewConfig(num_samples=2200, volume=0.2, resize_crop=True),
        "tubelet_size": 2,
        "patch_size": 8,
    }
    return ViewConfig(**defaults | options)


@pytest.fixture
def clip() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (4, 3, 16, 24), dtype=torch.uint8, generator=generator)
    return frames, torch.rand(4500, generator=generator) - 0.5


def test_nano_shapes() -> None:
    frames = torch.zeros(32, 3, 64, 80, dtype=torch.uint8)
    views = ViewPipeline(ViewConfig.nano()).views(frames, torch.zeros(64_000), seed=0)
    assert {name: tuple(view.shape) for name, view in views.items()} == {
        "pixel_values_videos": (32, 3, 64, 64),
        "local_pixel_values_videos": (1, 8, 3, 48, 48),
        "input_features": (1, 80, 448),
        "local_input_features": (1, 1, 80, 112),
        "video_noise": (128,),
        "audio_noise": (140,),
    }
    assert all(view.dtype == torch.float32 for view in views.values())


def test_released_sizes() -> None:
    config = ViewConfig()
    assert (config.num_video_tokens, config.num_audio_tokens) == (392, 560)
    assert config.local_video.image_size == round(112 // 1.16)


def test_views_are_a_function_of_the_seed(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    pipeline = ViewPipeline(tiny())
    torch.manual_seed(0)
    first = pipeline.views(*clip, seed=7)
    torch.manual_seed(1)
    again, other = pipeline.views(*clip, seed=7), pipeline.views(*clip, seed=8)
    for name in first:
        assert torch.equal(first[name], again[name]), name  # type: ignore[literal-required]
        assert not torch.equal(first[name], other[name]), name  # type: ignore[literal-required]


def test_the_clip_is_left_unchanged(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    frames, samples = clip[0].clone(), clip[1].clone()
    for seed in range(5):
        ViewPipeline(tiny()).views(*clip, seed=seed)
    assert torch.equal(frames, clip[0]) and torch.equal(samples, clip[1])


def test_every_frame_of_a_view_is_augmented_alike(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    still = clip[0][:1].expand(4, -1, -1, -1)
    config = tiny(local_video=VideoViewConfig(num_frames=2, image_size=8, gray_probability=0.5, blur_probability=0.5))
    config = config.model_copy(
        update={"local_video": config.local_video.model_copy(update={"image_size": 16, "blur": "intended"})}
    )
    for seed in range(10):
        views = ViewPipeline(config).views(still, clip[1], seed=seed)
        for view in (views["pixel_values_videos"], views["local_pixel_values_videos"][0]):
            assert torch.equal(view, view[:1].expand_as(view))


def test_without_augmentation_views_are_what_the_processors_give(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    plain = VideoViewConfig(
        num_frames=4, image_size=16, crop_area=(1, 1), crop_ratio=(1, 1), flip_probability=0, jitter=STILL
    )
    config = tiny(global_video=plain, global_audio=AudioViewConfig(num_samples=4500, volume=0))
    frames, samples = clip[0][..., :16].contiguous(), clip[1]
    views = ViewPipeline(config).views(frames, samples, seed=0)
    processor = XKDVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, num_frames=4)
    expected = processor(frames).pixel_values_videos[0]
    torch.testing.assert_close(views["pixel_values_videos"], expected, atol=1e-4, rtol=0)
    features = XKDFeatureExtractor(max_samples=4500)(samples).input_features[0]
    torch.testing.assert_close(views["input_features"], features, atol=1e-5, rtol=0)


def test_short_clips_are_filled_up(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    frames, samples = clip[0][:3], clip[1][:4000]
    filled = torch.cat([frames, frames[:1]]), torch.cat([samples, torch.zeros(500)])
    pipeline = ViewPipeline(tiny())
    short, full = pipeline.views(frames, samples, seed=3), pipeline.views(*filled, seed=3)
    assert all(torch.equal(short[name], full[name]) for name in full)  # type: ignore[literal-required]


def test_local_windows_start_anywhere_and_independently() -> None:
    """Frame k is of grey level 10 k, sound second k of amplitude k: the views tell where they were cut."""
    frames = (10 * torch.arange(16, dtype=torch.uint8)).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    steps = torch.arange(91).repeat_interleave(100)
    plain = {"flip_probability": 0, "jitter": STILL}
    config = tiny(
        global_video=VideoViewConfig(num_frames=16, image_size=8, **plain),
        local_video=VideoViewConfig(num_frames=4, image_size=8, **plain),
        global_audio=AudioViewConfig(num_samples=9100, volume=0),
        local_audio=AudioViewConfig(num_samples=4500, volume=0),
    )
    loud = torch.randn(9100, generator=torch.Generator().manual_seed(0)) * 1.05**steps
    starts = []
    for seed in range(60):
        views = ViewPipeline(config).views(frames, loud, seed=seed)
        grey = views["local_pixel_values_videos"][0, :, 0].mean(dim=(1, 2)) * 0.229 + 0.485
        levels = (grey * 25.5).round().int().tolist()
        assert levels == list(range(levels[0], levels[0] + 4))
        starts.append((levels[0], views["local_input_features"].mean().item()))
    video_starts, loudness = map(list, zip(*starts, strict=True))
    assert set(video_starts) >= {0, 12} and len(set(video_starts)) > 8
    assert max(loudness) - min(loudness) > 0.5
    correlation = torch.corrcoef(torch.tensor([video_starts, loudness], dtype=torch.float64))[0, 1]
    assert abs(correlation) < 0.4


def test_several_local_views_differ(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    views = ViewPipeline(tiny(num_local_videos=3, num_local_audios=2)).views(*clip, seed=0)
    assert views["local_pixel_values_videos"].shape == (3, 2, 3, 8, 8)
    assert views["local_input_features"].shape == (2, 1, 80, 16)
    assert not torch.equal(views["local_pixel_values_videos"][0], views["local_pixel_values_videos"][1])
    assert not torch.equal(views["local_input_features"][0], views["local_input_features"][1])


def test_gray_views_have_no_colour(clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    config = tiny(local_video=VideoViewConfig(num_frames=2, image_size=8, gray_probability=1))
    views = ViewPipeline(config).views(*clip, seed=0)["local_pixel_values_videos"][0]
    std, mean = torch.tensor([0.229, 0.224, 0.225]), torch.tensor([0.485, 0.456, 0.406])
    colours = views * std.view(3, 1, 1) + mean.view(3, 1, 1)
    torch.testing.assert_close(colours, colours[:, :1].expand_as(colours))


@pytest.mark.parametrize(
    ("frames", "samples", "message"),
    [
        (torch.zeros(4, 3, 16, 16), torch.zeros(4500), "uint8"),
        (torch.zeros(4, 16, 16, 3, dtype=torch.uint8), torch.zeros(4500), "uint8"),
        (torch.zeros(0, 3, 16, 16, dtype=torch.uint8), torch.zeros(4500), "uint8"),
        (torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 4500), "samples"),
        (torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.zeros(4500, dtype=torch.int16), "samples"),
    ],
)
def test_bad_clips(frames: torch.Tensor, samples: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViewPipeline(tiny()).views(frames, samples, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 5}, "patch_size"),
        ({"tubelet_size": 3}, "tubelet_size"),
        ({"audio_patch_size": (3, 16)}, "audio_patch_size"),
        ({"local_video": VideoViewConfig(num_frames=8, image_size=8)}, "exceeds"),
        ({"local_audio": AudioViewConfig(num_samples=4600)}, "audio_patch_size|exceeds"),
        ({"num_local_videos": 0}, "num_local_videos"),
        ({"local_views": 2}, "local_views"),
    ],
)
def test_bad_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tiny(**options)


def test_configuration_round_trip() -> None:
    config = ViewConfig.nano()
    assert ViewConfig.model_validate_json(config.model_dump_json()) == config
