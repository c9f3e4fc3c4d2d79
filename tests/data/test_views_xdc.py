from __future__ import annotations

import numpy as np
import pytest
import torch

from avzoo.data.clips import ClipDataset, DataError
from avzoo.data.folder import FolderDataset
from avzoo.data.views_xdc import XDCViewConfig, XDCViewPipeline, XDCWindows
from avzoo.data.windows import Span, Streams
from avzoo.processing.processing_xdc import XDCProcessor
from avzoo.processing.video_processing_xdc import XDCVideoProcessor

VIEWS = XDCViewConfig(num_frames=4, short_side=36, image_size=32, num_samples=8000)


def clip(frames: int = 4, height: int = 36, width: int = 48, samples: int = 8000, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "frames": torch.randint(256, (frames, 3, height, width), generator=generator, dtype=torch.uint8),
        "samples": torch.rand(samples, generator=generator) - 0.5,
        "label": 3,
        "audio_label": None,
        "index": 7,
    }


def test_the_defaults_are_those_of_the_paper():
    views = XDCViewPipeline(XDCViewConfig())([clip(8, 256, 340, 32_000)], 0)
    assert views["pixel_values_videos"].shape == (8, 3, 224, 224)
    assert views["input_features"].shape == (1, 40, 100)


def test_without_augmentation_a_view_is_what_the_processor_gives():
    item = clip()
    views = XDCViewPipeline(VIEWS).without_augmentation()([item], 5)
    processor = XDCProcessor(
        VIEWS.feature_extractor(),
        XDCVideoProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}, num_frames=4),
    )
    expected = processor(videos=item["frames"], audio=item["samples"], sampling_rate=16_000)
    torch.testing.assert_close(views["pixel_values_videos"], expected["pixel_values_videos"][0], rtol=0, atol=2e-6)
    torch.testing.assert_close(views["input_features"], expected["input_features"][0], rtol=0, atol=0)


def test_a_view_is_a_crop_of_the_scaled_clip_or_its_mirror_image():
    item = clip()
    plain = XDCViewPipeline(VIEWS.model_copy(update={"image_size": 36}), augment=False)
    crops = [XDCViewPipeline(VIEWS)([item], seed)["pixel_values_videos"] for seed in range(40)]
    whole = plain([{**item, "frames": item["frames"][..., 6:42]}], 0)["pixel_values_videos"]
    assert whole.shape[-1] == 36
    full = torch.nn.functional.pad(whole, (6, 6))  # only windows of the middle part are looked for
    windows = full.unfold(-2, 32, 1).unfold(-2, 32, 1)  # (T, 3, down, right, 32, 32)
    places = set()
    for crop in crops:
        for mirrored, view in ((False, crop), (True, crop.flip(-1))):
            same = (windows == view[:, :, None, None]).flatten(4).all(4).all(0).all(0)
            places |= {(mirrored, *place) for place in same.nonzero().tolist()}
    assert {mirrored for mirrored, *_ in places} == {False, True} and len(places) > 4


def test_equal_seeds_give_equal_views():
    pipeline = XDCViewPipeline(VIEWS)
    first, again, other = (pipeline([clip()], seed)["pixel_values_videos"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_small_and_short_clips_are_enlarged_and_repeated():
    views = XDCViewPipeline(VIEWS)([clip(3, 20, 24, 500)], 0)
    assert views["pixel_values_videos"].shape == (4, 3, 32, 32)
    assert views["input_features"].shape == (1, 40, 25)


@pytest.mark.parametrize(("modality", "name"), [("video", "pixel_values_videos"), ("audio", "input_features")])
def test_one_modality_needs_nothing_of_the_other(modality, name):
    item = clip() | {"frames" if modality == "audio" else "samples": None}
    assert list(XDCViewPipeline(VIEWS, [modality])([item], 0)) == [name]
    with pytest.raises(ValueError, match="Expected"):
        XDCViewPipeline(VIEWS)([item], 0)


@pytest.mark.parametrize("wrong", [{"image_size": 40}, {"num_samples": 512}, {"frames": 3}])
def test_views_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError):
        XDCViewConfig(**{**VIEWS.model_dump(), **wrong})


FILE = Streams(Span(0.5, 10.0), Span(1.0, 8.0))  # together from 1 s to 9 s


def test_picture_and_sound_start_together_anywhere_in_what_they_share():
    sampler = XDCWindows(video=0.25, audio=2.0)
    starts = []
    for seed in range(200):
        (window,) = sampler(FILE, np.random.default_rng(seed))
        assert window.video.start == window.audio.start
        assert (window.video.duration, window.audio.duration) == (0.25, 2.0)
        starts.append(window.video.start)
    assert 1.0 <= min(starts) < 1.2 and 6.8 < max(starts) <= 7.0


def test_the_centred_window_draws_nothing():
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    (window,) = XDCWindows(video=0.25, audio=2.0, centred=True)(FILE, generator)
    assert window.video.start == 4.0 and generator.bit_generator.state == before


def test_windows_of_one_modality_use_all_of_it():
    (window,) = XDCWindows(video=None, audio=2.0, centred=True)(Streams(None, Span(1.0, 8.0)), np.random.default_rng(0))
    assert window.video is None and window.audio == Span(4.0, 2.0)


def test_a_file_that_is_too_short_is_taken_from_its_start():
    short = Streams(Span(0.0, 1.0), Span(0.25, 1.0))
    (window,) = XDCWindows(video=0.25, audio=2.0)(short, np.random.default_rng(0))
    assert window.video.start == window.audio.start == 0.25


class Recorded(ClipDataset):
    def __len__(self):
        return 1

    def read(self, index, seed):
        (window,) = self.windows(FILE, np.random.default_rng(seed))
        return [{**clip(), "index": index, "label": round(100 * window.audio.start)}]


def test_a_dataset_can_be_cut_elsewhere_and_stays_as_it_was():
    clips = Recorded()
    clips.windows = XDCWindows(0.25, 2.0)
    centred = clips.with_windows(XDCWindows(0.25, 2.0, centred=True))
    before = clips[0][0]["label"]
    assert centred[0][0]["label"] == 400 != before
    assert clips[0][0]["label"] == before


def test_fixed_windows_of_a_folder_are_not_those_of_other_windows(tmp_path):
    (tmp_path / "a.mp4").touch()
    clips = FolderDataset(tmp_path, windows=XDCWindows(0.25, 2.0), windows_per_file=2, cache_bytes=2**20)
    other = clips.with_windows(XDCWindows(0.25, 2.0, centred=True))
    assert other._cache is None and other.windows_per_file is None
    assert clips._cache is not None and clips.windows_per_file == 2 and not clips.windows.centred
    with pytest.raises(DataError):
        other.read(0, 0)
