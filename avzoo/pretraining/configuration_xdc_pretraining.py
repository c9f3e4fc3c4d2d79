"""Configuration of deep clustering with two encoders: SDC, MDC, CDC, XDC and same-modality XDC.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig

from avzoo.models.configuration_xdc import XDCConfig
from avzoo.pretraining.labelling_xdc import label_sources


@strict
class XDCPreTrainingConfig(PreTrainedConfig):
    """Configuration of `XDCForPreTraining`. The defaults are XDC on Kinetics.

    Args:
        model_config: Both encoders; one that does not take part is not made.
        variant: Whose clusters each encoder learns: `sdc`, `mdc`, `cdc` or `xdc`; see
            `avzoo.pretraining.labelling_xdc.label_sources`.
        modalities: Modality of every encoder, one (with `sdc`) or two; the same one twice for same-modality XDC.
        trained: The one encoder that is trained while the clusters are given, or `None` for all: the paper's last
            stage trains the video encoder alone on the final clusters.
        num_clusters: Clusters k, the same for every clustering. The paper's best for UCF101, HMDB51 and ESC50: 256,
            128 and 64 on Kinetics; 64, 128 and 64 on AudioSet-240K; 256, 256 and 128 on AudioSet.
        balance_clusters: Weigh every clip by the inverse of the size of its cluster, as DeepCluster does by sampling;
            the paper of XDC does not mention it.
        num_clips: Clips of the training set, for each of which an assignment is kept; the training run sets it.

    Raises:
        ValueError: The variant needs another number of encoders, or there is no encoder of the name in `trained`.
    """

    model_type = "xdc_pretraining"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"model_config": XDCConfig}

    model_config: Any = None
    variant: Literal["sdc", "mdc", "cdc", "xdc"] = "xdc"
    modalities: list[Literal["video", "audio"]] | tuple[Literal["video", "audio"], ...] = ("video", "audio")
    trained: str | None = None
    num_clusters: int = 256
    balance_clusters: bool = False
    num_clips: int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        self.modalities = list(self.modalities)
        super().__post_init__(**kwargs)
        if not 1 <= len(self.modalities) <= 2:
            raise ValueError(f"modalities must name one or two encoders, not {self.modalities}")
        if self.modalities == ["audio", "video"]:
            self.modalities = ["video", "audio"]
        if self.trained is not None and self.trained not in self.encoders:
            raise ValueError(f"trained must be one of {', '.join(self.encoders)}, not {self.trained}")
        if self.num_clusters < 2:
            raise ValueError(f"num_clusters must be at least 2, not {self.num_clusters}")
        label_sources(self.variant, list(self.encoders))

    @property
    def encoders(self) -> dict[str, str]:
        """Name and modality of every encoder of the method; a second one of the same modality is a twin."""
        first, *rest = self.modalities
        return {first: first} | {name if name != first else f"{first}_twin": name for name in rest}

    @property
    def label_sources(self) -> dict[str, tuple[str, ...]]:
        """For every encoder that is trained the clusterings that it learns."""
        sources = label_sources(self.variant, list(self.encoders))
        return {name: sources[name] for name in self.encoders if self.trained in (None, name)}

    @property
    def clusterings(self) -> list[str]:
        """Names of the clusterings, each once."""
        return list(dict.fromkeys(source for sources in self.label_sources.values() for source in sources))

    @classmethod
    def preset(cls, size: str, model: dict[str, Any] | None = None, **overrides: Any) -> Self:
        """Configuration with encoders of a named size.

        Args:
            size: `base` for the networks of the paper, or `nano`.
            model: Fields of the `XDCConfig` that differ from the preset.
            overrides: Fields of this configuration that differ from the defaults.

        Raises:
            ValueError: The size is not one of those.
        """
        return cls(model_config=XDCConfig.preset(size, **(model or {})), **overrides)
