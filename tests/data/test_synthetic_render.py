from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avzoo.data.synthetic import CLASS_NAMES, SyntheticError, SyntheticSpec, class_of, render
from avzoo.data.synthetic.picture import contact_sheet
from avzoo.data.synthetic.recordings import recording_files
from avzoo.data.synthetic.scene import draw_scene
from avzoo.media.write import write_clip

IMPACT, ROTATION, SWEEP, PULSE = (range(16)[4 * event : 4 * event + 4] for event in range(4))

# The cause alone: a white object before a black background, a clean tone.
CLEAR = SyntheticSpec(
    saturation=(0, 0),
    value=(1, 1),
    background_value=(0, 0),
    gradient=(0, 0),
    texture=(0, 0),
    drift=(0, 0),
    place=(0, 0),
    picture_noise=(0, 0),
    noise=(-80, -80),
    gain=(-12, -12),
)


def loudness(samples: torch.Tensor, fps: int = 16) -> np.ndarray:
    """RMS around the time of every frame."""
    per_frame = 16_000 // fps
    padded = np.pad(samples.numpy(), per_frame // 2)
    return np.sqrt((padded[: per_frame * (len(samples) // per_frame)].reshape(-1, per_frame) ** 2).mean(axis=1))


def centre(frames: torch.Tensor, brighter_than: int = 40) -> np.ndarray:
    """Vertical centre of the object in every frame, from -1 (top) to 1 (bottom)."""
    mask = (frames.amax(dim=1) > brighter_than).double()
    rows = torch.linspace(-1, 1, mask.shape[1], dtype=torch.float64)
    return ((mask.sum(dim=2) @ rows) / mask.sum(dim=(1, 2))).numpy()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_a_clip_is_a_pure_function_of_spec_seed_and_index() -> None:
    first, again, other = (render(SyntheticSpec(), seed, 21) for seed in (5, 5, 6))
    assert torch.equal(first.frames, again.frames) and torch.equal(first.samples, again.samples)
    assert not torch.equal(first.frames, other.frames) and not torch.equal(first.samples, other.samples)
    assert first.frames.shape == (64, 3, 64, 64) and first.frames.dtype == torch.uint8
    assert first.samples.shape == (64_000,) and first.samples.dtype == torch.float32
    assert first.samples.abs().max() <= 1


def test_sixteen_in_a_row_hold_every_class() -> None:
    labels = [draw_scene(SyntheticSpec(), 0, index).seen.label for index in range(32)]
    assert labels == 2 * list(range(16))
    assert CLASS_NAMES[6] == "rotation_triangle" and class_of(6) == ("rotation", "bright", "triangle")


def test_splits_share_no_instance() -> None:
    spec = SyntheticSpec()
    beats = {draw_scene(spec, 0, i, split).seen.beats[0] for split in ("train", "validation", "test") for i in range(8)}
    assert len(beats) == 24


@pytest.mark.parametrize("label", IMPACT)
def test_impacts_are_seen_and_heard_at_the_same_time(label: int) -> None:
    clip = render(CLEAR, 0, label)
    beats = clip.scene.seen.beats
    beats = beats[(beats > 0.2) & (beats < 3.8)]
    assert len(beats) >= 2
    height, sound = -centre(clip.frames), clip.samples.numpy()
    for beat in beats:
        frame = round(beat * 16)
        assert height[frame - 1 : frame + 2].min() == height[max(frame - 3, 0) : frame + 4].min()
        before, after = round(beat * 16_000) + np.array([[-800], [160]]) + np.arange(800)
        assert np.abs(sound[after]).mean() > 2 * np.abs(sound[before]).mean()


@pytest.mark.parametrize("label", ROTATION)
def test_the_lit_half_on_top_is_loudest(label: int) -> None:
    clip = render(CLEAR, 0, label)
    light = centre(clip.frames, 150) - centre(clip.frames)
    assert correlation(-light, loudness(clip.samples)) > 0.9


@pytest.mark.parametrize("label", SWEEP)
def test_height_is_pitch(label: int) -> None:
    clip = render(CLEAR, 0, label)
    windows = clip.samples.unfold(0, 4000, 1000) * torch.hann_window(4000)
    spectra = torch.fft.rfft(windows, n=16_384).abs()
    # The lowest strong partial is the fundamental.
    strong = spectra > 0.4 * spectra.amax(dim=1, keepdim=True)
    pitch = np.log2(strong.double().argmax(dim=1).numpy())
    times = np.arange(len(pitch)) * 1000 / 16_000 + 0.125
    height = np.interp(times, np.arange(64) / 16, -centre(clip.frames))
    assert correlation(pitch, height) > 0.95


@pytest.mark.parametrize("label", PULSE)
def test_size_is_loudness(label: int) -> None:
    clip = render(CLEAR, 0, label)
    area = (clip.frames.amax(dim=1) > 40).double().sum(dim=(1, 2)).sqrt().numpy()
    assert correlation(area, loudness(clip.samples)) > 0.9


def test_large_bodies_sound_low() -> None:
    small, large = (render(CLEAR.shifted(body=(body, body)), 0, 4) for body in (0.0, 1.0))
    assert (large.frames > 40).sum() > 1.5 * (small.frames > 40).sum()
    low, high = (torch.fft.rfft(clip.samples).abs().argmax() for clip in (large, small))
    assert high / low == pytest.approx(2**1.2, rel=0.01)


def test_a_changed_range_moves_nothing_else() -> None:
    spec = SyntheticSpec()
    plain = render(spec, 0, 9)
    for change in ({"hue": (0.1, 0.2)}, {"texture": (0.5, 0.5)}, {"scale": (0.5, 0.5)}, {"picture_noise": (0, 0)}):
        clip = render(spec.shifted(**change), 0, 9)
        assert torch.equal(clip.samples, plain.samples) and not torch.equal(clip.frames, plain.frames)
    for change in ({"gain": (-30, -30)}, {"pitch": (100, 120)}, {"noise": (-5, -5)}, {"time_offset": (1, 1)}):
        clip = render(spec.shifted(**change), 0, 9)
        assert torch.equal(clip.frames, plain.frames) and not torch.equal(clip.samples, plain.samples)
    scene, slower = (draw_scene(s, 0, 9) for s in (spec, spec.shifted(tempo=(0.5, 0.5))))
    assert scene.picture == slower.picture and scene.sound == slower.sound and scene.seen.body == slower.seen.body


def test_time_offset_delays_the_sound() -> None:
    spec = CLEAR.shifted(tempo=(1, 1))
    on_time, late = (render(spec.shifted(time_offset=(lag, lag)), 0, 12) for lag in (0.0, 0.5))
    assert late.scene.time_offset == 0.5
    assert correlation(loudness(late.samples)[9:], loudness(on_time.samples)[1:-8]) > 0.95
    assert correlation(loudness(late.samples)[1:], loudness(on_time.samples)[1:]) < 0


def test_mismatch_gives_the_sound_of_another_class() -> None:
    spec = SyntheticSpec()
    scenes = [draw_scene(spec.shifted(mismatch=0.3), 0, index) for index in range(400)]
    assert 0.22 < np.mean([scene.mismatched for scene in scenes]) < 0.38
    assert all(scene.mismatched for scene in (draw_scene(spec.shifted(mismatch=1), 0, i) for i in range(200)))
    assert {(draw_scene(spec.shifted(mismatch=1), 0, 16 * i).heard.label) for i in range(200)} == set(range(1, 16))
    matched, mismatched = render(spec, 0, 3), render(spec.shifted(mismatch=1), 0, 3)
    assert torch.equal(matched.frames, mismatched.frames) and not torch.equal(matched.samples, mismatched.samples)
    assert mismatched.label == 3 != mismatched.audio_label


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hue": (0.5, 0.1)}, "lowest, highest"),
        ({"size": 63}, "multiple of 2"),
        ({"colour": (0, 1)}, "Extra inputs"),
        ({"tempo": (0, 1)}, "tempo must lie"),
        ({"irregularity": (0, 1)}, "irregularity must lie in"),
        ({"value": (0, 1.5)}, "value must lie in"),
        ({"pitch": (0, 100)}, "pitch must be above 0"),
        ({"ring": (0, 1)}, "must be above 0"),
        ({"texture": (-1, 0)}, "texture cannot be negative"),
        ({"time_offset": (-3, 0)}, "time_offset must lie within 2 s"),
        ({"mismatch": 1.5}, "less than or equal to 1"),
        ({"recording_classes": ("a", "b", "c", "d")}, "needs recordings"),
    ],
)
def test_impossible_specs_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SyntheticSpec().shifted(**change)


def test_impossible_clips_are_refused() -> None:
    with pytest.raises(SyntheticError, match="split must be one of train, validation, test"):
        draw_scene(SyntheticSpec(), 0, 0, "training")
    with pytest.raises(SyntheticError, match="cannot be negative"):
        draw_scene(SyntheticSpec(), 0, -1)
    with pytest.raises(SyntheticError, match="labels are 0"):
        class_of(16)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of five one-second tones after a silence: class ``k`` at ``300 * 2**k`` Hz."""
    folder = tmp_path_factory.mktemp("recordings")
    times = torch.arange(16_000) / 16_000
    for k, name in enumerate(("birds", "cats", "dogs", "eagles")):
        (folder / name).mkdir()
        for take in range(5):
            tone = 0.3 * torch.sin(2 * torch.pi * 300 * 2**k * times)
            write_clip(folder / name / f"{take}.mp4", None, 1, torch.cat([torch.zeros(8_000), tone]), 16_000)
    return folder


def test_recordings_replace_the_timbre_and_keep_the_event(recordings: Path) -> None:
    spec = CLEAR.shifted(recordings=recordings, body=(0.5, 0.5), pitch=(300, 300))
    for label in range(4):
        clip = render(spec, 0, 4 + label)
        peak = torch.fft.rfft(clip.samples).abs().argmax() / 4
        assert peak == pytest.approx(300 * 2**label, rel=0.02)
        light = centre(clip.frames, 150) - centre(clip.frames)
        assert correlation(-light, loudness(clip.samples)) > 0.8
    swapped = spec.shifted(recording_classes=("eagles", "dogs", "cats", "birds"))
    peak = torch.fft.rfft(render(swapped, 0, 4).samples).abs().argmax() / 4
    assert peak == pytest.approx(2400, rel=0.02)


def test_real_recordings_are_heard_at_the_level_of_the_spec(real_media: Path) -> None:
    spec = CLEAR.shifted(recordings=real_media / "esc10")
    level = [float(render(spec, 0, label).samples.square().mean().sqrt()) for label in range(4, 16)]
    assert min(level) > 0.02 and max(level) < 0.6


def test_no_recording_serves_two_splits(recordings: Path) -> None:
    chosen = [recording_files(recordings, None, split)[0] for split in ("train", "validation", "test")]
    assert [len(files) for files in chosen] == [3, 1, 1]
    assert len({file for files in chosen for file in files}) == 5


def test_unusable_recordings_are_named(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(SyntheticError, match="no folder of recordings"):
        recording_files(tmp_path / "none", None, "train")
    with pytest.raises(SyntheticError, match="has 0 subfolders"):
        recording_files(tmp_path, None, "train")
    with pytest.raises(SyntheticError, match=r"no folder of recordings at .*foxes"):
        recording_files(recordings, ("birds", "cats", "dogs", "foxes"), "train")
    for name in "abcd":
        (tmp_path / name).mkdir()
        for take in range(5):
            (tmp_path / name / f"{take}.wav").write_text("no sound")
    with pytest.raises(SyntheticError, match=r"the recording .*wav cannot be used"):
        render(SyntheticSpec(recordings=tmp_path), 0, 0)
    (tmp_path / "a" / "0.wav").unlink()
    with pytest.raises(SyntheticError, match="has 4 files; at least 5"):
        recording_files(tmp_path, None, "train")


def test_the_picture_shows_every_class() -> None:
    sheet = np.asarray(contact_sheet(SyntheticSpec(size=16, duration=1)))
    height, width = (sheet.shape[0] - 10) // 4, (sheet.shape[1] - 10) // 4
    cells = {sheet[10 + row * height :, 10 + column * width :][: height - 10, : width - 10].tobytes()
             for row in range(4) for column in range(4)}  # fmt: skip
    assert len(cells) == 16
