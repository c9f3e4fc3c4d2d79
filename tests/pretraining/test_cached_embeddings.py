"""Embeddings that were computed before: found by name, one row of several, zeros for what is missing."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from avzoo.data.clips import DataError
from avzoo.data.sets import LAYOUTS, read_classes
from avzoo.extract.manifest import MANIFEST
from avzoo.extract.table import PARTS, SCHEMA, SETTINGS, TableError
from avzoo.pretraining.cached_embeddings import CachedEmbeddings

GENERATOR = torch.Generator().manual_seed(0)


def array(folder: Path, name: str, values: np.ndarray) -> None:
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def test_a_folder_of_arrays(tmp_path, caplog):
    array(tmp_path, "Archery/v_a", np.full(3, 1.0, np.float64))
    array(tmp_path, "archery/V_B", np.full((1, 3), 2.0, np.float32))
    array(tmp_path, "Bowling/v_c", np.stack([np.full(3, 3.0), np.full(3, 4.0)]))
    (tmp_path / "._features.npy").write_bytes(b"metadata of a file system")
    paths = [Path(f"/videos/{name}") for name in ("Archery/v_a.avi", "Archery/v_b.avi", "X/v_c.mp4", "X/v_d.mp4")]
    embeddings = CachedEmbeddings(tmp_path, paths)
    assert embeddings.size == 3 and embeddings.missing == paths[3:]
    assert "no embedding of 1 of the 4 files (v_d.mp4)" in caplog.text
    found = [embeddings(index, GENERATOR) for index in range(4)]
    assert all(value.dtype == torch.float32 and value.shape == (3,) for value in found)
    assert [value[0].item() for value in found[:2]] == [1.0, 2.0] and not found[3].any()
    assert {embeddings(2, GENERATOR)[0].item() for _ in range(20)} == {3.0, 4.0}
    first, second = (embeddings(2, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)


def test_class_folders_count_where_two_files_have_one_name(tmp_path):
    array(tmp_path, "a/clip", np.zeros(2) + 1)
    array(tmp_path, "b/clip", np.zeros(2) + 2)
    embeddings = CachedEmbeddings(tmp_path, [Path("B/clip.mp4"), Path("a/clip.mp4"), Path("c/clip.mp4")])
    assert [embeddings(index, GENERATOR)[0].item() for index in range(3)] == [2, 1, 0]
    assert embeddings.missing == [Path("c/clip.mp4")]


def table(folder: Path, files: dict[str, np.ndarray], zeros: tuple[str, ...] = ()) -> None:
    """A finished feature table of the sound of some files, one row per window."""
    columns: dict[str, list] = {field.name: [] for field in SCHEMA}
    for path, vectors in files.items():
        for start, vector in enumerate(vectors):
            row = {"path": path, "modality": "audio", "start": start, "end": start + 1, "embedding": vector}
            row |= {"zeros": path in zeros, "sha256": "", "model": "", "revision": "", "processor_hash": ""}
            for name, values in columns.items():
                values.append((row | {"decoder": ""})[name])
    (folder / PARTS).mkdir(parents=True)
    pq.write_table(pa.table(columns, schema=SCHEMA), folder / PARTS / "part-00000.parquet")
    (folder / SETTINGS).write_text(json.dumps({"settings": {}, "inputs": []}))
    (folder / MANIFEST).touch()


def test_a_feature_table_of_the_sound(tmp_path):
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    table(tmp_path / "table", {"/a/x/one.mp4": vectors[:1], "two.mp4": vectors[1:3], "three.mp4": vectors[3:]})
    embeddings = CachedEmbeddings(tmp_path / "table", [Path("x/two.mp4"), Path("x/one.avi"), Path("x/four.mp4")])
    assert embeddings.size == 2 and embeddings.missing == [Path("x/four.mp4")]
    assert embeddings(1, GENERATOR).tolist() == [0, 1]
    assert {tuple(embeddings(0, GENERATOR).tolist()) for _ in range(20)} == {(2, 3), (4, 5)}


def test_zeros_that_stood_for_missing_sound_are_no_embeddings(tmp_path):
    vectors = np.ones((2, 2), np.float32)
    table(tmp_path / "table", {"one.mp4": vectors, "two.mp4": vectors}, zeros=("two.mp4",))
    assert CachedEmbeddings(tmp_path / "table", [Path("one.mp4"), Path("two.mp4")]).missing == [Path("two.mp4")]


def test_an_unfinished_table(tmp_path):
    table(tmp_path / "table", {"one.mp4": np.ones((1, 2), np.float32)})
    (tmp_path / "table" / MANIFEST).unlink()
    with pytest.raises(TableError, match="did not finish"):
        CachedEmbeddings(tmp_path / "table", [Path("one.mp4")])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "neither arrays"),
        ({"x/other": np.zeros(3)}, "an embedding of none of the 1 files, such as clip.mp4"),
        ({"x/clip": np.array(["text"])}, "is no array of numbers"),
        ({"x/clip": np.array([{}], dtype=object)}, "is no array of numbers"),
    ],
)
def test_what_is_no_source_of_embeddings(tmp_path, arrays, message):
    for name, values in arrays.items():
        array(tmp_path, name, values)
    with pytest.raises(DataError, match=message):
        CachedEmbeddings(tmp_path, [Path("x/clip.mp4")])


def test_arrays_of_other_shapes_are_named(tmp_path):
    for name, values in {"a": np.zeros(3), "b": np.zeros(4), "c": np.zeros((0, 3)), "d": np.zeros((2, 2, 3))}.items():
        array(tmp_path, f"x/{name}", values)
    embeddings = CachedEmbeddings(tmp_path, [Path(f"x/{name}.mp4") for name in "abcd"])
    for index in (1, 2, 3):
        with pytest.raises(DataError, match=rf"{'abcd'[index]}.npy has shape .*, where \(n, 3\) is expected"):
            embeddings(index, GENERATOR)


# ---- the archive of CCL ----


@pytest.fixture(scope="module")
def archive(real_media, tmp_path_factory) -> Path:
    """The extracted archive."""
    packed = real_media / "ccl_audiocnn14embed512_features.tar.gz"
    if not packed.is_file():
        pytest.skip(f"no archive at {packed}")
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(packed) as tar:
        tar.extractall(folder, filter="data")
    return folder / "audiocnn14embed512_features"


def test_the_archive_has_the_classes_of_ucf51_in_their_order(archive):
    folders = sorted(path.name for path in archive.iterdir() if path.is_dir())
    assert tuple(folders) == read_classes("ucf51").names
    assert len(list(archive.rglob("*.npy"))) == 6837


@pytest.fixture(scope="module")
def ucf101(archive, tmp_path_factory) -> Path:
    """UCF101 in its official layout as far as it has sound: empty files, and lists made by the official rule.

    The test groups of the three divisions are the first seven, the next seven and the next seven. The class index
    spells one class as its files are spelt, and not its folder, as some copies do.
    """
    root = tmp_path_factory.mktemp("ucf101")
    videos = [path.relative_to(archive).with_suffix(".avi").as_posix() for path in archive.rglob("*.npy")]
    videos += [f"BasketballDunk/v_BasketballDunk_g15_c{n:02d}.avi" for n in range(4, 8)]
    videos += [f"HandstandPushups/v_HandStandPushups_g14_c{n:02d}.avi" for n in range(1, 5)]
    for name in read_classes("ucf51").names:
        (root / "UCF-101" / name).mkdir(parents=True)
    for video in videos:
        (root / "UCF-101" / video).touch()
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    names = [name.replace("Handstand", "HandStand") for name in read_classes("ucf51").names]
    (lists / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(names, 1)))
    for fold in (1, 2, 3):
        groups = [f"_g{group:02d}_" for group in range(7 * fold - 6, 7 * fold + 1)]
        for split in ("train", "test"):
            tested = [any(group in video for group in groups) == (split == "test") for video in videos]
            lines = "".join(f"{video}\n" for video, here in zip(videos, tested, strict=True) if here)
            (lists / f"{split}list{fold:02d}.txt").write_text(lines)
    return root


@pytest.mark.parametrize(("fold", "train", "test"), [(1, 4901, 1944), (2, 4930, 1915), (3, 4945, 1900)])
def test_ucf51_has_as_many_videos_as_the_paper_and_eight_without_embedding(archive, ucf101, fold, train, test):
    classes = read_classes("ucf51")
    missing = []
    for split, count in (("train", train), ("test", test)):
        media = LAYOUTS["ucf101"](ucf101, split=split, fold=fold, classes=classes)
        assert len(media.items) == count and set(media.labels.tolist()) == set(range(51))
        embeddings = CachedEmbeddings(archive, media.paths)
        assert embeddings.size == 512
        missing.append({path.stem for path in embeddings.missing})
        value = embeddings(0, GENERATOR)
        assert (value >= 0).all() and value.any()
    dunks = {f"v_BasketballDunk_g15_c{n:02d}" for n in range(4, 8)}
    pushups = {f"v_HandStandPushups_g14_c{n:02d}" for n in range(1, 5)}
    assert missing == {1: [dunks | pushups, set()], 2: [dunks, pushups], 3: [pushups, dunks]}[fold]
