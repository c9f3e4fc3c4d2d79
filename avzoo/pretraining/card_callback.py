"""What a run leaves in writing: its log, and a model card made of it, renewed at every save and at the end."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import TrainerCallback
from transformers.trainer_callback import TrainerState

from avzoo.checkpoints.card import trained_card
from avzoo.checkpoints.contents import CARD_FILE
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.modeling import AVPreTrainedModel


class CardCallback(TrainerCallback):
    """Writes the card of a run as ``README.md`` into its output folder, at every save and at the end.

    Args:
        recipe: What the run was asked to do, as `Recipe.model_dump` gives it; None for a run without a recipe.
        processors: Settings of the processors that go with the encoder.
        encoder: Folder of the output folder in which the encoder will be; None where only checkpoints are saved.
    """

    def __init__(
        self,
        recipe: Mapping[str, Any] | None = None,
        processors: Sequence[Mapping[str, Any]] = (),
        encoder: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.processors = processors
        self.encoder = encoder
        self._started = time.monotonic()
        self._first_step = 0

    def log(self, args: AVTrainingArguments, state: TrainerState) -> dict[str, Any]:
        """What the run can say of itself, as it goes into ``training_log.json``.

        Returns:
            ``name, description, network, steps, resumed_at, loss, seconds, processes, device, hardware, versions`` and
            ``log_history``. The seconds are those since the run was started or, at step ``resumed_at``, resumed.
        """
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        return {
            "name": Path(str(args.output_dir)).resolve().name,
            "description": self.recipe and self.recipe.get("description"),
            "network": args.export_network,
            "steps": state.global_step,
            "resumed_at": self._first_step,
            "loss": losses[-1] if losses else None,
            "seconds": round(time.monotonic() - self._started, 4),
            "processes": args.world_size,
            "device": str(args.device),
            "hardware": hardware(args),
            "versions": {
                "avzoo": metadata.version("avzoo"),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "python": platform.python_version(),
            },
            "log_history": state.log_history,
        }

    def write(self, args: AVTrainingArguments, state: TrainerState, model: AVPreTrainedModel) -> Path:
        """Writes the card of the run as it stands, and returns where."""
        log = self.log(args, state)
        encoder = f"./{log['name']}/{self.encoder}" if self.encoder else None
        config = model.config.to_dict()
        card = trained_card(log["name"], config, self.processors, log, self.recipe, reference=encoder)
        path = Path(str(args.output_dir)) / CARD_FILE
        partial = path.with_suffix(".tmp")
        partial.write_text(card.render(), encoding="utf-8")
        partial.replace(path)
        return path

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock."""
        self._started = time.monotonic()
        self._first_step = state.global_step

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Renews the card."""
        if state.is_world_process_zero:
            self.write(args, state, kwargs["model"])

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes the card of the finished run."""
        if state.is_world_process_zero:
            self.write(args, state, kwargs["model"])


def hardware(args: AVTrainingArguments) -> str:
    """What a run computes on, such as ``8 x NVIDIA V100`` or ``2 threads of a CPU (x86_64)``."""
    if args.device.type == "cuda":
        return f"{args.world_size} x {torch.cuda.get_device_name(args.device)}"
    if args.device.type == "cpu":
        threads = args.world_size * torch.get_num_threads()
        return f"{threads} thread{'s' * (threads != 1)} of a CPU ({platform.machine()})"
    return f"{args.world_size} x {args.device.type}"
