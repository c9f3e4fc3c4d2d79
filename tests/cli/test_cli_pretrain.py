from __future__ import annotations

import json

import pytest

from avzoo.cli import main

SHORT = ["--set", "training.max_steps=1", "--set", "data.count=8"]


def test_training_from_the_command_line(tmp_path, capfd):
    out = tmp_path / "run"
    assert main(["pretrain", "xkd_smoke_synth", *SHORT, "--out", str(out), "--json"]) == 0
    captured = capfd.readouterr()
    facts = json.loads(captured.out)
    assert facts["steps"] == 1 and facts["encoder"] == str(out / "encoder")
    assert captured.err == ""

    assert main(["pretrain", "xkd_smoke_synth", *SHORT, "--out", str(out)]) == 2
    assert capfd.readouterr().err.count("\n") == 1

    assert main(["pretrain", "xkd_smoke_synth", *SHORT, "--out", str(out), "--resume"]) == 0
    assert "The encoder is in" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xkd_smoke_sinth"], "did you mean xkd_smoke_synth?"),
        (["xkd_smoke_synth", "--set", "training.epochs=3"], "unknown key 'epochs'"),
        (["xkd_kinetics400_paper", "--set", "training.fp16=false"], "add --set data.path=FOLDER"),
    ],
)
def test_what_the_user_got_wrong_is_one_line_and_exit_2(tmp_path, capfd, arguments, message):
    assert main(["pretrain", *arguments, "--out", str(tmp_path / "run")]) == 2
    error = capfd.readouterr().err
    assert error.startswith("avzoo: error: ") and error.count("\n") == 1 and message in error


def test_a_diverging_run_exits_3(tmp_path, capfd):
    unstable = ["--set", "training.learning_rate=1e30", "--set", "training.logging_steps=1"]
    assert main(["pretrain", "xkd_smoke_synth", *unstable, "--out", str(tmp_path / "run"), "--json"]) == 3
    assert "lower learning_rate" in capfd.readouterr().err
