"""Model cards: one template, filled with what the registry and a checkpoint folder say.

A card is made of a registry entry (a checkpoint that others released), of a folder (one that was trained here), or of
both (a converted or a packaged one).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, Template

from avzoo.checkpoints.contents import CONFIG_FILE, PROCESSOR_FILES, PROVENANCE_FILE
from avzoo.checkpoints.entry import (
    LICENSES,
    AudioInput,
    CheckpointEntry,
    Family,
    Metric,
    Paper,
    VideoInput,
    license_notice,
)
from avzoo.checkpoints.registry import FAMILIES

EVALUATION_FILE = "evaluation.json"
LOG_FILE = "training_log.json"
RECIPE_FILE = "recipe.yaml"

_METRIC_TYPES = {"mAP": "mean_average_precision", "R@": "recall", "top-1 accuracy": "accuracy", "accuracy": "accuracy"}
_IMAGENET_MEAN = [0.485, 0.456, 0.406]
# Counters and forecasts of the log, which say nothing once the run has ended.
_PASSING = {"epoch", "step", "seconds_left"}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the template shows.

    Attributes:
        name: Title.
        reference: What `avzoo.load` takes: a packaged name, a folder or a Hub repository.
        packaged: Whether the reference is a packaged name.
        model_type: The ``model_type`` of the configuration.
        summary: What it is.
        license: SPDX name of the licence of the weights; None where nobody has said.
        tags: Tags of the Hub.
        datasets: Tags of the Hub for what it was trained on.
        get: How to come by the weights; None where they are beside the card.
        available: Whether there are weights that its snippets could load.
        architecture: The network.
        parameters: Its parameters.
        objective: What it was trained to do.
        data: What it was trained on.
        limits: What it is made for and what not.
        video: The clips it takes.
        audio: The spectrograms it takes.
        joint: Whether it takes both at once.
        projected: Whether it projects them into a space that they share.
        pretraining: Whether the reference is a model with its objective, not an encoder.
        training: How it was trained.
        command: What trains such a model with this package.
        log: The training log of a run.
        recipe: The recipe of a run.
        hardware: What it was trained on.
        metrics: Figures of publications.
        results_note: How to read the figures.
        evaluation: Figures measured here.
        paper: The publication of the method.
        provenance: Where the weights beside the card come from.
    """

    name: str
    reference: str
    packaged: bool = False
    model_type: str
    summary: str
    license: str | None = None
    tags: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    get: str | None = None
    available: bool = True
    architecture: str | None = None
    parameters: int | None = None
    objective: str | None = None
    data: str | None = None
    limits: tuple[str, ...] = ()
    video: VideoInput | None = None
    audio: AudioInput | None = None
    joint: bool = False
    projected: bool = False
    pretraining: bool = False
    training: str | None = None
    command: str | None = None
    log: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None
    hardware: str | None = None
    metrics: tuple[Metric, ...] = ()
    results_note: str | None = None
    evaluation: Mapping[str, Any] | None = None
    paper: Paper | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def license_notice(self) -> str | None:
        """The licence, with a word on what it forbids."""
        return None if self.license is None else license_notice(self.license)

    @property
    def last_logged(self) -> dict[str, float]:
        """The figures of the last logging window of a run."""
        entries = [entry for entry in (self.log or {}).get("log_history", ()) if "loss" in entry]
        return {name: value for name, value in entries[-1].items() if name not in _PASSING} if entries else {}

    @property
    def environment(self) -> str:
        """What the training took, as far as it is known."""
        if self.log is not None:
            on = self.log.get("hardware") or self.hardware or self.log.get("device") or "a machine nobody recorded"
            part = f" (from step {self.log['resumed_at']} on)" if self.log.get("resumed_at") else ""
            return f"{_duration(self.log['seconds'])} on {on}{part}; the energy it took was not measured."
        if self.hardware is not None:
            return f"{self.hardware}; duration and energy were not reported."
        return "hardware, duration and energy were not reported."

    def metadata(self) -> dict[str, Any]:
        """What the Hub reads at the top of the card."""
        results = [*_reported(self.metrics, self.paper), *_measured(self)]
        fields = {
            "library_name": "avzoo",
            "pipeline_tag": "feature-extraction",
            "license": self.license and _hub_license(self.license),
            "datasets": list(self.datasets),
            "tags": list(self.tags),
            "model-index": [{"name": self.name, "results": results}] if results else [],
        }
        return {name: value for name, value in fields.items() if value}

    def render(self) -> str:
        """The card as Markdown."""
        metadata = yaml.safe_dump(self.metadata(), sort_keys=False, allow_unicode=True, width=1000).strip()
        return _template().render(card=self, metadata=metadata)


def render_card(entry: CheckpointEntry | None, folder: Path | None = None, reference: str | None = None) -> str:
    """The card of a checkpoint.

    Args:
        entry: What the registry says of it; None for one of which the registry does not know.
        folder: Its folder, which must exist where there is no entry. Of its files are used those that are there:
            configuration, processors, provenance, recipe, training log and evaluation.
        reference: What the snippets load; by default the packaged name, or the folder's name below the current
            folder.

    Returns:
        Markdown with the metadata of the Hub at its top.

    Raises:
        ValueError: neither an entry nor a folder was given.
        OSError: the folder has no ``config.json``.
    """
    files = _read(folder) if folder is not None else {}
    if entry is not None:
        card = _of_entry(entry)
    elif folder is not None:
        # A run names itself; its encoder's folder is called the same in every run.
        name = (files["log"] or {}).get("name") or folder.name
        card = trained_card(name, **files, reference=f"./{folder.name}")
    else:
        raise ValueError("a card needs a registry entry or a folder")
    if folder is not None and entry is not None:
        known = {name: files[name] for name in ("provenance", "evaluation", "log", "recipe")}
        known["command"] = files["provenance"].get("command") or card.command
        if not card.packaged:
            known |= {"reference": f"./{folder.name}", "get": None}
        card = replace(card, **known, available=True)
    return (card if reference is None else replace(card, reference=reference, packaged=False)).render()


def trained_card(
    name: str,
    config: Mapping[str, Any],
    processors: Sequence[Mapping[str, Any]] = (),
    log: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
    reference: str | None = None,
) -> Card:
    """The card of a checkpoint that was trained with this package and that the registry does not know.

    Args:
        name: Title.
        config: Fields of the model's configuration.
        processors: Fields of the video processor and of the feature extractor.
        log: The training log, as a run writes it: ``steps, seconds, hardware, log_history`` and more.
        recipe: The recipe.
        provenance: Where the weights come from.
        evaluation: Figures measured here.
        reference: The encoder that the snippets load; by default the folder of that name below the current one, which
            may hold a whole pretraining model.
    """
    model_type = str(config["model_type"])
    family = _family(model_type)
    provenance, recipe, log = provenance or {}, recipe or {}, log
    title = family.title if family else model_type
    described = recipe.get("description") or (log or {}).get("description")
    video, audio = _video_input(processors), _audio_input(processors)
    takes = [kind for kind, given in (("video", video), ("audio", audio)) if given]
    return Card(
        name=name,
        reference=reference or f"./{name}",
        model_type=model_type,
        pretraining=bool(family and model_type == family.pretraining and reference is None),
        summary=f"{described or 'An encoder'}: a model of the family {title}, trained with avzoo.",
        license=provenance.get("license"),
        tags=_tags(family, model_type, takes),
        data=_data(recipe.get("data")),
        video=video,
        audio=audio,
        joint=bool(video and audio),
        limits=(
            "Made for features: linear probes, finetuning, retrieval by example.",
            "Nobody has described what its training data hold, nor measured how it treats what they do not; do so "
            "before you rely on it.",
        ),
        training=f"Numbers of the recipe: {recipe['source']}." if recipe.get("source") else None,
        command=provenance.get("command"),
        log=log,
        recipe=recipe or None,
        evaluation=evaluation,
        paper=family.paper if family else None,
        provenance=provenance,
    )


def _of_entry(entry: CheckpointEntry) -> Card:
    family = FAMILIES[entry.family]
    packaged = entry.status == "packaged"
    return Card(
        name=entry.name,
        reference=entry.name if packaged else f"./{entry.name}",
        packaged=packaged,
        model_type=entry.model_type,
        summary=entry.summary,
        license=entry.license,
        tags=(
            *_tags(family, entry.model_type, entry.modalities),
            "supervised" if entry.labelled else "self-supervised",
        ),
        datasets=entry.datasets,
        get=entry.how_to_get,
        available=entry.status != "unavailable upstream",
        architecture=entry.architecture,
        parameters=entry.parameters,
        objective=entry.objective,
        data=entry.data,
        limits=entry.limits,
        video=entry.video,
        audio=entry.audio,
        joint=len(entry.modalities) > 1,
        projected=entry.projected,
        training=entry.training,
        command=f"avzoo pretrain {entry.recipe} --set data.path=FOLDER" if entry.recipe else None,
        hardware=entry.hardware,
        metrics=entry.metrics,
        results_note=entry.results_note,
        paper=entry.paper,
    )


# ---- what a folder says ----


def _read(folder: Path) -> dict[str, Any]:
    """What the files of a folder say, as `trained_card` takes it."""
    recipe = folder / RECIPE_FILE
    processors: list[Mapping[str, Any]] = []
    for name in PROCESSOR_FILES:
        fields = _json(folder / name)
        if fields is not None:
            processors += [fields, *(value for value in fields.values() if isinstance(value, dict))]
    return {
        "config": json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")),
        "processors": processors,
        "log": _json(folder / LOG_FILE),
        "recipe": yaml.safe_load(recipe.read_text(encoding="utf-8")) if recipe.is_file() else None,
        "provenance": _json(folder / PROVENANCE_FILE) or {},
        "evaluation": _json(folder / EVALUATION_FILE),
    }


def _json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _data(section: Mapping[str, Any] | None) -> str | None:
    """The `data` section of a recipe in words; where the files lay on one machine is nobody's business."""
    if not section:
        return None
    if section.get("kind") == "synthetic":
        return f"{section['count']:,} clips that avzoo generates (`avzoo.data.synthetic`)"
    return "media files of whoever trained it"


def _family(model_type: str) -> Family | None:
    return next((one for one in FAMILIES.values() if model_type in (*one.model_types, one.pretraining)), None)


def _tags(family: Family | None, model_type: str, takes: Iterable[str]) -> tuple[str, ...]:
    kinds = tuple(takes)
    joint = ("audio-visual",) if len(kinds) > 1 else ()
    return tuple(dict.fromkeys((*joint, *kinds, *((family.name,) if family else ()), model_type, "feature-extraction")))


def _video_input(processors: Sequence[Mapping[str, Any]]) -> VideoInput | None:
    for fields in processors:
        if {"fps", "num_frames", "crop_size", "size"} <= fields.keys():
            return VideoInput(
                frames=fields["num_frames"],
                fps=fields["fps"],
                resize=fields["size"]["shortest_edge"],
                size=fields["crop_size"]["height"],
                normalization="ImageNet" if list(fields.get("image_mean", ())) == _IMAGENET_MEAN else "its processor",
            )
    return None


def _audio_input(processors: Sequence[Mapping[str, Any]]) -> AudioInput | None:
    for fields in processors:
        if {"sampling_rate", "feature_size", "n_fft", "hop_length"} <= fields.keys() and fields.get("max_samples"):
            return AudioInput(
                sampling_rate=fields["sampling_rate"],
                mel_bins=fields["feature_size"],
                window=fields["n_fft"],
                hop=fields["hop_length"],
                seconds=fields["max_samples"] / fields["sampling_rate"],
                frames=1 + fields["max_samples"] // fields["hop_length"],
            )
    return None


# ---- what the Hub reads ----


def _hub_license(name: str) -> str:
    return LICENSES[name].hub if name in LICENSES else "other"


def _reported(metrics: Iterable[Metric], paper: Paper | None) -> list[dict[str, Any]]:
    """Figures of publications, one result for each set and source; none that were read off a picture."""
    results: dict[tuple[str, str, str], dict[str, Any]] = {}
    for metric in metrics:
        if metric.approximate:
            continue
        key = metric.task, metric.dataset, metric.source
        if key not in results:
            results[key] = {
                "task": {"type": metric.task},
                "dataset": {"type": metric.dataset.partition(",")[0].lower(), "name": metric.dataset},
                "metrics": [],
            }
            if paper is not None and metric.source.startswith("paper"):
                results[key]["source"] = {"name": metric.source, "url": paper.url}
        kind = next(kind for name, kind in _METRIC_TYPES.items() if metric.name.startswith(name))
        named = f"{metric.name}, {metric.protocol} ({metric.source})"
        results[key]["metrics"].append({"type": kind, "value": metric.value, "name": named})
    return list(results.values())


def _measured(card: Card) -> list[dict[str, Any]]:
    """Figures measured here: those of the run whose weights these are."""
    if card.evaluation is None:
        return []
    method = next(iter(card.evaluation["runs"]))  # the others are what it is compared with
    figures = card.evaluation["runs"][method][card.provenance["seed"]]
    return [
        {
            "task": {"type": "feature-extraction", "name": "Linear probe and retrieval"},
            "dataset": {"type": "synthetic", "name": "avzoo synthetic audio-visual set, test split"},
            "metrics": [
                {"type": "accuracy", "value": round(100 * value, 2), "name": f"{figure}, percent"}
                for figure, value in figures.items()
                if "linear probe" in figure or "R@1" in figure
            ],
        }
    ]


# ---- how the template writes ----


@cache
def _template() -> Template:
    # Markdown: nothing is escaped.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"percent": _percent, "duration": _duration, "flat": _flat}
    return environment.from_string(Path(__file__).with_name("model_card.md.j2").read_text(encoding="utf-8"))


def _percent(figure: Mapping[str, float]) -> str:
    """Mean and deviation of a share, in percent."""
    return f"{100 * figure['mean']:.1f} ± {100 * figure['deviation']:.1f}"


def _duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as cells of a table, under dotted names; what is empty is left out."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
            flat |= _flat({str(number): part for number, part in enumerate(value)}, f"{prefix}{name}.")
        elif value not in (None, [], ""):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            flat[f"{prefix}{name}"] = shown.replace("|", "\\|")
    return flat
