"""A finetuned classifier: network, processor and the names of its classes, as a checkpoint folder."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, AutoModelForVideoClassification
from transformers import AutoVideoProcessor as VideoProcessors

from avzoo.evaluation.arrays import EvaluationError
from avzoo.extract import Encoder
from avzoo.models.classification import EncoderForClassification

from .settings import FinetuneSettings

Modality = Literal["video", "audio"]

_MODELS: dict[str, Any] = {"video": AutoModelForVideoClassification, "audio": AutoModelForAudioClassification}
_PROCESSORS: dict[str, Any] = {"video": VideoProcessors, "audio": AutoFeatureExtractor}


@dataclass(frozen=True, eq=False)
class Classifier:
    """What classifies clips of one modality.

    Attributes:
        model: The network.
        processor: Makes its input: a video processor or a feature extractor.
        modality: ``video`` or ``audio``.
        folder: Its checkpoint folder; None before it is written.
    """

    model: EncoderForClassification
    processor: Any
    modality: Modality
    folder: Path | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the logits."""
        names = cast(dict[int, str], self.model.config.id2label)
        return tuple(names[number] for number in range(len(names)))

    @property
    def multilabel(self) -> bool:
        """Whether several classes may hold at once."""
        return bool(self.model.config.problem_type == "multi_label_classification")

    @classmethod
    def load(cls, folder: Path, device: Any = None) -> Classifier:
        """Reads a checkpoint folder.

        Args:
            folder: The folder.
            device: Where to put the network; None leaves it on the CPU.
        """
        modality: Modality = "video" if (folder / "video_preprocessor_config.json").is_file() else "audio"
        local = {"local_files_only": True, "trust_remote_code": False}
        model = _MODELS[modality].from_pretrained(folder, **local).eval()
        return cls(
            model if device is None else model.to(device),
            _PROCESSORS[modality].from_pretrained(folder, **local),
            modality,
            folder,
        )


def new_classifier(
    encoder: Encoder, modality: str, class_names: tuple[str, ...], settings: FinetuneSettings, multilabel: bool
) -> Classifier:
    """A classifier on a copy of an encoder's weights, in single precision; draws from torch's global generator.

    Args:
        encoder: The encoder, of one modality or of both.
        modality: ``video`` or ``audio``.
        class_names: The classes.
        settings: Head and input.
        multilabel: Whether several classes may hold at once.

    Raises:
        EvaluationError: The encoder does not take the modality, or has no classifier.
    """
    if modality not in encoder.modalities:
        raise EvaluationError(
            f"{encoder.checkpoint.name} takes {' and '.join(encoder.modalities)}: it cannot be finetuned on {modality}"
        )
    network = getattr(encoder.model, f"{modality}_model", encoder.model)
    kinds = _MODELS[modality]._model_mapping
    if type(network.config) not in kinds:
        raise EvaluationError(f"{type(network).__name__} has no classifier of {modality}")
    fields: dict[str, Any] = {
        **settings.network,
        "classifier_dropout": settings.dropout,
        "classifier_norm": settings.norm,
        "id2label": dict(enumerate(class_names)),
        "label2id": {name: number for number, name in enumerate(class_names)},
        "problem_type": f"{'multi' if multilabel else 'single'}_label_classification",
    }
    if settings.init is not None:
        fields["classifier_init"] = settings.init
    unknown = sorted(name for name in settings.network if not hasattr(network.config, name))
    if unknown:
        raise EvaluationError(
            f"network.{unknown[0]} is no field of {type(network.config).__name__}; leave it out with network={{}}"
        )
    model = kinds[type(network.config)].from_encoder(network, **fields).float()
    if settings.frozen:
        model.freeze_base_model()
    part = encoder.video_processor if modality == "video" else encoder.feature_extractor
    return Classifier(model, _fitted(copy.deepcopy(part), settings, modality), cast(Modality, modality))


def _fitted(processor: Any, settings: FinetuneSettings, modality: str) -> Any:
    """The processor at the size of the input."""
    if modality == "audio":
        return processor
    if settings.num_frames is not None:
        processor.num_frames = settings.num_frames
    if settings.image_size is not None:
        processor.crop_size = {"height": settings.image_size, "width": settings.image_size}
        processor.size = {"shortest_edge": int(settings.image_size / 0.875)}
    return processor
