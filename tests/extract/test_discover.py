"""Which files a run is about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avzoo.extract.discover import InputError, discover


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_folders_are_searched_in_the_order_of_bytes_and_each_file_is_once(tmp_path: Path) -> None:
    names = ["b.mp4", "a b.mp4", "ä.mp4", "Z.mp4", "sub/deep/-x.mp4", "sub/'\"\n.mp4", ".hidden.mp4", ".git/c.mp4"]
    _touch(*(tmp_path / name for name in names))
    found = [file.path for file in discover([tmp_path / "sub", tmp_path, tmp_path / "b.mp4"], tmp_path / "out")]
    wanted = [os.path.join(tmp_path, name) for name in names if not name.startswith(".")]
    assert found == sorted(wanted, key=os.fsencode)


def test_relative_paths_and_dots_name_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "-a.mp4")
    monkeypatch.chdir(tmp_path)
    assert discover(["-a.mp4"], Path("out")) == discover([tmp_path / "x" / ".." / "-a.mp4"], Path("out"))


def test_the_output_is_no_input(tmp_path: Path) -> None:
    _touch(tmp_path / "a.mp4", tmp_path / "out" / "part.parquet")
    assert [file.path for file in discover([tmp_path], tmp_path / "x" / ".." / "out")] == [str(tmp_path / "a.mp4")]


def test_links_are_files_but_linked_folders_are_not_entered(tmp_path: Path) -> None:
    _touch(tmp_path / "else" / "real.mp4", tmp_path / "media" / "a.txt")
    media = tmp_path / "media"
    (media / "link.mp4").symlink_to(tmp_path / "else" / "real.mp4")
    (media / "loop").symlink_to(media)
    (media / "broken.mp4").symlink_to(tmp_path / "nothing")
    os.mkfifo(media / "pipe.mp4")
    found = {Path(file.path).name: file for file in discover([media], tmp_path / "out")}
    assert set(found) == {"a.txt", "link.mp4", "loop", "broken.mp4", "pipe.mp4"}
    assert found["link.mp4"].problem is None
    assert "symbolic link to nothing" in str(found["broken.mp4"].problem)
    assert "symbolic link to a folder" in str(found["loop"].problem)
    assert found["pipe.mp4"].problem == "is no regular file"
    assert all(file.path.startswith(f"{media}/loop/") for file in discover([media / "loop"], tmp_path / "out"))


def test_only_what_should_be_media_is_expected_to_be(tmp_path: Path) -> None:
    _touch(tmp_path / "readme.txt", tmp_path / "CLIP.MP4")
    expected = {Path(file.path).name: file.expected for file in discover([tmp_path], tmp_path / "out")}
    assert expected == {"readme.txt": False, "CLIP.MP4": True}
    assert discover([tmp_path / "readme.txt", tmp_path], tmp_path / "out")[1].expected


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file or folder .*nothing\.mp4"):
        discover([tmp_path / "nothing.mp4"], tmp_path / "out")


def test_only_a_named_folder_that_cannot_be_listed_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path / "a.mp4", tmp_path / "locked" / "b.mp4", tmp_path / "z" / "c.mp4")
    listed = os.scandir

    def scandir(folder: str) -> object:
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)  # the superuser may list everything
    found = {os.path.relpath(file.path, tmp_path): file for file in discover([tmp_path], tmp_path / "out")}
    assert list(found) == ["a.mp4", "locked", "z/c.mp4"]
    assert found["locked"].problem == "is a folder that cannot be listed (Permission denied)"
    assert found["locked"].expected
    with pytest.raises(InputError, match="locked cannot be listed: Permission denied"):
        discover([tmp_path / "locked"], tmp_path / "out")


def test_undecodable_names_have_a_readable_form(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.mp4", "wb") as file:
        file.write(b"x")
    (found,) = discover([tmp_path], tmp_path / "out")
    assert found.text == f"{tmp_path}/\\xff.mp4"
    assert found.sha256() == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
