"""Where a training run stands: the one thing schedules need to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingProgress:
    """Position of one optimizer step within a run.

    Attributes:
        step: optimizer steps already done, 0-based: the number of the step being taken.
        total_steps: optimizer steps of the whole run, at least 1.
        steps_per_epoch: optimizer steps of one pass over the data, at least 1.
    """

    step: int
    total_steps: int
    steps_per_epoch: int

    @property
    def epoch(self) -> int:
        """Number of the current pass over the data, 0-based."""
        return self.step // self.steps_per_epoch
