"""Values that change during training, as functions of the iteration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from avzoo.pretraining.progress import TrainingProgress

if TYPE_CHECKING:
    from avzoo.pretraining.arguments import AVTrainingArguments
    from avzoo.pretraining.optim import ParameterGroup


def linear_warmup(step: int, *, start: float, base: float, warmup_steps: int) -> float:
    """Linear ramp that takes the value ``start`` at step 0 and ``base`` at step ``warmup_steps - 1``, then stays.

    Both ends are included (``linspace``), as in DINO and the official XKD code. A ramp of at most one step is at
    ``start`` on step 0 when ``warmup_steps == 1`` and absent when it is 0.

    Args:
        step: 0-based iteration (or epoch, when the ramp moves per epoch).
        start: value at step 0.
        base: value from the end of the ramp on.
        warmup_steps: number of values on the ramp.
    """
    if step >= warmup_steps:
        return base
    if warmup_steps == 1:
        return start
    return start + (base - start) * step / (warmup_steps - 1)


def cosine_schedule(
    step: int, total_steps: int, *, base: float, final: float, warmup_steps: int = 0, start: float = 0.0
) -> float:
    """Linear ramp from ``start`` to ``base``, then half a cosine from ``base`` towards ``final``.

    The cosine starts at exactly ``base``, one iteration after the ramp reached it, and its index runs over
    ``0 .. n - 1`` of ``n`` values, so that the last iteration is close to, not at, ``final`` (official XKD code).
    Steps at or after ``total_steps`` give ``final``.

    Args:
        step: 0-based optimizer step.
        total_steps: steps of the whole run, the ramp included.
        base: value at the end of the ramp and the start of the cosine.
        final: value the cosine tends to.
        warmup_steps: number of values on the ramp, both ends included.
        start: value at step 0 when there is a ramp.
    """
    if step < warmup_steps:
        return linear_warmup(step, start=start, base=base, warmup_steps=warmup_steps)
    if step >= total_steps:
        return final
    return final + 0.5 * (base - final) * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))


def step_schedule(
    step: int, *, base: float, milestones: Sequence[int], gamma: float, warmup_steps: int = 0, start: float = 0.0
) -> float:
    """Linear ramp from ``start`` to ``base``, then ``base`` times ``gamma`` for every milestone that is reached.

    Args:
        step: 0-based optimizer step.
        base: value after the ramp.
        milestones: steps from which on the value is multiplied once more (torch's ``MultiStepLR``).
        gamma: what it is multiplied by.
        warmup_steps: number of values on the ramp, both ends included.
        start: value at step 0 when there is a ramp.
    """
    if step < warmup_steps:
        return linear_warmup(step, start=start, base=base, warmup_steps=warmup_steps)
    return base * gamma ** sum(step >= milestone for milestone in milestones)


def teacher_momentum(progress: TrainingProgress, base: float, final: float = 1.0) -> float:
    """Momentum of a teacher in the step being taken: half a cosine from ``base`` towards ``final`` over the run."""
    return cosine_schedule(progress.step, progress.total_steps, base=base, final=final)


def learning_rate_factors(
    arguments: AVTrainingArguments, groups: Sequence[ParameterGroup], total_steps: int, steps_per_epoch: int
) -> list[Callable[[int], float]]:
    """For every group the function from the iteration to what multiplies the group's own learning rate.

    Args:
        arguments: settings of the run.
        groups: the groups of its optimizer.
        total_steps: optimizer steps of the run.
        steps_per_epoch: optimizer steps of one pass over the data.
    """
    base, final, start = arguments.learning_rate, arguments.final_learning_rate, arguments.start_learning_rate
    warmup_steps = arguments.warmup_iterations(steps_per_epoch)
    milestones = [round(epoch * steps_per_epoch) for epoch in arguments.milestones]

    def of_the_run(step: int) -> float:
        if arguments.schedule == "cosine":
            rate = cosine_schedule(step, total_steps, base=base, final=final, warmup_steps=warmup_steps, start=start)
        else:
            rate = step_schedule(
                step, base=base, milestones=milestones, gamma=arguments.gamma, warmup_steps=warmup_steps, start=start
            )
        return rate / base

    def of_group(group: ParameterGroup) -> Callable[[int], float]:
        schedule = of_the_run if group.schedule == "run" else lambda step: 1.0
        first = arguments.constructor_learning_rate
        if first is None:
            return schedule
        constructed = first / (base * group.learning_rate_factor)
        return lambda step: schedule(step - 1) if step > 0 else constructed

    return [of_group(group) for group in groups]
