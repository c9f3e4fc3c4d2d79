"""A process that holds one way to take a training step, takes one when it is told to, and knows its highest memory."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

#: Takes a step and returns the loss before it; and the bytes of parameters, gradients and moments.
Step = tuple[Callable[[], float], Callable[[], int]]


@dataclass
class Taken:
    """What a process says after a step.

    Attributes:
        seconds: Wall time.
        loss: Before the step.
        peak: Highest resident memory so far, beyond the process before the model was made, in bytes.
        state: Parameters, their gradients and the optimizer's moments, in bytes.
    """

    seconds: float
    loss: float
    peak: int
    state: int


class Process:
    """A process that takes steps.

    Args:
        make: Makes the step there; importable, for the process is a fresh one.
        threads: Threads of torch.
    """

    def __init__(self, make: Callable[[], Callable[[], Step]], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, threads))
        self._process.start()
        theirs.close()
        self.taken: list[Taken] = []

    def step(self) -> float:
        """Takes a step; returns its seconds."""
        self._connection.send("step")
        taken: Taken = self._connection.recv()
        self.taken.append(taken)
        return taken.seconds

    def end(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.join()


@contextmanager
def process(make: Callable[[], Callable[[], Step]], threads: int) -> Iterator[Process]:
    """A process that lives as long as the block; its first steps, which allocate, are done."""
    started = Process(make, threads)
    try:
        for _ in range(2):
            started.step()
        yield started
    finally:
        started.end()


def _serve(connection: Any, make: Callable[[], Callable[[], Step]], threads: int) -> None:
    """The life of a process."""
    import torch

    from benchmarks.common import seconds_of

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with_data = make()
    before = _peak()
    step, state = with_data()
    losses: list[float] = []
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        seconds = seconds_of(lambda: losses.append(step()))
        connection.send(Taken(seconds, losses[-1], _peak() - before, state()))


def _peak() -> int:
    """Highest resident memory of this process so far, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
