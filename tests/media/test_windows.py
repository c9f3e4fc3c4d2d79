from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch
from media_files import index_of, regular, tone, write_media
from whole_file import cut_frames, cut_sound

import avzoo.media.header as header
import avzoo.media.packets as packets
from avzoo.media import Clip, ClipSpec, MediaError, iter_clips, probe

SECOND = ClipSpec(num_frames=8)


def bounds(clips: list[Clip]) -> list[tuple[float, float]]:
    return [(clip.start, round(clip.end, 3)) for clip in clips]


def test_frames_are_chosen_by_time(clip_mp4: Path) -> None:
    first, second = iter_clips(clip_mp4, SECOND)
    assert index_of(first.frames) == [0, 3, 6, 9, 12, 15, 18, 21]
    assert index_of(second.frames) == [25, 28, 31, 34, 37, 40, 43, 46]
    assert bounds([first, second]) == [(0.0, 1.0), (1.0, 2.0)]  # the padding of the codec opens no third window


def test_variable_frame_rate_goes_by_time_not_by_index(tmp_path: Path) -> None:
    path = write_media(tmp_path / "vfr.mp4", [0.0, 0.04, 0.3, 0.31, 0.9, 1.5, 1.9])
    first, second = iter_clips(path, SECOND)
    assert index_of(first.frames) == [0, 1, 1, 3, 3, 3, 3, 3]
    assert index_of(second.frames) == [4, 4, 4, 4, 5, 5, 5, 5]


def test_slow_sources_repeat_frames(tmp_path: Path) -> None:
    path = write_media(tmp_path / "slow.mp4", regular(8, fps=4))
    assert index_of(next(iter_clips(path, SECOND)).frames) == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("stride", [None, 0.5, 0.37, 1.7])
@pytest.mark.parametrize("short_side", [None, 32])
def test_clips_equal_decoding_the_whole_file(clip_mp4: Path, stride: float | None, short_side: int | None) -> None:
    spec = ClipSpec(num_frames=8, stride=stride, short_side=short_side)
    clips = list(iter_clips(clip_mp4, spec))
    assert len(clips) == sum(i * (stride or 1) + 0.125 <= 2.0 for i in range(20))
    for clip in clips:
        torch.testing.assert_close(clip.frames, cut_frames(clip_mp4, clip.start, 8, 8, short_side), rtol=0, atol=0)
        torch.testing.assert_close(clip.samples, cut_sound(clip_mp4, clip.start, 16_000), rtol=0, atol=0)


def test_frames_are_scaled_as_torchvision_scales_the_whole_clip(tmp_path: Path) -> None:
    path = write_media(tmp_path / "wide.mp4", regular(4), size=(50, 94))
    (clip,) = iter_clips(path, ClipSpec(num_frames=4, short_side=16))
    assert clip.frames.shape == (4, 3, 16, 30)  # 94 * 16 / 50 = 30.08
    (small,) = iter_clips(path, ClipSpec(num_frames=4, short_side=64))
    assert small.frames.shape == (4, 3, 50, 94)  # never scaled up


def test_the_last_clip_repeats_frames_from_its_start_and_pads_sound(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", regular(35), tone(1.4))
    *_, last = iter_clips(path, SECOND)
    assert index_of(last.frames) == [25, 28, 31, 34, 25, 28, 31, 34]
    assert 1.4 <= last.end < 1.5
    assert last.samples.shape == (16_000,)
    assert last.samples[:6000].abs().max() > 0.4
    assert last.samples[8000:].abs().max() == 0


@pytest.mark.parametrize(("seconds", "windows"), [(4.1, 1), (4.2, 2), (7.04, 2)])
def test_the_remainder_of_sound_alone_does_not_depend_on_frames(tmp_path: Path, seconds: float, windows: int) -> None:
    path = write_media(tmp_path / "a.wav", None, tone(seconds), codecs=("", "pcm_s16le"), container_format="wav")
    found = bounds(list(iter_clips(path, ClipSpec(fps=0.25, num_frames=1, video=False))))
    assert found == [(0.0, 4.0), (4.0, seconds)][:windows]


@pytest.mark.parametrize("frames", [1, 3])
def test_very_short_files_give_one_clip(tmp_path: Path, frames: int) -> None:
    path = write_media(tmp_path / "a.mp4", regular(frames, fps=30), tone(frames / 30))
    (clip,) = iter_clips(path, ClipSpec())
    assert index_of(clip.frames) == [0] * 32
    assert clip.samples.shape == (64_000,)
    assert 0 < clip.end < 0.2


@pytest.mark.parametrize("container_format", ["mp4", "matroska", "mpegts"])
def test_late_sound_keeps_its_distance_to_the_picture(tmp_path: Path, container_format: str) -> None:
    path = write_media(tmp_path / "a", regular(50), tone(1), sound_at=1.25, container_format=container_format)
    clips = list(iter_clips(path, SECOND))
    assert clips[0].samples is None or container_format == "mpegts"
    onset = (clips[1].samples.abs() > 0.05).nonzero()[0].item()
    assert onset == pytest.approx(4000, abs=400)  # AAC spreads an onset over a block, TS keeps its priming samples
    assert index_of(clips[1].frames)[0] == 25


@pytest.mark.parametrize("container_format", ["mp4", "matroska"])
def test_late_picture_keeps_its_distance_to_the_sound(tmp_path: Path, container_format: str) -> None:
    path = write_media(tmp_path / "a", regular(50, start=1.5), tone(3.5), container_format=container_format)
    info = probe(path)
    assert (info.video.start, info.audio.start) == (1.5, 0.0)
    clips = list(iter_clips(path, SECOND))
    assert clips[0].frames is None
    assert index_of(clips[1].frames) == [0, 0, 0, 0, 0, 3, 6, 9]
    assert index_of(clips[2].frames)[0] == 12


def test_the_clock_starts_with_the_earliest_stream(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.ts", regular(50), tone(2, onset=0.5), clock_at=5.0)
    info = probe(path)
    assert min(info.video.start, info.audio.start) == 0.0
    with av.open(str(path)) as container:
        assert container.start_time > 1_000_000  # the container's own clock starts elsewhere
    assert next(iter_clips(path, SECOND)).start == 0.0


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotated_frames_are_set_upright(tmp_path: Path, angle: int) -> None:
    path = write_media(tmp_path / "a.mp4", regular(4), rotation=angle)
    info = probe(path).video
    assert info.rotation == angle
    assert (info.height, info.width) == ((64, 48) if angle % 180 else (48, 64))
    (clip,) = iter_clips(path, ClipSpec(num_frames=4))
    assert clip.frames.shape[-2:] == (info.height, info.width)


def test_odd_sizes_work(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", regular(8), size=(47, 63), codecs=("ffv1", ""))
    (clip,) = iter_clips(path, ClipSpec(num_frames=8))
    assert clip.frames.shape == (8, 3, 47, 63)
    assert index_of(clip.frames) == [0, 3, 6, 0, 3, 6, 0, 3]


@pytest.mark.parametrize("missing", ["skip", "zeros", "error"])
def test_missing_streams_follow_the_policy(silent_mp4: Path, sound_mp4: Path, missing: str) -> None:
    spec = ClipSpec(num_frames=8, missing=missing, short_side=40)
    if missing == "error":
        for path, reason in ((silent_mp4, "no_audio"), (sound_mp4, "no_video")):
            with pytest.raises(MediaError) as caught:
                list(iter_clips(path, spec))
            assert caught.value.reason == reason
        return
    silent, sound = next(iter_clips(silent_mp4, spec)), next(iter_clips(sound_mp4, spec))
    zeros = missing == "zeros"
    assert (silent.video_zeros, silent.audio_zeros) == (False, zeros)
    assert (sound.video_zeros, sound.audio_zeros) == (zeros, False)
    if zeros:
        assert silent.samples.shape == (16_000,)
        assert sound.frames.shape == (8, 3, 40, 40)
        assert not silent.samples.any()
        assert not sound.frames.any()
    else:
        assert silent.samples is None
        assert sound.frames is None


def test_asking_only_for_what_a_file_lacks_is_an_error(silent_mp4: Path, sound_mp4: Path) -> None:
    for path, spec, reason in (
        (silent_mp4, ClipSpec(video=False, missing="zeros"), "no_audio"),
        (sound_mp4, ClipSpec(audio=False, missing="skip"), "no_video"),
    ):
        with pytest.raises(MediaError) as caught:
            list(iter_clips(path, spec))
        assert caught.value.reason == reason


def test_one_modality_keeps_the_clock_of_both(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", regular(50), tone(1), sound_at=1.0)
    both = list(iter_clips(path, SECOND))
    alone = list(iter_clips(path, ClipSpec(num_frames=8, video=False)))
    torch.testing.assert_close(alone[-1].samples, both[-1].samples, rtol=0, atol=0)
    assert alone[-1].start == both[-1].start
    assert alone[-1].frames is None


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that is opened for decoding."""
    calls: list[str] = []
    real = av.open

    def record(file: str, *args: object, **options: object) -> object:
        calls.append(file)
        return real(file, *args, **options)

    monkeypatch.setattr(header.av, "open", record)
    return calls


def test_picture_and_sound_come_from_one_pass(clip_mp4: Path, opened: list[str]) -> None:
    assert len(list(iter_clips(clip_mp4, ClipSpec(num_frames=8, stride=0.5)))) == 4
    assert len(opened) == 1


def test_streams_that_are_not_interleaved_do_not_fill_memory(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(tmp_path / "a.mkv", regular(50), tone(2, onset=0.5), sound_last=True)
    opened.clear()
    together = list(iter_clips(path, SECOND))
    assert len(opened) == 1
    monkeypatch.setattr(packets, "MAX_QUEUED_BYTES", 1000)
    apart = list(iter_clips(path, SECOND))
    assert len(opened) == 3  # the sound went on from a second container
    for one, two in zip(together, apart, strict=True):
        torch.testing.assert_close(one.frames, two.frames, rtol=0, atol=0)
        torch.testing.assert_close(one.samples, two.samples, rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"num_frames": -1},
        {"stride": 0},
        {"short_side": 0},
        {"decoder": "vlc"},
        {"missing": "guess"},
        {"video": False, "audio": False},
    ],
)
def test_wrong_specifications_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClipSpec(**wrong)
