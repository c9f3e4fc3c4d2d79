"""What the loopback Hub answers, one function per page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from hub_http import Answer, Handler, route
from hub_repos import Blob, Hub, HubError

LICENSES = {"apache-2.0", "mit", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc0-1.0", "bsd-3-clause", "other"}


@route("GET", "/api/whoami-v2")
def whoami(request: Handler) -> Answer:
    if request.user is None:
        raise HubError(401, "Invalid username or password.")
    role = "write" if request.user.namespaces else "read"
    return 200, {"type": "user", "name": request.user.name, "orgs": [], "auth": {"accessToken": {"role": role}}}, {}


@route("POST", "/api/repos/create")
def create(request: Handler) -> Answer:
    asked = request.json()
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    repo = request.state.hub.create(asked["name"], asked.get("organization"), private, request.user)
    return 200, {"url": f"{request.state.url}/{repo.id}", "id": repo.id, "name": repo.id}, {}


@route("DELETE", "/api/repos/delete")
def delete(request: Handler) -> Answer:
    asked = request.json()
    repo = request.repo(f"{asked.get('organization') or request.user.name}/{asked['name']}", write=True)
    del request.state.hub.repos[repo.id]
    return 200, {}, {}


@route("POST", "/api/validate-yaml")
def validate_yaml(request: Handler) -> Answer:
    front = re.match(r"---\r?\n(.*?)\r?\n---", request.json()["content"], re.DOTALL)
    if front is None:
        return 200, {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]}, {}
    named = re.search(r"^license:\s*(.+?)\s*$", front[1], re.MULTILINE)
    if named is not None and named[1].strip("'\"") not in LICENSES:
        error = {"message": f'"license" must be one of {sorted(LICENSES)}'}
        return 400, {"errors": [error], "warnings": [], "error": error["message"]}, {}
    return 200, {"errors": [], "warnings": []}, {}


@route("GET", "/api/models/{repo}")
def model_info(request: Handler, repo_id: str) -> Answer:
    return revision_info(request, repo_id, "main")


@route("GET", "/api/models/{repo}/revision/{rev}")
def revision_info(request: Handler, repo_id: str, revision: str) -> Answer:
    repo = request.repo(repo_id)
    commit = repo.find(revision)
    siblings: list[dict[str, Any]] = []
    for path, blob in sorted(repo.tree(commit).items()):
        entry: dict[str, Any] = {"rfilename": path}
        if "blobs" in request.query:
            entry |= {"size": blob.size, "blobId": blob.oid}
            if blob.content is None:
                entry["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 130}
        siblings.append(entry)
    facts = {"id": repo.id, "modelId": repo.id, "sha": commit, "private": repo.private, "gated": False}
    facts |= {"disabled": False, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings}
    return 200, facts, {}


@route("GET", "/api/models/{repo}/tree/{rev}")
def tree(request: Handler, repo_id: str, revision: str) -> Answer:
    files = request.repo(repo_id).tree(revision)
    folders = {path.rsplit("/", 1)[0] for path in files if "/" in path}
    entries = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)]
    return 200, entries + [blob.as_json(path) for path, blob in sorted(files.items())], {}


@route("GET", "/api/models/{repo}/tree/{rev}/{path}")
def subtree(request: Handler, repo_id: str, revision: str, folder: str) -> Answer:
    files = request.repo(repo_id).tree(revision)
    inside = [blob.as_json(path) for path, blob in sorted(files.items()) if path.startswith(f"{folder}/")]
    if not inside:
        raise HubError(404, f"{folder} does not exist", "EntryNotFound")
    return 200, inside, {}


@route("POST", "/api/models/{repo}/paths-info/{rev}")
def paths_info(request: Handler, repo_id: str, revision: str) -> Answer:
    is_json = request.headers.get("Content-Type", "").startswith("application/json")
    paths = request.json()["paths"] if is_json else parse_qs(request.body.decode())["paths"]
    files = request.repo(repo_id).tree(revision)
    return 200, [files[path].as_json(path) for path in paths if path in files], {}


@route("GET", "/api/models/{repo}/refs")
def refs(request: Handler, repo_id: str) -> Answer:
    repo = request.repo(repo_id)

    def listed(names: dict[str, str], kind: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": to} for name, to in names.items()]

    return 200, {"branches": listed(repo.branches, "heads"), "tags": listed(repo.tags, "tags"), "converts": []}, {}


@route("GET", "/api/models/{repo}/commits/{rev}")
def commits(request: Handler, repo_id: str, revision: str) -> Answer:
    history = [
        {
            "id": commit_id,
            "title": commit.title,
            "message": commit.message,
            "date": commit.date,
            "authors": [{"user": commit.author}],
        }
        for commit_id, commit in request.repo(repo_id).history(revision)
    ]
    return 200, history, {"X-Total-Count": str(len(history))}


@route("POST", "/api/models/{repo}/tag/{rev}")
def create_tag(request: Handler, repo_id: str, revision: str) -> Answer:
    repo, tag = request.repo(repo_id, write=True), request.json()["tag"]
    if tag in repo.tags:
        raise HubError(409, f"Tag reference exists already: refs/tags/{tag}")
    repo.tags[tag] = repo.find(revision)
    return 200, {}, {}


@route("DELETE", "/api/models/{repo}/tag/{rev}")
def delete_tag(request: Handler, repo_id: str, tag: str) -> Answer:
    if request.repo(repo_id, write=True).tags.pop(tag, None) is None:
        raise HubError(404, f"Invalid rev id: {tag}", "RevisionNotFound")
    return 200, {}, {}


@route("POST", "/api/models/{repo}/branch/{rev}")
def create_branch(request: Handler, repo_id: str, branch: str) -> Answer:
    repo = request.repo(repo_id, write=True)
    if branch in repo.branches:
        raise HubError(409, f"Reference already exists: refs/heads/{branch}")
    repo.branches[branch] = repo.find(request.json().get("startingPoint", "main"))
    return 200, {}, {}


@route("POST", "/api/models/{repo}/preupload/{rev}")
def preupload(request: Handler, repo_id: str, revision: str) -> Answer:
    files = request.repo(repo_id, write=True).tree(revision)
    answers = []
    for file in request.json()["files"]:
        path = file["path"]
        answer = {"path": path, "shouldIgnore": False}
        answer["uploadMode"] = "lfs" if request.state.hub.is_large(path, file["size"]) else "regular"
        if path in files:
            answer["oid"] = files[path].etag
        answers.append(answer)
    return 200, {"files": answers}, {}


@route("POST", "/{repo}.git/info/lfs/objects/batch")
def lfs_batch(request: Handler, repo_id: str) -> Answer:
    request.repo(repo_id, write=True)
    state = request.state
    objects = []
    for entry in request.json()["objects"]:
        answer = {"oid": entry["oid"], "size": entry["size"]}
        if entry["oid"] not in state.hub.large:
            answer["actions"] = {
                "upload": {"href": f"{state.cdn}/upload/{entry['oid']}"},
                "verify": {"href": f"{state.url}/{repo_id}.git/info/lfs/verify"},
            }
        objects.append(answer)
    return 200, {"transfer": "basic", "objects": objects}, {}


@route("PUT", "/upload/{rev}")
def lfs_upload(request: Handler, sha256: str) -> Answer:
    if hashlib.sha256(request.body).hexdigest() != sha256:
        raise HubError(400, "the content does not have the hash it was announced with")
    request.state.hub.large[sha256] = request.body
    return 200, b"", {"ETag": f'"{sha256}"'}


@route("POST", "/{repo}.git/info/lfs/verify")
def lfs_verify(request: Handler, repo_id: str) -> Answer:
    asked, large = request.json(), request.state.hub.large
    if len(large.get(asked["oid"], b"")) != asked["size"]:
        raise HubError(404, "the large file has not arrived")
    return 200, {}, {}


@route("POST", "/api/models/{repo}/commit/{rev}")
def commit(request: Handler, repo_id: str, branch: str) -> Answer:
    repo, hub = request.repo(repo_id, write=True), request.state.hub
    if branch not in repo.branches:
        raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    lines = [json.loads(line) for line in request.body.splitlines()]
    header = lines[0]["value"]
    if header.get("parentCommit", repo.branches[branch]) != repo.branches[branch]:
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(repo.tree(branch))
    for path, blob in _operations(lines[1:], hub, files):
        if blob is None:
            files.pop(path)
        else:
            files[path] = blob
    author = request.user.name if request.user else ""
    commit_id = repo.commit(branch, header["summary"], header.get("description", ""), author, files)
    url = f"{request.state.url}/{repo_id}/commit/{commit_id}"
    return 200, {"success": True, "commitOid": commit_id, "commitUrl": url, "hookOutput": ""}, {}


def _operations(lines: list[dict[str, Any]], hub: Hub, files: dict[str, Blob]) -> Iterator[tuple[str, Blob | None]]:
    for line in lines:
        value = line["value"]
        path = value["path"]
        if line["key"] == "file":
            yield path, hub.small(base64.b64decode(value["content"]))
        elif line["key"] == "lfsFile":
            if value["oid"] not in hub.large:
                raise HubError(400, f"LFS pointer of {path} points to a file that does not exist")
            yield path, Blob(len(hub.large[value["oid"]]), value["oid"], None)
        elif line["key"] == "deletedFile":
            if path not in files:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
            yield path, None
        else:
            raise HubError(400, f"unknown operation {line['key']}")


@route("GET", "/{repo}/resolve/{rev}/{path}")
def resolve(request: Handler, repo_id: str, revision: str, path: str) -> Answer:
    repo, state = request.repo(repo_id), request.state
    commit_id = repo.find(revision)
    headers = {"X-Repo-Commit": commit_id}
    blob = repo.tree(commit_id).get(path)
    if blob is None:
        error = HubError(404, "Entry not found", "EntryNotFound")
        return error.status, {"error": error.message}, {**headers, "X-Error-Code": "EntryNotFound"}
    headers |= {"ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if blob.content is not None:
        return 200, blob.content, headers
    headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size)}
    return 302, b"", headers | {"Location": f"{state.cdn}/large/{blob.sha256}?name={path}"}


@route("GET", "/large/{rev}")
def large(request: Handler, sha256: str) -> Answer:
    if request.user is not None:
        raise HubError(400, "a token was sent to the host of large files")
    headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    return 200, request.state.hub.large[sha256], headers
