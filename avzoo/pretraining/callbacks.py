"""What happens around each optimizer step: the model's hooks, the running means of the losses, the progress bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from avzoo.pretraining.modeling import AVPreTrainedModel
from avzoo.pretraining.optim import ParameterGroup
from avzoo.pretraining.progress import TrainingProgress
from avzoo.pretraining.schedules import cosine_schedule


class StepHooks(TrainerCallback):
    """Calls ``begin_step`` and ``end_step`` of the model around each optimizer step, ``set_epoch`` of the data.

    ``end_step`` runs right after the step, before gradients are dropped and the step is counted, with the number the
    step had; it runs even when the loss scaler skipped the step, as in the official codes.

    Args:
        model: the bare model.
        progress: gives the position of the run.
    """

    def __init__(self, model: AVPreTrainedModel, progress: Callable[[], TrainingProgress]) -> None:
        self.model = model
        self.progress = progress
        self.logs: dict[str, float] = {}
        self.epoch_listeners: list[Any] = []

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Tells the epoch to what orders and draws the data."""
        for listener in self.epoch_listeners:
            listener.set_epoch(self.progress().epoch)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Sets the model's schedules for the step about to be taken."""
        self.model.begin_step(self.progress())

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Updates the teachers."""
        self.logs = self.model.end_step(self.progress())


class WeightDecaySchedule(TrainerCallback):
    """Sets the weight decay of every step, in the parameter groups that have none of their own.

    Args:
        base: weight decay of the first step.
        final: what its half cosine tends to.
        groups: gives the groups of the optimizer.
        progress: gives the position of the run.
    """

    def __init__(
        self,
        base: float,
        final: float,
        groups: Callable[[], Sequence[ParameterGroup]],
        progress: Callable[[], TrainingProgress],
    ) -> None:
        self.base = base
        self.final = final
        self.groups = groups
        self.progress = progress

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Sets it for the step about to be taken."""
        now = self.progress()
        decay = cosine_schedule(now.step, now.total_steps, base=self.base, final=self.final)
        for group, setting in zip(self.groups(), kwargs["optimizer"].param_groups, strict=True):
            if group.weight_decay is None:
                setting["weight_decay"] = decay


class LossMeter(TrainerCallback, ExportableState):
    """Sums of the loss parts since the last log, kept on the device and saved with the checkpoint.

    A run resumed in the middle of a logging window therefore logs what the uninterrupted run logs.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.totals: dict[str, Tensor] = {}
        self.count = 0

    @property
    def finite(self) -> bool:
        """Whether every sum is a finite number."""
        return not self.totals or bool(torch.stack(list(self.totals.values())).isfinite().all())

    def add(self, parts: Mapping[str, Tensor]) -> None:
        """Adds the scalars of one forward pass."""
        for name, part in parts.items():
            value = part.detach().float()
            self.totals[name] = self.totals[name].to(value.device) + value if name in self.totals else value
        self.names = list(self.totals)
        self.count += 1

    def synchronise(self, reduce: Callable[[Tensor], Tensor]) -> None:
        """Replaces the sums by their means over the processes; ``reduce`` maps a 1-D tensor to its mean."""
        if self.totals:
            means = reduce(torch.stack(list(self.totals.values())))
            self.totals = dict(zip(self.totals, means.unbind(), strict=True))

    def drain(self) -> dict[str, float]:
        """The mean of each part since the last call, and an empty window."""
        means = {name: total.item() / self.count for name, total in self.totals.items()}
        self.totals, self.count = {}, 0
        return means

    @property
    def window(self) -> dict[str, Any]:
        """The sums as plain numbers; assigning them restores the sums."""
        return {"totals": {name: total.item() for name, total in self.totals.items()}, "count": self.count}

    @window.setter
    def window(self, window: Mapping[str, Any]) -> None:
        self.totals = {name: torch.tensor(total) for name, total in window["totals"].items()}
        self.count = window["count"]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps (transformers' ``ExportableState``)."""
        return {"args": {}, "attributes": {"window": self.window}}


class ProgressBar(TrainerCallback):
    """Steps done, loss, clips per second and time left, on standard error; plain lines where that is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Opens the bar at the step the run starts or resumes from."""
        if state.is_world_process_zero and self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console)
            self._bar.add_task("training", total=state.max_steps, completed=state.global_step)
            self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Advances the bar."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Shows loss and rate in the bar, or prints a line where there is no bar."""
        if not state.is_world_process_zero or not logs or "clips_per_second" not in logs:
            return
        figures = f"loss {logs['loss']:.4f}  {logs['clips_per_second']:.1f} clips/s"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=figures)
        else:
            left = timedelta(seconds=round(logs["seconds_left"]))
            self._console.print(f"step {state.global_step}/{state.max_steps}  {figures}  {left} left", highlight=False)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.stop()
