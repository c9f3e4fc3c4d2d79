"""The views of video self-supervision: what the released code makes of which method, and that they are independent."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from avzoo.data.view_config import ColorJitterConfig, VideoViewConfig
from avzoo.data.views_vssl import VSSLViewConfig, VSSLViewPipeline

STILL = ColorJitterConfig(brightness=0, contrast=0, saturation=0, hue=0)
PLAIN = {"crop_area": (1, 1), "crop_ratio": (1, 1), "flip_probability": 0, "jitter": STILL}


def clip(seed: int = 0, frames: int = 4, label: int | None = 3, size: tuple[int, int] = (24, 32)) -> dict:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (frames, 3, *size), dtype=torch.uint8, generator=generator)
    return {"frames": pixels, "samples": None, "label": label, "audio_label": None, "index": 0}


def tiny(views: int = 2, blur_kernel: int = 3, **video) -> VSSLViewConfig:
    fields = {"num_frames": 4, "image_size": 16, "gray_probability": 0, "blur_probability": 0} | video
    return VSSLViewConfig(num_views=views, video=VideoViewConfig(**fields), blur_kernel=blur_kernel)


def colours(view: torch.Tensor) -> torch.Tensor:
    std, mean = torch.tensor([0.229, 0.224, 0.225]), torch.tensor([0.485, 0.456, 0.406])
    return view * std.view(3, 1, 1) + mean.view(3, 1, 1)


@pytest.mark.parametrize(
    ("method", "area"),
    [("simclr", (0.08, 1)), ("moco", (0.08, 1)), *[(name, (0.2, 0.766)) for name in ("byol", "simsiam", "dino")]],
)
def test_released_views_of_the_siamese_methods(method, area):
    config = VSSLViewConfig.released(method)
    video = config.video
    assert (config.num_views, video.num_frames, video.image_size, config.short_side) == (2, 16, 112, 256)
    assert video.crop_area == area and video.crop_ratio == (3 / 4, 4 / 3) and video.flip_probability == 0.5
    assert dict(video.jitter) == {"brightness": 0.6, "contrast": 0.6, "saturation": 0.6, "hue": 0.15}
    assert (video.gray_probability, video.blur_probability) == (0.2, 0.5)
    assert config.blur_kernel == 112 // 20 * 2 + 1 and video.blur == "released"


def test_released_views_of_the_others():
    masked, supervised = VSSLViewConfig.released("mae"), VSSLViewConfig.released("supervised")
    assert (masked.num_views, masked.video.num_frames, masked.video.crop_area) == (1, 32, (0.5, 1.0))
    assert not any(dict(masked.video.jitter).values())
    assert masked.video.gray_probability == masked.video.blur_probability == 0
    assert (supervised.num_views, supervised.video.num_frames) == (1, 16)


def test_shapes():
    item = VSSLViewPipeline(tiny(), mask_tokens=6)([clip(), clip(1)], 0)
    assert item["pixel_values_videos"].shape == (2, 4, 3, 16, 16) and item["video_noise"].shape == (2, 6)
    item = VSSLViewPipeline(tiny(1), mask_tokens=6, labels=True)([clip()], 0)
    assert item["pixel_values_videos"].shape == (4, 3, 16, 16) and item["video_noise"].shape == (6,)
    assert item["labels"] == 3 and item["labels"].dtype == torch.int64
    assert VSSLViewPipeline(tiny(1))([clip()], 0).keys() == {"pixel_values_videos"}


def test_views_are_a_function_of_the_seed():
    pipeline = VSSLViewPipeline(tiny(gray_probability=0.5, blur_probability=0.5, blur="intended"), 4)
    torch.manual_seed(0)
    first = pipeline([clip(), clip(1)], 7)
    torch.manual_seed(1)
    again, other = pipeline([clip(), clip(1)], 7), pipeline([clip(), clip(1)], 8)
    for name in first:
        assert torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name])


def test_the_two_views_of_one_clip_differ_and_each_is_of_its_own_clip():
    pipeline = VSSLViewPipeline(tiny())
    one, other = pipeline([clip(), clip()], 0)["pixel_values_videos"]
    assert not torch.equal(one, other)
    with_another = pipeline([clip(), clip(1)], 0)["pixel_values_videos"]
    assert torch.equal(with_another[0], one) and not torch.equal(with_another[1], other)


def test_every_frame_is_augmented_alike():
    config = tiny(gray_probability=0.5, blur_probability=0.5, blur="intended")
    still = clip()
    still["frames"] = still["frames"][:1].expand(4, -1, -1, -1)
    for seed in range(10):
        views = VSSLViewPipeline(config)([still, still], seed)["pixel_values_videos"]
        assert torch.equal(views, views[:, :1].expand_as(views))


def test_short_clips_are_repeated_from_their_start():
    short, full = clip(frames=3), clip(frames=3)
    full["frames"] = torch.cat([full["frames"], full["frames"][:1]])
    pipeline = VSSLViewPipeline(tiny(1))
    assert torch.equal(pipeline([short], 0)["pixel_values_videos"], pipeline([full], 0)["pixel_values_videos"])


def test_the_released_blur_is_vertical_and_of_the_wide_kernel():
    """One bright pixel: the released blur spreads it over 11 rows of its own column, the intended one over a disc."""
    point = clip(size=(32, 32))
    point["frames"] = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    point["frames"][..., 16, 16] = 255
    spread = {}
    for blur in ("released", "intended"):
        config = tiny(1, 11, num_frames=1, image_size=32, blur_probability=1, blur=blur, **PLAIN)
        view = colours(VSSLViewPipeline(config)([point], 3)["pixel_values_videos"])
        spread[blur] = (view[0, 0] > 1e-4).nonzero()
    assert sorted(set(spread["released"][:, 1].tolist())) == [16]
    assert spread["released"][:, 0].tolist() == list(range(11, 22))
    assert len(set(spread["intended"][:, 1].tolist())) > 1


def test_without_augmentation_the_picture_is_left_as_it_is():
    square = clip(size=(16, 16))
    view = VSSLViewPipeline(tiny(1, **PLAIN))([square], 0)["pixel_values_videos"]
    torch.testing.assert_close(colours(view), square["frames"].float() / 255, atol=1e-6, rtol=0)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="a clip for each of 2 views, not 1"):
        VSSLViewPipeline(tiny())([clip()], 0)
    without = clip()
    without["frames"] = None
    with pytest.raises(ValueError, match=r"uint8 \(T, 3, H, W\), not none"):
        VSSLViewPipeline(tiny(1))([without], 0)
    with pytest.raises(ValueError, match="no labels, which supervised training needs"):
        VSSLViewPipeline(tiny(1), labels=True)([clip(label=None)], 0)
    for fields, message in (
        ({"blur_kernel": 4}, "must be odd"),
        ({"blur_kernel": 301}, "too wide for 112 pixels"),
        ({"num_views": 3}, "num_views"),
        ({"shot_side": 9}, "shot_side"),
    ):
        with pytest.raises(ValidationError, match=message):
            VSSLViewConfig(**fields)
