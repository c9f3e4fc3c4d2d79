from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import av
import pytest
from media_files import tone, write_media, write_playlist

from avzoo.media import ClipSpec, MediaError, iter_clips, probe, read_clip
from avzoo.media.gate import admit

ODD_NAMES = ["a b.mp4", "-dash.mp4", "ü✓中.mp4", 'it\'s "q".mp4', "http:x.mp4", "%03d.mp4", "no extension", "a\nb.mp4"]


def refusal(path: object, decoder: str = "pyav") -> str:
    """The reason for which every way in refuses a file; they must agree."""
    spec = ClipSpec(decoder=decoder)
    reasons = set()
    for read in (probe, lambda p: list(iter_clips(p, spec)), lambda p: read_clip(p, 0.0, spec)):
        with pytest.raises(MediaError) as caught:
            read(path)
        reasons.add(caught.value.reason)
    assert len(reasons) == 1
    return reasons.pop()


def test_known_containers_are_recognised_by_their_bytes(tmp_path: Path) -> None:
    sound = tone(0.2)
    written = {
        "mp4": write_media(tmp_path / "a", [0.0, 0.04], container_format="mp4"),
        "matroska": write_media(tmp_path / "b", [0.0, 0.04], container_format="matroska"),
        "avi": write_media(tmp_path / "c", [0.0, 0.04], codecs=("mpeg4", ""), container_format="avi"),
        "mpegts": write_media(tmp_path / "d", [0.0, 0.04], container_format="mpegts"),
        "mpeg": write_media(tmp_path / "e", [0.0, 0.04], codecs=("mpeg1video", ""), container_format="mpeg"),
        "flv": write_media(tmp_path / "f", [0.0, 0.04], container_format="flv"),
        "asf": write_media(tmp_path / "g", [0.0, 0.04], codecs=("mpeg4", ""), container_format="asf"),
        "wav": write_media(tmp_path / "h", None, sound, codecs=("", "pcm_s16le"), container_format="wav"),
        "ogg": write_media(tmp_path / "i", None, sound, codecs=("", "libopus"), container_format="ogg"),
        "flac": write_media(tmp_path / "j", None, sound, codecs=("", "flac"), container_format="flac"),
        "mp3": write_media(tmp_path / "k", None, sound, codecs=("", "libmp3lame"), container_format="mp3"),
        "aac": write_media(tmp_path / "l", None, sound, container_format="adts"),
    }
    assert {name: probe(path).container for name, path in written.items()} == {name: name for name in written}


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
@pytest.mark.parametrize("kind", ["hls", "ffconcat", "dash", "tagged hls"])
def test_disguised_playlists_are_refused(tmp_path: Path, clip_mp4: Path, kind: str, decoder: str) -> None:
    playlist = write_playlist(tmp_path / "innocent.mp4", kind, clip_mp4)
    assert refusal(playlist, decoder) == ("bad_header" if kind == "tagged hls" else "playlist")


def test_a_playlist_demuxer_is_never_reached(tmp_path: Path, clip_mp4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the gate were fooled, the demuxers that open other files are closed."""
    playlist = write_playlist(tmp_path / "innocent.mp4", "ffconcat", clip_mp4)
    with av.open(str(playlist), options={"safe": "0"}) as container:
        assert container.streams.video  # the trap works on a careless reader
    monkeypatch.setattr("avzoo.media.header.admit", lambda path: admit(clip_mp4))
    with pytest.raises(MediaError) as caught:
        probe(playlist)
    assert caught.value.reason == "bad_header"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello\n", "not_media"),
        (b"\xff\xfe" + "#EXTM3U\n".encode("utf-16-le"), "not_media"),
        (b"\xff\xfb\xf0\x00", "not_media"),
        (b"\xff\xfb\x9c\x00", "not_media"),
        (b"\xff\xeb\x90\x00", "not_media"),
        (b"\xff\xfb", "not_media"),
        (bytes(4096), "not_media"),
        (b"\0\0\0\x20ftypisom", "bad_header"),
    ],
    ids=[
        "zero bytes",
        "text",
        "text in UTF-16",
        "mp3 of no bit rate",
        "mp3 of no sampling rate",
        "mp3 of no version",
        "mp3 of two bytes",
        "null bytes",
        "signature alone",
    ],
)
def test_files_that_are_no_media(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert refusal(path) == reason


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("pipe.mp4", "broken.mp4", "folder.mp4", "missing.mp4", "nul\0.mp4"):
        assert refusal(tmp_path / name) == "not_a_file", name
    assert refusal("/dev/zero") == "not_a_file"
    assert refusal("https://example.org/clip.mp4") == "not_a_file"


def test_a_link_to_a_file_is_followed(tmp_path: Path, clip_mp4: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(clip_mp4)
    assert probe(link).video == probe(clip_mp4).video


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_work(
    tmp_path: Path, silent_mp4: Path, name: str, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(silent_mp4, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (name, Path(name), tmp_path / name):
        assert len(list(iter_clips(path, ClipSpec(num_frames=8, decoder=decoder)))) == 2


def test_a_name_that_is_no_text_works(tmp_path: Path, silent_mp4: Path) -> None:
    name = os.fsdecode(b"latin\xe9.mp4")
    shutil.copy(silent_mp4, tmp_path / name)
    assert probe(tmp_path / name).video is not None


def test_errors_name_the_file_in_one_line_and_travel_between_processes(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        probe(tmp_path / "a\nb.mp4")
    error = caught.value
    assert str(error).count("\n") == 0
    assert "b.mp4" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.reason, copy.path, copy.detail) == (error.reason, error.path, error.detail)
