"""The packaged gallery: built once, whole, from clips no checkpoint was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from avzoo.data.synthetic import CLASS_NAMES, write_set
from avzoo.demo import gallery as gallery_module
from avzoo.demo.gallery import COUNT, cache_folder, gallery_spec, open_gallery
from avzoo.demo.library import Library
from avzoo.extract import Encoder


def _index(root: Path) -> Path:
    (folder,) = root.glob("features-*/index")
    return folder


def test_clips_are_of_the_test_split_and_named_by_their_classes(library: Library) -> None:
    assert [moment.title for moment in library] == [name.replace("_", " ") for name in CLASS_NAMES[:3]]
    assert {Path(moment.path).parent.name for moment in library} == {"test"}
    assert all(moment.has_video and moment.has_audio and moment.end == 4.0 for moment in library)
    assert COUNT % len(CLASS_NAMES) == 0


def test_a_gallery_is_built_once(
    library: Library, encoder: Encoder, gallery_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("embedded again")

    monkeypatch.setattr(gallery_module, "extract", refuse)
    before = {path: path.stat().st_mtime_ns for path in gallery_root.rglob("*.mp4")}
    seen: list[tuple[str, int, int]] = []
    again = open_gallery(encoder, gallery_root, 3, lambda *step: seen.append(step))
    assert list(again) == list(library)
    assert seen == [("Rendering clips", 3, 3)]
    assert {path: path.stat().st_mtime_ns for path in gallery_root.rglob("*.mp4")} == before


def test_an_interrupted_build_goes_on_to_the_same_gallery(
    library: Library, encoder: Encoder, gallery_root: Path, tmp_path: Path
) -> None:
    clips = next(gallery_root.glob("clips-*"))
    half = tmp_path / "half"
    write_set(half / clips.name, 3, gallery_spec(), 0, "test")
    (victim,) = half.glob("clips-*/test/*_impact_square.mp4")
    victim.unlink()  # as if killed before it was written, and before anything was embedded
    built = open_gallery(encoder, half, 3)
    assert [(moment.sha256, moment.title) for moment in built] == [(m.sha256, m.title) for m in library]
    for name, vectors in library.index.vectors.items():
        assert (built.index.vectors[name] == vectors).all()
    # An index whose writing was cut short has no index.json, and is made again from the features that are there.
    (_index(half) / "index.json").unlink()
    assert list(open_gallery(encoder, half, 3)) == list(built)


def test_another_checkpoint_has_a_gallery_of_its_own(
    library: Library, encoder: Encoder, gallery_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "shared"
    shutil.copytree(gallery_root, root)
    other = Encoder(encoder.checkpoint, encoder.model, encoder.video_processor, encoder.feature_extractor)
    other.checkpoint = type(other.checkpoint)("other", other.checkpoint.folder, "sha256:" + "0" * 64)
    built = open_gallery(other, root, 3)
    assert built.index.info.revision == other.checkpoint.revision
    assert len(list(root.glob("clips-*"))) == 1


def test_cache_follows_the_desktop_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "avzoo" / "gallery"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "avzoo" / "gallery"
