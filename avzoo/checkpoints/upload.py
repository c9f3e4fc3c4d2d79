"""Files to a Hub repository, in one commit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avzoo.checkpoints.contents import WEIGHTS_FILE
from avzoo.checkpoints.hashes import git_sha1_of, sha256_of
from avzoo.checkpoints.hub_client import connection_errors, first_line
from avzoo.errors import AvzooError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
MAIN = "main"


class UploadError(AvzooError):
    """Files cannot be published; the message says why and what to do."""


class HubUnreachableError(UploadError):
    """The Hub does not answer, or the connection broke off; the same push may succeed later."""


@dataclass(frozen=True)
class Upload:
    """What an upload did.

    Attributes:
        repo: ``owner/name``.
        url: Its page.
        branch: The branch.
        tag: The tag that names the commit; None where none was asked for.
        commit: The commit that holds the files now.
        created: Whether the repository is new.
        uploaded: Files that were sent, because the branch had none of that name or another content.
        deleted: Files that were removed.
    """

    repo: str
    url: str
    branch: str
    tag: str | None
    commit: str
    created: bool
    uploaded: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there was anything to commit."""
        return bool(self.uploaded or self.deleted)


def check_repo_id(repo: str) -> None:
    """Refuses what is no ``owner/name``.

    Raises:
        UploadError: It is none.
    """
    if not re.fullmatch(f"{_NAME}/{_NAME}", repo) or ".." in repo or "--" in repo or repo.endswith((".git", ".", "-")):
        raise UploadError(
            f"{repo!r} is no name of a Hub repository: give OWNER/NAME, of letters, digits, '-', '_' and '.'"
        )


def upload(
    files: Mapping[str, Path],
    repo: str,
    *,
    message: str,
    branch: str = MAIN,
    tag: str | None = None,
    private: bool = False,
    managed: Iterable[str] = (),
    token: str | None = None,
) -> Upload:
    """Makes a branch of a Hub repository hold files, in one commit, or in none where it holds them already.

    The repository and the branch are created where they do not exist. A commit of somebody else in between is not
    overwritten. Until the commit, nothing of the upload can be seen; large files that have arrived are not sent again.

    Args:
        files: Name in the repository -> file.
        repo: ``owner/name``.
        message: What the commit is called.
        branch: The branch.
        tag: What to call the commit for good: a tag never moves.
        private: Create the repository as one that only its owners see.
        managed: Names that are removed where the branch has them and ``files`` does not. Other files are left alone.
        token: Token with write permission; that of ``hf auth login`` or ``HF_TOKEN`` by default.

    Raises:
        UploadError: The name is none, there is no token or it does not suffice, the tag names other files, or the Hub
            refuses.
        HubUnreachableError: The Hub cannot be reached, or the connection broke off.
    """
    api = _client(repo, token)
    with _told_in_a_sentence(repo, api.endpoint):
        return _upload(api, files, repo, message, branch, tag, private, set(managed))


def open_repo(repo: str, *, private: bool = False, token: str | None = None) -> str:
    """Creates a repository where there is none, so that what is in the way of an upload shows before the work is done.

    Args:
        repo: ``owner/name``.
        private: Create it as one that only its owners see.
        token: As in `upload`.

    Returns:
        The address of its page.

    Raises:
        UploadError: As in `upload`.
        HubUnreachableError: The Hub cannot be reached.
    """
    api = _client(repo, token)
    with _told_in_a_sentence(repo, api.endpoint):
        _make_repo(api, repo, private)
    return f"{api.endpoint}/{repo}"


def _client(repo: str, token: str | None) -> HfApi:
    check_repo_id(repo)
    from huggingface_hub import HfApi, get_token

    if token is None and get_token() is None:
        raise UploadError(
            f"publishing to {repo} needs a token: log in with hf auth login, or set HF_TOKEN to one that may write"
        )
    return HfApi(token=token, library_name="avzoo")


def _upload(
    api: HfApi,
    files: Mapping[str, Path],
    repo: str,
    message: str,
    branch: str,
    tag: str | None,
    private: bool,
    managed: set[str],
) -> Upload:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    created = _make_repo(api, repo, private)
    refs = api.list_repo_refs(repo)
    branches, tags = ({ref.name: ref.target_commit for ref in refs} for refs in (refs.branches, refs.tags))
    _check_names(repo, branch, tag, branches, tags)
    url = f"{api.endpoint}/{repo}"
    if tag in tags:
        _require_same(repo, tag, files, _tree(api, repo, tags[tag]))
        return Upload(repo, url, branch, tag, tags[tag], created, (), ())
    if branch not in branches:
        api.create_branch(repo, branch=branch)
    head = branches.get(branch, branches[MAIN])
    remote = _tree(api, repo, head)
    changed = tuple(name for name, path in files.items() if not _same(path, remote.get(name)))
    superfluous = tuple(sorted(managed & remote.keys() - files.keys()))
    commit = head
    if changed or superfluous:
        additions = [CommitOperationAdd(name, str(files[name])) for name in changed]
        deletions = [CommitOperationDelete(name) for name in superfluous]
        done = api.create_commit(
            repo, [*additions, *deletions], commit_message=message, revision=branch, parent_commit=head
        )
        commit = done.oid
    if tag is not None:
        api.create_tag(repo, tag=tag, revision=commit)
    return Upload(repo, url, branch, tag, commit, created, changed, superfluous)


def _make_repo(api: HfApi, repo: str, private: bool) -> bool:
    """Creates the repository; whether it was not there before."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = api.model_info(repo)
    except RepositoryNotFoundError:
        api.create_repo(repo, private=private, exist_ok=True)
        return True
    if private and not found.private:
        raise UploadError(f"{repo} exists and is public: make it private in its settings, or push without --private")
    return False


def _check_names(repo: str, branch: str, tag: str | None, branches: Mapping[str, str], tags: Mapping[str, str]) -> None:
    if tag in branches:
        raise UploadError(f"{tag} is a branch of {repo}: push to it with --branch {tag}, or choose another --revision")
    if branch in tags:
        raise UploadError(f"{branch} is a tag of {repo}, and a tag never moves: choose another --branch")


def _require_same(repo: str, tag: str, files: Mapping[str, Path], remote: Mapping[str, Any]) -> None:
    different = [name for name, path in files.items() if not _same(path, remote.get(name))]
    if WEIGHTS_FILE in different:
        raise UploadError(
            f"the tag {tag} of {repo} names other weights, and a tag never moves: choose another --revision"
        )
    if different:
        raise UploadError(
            f"the tag {tag} of {repo} names the same weights with another {', '.join(different)}, and a tag never "
            "moves: choose another --revision"
        )


def _tree(api: HfApi, repo: str, commit: str) -> dict[str, Any]:
    """The files of a commit by name."""
    return {entry.path: entry for entry in api.list_repo_tree(repo, revision=commit) if hasattr(entry, "blob_id")}


def _same(path: Path, remote: Any) -> bool:
    """Whether a file of a commit has the content of a local one."""
    if remote is None or remote.size != path.stat().st_size:
        return False
    if remote.lfs is not None:
        return bool(remote.lfs.sha256 == sha256_of(path))
    return bool(remote.blob_id == git_sha1_of(path))


@contextmanager
def _told_in_a_sentence(repo: str, endpoint: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except AvzooError:
        raise
    except OfflineModeIsEnabled:
        raise UploadError("nothing can be published offline: unset HF_HUB_OFFLINE") from None
    except HfHubHTTPError as error:
        raise _refusal(repo, endpoint, error) from None
    except connection_errors() as error:
        if getattr(error, "filename", None) is not None:
            raise  # a file of this machine
        raise _broken(endpoint, error) from None
    except RuntimeError as error:  # how the client reports a large file that could not be sent
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(repo, endpoint, error.__cause__) from None
        raise _broken(endpoint, error.__cause__ or error) from None
    except ValueError as error:
        # The client's own checks, of the metadata of the card among others.
        raise UploadError(f"the Hub does not take the files for {repo}: {' '.join(str(error).split())}") from None


def _broken(endpoint: str, error: BaseException) -> HubUnreachableError:
    return HubUnreachableError(
        f"the connection to the Hub ({endpoint}) failed ({first_line(error)}): push again, large files that have "
        "arrived are not sent again"
    )


def _refusal(repo: str, endpoint: str, error: Any) -> UploadError:
    said = error.server_message or first_line(error)
    match error.response.status_code:
        case 401:
            return UploadError("the Hub does not accept your token: log in with hf auth login, or set HF_TOKEN anew")
        case 402 | 403 | 404:
            return UploadError(f"your account may not write to {repo} ({said}): use a token with that permission")
        case 409 | 412:
            return UploadError(f"somebody else changed {repo} at the same time: push again")
        case 429:
            return HubUnreachableError(f"the Hub ({endpoint}) asks for patience, too many requests: push again later")
        case status if status >= 500:
            return HubUnreachableError(f"the Hub ({endpoint}) failed with status {status}: push again later")
    return UploadError(f"the Hub does not take the files for {repo}: {said}")
