"""Windows: where they may start, and that what is read of a file is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import avzoo.data.reading as reading
from avzoo.data.clips import DataError
from avzoo.data.folder import FolderDataset
from avzoo.data.reading import cut, offered, read_whole, read_windows
from avzoo.data.sets import MediaItem, MediaSet
from avzoo.data.synthetic import SyntheticDataset, SyntheticSpec, write_set
from avzoo.data.windows import IndependentWindows, SharedWindow, Span, Streams, Window
from avzoo.media import ClipSpec, probe, write_clip

SPEC = ClipSpec(fps=8, num_frames=8, sample_rate=8000, short_side=16)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s at 8 frames per second: frame k has level 2 k; the sound is a ramp from -0.5 to 0.5."""
    path = tmp_path_factory.mktemp("windows") / "ten.mkv"
    frames = (2 * torch.arange(80)).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    write_clip(path, frames, 8, torch.linspace(-0.5, 0.5, 80_000), 8000)
    return path


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("silent") / "silent.mp4"
    write_clip(path, torch.zeros(16, 3, 16, 16, dtype=torch.uint8), 8)
    return path


def at(video: float, audio: float | None = None, seconds: float = 1.0) -> Window:
    return Window(Span(video, seconds), Span(video if audio is None else audio, seconds))


def first_frames(clips: list) -> list[int]:
    return [round(clip["frames"][0].float().mean().item() / 2) for clip in clips]


def starts_of_sound(clips: list) -> list[float]:
    return [(clip["samples"][:1000].mean().item() + 0.5) * 10 - 0.0625 for clip in clips]


def test_a_shared_window_lies_where_both_streams_are() -> None:
    streams = Streams(Span(1.0, 8.0), Span(0.0, 6.0))
    assert streams.shared == Span(1.0, 5.0)
    starts = [SharedWindow(2.0)(streams, np.random.default_rng(seed))[0].video.start for seed in range(200)]
    assert min(starts) >= 1 and max(starts) <= 4 and max(starts) - min(starts) > 2.7
    (window,) = SharedWindow(2.0)(streams, np.random.default_rng(0))
    assert window.video == window.audio and window.video.duration == 2
    assert SharedWindow(7.0)(streams, np.random.default_rng(0)) == (at(1.0, seconds=7.0),)
    assert SharedWindow(1.0)(Streams(None, Span(2.0, 1.0)), np.random.default_rng(0)) == (at(2.0),)


def test_independent_windows_are_drawn_one_by_one() -> None:
    streams = Streams(Span(0.0, 10.0), None)
    pairs = [IndependentWindows(2, 2.0)(streams, np.random.default_rng(seed)) for seed in range(100)]
    starts = np.array([[window.video.start for window in pair] for pair in pairs])
    assert starts.min() >= 0 and starts.max() <= 8 and abs(np.corrcoef(starts.T)[0, 1]) < 0.3


@pytest.mark.parametrize(
    "windows", [(at(2.0), at(2.5), at(2.5)), (at(7.25), at(0.5, 3.0)), (at(4.0, 4.5), at(1.0, 8.0))]
)
def test_windows_of_a_file_are_those_that_are_asked_for(file: Path, windows: tuple[Window, ...]) -> None:
    streams = offered(probe(file), SPEC)
    clips = read_windows(file, windows, streams, SPEC)
    assert first_frames(clips) == [round(8 * window.video.start) for window in windows]
    assert starts_of_sound(clips) == pytest.approx([window.audio.start for window in windows], abs=0.05)
    assert all(clip["frames"].shape == (8, 3, 16, 16) and clip["samples"].shape == (8000,) for clip in clips)
    single = [read_windows(file, [window], streams, SPEC)[0] for window in windows]
    assert all(torch.equal(one["frames"], other["frames"]) for one, other in zip(clips, single, strict=True))


def test_overlapping_windows_are_decoded_once_and_distant_ones_sought(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    real = reading.read_clips
    monkeypatch.setattr(
        reading, "read_clips", lambda path, starts, *rest: passes.append(starts) or real(path, starts, *rest)
    )
    streams = offered(probe(file), SPEC)
    read_windows(file, [at(3.0), at(2.5), at(8.0), at(3.0)], streams, SPEC)
    assert passes == [[2.5, 3.0], [8.0]]
    passes.clear()
    read_windows(file, [at(3.0, 3.5), at(2.0, 3.5)], streams, SPEC)
    assert passes == [[2.0, 3.0], [3.5]]


def test_lengths_may_differ_between_views_and_modalities(file: Path) -> None:
    windows = [Window(Span(1.0, 0.5), Span(1.0, 2.0)), Window(Span(1.0, 1.0), Span(1.0, 1.0))]
    clips = read_windows(file, windows, offered(probe(file), SPEC), SPEC)
    assert [(len(clip["frames"]), len(clip["samples"])) for clip in clips] == [(4, 16_000), (8, 8000)]


@pytest.mark.parametrize("start", [0.0, 2.5, 9.5])
def test_what_is_cut_from_the_whole_is_what_is_decoded(file: Path, start: float) -> None:
    streams = offered(probe(file), SPEC)
    (one,) = cut(read_whole(file, 10.0, SPEC), [at(start)], streams, SPEC)
    (other,) = read_windows(file, [at(start)], streams, SPEC)
    assert torch.equal(one["frames"], other["frames"])
    torch.testing.assert_close(one["samples"], other["samples"], atol=1e-3, rtol=0)


def test_a_cut_between_two_frames_starts_with_the_one_on_screen(file: Path) -> None:
    streams = offered(probe(file), SPEC)
    clips = cut(read_whole(file, 10.0, SPEC), [at(2.49), at(2.51)], streams, SPEC)
    assert first_frames(clips) == [19, 20]


def test_one_modality_alone(file: Path, silent: Path) -> None:
    picture, sound = ClipSpec(num_frames=8, audio=False), ClipSpec(num_frames=8, video=False)
    (clip,) = read_windows(file, [at(1.0)], offered(probe(file), picture), picture)
    assert clip["samples"] is None and clip["frames"] is not None
    (clip,) = read_windows(file, [at(1.0)], offered(probe(file), sound), sound)
    assert clip["frames"] is None and clip["samples"].shape == (16_000,)
    with pytest.raises(DataError, match="no sound"):
        offered(probe(silent), sound)
    assert FolderDataset([silent], picture).read(0, 0)[0]["samples"] is None


def test_zeros_stand_for_missing_sound_where_that_is_allowed(silent: Path) -> None:
    spec = ClipSpec(num_frames=8, missing="zeros")
    for window in (at(0.5), at(0.5, 1.0)):
        (clip,) = read_windows(silent, [window], offered(probe(silent), spec), spec)
        assert clip["samples"].shape == (16_000,) and not clip["samples"].any() and clip["frames"] is not None
    assert not FolderDataset([silent], spec).read(0, 0)[0]["samples"].any()


def test_draws_of_several_windows_are_cached(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"windows": IndependentWindows(2, 1.0), "windows_per_file": 2}
    plain, cached = (FolderDataset([file], SPEC, cache_bytes=size, **options) for size in (0, 2**20))
    for _ in range(2):
        for seed in range(4):
            pairs = zip(plain.read(0, seed), cached.read(0, seed), strict=True)
            assert all(torch.equal(one[name], other[name]) for one, other in pairs for name in ("frames", "samples"))
    monkeypatch.setattr(reading, "read_clips", None)
    assert len(cached.read(0, 0)) == 2


def test_whole_files_are_decoded_once_whatever_the_windows(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = MediaSet((MediaItem(file, (7,)),))
    dataset = FolderDataset(media, SPEC, cache_bytes=2**20, whole_files=True)
    uncached = FolderDataset([file], SPEC, whole_files=True)
    expected = [uncached.read(0, seed)[0] for seed in range(6)]
    dataset.read(0, 9)
    monkeypatch.setattr(reading, "read_clip", None)
    clips = [dataset.read(0, seed)[0] for seed in range(6)]
    assert len(set(first_frames(clips))) > 2
    assert all(torch.equal(one["frames"], other["frames"]) for one, other in zip(clips, expected, strict=True))
    assert clips[0]["label"] == 7 and clips[0]["index"] == 0


def test_an_item_may_be_a_part_of_its_file(file: Path) -> None:
    parts = MediaSet((MediaItem(file, (0,), 6.0, 8.0), MediaItem(file, (1,), None, 2.0), MediaItem(file, (2,), 9.5)))
    for options in ({}, {"whole_files": True}):
        dataset = FolderDataset(parts, SPEC, min_duration=1.1, **options)
        first, second = ([first_frames(dataset.read(index, seed))[0] for seed in range(12)] for index in (0, 1))
        assert min(first) >= 48 and max(first) <= 56 and len(set(first)) > 3 and max(second) <= 8
        (replaced,) = dataset.read(2, 0)  # too short: another part, with its label, stands in
        assert replaced["index"] in (0, 1) and replaced["label"] == replaced["index"]


def test_synthetic_clips_have_windows_and_labels(tmp_path: Path) -> None:
    write_set(tmp_path, 2, SyntheticSpec(size=32, duration=2, fps=8), seed=1)
    dataset = SyntheticDataset(tmp_path, clip_spec=SPEC, windows=IndependentWindows(2, 1.0))
    whole = SyntheticDataset(tmp_path, clip_spec=ClipSpec(fps=8, num_frames=16, sample_rate=8000, short_side=16))
    clips, (all_of_it,) = dataset.read(1, 3), whole.read(1, 3)
    assert [(clip["label"], clip["audio_label"], clip["index"]) for clip in clips] == [(1, 1, 1)] * 2
    for clip in clips:
        starts = [k for k in range(9) if torch.equal(all_of_it["frames"][k : k + 8], clip["frames"])]
        assert len(starts) == 1 and clip["samples"].shape == (8000,)
    assert not torch.equal(clips[0]["frames"], clips[1]["frames"])
