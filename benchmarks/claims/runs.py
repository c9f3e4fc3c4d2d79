"""One run: a recipe trained by the package's trainer, and what is read from its encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import set_seed
from transformers.utils import logging as transformers_logging

from avzoo.data.clips import ClipDataset, ClipSample, DataError
from avzoo.data.synthetic import SyntheticDataset
from avzoo.data.windows import Span, Streams, Window
from avzoo.evaluation.metrics import class_retrieval, effective_rank
from avzoo.evaluation.probes import linear_probe
from avzoo.media import ClipSpec
from avzoo.models.modeling_vssl import VSSLForVideoClassification
from avzoo.pretraining.data_sections import SyntheticSection
from avzoo.pretraining.modeling import AVPreTrainedModel
from avzoo.pretraining.probe import evaluating, processors_by_modality
from avzoo.pretraining.recipe import Recipe, load_recipe
from avzoo.pretraining.run import arguments_of, clip_request, trainer_of

from .material import SHIFTS, Material

Figures = dict[str, float]

_BATCH = 16  # clips whose features are computed at once
_FINETUNING_BATCH = 32
_FINETUNING_RATE = 1e-3
_HEAD_RATE = 1e-2


@dataclass(frozen=True)
class EvenWindows:
    """Windows spread evenly over a clip, whose features are averaged.

    Attributes:
        spans: seconds of every modality.
        count: number of windows.
    """

    spans: tuple[tuple[str, float], ...]
    count: int

    def __call__(self, streams: Streams, generator: np.random.Generator) -> tuple[Window, ...]:
        """Draws nothing."""
        spans, shared = dict(self.spans), streams.shared
        room = max(shared.duration - max(spans.values()), 0.0)
        starts = [shared.start + room * i / max(self.count - 1, 1) for i in range(self.count)]
        return tuple(
            Window(*(Span(at, spans[name]) if name in spans else None for name in ("video", "audio"))) for at in starts
        )


_opened: dict[tuple[str, ClipSpec], ClipDataset] = {}


def clips_of(recipe: Recipe, windows: EvenWindows | None = None) -> ClipDataset:
    """The clips of a recipe, decoded once per process whatever the run; cut as the method asks, or into ``windows``."""
    spec, wanted = clip_request(recipe)
    data = recipe.data
    key = data.model_dump_json(), spec
    if key not in _opened:
        if isinstance(data, SyntheticSection):
            _opened[key] = SyntheticDataset(cast(Path, data.path), data.split, spec, data.cache_bytes)
        else:
            _opened[key] = data.clips(spec, wanted)
    return _opened[key].with_windows(windows or wanted)


def labels_of(clips: ClipDataset) -> npt.NDArray[np.int64]:
    """The classes of the pictures.

    Raises:
        DataError: the clips have none.
    """
    if clips.labels is None:
        raise DataError("the clips have no labels to probe with")
    return clips.labels


def train(recipe: Recipe) -> AVPreTrainedModel:
    """The model after the training that the recipe says."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    with TemporaryDirectory() as out:
        trainer = trainer_of(recipe, arguments_of(recipe, Path(out), quiet=True), clips_of(recipe))
        trainer.train()
    return trainer.model


def untrained(recipe: Recipe) -> AVPreTrainedModel:
    """The model before its training."""
    torch.set_num_threads(1)
    set_seed(recipe.seed)
    return recipe.model.model()


@dataclass(frozen=True)
class Reader:
    """What reads the encoder of a model.

    Attributes:
        model: the bare training model.
        recipe: its recipe.
        windows: windows of a clip.
    """

    model: AVPreTrainedModel
    recipe: Recipe
    windows: int

    def clips(self, overrides: Sequence[str]) -> ClipDataset:
        """Other clips, cut as this method's evaluation needs them."""
        recipe = with_data(self.recipe, overrides)
        spans = tuple(sorted(clip_request(recipe)[0].spans.items()))
        return clips_of(recipe, EvenWindows(spans, self.windows))

    def inputs(self, items: Sequence[Sequence[ClipSample]]) -> dict[str, dict[str, Tensor]]:
        """What the encoder takes, by modality: the windows of all items in a row."""
        processor = self.recipe.model.processor(self.recipe.views, self.recipe.data.fps)
        samples = [sample for item in items for sample in item]
        streams = {"video": "frames", "audio": "samples"}
        return {
            modality: dict(one([sample[streams[modality]] for sample in samples]))  # type: ignore[literal-required]
            for modality, one in processors_by_modality(processor).items()
        }

    @torch.no_grad()
    def features(self, clips: ClipDataset, count: int) -> dict[str, npt.NDArray[np.float32]]:
        """Features ``(N, D)`` of every modality of the first clips, each the mean over the windows of a clip."""
        encoder = self.model.encoder("student")
        parts: dict[str, list[Tensor]] = {}
        with evaluating(encoder):
            for start in range(0, count, _BATCH):
                items = [clips[index] for index in range(start, min(start + _BATCH, count))]
                for modality, inputs in self.inputs(items).items():
                    outputs = encoder(**inputs)
                    found = outputs.get(f"{modality}_embeds", outputs.get("pooler_output"))
                    parts.setdefault(modality, []).append(found.unflatten(0, (len(items), -1)).mean(dim=1))
        return {modality: torch.cat(found).float().numpy() for modality, found in parts.items()}


def probed(reader: Reader, material: Material, seed: int) -> Figures:
    """Linear probe, retrieval by class and effective rank on held-out clips, of every modality; shares in [0, 1]."""
    train_clips, test_clips = (reader.clips(material.data(seed, split)) for split in ("train", "test"))
    labels, truth = labels_of(train_clips), labels_of(test_clips)
    count = min(material.sizes.probe, len(train_clips))
    fitted, seen = reader.features(train_clips, count), reader.features(test_clips, len(test_clips))
    figures: Figures = {}
    for modality, features in seen.items():
        probe = linear_probe(fitted[modality], labels[:count], features, truth)
        figures[f"{modality} probe"] = probe.accuracy
        figures[f"{modality} R@1"] = class_retrieval(features, truth, ks=(1,)).recall[1]
        figures[f"{modality} effective rank"] = effective_rank(features)
    classifier = getattr(reader.model, "classifier", None)
    if isinstance(classifier, nn.Module) and "video" in seen:
        with torch.no_grad(), evaluating(classifier):
            found = classifier(torch.from_numpy(seen["video"])).argmax(dim=1).numpy()
        figures["video classifier"] = float((found == truth).mean())
    return figures


def shifted(reader: Reader, material: Material, seed: int) -> Figures:
    """Accuracy of a linear probe and of the finetuned encoder on clips without and with each shift."""
    train_clips = reader.clips(material.data(seed))
    tests = {name: reader.clips(material.data(seed, "test", name)) for name in SHIFTS}
    tests = {"none": reader.clips(material.data(seed, "test")), **tests}
    count = min(material.sizes.probe, len(train_clips))
    fitted, labels = reader.features(train_clips, count)["video"], labels_of(train_clips)[:count]
    figures: Figures = {}
    for name, clips in tests.items():
        seen, truth = (
            reader.features(clips, material.sizes.shifted)["video"],
            labels_of(clips)[: material.sizes.shifted],
        )
        figures[f"linear, {name}"] = linear_probe(fitted, labels, seen, truth).accuracy
    classifier = _finetuned(reader, train_clips, count, material, seed)
    for name, clips in tests.items():
        figures[f"finetuned, {name}"] = _accuracy(classifier, reader, clips, material.sizes.shifted)
    return figures


def _finetuned(reader: Reader, clips: ClipDataset, count: int, material: Material, seed: int) -> nn.Module:
    """The encoder with batch norm and a linear layer, trained on the classes of the clips without augmentation."""
    set_seed(seed)
    classes = int(labels_of(clips).max()) + 1
    classifier = VSSLForVideoClassification.from_encoder(
        reader.model.encoder("student"), num_labels=classes, classifier_norm="batch"
    )
    groups: list[dict[str, Any]] = [
        {"params": classifier.base_model.parameters()},
        {"params": classifier.classifier.parameters(), "lr": _HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, _FINETUNING_RATE, weight_decay=0.05)
    steps = material.sizes.finetuning
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    classifier.train()
    for _ in range(steps):
        chosen = torch.randint(count, (_FINETUNING_BATCH,)).tolist()
        # One window of each: the others are other moments of the same clip, for other steps.
        items = [[clips[index][int(torch.randint(reader.windows, ()))]] for index in chosen]
        labels = torch.tensor([item[0]["label"] for item in items])
        optimizer.zero_grad()
        classifier(**reader.inputs(items)["video"], labels=labels).loss.backward()
        optimizer.step()
        schedule.step()
    return classifier.eval()


@torch.no_grad()
def _accuracy(classifier: nn.Module, reader: Reader, clips: ClipDataset, count: int) -> float:
    right = 0
    for start in range(0, count, _BATCH):
        items = [clips[index] for index in range(start, min(start + _BATCH, count))]
        logits = classifier(**reader.inputs(items)["video"]).logits.unflatten(0, (len(items), -1)).mean(dim=1)
        right += int((logits.argmax(dim=1) == torch.tensor([item[0]["label"] for item in items])).sum())
    return right / count


def with_data(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """The recipe with the data that overrides give it."""
    donor = load_recipe("xkd_smoke_synth", overrides)
    return recipe.model_copy(update={"data": donor.data})
