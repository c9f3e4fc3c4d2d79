"""Pictures of attention: the heat lies where the weights are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.utils.generic import ModelOutput

from avzoo.demo.attention import attend, has_attention
from avzoo.demo.pictures import contact_sheet, heated, spectrogram_picture
from avzoo.extract import Encoder
from avzoo.media import Clip

FRAMES = torch.full((32, 3, 64, 96), 128, dtype=torch.uint8)
CLIP = Clip(0.0, 4.0, FRAMES, torch.zeros(64_000))


class _Pointing:
    """A model of which only the attention matters: all of it on one patch of each modality."""

    def __init__(self, real: Any, video: tuple[int, int, int], audio: tuple[int, int]) -> None:
        self.config = real.config
        grids = (real.config.video_config.grid_size, video), (real.config.audio_config.grid_size, audio)
        self._weights = []
        for grid, place in grids:
            weights = torch.zeros(grid)
            weights[place] = 1.0
            self._weights.append(torch.cat([torch.zeros(1), weights.flatten()]).expand(1, 4, -1))

    def __call__(self, **inputs: Any) -> Any:
        assert inputs["output_cls_attention"] is True
        video, audio = (SimpleNamespace(cls_attention=weights) for weights in self._weights)
        return ModelOutput({"video_model_output": video, "audio_model_output": audio})


def _pointing(encoder: Encoder, video: tuple[int, int, int], audio: tuple[int, int]) -> Any:
    fields = {name: getattr(encoder, name) for name in ("device", "dtype", "video_processor", "feature_extractor")}
    return SimpleNamespace(**fields, model=_Pointing(encoder.model, video, audio))


def _brightest(picture: Image.Image, rows: int, columns: int) -> tuple[int, int]:
    light = np.asarray(picture.convert("L").resize((columns, rows), Image.Resampling.BOX), np.float32)
    row, column = np.unravel_index(light.argmax(), light.shape)
    return int(row), int(column)


@pytest.mark.parametrize(("step", "row", "column"), [(0, 0, 0), (2, 3, 1), (5, 1, 3), (7, 3, 3)])
def test_heat_over_frames_is_at_the_patch_in_its_tile(encoder: Encoder, step: int, row: int, column: int) -> None:
    looked = attend(_pointing(encoder, (step, row, column), (0, 0)), CLIP, FRAMES)
    assert looked.video is not None
    # Eight tiles in two rows of four, each over the 4 x 4 patches of the crop.
    assert _brightest(looked.video, 8, 16) == (4 * (step // 4) + row, 4 * (step % 4) + column)


@pytest.mark.parametrize(("band", "time"), [(0, 0), (4, 3), (2, 27)])
def test_heat_over_the_spectrogram_has_low_bands_at_the_bottom(encoder: Encoder, band: int, time: int) -> None:
    looked = attend(_pointing(encoder, (0, 0, 0), (band, time)), CLIP, FRAMES)
    assert looked.audio is not None
    assert _brightest(looked.audio, 5, 28) == (4 - band, time)


def test_a_real_encoder_shows_what_it_was_given(encoder: Encoder) -> None:
    assert has_attention(encoder)
    both = attend(encoder, CLIP, FRAMES)
    assert both.video is not None and both.audio is not None
    assert attend(encoder, Clip(0.0, 4.0, None, CLIP.samples), None).video is None
    assert attend(encoder, Clip(0.0, 4.0, FRAMES, None), FRAMES).audio is None


def test_a_network_without_class_token_says_so() -> None:
    assert not has_attention(SimpleNamespace(model=torch.nn.Conv2d(1, 1, 1)))  # type: ignore[arg-type]


def test_heat_dims_and_tints() -> None:
    heat = np.zeros((2, 2), np.float32)
    heat[0, 1] = 1
    pixels = np.asarray(heated(Image.new("RGB", (64, 64), (100, 100, 100)), heat), int)
    assert (pixels[63, 0] <= 60).all()
    assert pixels[0, 63, 0] > 150 and pixels[0, 63, 2] < pixels[0, 63, 0]


def test_spectrogram_puts_low_pitch_at_the_bottom() -> None:
    features = torch.full((80, 100), -15.0)
    features[:8] = 3.0
    light = np.asarray(spectrogram_picture(features).convert("L"), int)
    assert light.shape == (80, 100)
    assert light[-8:].min() > light[:-8].max()


def test_sheet_lays_pictures_row_by_row() -> None:
    sheet = contact_sheet([Image.new("RGB", (10, 6), (value, 0, 0)) for value in (10, 20, 30)], 2, gap=2)
    assert sheet.size == (22, 14)
    assert [sheet.getpixel(place)[0] for place in ((0, 0), (12, 0), (0, 8))] == [10, 20, 30]  # type: ignore[index]
