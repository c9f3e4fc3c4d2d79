"""What is taken for a checkpoint, what is unpacked, and every archive that is refused."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from avzoo.hub import archives
from avzoo.hub.archives import ArchiveError, open_checkpoint

WEIGHTS = {"weight": torch.arange(3.0)}


def saved(legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(WEIGHTS, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def opened(content: bytes, tmp_path: Path) -> bytes:
    return open_checkpoint(io.BytesIO(content), tmp_path).read()


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    return file.getvalue()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_is_taken_as_it_is_and_out_of_a_zip(legacy: bool, tmp_path: Path) -> None:
    checkpoint = saved(legacy)
    assert opened(checkpoint, tmp_path) == checkpoint
    assert list(tmp_path.iterdir()) == []
    wrapped = zipped(("__MACOSX/._vid.pth.tar", b"x"), ("release/", b""), ("release/vid.pth.tar", checkpoint))
    assert opened(wrapped, tmp_path) == checkpoint
    assert [path.name for path in tmp_path.iterdir()] == ["unpacked"], "the archive names nothing on the disk"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x80\x02}q\x00.", "is a plain pickle"),
        (b"\n<!DOCTYPE html>", "is a web page"),
        (b"\x1f\x8b\x08", "is a gzip archive"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"weights", "is no PyTorch checkpoint"),
        (tarred(), "is a tar archive"),
        (saved()[:-40], "is cut short or damaged"),
        (zipped(("a.pth", saved()), ("b.pth", saved())), "holds 2 files"),
        (zipped(("__MACOSX/._a", b"")), "holds 0 files"),
        (zipped(("a.zip", zipped(("a.pth", saved())))), "an archive inside an archive"),
        (zipped(("a.pth", b"\x80\x02}q\x00.")), "is a plain pickle"),
        (zipped(("model/data.pkl", b""), ("model/constants.pkl", b"")), "is a TorchScript program"),
        (zipped(("../a.pth", saved())), "leads out of the archive: '../a.pth'"),
        (zipped(("a/../../a.pth", saved())), "leads out of the archive"),
        (zipped(("/etc/a.pth", saved())), "leads out of the archive"),
        (zipped(("C:/a.pth", saved())), "leads out of the archive"),
        (zipped(("a\\..\\b.pth", saved())), "leads out of the archive"),
        (zipped((special("a.pth", stat.S_IFLNK | 0o777), b"/etc/passwd")), "holds a link or a device"),
        (zipped((special("a.pth", stat.S_IFCHR | 0o666), b"")), "holds a link or a device"),
        (zipped(("a.pth", b"\0" * 2**21)), "unpacks to more than 100 times its size"),
        (zipped(("a.pth", saved()), method=zipfile.ZIP_LZMA), "packed by a method that is not read"),
    ],
)
def test_what_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=message):
        opened(content, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name != "unpacked"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_differ_in_case_alone_are_one(tmp_path: Path) -> None:
    for second in ("a.pth", "A.PTH"):
        with pytest.raises(ArchiveError, match="holds two files named"):
            opened(zipped(("a.pth", saved()), (second, saved())), tmp_path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("a.pth", saved())))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + flags] |= 1
    with pytest.raises(ArchiveError, match="is encrypted"):
        opened(bytes(content), tmp_path)


def test_damage_inside_a_zip_is_found_by_its_checksum(tmp_path: Path) -> None:
    content = bytearray(zipped(("a.pth", saved()), method=zipfile.ZIP_STORED))
    content[len(content) // 2] ^= 1
    with pytest.raises(ArchiveError, match="is cut short or damaged"):
        opened(bytes(content), tmp_path)


@pytest.mark.parametrize(
    ("limit", "message"), [("MAX_BYTES", "unpacks to more than"), ("MAX_MEMBERS", "holds 2 files")]
)
def test_limits(limit: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, limit, 1)
    with pytest.raises(ArchiveError, match=message):
        opened(zipped(("a.pth", b"xx"), ("b.pth", b"xx")), tmp_path)


def test_a_checkpoint_that_is_itself_packed_is_held_to_the_same_limits(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="100 times its size"):
        opened(zipped(("model/data.pkl", b""), ("model/data/0", b"\0" * 2**21)), tmp_path)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_changed_bit_is_found_by_the_checksum_of_its_member(wrapped: bool, tmp_path: Path) -> None:
    content = bytearray(saved())
    content[content.index(WEIGHTS["weight"].numpy().tobytes()) + 5] ^= 1
    damaged = bytes(content)
    assert not torch.equal(torch.load(io.BytesIO(damaged))["weight"], WEIGHTS["weight"]), "PyTorch reads it"
    with pytest.raises(ArchiveError, match=r"is damaged: \S+/data/0 is not what its checksum says"):
        opened(zipped(("vid.pth", damaged)) if wrapped else damaged, tmp_path)
