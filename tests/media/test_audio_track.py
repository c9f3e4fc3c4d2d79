from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from media_files import tone, write_media
from whole_file import decode_sound

from avzoo.media import ClipSpec, Limits, MediaError, iter_clips
from avzoo.media.audio import AudioTrack
from avzoo.media.header import open_media

SOUND = ClipSpec(num_frames=8, video=False)


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000, layout: str = "mono") -> Path:
    return write_media(path, None, samples, rate=rate, layout=layout, codecs=("", "pcm_s16le"))


def frame_at(time: float, samples: np.ndarray, rate: int, ticks: int | None = None) -> av.AudioFrame:
    """A decoded frame; ``ticks`` is the rate of its stream's clock, of its samples where None."""
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, round(time * (ticks or rate))
    return frame


def test_sixteen_bits_are_divided_by_32767(tmp_path: Path) -> None:
    levels = np.linspace(-1, 1, 16_000, dtype=np.float32)[None]
    (clip,) = iter_clips(write_wav(tmp_path / "a.wav", levels), SOUND)
    expected = (levels[0] * 32767).astype(np.int16).astype(np.float32) / 32767
    assert clip.samples.dtype == torch.float32
    assert torch.equal(clip.samples, torch.from_numpy(expected))
    assert (clip.samples.min(), clip.samples.max()) == (-1, 1)


@pytest.mark.parametrize(
    ("rate", "layout", "channels"), [(48_000, "5.1", 6), (44_100, "stereo", 2), (8_000, "mono", 1)]
)
def test_any_rate_and_layout_becomes_mono_at_the_wanted_rate(
    tmp_path: Path, rate: int, layout: str, channels: int
) -> None:
    path = write_wav(tmp_path / "a.wav", tone(2, rate=rate, channels=channels), rate, layout)
    clips = list(iter_clips(path, SOUND))
    start, whole = decode_sound(path)
    assert start == 0.0
    assert torch.equal(torch.cat([clip.samples for clip in clips]), whole)
    time = torch.arange(16_000) / 16_000
    wave = torch.sin(2 * torch.pi * 440 * time)
    correlation = torch.corrcoef(torch.stack([wave, clips[0].samples]))[0, 1]
    assert correlation > 0.999  # in phase: no delay by the resampler


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 44_100, 48_000])
def test_samples_do_not_depend_on_where_decoding_started(tmp_path: Path, rate: int) -> None:
    """Resampling is restarted in the middle and still meets the samples of the whole file."""
    noise = np.random.default_rng(0).normal(0, 0.2, 3 * rate).astype(np.float32)
    path = write_wav(tmp_path / "a.wav", noise[None], rate)
    step = 1000

    def samples_from(first: int) -> torch.Tensor:
        with open_media(path, Limits()) as media:
            pieces = range(first, len(noise), step)
            frames = (frame_at(i / rate, noise[i : i + step], rate) for i in pieces)
            samples = AudioTrack(media, frames, 16_000).read(2.0, 16_000)
        assert samples is not None
        return samples

    assert torch.equal(samples_from(0), samples_from(rate + 17))


def test_gaps_between_time_stamps_are_silent_and_overlaps_are_cut(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(1, rate=16_000))
    ones = np.full(4000, 0.5, dtype=np.float32)
    with open_media(path, Limits()) as media:
        frames = [frame_at(t, ones * k, 16_000) for t, k in ((0.0, 1), (0.5, 2), (0.65, -1))]
        samples = AudioTrack(media, iter(frames), 16_000).read(0.0, 16_000)
    assert samples is not None
    levels = [round(samples[i].item(), 2) for i in (100, 3900, 4100, 7900, 8100, 11_900, 12_100, 14_300, 14_500)]
    assert levels == [0.5, 0.5, 0.0, 0.0, 1.0, 1.0, -0.5, -0.5, 0.0]


def test_jitter_of_time_stamps_is_no_gap(tmp_path: Path) -> None:
    """Containers round times to 1 ms; the samples stay contiguous."""
    path = write_wav(tmp_path / "a.wav", tone(1, rate=44_100), 44_100)
    wave = tone(1, rate=44_100)[0]
    with open_media(path, Limits()) as media:
        frames = (frame_at(round(i / 44_100, 3), wave[i : i + 1024], 44_100) for i in range(0, 44_100, 1024))
        samples = AudioTrack(media, frames, 16_000).read(0.0, 16_000)
    assert samples is not None
    assert (samples - decode_sound(path)[1]).abs().max() < 1e-4


def test_times_that_run_backwards_are_damage(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(1, rate=16_000))
    block = np.full(4000, 0.5, dtype=np.float32)
    with open_media(path, Limits()) as media:
        track = AudioTrack(media, iter([frame_at(5.0, block, 16_000), frame_at(0.0, block, 16_000)]), 16_000)
        assert track.read(5.0, 16_000) is not None
    assert track.failure is not None
    assert track.exhausted
    assert track.end == 5.25


def test_the_format_may_change_inside_a_stream(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(1, rate=16_000))
    low, high = tone(0.5, rate=16_000)[0], tone(1, rate=48_000)[0][24_000:]
    with open_media(path, Limits()) as media:
        frames = [frame_at(0.0, low, 16_000), frame_at(0.5, high, 48_000, ticks=16_000)]
        samples = AudioTrack(media, iter(frames), 16_000).read(0.0, 16_000)
    assert samples is not None
    expected = torch.from_numpy(tone(1, rate=16_000)[0])
    assert (samples - expected)[:7900].abs().max() < 1e-4
    assert (samples - expected)[8100:15_900].abs().max() < 0.01


def test_unsigned_silence_is_silent(tmp_path: Path) -> None:
    """The padding before a late start is silence in the stream's own format."""
    path = write_media(tmp_path / "a.wav", None, tone(1, rate=44_100), rate=44_100, codecs=("", "pcm_s16le"))
    block = np.full((1, 44_100), 0x80, dtype=np.uint8)
    frame = av.AudioFrame.from_ndarray(block, format="u8", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = 44_100, Fraction(1, 44_100), 100
    with open_media(path, Limits()) as media:
        samples = AudioTrack(media, iter([frame]), 16_000).read(0.0, 16_000)
    assert samples is not None
    assert not samples.any()


@pytest.mark.parametrize("limits", [Limits(max_channels=5), Limits(max_sample_rate=44_100)])
def test_sound_above_the_limits_is_refused(tmp_path: Path, limits: Limits) -> None:
    path = write_wav(tmp_path / "a.wav", tone(1, channels=6), 48_000, "5.1")
    assert len(list(iter_clips(path, SOUND))) == 1
    with pytest.raises(MediaError) as caught:
        list(iter_clips(path, SOUND, limits))
    assert caught.value.reason == "too_large"
