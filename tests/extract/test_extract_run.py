"""Extraction: every file accounted for, the same bytes by whichever way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from avzoo.errors import AvzooError
from avzoo.extract import Encoder, ExtractError, FeatureTable, Progress, extract
from avzoo.extract.discover import InputError
from avzoo.extract.workers import DecodeWorker
from avzoo.media import Clip, ClipSpec, MediaError, write_clip

NAMES = ["plain.mp4", "two words.mp4", "ünïcödé 日本.mp4", 'it\'s "quoted".mp4', "-dash.mp4", "sub/new\nline.mp4"]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., Path]) -> Path:
    """Good files of one to four windows under odd names, and bad ones between them."""
    folder = tmp_path_factory.mktemp("media")
    for seed, name in enumerate(NAMES):
        make_clip(folder / name, seed, seconds=[3.0, 5.0, 9.0, 13.0][seed % 4])
    make_clip(folder / "no sound.mp4", 20, audio=False)
    make_clip(folder / "no picture.m4a", 21, video=False)
    (folder / "empty.mp4").touch()
    (folder / "playlist.mp4").write_text("#EXTM3U\nplain.mp4\n")
    (folder / "notes.txt").write_text("not media")
    (folder / "broken.mp4").symlink_to("nothing")
    (folder / "cut.mp4").write_bytes((folder / "plain.mp4").read_bytes()[:900])
    (folder / "folder.mp4").mkdir()
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def table(media: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("table")
    report = extract(media, encoder, out, batch_size=2)
    assert (report.ok, report.skipped, report.failed, report.kept) == (8, 1, 4, 0)
    assert report.exit_code == 1
    return out


def test_every_file_is_accounted_for(media: Path, table: Path) -> None:
    rows = {os.path.relpath(row.path, media): row for row in FeatureTable(table).manifest}
    verdicts = {name: (row.status, row.reason, row.windows) for name, row in rows.items()}
    windows = [1, 2, 3, 4, 1, 2]
    assert verdicts == {
        **{name: ("ok", None, count) for name, count in zip(NAMES, windows, strict=True)},
        "no sound.mp4": ("ok", "no_audio", 2),
        "no picture.m4a": ("ok", "no_video", 2),
        "empty.mp4": ("failed", "empty", 0),
        "playlist.mp4": ("failed", "playlist", 0),
        "notes.txt": ("skipped", "not_media", 0),
        "broken.mp4": ("failed", "not_a_file", 0),
        "cut.mp4": ("failed", "bad_header", 0),
    }
    assert list(rows) == sorted(rows, key=os.fsencode)
    assert rows["plain.mp4"].duration == pytest.approx(3.0, abs=0.1)
    assert rows["no sound.mp4"].audio_duration is None
    assert rows["broken.mp4"].sha256 is None and rows["empty.mp4"].bytes == 0


def test_rows_hold_what_encoding_the_file_gives(media: Path, table: Path, encoder: Encoder) -> None:
    video = FeatureTable(table).read("video")
    assert list(dict.fromkeys(video.path)) == sorted(
        (str(media / name) for name in [*NAMES, "no sound.mp4"]), key=os.fsencode
    )
    for name in NAMES:
        rows = video.path == str(media / name)
        direct = encoder.encode(media / name)
        np.testing.assert_allclose(video.embedding[rows], direct.video, atol=1e-5)
        np.testing.assert_array_equal(video.start[rows], direct.times[:, 0])
        np.testing.assert_array_equal(video.end[rows], direct.times[:, 1])
    assert len(FeatureTable(table).read("audio").path) == 13 + 2
    assert FeatureTable(table).read("joint").embedding.shape == (13, 128)


def test_the_number_of_workers_moves_no_byte(media: Path, table: Path, encoder: Encoder, tmp_path: Path) -> None:
    extract(media, encoder, tmp_path / "out", batch_size=2, workers=1)
    assert _content(tmp_path / "out") == _content(table)


def test_a_broken_file_moves_no_number_of_the_others(
    media: Path, table: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avzoo.extract.run._MIN_GROUPS", 1)
    folder = Path(shutil.copytree(media, tmp_path / "media", symlinks=True))
    extract(folder, encoder, tmp_path / "with", batch_size=2)
    (folder / "cut.mp4").unlink()
    (folder / "empty.mp4").unlink()
    extract(folder, encoder, tmp_path / "without", batch_size=2)
    with_, without = (FeatureTable(tmp_path / name).read("joint") for name in ("with", "without"))
    np.testing.assert_array_equal(with_.embedding, without.embedding)


def test_batches_reach_across_files(
    media: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avzoo.extract.run._MIN_GROUPS", 1)
    sizes: list[int] = []
    embed = encoder.embed_clips
    monkeypatch.setattr(encoder, "embed_clips", lambda clips: sizes.append(len(clips)) or embed(clips))
    report = extract(media, encoder, tmp_path / "out", batch_size=4)
    assert report.windows == sum(sizes) == 17
    assert sizes == [4, 4, 4, 4, 1]


def test_finished_work_is_kept_and_changes_are_taken_in(
    media: Path, encoder: Encoder, tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    folder = Path(shutil.copytree(media, tmp_path / "media", symlinks=True))
    out = tmp_path / "out"
    extract(folder, encoder, out)
    before = _content(out)
    assert extract(folder, encoder, out).kept == 13
    assert _content(out) == before

    (out / "features" / "part-00003.parquet").unlink()
    (out / "features" / ".part-00007.parquet.123.tmp").write_bytes(b"half")
    assert extract(folder, encoder, out).kept == 12
    assert _content(out) == before

    make_clip(folder / "\u65e5.mp4", 30)
    make_clip(folder / "plain.mp4", 31, seconds=6.0)
    os.utime(folder / "plain.mp4", ns=(1, 1))
    assert extract(folder, encoder, out).kept == 12
    extract(folder, encoder, tmp_path / "fresh")
    assert _content(out) == _content(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stride": 2.0}, "stride 4.0, now 2.0"),
        ({"missing": "zeros"}, "missing 'skip', now 'zeros'"),
        ({"batch_size": 3}, "batch_size 2, now 3"),
    ],
)
def test_other_settings_do_not_mix(
    media: Path, table: Path, encoder: Encoder, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ExtractError, match=f"was made with other settings .{sentence}.: give another --out"):
        extract(media, encoder, table, **{"batch_size": 2, **changes})  # type: ignore[arg-type]


def test_other_models_and_inputs_do_not_mix(media: Path, table: Path, nano_checkpoint: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(nano_checkpoint, tmp_path / "copy"))
    with pytest.raises(ExtractError, match=r"other settings \(model .* now "):
        extract(media, copy, table, batch_size=2, device="cpu")
    with pytest.raises(ExtractError, match=r"holds the features of .*media"):
        extract(media / "plain.mp4", nano_checkpoint, table, batch_size=2, device="cpu")


def test_foreign_folders_are_left_alone(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.txt").write_text("mine")
    with pytest.raises(ExtractError, match="holds files that are no feature table"):
        extract(media, encoder, tmp_path)
    with pytest.raises(ExtractError, match="is not a folder"):
        extract(media, encoder, media / "plain.mp4")
    assert (tmp_path / "features" / "mine.txt").read_text() == "mine"


def test_what_others_put_into_a_table_stays(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    extract(media / "plain.mp4", encoder, tmp_path)
    parts = tmp_path / "features"
    foreign = [parts / "notes.txt", parts / "folder" / "file", tmp_path / ".folder.tmp" / "file"]
    left = [parts / "part-00001.parquet", parts / ".part-00001.parquet.1.tmp", tmp_path / ".manifest.parquet.1.tmp"]
    for path in foreign + left:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    extract(media / "plain.mp4", encoder, tmp_path)
    assert all(path.exists() for path in foreign)
    assert not any(path.exists() for path in left)


def test_one_extraction_at_a_time(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    def again(_: Progress) -> None:
        with pytest.raises(ExtractError, match="another extraction is writing"):
            extract(media, encoder, tmp_path)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        extract(media, encoder, tmp_path, on_progress=again)
    assert not (tmp_path / "manifest.parquet").exists()


def test_progress_counts_to_the_end(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    seen: list[Progress] = []
    extract(media, encoder, tmp_path, on_progress=seen.append)
    assert seen[0] == Progress(0, 13, 0)
    assert seen[-1] == Progress(13, 13, 17)
    assert all(a.files <= b.files and a.windows <= b.windows for a, b in pairwise(seen))


def test_zeros_stand_for_missing_streams_and_are_marked(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    extract(media, encoder, tmp_path, missing="zeros")
    audio = FeatureTable(tmp_path).read("audio")
    silent = audio.path == str(media / "no sound.mp4")
    assert silent.sum() == 2
    np.testing.assert_array_equal(audio.zeros, silent)


def test_an_error_policy_fails_the_file(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    report = extract([media / "no sound.mp4", media / "plain.mp4"], encoder, tmp_path, missing="error")
    assert (report.ok, report.failed, report.exit_code) == (1, 1, 1)
    assert report.problems[0].reason == "no_audio"


def test_windows_before_the_damage_are_kept(encoder: Encoder, tmp_path: Path) -> None:
    noise = torch.randint(0, 255, (96, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    write_clip(tmp_path / "a.mp4", noise, 8, None)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    (tmp_path / "a.mp4").write_bytes(content[: len(content) * 2 // 3])
    report = extract(tmp_path / "a.mp4", encoder, tmp_path / "out")
    (row,) = report.problems
    assert row.status == "failed" and row.reason in ("truncated", "decode_failed")
    assert row.windows >= 1 and report.exit_code == 1
    assert len(FeatureTable(tmp_path / "out").read("video").path) == row.windows


@pytest.mark.parametrize("reason", ["timeout", "decoder_died"])
def test_failures_of_the_machine_are_tried_again(
    media: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def fail(self: DecodeWorker, path: str, spec: ClipSpec) -> Iterator[Clip]:
        raise MediaError(reason, path, "was not the file's fault")  # type: ignore[arg-type]
        yield

    with monkeypatch.context() as patch:
        patch.setattr(DecodeWorker, "decode", fail)
        assert extract(media / "plain.mp4", encoder, tmp_path).problems[0].reason == reason
    again = extract(media / "plain.mp4", encoder, tmp_path)
    assert (again.ok, again.kept, again.exit_code) == (1, 0, 0)
    assert extract(media / "plain.mp4", encoder, tmp_path).kept == 1


def test_when_nothing_succeeds_the_code_is_three(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    report = extract([media / "empty.mp4", media / "notes.txt"], encoder, tmp_path / "out")
    assert (report.ok, report.failed, report.exit_code) == (0, 2, 3)
    assert FeatureTable(tmp_path / "out").modalities == []


def test_what_cannot_begin_is_said(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    with pytest.raises(InputError, match="found no files under"):
        extract(tmp_path / "void", encoder, tmp_path / "out")
    with pytest.raises(ExtractError, match="batch_size must be at least 1"):
        extract(media, encoder, tmp_path / "out", batch_size=0)
    with pytest.raises(AvzooError, match="stride must be positive"):
        extract(media, encoder, tmp_path / "out", stride=-1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_files_that_kill_a_decoder_cost_themselves(
    encoder: Encoder, real_media: Path, tmp_path: Path, decoder: str
) -> None:
    if decoder == "decord":
        pytest.importorskip("decord")
    names = ["craft_stts_0.mp4", "decord_dec_v_SIGABRT_313_fz_hevc.mp4", "good_h264_aac.mp4", "truncated_no_moov.mp4"]
    media = [real_media / "robustness_media" / name for name in names]
    extract(media, encoder, tmp_path, decoder=decoder)  # type: ignore[arg-type]
    table = FeatureTable(tmp_path)
    verdicts = {Path(row.path).name: row.status for row in table.manifest}
    assert list(verdicts) == names
    assert verdicts["good_h264_aac.mp4"] == "ok" and verdicts["truncated_no_moov.mp4"] == "failed"
    assert set(pq.read_table(table.parts)["decoder"].to_pylist()) == {decoder}
