"""Exit codes and messages of the command line."""

from __future__ import annotations

import errno

import pytest

from avzoo.cli import VERBS, main
from avzoo.cli import list as list_verb
from avzoo.errors import AvzooError


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


@pytest.mark.parametrize("arguments", [[], ["no-such-verb"], ["list", "--no-such-option"], ["info", "a", "b"]])
def test_usage_errors_are_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AvzooError("give a folder"), "avzoo: error: give a folder\n"),
        (FileNotFoundError(2, "No such file or directory", "clip.mp4"), "No such file or directory: clip.mp4\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device: nothing more can be written\n"),
    ],
)
def test_what_the_user_caused_is_one_line_and_two(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        """Fail."""
        raise error

    monkeypatch.setattr(list_verb, "command", fail)
    assert main(["list"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith(message)
    assert shown.err.count("\n") == 1


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        """Fail."""
        raise KeyError("defect")

    monkeypatch.setattr(list_verb, "command", fail)
    with pytest.raises(KeyError, match="defect"):
        main(["list"])
