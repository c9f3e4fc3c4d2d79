"""Configuration of XKD pretraining: the model, its decoders and every choice of the objective.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig

from avzoo.models.configuration_xkd import XKDConfig
from avzoo.pretraining.configuration_masked_decoder import MaskedDecoderConfig
from avzoo.pretraining.objectives import MMD_GAMMAS


@strict
class XKDDecoderConfig(MaskedDecoderConfig):
    """Configuration of the decoders of the masked autoencoders; see `MaskedDecoderConfig`."""

    model_type = "xkd_decoder"


@strict
class XKDPreTrainingConfig(PreTrainedConfig):
    """Configuration of `XKDForPreTraining`. The defaults are the released Kinetics400 run of modality-specific XKD.

    Args:
        model_config: Encoders, projectors and sharing; students and teachers are both built from it.
        decoder_config: Decoders of the masked autoencoders.
        video_mask_ratio: Share of video patches removed.
        audio_mask_ratio: Share of spectrogram patches removed.
        normalize_patches: Reconstruct patches normalised by their own mean and variance.
        reconstruction_weight: Coefficient of masked reconstruction.
        distillation_weight: Coefficient of cross-modal distillation.
        alignment_weight: Coefficient of domain alignment. With this and `distillation_weight` at zero only the masked
            autoencoders are trained; teachers and local views are not computed.
        loss_scaling: `released` halves each sum over modalities and divides the total by the sum of the coefficients;
            `paper` adds (Eqs. 2, 9, 11, 12).
        teacher_view: What teachers see: the first `local` view (released code) or the `global` one (paper).
        refinement: `mean` (paper and code), `softmax` (ablation) or `none` (ablation).
        refinement_energy: `patch_mean` (released) or `features` (paper).
        refinement_energy_root: Square root of the energy ratio (released) or the ratio itself (paper).
        mmd_gammas: Bandwidths of the alignment kernels: seven in the released code, a single one in the paper.
        mmd_root: Use the distance (paper) instead of its square (released).
        mmd_float64: Compute the discrepancy in double precision, where it is exact.
        gather_mmd: Compute the discrepancy over the features of all processes; the released code does it per process.
        student_temperature_video: Temperature of the video student.
        student_temperature_audio: Temperature of the audio student.
        student_temperature_source: `audio` uses the audio student's temperature for both (released code), `own` each
            its own. The numbers are equal in every published configuration.
        teacher_temperature_video: Temperature of the video teacher.
        teacher_temperature_audio: Temperature of the audio teacher.
        warmup_teacher_temperature_video: Temperature at the first epoch; `None` keeps it constant.
        warmup_teacher_temperature_audio: Likewise for audio.
        teacher_temperature_warmup_epochs: Epochs of the linear warm-up of both teacher temperatures.
        center_momentum: Momentum of the running means of the teachers' projections.
        ema_video: Momentum of the video teacher at the first step, rising to 1 along a half cosine.
        ema_audio: Momentum of the audio teacher, likewise.
        double_ema: Update layers that teachers share once per modality, as the released MATS code does.
        clip_decoders: Clip the gradients of the decoders too; the released code clips students' encoders and heads.
    """

    model_type = "xkd_pretraining"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"model_config": XKDConfig, "decoder_config": XKDDecoderConfig}

    model_config: Any = None
    decoder_config: Any = None
    video_mask_ratio: float | int = 0.85
    audio_mask_ratio: float | int = 0.8
    normalize_patches: bool = True
    reconstruction_weight: float | int = 5.0
    distillation_weight: float | int = 1.0
    alignment_weight: float | int = 1.0
    loss_scaling: Literal["released", "paper"] = "released"
    teacher_view: Literal["local", "global"] = "local"
    refinement: Literal["mean", "softmax", "none"] = "mean"
    refinement_energy: Literal["patch_mean", "features"] = "patch_mean"
    refinement_energy_root: bool = True
    mmd_gammas: list[float | int] | tuple[float | int, ...] = MMD_GAMMAS
    mmd_root: bool = False
    mmd_float64: bool = False
    gather_mmd: bool = False
    student_temperature_video: float | int = 0.1
    student_temperature_audio: float | int = 0.1
    student_temperature_source: Literal["audio", "own"] = "audio"
    teacher_temperature_video: float | int = 0.1
    teacher_temperature_audio: float | int = 0.07
    warmup_teacher_temperature_video: float | int | None = None
    warmup_teacher_temperature_audio: float | int | None = None
    teacher_temperature_warmup_epochs: int = 30
    center_momentum: float | int = 0.9
    ema_video: float | int = 0.997
    ema_audio: float | int = 0.997
    double_ema: bool = True
    clip_decoders: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.mmd_gammas = list(self.mmd_gammas)
        super().__post_init__(**kwargs)
        for name in ("video_mask_ratio", "audio_mask_ratio"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.distills and self.model_config.projection_dim is None:
            raise ValueError("distillation and alignment need projectors: set model_config.projection_dim")

    @property
    def distills(self) -> bool:
        """Whether teachers and projectors take part."""
        return self.distillation_weight > 0 or self.alignment_weight > 0

    @classmethod
    def preset(cls, size: str, model: dict[str, Any] | None = None, **overrides: Any) -> Self:
        """Configuration of a named size, with projectors.

        Args:
            size: `nano`, `tiny`, `small`, `base` or `large`.
            model: Fields of the `XKDConfig` that differ from the preset, for example `{"sharing": "mats"}`.
            overrides: Fields of this configuration that differ from the defaults.

        Raises:
            ValueError: The size is not one of those.
        """
        projectors = {} if size == "nano" else {"projection_dim": 8192}
        return cls(
            model_config=XKDConfig.preset(size, **{**projectors, **(model or {})}),
            decoder_config=XKDDecoderConfig.preset(size),
            **overrides,
        )
