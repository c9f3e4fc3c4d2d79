"""What the configurations of all single-modality encoders have in common."""

from typing import Any, Literal

from transformers.configuration_utils import PreTrainedConfig


class EncoderConfig(PreTrainedConfig):
    """An encoder and the head that a classification model puts on its feature.

    The number of classes and their names are `num_labels`, `id2label` and `label2id`, as everywhere in transformers.

    Attributes:
        classifier_dropout: Probability of dropout before the linear layer, in [0, 1).
        classifier_norm: What normalises the feature before dropout: `batch` (affine batch norm), `l2` (unit length) or
            nothing.
        classifier_init: Initialisation of the linear layer: `orthogonal` weights and zero bias, `normal` weights of
            standard deviation 0.01 and zero bias, or `uniform`, the default of `torch.nn.Linear`.

    Raises:
        ValueError: A field is out of its range.
    """

    classifier_dropout: float = 0.0
    classifier_norm: Literal["batch", "l2"] | None = None
    classifier_init: Literal["orthogonal", "normal", "uniform"] = "orthogonal"

    def __post_init__(self, **kwargs: Any) -> None:
        self._require(
            0 <= self.classifier_dropout < 1, f"classifier_dropout {self.classifier_dropout} is not in [0, 1)"
        )
        super().__post_init__(**kwargs)

    def _require(self, condition: bool, sentence: str) -> None:
        if not condition:
            raise ValueError(f"{type(self).__name__}: {sentence}")
