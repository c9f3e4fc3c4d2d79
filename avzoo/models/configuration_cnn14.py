"""Configuration of CNN14, the sound teacher of CCL (PANNs, arXiv 1912.10211).

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any

from huggingface_hub.dataclasses import strict

from .configuration_encoder import EncoderConfig


@strict
class CNN14Config(EncoderConfig):
    """Configuration of CNN14, a plain 2-D convolutional network over log-mel spectrograms.

    The defaults are the released variant with a 512-d embedding (`Cnn14_emb512`), the one that CCL distils from; the
    variant with `hidden_size` 2048 is the one that PANNs report first.

    Args:
        num_mel_bins: Mel bands; fixed for a trained model, which normalises each of them.
        block_channels: Output channels of the convolution blocks. All but the last halve mel bands and frames.
        hidden_size: Width D of the embedding.
        block_dropout: Share of values dropped after every block in training.
        pooled_dropout: Share of values dropped before the embedding layer in training.
        batch_norm_eps: 1e-5 as in the released code.

    `EncoderConfig` has the fields of a classification head.

    Raises:
        ValueError: There are no blocks, or the mel bands do not survive their halvings.
    """

    model_type = "cnn14"

    num_mel_bins: int = 64
    block_channels: list[int] | tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    hidden_size: int = 512
    block_dropout: float = 0.2
    pooled_dropout: float = 0.5
    batch_norm_eps: float = 1e-5

    def __post_init__(self, **kwargs: Any) -> None:
        self.block_channels = list(self.block_channels)
        self._require(len(self.block_channels) > 0, "block_channels is empty; give the width of at least one block")
        self._require(
            self.num_mel_bins >= self.downsampling,
            f"{self.num_mel_bins} num_mel_bins do not survive {len(self.block_channels) - 1} halvings; "
            f"take at least {self.downsampling}",
        )
        super().__post_init__(**kwargs)

    @property
    def downsampling(self) -> int:
        """Frames, and mel bands, that become one in the final feature map."""
        return int(2 ** (len(self.block_channels) - 1))
