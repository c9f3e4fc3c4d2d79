"""``avzoo compare`` from models to a table, machine output, exit codes, one sentence for what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avzoo.cli import main
from avzoo.evaluation import compare_models, results
from avzoo.evaluation.clip_values import Items
from avzoo.evaluation.protocol import Outcome, Predictions
from avzoo.evaluation.request import Request
from avzoo.evaluation.results import DataUsed, Evaluation, ModalityResult, ModelUsed, ProtocolUsed

COUNT = 20


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, nano_checkpoint: Path) -> list[Request]:
    """Puts figures in place of evaluations; gives what was asked for."""
    requests: list[Request] = []

    def evaluate(request: Request, out: Path, on_progress: Callable[..., None]) -> Evaluation:
        requests.append(request)
        labels = np.arange(COUNT) % 2
        right = np.arange(COUNT) < (18 if request.model == "xkd-nano-synth" else 8)
        scores = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
        said = Predictions(Items(tuple(map(str, range(COUNT))), labels, ("low", "high")), scores)
        found = ModalityResult(ProtocolUsed(request.protocol, {}), {"": Outcome({"top-1": float(right.mean())}, said)})
        model = ModelUsed(str(request.model), f"sha256:{request.model}", None)
        data = DataUsed(request.data, "class", ("",), {}, {}, {})
        made = Evaluation(request.protocol, request.preset, model, data, None, {"audio": found})
        made.write(out)
        return made

    monkeypatch.setattr(compare_models, "evaluate", evaluate)
    monkeypatch.setattr(results, "draw_confusion", lambda *_: None)
    return requests


def test_from_models_to_a_table_and_again_from_what_was_evaluated(
    asked: list[Request], nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["--data", "esc10:here", "--protocol", "knn", "--protocol", "linear-svm"]
    arguments += ["--set", "seed=1", "--fold", "2"]
    assert main(["compare", "xkd-nano-synth", str(nano_checkpoint), *arguments, "--out", str(out)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "models on esc10:here" in shown and "corrected by Holm over 2 tests" in shown
    assert "McNemar" in shown and "same decisions (above) and kappa (below)" in shown
    expected = Request(protocol="knn", data="esc10:here", folds=("2",), overrides=("seed=1",), cache=out / "clips")
    assert asked == [
        replace(expected, model=model, protocol=protocol)
        for model in ("xkd-nano-synth", str(nano_checkpoint))
        for protocol in ("knn", "linear-svm")
    ]
    written = json.loads((out / "comparison.json").read_bytes())
    assert [one["test"]["difference"] for one in written["differences"]] == [0.5, 0.5]

    folders = [str(folder) for folder in sorted((out / "evaluations").iterdir())]
    assert len(folders) == 4
    assert main(["compare", *folders, "--out", str(tmp_path / "again"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["out"] == str(tmp_path / "again") and len(asked) == 4
    assert {one["protocol"] for one in again["sections"]} == {"knn", "linear-svm"}


def test_items_that_could_not_be_used_are_told_by_the_exit_code(
    asked: list[Request], nano_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["xkd-nano-synth", str(nano_checkpoint), "--out", str(tmp_path)]
    assert main(["compare", *arguments, "--data", "esc10"]) == 0
    path = tmp_path / "evaluations" / "xkd-nano-synth-linear-svm" / "results.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"failed": ["a.wav could not be used: it is empty"]}))
    folders = [str(folder) for folder in (tmp_path / "evaluations").iterdir()]
    assert main(["compare", *folders, "--out", str(tmp_path / "again")]) == 1


def test_what_is_missing_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "xkd-nano-synth", "--out", str(tmp_path)]) == 2
    assert "name the set to evaluate it on with --data" in capsys.readouterr().err
