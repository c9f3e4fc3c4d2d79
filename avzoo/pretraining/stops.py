"""Why a run stops before its end, and what the one who started it can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from transformers.trainer_utils import get_last_checkpoint

from avzoo.errors import AvzooError
from avzoo.pretraining.arguments import AVTrainingArguments


class TrainingStopped(AvzooError):
    """A run cannot go on. Its last checkpoint is from before the trouble and stays."""


class TrainingDiverged(TrainingStopped):
    """The loss or a weight is no longer a finite number."""


class RepresentationCollapsed(TrainingStopped):
    """The representation has been degenerate for too long, and the settings say to stop then."""


class OutOfMemory(TrainingStopped):
    """A step does not fit into the memory of the device."""


def all_finite(model: nn.Module) -> bool:
    """Whether every parameter of the model is; reads one value back from the device."""
    norms = torch._foreach_norm([value.detach() for value in model.parameters()])
    return bool(torch.stack([norm.float() for norm in norms]).isfinite().all())


def diverged(what: str, step: int, out: str) -> TrainingDiverged:
    """The error for a loss or weights that are not finite.

    Args:
        what: subject and verb, such as ``The loss is nan``.
        step: steps taken.
        out: folder of the run.
    """
    return TrainingDiverged(
        f"{what} at step {step}; lower learning_rate, lengthen warmup_epochs, or train in bf16 or fp32 rather than "
        f"fp16. {_what_remains(out)}"
    )


def collapsed(warning: str, out: str) -> RepresentationCollapsed:
    """The error for a warning of the collapse monitor."""
    return RepresentationCollapsed(f"{warning} {_what_remains(out)}")


@contextmanager
def memory_advice(arguments: AVTrainingArguments) -> Iterator[None]:
    """Turns a failure to get memory into an `OutOfMemory` with advice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        clips, steps = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
        raise OutOfMemory(
            f"Out of memory with {clips} clips per process and forward pass; set gradient_accumulation_steps to "
            f"{2 * steps} (objectives that compare the clips of a batch then see half of them), bf16 or "
            f"activation_checkpointing to true, or lower batch_size. {_what_remains(str(arguments.output_dir))}"
        ) from error


def _lacks_memory(error: BaseException) -> bool:
    # The allocator of the CPU has no class of error of its own.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _what_remains(out: str) -> str:
    last = get_last_checkpoint(out) if Path(out).is_dir() else None
    return "No checkpoint had been saved." if last is None else f"The last checkpoint before is {last}."
