"""The views of CrissCross: shapes, what each augmentation does, consistency over time, the quirks by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from avzoo.data.augment_cutout import cutout_, draw_cutout_box
from avzoo.data.augment_video import Box
from avzoo.data.view_config import ColorJitterConfig
from avzoo.data.views_crisscross import (
    CrissCrossAudioViewConfig,
    CrissCrossVideoViewConfig,
    CrissCrossViewConfig,
    CrissCrossViewPipeline,
)
from avzoo.processing.feature_extraction_crisscross import CrissCrossFeatureExtractor
from avzoo.processing.video_processing_crisscross import CrissCrossVideoProcessor

STILL: dict[str, Any] = {
    "crop_area": (1.0, 1.0),
    "crop_ratio": (1.0, 1.0),
    "flip_probability": 0.0,
    "jitter": ColorJitterConfig(brightness=0, contrast=0, saturation=0, hue=0),
    "gray_probability": 0.0,
    "blur_probability": 0.0,
    "cutout_probability": 0.0,
}
SILENT: dict[str, Any] = {"volume": 0.0, "num_mel_masks": 0, "num_time_masks": 0, "resize_crop": False}


def video(**fields: Any) -> CrissCrossVideoViewConfig:
    return CrissCrossVideoViewConfig(**{"num_frames": 3, "image_size": 32, **fields})


def pipeline(video_view: Any = None, **audio: Any) -> CrissCrossViewPipeline:
    sound = CrissCrossAudioViewConfig(**{"num_samples": 8000, **audio})
    return CrissCrossViewPipeline(CrissCrossViewConfig(video=video_view or video(), audio=sound))


def clip(seed: int = 0, still: bool = False, num_frames: int = 3) -> Any:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (1 if still else num_frames, 3, 32, 32), dtype=torch.uint8, generator=generator)
    samples = torch.rand(8000, generator=generator) - 0.5
    frames = frames.expand(num_frames, 3, 32, 32).clone()
    return {"frames": frames, "samples": samples, "label": None, "audio_label": None, "index": 0}


def test_released_shapes() -> None:
    item: Any = {"frames": torch.zeros(8, 3, 130, 180, dtype=torch.uint8), "samples": torch.zeros(32_000)}
    views = CrissCrossViewPipeline(CrissCrossViewConfig())([item, item], seed=1)
    shapes = {name: tuple(view.shape) for name, view in views.items()}
    assert shapes == {"pixel_values_videos": (2, 8, 3, 112, 112), "input_features": (2, 1, 80, 201)}
    assert all(view.dtype == torch.float32 and view.isfinite().all() for view in views.values())
    assert (CrissCrossVideoViewConfig().blur_kernel, CrissCrossVideoViewConfig(image_size=224).blur_kernel) == (11, 23)


def test_views_are_a_function_of_the_seed_and_augmented_apart() -> None:
    make = pipeline()
    once, again, other = (make([clip(), clip()], seed) for seed in (3, 3, 4))
    for name, views in once.items():
        assert torch.equal(views, again[name]) and not torch.equal(views, other[name])
        assert not torch.equal(views[0], views[1]), "both views are of one clip and differ by augmentation only"


@pytest.mark.parametrize(("missing", "left"), [("frames", "input_features"), ("samples", "pixel_values_videos")])
def test_one_modality(missing: str, left: str) -> None:
    assert list(pipeline()([clip() | {missing: None}] * 2, 0)) == [left]


def test_without_augmentation_views_are_what_the_processors_give() -> None:
    item = clip()
    views = pipeline(video(**STILL), **SILENT)([item, item], 0)
    processor = CrissCrossVideoProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, num_frames=3
    )
    expected = processor(item["frames"], return_tensors="pt")["pixel_values_videos"][0]
    torch.testing.assert_close(views["pixel_values_videos"][1], expected, atol=1e-5, rtol=0)
    features = CrissCrossFeatureExtractor(max_samples=8000)(item["samples"].numpy(), return_tensors="pt")
    torch.testing.assert_close(views["input_features"][0], features["input_features"][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("consistent", [True, False])
def test_frames_of_a_view_are_augmented_alike_or_each_on_its_own(consistent: bool) -> None:
    make = pipeline(video(temporally_consistent=consistent))
    for seed in range(5):
        pixels = make([clip(still=True)], seed)["pixel_values_videos"][0]
        assert torch.equal(pixels[0], pixels[1]) == consistent


def test_short_clips_are_filled_up() -> None:
    views = pipeline(video(num_frames=5, **STILL), **SILENT)([clip() | {"samples": torch.ones(100)}], 0)
    pixels = views["pixel_values_videos"][0]
    assert torch.equal(pixels[3:], pixels[:2]), "with the clip's own leading frames"
    assert views["input_features"][0, 0, :, -1].mean().item() == pytest.approx(-2.3976, abs=1e-3), "with silence"


def test_standard_augmentations() -> None:
    standard = CrissCrossViewConfig(video="standard").video  # type: ignore[arg-type]
    assert (standard.crop_area, standard.flip_probability, standard.jitter.hue) == ((0.7, 1.0), 0.5, 0.2)
    assert (standard.gray_probability, standard.blur_probability, standard.cutout_probability) == (0, 0, 0)
    assert CrissCrossViewConfig(video="strong").video == CrissCrossVideoViewConfig()  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="unknown augmentations 'strong_tc'; there are strong, standard"):
        CrissCrossViewConfig(video="strong_tc")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["released", "intended"])
def test_cutout(mode: Any) -> None:
    frames = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mean = frames[0].mean()
    changed = cutout_(frames.clone(), Box(2, 3, 4, 2), mode)
    inside = (slice(None), slice(None), slice(2, 6), slice(3, 5))
    expected = frames.clone()
    expected[inside] = frames[inside] * mean if mode == "released" else mean
    torch.testing.assert_close(changed, expected)


def test_cutout_boxes() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = [draw_cutout_box(40, 30, 20, generator) for _ in range(3000)]
    assert all(box.top >= 0 and box.top + box.height <= 40 for box in boxes)
    assert all(box.left >= 0 and box.left + box.width <= 30 for box in boxes)
    heights = {box.height for box in boxes if box.top >= 10 and box.top + box.height <= 30}
    assert heights == {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20}, "even, and none at all for a side of one pixel"
    empty = sum(box.height * box.width == 0 for box in boxes) / len(boxes)
    assert 0.04 < empty < 0.09, "a side of one pixel in 20, or cut off at the border"


def test_masks_are_filled_with_the_mean_and_narrower_than_their_bound() -> None:
    make = pipeline(**SILENT | {"num_mel_masks": 2, "num_time_masks": 1, "time_mask_width": 6})
    plain = pipeline(**SILENT)
    widest = 0
    for seed in range(40):
        before, after = (one([clip(seed)], seed)["input_features"][0, 0] for one in (plain, make))
        masked = after != before
        widest = max(widest, int(masked.all(dim=0).sum()))
        rows = masked.all(dim=1)
        assert rows.sum() <= 18
        assert not masked.any() or (after[masked] - before.mean()).abs().max() < 0.05
    assert widest == 5


def test_time_warp_is_off_unless_asked_for() -> None:
    item = clip() | {"samples": torch.rand(16_000) - 0.5}
    plain, warped = (
        pipeline(**SILENT | {"num_samples": 16_000, "time_warp": window})([item], 2)["input_features"]
        for window in (0, 20)
    )
    assert plain.shape == warped.shape and not torch.equal(plain, warped)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"relaxation": "severe"}, "'none', 'mild', 'medium', 'extreme', 'mixed'"),
        ({"audio": {"num_samples": 512}}, "audio.num_samples must exceed half of mel.n_fft"),
        ({"vidio": {}}, "Extra inputs are not permitted"),
        ({"video": {"cutout_size": 0}}, "greater than or equal to 1"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CrissCrossViewConfig(**fields)
