"""Building blocks of recipes: sections that know their keys and say which one was meant."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator
from transformers.configuration_utils import PreTrainedConfig

from avzoo.models.configuration_encoder import EncoderConfig


class Section(BaseModel):
    """A part of a recipe. Unknown keys are errors that name the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, values: Any) -> Any:
        if isinstance(values, dict):
            check_keys(values, cls.model_fields)
        return values


def check_keys(values: Iterable[Any], known: Iterable[str]) -> None:
    """Refuses keys that are not among the known ones.

    Raises:
        ValueError: says which key, and which was probably meant.
    """
    names = list(known)
    for key in values:
        if key not in names:
            raise ValueError(f"unknown key {key!r}; {_meant(key, names, 'the keys are')}")


def check_value(name: str, value: Any, known: Iterable[str]) -> None:
    """Refuses a name that is not among the known ones.

    Raises:
        ValueError: says which was probably meant.
    """
    names = list(known)
    if value not in names:
        raise ValueError(f"unknown {name} {value!r}; {_meant(value, names, 'it is one of')}")


def _meant(given: Any, names: list[str], otherwise: str) -> str:
    near = difflib.get_close_matches(str(given), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"{otherwise} {', '.join(sorted(names))}"


def assign(values: dict[str, Any], override: str) -> None:
    """Sets one value of nested sections.

    Args:
        values: the sections; changed.
        override: ``section.key=value``; the value is YAML.

    Raises:
        ValueError: says what is wrong with the assignment.
    """
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ValueError(f"Cannot set {override!r}; write it as section.key=value.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"Cannot set {key}: {text!r} is not a YAML value.") from error
    *sections, name = key.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ValueError(f"Cannot set {key}: {section} is a value, not a section.")
        values = inner
    values[name] = value


def explain(error: ValidationError) -> str:
    """The first problem of a validation, in a sentence without its full stop."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{place} is missing"
    given = "" if problem["type"] == "value_error" else f", not {problem['input']!r}"
    message = message[:1].lower() + message[1:] if problem["type"] != "value_error" else message
    return f"{place}: {message}{given}" if place else message


def section_of(config: type[PreTrainedConfig], without: Iterable[str] = ()) -> type[Section]:
    """A section whose keys are the fields of a configuration class, inherited ones included, all optional.

    Left out are what every configuration of transformers has and what concerns the classifier that may be put on an
    encoder later. What is given is checked against the field's type; what is not given is left to the configuration.

    Args:
        config: a configuration class with annotated fields.
        without: fields that are not the recipe's to choose.
    """
    general = {*PreTrainedConfig.__mro__, EncoderConfig}
    left_out = {*without, *inspect.get_annotations(EncoderConfig)}
    fields: dict[str, Any] = {
        name: (annotation, None)
        for parent in reversed(config.__mro__)
        if parent not in general
        for name, annotation in inspect.get_annotations(parent).items()
        if name not in left_out and not str(annotation).startswith(("ClassVar", "typing.ClassVar"))
    }
    return create_model(f"{config.__name__}Section", __base__=Section, __module__=config.__module__, **fields)
