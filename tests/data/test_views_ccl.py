"""The view of CCL, and where its clip and its sound lie in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avzoo.data.clips import ClipSample
from avzoo.data.views_ccl import CCLAudioViewConfig, CCLViewConfig, CCLViewPipeline, SoundAround
from avzoo.data.windows import Span, Streams
from avzoo.processing.feature_extraction_cnn14 import CNN14FeatureExtractor
from avzoo.processing.video_processing_ccl import CCLVideoProcessor

SHORT = CCLAudioViewConfig(seconds=0.5)


def clip(frames: int = 5, label: int | None = 2, samples: int | None = None) -> ClipSample:
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (frames, 3, 20, 24), generator=generator, dtype=torch.uint8)
    sound = None if samples is None else torch.rand(samples, generator=generator) - 0.5
    return {"frames": picture, "samples": sound, "label": label, "audio_label": None, "index": 7}


def tiny(**fields: Any) -> CCLViewConfig:
    return CCLViewConfig(num_frames=4, image_size=16, audio=SHORT, **fields)


def test_a_view_is_a_function_of_the_seed() -> None:
    pipeline = CCLViewPipeline(tiny())
    first, again, other = (pipeline([clip()], seed) for seed in (3, 3, 4))
    assert first.keys() == {"pixel_values_videos", "labels"} and first["labels"].tolist() == 2
    assert first["pixel_values_videos"].shape == (4, 3, 16, 16)
    assert first["pixel_values_videos"].dtype == torch.float32
    assert torch.equal(first["pixel_values_videos"], again["pixel_values_videos"])
    assert not torch.equal(first["pixel_values_videos"], other["pixel_values_videos"])


def test_without_augmentation_it_is_what_the_processor_gives() -> None:
    plain = tiny(crop_area=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip_probability=0.0)
    square = clip()
    square["frames"] = square["frames"][:4, :, :, :20]
    processor = CCLVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, num_frames=4)
    expected = processor(square["frames"], return_tensors="pt")["pixel_values_videos"][0]
    view = CCLViewPipeline(plain)([square], 0)["pixel_values_videos"]
    torch.testing.assert_close(view, expected)


def test_all_frames_are_changed_alike_and_short_clips_repeat() -> None:
    still = clip(frames=1)
    frames = CCLViewPipeline(tiny())([still], 5)["pixel_values_videos"]
    assert all(torch.equal(frame, frames[0]) for frame in frames)
    three = CCLViewPipeline(tiny())([clip(frames=3)], 5)["pixel_values_videos"]
    assert torch.equal(three[3], three[0]) and not torch.equal(three[1], three[0])


def test_half_of_the_views_are_mirrored() -> None:
    flipped = CCLViewPipeline(tiny(crop_area=(1.0, 1.0), crop_ratio=(1.2, 1.2)))
    upright = CCLViewPipeline(tiny(crop_area=(1.0, 1.0), crop_ratio=(1.2, 1.2), flip_probability=0.0))
    kinds = []
    for seed in range(40):
        view, wanted = (pipeline([clip()], seed)["pixel_values_videos"] for pipeline in (flipped, upright))
        kinds.append(torch.equal(view, wanted))
        assert torch.equal(view, wanted) or torch.equal(view, wanted.flip(-1))
    assert 10 < sum(kinds) < 30


def test_the_statistics_are_a_choice() -> None:
    view = CCLViewPipeline(tiny(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))([clip()], 0)["pixel_values_videos"]
    usual = CCLViewPipeline(tiny())([clip()], 0)["pixel_values_videos"]
    mean, std = (torch.tensor(getattr(CCLViewConfig(), name)).view(3, 1, 1) for name in ("mean", "std"))
    torch.testing.assert_close(view, ((usual * std + mean) - 0.5) / 0.5)


def test_what_a_teacher_network_hears_is_what_its_extractor_gives() -> None:
    heard = clip(samples=20_000)
    spectrogram = CCLViewPipeline(tiny(), "spectrogram")([heard], 0)["input_features"]
    assert spectrogram.shape == (1, 64, 51)
    extractor = CNN14FeatureExtractor(max_samples=16_000)
    expected = extractor(heard["samples"].numpy(), sampling_rate=32_000, return_tensors="pt")["input_features"][0]
    torch.testing.assert_close(spectrogram, expected)


def test_embeddings_are_looked_up_with_the_rest_of_the_randomness() -> None:
    pipeline = CCLViewPipeline(tiny(), "embedding")
    with pytest.raises(ValueError, match="no embeddings to look up"):
        pipeline([clip()], 0)
    pipeline.embeddings = lambda index, generator: index + torch.rand(3, generator=generator)
    first, again, other = (pipeline([clip()], seed)["audio_embeds"] for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert ((first >= 7) & (first < 8)).all()


@pytest.mark.parametrize(
    ("given", "sound", "message"),
    [
        (clip(label=None), None, "no labels, which CCL needs"),
        (clip(frames=0), None, r"uint8 \(T, 3, H, W\)"),
        (clip() | {"frames": None}, None, "not none"),
        (clip(), "spectrogram", "no samples"),
    ],
)
def test_clips_that_lack_something(given: ClipSample, sound: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CCLViewPipeline(tiny(), sound)([given], 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"jitter": 0.4}, "jitter"),
        ({"num_frames": 0}, "num_frames"),
        ({"std": (1, 1, 0)}, "std"),
        ({"audio": {"seconds": 0.01}}, "audio.seconds must be more than half of audio.n_fft"),
    ],
)
def test_bad_configurations(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CCLViewConfig(**fields)


def test_configuration_round_trip() -> None:
    config = tiny()
    assert CCLViewConfig.model_validate_json(config.model_dump_json()) == config


# ---- windows ----


def windows(streams: Streams, picture: float, sound: float) -> list[tuple[Span, Span]]:
    sampler = SoundAround(picture, sound)
    drawn = [sampler(streams, np.random.default_rng(seed)) for seed in range(200)]
    return [(one.video, one.audio) for (one,) in drawn]


def test_sound_lies_around_the_picture_within_the_file() -> None:
    for picture, sound in windows(Streams(Span(1.0, 9.0), Span(0.5, 11.0)), 0.64, 4.0):
        assert picture.duration == 0.64 and 1.0 <= picture.start <= 10.0 - 0.64
        assert sound.duration == 4.0 and 0.5 <= sound.start <= 7.5
        assert sound.start <= picture.start and picture.end <= sound.end
        middle = picture.start + 0.32
        if 2.5 <= middle <= 9.5:
            assert sound.start == pytest.approx(middle - 2.0)


def test_pictures_start_anywhere() -> None:
    starts = [picture.start for picture, _ in windows(Streams(Span(0.0, 2.0), Span(0.0, 2.0)), 0.64, 1.0)]
    assert min(starts) < 0.05 and max(starts) > 1.3 and 0.55 < np.mean(starts) < 0.8


def test_a_short_file_gives_all_its_sound_from_the_start() -> None:
    for picture, sound in windows(Streams(Span(0.0, 0.5), Span(0.25, 0.75)), 0.64, 10.0):
        assert picture.start == 0.0 and sound == Span(0.25, 10.0)


def test_a_file_without_sound() -> None:
    with pytest.raises(ValueError, match="no sound"):
        SoundAround(0.5, 1.0)(Streams(Span(0.0, 1.0), None), np.random.default_rng(0))
