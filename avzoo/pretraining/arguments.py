"""Settings of a pretraining run that `transformers.TrainingArguments` does not have, and better defaults for some."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from transformers import TrainingArguments
from transformers.trainer_utils import HubStrategy

OptimizerName = Literal["adamw", "adam", "sgd"]
ScheduleName = Literal["cosine", "constant", "multistep"]

# Replaced by the fields below; a value given to one of these would be silently without effect.
_REPLACED = {
    "lr_scheduler_type": "use schedule",
    "warmup_steps": "use warmup_epochs",
    "optim": "use optimizer",
}


@dataclass
class AVTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` for self-supervised audio-visual pretraining.

    The learning rate rises linearly from ``start_learning_rate`` to ``learning_rate`` over ``warmup_epochs`` and then
    follows ``schedule``. A method may give some of its parameters a multiple of it, or hold theirs constant
    (`AVPreTrainedModel.parameter_groups`). The defaults of the optimisation fields are those of XKD (official
    configuration; paper, Table S11). ``hub_revision`` is a branch, and
    ``hub_strategy`` either ``every_save`` or ``end``: training checkpoints, which hold pickles, are not published.

    Attributes:
        optimizer: ``adamw``, ``adam`` (weight decay is part of the gradient) or ``sgd``.
        sgd_momentum: momentum of ``sgd``.
        larc: put LARC around the optimizer, see `avzoo.pretraining.larc.Larc`.
        larc_trust: largest step of a tensor as a share of its norm.
        schedule: after the ramp, ``cosine``: half a cosine towards ``final_learning_rate``; ``multistep``: times
            ``gamma`` at every milestone; or ``constant``.
        warmup_epochs: length of the ramp in passes over the data; rounded to whole iterations.
        start_learning_rate: learning rate of the first iteration when there is a ramp.
        final_learning_rate: learning rate the cosine tends to.
        milestones: epochs at whose start ``multistep`` lowers the learning rate.
        gamma: what it is multiplied by.
        constructor_learning_rate: where set, the first iteration has this learning rate in all parameter groups, and
            every later one that of the iteration before: what comes of stepping the schedule after the optimizer, as
            the released CrissCross code does.
        final_weight_decay: where set, weight decay follows half a cosine from ``weight_decay`` towards this value,
            without a ramp; groups with a weight decay of their own keep it.
        sync_batch_norm: with several processes, batch norms take their statistics over all of them.
        clip_per_tensor: clip the gradient of each tensor of ``model.clip_parameters()`` to ``max_grad_norm`` on its
            own. False clips all gradients together, as transformers does.
        export_network: network whose encoder is published at the end, ``teacher`` or ``student``.
        collapse_min_gap: smallest healthy Kullback-Leibler divergence (nats) from teacher to student distribution.
        collapse_min_spread: smallest healthy standard deviation over the batch, relative to the features' size.
        collapse_min_rank: smallest healthy effective rank, as a share of the largest a batch of that size can have.
        collapse_temperature: temperature of the softmax in the divergence.
        collapse_patience: consecutive logs below a threshold before the monitor warns.
        collapse_action: ``warn`` goes on after the warning, ``stop`` ends the run with it.

    Raises:
        ValueError: a value is out of its range, or a field is set that the ones above replace.
    """

    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    weight_decay: float = field(default=0.3, metadata={"help": "Decay of everything but biases and 1-D tensors."})
    adam_beta2: float = field(default=0.95, metadata={"help": "Second-moment decay of AdamW."})
    max_grad_norm: float = field(default=0.3, metadata={"help": "Largest gradient norm; 0 turns clipping off."})
    dataloader_drop_last: bool = field(default=True, metadata={"help": "Batch statistics want equal batches."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "Views are named tensors, not columns."})
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "A loss that is not finite must show."})
    restore_callback_states_from_checkpoint: bool = field(default=True, metadata={"help": "Needed to resume exactly."})

    optimizer: str = field(default="adamw", metadata={"help": "adamw, adam or sgd."})
    sgd_momentum: float = field(default=0.9, metadata={"help": "Momentum of sgd."})
    larc: bool = field(default=False, metadata={"help": "Put LARC around the optimizer."})
    larc_trust: float = field(default=1e-3, metadata={"help": "Largest step of a tensor as a share of its norm."})
    schedule: str = field(default="cosine", metadata={"help": "cosine, multistep or constant, after the ramp."})
    warmup_epochs: float = field(default=0.0, metadata={"help": "Passes over the data with rising learning rate."})
    start_learning_rate: float = field(default=0.0, metadata={"help": "Learning rate of the first iteration."})
    final_learning_rate: float = field(default=0.0, metadata={"help": "Learning rate the cosine tends to."})
    milestones: list[float] = field(default_factory=list, metadata={"help": "Epochs at which multistep steps down."})
    gamma: float = field(default=0.1, metadata={"help": "Factor of every milestone."})
    constructor_learning_rate: float | None = field(
        default=None, metadata={"help": "Rate of iteration 0; the schedule then lags one iteration behind."}
    )
    final_weight_decay: float | None = field(default=None, metadata={"help": "Weight decay its cosine tends to."})
    sync_batch_norm: bool = field(default=True, metadata={"help": "Batch statistics over all processes."})
    clip_per_tensor: bool = field(default=True, metadata={"help": "Clip tensor by tensor rather than globally."})
    export_network: str = field(default="teacher", metadata={"help": "Network to publish: teacher or student."})
    collapse_min_gap: float = field(default=1e-4, metadata={"help": "Least divergence of student from teacher."})
    collapse_min_spread: float = field(default=0.01, metadata={"help": "Least relative feature deviation."})
    collapse_min_rank: float = field(default=0.05, metadata={"help": "Least share of the possible effective rank."})
    collapse_temperature: float = field(default=0.1, metadata={"help": "Temperature of the compared distributions."})
    collapse_patience: int = field(default=3, metadata={"help": "Logs below a threshold before a warning."})
    collapse_action: str = field(default="warn", metadata={"help": "warn or stop."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not torch.accelerator.is_available():
            self.dataloader_pin_memory = False  # pinning is for copies to a device; without one torch warns
        for name, reason in _REPLACED.items():
            if getattr(self, name) != TrainingArguments.__dataclass_fields__[name].default:
                raise ValueError(f"{name} has no effect here: {reason}.")
        _require(self, "learning_rate", self.learning_rate > 0, "above 0")
        for name in ("warmup_epochs", "start_learning_rate", "final_learning_rate"):
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        self._check_optimisation()
        _require(
            self, "hub_strategy", self.hub_strategy in (HubStrategy.END, HubStrategy.EVERY_SAVE), "end or every_save"
        )
        _require(self, "export_network", self.export_network in ("teacher", "student"), "teacher or student")
        _require(self, "collapse_temperature", self.collapse_temperature > 0, "above 0")
        _require(self, "collapse_patience", self.collapse_patience >= 1, "at least 1")
        _require(self, "collapse_action", self.collapse_action in ("warn", "stop"), "warn or stop")

    def _check_optimisation(self) -> None:
        self.milestones = list(self.milestones)
        for name, choices in (("optimizer", get_args(OptimizerName)), ("schedule", get_args(ScheduleName))):
            _require(self, name, getattr(self, name) in choices, _either(choices))
        _require(self, "sgd_momentum", 0 <= self.sgd_momentum < 1, "at least 0 and below 1")
        _require(self, "larc_trust", self.larc_trust > 0, "above 0")
        _require(self, "gamma", self.gamma > 0, "above 0")
        for name in ("constructor_learning_rate", "final_weight_decay"):
            _require(self, name, getattr(self, name) is None or getattr(self, name) >= 0, "at least 0")
        stepped = self.schedule == "multistep"
        rising = all(first < second for first, second in itertools.pairwise([0, *self.milestones]))
        _require(self, "milestones", rising and bool(self.milestones) == stepped, _MILESTONES[stepped])
        if self.final_learning_rate and self.schedule != "cosine":
            raise ValueError(f"final_learning_rate has no effect with the {self.schedule} schedule.")

    def warmup_iterations(self, steps_per_epoch: int) -> int:
        """Optimizer steps of the learning-rate ramp, when one pass over the data takes ``steps_per_epoch``."""
        return math.floor(self.warmup_epochs * steps_per_epoch + 0.5)


_MILESTONES = {True: "epochs above 0 in rising order, at least one", False: "empty unless schedule is multistep"}


def _either(choices: Iterable[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}"


def _require(arguments: AVTrainingArguments, name: str, holds: bool, wanted: str) -> None:
    value: Any = getattr(arguments, name)
    if not holds:
        raise ValueError(f"{name} must be {wanted}, not {value!r}.")
