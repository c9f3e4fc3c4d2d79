"""Downloads: resumed, checked, held to https, and never half under their final name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Served, served

from avzoo.hub.download import DownloadError, cache_folder, download

CONTENT = bytes(range(256)) * 16
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server() -> Iterator[Served]:
    with served(CONTENT) as state:
        yield state


def test_a_file_is_checked_named_and_kept(server: Served, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = download(server.url, tmp_path / "new", PREFIX, on_progress=lambda had, total: seen.append((had, total)))
    assert target == tmp_path / "new" / "weights.pth"
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert download(server.url, tmp_path / "new", PREFIX) == target
    assert len(server.ranges) == 1, "what is there is not fetched again"
    assert [path.name for path in target.parent.iterdir()] == ["weights.pth"]


def test_a_broken_download_is_resumed(server: Served, tmp_path: Path) -> None:
    server.cut = 1000
    assert download(server.url, tmp_path, PREFIX).read_bytes() == CONTENT
    assert server.ranges == [None, *(f"bytes={start}-" for start in (1000, 2000, 3000, 4000))]


def test_it_goes_on_in_a_later_run(server: Served, tmp_path: Path) -> None:
    server.cut = 0
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:100])
    (tmp_path / "weights.pth.part.etag").write_text('"1"')
    with pytest.raises(DownloadError, match=r"broke off after 100 bytes .* run it again to go on from there"):
        download(server.url, tmp_path, PREFIX)
    assert not (tmp_path / "weights.pth").exists()
    server.cut = None
    assert download(server.url, tmp_path, PREFIX).read_bytes() == CONTENT
    assert set(server.ranges) == {"bytes=100-"}


@pytest.mark.parametrize("etag", ['"2"', 'W/"1"', None])
def test_nothing_is_resumed_of_another_version(etag: str | None, server: Served, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(b"of another version")
    if etag == '"2"':
        (tmp_path / "weights.pth.part.etag").write_text('"1"')
    server.etag = etag
    server.cut = 3000
    if etag != '"2"':
        with pytest.raises(DownloadError, match="broke off"):
            download(server.url, tmp_path)
        server.cut = None
    assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_what_is_already_whole_is_not_lost(server: Served, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT)
    (tmp_path / "weights.pth.part.etag").write_text('"1"')
    assert download(server.url, tmp_path, PREFIX).read_bytes() == CONTENT


def test_another_file_is_discarded(server: Served, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=rf"begins with {PREFIX}, not 00000000; it was discarded"):
        download(server.url, tmp_path, "00000000")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_replaced(server: Served, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"damaged")
    assert download(server.url, tmp_path, PREFIX).read_bytes() == CONTENT


def test_a_server_that_fails_is_asked_again_and_one_that_refuses_is_not(server: Served, tmp_path: Path) -> None:
    server.codes = [503, 502]
    assert download(server.url, tmp_path / "first", PREFIX).read_bytes() == CONTENT
    server.codes = [404, 500]
    with pytest.raises(DownloadError, match="cannot be had: the server answers HTTP Error 404"):
        download(server.url, tmp_path / "second", PREFIX)
    assert server.codes == [500]
    server.codes = [503] * 3
    with pytest.raises(DownloadError, match="broke off after 0 bytes"):
        download(server.url, tmp_path / "third", PREFIX)


def test_nothing_listens(server: Served, tmp_path: Path) -> None:
    url = server.url.replace("127.0.0.1", "127.0.0.2").rpartition(":")[0] + ":1/weights.pth"
    with pytest.raises(DownloadError, match="broke off after 0 bytes"):
        download(url, tmp_path)


def test_a_limit_of_size(server: Served, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="has 4096 bytes; at most 1000 are downloaded"):
        download(server.url, tmp_path, max_bytes=1000)
    assert not (tmp_path / "weights.pth").exists()


@pytest.mark.parametrize("url", ["http://example.org/weights.pth", "ftp://127.0.0.1/w.pth", "file:///etc/passwd"])
def test_https_only(url: str, server: Served, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is refused"):
        download(url, tmp_path)
    server.redirect = url
    with pytest.raises(DownloadError, match=r"is refused: it leads to|cannot be had"):
        download(server.url, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_where_downloads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == Path("/elsewhere/avzoo/official")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/avzoo/official")


def test_an_end_that_nobody_announces_is_believed_for_a_checksum_only(server: Served, tmp_path: Path) -> None:
    server.tells_length = False
    assert download(server.url, tmp_path / "known", PREFIX).read_bytes() == CONTENT
    server.cut = 1000
    with pytest.raises(DownloadError, match="does not say how long the file is and no checksum is known"):
        download(server.url, tmp_path / "unknown")
    assert not (tmp_path / "unknown" / "weights.pth").exists()
