"""Groups of files side by side: one lane per decode worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Literal, TypeVar

from avzoo.extract.discover import InputFile
from avzoo.extract.embeddings import Embeddings
from avzoo.extract.encoder import Encoder
from avzoo.extract.forward import ForwardPool
from avzoo.extract.group import GroupEncoder
from avzoo.extract.manifest import ManifestRow
from avzoo.extract.table import write_part
from avzoo.extract.workers import DecodeWorker, WorkerStopped
from avzoo.media import ClipSpec

#: What lanes work on: one unit, which gives one part.
T = TypeVar("T")

#: An item of a unit is finished, whatever became of it.
FINISHED: Final = "finished"

#: What a lane tells: windows that were embedded, `FINISHED`, its own end or failure.
Event = int | Literal["finished"] | BaseException | None


@dataclass(frozen=True)
class Group:
    """Files that make one part of the table.

    Attributes:
        path: The part.
        files: The files, in order.
        fingerprint: Of all that decides the part's content.
    """

    path: Path
    files: tuple[InputFile, ...]
    fingerprint: str


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        files: Files that are finished, those of an earlier run included.
        total: Files in all.
        windows: Windows that this run has embedded.
    """

    files: int
    total: int
    windows: int


@dataclass(frozen=True)
class Lanes:
    """What writes parts, several at once.

    Attributes:
        encoder: The model and its processors.
        spec: The windows to cut.
        batch_size: Windows per forward pass.
        timeout: Seconds that decoding one window may take.
    """

    encoder: Encoder
    spec: ClipSpec
    batch_size: int
    timeout: float

    def run(
        self,
        groups: Sequence[Group],
        provenance: Mapping[str, str],
        count: int,
        on_progress: Callable[[Progress], None],
        progress: Progress,
    ) -> None:
        """Writes the parts of all groups.

        Args:
            groups: The groups.
            provenance: See `write_part`.
            count: Lanes, and as many decode processes.
            on_progress: Called in this thread, at the beginning and whenever something is done.
            progress: Where the run begins.
        """
        events: SimpleQueue[Event] = SimpleQueue()
        workers = [DecodeWorker(self.batch_size, self.timeout) for _ in range(min(count, len(groups)))]
        with ForwardPool(self.encoder, cores(), on_windows=events.put) as forward:
            embedder = GroupEncoder(forward, self.spec, self.batch_size)

            def write(group: Group, worker: DecodeWorker) -> None:
                def announced() -> Iterator[tuple[ManifestRow, Embeddings | None]]:
                    for row, embeddings in embedder.embed(group.files, worker):
                        events.put(FINISHED)
                        yield row, embeddings

                write_part(group.path, announced(), provenance, group.fingerprint)

            run_lanes(groups, write, workers, events, on_progress, progress)


def run_lanes(
    units: Sequence[T],
    work: Callable[[T, DecodeWorker], None],
    workers: Sequence[DecodeWorker],
    events: SimpleQueue[Event],
    on_progress: Callable[[Progress], None],
    progress: Progress,
) -> None:
    """Works on units side by side, one lane per decode worker.

    Args:
        units: What there is to do.
        work: Does one of them with a worker, in the thread of a lane.
        workers: The decode processes; they are stopped at the end.
        events: Where ``work``, and what embeds for it, put what happens.
        on_progress: Called in this thread, at the beginning and whenever something is done.
        progress: Where the run begins.
    """
    todo: SimpleQueue[T] = SimpleQueue()
    for unit in units:
        todo.put(unit)
    lanes = [Thread(target=_lane, args=(work, worker, todo, events)) for worker in workers]
    for lane in lanes:
        lane.start()
    try:
        _follow(events, len(lanes), on_progress, progress)
    finally:
        for worker in workers:
            worker.stop()
        for lane in lanes:
            lane.join()


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lane(
    work: Callable[[T, DecodeWorker], None], worker: DecodeWorker, todo: SimpleQueue[T], events: SimpleQueue[Event]
) -> None:
    """Does one unit after another; its last event is None, or the error that ended it."""
    try:
        with worker:
            while True:
                work(todo.get_nowait(), worker)
    except (Empty, WorkerStopped):
        events.put(None)
    except BaseException as error:  # raised again in the caller's thread
        events.put(error)


def _follow(
    events: SimpleQueue[Event], lanes: int, on_progress: Callable[[Progress], None], progress: Progress
) -> None:
    """Reports what happens in the lanes until all have ended."""
    on_progress(progress)
    while lanes:
        event = events.get()
        if isinstance(event, BaseException):
            raise event
        if event is None:
            lanes -= 1
            continue
        if isinstance(event, int):
            progress = replace(progress, windows=progress.windows + event)
        else:
            progress = replace(progress, files=progress.files + 1)
        on_progress(progress)
