"""What an evaluation is of: all of a second set is all that it has."""

from __future__ import annotations

from pathlib import Path

from avzoo.data.sets import read_classes
from avzoo.data.sets.benchmarks import benchmark
from avzoo.evaluation.fold_media import read_sets
from avzoo.evaluation.protocol import Needs


def test_all_of_a_set_has_what_its_divisions_leave_out(tmp_path: Path) -> None:
    for use, name in enumerate(("neither", "train", "test")):
        (tmp_path / "hmdb" / "wave").mkdir(parents=True, exist_ok=True)
        (tmp_path / "hmdb" / "wave" / f"{name}.avi").write_bytes(name.encode())
        with (tmp_path / "hmdb" / "wave_test_split1.txt").open("a") as lists:
            lists.write(f"{name}.avi {use}\n")
    (tmp_path / "own" / "x").mkdir(parents=True)
    for index in range(4):
        (tmp_path / "own" / "x" / f"{index}.mp4").write_bytes(str(index).encode())
    (tmp_path / "classes.txt").write_text("wave\n")
    target = benchmark(f"hmdb51:{tmp_path / 'hmdb'}", classes=read_classes(tmp_path / "classes.txt"))
    data = benchmark(f"folder:{tmp_path / 'own'}")
    (fold,) = read_sets(data, target, (), None, Needs(train=False), "all").folds
    assert {path.stem for path in fold.parts["target"].paths} == {"neither", "train", "test"}
    (fold,) = read_sets(data, target, (), None, Needs(train=False)).folds
    assert [path.stem for path in fold.parts["target"].paths] == ["test"]
