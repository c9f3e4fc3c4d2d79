from __future__ import annotations

import types
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from media_files import index_of, regular, tone, write_media

import avzoo.media.header as header
import avzoo.media.video as video
from avzoo.media import Clip, ClipSpec, Limits, MediaError, iter_clips, probe, read_clip, write_clip

SECOND = ClipSpec(num_frames=8)


def read_all(path: Path, spec: ClipSpec = SECOND, limits: Limits | None = None) -> tuple[list[Clip], str | None]:
    """The clips a file gives before it fails, and why it fails."""
    clips = []
    try:
        clips.extend(iter_clips(path, spec, limits))  # extend keeps what came before the error
    except MediaError as error:
        return clips, error.reason
    return clips, None


@pytest.fixture(scope="module")
def long_files(media_dir: Path) -> dict[str, Path]:
    """4 s, 40 frames at 10 per second."""
    sound = tone(4)
    return {
        name: write_media(media_dir / f"whole.{name}", regular(40, fps=10), sound, gop=10)
        for name in ("mp4", "mkv", "ts")
    }


def damage(path: Path, target: Path, begin: float, end: float) -> Path:
    """Copies a file with the bytes of a share of it overwritten."""
    content = bytearray(path.read_bytes())
    first, last = int(begin * len(content)), int(end * len(content))
    content[first:last] = b"\xff\x00\xa5" * ((last - first) // 3) + b"\xff" * ((last - first) % 3)
    target.write_bytes(content)
    return target


@pytest.mark.parametrize("name", ["mp4", "mkv", "ts"])
def test_clips_before_a_damaged_middle_are_kept(long_files: dict[str, Path], tmp_path: Path, name: str) -> None:
    whole, failure = read_all(long_files[name])
    assert (len(whole), failure) == (4, None)
    clips, failure = read_all(damage(long_files[name], tmp_path / "bad", 0.55, 0.7))
    assert failure in ("decode_failed", "truncated")
    assert 1 <= len(clips) < 4
    assert clips[0].end == 1.0
    assert (clips[0].frames == whole[0].frames).all()
    assert (clips[0].samples == whole[0].samples).all()
    assert clips[-1].end <= 4.0


@pytest.mark.parametrize("name", ["mkv", "ts"])
def test_clips_before_a_truncated_end_are_kept(long_files: dict[str, Path], tmp_path: Path, name: str) -> None:
    content = long_files[name].read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(0.55 * len(content))])
    whole, _ = read_all(long_files[name])
    clips, failure = read_all(tmp_path / "cut")
    assert failure in ("truncated", "decode_failed") or name == "ts"  # whose header does not say how long it is
    assert (clips[0].frames == whole[0].frames).all()
    assert 1.0 < clips[-1].end < 3.5


def test_an_mp4_without_its_index_is_refused(long_files: dict[str, Path], tmp_path: Path) -> None:
    content = long_files["mp4"].read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(0.55 * len(content))])
    assert read_all(tmp_path / "cut.mp4") == ([], "bad_header")


def test_a_header_alone_is_no_success(tmp_path: Path) -> None:
    write_clip(tmp_path / "whole.mp4", torch.zeros(2, 3, 32, 32, dtype=torch.uint8), 8, torch.zeros(4000))
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: content.index(b"mdat") + 4])
    for spec in (SECOND, ClipSpec(num_frames=8, video=False)):
        assert read_all(tmp_path / "whole.mp4", spec)[1] is None
        assert read_all(tmp_path / "cut.mp4", spec) == ([], "truncated")


def test_a_clip_that_meets_the_damage_is_not_read_alone(long_files: dict[str, Path], tmp_path: Path) -> None:
    bad = damage(long_files["mp4"], tmp_path / "bad.mp4", 0.55, 0.7)
    good, _ = read_all(bad)
    assert (read_clip(bad, 0.0, SECOND).frames == good[0].frames).all()
    with pytest.raises(MediaError) as caught:
        read_clip(bad, good[-1].start, SECOND)
    assert caught.value.reason == "decode_failed"


@pytest.mark.parametrize(
    ("limits", "reason", "clips"),
    [
        (Limits(max_pixels=48 * 64 - 1), "too_large", 0),
        (Limits(max_aspect=1.3), "too_large", 0),
        (Limits(max_duration=1.0), "too_long", 0),
        (Limits(max_frames=30), "too_large", 1),
    ],
)
def test_limits_hold(clip_mp4: Path, limits: Limits, reason: str, clips: int) -> None:
    assert len(read_all(clip_mp4)[0]) == 2
    got, failure = read_all(clip_mp4, limits=limits)
    assert (len(got), failure) == (clips, reason)


def test_limits_hold_where_the_header_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decoded is checked too: frames and times, not only what the header promises."""
    path = write_media(tmp_path / "a.mp4", regular(50), tone(2))
    monkeypatch.setattr(header, "_check_header", lambda media: None)
    for limits, reason in ((Limits(max_duration=1.5), "too_long"), (Limits(max_pixels=1000), "decode_failed")):
        assert read_all(path, limits=limits)[1] == reason
    assert read_all(path, ClipSpec(num_frames=8, video=False), Limits(max_duration=1.5))[1] == "too_long"


def test_a_thin_strip_is_refused_before_it_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_media(tmp_path / "a.mp4", regular(4), size=(16, 640))
    assert read_all(path)[1] == "too_large"
    monkeypatch.setattr(header, "_check_header", lambda media: None)
    monkeypatch.setattr(video.PyAVVideo, "_convert", lambda *_: pytest.fail("converted"))
    assert read_all(path)[1] == "too_large"


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_frames"):
        Limits(max_frames=0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A clock that moves only when told to, by ``step`` each time it is read."""
    clock = types.SimpleNamespace(now=0.0, step=0.0)

    def monotonic() -> float:
        clock.now += clock.step
        return clock.now

    monkeypatch.setattr(header, "time", types.SimpleNamespace(monotonic=monotonic))
    return clock


def test_decoding_a_clip_has_a_time_limit(clip_mp4: Path, clock: types.SimpleNamespace) -> None:
    clock.step = 1.0
    clips, failure = read_all(clip_mp4, limits=Limits(clip_timeout=10.0))
    assert (clips, failure) == ([], "timeout")
    clock.step = 0.01
    clips, failure = read_all(clip_mp4, limits=Limits(clip_timeout=10.0))
    assert (len(clips), failure) == (2, None)


def test_the_time_of_the_consumer_does_not_count(clip_mp4: Path, clock: types.SimpleNamespace) -> None:
    starts = []
    for clip in iter_clips(clip_mp4, SECOND, Limits(clip_timeout=10.0)):
        clock.now += 1000.0
        starts.append(clip.start)
    assert starts == [0.0, 1.0]


def test_times_that_run_backwards_end_a_file(tmp_path: Path) -> None:
    """Two transport streams in one file: the second starts its clock anew."""
    one = write_media(tmp_path / "a.ts", regular(50), clock_at=10.0)
    two = write_media(tmp_path / "b.ts", regular(50))
    (tmp_path / "both.ts").write_bytes(one.read_bytes() + two.read_bytes())
    clips, failure = read_all(tmp_path / "both.ts")
    assert failure == "decode_failed"
    assert index_of(clips[0].frames)[0] == 0


def test_cover_pictures_are_no_video(real_media: Path) -> None:
    info = probe(real_media / "robustness_media" / "coverart.mp3")
    assert info.video is None
    assert info.audio is not None


def test_a_stream_that_appears_late_does_not_spoil_the_end(silent_mp4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV then stumbles over its own list of streams after the last packet."""
    real = header.open_container

    class Stumbling:
        def __init__(self, container: object) -> None:
            self.container = container

        def __getattr__(self, name: str) -> object:
            return getattr(self.container, name)

        def demux(self, streams: object) -> object:
            yield from self.container.demux(streams)
            raise IndexError("list index out of range")

    @contextmanager
    def stumbling(*args: object) -> object:
        with real(*args) as container:
            yield Stumbling(container)

    monkeypatch.setattr(header, "open_container", stumbling)
    clips, failure = read_all(silent_mp4)
    assert (len(clips), failure) == (2, None)
