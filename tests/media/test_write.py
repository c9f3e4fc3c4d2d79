from __future__ import annotations

from pathlib import Path

import pytest
import torch

from avzoo.media import ClipSpec, iter_clips, probe, write_clip


def clip(seconds: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.zeros(round(8 * seconds), 3, 48, 64, dtype=torch.uint8)
    for index in range(len(frames)):
        frames[index, :, 8:40, 4 * (index % 8) : 4 * (index % 8) + 24] = 200
    time = torch.arange(round(16_000 * seconds)) / 16_000
    return frames, 0.5 * torch.sin(2 * torch.pi * 440 * time) * (time >= 0.25)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    frames, samples = clip()
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, frames, 8, samples)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    write_clip(tmp_path / "b.mp4", frames.flip(3), 8, samples)  # replaced, and different
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "b.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    frames, samples = clip(4.0)
    write_clip(tmp_path / "a.mp4", frames, 8, samples)
    (read,) = iter_clips(tmp_path / "a.mp4", ClipSpec())
    assert (read.start, read.end) == (0.0, 4.0)
    assert (read.frames.float() - frames.float()).abs().mean() < 2
    assert (read.samples - samples).abs().max() < 0.02


def test_one_modality_alone(tmp_path: Path) -> None:
    frames, samples = clip()
    write_clip(tmp_path / "v.mp4", frames, 30000 / 1001)
    write_clip(tmp_path / "a.mp4", None, 8, samples)
    video, audio = probe(tmp_path / "v.mp4"), probe(tmp_path / "a.mp4")
    assert video.audio is None
    assert video.video.fps == pytest.approx(29.97, abs=1e-3)
    assert audio.video is None
    assert audio.audio.sample_rate == 16_000


@pytest.mark.parametrize(
    ("frames", "samples"),
    [
        (None, None),
        (torch.zeros(4, 3, 47, 64, dtype=torch.uint8), None),
        (torch.zeros(4, 3, 48, 64), None),
        (torch.zeros(0, 3, 48, 64, dtype=torch.uint8), None),
        (None, torch.zeros(2, 16_000)),
        (None, torch.zeros(16_000, dtype=torch.int16)),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, frames: torch.Tensor | None, samples: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"give frames|must be|needs even"):
        write_clip(tmp_path / "a.mp4", frames, 8, samples)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    frames, samples = clip()
    with pytest.raises(ValueError, match="Invalid argument"):
        write_clip(tmp_path / "a.mp4", frames, 8, samples, sample_rate=12_345)
    assert not list(tmp_path.iterdir())
