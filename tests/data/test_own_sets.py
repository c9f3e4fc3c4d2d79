"""A person's own files as a benchmark: folders of classes and tables, divided as told or always the same way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from avzoo.data.clips import DataError
from avzoo.data.sets import MediaSet, benchmark, read_classes
from avzoo.data.sets.holding_out import deal, hold_out


def numbers(media: MediaSet) -> list[int]:
    assert media.labels is not None
    return media.labels.tolist()


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def table(root: Path, text: str) -> str:
    (root / "list.csv").write_text(text)
    return f"csv:{root / 'list.csv'}"


def test_holding_out_and_dealing_depend_on_names_alone() -> None:
    names = [f"{n}.wav" for n in range(30)]
    strata = [n % 2 if n < 28 else n for n in range(30)]  # two large strata, two of one
    held = hold_out(names, strata)
    assert Counter(np.array(strata)[held].tolist()) == {0: 3, 1: 3} and not held[28:].any()
    turned = hold_out(names[::-1], strata[::-1])[::-1]
    assert held.tolist() == turned.tolist()
    fold = deal(names, strata, 5)
    assert Counter(fold.tolist()) == dict.fromkeys(range(5), 6)
    for stratum in (0, 1):
        assert set(Counter(fold[np.array(strata) == stratum].tolist()).values()) <= {2, 3}
    twice = deal(names + names, strata + strata[::-1], 5)
    assert twice[:30].tolist() == twice[30:].tolist() == fold.tolist()


def test_a_folder_of_classes(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"{label}/{n}.wav" for label in ("dog", "cat") for n in range(10)), "notes/readme.txt")
    found = benchmark(f"folder:{root}")
    assert found.folds == ("",) and found.parts == ("train", "test") and found.label_sets == ("class",)
    parts = found.splits()
    assert parts["test"].class_names == ("cat", "dog") and numbers(parts["test"]) == [0, 0, 1, 1]
    assert len(parts["train"].items) == 16
    assert found.list_sha256(benchmark("folder", root).split("test")) == found.list_sha256(parts["test"])
    dealt = benchmark(f"folder:{root}", folds=5)
    tested = [path for fold in dealt.folds for path in dealt.splits(fold)["test"].paths]
    assert sorted(tested) == sorted(root.glob("*/*.wav"))
    (root / "one.txt").write_text("dog\n")
    assert numbers(benchmark(f"folder:{root}", classes=read_classes(root / "one.txt")).split("test")) == [0, 0]
    with pytest.raises(DataError, match="differ in nothing but case, spaces and marks"):
        benchmark(f"folder:{touch(root / 'signs', '+1/a.wav', '-1/b.wav')}").split("train")
    with pytest.raises(DataError, match="1 folds are none"):
        benchmark(f"folder:{root}", folds=1)
    with pytest.raises(DataError, match=r"loose.wav is in no folder of a class"):
        benchmark(f"folder:{touch(root, 'loose.wav')}")


def test_a_folder_that_is_divided(tmp_path: Path) -> None:
    root = touch(tmp_path, "Training/dog/1.mp4", "Training/cat/2.mp4", "val/cat/3.mp4", "test/dog/4.mp4")
    found = benchmark(f"folder:{root}")
    assert found.parts == ("train", "validation", "test")
    parts = found.splits(parts=found.parts)
    assert {part: numbers(each) for part, each in parts.items()} == {
        "train": [0, 1],
        "validation": [0],
        "test": [1],  # numbered as in training
    }
    assert len({each.classes_sha256 for each in parts.values()}) == 1
    with pytest.raises(DataError, match="cannot have folds"):
        benchmark(f"folder:{root}", folds=3)
    touch(root, "test/bird/5.mp4")
    with pytest.raises(DataError, match=r"has class 'bird', which .*Training has not"):
        found.split("test")


def test_a_table_that_tells_splits_and_label_sets(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    text = "path,label,label_speaker,split,start,end\na.wav,10,eva,train,0,5\na.wav,9,eva,test,5,8\nb.wav,9,bo,val,,\n"
    found = benchmark(table(tmp_path, text))
    assert found.label_sets == ("class", "speaker") and found.parts == ("train", "validation", "test")
    assert not found.multilabel and found.root == tmp_path
    parts = found.splits(parts=found.parts)
    assert parts["train"].class_names == ("9", "10") and numbers(parts["train"]) == [1]
    assert found.item_names(parts["test"]) == ("a.wav[5.000-8.000]",)
    assert numbers(found.split("validation", labels="speaker")) == [0]
    with pytest.raises(DataError, match=r"test and train of .*list.csv share 1 of their items"):
        benchmark(table(tmp_path, text.replace("test,5,", "test,4.9,")))


def test_a_table_that_tells_folds_and_several_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    text = "path,label,fold\na.wav,dog;cat,10\nb.wav,cat,9\nc.wav,dog; bird,9\n"
    found = benchmark(table(tmp_path, text))
    assert found.folds == ("9", "10") and found.multilabel
    parts = found.splits("9")
    assert [item.labels for item in parts["test"].items] == [(1,), (2, 0)]
    hot = parts["train"].multi_hot
    assert hot is not None and hot.tolist() == [[False, True, True]]
    (tmp_path / "b.wav").unlink()
    with pytest.raises(DataError, match=r"1 of the 2 files .*b.wav"):
        found.split("test", "9")
    with pytest.raises(DataError, match="share 1 of their items"):
        benchmark(table(tmp_path, text + "a.wav,dog,9\n"))


def test_a_table_that_is_divided_here(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{n}.wav" for n in range(10)))
    rows = [f"{n}.wav,{'ab'[n % 2]},{start},{start + 1}" for n in range(10) for start in (0, 1)]
    text = "\n".join(["path,label,start,end", *rows])
    parts = benchmark(table(tmp_path, text)).splits()
    assert len(parts["test"].items) == 4  # both parts of a file of each class
    assert not set(parts["test"].paths) & set(parts["train"].paths)
    dealt = benchmark(table(tmp_path, text), folds=5)
    assert dealt.folds == ("1", "2", "3", "4", "5")
    assert sum(len(dealt.splits(fold)["test"].items) for fold in dealt.folds) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,split\na.wav,train\n", "no column 'label'; its columns are path, split"),
        ("path,label\n", "lists no files"),
        ("path,label\na.wav,x\nb.wav\n", "line 3 of .* is incomplete: b.wav"),
        ("path,label\na.wav,\n", "line 2 of .* has no label"),
        ("path,label,split\na.wav,x,dev\n", "line 2 of .*'dev' is none of train"),
        ("path,label,split\na.wav,x,train\nb.wav,x,\n", "split in 1 of 2 rows; give all or none"),
        ("path,label,split,fold\na.wav,x,train,1\n", "both columns split and fold"),
        ("path,label,start,end\na.wav,x,3,2\n", "line 2 of .*ends at 2 s"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "a.wav", "b.wav")
    with pytest.raises(DataError, match=message):
        benchmark(table(tmp_path, text))


def test_what_a_table_cannot_be_asked(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.wav")
    spec = table(tmp_path, "path,label,split\na.wav,Dog,train\nb.wav,dog,test\n")
    with pytest.raises(DataError, match="one class in several ways"):
        benchmark(spec).split("train")
    with pytest.raises(DataError, match="says itself how it is divided"):
        benchmark(spec, folds=2)
    with pytest.raises(DataError, match="no part 'validation'"):
        benchmark(spec).split("validation")
    with pytest.raises(DataError, match="where does csv lie"):
        benchmark("csv")
    with pytest.raises(DataError, match="is no folder of classes"):
        benchmark(f"folder:{tmp_path / 'a.wav'}")
