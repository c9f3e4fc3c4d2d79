from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avzoo.data.sets import MediaItem
from avzoo.evaluation.cluster_pictures import write_clusters
from avzoo.evaluation.clustering import CLUSTERING, ClusterRow
from avzoo.evaluation.protocol import Findings, Outcome

Maker = Callable[..., Path]
ROWS = [
    ClusterRow(4, 2, 1.0, (("bark, loud", 1.0),), ("a.mp4", "b.mp4")),
    ClusterRow(1, 3, 2 / 3, (("rain", 2 / 3), ("x" * 500 + "\n\x00雨", 1 / 3)), ("c.mp4",)),
]


@pytest.fixture
def media(tmp_path: Path, make_clip: Maker) -> dict[str, MediaItem]:
    items = {f"{name}.mp4": MediaItem(make_clip(tmp_path / f"{name}.mp4", seed, 2.0)) for seed, name in enumerate("ab")}
    playlist = tmp_path / "c.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    return items | {"c.mp4": MediaItem(playlist)}


def tile(sheet: Path, line: int, column: int) -> np.ndarray:
    """The pixels of an example."""
    left, top = 260 + column * 132, line * 100
    return np.asarray(Image.open(sheet))[top : top + 96, left : left + 128].astype(int)


def test_the_table_has_a_line_per_cluster(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    table, _ = write_clusters(ROWS, media, tmp_path, "video")
    with table.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["cluster"] for line in lines] == ["4", "1"]
    assert lines[0] | {"rank": "1", "items": "2", "purity": "1.0000", "concept 1": "bark, loud"} == lines[0]
    assert (lines[0]["concept 2"], lines[0]["nearest 2"], lines[1]["share 1"]) == ("", "b.mp4", "0.6667")


def test_frames_of_the_nearest_examples(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    table, sheet = write_clusters(ROWS, media, tmp_path, "video")
    assert (table.name, sheet.name) == ("clusters-video.csv", "clusters-video.png")
    assert Image.open(sheet).size == (260 + 2 * 132, 200)
    assert np.abs(tile(sheet, 0, 0) - tile(sheet, 0, 1)).mean() > 20  # two different clips
    # A playlist in disguise is a grey tile that says so; where there is no example the sheet is white.
    assert (tile(sheet, 1, 0)[50:] == 0xD0).all() and (tile(sheet, 1, 0)[:30] != 0xD0).any()
    assert (tile(sheet, 1, 1) == 255).all()


def test_spectrograms_of_sounds(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    _, sheet = write_clusters(ROWS, media, tmp_path, "audio")
    # The tones are at 200 and 330 Hz: bright near the bottom, dark above.
    brightness = tile(sheet, 0, 0).sum(axis=(1, 2))
    assert brightness[70:].max() > 5 * brightness[:40].max()
    assert brightness.argmax() != tile(sheet, 0, 1).sum(axis=(1, 2)).argmax()


def test_an_item_is_a_part_of_its_file(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    path = media["a.mp4"].path
    early, late = MediaItem(path, (), 0.0, 0.5), MediaItem(path, (), 1.25, 1.75)
    _, sheet = write_clusters(ROWS, media | {"a.mp4": early, "b.mp4": late}, tmp_path, "video")
    assert np.abs(tile(sheet, 0, 0) - tile(sheet, 0, 1)).mean() > 5


def test_without_a_readable_example_there_is_no_sheet(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    bad = {name: media["c.mp4"] for name in media}
    (tmp_path / "clusters-video.png").write_bytes(b"of an earlier run")
    assert write_clusters(ROWS, bad, tmp_path, "video") == [tmp_path / "clusters-video.csv"]
    assert not (tmp_path / "clusters-video.png").exists()


def test_every_fold_of_an_evaluation_has_its_files(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    details = {"clusters": json.loads(json.dumps([asdict(row) for row in ROWS]))}
    outcomes = {fold: Outcome({}, details=details) for fold in ("1", "2")}
    bad = dict.fromkeys(media, media["c.mp4"])
    assert CLUSTERING.write is not None
    CLUSTERING.write(Findings("audio", outcomes, {"1": bad, "2": media}), tmp_path)
    written = sorted(path.name for path in tmp_path.glob("clusters-*"))
    assert written == ["clusters-audio-fold-1.csv", "clusters-audio-fold-2.csv", "clusters-audio-fold-2.png"]


def test_a_sheet_shows_both_ends_of_many_clusters(tmp_path: Path, media: dict[str, MediaItem]) -> None:
    rows = [ClusterRow(n, 1, 1 - n / 40, (("x", 1.0),), ("c.mp4",)) for n in range(25)]
    rows[12] = ClusterRow(12, 1, 0.7, (("x", 1.0),), ("a.mp4",))  # in the middle, not shown
    table, *sheet = write_clusters(rows, media, tmp_path, "video")
    assert not sheet and len(table.read_text().splitlines()) == 26
    rows[24] = ClusterRow(24, 1, 0.1, (("x", 1.0),), ("a.mp4",))
    _, picture = write_clusters(rows, media, tmp_path, "video")
    assert Image.open(picture).size[1] == 20 * 100
