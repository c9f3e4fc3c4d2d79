from __future__ import annotations

import csv
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from avzoo.data.synthetic import SyntheticDataset, SyntheticError, SyntheticSpec, render, write_set
from avzoo.media import ClipSpec

SPEC = SyntheticSpec(size=32, duration=1, fps=8)
CLIP = ClipSpec(num_frames=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    write_set(folder, 16, SPEC, seed=3)
    write_set(folder, 2, SPEC, seed=3, split="test")
    return folder


def digest(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_a_set_is_files_labels_and_spec(root: Path) -> None:
    with (root / "train" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == list(range(16))
    assert rows[6]["path"] == "000006_rotation_triangle.mp4"
    assert (rows[6]["event"], rows[6]["shape"], rows[6]["timbre"]) == ("rotation", "triangle", "bright")
    assert {row["mismatched"] for row in rows} == {"0"}
    assert {file.name for file in (root / "train").iterdir()} == {"labels.csv", "spec.json"} | {
        row["path"] for row in rows
    }
    origin = json.loads((root / "train" / "spec.json").read_text())
    assert SyntheticSpec(**origin["spec"]) == SPEC and origin["seed"] == 3 and origin["split"] == "train"


def test_an_interrupted_write_ends_with_the_same_bytes(root: Path, tmp_path: Path) -> None:
    calls: list[int] = []

    def interrupt(present: int) -> None:
        calls.append(present)
        if present == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_set(tmp_path, 16, SPEC, seed=3, progress=interrupt)
    assert calls == [0, 1, 2, 3, 4, 5]
    assert not (tmp_path / "train" / "labels.csv").exists()
    with pytest.raises(SyntheticError, match="no complete synthetic set"):
        SyntheticDataset(tmp_path)
    (tmp_path / "train" / ".000005_rotation_square.mp4.1.tmp").write_bytes(b"half a clip")
    calls.clear()
    write_set(tmp_path, 16, SPEC, seed=3, progress=calls.append)
    assert calls == list(range(5, 17))
    assert digest(tmp_path / "train") == digest(root / "train")


def test_processes_write_the_same_bytes_and_extend_a_set(root: Path, tmp_path: Path) -> None:
    write_set(tmp_path, 2, SPEC, seed=3)
    write_set(tmp_path, 16, SPEC, seed=3, workers=2)
    assert digest(tmp_path / "train") == digest(root / "train")


def test_another_set_is_not_mixed_in(root: Path) -> None:
    with pytest.raises(SyntheticError, match="another spec, seed or version"):
        write_set(root, 16, SPEC, seed=4)
    with pytest.raises(SyntheticError, match="another spec, seed or version"):
        write_set(root, 16, SPEC.shifted(mismatch=0.5), seed=3)
    with pytest.raises(SyntheticError, match="at least 1"):
        write_set(root, 0, SPEC, seed=3)


def test_labels_tell_mismatched_sound(tmp_path: Path) -> None:
    write_set(tmp_path, 3, SPEC.shifted(mismatch=1), split="validation")
    dataset = SyntheticDataset(tmp_path, "validation", CLIP)
    assert dataset.labels.tolist() == [0, 1, 2]
    assert (dataset.labels != dataset.audio_labels).all()
    assert [row["mismatched"] for row in dataset.rows] == ["1", "1", "1"]


def test_what_is_read_is_what_was_rendered(root: Path) -> None:
    dataset = SyntheticDataset(root, clip_spec=CLIP)
    assert len(dataset) == 16 and dataset.labels.tolist() == list(range(16))
    for index in (0, 13):
        clip, rendered = dataset[index][0], render(SPEC, 3, index)
        assert clip["frames"].shape == (8, 3, 32, 32) and clip["frames"].dtype == torch.uint8
        assert (clip["frames"].float() - rendered.frames.float()).abs().mean() < 12
        assert clip["samples"].shape == (16_000,)
        assert np.corrcoef(clip["samples"], rendered.samples)[0, 1] > 0.9
    assert len(SyntheticDataset(root, "test", CLIP)) == 2
    with pytest.raises(IndexError):
        dataset[16]


def test_the_cache_gives_what_decoding_gives(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached, uncached = SyntheticDataset(root, clip_spec=CLIP), SyntheticDataset(root, clip_spec=CLIP, cache_bytes=0)
    first = cached[2][0]
    first["frames"][:] = 0  # what a caller does to an item is his own affair
    copy = pickle.loads(pickle.dumps(cached))
    expected = uncached[2][0]
    monkeypatch.setattr("avzoo.data.reading.read_clip", None)
    again = cached[2][0]
    assert torch.equal(again["frames"], expected["frames"]) and torch.equal(again["samples"], expected["samples"])
    for empty in (uncached, copy):
        with pytest.raises(TypeError):
            empty[2]


def test_the_cache_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = 8 * 3 * 32 * 32 + 2 * 16_000 + 1
    dataset = SyntheticDataset(root, clip_spec=CLIP, cache_bytes=3 * item + 5)
    for index in range(4):
        dataset[index]
    monkeypatch.setattr("avzoo.data.reading.read_clip", None)
    for index in range(3):
        dataset[index]
    with pytest.raises(TypeError):
        dataset[3]


def test_worker_processes_fill_one_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = SyntheticDataset(root, "test", CLIP)
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context="fork")
    frames = [clip["frames"] for (clip,) in loader]
    monkeypatch.setattr("avzoo.data.reading.read_clip", None)
    assert all(torch.equal(dataset[index][0]["frames"], frames[index]) for index in range(2))


def test_broken_folders_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SyntheticError, match="no complete synthetic set"):
        SyntheticDataset(root, "validation")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "spec.json").write_text("{}")
    (tmp_path / "train" / "labels.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SyntheticError, match="does not describe"):
        SyntheticDataset(tmp_path)
    (tmp_path / "train" / "spec.json").write_text((root / "train" / "spec.json").read_text())
    with pytest.raises(SyntheticError, match="lists no clips"):
        SyntheticDataset(tmp_path)
