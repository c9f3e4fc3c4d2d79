"""What every model of the zoo builds on: weights come from safetensors files, all of them, and from nothing else."""

from __future__ import annotations

import os
from typing import Any

from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel

# What finds a configuration on the Hub, among the arguments of `from_pretrained`.
_WHERE = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")


class SafetensorsModel(PreTrainedModel):
    """A `PreTrainedModel` that never reads a pickle and never starts from random weights unasked.

    transformers prefers safetensors, and falls back on ``pytorch_model.bin`` where there are none; a configuration can
    also name ``adapter_model.bin`` as its weights. Of weights that a checkpoint lacks it only warns.

    Attributes:
        new_weights: Prefixes of the weights that a checkpoint may lack; they are then newly initialised.
    """

    new_weights: tuple[str, ...] = ()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,
        config: PreTrainedConfig | str | os.PathLike[str] | None = None,
        use_safetensors: bool | None = True,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As in transformers, from safetensors files only.

        Raises:
            ValueError: Pickled weights are asked for, by the caller or by the configuration, or the checkpoint does not
                hold every weight of this class.
            OSError: There is no safetensors file.
        """
        if use_safetensors is False:
            raise ValueError(f"{cls.__name__} is loaded from safetensors files only; pickled weights are never read.")
        named: Any = config
        if pretrained_model_name_or_path is not None and not isinstance(config, PreTrainedConfig):
            where = {name: kwargs[name] for name in _WHERE if name in kwargs}
            named = PreTrainedConfig.get_config_dict(config or pretrained_model_name_or_path, **where)[0]
        elif config is not None:
            named = vars(config)
        weights = (named or {}).get("transformers_weights")
        if weights is not None and not str(weights).endswith((".safetensors", ".safetensors.index.json")):
            raise ValueError(f"The configuration names {weights} as weights; only safetensors files are ever read.")
        loaded: Any = super().from_pretrained(
            pretrained_model_name_or_path,
            *model_args,
            config=config,
            use_safetensors=True,
            output_loading_info=True,
            **kwargs,
        )
        model, info = loaded
        absent = sorted(name for name in info["missing_keys"] if not name.startswith(cls.new_weights))
        if absent:
            raise ValueError(
                f"The checkpoint lacks {len(absent)} weights of {cls.__name__}, {absent[0]} among them. One of another "
                "model is loaded with AutoModel; of a joint model, its video_model or audio_model is the encoder."
            )
        return loaded if output_loading_info else model
