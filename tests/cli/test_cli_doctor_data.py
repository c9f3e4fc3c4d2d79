"""``avzoo doctor data``: which files it looks at, what it prints, how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import avzoo.extract.inspection as inspection
from avzoo.cli import main
from avzoo.extract.inspection import Checks, Finding


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Path], Checks]]:
    """In place of decoding: a file has the problem that its name says."""
    calls: list[tuple[list[Path], Checks]] = []

    def inspect(paths: list[Path], checks: Checks, workers: int, on_progress: Callable[[int], None]) -> list[Finding]:
        calls.append((paths, checks))
        return [
            Finding(path, () if path.stem == "good" else (path.stem,), video_seconds=36.0, audio_seconds=40.0)
            for path in paths
        ]

    monkeypatch.setattr(inspection, "inspect_files", inspect)
    return calls


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_folder_is_searched_for_media_of_any_kind(
    tmp_path: Path, inspected: list[tuple[list[Path], Checks]], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "a/good.mp4", "muted.wav", "readme.md", "b/short.mkv")
    assert main(["doctor", "data", str(tmp_path), "--json", "--min-duration", "3", "--timeout", "9"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [path.name for path in inspected[0][0]] == ["good.mp4", "short.mkv", "muted.wav"]
    assert inspected[0][1] == Checks(min_duration=3, timeout=9)
    assert report["files"] == 3 and report["usable"] == 2 and report["hours"] == 0.02
    assert report["problems"] == {"short": 1, "muted": 1}
    assert [Path(finding["path"]).name for finding in report["findings"]] == ["short.mkv", "muted.wav"]


def test_all_well_and_nothing_well(
    tmp_path: Path, inspected: list[tuple[list[Path], Checks]], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "well/good.mp4", "ill/no_sound.mp4")
    assert main(["doctor", "data", str(tmp_path / "well"), "--need", "video"]) == 0
    assert not inspected[0][1].audio and inspected[0][1].video
    assert main(["doctor", "data", str(tmp_path / "ill")]) == 3
    told = capsys.readouterr().out
    assert "no_sound.mp4" in told and "have no sound" in told


def test_a_layout_tells_which_files_and_which_are_missing(
    tmp_path: Path, inspected: list[tuple[list[Path], Checks]], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "good.mp4", "other.mp4")
    (tmp_path / "list.csv").write_text("path,start\ngood.mp4,0\ngood.mp4,5\ngone.mp4,0\n")
    for arguments in ([], ["--kind", "list", "--set", "allow_missing=0.6"]):
        assert main(["doctor", "data", str(tmp_path / "list.csv"), "--json", *arguments]) == 1
        report = json.loads(capsys.readouterr().out)
        assert inspected[-1][0] == [tmp_path / "good.mp4"]
        assert report["missing"] == ["gone.mp4"] and report["problems"] == {"missing": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "avzoo doctor data PATH"),
        (["."], "no media files"),
        ([".", "--set", "split=val"], "--kind"),
        ([".", "--kind", "kinetics400", "--set", "splt=val"], "did you mean 'split'"),
        ([".", "--kind", "kinetics400", "--set", "split"], "key=value"),
        ([".", "--kind", "kinetics"], "kinetics400"),
        ([".", "--kind", "synthetic", "--set", "count=1"], "synthetic"),
        (["nowhere"], "nowhere is no file"),
    ],
)
def test_mistakes_get_one_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "data", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("avzoo: error: ") and error.count("\n") == 1
