"""The index: exact answers, nothing lost by saving, nothing trusted when loading."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avzoo.retrieval import Hit, Index, RetrievalError
from avzoo.retrieval import index as index_module
from avzoo.retrieval.index import IndexInfo, Moments, Shape

RNG = np.random.default_rng(0)


def _index(vectors: np.ndarray, path: list[str] | None = None, stride: float = 4.0, modality: str = "video") -> Index:
    rows, dim = vectors.shape
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.array(path or [f"/m/{row}.mp4" for row in range(rows)], object)
    start = np.arange(rows) * stride
    info = IndexInfo(
        model="m",
        revision="r",
        processor_hash="p",
        decoder="pyav",
        window=4.0,
        stride=stride,
        shapes={modality: Shape(rows=rows, dim=dim)},  # type: ignore[dict-item]
    )
    return Index(info, {modality: unit}, {modality: Moments(names, names, start, start + 4)})


def test_answers_are_the_exact_cosines_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_BLOCK", 7)
    vectors, queries = RNG.normal(size=(50, 8)), RNG.normal(size=(3, 8))
    cosines = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ (
        queries / np.linalg.norm(queries, axis=1, keepdims=True)
    ).T
    for query, scores in ((queries[0], cosines[:, 0]), (queries, cosines.max(axis=1))):
        hits = _index(vectors).search(query, "video", top_k=6)
        best = np.argsort(-scores)[:6]
        assert [hit.path for hit in hits] == [f"/m/{row}.mp4" for row in best]
        assert [hit.score for hit in hits] == pytest.approx(scores[best], abs=1e-6)
        assert [(hit.start, hit.end) for hit in hits] == [(4.0 * row, 4.0 * row + 4) for row in best]


def test_equal_scores_keep_the_order_of_the_index() -> None:
    hits = _index(np.ones((40, 3))).search(np.ones(3), "video", top_k=5)
    assert [hit.path for hit in hits] == [f"/m/{row}.mp4" for row in range(5)]


def test_of_overlapping_moments_only_the_best_answers() -> None:
    angles = np.radians([50, 40, 30, 20, 10, 0, 10, 20, 60])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    hits = _index(vectors, ["/m/long.mp4"] * 8 + ["/m/other.mp4"], stride=1.0).search([1.0, 0.0], "video", top_k=3)
    assert [(hit.path, hit.start) for hit in hits] == [
        ("/m/long.mp4", 5.0),
        ("/m/long.mp4", 1.0),
        ("/m/other.mp4", 8.0),
    ]


def test_moments_that_meet_are_answers_of_their_own() -> None:
    hits = _index(np.ones((3, 2)), ["/m/a.mp4"] * 3).search([1.0, 1.0], "video")
    assert [(hit.start, hit.end) for hit in hits] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]


def test_excluded_files_never_answer() -> None:
    index = _index(np.ones((4, 2)), ["/m/a.mp4", "/m/b.mp4"] * 2)
    assert {hit.path for hit in index.search([1.0, 1.0], "video", exclude_sha256="/m/a.mp4")} == {"/m/b.mp4"}
    assert index.search([1.0, 1.0], "video", top_k=9, exclude_sha256="/m/b.mp4") == [
        Hit("/m/a.mp4", 0.0, 4.0, pytest.approx(1.0)),
        Hit("/m/a.mp4", 8.0, 12.0, pytest.approx(1.0)),
    ]


@pytest.mark.parametrize(
    ("vector", "modality", "top_k", "sentence"),
    [
        (np.ones(3), "video", 1, "vectors of 2 numbers"),
        (np.zeros(2), "video", 1, "non-zero vectors"),
        (np.array([np.nan, 1]), "video", 1, "finite"),
        (np.ones(2), "audio", 1, "holds no audio, only video"),
        (np.ones(2), "video", 0, "top_k must be at least 1"),
    ],
)
def test_queries_that_mean_nothing_are_refused(vector: np.ndarray, modality: str, top_k: int, sentence: str) -> None:
    with pytest.raises(RetrievalError, match=sentence):
        _index(np.ones((4, 2))).search(vector, modality, top_k)


def test_saving_loses_nothing_and_replaces_only_an_index(tmp_path: Path) -> None:
    index = _index(RNG.normal(size=(20, 5)), [f"/m/ünï '{row % 7}'.mp4" for row in range(20)])
    index.save(tmp_path / "index")
    index.save(tmp_path / "index")
    loaded = Index.load(tmp_path / "index")
    assert loaded.info == index.info
    np.testing.assert_array_equal(loaded.vectors["video"], index.vectors["video"])
    query = RNG.normal(size=5)
    assert loaded.search(query, "video") == index.search(query, "video")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(RetrievalError, match="is not an index and will not be replaced"):
        index.save(tmp_path / "mine")


def test_an_interrupted_save_keeps_the_index_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = _index(np.ones((4, 2))), _index(np.ones((5, 2)))
    old.save(tmp_path / "index")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(index_module.pq, "write_table", _interrupt)
        new.save(tmp_path / "index")
    assert Index.load(tmp_path / "index").info == old.info
    new.save(tmp_path / "index")
    assert Index.load(tmp_path / "index").info == new.info
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_half_written_index_is_replaced_but_no_file_of_others_in_it(tmp_path: Path) -> None:
    index = _index(np.ones((4, 2)))
    index.save(tmp_path / "index")
    (tmp_path / "index" / "index.json").unlink()
    index.save(tmp_path / "index")
    assert Index.load(tmp_path / "index").info == index.info
    (tmp_path / "index" / "notes.txt").touch()
    with pytest.raises(RetrievalError, match="is not an index and will not be replaced"):
        index.save(tmp_path / "index")
    assert (tmp_path / "index" / "notes.txt").exists()


def _edit(folder: Path, **changes: object) -> None:
    info = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(info | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "index.json").write_text("{"),
        lambda folder: _edit(folder, format="avzoo-index/2"),
        lambda folder: _edit(folder, shapes={"../../video": {"rows": 4, "dim": 2}}),
        lambda folder: _edit(folder, shapes={"video": {"rows": 5, "dim": 2}}),
        lambda folder: _edit(folder, extra=1),
        lambda folder: (folder / "video.npy").unlink(),
        lambda folder: (folder / "video.npy").write_bytes((folder / "video.npy").read_bytes()[:-4]),
        lambda folder: (folder / "video.npy").write_bytes(b""),
        lambda folder: np.save(folder / "video.npy", np.ones((4, 2))),
        lambda folder: np.save(folder / "video.npy", np.array([{"a": 1}], object), allow_pickle=True),
        lambda folder: (folder / "moments.parquet").write_bytes(b"PAR1"),
    ],
)
def test_an_index_that_is_not_what_it_says_is_refused(tmp_path: Path, damage: object) -> None:
    _index(np.ones((4, 2))).save(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(RetrievalError, match=r"the index in .* is damaged .*: make it again"):
        Index.load(tmp_path)


def test_no_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="holds no index: make one with `avzoo index`"):
        Index.load(tmp_path)
