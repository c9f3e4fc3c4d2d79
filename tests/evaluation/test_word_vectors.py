from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.word_vectors import WordVectors, class_embeddings, read_word_vectors

WORDS = ["ride", "horse", "ähre", "Skyjet", "skyjet", "bike"]
VECTORS = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32) * 7


def binary(separator: bytes = b"") -> bytes:
    rows = (word.encode() + b" " + row.tobytes() + separator for word, row in zip(WORDS, VECTORS, strict=True))
    return b"6 5\n" + b"".join(rows)


def text(header: str = "") -> bytes:
    rows = (f"{word} {' '.join(map(repr, row.tolist()))}\n" for word, row in zip(WORDS, VECTORS, strict=True))
    return (header + "".join(rows)).encode()


def write(folder: Path, name: str) -> Path:
    path = folder / name
    plain = {
        "w2v.bin": binary(),
        "lines.bin": binary(b"\n"),
        "glove.txt": text(),
        "w2v.vec": text("6 5\n"),
    }
    if name.endswith(".npz"):
        save = np.savez_compressed if "small" in name else np.savez
        words = np.array(WORDS if "text" in name else [word.encode() for word in WORDS])
        save(path, words=words, vectors=VECTORS.astype(np.float16 if "half" in name else np.float32))
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(plain[name.removesuffix(".gz")]))
    else:
        path.write_bytes(plain[name])
    return path


@pytest.mark.parametrize(
    "name",
    ["w2v.bin", "lines.bin", "w2v.bin.gz", "glove.txt", "glove.txt.gz", "w2v.vec", "text.npz", "small_half.npz"],
)
def test_every_format_gives_unit_vectors_of_the_words_asked_for(tmp_path: Path, name: str) -> None:
    found = read_word_vectors(write(tmp_path, name), ["ähre", "ride", "Bike", "Skyjet", "unicycle"])
    assert found.missing == ("unicycle",)
    rows = {"ähre": 2, "ride": 0, "Bike": 5, "Skyjet": 3}
    assert found.vectors.keys() == rows.keys()
    for word, row in rows.items():
        expected = VECTORS[row] / np.linalg.norm(VECTORS[row])
        assert found.vectors[word] == pytest.approx(expected, rel=1e-2 if "half" in name else 1e-6)


@pytest.mark.parametrize("name", ["big.bin", "big.npz", "big.txt"])
def test_a_large_file_is_read_in_pieces(tmp_path: Path, name: str) -> None:
    count, width = 8000, 300
    vectors = np.ones((count, width), np.float32)
    words = [f"word{number}" for number in range(count)]
    path = tmp_path / name
    if name.endswith("bin"):
        rows = b"".join(word.encode() + b" " + row.tobytes() for word, row in zip(words, vectors, strict=True))
        path.write_bytes(f"{count} {width}\n".encode() + rows)
    elif name.endswith("npz"):
        np.savez(path, words=np.array(words), vectors=vectors)
    else:
        line = " 1" * width + "\n"
        path.write_text("".join(word + line for word in words))
    size = path.stat().st_size
    tracemalloc.start()
    try:
        found = read_word_vectors(path, [words[-1], "absent"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.missing == ("absent",)
    assert found.vectors[words[-1]] == pytest.approx(np.full(width, width**-0.5))
    assert peak < 4.5e6 < size
    assert size > 4.5e6


def test_reading_ends_with_the_last_word_wanted(tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(binary()[:-3])
    assert not read_word_vectors(path, ["horse", "ride"]).missing
    with pytest.raises(EvaluationError, match=r"cut\.bin ends at word 5 of 6; get it again"):
        read_word_vectors(path, ["bike"])


def test_words_with_spaces_are_not_mistaken_for_their_first_part(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("a 1 0\nat name@domain.com 5 5\nat 0 1\n")
    assert read_word_vectors(path, ["at"]).vectors["at"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bin", b"", "does not begin with the counts"),
        ("a.bin", b"\x00\x01garbage", "does not begin with the counts"),
        ("a.bin", b"6 0\n", "says that its vectors have 0 values"),
        ("a.bin", b"6 5\n" + b"x" * 6000, "word 0 of .* does not end"),
        ("a.bin.gz", b"no gzip", "cannot be read as word vectors"),
        ("a.bin.gz", gzip.compress(binary())[:-30], "cannot be read as word vectors"),
        ("a.npz", b"no archive", "cannot be read as word vectors"),
        ("a.txt", b"oneword\n", "does not begin with a word and its values"),
        ("a.txt", b"the 1 2 3\nbike 1 2\n", "line 2 of .* has 2 values, and others 3"),
        ("a.txt", b"the 1 2 3\nbike 1 two 3\n", "cannot be read as word vectors"),
        ("a.txt", b"the 1 2 3\nbike 0 0 0\n", "vector of 'bike' in .* is zero"),
        ("a.txt", b"the 1 2 3\nbike 1 nan 0\n", "vector of 'bike' in .* is zero or not finite"),
    ],
)
def test_files_that_are_no_vectors_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=message):
        read_word_vectors(path, ["bike"])


def test_an_archive_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, words=np.array(["bike", None], object), vectors=np.ones((2, 3)))
    with pytest.raises(EvaluationError, match="must have words"):
        read_word_vectors(path, ["bike"])


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read as word vectors"):
        read_word_vectors(tmp_path / "none.bin", ["bike"])


def test_a_class_means_the_words_that_have_vectors() -> None:
    table = WordVectors({"ride": np.array([1, 0], np.float32), "horse": np.array([0, 1], np.float32)}, ("pony",))
    rows = class_embeddings([("both", ("ride", "horse")), ("one", ("ride", "pony"))], table)
    assert rows == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1, 0]]))
    with pytest.raises(EvaluationError, match=r"no word of class 'none' has a vector \(pony\)"):
        class_embeddings([("none", ("pony",))], table)
