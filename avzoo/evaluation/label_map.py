"""Classes of two sets onto the classes that they share, applied to labels and to scores."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from avzoo.data.sets.classes import same
from avzoo.data.sets.label_maps import LabelMap, ShiftPair, shift_pairs

from .arrays import EvaluationError
from .clip_values import ClipValues

#: How the scores of several classes that become one are joined: the highest, or the sum of their probabilities.
Merge = Literal["max", "sum"]

_NAMED = 3  # classes that a message names


@dataclass(frozen=True)
class ClassMap:
    """What shared classes are called in one set.

    Attributes:
        classes: The ``S`` shared classes.
        members: For each shared class, the classes of the set that count as it. A class of the set may be named under
            several shared classes: its items then have several labels.
    """

    classes: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]

    def matrix(self, class_names: Sequence[str]) -> NDArray[np.bool_]:
        """Which class of a set counts as which shared one, bool ``(K, S)``; all false for classes that the map leaves.

        Args:
            class_names: The ``K`` classes of the set; case, spaces and marks do not count.

        Raises:
            EvaluationError: The set lacks a class that the map names.
        """
        place = {same(name): row for row, name in enumerate(class_names)}
        lacking = [name for group in self.members for name in group if same(name) not in place]
        if lacking:
            raise EvaluationError(
                f"the label map names {len(lacking)} classes that the set lacks ({', '.join(lacking[:_NAMED])}); name "
                "them as the set does, or leave them out"
            )
        made = np.zeros((len(class_names), len(self.classes)), np.bool_)
        for column, group in enumerate(self.members):
            made[[place[same(name)] for name in group], column] = True
        return made


@dataclass(frozen=True)
class SharedClasses:
    """How two sets come to the same classes.

    Attributes:
        name: ``same`` where the sets have the same classes, ``names`` where those of the same name are shared, the
            name of a packaged pair, or the path of a file.
        source: Of the set that is learned from.
        target: Of the shifted set.
    """

    name: str
    source: ClassMap
    target: ClassMap


@dataclass(frozen=True, eq=False)
class Mapped:
    """Clips whose items have the shared classes for labels.

    Attributes:
        clips: Of the items with at least one shared class.
        dropped: Items without one, which are left out.
    """

    clips: ClipValues
    dropped: int


def shared_classes(source: Sequence[str], target: Sequence[str], named: str = "") -> SharedClasses:
    """The map between two sets.

    Args:
        source: Classes of the set that is learned from.
        target: Classes of the shifted set.
        named: A packaged pair (`avzoo.data.sets.label_maps.shift_pairs`), also as ``SOURCE_TARGET`` like
            ``mit_tinyvirat``; ``names`` for classes of the same name; a YAML or CSV file (`read_shared_classes`);
            empty to find it: the classes as they are where the sets have the same, else the packaged pair whose
            classes the sets have, else those of the same name.

    Raises:
        EvaluationError: There is no such map, or the sets share fewer than two classes by it.
    """
    if named == "names":
        return _by_name(source, target)
    if named.endswith((".yaml", ".yml", ".csv")):
        return read_shared_classes(Path(named))
    if named:
        return _packaged(_pair(named), source)
    if sorted(map(same, source)) == sorted(map(same, target)):
        return replace(_by_name(source, target), name="same")
    fitting = [pair for pair in shift_pairs().values() if _fits(pair, source, target)]
    if fitting:
        return _packaged(max(fitting, key=lambda pair: len(pair.target_map.classes)), source)
    return _by_name(source, target)


def read_shared_classes(path: Path) -> SharedClasses:
    """Reads a map from a file.

    YAML: shared classes, each with ``source:`` and ``target:``, a class or a list of classes of either set. A shared
    class with nothing but a class or a list of the source is called in the target as it is here::

        dribble: {source: [Basketball, BasketballDunk], target: dribble}
        climb: RockClimbingIndoor

    CSV: columns ``source`` and ``target``, and ``class`` if the shared classes are called otherwise than in the
    target; one row for every class that counts as another.

    Raises:
        EvaluationError: The file is no such map.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _csv_rows(text) if path.suffix == ".csv" else _yaml_rows(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise EvaluationError(f"{path} is no label map of shared classes, source and target: {reason}") from error
    classes = tuple(dict.fromkeys(name for name, _, _ in rows))
    sides = []
    for side, place in (("source", 1), ("target", 2)):
        members = {name: tuple(dict.fromkeys(row[place] for row in rows if row[0] == name)) for name in classes}
        bare = [name for name in classes if not any(members[name])]
        if bare:
            raise EvaluationError(f"{path} names no class of the {side} for {bare[0]!r}")
        sides.append(ClassMap(classes, tuple(tuple(filter(None, members[name])) for name in classes)))
    if len(classes) < 2:
        raise EvaluationError(f"{path} has {len(classes)} shared classes; at least two are needed to tell apart")
    return SharedClasses(str(path), *sides)


def map_clips(clips: ClipValues, classes: ClassMap, multilabel: bool = False) -> Mapped:
    """Gives the items of clips the shared classes for labels; items without one are dropped and counted.

    Args:
        clips: Features or scores; their values are kept.
        classes: The map of their set.
        multilabel: Whether labels become bool ``(N, S)`` even where every item has one.

    Raises:
        EvaluationError: No item is left, or the set lacks a class of the map.
    """
    items, matrix = clips.items, classes.matrix(clips.items.class_names)
    # How many classes of an item count as each shared one.
    counts = items.labels @ matrix.astype(np.int64) if items.multilabel else matrix[items.labels].astype(np.int64)
    labels: NDArray[np.bool_] = counts > 0
    kept: NDArray[np.bool_] = np.asarray(labels.any(axis=1))
    if not kept.any():
        raise EvaluationError(f"none of the {len(items)} items has one of the {len(classes.classes)} shared classes")
    several = multilabel or items.multilabel or bool((matrix.sum(axis=1) > 1).any())
    chosen = clips.select(np.flatnonzero(kept))
    items = replace(
        chosen.items,
        labels=labels[kept] if several else labels[kept].argmax(axis=1),
        class_names=classes.classes,
    )
    return Mapped(replace(chosen, items=items), dropped=int((~kept).sum()))


def map_scores(scores: NDArray[np.float32], matrix: NDArray[np.bool_], merge: Merge = "max") -> NDArray[np.float32]:
    """Scores of the shared classes from scores of the classes of a set.

    Args:
        scores: Logits or decision values, ``(n, K)``.
        matrix: Which class counts as which shared one, bool ``(K, S)``; every shared class has one.
        merge: ``max`` the highest score among the classes that become one; ``sum`` the logarithm of the sum of the
            exponentials, that is of their probabilities for logits.

    Returns:
        float32 ``(n, S)``.
    """
    columns = [scores[:, members].astype(np.float64) for members in matrix.T]
    joined = [values.max(axis=1) if merge == "max" else np.logaddexp.reduce(values, axis=1) for values in columns]
    return np.stack(joined, axis=1).astype(np.float32)


def _pair(named: str) -> ShiftPair:
    pairs = shift_pairs()
    names = {same(name): pair for name, pair in pairs.items()}
    names |= {same(f"{pair.source}_{pair.target}"): pair for pair in pairs.values()}
    found = names.get(same(named))
    if found is None:
        raise EvaluationError(
            f"there is no label map {named!r}; there are {', '.join(pairs)}, names, and .yaml or .csv files"
        )
    return found


def _packaged(pair: ShiftPair, source: Sequence[str]) -> SharedClasses:
    """A packaged pair; where it does not say what its classes are called in the source, they are called the same."""
    target = _of(pair.target_map)
    if pair.source_map is not None:
        return SharedClasses(pair.name, _of(pair.source_map), target)
    lacking = sorted(set(map(same, target.classes)) - set(map(same, source)))
    if lacking:
        raise EvaluationError(
            f"which classes of {pair.source} the pair {pair.name} has was never published, and the set has none called "
            f"{lacking[0]!r}: say which they are in a .yaml or .csv file, and give it as the map"
        )
    return SharedClasses(pair.name, ClassMap(target.classes, tuple((name,) for name in target.classes)), target)


def _fits(pair: ShiftPair, source: Sequence[str], target: Sequence[str]) -> bool:
    sides = [(pair.target_map, target)] if pair.source_map is None else []
    if pair.source_map is not None:
        sides = [(pair.source_map, source), (pair.target_map, target)]
    return all(
        {same(name) for group in label_map.members for name in group} <= set(map(same, names))
        for label_map, names in sides
    )


def _of(label_map: LabelMap) -> ClassMap:
    return ClassMap(label_map.classes, label_map.members)


def _by_name(source: Sequence[str], target: Sequence[str]) -> SharedClasses:
    known = {same(name): name for name in target}
    pairs = [(name, known[same(name)]) for name in source if same(name) in known]
    if len(pairs) < 2:
        raise EvaluationError(
            f"the sets share {len(pairs)} classes of the same name, and no packaged map fits them: give a map, a "
            ".yaml or .csv file of which class of one is which of the other"
        )
    classes = tuple(name for name, _ in pairs)
    sides = [ClassMap(classes, tuple((pair[side],) for pair in pairs)) for side in (0, 1)]
    return SharedClasses("names", *sides)


def _csv_rows(text: str) -> list[tuple[str, str, str]]:
    rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    half = next((number for number, row in enumerate(rows, 2) if not (row["source"] and row["target"])), None)
    if half is not None:
        raise EvaluationError(f"line {half} of the label map lacks the source or the target: every line names both")
    return [(row.get("class") or row["target"], row["source"], row["target"]) for row in rows]


def _yaml_rows(text: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, entry in yaml.safe_load(text).items():
        sides: Mapping[str, object] = entry if isinstance(entry, dict) else {"source": entry, "target": name}
        rows += [(str(name), member, "") for member in _names(sides["source"])]
        rows += [(str(name), "", member) for member in _names(sides["target"])]
    return rows


def _names(entry: object) -> Iterable[str]:
    return map(str, entry) if isinstance(entry, list) else [str(entry)]
