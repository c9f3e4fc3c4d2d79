"""The verbs that tell of checkpoints: ``avzoo list`` and ``avzoo info``."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

import avzoo.hub
from avzoo import _auto
from avzoo.checkpoints.registry import FAMILIES, REGISTRY, entry, select
from avzoo.cli import main
from avzoo.cli._checkpoint_facts import BUFFERS
from avzoo.errors import AvzooError

CONVERTIBLE = [next(one for one in family.entries if one.status == "convertible") for family in FAMILIES.values()]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def words(text: str) -> str:
    """The text without its line breaks and columns."""
    return " ".join(text.split())


# ---- list ----


def test_list_shows_every_checkpoint_in_a_hundred_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines[1 : len(REGISTRY) + 1]] == list(REGISTRY)
    assert max(map(len, lines)) <= 100
    assert "xkd-nano-synth (default)" in lines[1]


def test_list_marks_what_may_not_be_used_commercially(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "list")
    for line in text.splitlines()[1 : len(REGISTRY) + 1]:
        assert ("(!)" in line) == bool(entry(line.split()[0]).noncommercial)
    assert "(!) The weights may not be used commercially." in text
    assert "(!)" not in shown(capsys, "list", "--license", "MIT")


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--family", "crisscross", "--modality", "audio"], {"family": "crisscross", "modality": "audio"}),
        (["--task", "cross-modal-retrieval"], {"task": "cross-modal-retrieval"}),
        (["--license", "mit"], {"license": "MIT"}),
        (["--status", "unavailable"], {"status": "unavailable upstream"}),
    ],
)
def test_list_filters(options: list[str], asked: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(shown(capsys, "list", "--json", *options))
    assert [row["name"] for row in rows] == [one.name for one in select(**asked)]
    assert all(row["how_to_get"] == entry(row["name"]).how_to_get for row in rows)


def test_list_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "list", "--family", "xdc", "--modality", "audio") == "No checkpoint is all of that.\n"
    assert json.loads(shown(capsys, "list", "--family", "xdc", "--modality", "audio", "--json")) == []


def test_list_refuses_a_filter_that_nothing_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--family", "smell"]) == 2
    assert "there is no family 'smell'; choose one of xkd, " in capsys.readouterr().err


# ---- info ----


@pytest.mark.parametrize("name", ["xkd-audio-student-kinetics400", "xdc-video-audioset", "ccl-video-ucf51"])
def test_info_of_what_is_not_here_says_how_to_get_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = entry(name)
    text = words(shown(capsys, "info", name))
    assert words(one.how_to_get.replace("`", "")) in text
    assert one.license_notice in text and one.paper.url in text
    for metric in one.metrics:
        assert f"{metric.value:g} % {metric.name}" in text
    facts = json.loads(shown(capsys, "info", name, "--json"))
    assert (facts["status"], facts["noncommercial"]) == (one.status, one.noncommercial)
    assert len(facts["metrics"]) == len(one.metrics)


def test_info_of_a_packaged_checkpoint_has_both_its_folder_and_the_registry(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = json.loads(shown(capsys, "info", "xkd-nano-synth", "--json"))
    assert facts["parameters"] == entry("xkd-nano-synth").parameters
    assert facts["license"] == "Apache-2.0" and facts["revision"].startswith("sha256:") and facts["config"]


def test_info_of_a_converted_folder_knows_what_it_was(
    nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(nano_checkpoint, tmp_path / "mine")
    provenance = {"entry": "xkd-video-teacher-kinetics400", "license": "CC-BY-NC-4.0"}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    facts = json.loads(shown(capsys, "info", str(folder), "--json"))
    assert (facts["name"], facts["noncommercial"]) == (str(folder), True)
    assert facts["objective"] == entry("xkd-video-teacher-kinetics400").objective
    assert "CC-BY-NC-4.0, non-commercial use only" in shown(capsys, "info", str(folder))


@pytest.mark.parametrize("provenance", [b"{", b"[]", b'{"license": 3}'])
def test_info_of_a_folder_that_does_not_say_its_licence(
    provenance: bytes, nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(nano_checkpoint, tmp_path / "mine")
    (folder / "provenance.json").write_bytes(provenance)
    assert json.loads(shown(capsys, "info", str(folder), "--json"))["license"] is None
    assert "license not stated" in words(shown(capsys, "info", str(folder)))


def test_a_folder_with_the_name_of_a_released_checkpoint_is_the_folder(
    nano_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(nano_checkpoint, tmp_path / "xdc-video-audioset")
    facts = json.loads(shown(capsys, "info", "xdc-video-audioset", "--json"))
    assert facts["model_type"] == "xkd" and facts["folder"] == str(tmp_path / "xdc-video-audioset")


def test_info(nano_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(nano_checkpoint), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model_type"] == "xkd"
    assert facts["parameters"] == AutoModel.from_pretrained(nano_checkpoint).num_parameters()
    assert facts["config"]["video_config.num_frames"] == 32, "fields at their default are told too"
    assert main(["info", str(nano_checkpoint)]) == 0
    assert facts["revision"] in capsys.readouterr().out.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize("model_type", ["crisscross_video", "crisscross_audio", "xdc_video"])
def test_running_statistics_are_no_parameters(
    model_type: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = AutoModel.from_config(_auto._load(_auto.FAMILIES[model_type].config).preset("nano"))
    model.save_pretrained(tmp_path)
    facts = json.loads(shown(capsys, "info", str(tmp_path), "--json"))
    assert facts["parameters"] == model.num_parameters()


@pytest.mark.parametrize(
    "model_type", [name for name, family in _auto.FAMILIES.items() if family.model or family.pretraining]
)
def test_buffers_are_told_from_parameters_by_their_names(model_type: str) -> None:
    family = _auto.FAMILIES[model_type]
    config_class = _auto._load(family.config)
    with torch.device("meta"):
        model = _auto._load(family.model or family.pretraining)(
            config_class.preset("nano") if hasattr(config_class, "preset") else config_class()
        )
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    stored = {name: name.rpartition(".")[2] in BUFFERS for name in model.state_dict()}
    assert {name for name, buffer in stored.items() if not buffer} == parameters


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", b'{"model_type": "no_such_type"}'),
        ("config.json", b'{"model_type": "xkd", "sharing": "none"}'),
        ("model.safetensors", b"no tensors"),
    ],
)
def test_info_of_a_damaged_checkpoint(
    file: str, content: bytes, nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(nano_checkpoint, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_bytes(content)
    assert main(["info", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert file in error
    assert error.count("\n") == 1


def test_info_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "no-such-model"]) == 2
    assert "no-such-model" in capsys.readouterr().err


# ---- what they advise ----


@pytest.mark.parametrize("one", CONVERTIBLE, ids=lambda one: one.name)
def test_the_command_that_is_shown_is_one(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def convert(family: str, sources: list[str], out: Path, **options: Any) -> None:
        asked.update(family=family, sources=sources, out=out, name=options["name"])
        raise AvzooError("seen")

    monkeypatch.setattr(avzoo.hub, "convert", convert)
    assert main(shlex.split(one.convert_command)[1:]) == 2
    assert (asked["family"], asked["out"]) == (one.family, Path(one.name))
    assert one.name in [*(asked["name"] or ()), *asked["sources"]]
