"""What the loopback Hub keeps: users, repositories with their history, and large files by their hash."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".npz")


@dataclass(frozen=True)
class User:
    """Who a token belongs to, and the namespaces it may write to; ``None`` for a token that only reads."""

    name: str
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Blob:
    """A file of a commit: its content, or the hash of the large file that its pointer names."""

    size: int
    sha256: str
    content: bytes | None

    @property
    def oid(self) -> str:
        """The git hash: of the content, or of the pointer to a large file."""
        content = self.content
        if content is None:
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
            content = pointer.encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.content is None else self.oid

    def as_json(self, path: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": path, "oid": self.oid, "size": self.size}
        if self.content is None:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 130}
        return entry


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    parent: str | None
    title: str
    message: str
    author: str
    date: str
    tree: dict[str, Blob]

    @property
    def id(self) -> str:
        files = "".join(f"{path} {blob.oid}\n" for path, blob in sorted(self.tree.items()))
        text = f"{self.parent}\n{self.title}\n{self.message}\n{self.author}\n{self.date}\n{files}"
        return hashlib.sha1(text.encode()).hexdigest()


class HubError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


@dataclass
class Repo:
    """A model repository."""

    id: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> str:
        """The commit that a branch, a tag or a commit names."""
        for names in (self.branches, self.tags):
            if revision in names:
                return names[revision]
        if revision in self.commits:
            return revision
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def tree(self, revision: str) -> dict[str, Blob]:
        return self.commits[self.find(revision)].tree

    def history(self, revision: str) -> list[tuple[str, Commit]]:
        """Commits from the newest on."""
        commit: str | None = self.find(revision)
        found = []
        while commit is not None:
            found.append((commit, self.commits[commit]))
            commit = self.commits[commit].parent
        return found

    def commit(self, branch: str, title: str, message: str, author: str, tree: dict[str, Blob]) -> str:
        commit = Commit(
            self.branches.get(branch), title, message, author, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), tree
        )
        self.commits[commit.id] = commit
        self.branches[branch] = commit.id
        return commit.id


class Hub:
    """The state of the server; one lock, for requests come in threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = {
            "hf_writer": User("tester", ("tester", "zoo")),
            "hf_reader": User("visitor"),
        }
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        self.lfs_threshold = 10_000_000

    def repo(self, repo_id: str, user: User | None, write: bool = False) -> Repo:
        """A repository, if the user may see it, and change it where that is wanted.

        A private repository looks like one that is not there.
        """
        repo = self.repos.get(repo_id)
        owner = user is not None and repo_id.split("/")[0] in user.namespaces
        if repo is None or (repo.private and not owner):
            if user is None:
                raise HubError(401, "Invalid username or password.", "RepoNotFound")
            raise HubError(404, "Repository not found", "RepoNotFound")
        if write and not owner:
            if user is None:
                raise HubError(401, "Invalid username or password.")
            raise HubError(403, "You have read access but not the required permissions for this operation")
        return repo

    def create(self, name: str, organization: str | None, private: bool, user: User | None) -> Repo:
        if user is None:
            raise HubError(401, "Invalid username or password.")
        namespace = organization or user.name
        repo_id = f"{namespace}/{name}"
        if namespace not in user.namespaces:
            raise HubError(403, f'You don\'t have the rights to create a model under the namespace "{namespace}"')
        if repo_id in self.repos:
            raise HubError(409, "You already created this model repo", id=repo_id)
        repo = self.repos[repo_id] = Repo(repo_id, private)
        attributes = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
        first = {".gitattributes": self.small(attributes)}
        repo.commit("main", "initial commit", "", user.name, first)
        return repo

    def small(self, content: bytes) -> Blob:
        return Blob(len(content), hashlib.sha256(content).hexdigest(), content)

    def is_large(self, path: str, size: int) -> bool:
        return path.endswith(LFS_SUFFIXES) or size > self.lfs_threshold

    def content(self, blob: Blob) -> bytes:
        return self.large[blob.sha256] if blob.content is None else blob.content

    def put(self, repo_id: str, files: dict[str, bytes], private: bool = False, title: str = "planted") -> str:
        """Commits files from behind the scenes; returns the commit."""
        with self.lock:
            if repo_id not in self.repos:
                namespace, name = repo_id.split("/")
                self.create(name, namespace, private, User("planter", (namespace,)))
            repo = self.repos[repo_id]
            tree = dict(repo.tree("main"))
            for path, content in files.items():
                blob = self.small(content)
                if self.is_large(path, len(content)):
                    self.large[blob.sha256] = content
                    blob = Blob(blob.size, blob.sha256, None)
                tree[path] = blob
            return repo.commit("main", title, "", "planter", tree)
