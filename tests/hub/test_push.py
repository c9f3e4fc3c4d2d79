"""`avzoo push` against the loopback Hub."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_server import Fault, HubServer
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

import avzoo
from avzoo.checkpoints.card import CardError, render_card
from avzoo.checkpoints.hashes import sha256_of
from avzoo.checkpoints.upload import HubUnreachableError, UploadError, check_repo_id
from avzoo.cli import main
from avzoo.errors import AvzooError
from avzoo.extract import CheckpointError
from avzoo.extract.snapshot import cached
from avzoo.hub.provenance import file_hashes, write_provenance
from avzoo.hub.push import PushError, push
from avzoo.hub.verification import verify

REPO = "zoo/xkd-nano"


def provenance(folder: Path) -> None:
    weights = sha256_of(folder / "model.safetensors")
    stated = {"source": "made for a test", "license": "Apache-2.0", "weights_sha256": weights}
    write_provenance(folder, stated | {"files": file_hashes(folder)})


@pytest.fixture
def folder(nano_checkpoint: Path, tmp_path: Path) -> Path:
    made = shutil.copytree(nano_checkpoint, tmp_path / "xkd-nano")
    provenance(made)
    return made


def retrained(folder: Path) -> None:
    """Other weights in the same folder."""
    weights = folder / "model.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    provenance(folder)


def history(hub: HubServer, revision: str = "main") -> list[str]:
    return [commit.title for _, commit in hub.hub.repos[REPO].history(revision)]


def test_one_commit_holds_the_checkpoint_and_nothing_else(hub: HubServer, folder: Path) -> None:
    for stray in ("training_args.bin", "optimizer.pt", "notes.txt", "modeling_evil.py", ".env"):
        (folder / stray).write_text("secret")
    (folder / "checkpoint-1").mkdir()
    done = push(folder, REPO)
    files = set(hub.hub.repos[REPO].tree("main"))
    assert files == {
        ".gitattributes",
        "README.md",
        "config.json",
        "golden.safetensors",
        "model.safetensors",
        "processor_config.json",
        "provenance.json",
    }
    assert history(hub) == ["xkd-nano, with avzoo", "initial commit"]
    assert set(done.files) == set(done.upload.uploaded) == files - {".gitattributes"}
    assert done.left_out == (
        ".env",
        "checkpoint-1",
        "modeling_evil.py",
        "notes.txt",
        "optimizer.pt",
        "training_args.bin",
    )
    assert done.pickled == ("optimizer.pt", "training_args.bin")
    assert done.upload.created and not hub.hub.repos[REPO].private

    encoder = avzoo.load(REPO, revision=done.upload.commit)
    local = avzoo.load(folder).model.state_dict()
    assert all(torch.equal(value, local[name]) for name, value in encoder.model.state_dict().items())
    card = hub.hub.content(hub.hub.repos[REPO].tree("main")["README.md"]).decode()
    assert f'avzoo.load("{REPO}")' in card


def test_pushing_again_changes_nothing(hub: HubServer, folder: Path) -> None:
    first = push(folder, REPO)
    again = push(folder, REPO)
    assert again.upload.commit == first.upload.commit and not again.upload.changed and not again.upload.created
    assert len(history(hub)) == 2 and len(hub.asked("POST", "/commit/")) == 1
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# By hand\n")
    third = push(folder, REPO)
    assert third.upload.uploaded == ("README.md",) and len(history(hub)) == 3
    assert len(hub.asked("PUT", "/upload/")) == 2  # weights and golden output, once


def test_a_tag_never_moves(hub: HubServer, folder: Path) -> None:
    first = push(folder, REPO, revision="v1")
    repo = hub.hub.repos[REPO]
    assert repo.tags == {"v1": first.upload.commit}
    assert push(folder, REPO, revision="v1").upload.commit == first.upload.commit
    before = dict(repo.branches)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# By hand\n")
    with pytest.raises(UploadError, match=r"the tag v1 of .* names the same weights with another README\.md"):
        push(folder, REPO, revision="v1")
    retrained(folder)
    with pytest.raises(UploadError, match="the tag v1 of zoo/xkd-nano names other weights, and a tag never moves"):
        push(folder, REPO, revision="v1")
    assert repo.branches == before and repo.tags == {"v1": first.upload.commit}
    second = push(folder, REPO, revision="v2")
    assert repo.tags == {"v1": first.upload.commit, "v2": second.upload.commit}
    assert repo.branches["main"] == second.upload.commit != first.upload.commit
    assert avzoo.load(REPO, revision="v1").checkpoint.revision == first.upload.commit


def test_branches(hub: HubServer, folder: Path) -> None:
    main = push(folder, REPO).upload.commit
    retrained(folder)
    other = push(folder, REPO, branch="longer", revision="v1")
    repo = hub.hub.repos[REPO]
    assert repo.branches == {"main": main, "longer": other.upload.commit} and repo.tags == {"v1": other.upload.commit}
    with pytest.raises(UploadError, match="longer is a branch of zoo/xkd-nano: push to it with --branch longer"):
        push(folder, REPO, revision="longer")
    with pytest.raises(UploadError, match="v1 is a tag of zoo/xkd-nano"):
        push(folder, REPO, branch="v1")


def test_what_an_earlier_push_left_is_removed_and_what_others_put_there_stays(hub: HubServer, folder: Path) -> None:
    push(folder, REPO, with_code=True)
    files = set(hub.hub.repos[REPO].tree("main"))
    assert {"modeling_xkd.py", "configuration_xkd.py", "processing_xkd.py", "vit.py"} <= files
    hub.hub.put(REPO, {"picture.png": b"png", "handler.py": b"pass"})
    done = push(folder, REPO)
    assert "modeling_xkd.py" in done.upload.deleted and "auto_map" not in str(
        hub.hub.content(hub.hub.repos[REPO].tree("main")["config.json"])
    )
    left = set(hub.hub.repos[REPO].tree("main"))
    assert {"picture.png", "handler.py"} <= left and not {"modeling_xkd.py", "vit.py"} & left
    stated = json.loads(hub.hub.content(hub.hub.repos[REPO].tree("main")["provenance.json"]))
    assert stated["weights_sha256"] == sha256_of(folder / "model.safetensors")


def test_provenance_tells_the_hashes_of_what_is_published(hub: HubServer, folder: Path) -> None:
    stated = json.loads((folder / "provenance.json").read_text())
    push(folder, REPO, with_code=True)
    tree = hub.hub.repos[REPO].tree("main")
    published = json.loads(hub.hub.content(tree["provenance.json"]))
    told = {name: blob.sha256 for name, blob in tree.items()}
    for name in (".gitattributes", "README.md", "provenance.json"):
        del told[name]
    assert published["files"] | published["code"] == told
    assert "modeling_xkd.py" in published["code"] and "golden.safetensors" in published["files"]
    assert published["files"]["config.json"] != stated["files"]["config.json"]
    assert json.loads((folder / "provenance.json").read_text()) == stated
    avzoo.load(REPO)
    assert verify(REPO).ok
    push(folder, REPO)
    published = json.loads(hub.hub.content(hub.hub.repos[REPO].tree("main")["provenance.json"]))
    golden = published["files"].pop("golden.safetensors")
    assert published == stated and golden


def test_private_repositories(hub: HubServer, folder: Path) -> None:
    assert push(folder, REPO, private=True).upload.created
    assert hub.hub.repos[REPO].private
    push(folder, REPO, private=True)
    push(folder, "zoo/open")
    with pytest.raises(UploadError, match="zoo/open exists and is public: make it private in its settings"):
        push(folder, "zoo/open", private=True)


def test_an_interrupted_upload_shows_nothing_and_is_finished_by_the_next(hub: HubServer, folder: Path) -> None:
    hub.faults.append(Fault("PUT", "/upload/", after=10_000, times=1000))
    with pytest.raises(HubUnreachableError, match=r"the connection to the Hub .* failed .*: push again"):
        push(folder, REPO)
    assert history(hub) == ["initial commit"]
    hub.faults.clear()
    hub.faults.append(Fault("POST", "/commit/", after=100))
    with pytest.raises(HubUnreachableError):
        push(folder, REPO)
    assert history(hub) == ["initial commit"]
    hub.requests.clear()
    assert push(folder, REPO).upload.changed and len(history(hub)) == 2
    assert not hub.asked("PUT", "/upload/")  # the large files had arrived


def test_a_lost_answer_is_no_second_commit(hub: HubServer, folder: Path) -> None:
    hub.faults.append(Fault("POST", f"/api/models/{REPO}/tag/", status=500))
    with pytest.raises(HubUnreachableError, match="failed with status 500: push again later"):
        push(folder, REPO, revision="v1")
    done = push(folder, REPO, revision="v1")
    assert not done.upload.changed and hub.hub.repos[REPO].tags == {"v1": done.upload.commit}
    assert len(history(hub)) == 2


def test_somebody_elses_commit_is_not_overwritten(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(folder, REPO)
    retrained(folder)
    from huggingface_hub import HfApi

    plain = HfApi.create_commit

    def beaten(self, *args, **kwargs):
        hub.hub.put(REPO, {"config.json": b"{}"})
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", beaten)
    with pytest.raises(UploadError, match="somebody else changed zoo/xkd-nano at the same time: push again"):
        push(folder, REPO)
    assert history(hub)[0] == "planted"


@pytest.mark.parametrize("repo", ["nano", "a/b/c", "zoo/", "/x", "zoo/a b", "../x/y", "zoo/..", "zoo/a--b", "z/x.git"])
def test_bad_names_of_repositories(repo: str) -> None:
    with pytest.raises(UploadError, match="is no name of a Hub repository: give OWNER/NAME"):
        check_repo_id(repo)


def test_who_may_not_push_is_told_why(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(match: str, repo: str = REPO) -> None:
        with pytest.raises(UploadError, match=match) as error:
            push(folder, repo)
        assert not isinstance(error.value, HubUnreachableError) and "\n" not in str(error.value)

    refused(r"your account may not write to others/x \(You don't have the rights", "others/x")
    push(folder, REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    retrained(folder)
    refused(r"your account may not write to zoo/xkd-nano \(You have read access")
    monkeypatch.setenv("HF_TOKEN", "hf_forged")
    refused("the Hub does not accept your token")
    monkeypatch.delenv("HF_TOKEN")
    refused("publishing to zoo/xkd-nano needs a token: log in with hf auth login, or set HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused("nothing can be published offline: unset HF_HUB_OFFLINE")


def test_a_hub_that_is_not_there(hub: HubServer, folder: Path) -> None:
    hub.close()
    with pytest.raises(HubUnreachableError, match=r"the connection to the Hub \(http://127.*\) failed \(.*refused"):
        push(folder, REPO)


def test_folders_that_are_not_fit(hub: HubServer, folder: Path) -> None:
    def refused(kind: type[Exception], match: str) -> None:
        with pytest.raises(kind, match=match) as error:
            push(folder, REPO)
        assert not hub.requests and "\n" not in str(error.value) and "avzoo-push" not in str(error.value)

    card = folder / "README.md"
    card.write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "golden.safetensors").write_bytes(b"no")
    refused(PushError, r"is not fit to be published: .*golden\.safetensors is damaged")
    (folder / "golden.safetensors").unlink()
    stated = (folder / "provenance.json").read_text()
    (folder / "provenance.json").unlink()
    refused(PushError, r"has no provenance\.json, which says where its weights come from")
    (folder / "provenance.json").write_text("{}")
    refused(PushError, r"is not fit to be published: provenance\.json lists no hashes of files")
    (folder / "provenance.json").write_text("[")
    refused(PushError, r"is not fit to be published: provenance\.json is damaged")
    (folder / "provenance.json").write_text(stated)
    (folder / "processor_config.json").rename(folder / "kept")
    refused(CheckpointError, r"has no processor for video, neither processor_config\.json nor")
    (folder / "kept").rename(folder / "processor_config.json")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(CheckpointError, "has no model.safetensors")
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    with open(folder / "model.safetensors", "r+b") as weights:
        weights.seek(-4, 2)
        weights.write(b"\0\0\0\0")
    refused(PushError, r"model\.safetensors is not the file that provenance\.json lists")
    with pytest.raises(PushError, match="there is no folder"):
        push(folder / "none", REPO)


def test_weights_that_no_longer_give_the_golden_output(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    push(folder, REPO)
    golden = hub.hub.content(hub.hub.repos[REPO].tree("main")["golden.safetensors"])
    (folder / "golden.safetensors").write_bytes(golden)
    retrained(folder)
    with pytest.raises(PushError, match=r"output differs from golden\.safetensors by"):
        push(folder, REPO)


@pytest.mark.parametrize("name", ["README.md", "recipe.yaml", "model.safetensors"])
def test_a_link_out_of_the_folder_is_never_followed(name: str, hub: HubServer, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    if (folder / name).exists():
        (folder / name).rename(secret)
    else:
        secret.write_text("secret: 1")
    (folder / name).symlink_to(secret)
    with pytest.raises(PushError, match=rf"{name} of .* is a link out of the folder, to {secret}: put a copy"):
        push(folder, REPO)
    assert not hub.requests
    secret.unlink()
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(AvzooError):
        push(folder, REPO)


def test_a_snapshot_of_the_cache_is_published_though_it_is_made_of_links(hub: HubServer, folder: Path) -> None:
    push(folder, REPO)
    avzoo.load(REPO)
    snapshot = cached(REPO)
    assert snapshot is not None and (snapshot / "config.json").is_symlink()
    assert push(snapshot, "zoo/copy").upload.changed
    (snapshot / "recipe.yaml").symlink_to(folder / "config.json")
    with pytest.raises(PushError, match=r"recipe\.yaml of .* is a link out of the folder"):
        push(snapshot, "zoo/copy")


def test_a_card_with_another_licence_than_that_of_the_weights(hub: HubServer, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# By hand\n")
    with pytest.raises(PushError, match=r"README\.md states the licence mit and provenance\.json Apache-2\.0: write"):
        push(folder, REPO)
    assert not hub.requests


def test_the_name_of_a_folder_gives_it_no_card_of_the_registry(hub: HubServer, folder: Path) -> None:
    named = folder.rename(folder.with_name("vssl-byol-kinetics400"))
    (named / "README.md").write_text(render_card(None, named))
    push(named, REPO)
    card = hub.hub.content(hub.hub.repos[REPO].tree("main")["README.md"]).decode()
    assert f'avzoo.load("{REPO}")' in card and "BYOL" not in card
    assert card == render_card(None, named, reference=REPO)
    (named / "README.md").unlink()
    assert not push(named, REPO).upload.changed


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        (
            "training_log.json",
            "secret: hf_xxx",
            r"training_log\.json cannot be read \(.*\): write it anew, or remove it",
        ),
        ("training_log.json", "[1]", r"training_log\.json holds no names with values"),
        ("training_log.json", "{}", r"no card can be made of what the files of .*training_log\.json"),
        ("evaluation.json", '{"runs": {}}', r"no card can be made of what the files of .*evaluation\.json"),
        ("recipe.yaml", "just words", r"recipe\.yaml holds no names with values"),
        ("recipe.yaml", "a: [", r"recipe\.yaml cannot be read"),
        ("recipe.yaml", "data: words", r"no card can be made of what the files of .*recipe\.yaml"),
    ],
)
def test_documents_that_cannot_be_read(name: str, content: str, match: str, hub: HubServer, folder: Path) -> None:
    (folder / name).write_text(content)
    provenance(folder)
    with pytest.raises(CardError, match=match) as error:
        push(folder, REPO)
    assert "\n" not in str(error.value) and not hub.requests


def test_metadata_that_the_hub_refuses(hub: HubServer, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: my own\n---\n")
    said = json.loads((folder / "provenance.json").read_text())
    del said["license"]
    write_provenance(folder, said)
    with pytest.raises(UploadError, match=r"the Hub does not take the files for .* Invalid metadata in README\.md"):
        push(folder, REPO)
    assert history(hub) == ["initial commit"]


def test_the_command(hub: HubServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "training_args.bin").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    assert main(["push", str(folder), "--repo", REPO, "--revision", "v1"]) == 0
    out, err = capsys.readouterr()
    assert f"Sent 6 of 6 files: {hub.url}/{REPO} at " in out and "tag v1" in out
    assert "may hold pickles: training_args.bin" in err and "no part of a checkpoint: notes.txt" in err
    assert main(["push", str(folder), "--repo", REPO]) == 0
    assert "Nothing to send, all 6 files are there already" in capsys.readouterr().out
    assert main(["push", str(folder), "--repo", REPO, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["changed"] is False and facts["pickled"] == ["training_args.bin"]
    assert facts["commit"] == hub.hub.repos[REPO].branches["main"]
    assert main(["push", str(folder), "--repo", "nano"]) == 2
    assert "give OWNER/NAME" in capsys.readouterr().err
    hub.close()
    assert main(["push", str(folder), "--repo", REPO]) == 3
    assert "push again" in capsys.readouterr().err


def test_the_commands_that_are_only_shown_are_valid(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\$ avzoo (push .+?)(?: +#.*)?$", readme, re.MULTILINE)
    assert shown
    for command in shown:
        assert main(shlex.split(command)) == 2
        assert "there is no folder" in capsys.readouterr().err
    assert not hub.requests


def test_everything_through_the_environment_alone(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    """Processes of their own, whose client learns of the Hub from ``HF_ENDPOINT`` and of nothing else."""
    push_it = [sys.executable, "-m", "avzoo.cli", "push", str(folder), "--repo", REPO, "--json", "--with-code"]
    pushed = json.loads(subprocess.run(push_it, check=True, capture_output=True, text=True).stdout)
    load_it = f"""
import avzoo, transformers
encoder = avzoo.load("{REPO}", revision="{pushed["commit"]}")
assert encoder.checkpoint.revision == "{pushed["commit"]}"
assert type(transformers.AutoModel.from_pretrained("{REPO}")) is avzoo.XKDModel
assert type(transformers.AutoProcessor.from_pretrained("{REPO}")) is avzoo.XKDProcessor
"""
    subprocess.run([sys.executable, "-c", load_it], check=True, cwd=tmp_path)
    hub.close()
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", load_it], check=True, cwd=tmp_path, env=offline)
