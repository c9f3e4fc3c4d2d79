"""Configuration of CCL and of the distillation methods beside it: student, teachers, and every choice of the objective.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

from avzoo.models.configuration_ccl import CCLVideoConfig
from avzoo.models.configuration_ccl_image import CCLImageConfig
from avzoo.models.configuration_cnn14 import CNN14Config

Objective = Literal["ccl", "fitnet", "pkt", "cckd", "rkd", "crd", "ifd", "cmc", "none"]
Modality = Literal["audio", "image"]

_MODALITIES: Mapping[str, tuple[Modality, ...]] = MappingProxyType(
    {"A": ("audio",), "I": ("image",), "AI": ("audio", "image")}
)


@strict
class CCLPreTrainingConfig(PreTrainedConfig):
    """Configuration of `CCLForDistillation`. The defaults are the released UCF51 run with both teachers.

    Args:
        mode: Which teachers take part: of sound (`A`), of images (`I`), or both (`AI`).
        objective: `ccl`; another way to distil, compared with it in the paper (`fitnet`, `pkt`, `cckd`, which its
            tables call COR, `rkd`, `crd`, `ifd`, `cmc`); or `none`, the classifier without teachers. Fields below that
            concern another objective are not used.
        model_config: The video student.
        audio_teacher_config: The sound teacher, where a network listens; None where its embeddings come with the batch.
        image_teacher_config: The image teacher; None in mode `A` and without teachers.
        audio_embedding_size: Width of the embeddings that come with the batch.
        num_classes: Classes.
        audio_temperature: Temperature of the contrast with sound (ccl).
        image_temperature: Temperature of the contrast with images (ccl).
        contrast: `class` draws together what is of one class; `instance` knows no classes (InfoNCE); or `none`. The
            last two are ablations (ccl).
        contrast_directions: Contrast `both` ways, added up (released), or in `one` direction, the student or the
            composed embedding as anchor (paper).
        contrast_weight: Weight of every contrast: 1 (released), or the paper's lambda, 0.5.
        divergence: Whether the class scores of student and composed embedding are drawn together; False is an ablation.
        composition: Whether teachers are composed with the video. False, an ablation, leaves the contrast of the
            student with the bare teachers, our reading of the paper's "w/o composition".
        composed_to_teacher: Whether composition modules also contrast the composed embedding with the teacher's, as
            released; the paper has no such term.
        routing: `separate` (released): the gradient of the student's terms reaches student and composition modules,
            that of the composition modules' terms only these. `joint` (paper): all terms are one objective of all.
        modality_weight: With two teachers, the weight of what each adds to the student's terms: 0.5 (released) or 1.
        normalize_inputs: Whether composition modules see unit vectors.
        composition_learning_rate: Whether the learning rate of the composition modules stays `constant` (released, for
            want of a scheduler) or follows that of the run (`scheduled`).
        distillation_weight: Weight of the term that takes the place of CCL's; None is 0.8 with `crd`, else 1, for the
            paper does not tell its own.
        fitnet_regressor: Whether the student's feature passes a `linear` layer before it is compared (fitnet).
        rkd_distance_weight: Weight of the distances (rkd).
        rkd_angle_weight: Weight of the angles (rkd).
        num_samples: Clips of the training set, which the memory holds (crd, cmc); by default those of UCF51, split 1.
        projection_size: Width of the projections (crd, cmc).
        num_negatives: Samples that each is compared with (crd, cmc).
        memory_temperature: Divides inner products of projections (crd, cmc).
        memory_momentum: Share of the memory that stays (crd, cmc).
        crd_normalizer: See `ContrastiveBank`.

    Raises:
        ValueError: A field is out of its range, nothing is left to distil, or features of different width would have
            to be compared.
    """

    model_type = "ccl_pretraining"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "model_config": CCLVideoConfig,
        "audio_teacher_config": SubConfigSpec(CNN14Config, optional=True),
        "image_teacher_config": SubConfigSpec(CCLImageConfig, optional=True),
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "nano": MappingProxyType({"audio_embedding_size": 64, "projection_size": 16, "num_negatives": 64}),
            "base": MappingProxyType({}),
        }
    )

    mode: Literal["A", "I", "AI"] = "AI"
    objective: Objective = "ccl"
    model_config: Any = None
    audio_teacher_config: Any = None
    image_teacher_config: Any = None
    audio_embedding_size: int = 512
    num_classes: int = 51
    audio_temperature: float | int = 0.5
    image_temperature: float | int = 0.1
    contrast: Literal["class", "instance", "none"] = "class"
    contrast_directions: Literal["both", "one"] = "both"
    contrast_weight: float | int = 1.0
    divergence: bool = True
    composition: bool = True
    composed_to_teacher: bool = True
    routing: Literal["separate", "joint"] = "separate"
    modality_weight: float | int = 0.5
    normalize_inputs: bool = True
    composition_learning_rate: Literal["constant", "scheduled"] = "constant"
    distillation_weight: float | int | None = None
    fitnet_regressor: Literal["identity", "linear"] = "identity"
    rkd_distance_weight: float | int = 25.0
    rkd_angle_weight: float | int = 50.0
    num_samples: int = 4901
    projection_size: int = 128
    num_negatives: int = 16_384
    memory_temperature: float | int = 0.07
    memory_momentum: float | int = 0.5
    crd_normalizer: Literal["first_batch", "none"] = "first_batch"

    def __post_init__(self, **kwargs: Any) -> None:
        if "image" in self.modalities and self.image_teacher_config is None:
            self.image_teacher_config = {}
        if self.distillation_weight is None:
            self.distillation_weight = 0.8 if self.objective == "crd" else 1.0
        super().__post_init__(**kwargs)
        for name, least in (("num_classes", 1), ("num_samples", 2), ("num_negatives", 1), ("projection_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("audio_temperature", "image_temperature", "memory_temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.memory_momentum <= 1:
            raise ValueError(f"memory_momentum must be in [0, 1], not {self.memory_momentum}")
        if self.objective == "ccl" and self.contrast == "none" and not (self.composition and self.divergence):
            raise ValueError('nothing is left to distil: for the classifier without teachers choose objective="none"')
        self._check_widths()

    def _check_widths(self) -> None:
        student = self.model_config.hidden_size
        compares = self.objective == "ccl" and self.contrast != "none"
        compares |= self.objective == "fitnet" and self.fitnet_regressor == "identity"
        for modality in self.modalities if compares else ():
            if self.teacher_size(modality) != student:
                raise ValueError(
                    f"the {modality} teacher has features of width {self.teacher_size(modality)}, the student of "
                    f"{student}; the objective compares them, so they must agree"
                )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities of the teachers that take part."""
        return () if self.objective == "none" else _MODALITIES[self.mode]

    @property
    def composes(self) -> bool:
        """Whether there are composition modules."""
        return self.objective == "ccl" and self.composition

    @property
    def has_memory(self) -> bool:
        """Whether samples are compared with a memory of the training set."""
        return self.objective in ("crd", "cmc")

    def teacher_size(self, modality: Modality) -> int:
        """Width of a teacher's embedding."""
        if modality == "image":
            return int(self.image_teacher_config.hidden_size)
        return self.audio_embedding_size if self.audio_teacher_config is None else self.audio_teacher_config.hidden_size

    @classmethod
    def preset(cls, size: str, model: dict[str, Any] | None = None, **overrides: Any) -> Self:
        """Configuration of a named size.

        Args:
            size: `nano` or `base`.
            model: Fields of the `CCLVideoConfig` that differ from the preset.
            overrides: Fields of this configuration that differ from it.

        Raises:
            ValueError: The size is not one of those.
        """
        fields: dict[str, Any] = {"model_config": CCLVideoConfig.preset(size, **(model or {}))}
        if size == "nano":
            fields["image_teacher_config"] = CCLImageConfig(depths=(1, 1, 1, 1), hidden_sizes=(8, 16, 32, 64))
        return cls(**(fields | dict(cls.presets[size]) | overrides))
