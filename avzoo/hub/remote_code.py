"""The code of a model beside its weights, for those who load it without this package (``trust_remote_code=True``).

transformers finds the code through an ``auto_map`` in the configurations, and needs all modules flat in one folder,
importing each other by name. The modules of `avzoo.models` and `avzoo.processing` are written so that they can be.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from avzoo import _auto
from avzoo.checkpoints.contents import CONFIG_FILE, PROCESSOR_FILES
from avzoo.errors import AvzooError

_PACKAGE = Path(__file__).parents[1]

# Column of `Family` -> Auto class that finds it in config.json.
_MODEL_CLASSES = {
    "config": "AutoConfig",
    "model": "AutoModel",
    "video_classification": "AutoModelForVideoClassification",
    "audio_classification": "AutoModelForAudioClassification",
}
# Column of `Family` -> Auto class, and the key of a joint processor's file under which its settings are.
_PROCESSOR_CLASSES = {
    "processor": ("AutoProcessor", None),
    "video_processor": ("AutoVideoProcessor", "video_processor"),
    "feature_extractor": ("AutoFeatureExtractor", "feature_extractor"),
}
_JOINT, _VIDEO, _AUDIO = PROCESSOR_FILES


class RemoteCodeError(AvzooError):
    """A checkpoint's code cannot be published beside it."""


def code_files(model_type: str) -> dict[str, Path]:
    """The modules that a model type needs, by the name they have in a flat folder.

    Args:
        model_type: A model type of the zoo with a model of its own.

    Raises:
        RemoteCodeError: There is no such model type.
    """
    family = _family(model_type)
    columns = (*_MODEL_CLASSES, *_PROCESSOR_CLASSES)
    files: dict[str, Path] = {}
    for path in filter(None, (getattr(family, column) for column in columns)):
        for module in _with_siblings(_PACKAGE.joinpath(*path.split(":")[0].split(".")).with_suffix(".py")):
            if files.setdefault(module.name, module) != module:
                raise RemoteCodeError(f"two modules of {model_type} are named {module.name}; rename one")
    return dict(sorted(files.items()))


def all_code_names() -> set[str]:
    """The names of all modules that `add_code` could ever write."""
    return {path.name for folder in ("models", "processing") for path in (_PACKAGE / folder).glob("*.py")}


def add_code(folder: Path) -> list[str]:
    """Copies the code of a checkpoint's model into its folder and enters it in the configurations.

    ``config.json`` and the processor files get an ``auto_map``. Where this package is imported, transformers still
    prefers its classes.

    Args:
        folder: Checkpoint folder of a model type of the zoo.

    Returns:
        Names of the modules.

    Raises:
        RemoteCodeError: The model type is none of the zoo's.
    """
    config = _read(folder / CONFIG_FILE)
    model_type = str(config.get("model_type"))
    files = code_files(model_type)
    notice = f"# From avzoo {metadata.version('avzoo')}, Apache-2.0. Changes belong there.\n"
    for name, source in files.items():
        (folder / name).write_text(notice + source.read_text(encoding="utf-8"), encoding="utf-8")
    family = _family(model_type)
    config["auto_map"] = {
        auto: _flat(getattr(family, column)) for column, auto in _MODEL_CLASSES.items() if getattr(family, column)
    }
    _write(folder / CONFIG_FILE, config)
    for name in PROCESSOR_FILES:
        if (folder / name).is_file():
            settings = _read(folder / name)
            _map_processors(name, settings, family)
            _write(folder / name, settings)
    return list(files)


def drop_code(folder: Path) -> None:
    """Removes every ``auto_map`` from a folder's configurations, which would name code that is not there."""
    for name in (CONFIG_FILE, *PROCESSOR_FILES):
        if (folder / name).is_file():
            settings = _read(folder / name)
            parts = [settings, *(part for part in settings.values() if isinstance(part, dict))]
            if any([part.pop("auto_map", None) for part in parts]):  # of all parts, not up to the first
                _write(folder / name, settings)


def _map_processors(name: str, settings: dict[str, Any], family: _auto.Family) -> None:
    for column, (auto, key) in _PROCESSOR_CLASSES.items():
        path = getattr(family, column)
        part = settings if key is None or name != _JOINT else settings.get(key)
        wanted = name == _JOINT or name == (_VIDEO if column == "video_processor" else _AUDIO)
        if path is not None and part is not None and wanted:
            part["auto_map"] = {auto: _flat(path)}


def _family(model_type: str) -> _auto.Family:
    family = _auto.FAMILIES.get(model_type)
    if family is None or family.model is None:
        raise RemoteCodeError(f"{model_type} is no encoder of the zoo, there is no code to publish with it")
    return family


def _flat(path: str) -> str:
    """``models.modeling_x:XModel`` -> ``modeling_x.XModel``."""
    module, name = path.split(":")
    return f"{module.rpartition('.')[2]}.{name}"


def _with_siblings(module: Path, seen: set[Path] | None = None) -> Iterator[Path]:
    """A module, and those beside it that it imports, directly or not."""
    seen = set() if seen is None else seen
    if module in seen:
        return
    seen.add(module)
    yield module
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is not None:
            yield from _with_siblings(module.with_name(f"{node.module}.py"), seen)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _write(path: Path, settings: dict[str, Any]) -> None:
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
