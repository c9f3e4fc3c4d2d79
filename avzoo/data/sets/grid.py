"""GRID: people who say sentences of six words; every word is a label set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avzoo.data.clips import DataError
from avzoo.media import VIDEO_SUFFIXES

from .benchmark import Benchmark, names_of
from .classes import Classes, ClassList, same
from .files import media_files
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows, text_lines

#: The words of a sentence in order, and the letter of each in the name of a file.
WORDS: Mapping[str, Mapping[str, str]] = {
    "command": {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    "colour": {"b": "blue", "g": "green", "r": "red", "w": "white"},
    "preposition": {"a": "at", "b": "by", "i": "in", "w": "with"},
    "letter": {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    "digit": {
        "z": "zero",
        "1": "one",
        "2": "two",
        "3": "three",
        "4": "four",
        "5": "five",
        "6": "six",
        "7": "seven",
        "8": "eight",
        "9": "nine",
    },
    "adverb": {"a": "again", "n": "now", "p": "please", "s": "soon"},
}
_STEM = re.compile(
    r"(?:.*(?:s|id)(?P<speaker>\d+)_(?:.*_)?)?" + "".join(f"(?P<{word}>[{''.join(WORDS[word])}])" for word in WORDS)
)
_FOLDER = re.compile(r"s(?P<speaker>\d+)(?:\.mpg_\w+)?")
_FOLDS = 5


@dataclass(frozen=True)
class _Sentence:
    path: Path
    words: Mapping[str, str]


def grid(name: str, root: Path) -> Benchmark:
    """GRID: videos or sounds named after their sentences, ``bbaf2n``, anywhere below ``root``.

    Label sets are the six words and, where folders (``s1``), names (``id1_vcd_bbaf2n``) or a table tell it of more than
    one, ``speaker``. A table ``labels.csv`` (``file`` and any of these columns) and alignments ``NAME.align`` have to
    say what the names say. Of several copies of a sentence by one speaker, the first video is taken.

    The set has no official folds. Here sentences, sorted by speaker, colour, digit and name, are dealt into five:
    each has all speakers, colours and digits nearly alike, whatever the label set.

    Raises:
        DataError: No file is named after a sentence, or a table or an alignment says something else than the names.
    """
    sentences = _sentences(root)
    dealt = _dealt(sentences)
    speakers = {sentence.words.get("speaker") for sentence in sentences}
    known_speakers = None not in speakers and len(speakers) > 1
    words = ("digit", "letter", "colour", "command", "preposition", "adverb")

    def read(part: str, fold: str, labels: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
        if labels == "speaker":
            names = sorted((speaker for speaker in speakers if speaker), key=lambda speaker: (len(speaker), speaker))
        else:
            names = list(WORDS[labels].values())
        known = Classes(names, classes, root)

        def entries() -> Iterator[Listed]:
            for sentence, tested in zip(sentences, dealt, strict=True):
                number = known.number(sentence.words[labels])
                if number is not None and (tested == int(fold) - 1) == (part == "test"):
                    yield Listed(sentence.path.name, sentence.path, (number,))

        return gather(entries(), root, known.names)

    folds = names_of(range(1, _FOLDS + 1))
    label_sets = (*words, "speaker") if known_speakers else words
    return Benchmark(name, root, folds, label_sets, False, ("train", "test"), ("video", "audio"), read)


def _sentences(root: Path) -> list[_Sentence]:
    """Every sentence once, sorted as they are dealt."""
    told = _table(root)
    found: dict[tuple[str | None, str], _Sentence] = {}
    for path in sorted(media_files(root), key=lambda path: path.suffix.lower() not in VIDEO_SUFFIXES):
        match = _STEM.fullmatch(path.stem.lower())
        if match is None:
            continue
        words = {word: letters[match[word]] for word, letters in WORDS.items()}
        folder = next((hit for part in reversed(path.parent.parts) if (hit := _FOLDER.fullmatch(part))), None)
        if speaker := match["speaker"] or (folder and folder["speaker"]):
            words["speaker"] = f"s{int(speaker)}"
        for column, value in (told.get(f"{path.parent.name}/{path.stem}") or told.get(path.stem, {})).items():
            if same(words.setdefault(column, value)) != same(value):
                raise DataError(
                    f"{root / 'labels.csv'} says that {column} of {path.name} is {value!r}, and its name says "
                    f"{words[column]!r}"
                )
        found.setdefault((words.get("speaker"), path.stem.lower()[-6:]), _Sentence(path, words))
    if not found:
        raise DataError(f"{root} has no files named after sentences of GRID, such as bbaf2n.mpg")
    _check_alignments(root, found)
    digits = list(WORDS["digit"].values())

    def order(sentence: _Sentence) -> tuple[str, str, int, str]:
        words = sentence.words
        return words.get("speaker", ""), words["colour"], digits.index(words["digit"]), sentence.path.stem

    return sorted(found.values(), key=order)


def _dealt(sentences: list[_Sentence]) -> list[int]:
    """The fold of every sentence, from 0.

    A colour that would begin in the fold in which the one before it began, for that has a multiple of the folds, begins
    in the next: else a digit would be in the same folds with all colours and speakers, and in none of the others.
    """
    dealt: list[int] = []
    group, first, shift = None, None, 0
    for position, sentence in enumerate(sentences):
        own = (sentence.words.get("speaker"), sentence.words["colour"])
        if own != group:
            shift += (position + shift) % _FOLDS == first
            group, first = own, (position + shift) % _FOLDS
        dealt.append((position + shift) % _FOLDS)
    return dealt


def _table(root: Path) -> dict[str, dict[str, str]]:
    """What ``labels.csv`` says of each file, by its name, and its folder if that is told, without the ending."""
    path = root / "labels.csv"
    if not path.is_file():
        return {}
    return {
        Path(row["file"]).with_suffix("").as_posix(): {
            column: row[column] for column in (*WORDS, "speaker") if row.get(column)
        }
        for _, row in csv_rows(path, ["file"])
    }


def _check_alignments(root: Path, found: Mapping[tuple[str | None, str], _Sentence]) -> None:
    by_stem: dict[str, list[_Sentence]] = {}
    for (_, stem), sentence in found.items():
        by_stem.setdefault(stem, []).append(sentence)
    for path in sorted(root.rglob("*.align")):
        spoken = [line.split()[-1] for _, line in text_lines(path)]
        spoken = [word for word in spoken if word not in ("sil", "sp")]
        for sentence in by_stem.get(path.stem.lower(), [])[:1]:  # the name alone tells the words
            words = [sentence.words[word] for word in WORDS]
            if spoken != words:
                raise DataError(f"{path} says {' '.join(spoken)!r}, and the name of the file {' '.join(words)!r}")
