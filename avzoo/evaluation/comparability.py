"""Whether two evaluations may stand in one table: what must be equal, and what is said where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .arrays import EvaluationError

#: What is done to an item before the protocol sees it. It may follow from the encoder, so that it may differ.
_OF_THE_CLIPS = ("plans", "table")
_SHOWN = 3  # differences that are named


def require_comparable(
    models: tuple[str, str], first: Mapping[str, Any], second: Mapping[str, Any], protocol: str, modality: str
) -> str:
    """Checks that two models were measured on the same data by the same protocol.

    Args:
        models: What they are called.
        first: The results of one, as `read_results` gives them.
        second: Those of the other.
        protocol: The protocol, which both have results of,
        modality: and the modality.

    Returns:
        A note on what differs and may: how clips were chosen, which a model's family may decide. Empty where nothing
        does.

    Raises:
        EvaluationError: names what differs and may not: data, or settings of the protocol.
    """
    pair, place = " and ".join(models), f"{protocol}, {modality}"
    for which in ("data", "target"):
        difference = _data_difference(first[which], second[which])
        if difference:
            failed = {model: len(one["failed"]) for model, one in zip(models, (first, second), strict=True)}
            unusable = "".join(f"; {model} could not use {count} items" for model, count in failed.items() if count)
            raise EvaluationError(
                f"{pair} cannot be compared ({place}): {difference}{unusable}; evaluate both on the same data"
            )
    one, other = (document["results"][modality]["protocol"] for document in (first, second))
    settings = _differing(one["settings"], other["settings"])
    if settings:
        raise EvaluationError(
            f"{pair} cannot be compared ({place}): the settings differ, {settings}; evaluate both with the same"
        )
    clips = _differing(*({key: used[key] for key in _OF_THE_CLIPS} for used in (one, other)))
    return f"{place}: the clips of {pair} were chosen differently, {clips}" if clips else ""


def set_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """What differs between two sets, label sets or choices of folds, in words; empty where nothing does."""
    for key, name in (("name", "the sets"), ("labels", "the label sets"), ("folds", "the folds")):
        if first[key] != second[key]:
            return f"{name} differ, {_shown(first[key])} and {_shown(second[key])}"
    return ""


def _data_difference(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> str:
    """The same, and what differs in the content of what has the same name."""
    if first is None or second is None:
        return "" if first is second else "only one of them was evaluated on a second set"
    for key, name in (("list_sha256", "the lists of items and labels"), ("content_sha256", "the files")):
        for fold in dict.fromkeys([*first[key], *second[key]]):
            one, other = first[key].get(fold, {}), second[key].get(fold, {})
            parts = [part for part in dict.fromkeys([*one, *other]) if one.get(part) != other.get(part)]
            if parts:
                found = f"{name} differ in {' and '.join(parts)}" + (f" of fold {fold}" if fold else "")
                return set_difference(first, second) or found
    return set_difference(first, second)


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """The values that differ, as ``name (this and that)``; the first few of many."""
    one, other = dict(_flat(first)), dict(_flat(second))
    names = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    told = [f"{name} ({_shown(one.get(name))} and {_shown(other.get(name))})" for name in names[:_SHOWN]]
    more = len(names) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "/".join(map(str, value)) or "none"
    return "nothing" if value is None or value == {} else str(value)
