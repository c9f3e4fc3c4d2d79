"""Values that change during training, as functions of the iteration."""

from __future__ import annotations

import math


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
