"""Parts of the table: what is written is what is read, and the same input gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from avzoo.extract.embeddings import Embeddings
from avzoo.extract.manifest import ManifestRow
from avzoo.extract.table import SCHEMA, FeatureTable, TableError, read_part, write_part

PROVENANCE = {"model": "m", "revision": "r", "processor_hash": "p", "decoder": "pyav"}


def _row(path: str, windows: int) -> ManifestRow:
    return ManifestRow(path, "00ff", 7, "ok", None, None, 4.5, 4.5, None, windows, "skip")


def _embeddings(path: str, windows: int) -> Embeddings:
    values = np.random.default_rng(windows).normal(size=(windows, 6)).astype(np.float32)
    times = np.stack([np.arange(windows) * 4.0, np.arange(windows) * 4.0 + 4], axis=1)
    has_audio = np.arange(windows) % 2 == 0
    return Embeddings(
        path, times, values[:, :2], values[:, 2:5], None, None, values, np.ones(windows, bool), has_audio, "skip"
    )


def _write(path: Path) -> None:
    files = [(_row("a", 3), _embeddings("a", 3)), (_row("b", 0), None), (_row("c ü\n", 2), _embeddings("c ü\n", 2))]
    write_part(path, iter(files), PROVENANCE, "fingerprint")


def test_rows_are_in_the_order_of_files_modalities_and_times(tmp_path: Path) -> None:
    _write(tmp_path / "part.parquet")
    table = pq.read_table(tmp_path / "part.parquet")
    assert table.schema.remove_metadata() == SCHEMA
    found = list(zip(*(table[name].to_pylist() for name in ("path", "modality", "start")), strict=True))
    assert found == [
        *(("a", "video", start) for start in (0.0, 4.0, 8.0)),
        *(("a", "audio", start) for start in (0.0, 8.0)),
        *(("a", "audio_projection", start) for start in (0.0, 8.0)),
        *(("c ü\n", "video", start) for start in (0.0, 4.0)),
        ("c ü\n", "audio", 0.0),
        ("c ü\n", "audio_projection", 0.0),
    ]
    assert table["embedding"][3].as_py() == pytest.approx(_embeddings("a", 3).audio[0])
    assert set(table["processor_hash"].to_pylist()) == {"p"}
    assert not any(table["zeros"].to_pylist())


def test_the_manifest_travels_with_the_rows(tmp_path: Path) -> None:
    _write(tmp_path / "part.parquet")
    assert read_part(tmp_path / "part.parquet", "fingerprint") == [_row("a", 3), _row("b", 0), _row("c ü\n", 2)]


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        _write(tmp_path / name)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_part_of_something_else_is_none(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    assert read_part(path, "fingerprint") is None
    _write(path)
    assert read_part(path, "another") is None
    path.write_bytes(path.read_bytes()[:-9])
    assert read_part(path, "fingerprint") is None


def test_a_part_with_a_damaged_footer_is_none(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    _write(path)
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[footer:-8] = b"\xff" * (len(content) - 8 - footer)
    path.write_bytes(content)
    assert read_part(path, "fingerprint") is None


def test_an_error_leaves_no_part(tmp_path: Path) -> None:
    def files():
        yield _row("a", 3), _embeddings("a", 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_part(tmp_path / "part.parquet", files(), PROVENANCE, "fingerprint")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no feature table"),
        ({"extraction.json": '{"settings": {}, "inputs": []}'}, "did not finish"),
        ({"extraction.json": "[]", "manifest.parquet": ""}, "is damaged"),
    ],
)
def test_only_finished_tables_are_read(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=sentence):
        FeatureTable(tmp_path)
