"""Encoders fed as a plan says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import avzoo
from avzoo.evaluation.clip_encoder import PlannedEncoder, planned
from avzoo.evaluation.clip_plan import AudioAugmentation, ClipPlan, ModelInput, VideoAugmentation
from avzoo.extract import Encoder, load
from avzoo.extract.encoder import EncoderError
from avzoo.media import Clip

SIDE = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}


@pytest.fixture(scope="module")
def crisscross(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoints") / "crisscross-nano"
    avzoo.CrissCrossModel(avzoo.CrissCrossConfig.preset("nano")).save_pretrained(folder)
    video = avzoo.CrissCrossVideoProcessor(**SIDE)
    avzoo.CrissCrossProcessor(video_processor=video).save_pretrained(folder)
    return load(folder, device="cpu")


def clips(count: int, frames: int = 8, side: int = 36, seconds: float = 2.0) -> list[Clip]:
    generator = torch.Generator().manual_seed(0)
    return [
        Clip(
            0.0,
            seconds,
            torch.randint(0, 256, (frames, 3, side, side), generator=generator, dtype=torch.uint8),
            torch.rand(round(16_000 * seconds), generator=generator) - 0.5,
        )
        for _ in range(count)
    ]


def test_the_default_plan_feeds_what_the_processors_say(crisscross):
    given, expected = clips(2), crisscross.embed_clips(clips(2))
    found = PlannedEncoder(crisscross, ClipPlan()).embed_clips(given)
    for modality in ("video", "audio"):
        np.testing.assert_array_equal(found[modality], expected[modality])


def test_input_and_pooling_of_the_paper(crisscross):
    """The released wrapper: max-pooled map, L2-normalised along time, flattened, a batch norm that was not trained."""
    fed = ModelInput(
        family="crisscross",
        num_frames=4,
        image_size=64,
        audio_seconds=1.0,
        feature_pooling={"audio": "linear_released"},
        feature_scale=0.5,
    )
    encoder = PlannedEncoder(crisscross, ClipPlan(input=fed))
    spec = encoder.clip_spec()
    assert (spec.num_frames, spec.short_side, spec.num_samples) == (4, 73, 16_000)
    (clip,) = clips(1, frames=4, side=73, seconds=1.0)
    found = encoder.embed_clips([clip])
    spectrogram = encoder.feature_extractor(clip.samples)["input_features"]
    with torch.inference_mode():
        features = crisscross.model(input_features=spectrogram, feature_pooling="linear_released").audio_model_output
    np.testing.assert_allclose(found["audio"][0], features.features[0].numpy() / 2, rtol=1e-5)
    assert found["video"].shape == (1, crisscross.model.config.video_config.hidden_size)
    assert crisscross.video_processor.num_frames == 8, "the encoder itself is left as it is"


def test_input_of_another_family_is_ignored(crisscross):
    plan = ClipPlan(input=ModelInput(family="xkd", num_frames=4, feature_pooling={"audio": "no such"}))
    assert PlannedEncoder(crisscross, plan).clip_spec() == crisscross.clip_spec()


def test_what_an_encoder_cannot_do(crisscross, tmp_path: Path):
    with pytest.raises(EncoderError, match="unknown feature_pooling"):
        PlannedEncoder(crisscross, ClipPlan(input=ModelInput(family="crisscross", feature_pooling={"audio": "none"})))
    deaf = PlannedEncoder(crisscross, ClipPlan(modalities=("video",)))
    assert deaf.modalities == ("video",) and not deaf.clip_spec().audio
    with pytest.raises(EncoderError, match="takes no audio"):
        PlannedEncoder(deaf, ClipPlan(modalities=("audio",)))


def test_sound_is_changed_by_the_seed_of_the_clip(crisscross):
    plan = ClipPlan(audio=AudioAugmentation(volume=0.2, time_warp=20, masks=2, resize_crop=True))
    encoder = PlannedEncoder(crisscross, plan)
    (clip,) = clips(1)
    one, same, other = (encoder.embed_clips([planned(clip, 7, number)])["audio"] for number in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, crisscross.embed_clips([clip])["audio"])


def test_pictures_that_come_cropped_are_only_normalised(crisscross):
    view = VideoAugmentation(cutout_size=20)
    (clip,) = clips(1, side=32)
    seen = []
    for cutout in (0, 20):
        encoder = PlannedEncoder(crisscross, ClipPlan(video=view.model_copy(update={"cutout_size": cutout})))
        with torch.inference_mode():
            seen.append(encoder._inputs("video", [planned(clip, 7, 0)])["pixel_values_videos"])
    plain, cut = seen
    expected = crisscross.video_processor(clip.frames, do_resize=False, do_center_crop=False)["pixel_values_videos"]
    torch.testing.assert_close(plain, expected)
    changed = (plain != cut).any(dim=2)[0]
    assert changed[0].any() and torch.equal(changed[0], changed[-1]) and changed[0].float().mean() < 0.5
    torch.testing.assert_close(cut[0][:, :, changed[0]], plain[0][:, :, changed[0]] * plain[0, 0].mean())
