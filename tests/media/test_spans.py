"""Picture and sound of different lengths in one window: both begin with it, the longer one is it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from media_files import index_of, regular, tone, write_media
from whole_file import cut_frames, cut_sound

from avzoo.media import Clip, ClipSpec, iter_clips, read_clip

LONG_SOUND = ClipSpec(fps=8, num_frames=4, audio_seconds=1.0)
LONG_PICTURE = ClipSpec(fps=8, num_frames=8, audio_seconds=0.25)


def bounds(clips: list[Clip]) -> list[tuple[float, float]]:
    return [(clip.start, round(clip.end, 2)) for clip in clips]


@pytest.mark.parametrize(
    ("spec", "spans", "samples"),
    [
        (LONG_SOUND, {"video": 0.5, "audio": 1.0}, 16_000),
        (LONG_PICTURE, {"video": 1.0, "audio": 0.25}, 4000),
        (ClipSpec(), {"video": 4.0, "audio": 4.0}, 64_000),
        (ClipSpec(audio=False), {"video": 4.0}, 0),
        (ClipSpec(audio_seconds=10.0, sample_rate=32_000, video=False), {"audio": 10.0}, 320_000),
    ],
)
def test_the_longer_one_is_the_window(spec: ClipSpec, spans: dict[str, float], samples: int) -> None:
    assert spec.spans == spans
    assert spec.window == max(spans.values())
    assert spec.num_samples == samples


@pytest.mark.parametrize("spec", [LONG_SOUND, LONG_PICTURE])
@pytest.mark.parametrize("stride", [None, 0.37])
def test_clips_equal_decoding_the_whole_file(clip_mp4: Path, spec: ClipSpec, stride: float | None) -> None:
    spec = ClipSpec(**vars(spec) | {"stride": stride})
    clips = list(iter_clips(clip_mp4, spec))
    assert len(clips) == sum(i * (stride or 1) + 0.125 <= 2.0 for i in range(20))
    for clip in clips:
        frames = cut_frames(clip_mp4, clip.start, 8, spec.num_frames, None)
        torch.testing.assert_close(clip.frames, frames, rtol=0, atol=0)
        samples = cut_sound(clip_mp4, clip.start, spec.num_samples)
        torch.testing.assert_close(clip.samples, samples, rtol=0, atol=0)


@pytest.mark.parametrize("spec", [LONG_SOUND, LONG_PICTURE])
def test_the_end_of_the_file_is_known_also_where_one_half_stops_short_of_it(tmp_path: Path, spec: ClipSpec) -> None:
    path = write_media(tmp_path / "a.mp4", regular(45), tone(1.8))
    assert bounds(list(iter_clips(path, spec)))[-1] == (1.0, pytest.approx(1.8, abs=0.05))


def test_a_picture_that_ended_is_missing_in_what_sound_goes_on(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", regular(25), tone(3))
    clips = list(iter_clips(path, LONG_SOUND))
    assert [clip.frames is None for clip in clips] == [False, True, True]
    late = write_media(tmp_path / "late.mkv", regular(25, start=0.6), tone(1))
    first, second = iter_clips(late, LONG_SOUND)
    assert first.frames is None and first.samples is not None  # on screen in the window, but after its half a second
    assert second.frames is not None and index_of(second.frames)[0] == 10


@pytest.mark.parametrize("seconds", [0.04, 0.2])
def test_files_shorter_than_either_have_both(tmp_path: Path, seconds: float) -> None:
    path = write_media(tmp_path / "a.mp4", regular(round(seconds * 25)), tone(seconds))
    (clip,) = iter_clips(path, LONG_SOUND)
    assert clip.frames is not None and clip.frames.shape[0] == 4
    assert clip.samples is not None and clip.samples.shape == (16_000,)


@pytest.mark.parametrize("start", [0.4, 1.6])
def test_one_clip_equals_the_clip_of_the_whole_file(tmp_path: Path, start: float) -> None:
    path = write_media(tmp_path / "a.mp4", regular(60), tone(2.4), codecs=("libx264", "alac"))
    for spec in (LONG_SOUND, LONG_PICTURE):
        whole = list(iter_clips(path, ClipSpec(**vars(spec) | {"stride": start})))[1]
        clip = read_clip(path, start, spec)
        assert (clip.start, clip.end) == (whole.start, whole.end)
        torch.testing.assert_close(clip.frames, whole.frames, rtol=0, atol=0)
        torch.testing.assert_close(clip.samples, whole.samples, rtol=0, atol=0)


@pytest.mark.skipif(importlib.util.find_spec("decord") is None, reason="decord is not installed")
def test_decord_gives_the_same_clips(clip_mp4: Path) -> None:
    for spec in (LONG_SOUND, LONG_PICTURE):
        ours = iter_clips(clip_mp4, spec)
        theirs = iter_clips(clip_mp4, ClipSpec(**vars(spec) | {"decoder": "decord"}))
        for one, other in zip(ours, theirs, strict=True):
            assert (one.start, one.end) == (other.start, other.end)
            torch.testing.assert_close(one.frames, other.frames, rtol=0, atol=0)
            torch.testing.assert_close(one.samples, other.samples, rtol=0, atol=0)


def test_the_padding_of_codecs_opens_no_window_at_high_frame_rates(tmp_path: Path) -> None:
    # AAC ends up to 64 ms after the picture, which is more than the 33 ms of a frame.
    path = write_media(tmp_path / "a.mp4", regular(32, fps=30), tone(32 / 30 + 0.06))
    assert len(list(iter_clips(path, ClipSpec(fps=30, num_frames=32)))) == 1


def test_a_picture_alone_opens_a_window_for_one_more_frame(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", regular(17))
    clips = list(iter_clips(path, ClipSpec(fps=25, num_frames=16, audio=False)))
    assert [index_of(clip.frames) for clip in clips] == [list(range(16)), [16] * 16]  # CCL's sliding windows
