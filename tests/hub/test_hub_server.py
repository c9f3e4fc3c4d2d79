"""The loopback Hub against the unmodified client: what the other tests rely on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hub_server import Fault, HubServer
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

SMALL = b'{"model_type": "xkd"}\n'
LARGE = bytes(range(256)) * 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    (made / "sub").mkdir(parents=True)
    (made / "config.json").write_bytes(SMALL)
    (made / "sub" / "note.txt").write_text("deep")
    (made / "model.safetensors").write_bytes(LARGE)
    return made


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi()


@pytest.fixture
def repo(api: HfApi, folder: Path) -> str:
    api.create_repo("zoo/one")
    api.upload_folder(repo_id="zoo/one", folder_path=folder, commit_message="first")
    return "zoo/one"


def test_what_goes_up_comes_down(api: HfApi, repo: str, folder: Path) -> None:
    snapshot = Path(snapshot_download(repo))
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, content in files.items():
        assert (snapshot / name).read_bytes() == content
    assert snapshot.name == api.model_info(repo).sha
    info = {file.path: file for file in api.list_repo_tree(repo, recursive=True) if hasattr(file, "blob_id")}
    assert info["model.safetensors"].lfs.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert info["config.json"].blob_id == hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL).hexdigest()
    assert [file.path for file in api.get_paths_info(repo, ["config.json", "none"])] == ["config.json"]
    assert sorted(api.list_repo_files(repo)) == [".gitattributes", "config.json", "model.safetensors", "sub/note.txt"]


def test_branches_tags_and_history(api: HfApi, repo: str) -> None:
    first = api.model_info(repo).sha
    api.create_tag(repo, tag="v1")
    api.create_branch(repo, branch="next")
    second = api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo, revision="next").oid
    assert second != first == api.model_info(repo).sha
    assert [commit.commit_id for commit in api.list_repo_commits(repo, revision="next")][:2] == [second, first]
    references = api.list_repo_refs(repo)
    assert {ref.name: ref.target_commit for ref in references.branches} == {"main": first, "next": second}
    assert {ref.name: ref.target_commit for ref in references.tags} == {"v1": first}
    for revision, content in (("v1", SMALL), (first, SMALL), ("next", b"{}"), (second, b"{}")):
        assert Path(hf_hub_download(repo, "config.json", revision=revision)).read_bytes() == content
    with pytest.raises(HfHubHTTPError, match="Tag reference exists already"):
        api.create_tag(repo, tag="v1")
    with pytest.raises(HfHubHTTPError, match="A commit has happened since"):
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a.json", repo_id=repo, revision="next", parent_commit=first)


def test_what_is_not_there(api: HfApi, repo: str) -> None:
    with pytest.raises(HfHubHTTPError, match="already created"):
        api.create_repo(repo)
    assert str(api.create_repo(repo, exist_ok=True)).endswith(repo)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("zoo/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(repo, revision="none")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(repo, "none.json")


def test_who_may_what(hub: HubServer, api: HfApi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.whoami()["name"] == "tester"
    api.create_repo("zoo/secret", private=True)
    assert api.model_info("zoo/secret").private
    with pytest.raises(HfHubHTTPError, match="don't have the rights"):
        api.create_repo("others/one")
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token="hf_reader").model_info("zoo/secret")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(token="hf_forged").model_info("zoo/secret")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("zoo/secret")
    with pytest.raises(LocalTokenNotFoundError):
        HfApi().whoami()


def test_a_card_with_an_unknown_licence_is_refused(api: HfApi, repo: str) -> None:
    card = b"---\nlicense: cc-by-nc\n---\n# Name\n"
    with pytest.raises(ValueError, match='"license" must be one of'):
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo)


def test_a_cut_download_is_resumed_where_it_broke(hub: HubServer, repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.faults.append(Fault("GET", "/large/", after=50_500))
    path = hf_hub_download(repo, "model.safetensors")
    assert Path(path).read_bytes() == LARGE
    first, second = hub.asked("GET", "/large/")
    assert "range" not in first.headers and second.headers["range"] == "bytes=50000-"


def test_a_cut_upload_leaves_no_commit(hub: HubServer, api: HfApi, repo: str) -> None:
    before = api.model_info(repo).sha
    hub.faults.append(Fault("PUT", "/upload/", after=5000, times=100))
    with pytest.raises(Exception, match=r"uploading 'model\.safetensors'"):
        api.upload_file(path_or_fileobj=LARGE[::-1], path_in_repo="model.safetensors", repo_id=repo)
    assert api.model_info(repo).sha == before
    hub.faults.clear()
    hub.faults.append(Fault("PUT", "/upload/", after=5000))  # once: the client tries again
    api.upload_file(path_or_fileobj=LARGE[::-1], path_in_repo="model.safetensors", repo_id=repo)
    assert Path(hf_hub_download(repo, "model.safetensors")).read_bytes() == LARGE[::-1]


def test_what_does_not_have_its_hash_is_refused(hub: HubServer, api: HfApi, repo: str) -> None:
    import httpx2

    assert httpx2.put(f"{hub.cdn}/upload/{'0' * 64}", content=b"abc").status_code == 400
    hub.faults.append(Fault("POST", "/commit/", status=400))
    with pytest.raises(BadRequestError):
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a.json", repo_id=repo)
