"""Publishing one or many checkpoints, against the loopback Hub."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_server import HubServer

import avzoo
from avzoo.checkpoints import packaged
from avzoo.checkpoints.hashes import sha256_of
from avzoo.hub.provenance import file_hashes, write_provenance

SCRIPT = Path(__file__).parents[2] / "hub_scripts" / "publish.py"


@pytest.fixture(scope="module")
def publish() -> Callable[[list[str]], int]:
    spec = importlib.util.spec_from_file_location("publish_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def zoo(nano_checkpoint: Path, tmp_path: Path) -> Path:
    """A folder of two checkpoints and something else."""
    for name in ("first", "second"):
        folder = shutil.copytree(nano_checkpoint, tmp_path / "zoo" / name)
        stated = {"source": "a test", "weights_sha256": sha256_of(folder / "model.safetensors")}
        write_provenance(folder, stated | {"files": file_hashes(folder)})
    (tmp_path / "zoo" / "notes").mkdir()
    return tmp_path / "zoo"


def test_a_folder_of_checkpoints(hub: HubServer, publish, zoo: Path, capsys) -> None:
    assert publish(["--owner", "zoo", str(zoo), "--revision", "v1", "--with-code"]) == 0
    assert set(hub.hub.repos) == {"zoo/first", "zoo/second"}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"{hub.url}/zoo/first at ")
    assert avzoo.load("zoo/second", revision="v1").checkpoint.revision == hub.hub.repos["zoo/second"].tags["v1"]
    assert publish(["--owner", "zoo", str(zoo), "--revision", "v1", "--with-code"]) == 0
    assert all(line.endswith("unchanged") for line in capsys.readouterr().out.splitlines())


def test_a_packaged_one(hub: HubServer, publish, capsys) -> None:
    name = next(iter(packaged()))
    assert publish(["--owner", "zoo", name, "--dry-run"]) == 0
    assert f"-> zoo/{name}" in capsys.readouterr().out and not hub.requests
    assert publish(["--owner", "zoo", name]) == 0
    assert avzoo.load(f"zoo/{name}").checkpoint.name == f"zoo/{name}"
    card = hub.hub.content(hub.hub.repos[f"zoo/{name}"].tree("main")["README.md"]).decode()
    assert f'avzoo.load("zoo/{name}")' in card


def test_what_cannot_be_published_does_not_stop_the_others(hub: HubServer, publish, zoo: Path, capsys) -> None:
    (zoo / "first" / "model.safetensors").unlink()
    assert publish(["--owner", "zoo", str(zoo)]) == 1
    out, err = capsys.readouterr()
    assert set(hub.hub.repos) == {"zoo/second"} and "zoo/second at" in out
    assert "zoo/first: " in err and "has no model.safetensors" in err
    assert publish(["--owner", "others", str(zoo / "second")]) == 3


def test_sources_that_are_none(hub: HubServer, publish, zoo: Path, capsys) -> None:
    for source, told in (
        ("xkd-video-teacher-kinetics400", "avzoo convert xkd"),
        ("nothing", "is neither a folder nor a packaged name"),
        (str(zoo / "notes"), "is no checkpoint folder and holds none"),
    ):
        assert publish(["--owner", "zoo", source]) == 2
        assert told in capsys.readouterr().err
    assert not hub.requests
