"""What is asked of an evaluation: refused, warned of, and taken as it was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from avzoo.evaluation import run as evaluation_run
from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.protocol import Fold, Outcome, Protocol, ProtocolSettings
from avzoo.evaluation.request import Request, check_request, preset_warnings


def nothing(fold: Fold, modality: str, settings: ProtocolSettings) -> Outcome:
    return Outcome({})


@pytest.mark.parametrize("override", ["plan.test.clips=3", "plan.variant=finetuned"])
def test_a_feature_table_takes_no_plan(override: str) -> None:
    protocol = Protocol("nothing", "does nothing", ProtocolSettings, nothing)
    check_request(Request(protocol="nothing", data="folder:.", overrides=(override,)), protocol)
    asked = Request(protocol="nothing", data="folder:.", overrides=("seed=1", override), features=Path("table"))
    with pytest.raises(EvaluationError, match=f"has its clips already: leave out {override}"):
        check_request(asked, protocol)


def test_the_clips_of_a_paper_are_not_those_of_a_table() -> None:
    bare = Protocol("nothing", "does nothing", ProtocolSettings, nothing)
    own = Protocol("nothing", "does nothing", ProtocolSettings, nothing, presets={"xkd": {}})
    asked = Request(protocol="nothing", data="folder:.", preset="xkd")
    table = Request(protocol="nothing", data="folder:.", preset="xkd", features=Path("table"))
    assert preset_warnings(asked, own) == []
    assert preset_warnings(asked, bare) == [
        "xkd has no settings of nothing: only the choice of clips is that of the paper"
    ]
    (told,) = preset_warnings(table, own)
    assert told == "the clips of xkd do not apply to a feature table: only the settings are those of the paper"
    (told,) = preset_warnings(table, bare)
    assert "it has no settings of nothing either" in told


def test_classes_are_of_the_first_set_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []

    def look(spec: str, *, classes: object, **_: object) -> None:
        kept.append(classes is not None)
        if len(kept) == 2:
            raise EvaluationError("both were named")

    monkeypatch.setattr("avzoo.evaluation.request.benchmark", look)
    monkeypatch.setattr(evaluation_run, "check_modalities", lambda *_: None)
    protocol = Protocol("nothing", "does nothing", ProtocolSettings, nothing, needs_target=True)
    monkeypatch.setattr(evaluation_run, "load_protocol", lambda _: protocol)
    # Of one set too: what the first leaves out may be what the second is there for.
    asked = Request(protocol="nothing", data="hmdb51:a", target="hmdb51:a", classes="open_set_hmdb34")
    with pytest.raises(EvaluationError, match="both were named"):
        evaluation_run.evaluate(asked, tmp_path)
    assert kept == [True, False]
