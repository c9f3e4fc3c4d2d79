"""Features of the clips of a set: made once, whatever happens on the way, and read as protocols want them."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avzoo.data.sets import MediaItem, MediaSet
from avzoo.evaluation import clip_features as module
from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_features import ClipFeatures, clip_features, from_feature_table
from avzoo.evaluation.clip_plan import AudioAugmentation, ClipPlan, VideoAugmentation
from avzoo.evaluation.clip_table import SCHEMA
from avzoo.extract import Encoder, FeatureTable, Progress, extract, load
from avzoo.extract.embeddings import l2_normalize
from avzoo.extract.table import SCHEMA as WINDOW_SCHEMA
from avzoo.extract.table import Features

TWO = ClipPlan(clips=2)
DRAWN = ClipPlan(sampling="random", clips=2, video=VideoAugmentation(), audio=AudioAugmentation())


@pytest.fixture(scope="module")
def encoder(nano_checkpoint: Path) -> Encoder:
    return load(nano_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def root(make_clip: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole files, one without sound, one without picture, and one that is no media."""
    root = tmp_path_factory.mktemp("set")
    make_clip(root / "x" / "whole.mp4", 1)
    make_clip(root / "x" / "silent.mp4", 2, seconds=1.0, audio=False)
    make_clip(root / "y" / "dark.mp4", 3, seconds=1.0, video=False)
    make_clip(root / "y" / "short.mp4", 4, seconds=2.0)
    (root / "y" / "broken.mp4").write_bytes(b"no media at all")
    return root


@pytest.fixture(scope="module")
def media(root: Path) -> MediaSet:
    names = [("x/whole", 0), ("y/broken", 1), ("x/silent", 0), ("y/dark", 1), ("y/short", 1)]
    return MediaSet(tuple(MediaItem(root / f"{name}.mp4", (label,)) for name, label in names), ("x", "y"))


@pytest.fixture(scope="module")
def folder(encoder: Encoder, media: MediaSet, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder of the plan of two clips."""
    folder = tmp_path_factory.mktemp("features")
    clip_features(encoder, media, TWO, folder, root=root, workers=1)
    return folder


@pytest.fixture
def features(encoder: Encoder, media: MediaSet, folder: Path, root: Path) -> ClipFeatures:
    return clip_features(encoder, media, TWO, folder, root=root)


def same(one: ClipFeatures, other: ClipFeatures) -> bool:
    return one.values.keys() == other.values.keys() and all(
        values.items.names == other.values[name].items.names
        and np.array_equal(values.values, other.values[name].values)
        for name, values in one.values.items()
    )


def test_clips_of_every_item_by_modality(features, encoder, root):
    video, audio, joint = (features.values[name] for name in ("video", "audio", "joint"))
    assert video.items.names == ("x/whole.mp4", "x/silent.mp4", "y/short.mp4")
    assert audio.items.names == ("x/whole.mp4", "y/dark.mp4", "y/short.mp4")
    assert joint.items.names == ("x/whole.mp4", "y/short.mp4")
    assert video.items.labels.tolist() == [0, 0, 1] and video.items.class_names == ("x", "y")
    assert all(len(digest) == 64 for digest in video.items.content)
    assert video.item.tolist() == [0, 0, 1, 1, 2, 2] and video.clip.tolist() == [0, 1] * 3
    first = encoder.encode(root / "x" / "whole.mp4")
    assert first.video is not None and first.audio is not None and first.joint is not None
    for values, expected in ((video, first.video), (audio, first.audio), (joint, first.joint)):
        np.testing.assert_allclose(values.values[0], expected[0], atol=1e-5)
    assert not np.allclose(video.values[0], video.values[1], atol=1e-4), "the second clip starts at 1 s"
    np.testing.assert_array_equal(video.values[4], video.values[5], "an item shorter than a clip has it twice")


def test_a_bad_file_costs_one_item_and_is_named(features, media):
    (problem,) = features.problems
    assert (problem.item, Path(problem.path), problem.status) == (1, media.items[1].path, "failed")
    assert problem.reason == "not_media" and problem.message


def test_the_table_is_that_of_extraction_and_more(folder):
    assert set(WINDOW_SCHEMA.names) < set(SCHEMA.names)
    rows = pq.read_table(sorted((folder / "clips").glob("*.parquet"))).to_pylist()
    assert {(row["modality"], row["augmented"], row["crop"]) for row in rows} >= {("video", False, 0)}
    assert {row["model"] for row in rows} and all(row["revision"].startswith("sha256:") for row in rows)


def test_a_finished_folder_costs_nothing(encoder, media, folder, root, monkeypatch):
    monkeypatch.setattr(module, "DecodeWorker", None)
    monkeypatch.setattr(encoder, "model", encoder.model)
    told: list[Progress] = []
    other_labels = MediaSet(tuple(MediaItem(item.path, (2,)) for item in media.items), ("a", "b", "c"))
    found = clip_features(encoder, other_labels, TWO, folder, root=root, on_progress=told.append)
    assert not told and set(found.values["video"].items.labels.tolist()) == {2}


def test_batches_names_and_folders_are_not_what_features_are_of(encoder, media, folder, root, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DecodeWorker", None)
    renamed = copy.copy(encoder)
    renamed.checkpoint = replace(encoder.checkpoint, name="another name of it")
    assert len(clip_features(renamed, media, TWO, folder, root=root, batch_size=3).values["video"]) == 6
    # A copy elsewhere is the same set: its files are read anew into the same folder.
    again = shutil.copytree(folder, tmp_path / "features")
    moved = MediaSet(tuple(MediaItem(tmp_path / "set" / item.path.relative_to(root)) for item in media.items))
    monkeypatch.setattr(module, "run_lanes", lambda pending, *_: pytest.fail(f"{len(pending)} parts"))
    monkeypatch.setattr(module, "DecodeWorker", lambda *_: None)
    with pytest.raises(pytest.fail.Exception, match="5 parts"):
        clip_features(encoder, moved, TWO, again, root=tmp_path / "set", batch_size=3, workers=1)


def test_interrupted_work_goes_on_to_the_same_numbers(encoder, media, root, tmp_path):
    whole = clip_features(encoder, media, DRAWN, tmp_path / "whole", root=root, workers=2)

    def stop(progress: Progress) -> None:
        if progress.files == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clip_features(encoder, media, DRAWN, tmp_path / "cut", root=root, workers=1, on_progress=stop)
    told: list[Progress] = []
    resumed = clip_features(encoder, media, DRAWN, tmp_path / "cut", root=root, workers=1, on_progress=told.append)
    assert 0 < told[0].files < 5 and told[-1].files == 5
    assert same(whole, resumed)
    video = whole.values["video"]
    assert len({row.tobytes() for row in video.values}) == len(video), "every clip is changed in its own way"


def test_a_file_that_changed_is_embedded_anew(encoder, media, folder, root, make_clip, tmp_path):
    copied = shutil.copytree(root, tmp_path / "set")
    moved = MediaSet(tuple(MediaItem(copied / item.path.relative_to(root), item.labels) for item in media.items))
    with pytest.raises(EvaluationError, match="another items_sha256"):
        clip_features(encoder, moved, TWO, folder, root=tmp_path)
    clip_features(encoder, moved, TWO, tmp_path / "features", root=copied, workers=1)
    make_clip(copied / "y" / "broken.mp4", 5, seconds=1.0)
    told: list[Progress] = []
    found = clip_features(encoder, moved, TWO, tmp_path / "features", root=copied, workers=1, on_progress=told.append)
    assert told[0].files == 4 and not found.problems and "y/broken.mp4" in found.values["video"].items.names


def test_what_cannot_be_embedded(encoder, media, folder, root, tmp_path):
    with pytest.raises(EvaluationError, match="another plan"):
        clip_features(encoder, media, DRAWN, folder, root=root)
    with pytest.raises(EvaluationError, match=r"none of the 1 items .*broken\.mp4 is no video"):
        clip_features(encoder, MediaSet(media.items[1:2]), TWO, tmp_path / "none", root=root, workers=1)
    with pytest.raises(EvaluationError, match="no items"):
        clip_features(encoder, MediaSet(()), TWO, tmp_path / "empty", root=root)
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="not a folder"):
        clip_features(encoder, media, TWO, tmp_path / "file", root=root)


def test_three_crops_and_what_the_released_code_makes_of_them(encoder, media, root, tmp_path, features):
    one = MediaSet(media.items[:1], media.class_names)
    three = clip_features(encoder, one, ClipPlan(clips=1, crops="three"), tmp_path / "three", root=root, workers=1)
    video, audio, joint = (three.values[name] for name in ("video", "audio", "joint"))
    assert video.crop.tolist() == [0, 1, 2] and audio.crop.tolist() == joint.crop.tolist() == [0]
    expected = np.concatenate([l2_normalize(video.values).mean(0), l2_normalize(audio.values)[0]])
    np.testing.assert_allclose(joint.values[0], expected, atol=1e-6)
    plan = ClipPlan(clips=1, crops="released")
    released = clip_features(encoder, one, plan, tmp_path / "released", root=root, workers=1).values["video"]
    assert len(released) == 1, "equal crops are one"
    assert not np.allclose(released.values[0], features.values["video"].values[0], atol=1e-4), "cropped from 73 pixels"


def test_folds_share_what_was_embedded(features, media):
    fold = features.of(MediaSet((media.items[4], media.items[1], media.items[0]), ("x", "y")))
    video, whole = fold.values["video"], features.values["video"]
    assert video.items.names == ("y/short.mp4", "x/whole.mp4") and video.items.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(video.values, whole.values[[4, 5, 0, 1]])
    assert video.item.tolist() == [0, 0, 1, 1] and [row.item for row in fold.problems] == [1]
    with pytest.raises(EvaluationError, match="1 items have no features"):
        features.of(MediaSet((MediaItem(Path("elsewhere.mp4"), (0,)),)))


def test_labels_of_all_kinds(features, media):
    several = MediaSet(tuple(MediaItem(item.path, (0, 1)) for item in media.items), ("x", "y"))
    with pytest.raises(EvaluationError, match="has 2 classes"):
        _ = features.of(several).values
    many = ClipFeatures(several, features.root, features.rows, features.content, (), multilabel=True)
    assert many.values["video"].items.labels.tolist() == [[True, True]] * 3
    bare = features.of(MediaSet(tuple(MediaItem(item.path) for item in media.items)))
    assert bare.values["video"].items.class_names == ("unlabelled",)


def test_a_feature_table_read_as_clips(encoder, media, root, tmp_path):
    extract(root, encoder, tmp_path / "table", workers=1)
    table = FeatureTable(tmp_path / "table")
    absent = MediaItem(root / "x" / "absent.mp4", (0,))
    late = MediaItem(root / "x" / "whole.mp4", (0,), start=4.0)
    found = from_feature_table(table, MediaSet((*media.items, absent, late), ("x", "y")), root=root)
    video, joint = found.values["video"], found.values["joint"]
    assert video.items.names == ("x/whole.mp4", "x/silent.mp4", "y/short.mp4", "x/whole.mp4[4.000-]")
    assert video.item.tolist() == [0, 0, 1, 2, 3] and video.clip.tolist() == [0, 1, 0, 0, 0]
    rows = table.read("joint")
    whole = rows.path == str(root / "x" / "whole.mp4")
    np.testing.assert_allclose(joint.values[:2], rows.embedding[whole], atol=1e-6)
    assert [(row.item, row.reason) for row in found.problems] == [(1, "no_rows"), (5, "no_rows")]
    with pytest.raises(EvaluationError, match="no rows of any of the 1 items"):
        from_feature_table(table, MediaSet((absent,)), root=root)
    part = table.parts[0]
    other = pq.read_table(part)
    column = other.schema.names.index("model")
    other = other.set_column(column, "model", [["another"] * len(other)])
    pq.write_table(other, part.with_name("part-99999.parquet"))
    with pytest.raises(EvaluationError, match="rows of 2 models"):
        from_feature_table(FeatureTable(tmp_path / "table"), media, root=root)


def test_zeros_in_place_of_a_stream_are_no_features_of_it(tmp_path):
    paths = np.array([str(tmp_path / name) for name in ("whole.mp4", "silent.mp4")], object)
    start, hashes = np.zeros(2), np.array(["a", "b"], object)
    made_up = {"video": np.array([False, False]), "audio": np.array([False, True])}
    pq.write_table(pa.table({"model": ["m"], "revision": ["r"], "processor_hash": ["p"]}), tmp_path / "part.parquet")
    table = SimpleNamespace(
        folder=tmp_path,
        parts=[tmp_path / "part.parquet"],
        modalities=("video", "audio"),
        manifest=(),
        read=lambda one: Features(paths, hashes, start, start + 1, np.ones((2, 3), np.float32), made_up[one]),
    )
    media = MediaSet(tuple(MediaItem(Path(path), (0,)) for path in paths), ("x",))
    found = from_feature_table(cast(FeatureTable, table), media, root=tmp_path)
    assert found.values["video"].items.names == ("whole.mp4", "silent.mp4")
    assert found.values["audio"].items.names == found.values["joint"].items.names == ("whole.mp4",)
    assert not found.problems, "a silent video has its picture"
