from __future__ import annotations

from pathlib import Path

import pytest
import torch
from media_files import index_of, regular, tone, write_media

import avzoo.media.windows as windows
from avzoo.errors import AvzooError
from avzoo.media import ClipSpec, MediaError, iter_clips, read_clip, read_clips


@pytest.fixture(scope="module")
def long_clips(media_dir: Path) -> dict[str, Path]:
    """8 s each in containers that seek well or badly; 44.1 kHz meets 16 kHz only every 441 samples."""
    sound = tone(8, rate=44_100)
    codecs = {"mp4": ("libx264", "alac"), "mpg": ("mpeg1video", "mp2")}
    return {
        name: write_media(
            media_dir / f"long.{name}",
            regular(80, fps=10) if name != "mpg" else regular(80),
            sound,
            rate=44_100,
            gop=60,
            codecs=codecs.get(name, ("libx264", "aac")),
            container_format="mpeg" if name == "mpg" else None,
        )
        for name in ("mp4", "mkv", "ts", "mpg")
    }


@pytest.mark.parametrize("name", ["mp4", "mkv", "ts", "mpg"])
@pytest.mark.parametrize("start", [0.0, 0.4, 2.37, 5.0])
def test_one_clip_equals_the_clip_of_the_whole_file(long_clips: dict[str, Path], name: str, start: float) -> None:
    spec = ClipSpec(num_frames=8, stride=start or None)
    whole = list(iter_clips(long_clips[name], spec))[1 if start else 0]
    clip = read_clip(long_clips[name], start, spec)
    if (name, start) == ("mpg", 5.0):  # whose picture is shorter
        assert clip.frames is whole.frames is None
    else:
        torch.testing.assert_close(clip.frames, whole.frames, rtol=0, atol=0)
    assert (clip.start, clip.end) == (whole.start, whole.end)
    if name != "mkv":  # whose clock counts milliseconds
        torch.testing.assert_close(clip.samples, whole.samples, rtol=0, atol=0)
    else:
        assert (clip.samples - whole.samples).abs().max() < 0.5 * 2 * torch.pi * 440 * 0.001


def test_good_containers_are_sought_and_bad_ones_read_from_the_start(
    long_clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    real = windows.open_tracks
    monkeypatch.setattr(windows, "open_tracks", lambda *args, **kw: decoded.append(kw.get("seek")) or real(*args, **kw))
    for name, seeks in (("mp4", [5.0]), ("mkv", [5.0]), ("ts", [None]), ("mpg", [None])):
        decoded.clear()
        read_clip(long_clips[name], 5.0 if name != "mpg" else 2.0, ClipSpec(num_frames=8))
        assert decoded == seeks, name


def test_a_seek_that_lands_late_is_not_trusted(long_clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ClipSpec(num_frames=8)
    right = read_clip(long_clips["mp4"], 4.0, spec)
    real = windows.open_tracks
    sought = []

    def land_late(media: object, grid: object, seek: float | None = None) -> object:
        sought.append(seek)
        return real(media, grid, seek=None if seek is None else seek + 3.5)

    monkeypatch.setattr(windows, "open_tracks", land_late)
    clip = read_clip(long_clips["mp4"], 4.0, spec)
    assert sought == [4.0, None]
    torch.testing.assert_close(clip.frames, right.frames, rtol=0, atol=0)
    assert index_of(clip.frames) == index_of(right.frames)


def test_times_outside_the_file_are_refused(clip_mp4: Path) -> None:
    with pytest.raises(MediaError) as caught:
        read_clip(clip_mp4, 100.0, ClipSpec())
    assert caught.value.reason == "past_end"
    for start in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="cannot start"):
            read_clip(clip_mp4, start, ClipSpec())


def test_a_clip_over_the_end_is_partial(clip_mp4: Path) -> None:
    clip = read_clip(clip_mp4, 1.6, ClipSpec(num_frames=8))
    assert clip.end == pytest.approx(2.0, abs=0.05)
    assert index_of(clip.frames) == [40, 43, 46, 49, 40, 43, 46, 49]


@pytest.mark.parametrize("name", ["mp4", "ts"])
@pytest.mark.parametrize("starts", [[0.0, 0.4, 0.4, 2.37], [2.37, 2.9, 6.0]])
def test_several_clips_of_one_pass_equal_those_of_several(
    long_clips: dict[str, Path], name: str, starts: list[float]
) -> None:
    spec = ClipSpec(num_frames=8)
    for clip, start in zip(read_clips(long_clips[name], starts, spec), starts, strict=True):
        alone = read_clip(long_clips[name], start, spec)
        assert (clip.start, clip.end) == (alone.start, alone.end)
        torch.testing.assert_close(clip.frames, alone.frames, rtol=0, atol=0)
        torch.testing.assert_close(clip.samples, alone.samples, rtol=0, atol=0)


def test_several_clips_need_ascending_starts_within_the_file(long_clips: dict[str, Path]) -> None:
    spec = ClipSpec(num_frames=8)
    for starts in ([], [1.0, 0.5], [-1.0]):
        with pytest.raises(AvzooError, match="ascending"):
            read_clips(long_clips["mp4"], starts, spec)
    for starts in ([0.0, 20.0], [3.0, 20.0]):
        with pytest.raises(MediaError, match="before 20"):
            read_clips(long_clips["mp4"], starts, spec)
