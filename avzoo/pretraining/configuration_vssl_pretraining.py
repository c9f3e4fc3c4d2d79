"""Configuration of video self-supervision: seven methods on one encoder, and every choice of their objectives.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

from avzoo.models.configuration_vssl import VSSLConfig
from avzoo.pretraining.configuration_masked_decoder import MaskedDecoderConfig

Method = Literal["simclr", "moco", "byol", "simsiam", "dino", "mae", "supervised"]

# What the released configurations set differently from method to method.
_RELEASED: dict[str, dict[str, Any]] = {
    "simclr": {"projector_layers": 4, "projector_size": 2048, "mask_ratio": 0.0},
    "moco": {
        "projector_layers": 3,
        "projector_size": 2048,
        "predictor_layers": 1,
        "teacher_momentum": 0.998,
        "mask_ratio": 0.0,
    },
    "byol": {
        "projector_layers": 3,
        "projector_size": 2048,
        "predictor_layers": 2,
        "teacher_momentum": 0.997,
        "mask_ratio": 0.0,
    },
    "simsiam": {"projector_layers": 4, "projector_size": 2048, "predictor_layers": 1, "mask_ratio": 0.0},
    "dino": {"projector_size": 8192, "teacher_momentum": 0.997, "mask_ratio": 0.0},
    "mae": {"mask_ratio": 0.85},
    "supervised": {},
}


@strict
class VSSLDecoderConfig(MaskedDecoderConfig):
    """Configuration of the decoder of v-MAE; see `MaskedDecoderConfig`."""

    model_type = "vssl_decoder"


@strict
class VSSLPreTrainingConfig(PreTrainedConfig):
    """Configuration of `VSSLForPreTraining`. The defaults are the released Kinetics400 run of the method.

    Fields that a method has no part for are not used, and None where they differ between methods.

    Args:
        method: `simclr`, `moco` (version 3), `byol`, `simsiam`, `dino`, `mae` or `supervised`.
        model_config: The encoder; by default of 16 frames, with `mae` of 32.
        decoder_config: The decoder of `mae`; None with other methods.
        projector_layers: Hidden layers of the projector (simclr, moco, byol, simsiam).
        projector_hidden_size: Width of the hidden layers of the projector.
        projector_size: Outputs of the projector; with `dino` the number of prototypes.
        projector_bottleneck_size: Width before the last layer of the projector of `dino`.
        predictor_layers: Hidden layers of the predictor (moco, byol, simsiam).
        predictor_hidden_size: Width of the hidden layers of the predictor.
        temperature: Divides similarities (simclr, moco) and the outputs of the student (dino).
        loss_directions: The `mean` of the two directions from view to view (released), or their `sum`, as the
            reference code of MoCo v3 has it, and then twice the loss of BYOL, SimSiam and DINO.
        teacher_momentum: Share of the teacher that stays in the first step, rising to 1 along half a cosine (moco,
            byol, dino).
        teacher_update: When the teacher follows the student: `before_forward`, that is with the student of the step
            before (released code; MoCo v3), or `after_step` (reference code of BYOL and DINO).
        teacher_buffers: Average the running statistics of the batch norms too; as released they are the teacher's own,
            for it runs in training mode.
        teacher_tokens: Who embeds the patches that the teacher sees: the `student` (released code, whose teachers have
            embeddings that follow and are never used) or the `teacher` itself (reference codes).
        teacher_temperature: Temperature of the teacher of `dino` after the warm-up.
        warmup_teacher_temperature: Its temperature in the first epoch; None keeps it constant.
        teacher_temperature_warmup_epochs: Epochs of the linear warm-up.
        center_momentum: Momentum of the running mean of the teacher's outputs (dino).
        center_update: Move the centre after `each_direction`, so that the second one already sees it moved (released
            code), or once per `step` with both views (reference code).
        mask_ratio: Share of the patches that are removed: 0.85 with `mae`; 0 of the student's with the Siamese methods,
            for which the released code has it as an option that no released configuration uses.
        normalize_patches: Reconstruct patches normalised by their own mean and variance (mae).
        predictor_learning_rate: Whether the predictor's learning rate is `constant`, without ramp and decay (released;
            SimSiam), or follows that of the others (`scheduled`).
        predictor_learning_rate_factor: The predictor's learning rate as a multiple of that of the others.
        predictor_weight_decay: Whether weight decay applies to the predictor; as released it does not.
        num_classes: Classes (supervised).
        dropout: Probability of dropout before the classifier (supervised).
        label_smoothing: Share of the target that is spread over all classes (supervised).

    Raises:
        ValueError: A field is out of its range.
    """

    model_type = "vssl_pretraining"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "model_config": VSSLConfig,
        "decoder_config": SubConfigSpec(VSSLDecoderConfig, optional=True),
    }

    method: Method = "simclr"
    model_config: Any = None
    decoder_config: Any = None
    projector_layers: int | None = None
    projector_hidden_size: int = 2048
    projector_size: int | None = None
    projector_bottleneck_size: int = 256
    predictor_layers: int | None = None
    predictor_hidden_size: int = 2048
    temperature: float | int = 0.1
    loss_directions: Literal["mean", "sum"] = "mean"
    teacher_momentum: float | int | None = None
    teacher_update: Literal["before_forward", "after_step"] = "before_forward"
    teacher_buffers: bool = False
    teacher_tokens: Literal["student", "teacher"] = "student"
    teacher_temperature: float | int = 0.07
    warmup_teacher_temperature: float | int | None = 0.04
    teacher_temperature_warmup_epochs: int = 30
    center_momentum: float | int = 0.9
    center_update: Literal["each_direction", "step"] = "each_direction"
    mask_ratio: float | int | None = None
    normalize_patches: bool = True
    predictor_learning_rate: Literal["constant", "scheduled"] = "constant"
    predictor_learning_rate_factor: float | int = 10.0
    predictor_weight_decay: bool = False
    num_classes: int = 400
    dropout: float | int = 0.0
    label_smoothing: float | int = 0.0

    def __post_init__(self, **kwargs: Any) -> None:
        for name, value in _RELEASED[self.method].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        if self.method == "mae":
            self.model_config = {"num_frames": 32} if self.model_config is None else self.model_config
            self.decoder_config = {} if self.decoder_config is None else self.decoder_config
        super().__post_init__(**kwargs)
        for name, holds, wanted in (
            ("mask_ratio", 0 <= (self.mask_ratio or 0) < 1, "in [0, 1)"),
            ("mask_ratio", self.method != "mae" or bool(self.mask_ratio), "above 0 with mae"),
            ("temperature", self.temperature > 0, "above 0"),
            ("teacher_momentum", 0 <= (self.teacher_momentum or 0) <= 1, "in [0, 1]"),
            ("center_momentum", 0 <= self.center_momentum <= 1, "in [0, 1]"),
            ("dropout", 0 <= self.dropout < 1, "in [0, 1)"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
            ("num_classes", self.num_classes > 0, "above 0"),
        ):
            if not holds:
                raise ValueError(f"{name} must be {wanted}, not {getattr(self, name)}")

    @property
    def has_two_views(self) -> bool:
        """Whether the method compares two views of a clip; `mae` and `supervised` see one."""
        return self.method not in ("mae", "supervised")

    @property
    def has_teacher(self) -> bool:
        """Whether a teacher takes part."""
        return self.method in ("moco", "byol", "dino")

    def check_network(self, network: Literal["teacher", "student"]) -> None:
        """Refuses a network that cannot be published.

        Raises:
            ValueError: The method has no teacher, or one that reads the student's tokens and is of no use without.
        """
        if network == "student":
            return
        if not self.has_teacher:
            raise ValueError(f"{self.method} has no teacher; publish the student")
        if self.teacher_tokens == "student":
            raise ValueError(
                "the teacher has learned to read the student's tokens, not its own; publish the student, "
                'or train with teacher_tokens="teacher"'
            )

    @property
    def has_predictor(self) -> bool:
        """Whether a predictor follows the student's projector."""
        return self.method in ("moco", "byol", "simsiam")

    @classmethod
    def preset(
        cls, size: str, method: Method = "simclr", model: dict[str, Any] | None = None, **overrides: Any
    ) -> Self:
        """Configuration of a named size.

        Args:
            size: `nano`, `tiny`, `small`, `base` or `large`; the heads of `nano` are small too.
            method: The method.
            model: Fields of the `VSSLConfig` that differ from the preset.
            overrides: Fields of this configuration that differ from those of the method.

        Raises:
            ValueError: The size is not one of those.
        """
        frames = {"num_frames": 32} if method == "mae" else {}
        fields: dict[str, Any] = {"model_config": VSSLConfig.preset(size, **(frames | (model or {})))}
        if method == "mae":
            fields["decoder_config"] = VSSLDecoderConfig.preset(size)
        if size == "nano":
            fields |= {"projector_hidden_size": 256, "projector_size": 256, "projector_bottleneck_size": 64}
            fields |= {"predictor_hidden_size": 256}
        return cls(method=method, **(fields | overrides))
