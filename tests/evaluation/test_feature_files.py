from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.feature_files import clips_of_vectors, read_feature_files


def packed(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archive(path: Path, members: Mapping[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                file.addfile(data)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


VECTORS = {"a/one": np.arange(4.0), "a/two": np.ones((3, 4), np.float32), "b/three": np.full(4, 2)}


@pytest.mark.parametrize("name", ["features.tar", "features.tar.gz", "folder"])
def test_a_folder_and_an_archive_hold_the_same(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    if name == "folder":
        for key, array in VECTORS.items():
            path = source / "features" / f"{key}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
        (source / "features" / "a" / "readme.txt").write_text("no array")
    else:
        link = tarfile.TarInfo("features/a/link.npy")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        members = {f"features/{key}.npy": packed(array) for key, array in VECTORS.items()}
        archive(source, {"._features": b"x", **members, "features/a/._one.npy": b"x", link.name: link})
    found = read_feature_files(source)
    assert list(found) == ["a/one", "a/two", "b/three"]
    for key, array in VECTORS.items():
        np.testing.assert_array_equal(found[key], np.atleast_2d(array))
        assert found[key].dtype == np.float32


def test_vectors_become_clips() -> None:
    found = {key: np.atleast_2d(array).astype(np.float32) for key, array in VECTORS.items()}
    clips = clips_of_vectors(found, [0, 0, 1], ("a", "b"))
    assert clips.items.names == tuple(VECTORS)
    assert clips.item.tolist() == [0, 1, 1, 1, 2]
    assert clips.clip.tolist() == [0, 0, 1, 2, 0]
    assert clips.labels.tolist() == [0, 0, 0, 0, 1]
    with pytest.raises(EvaluationError, match="one per item"):
        clips_of_vectors(found, [0], ("a", "b"))
    with pytest.raises(EvaluationError, match="no vectors"):
        clips_of_vectors({}, [], ("a", "b"))


class Evil:
    def __reduce__(self) -> Any:
        return (Path("/tmp/avzoo-was-here").touch, ())


def promising(shape: tuple[int, ...]) -> bytes:
    """An array whose header says more than follows."""
    data = packed(np.zeros(4, np.float64))
    told = re.sub(rb"\(4,\)(.*?) {%d}\n" % (len(repr(shape)) - 4), repr(shape).encode() + rb"\1\n", data)
    return (
        told
        if told != data
        else data.replace(b"(4,), }" + b" " * (len(repr(shape)) - 4), repr(shape).encode() + b", }")
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../out.npy": packed(np.ones(2))}, "points out of it"),
        ({"/a/out.npy": packed(np.ones(2))}, "points out of it"),
        ({"a/one.npy": packed(np.array([Evil()]), allow_pickle=True)}, "vectors of numbers"),
        ({"a/one.npy": promising((10**12,))}, "promises"),
        ({"a/one.npy": packed(np.ones(2))[:-4]}, "promises"),
        ({"a/one.npy": b"nothing"}, "is no array"),
        ({"a/one.npy": packed(np.array(["x"]))}, "vectors of numbers"),
        ({"a/one.npy": packed(np.array([1.0, np.nan]))}, "NaN"),
        ({"a/one.npy": packed(np.ones(2)), "a/two.npy": packed(np.ones(3))}, "of 2 .* and of 3 dimensions"),
        ({"a/one.txt": b"x"}, "no arrays"),
        ({f"a/{n}.npy": packed(np.ones(2)) for n in range(4)}, "more than 3 arrays"),
        ({"a/one.npy": packed(np.ones(20_000))}, "max_bytes"),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(tmp_path: Path, members: dict[str, Any], message: str) -> None:
    source = archive(tmp_path / "features.tar.gz", members)
    with pytest.raises(EvaluationError, match=message):
        read_feature_files(source, max_bytes=100_000, max_files=3)
    assert not Path("/tmp/avzoo-was-here").exists()


def test_an_archive_that_unpacks_to_anything_is_stopped(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a/one.npy")
    member.size = 2**40
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(member.tobuf() + bytes(5_000_000)))
    with pytest.raises(EvaluationError, match="unpacks to more"):
        read_feature_files(tmp_path / "bomb.tar.gz", max_bytes=1_000_000)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive at all", gzip.compress(b"x" * 2000, mtime=0)[:-20]],
    ids=["nothing", "text", "broken off"],
)
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "features.tar.gz").write_bytes(content)
    with pytest.raises(EvaluationError, match=r"neither a folder nor a whole tar archive|no arrays"):
        read_feature_files(tmp_path / "features.tar.gz")
    with pytest.raises(EvaluationError, match="there is no folder or archive"):
        read_feature_files(tmp_path / "absent")
