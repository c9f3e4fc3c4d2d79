"""Configuration of CrissCross pretraining: the encoders, their heads and every choice of the objective.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig

from avzoo.models.configuration_crisscross import CrissCrossConfig
from avzoo.pretraining.objectives_crisscross import GROUPS, PAIRS

_MODALITIES = {"v": "video", "a": "audio"}


@strict
class CrissCrossPreTrainingConfig(PreTrainedConfig):
    """Configuration of `CrissCrossForPreTraining`. The defaults are the released Kinetics400 run.

    Args:
        model_config: Both encoders.
        terms: What takes part in the loss: names of groups (`intra`, `synchronous`, `asynchronous`) and of single pair
            terms (`v1v2`, `a1a2`, `v1a1`, `v2a2`, `v1a2`, `a1v2`). The loss is divided by their number. Where no term
            has a modality, that modality is neither built nor read: `[v1v2]` trains the video encoder alone. The
            released code switches groups only and would leave the audio encoder idle with an `audio_weight` of zero,
            which halves the loss.
        video_weight: Coefficient of `v1v2`.
        audio_weight: Coefficient of `a1a2`.
        synchronous_weight: Coefficient of the synchronous terms.
        asynchronous_weight: Coefficient of the asynchronous terms.
        projection_size: Width of all layers of the projectors.
        projector_layers: Linear layers of each projector, two or three.
        predictor_hidden_size: Width of the predictors' hidden layer.
        predictor: One `separate` predictor for each modality, or a `common` one for both.
        predictor_learning_rate: Whether the predictors' learning rate is `constant`, without ramp and decay (paper and
            released code), or follows that of the others (`scheduled`).
        predictor_learning_rate_factor: The predictors' learning rate as a multiple of that of the others.
        normalize_projections: L2-normalise projections before predictor and loss, as the paper's ablation of the common
            predictor does.

    Raises:
        ValueError: A term is unknown, appears twice, or none is given; or a size is not positive.
    """

    model_type = "crisscross_pretraining"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"model_config": CrissCrossConfig}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "nano": MappingProxyType({"projection_size": 128, "predictor_hidden_size": 32}),
            "base": MappingProxyType({}),
        }
    )

    model_config: Any = None
    terms: list[str] | tuple[str, ...] = tuple(GROUPS)
    video_weight: float | int = 1.0
    audio_weight: float | int = 1.0
    synchronous_weight: float | int = 1.0
    asynchronous_weight: float | int = 1.0
    projection_size: int = 2048
    projector_layers: Literal[2, 3] = 3
    predictor_hidden_size: int = 512
    predictor: Literal["separate", "common"] = "separate"
    predictor_learning_rate: Literal["constant", "scheduled"] = "constant"
    predictor_learning_rate_factor: float | int = 10.0
    normalize_projections: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.terms = list(self.terms)
        super().__post_init__(**kwargs)
        for name in self.terms:
            if name not in GROUPS and name not in PAIRS:
                known = ", ".join((*GROUPS, *PAIRS))
                raise ValueError(f"unknown term {name!r}; choose from {known}")
        if not self.pairs or len(set(self.pairs)) < len(self.pairs):
            raise ValueError(f"terms {self.terms} must name at least one pair of views, and none twice")
        for name in ("projection_size", "predictor_hidden_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def pairs(self) -> list[str]:
        """The pair terms of the loss."""
        return [pair for name in self.terms for pair in GROUPS.get(name, (name,))]

    @property
    def weights(self) -> dict[str, float]:
        """Coefficient of every pair term."""
        weights: dict[str, float] = {"v1v2": self.video_weight, "a1a2": self.audio_weight}
        weights |= dict.fromkeys(GROUPS["synchronous"], self.synchronous_weight)
        return weights | dict.fromkeys(GROUPS["asynchronous"], self.asynchronous_weight)

    @property
    def modalities(self) -> list[str]:
        """The modalities that the loss is about: `video`, `audio` or both."""
        letters = "".join(self.pairs)
        return [modality for letter, modality in _MODALITIES.items() if letter in letters]

    @classmethod
    def preset(cls, size: str, model: dict[str, Any] | None = None, **overrides: Any) -> Self:
        """Configuration of a named size.

        Args:
            size: `nano` or `base`.
            model: Fields of the `CrissCrossConfig` that differ from the preset.
            overrides: Fields of this configuration that differ from it.

        Raises:
            ValueError: The size is not one of those.
        """
        encoders = CrissCrossConfig.preset(size, **(model or {}))
        return cls(model_config=encoders, **{**cls.presets[size], **overrides})
