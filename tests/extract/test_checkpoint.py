"""Model names: what they lead to, and what unknown ones are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from avzoo.extract import CheckpointError, checkpoint, resolve


def test_a_folder_is_known_by_its_absolute_path_and_its_content(
    nano_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nano_checkpoint.parent)
    found = resolve(nano_checkpoint.name)
    assert found.name == str(nano_checkpoint)
    assert found.folder == nano_checkpoint
    copy = shutil.copytree(nano_checkpoint, tmp_path / "copy")
    assert resolve(copy).revision == found.revision
    (copy / "config.json").write_text((copy / "config.json").read_text().replace("gelu", "relu"))
    assert resolve(copy).revision != found.revision


def test_packaged_names_win_over_folders(
    nano_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "packaged", lambda: {"xkd-nano-synth": nano_checkpoint})
    shutil.copytree(nano_checkpoint, tmp_path / "xkd-nano-synth")
    monkeypatch.chdir(tmp_path)
    assert resolve("xkd-nano-synth").folder == nano_checkpoint
    assert resolve("./xkd-nano-synth").folder == tmp_path / "xkd-nano-synth"


def test_unknown_names_are_told_what_there_is(nano_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "packaged", lambda: {"xkd-nano-synth": nano_checkpoint})
    with pytest.raises(CheckpointError, match=r"'xkd-nano-sinth' \(did you mean xkd-nano-synth\?\)"):
        resolve("xkd-nano-sinth")
    with pytest.raises(CheckpointError, match=r"unknown model 'zzz': give a packaged name \(xkd-nano-synth\)"):
        resolve("zzz")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("xdc-video-audioset", "avzoo convert xdc xdc-video-audioset --out xdc-video-audioset"),
        (
            "xkd-video-teacher-kinetics400",
            "Download its file from https://github.com/pritamqu/XKD/releases/tag/weights",
        ),
        ("ccl-video-ucf51", "No released weights are known"),
    ],
)
def test_released_names_are_told_how_to_get_them(name: str, told: str) -> None:
    with pytest.raises(CheckpointError, match=f"^{name} does not come with the package") as refused:
        resolve(name)
    assert told in str(refused.value) and "`" not in str(refused.value)


def test_the_licence_is_that_of_the_provenance(nano_checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(nano_checkpoint, tmp_path / "copy")
    assert resolve(copy).license is None
    (copy / "provenance.json").write_text('{"license": "CC-BY-NC-4.0"}')
    assert resolve(copy).license == "CC-BY-NC-4.0"


@pytest.mark.parametrize("name", ["./nothing", "/no/such/folder", "~/no-such-folder", "a/b/c"])
def test_what_looks_like_a_folder_is_not_looked_for_elsewhere(name: str) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint folder"):
        resolve(name)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_folder_without_its_files_is_no_checkpoint(nano_checkpoint: Path, tmp_path: Path, file: str) -> None:
    copy = shutil.copytree(nano_checkpoint, tmp_path / "copy")
    (copy / file).unlink()
    with pytest.raises(CheckpointError, match=f"has no {file}"):
        resolve(copy)


def test_a_folder_has_no_revisions(nano_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="revision 'main' applies to Hub repositories only"):
        resolve(nano_checkpoint, revision="main")


def test_a_repository_is_known_by_its_commit(
    nano_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    snapshot = shutil.copytree(nano_checkpoint, tmp_path / commit)
    asked = {}

    def download(repo: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(repo=repo, revision=revision, patterns=allow_patterns)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    found = resolve("owner/name", revision="v1")
    assert (found.name, found.folder, found.revision) == ("owner/name", snapshot, commit)
    assert (asked["repo"], asked["revision"]) == ("owner/name", "v1")
    assert {"config.json", "model.safetensors", "processor_config.json"} <= set(asked["patterns"])
    assert not any("*" in pattern or pattern.endswith(".py") for pattern in asked["patterns"])


def test_a_repository_out_of_reach_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("long\nstory")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(CheckpointError, match="neither in the local cache nor reachable"):
        resolve("owner/name")
