"""Groups of files side by side: one lane per decode worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from avzoo.extract.discover import InputFile
from avzoo.extract.embeddings import Embeddings
from avzoo.extract.encoder import Encoder
from avzoo.extract.forward import ForwardPool
from avzoo.extract.group import GroupEncoder
from avzoo.extract.manifest import ManifestRow
from avzoo.extract.table import write_part
from avzoo.extract.workers import DecodeWorker, WorkerStopped
from avzoo.media import ClipSpec

#: What a lane tells: windows that were embedded, a file that is finished, its own end or failure.
_Event = int | ManifestRow | BaseException | None


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
        todo: SimpleQueue[Group] = SimpleQueue()
        for group in groups:
            todo.put(group)
        events: SimpleQueue[_Event] = SimpleQueue()
        workers = [DecodeWorker(self.batch_size, self.timeout) for _ in range(min(count, len(groups)))]
        with ForwardPool(self.encoder, cores(), on_windows=events.put) as forward:
            embedder = GroupEncoder(forward, self.spec, self.batch_size)
            lanes = [Thread(target=_lane, args=(embedder, worker, todo, provenance, events)) for worker in workers]
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
    embedder: GroupEncoder,
    worker: DecodeWorker,
    todo: SimpleQueue[Group],
    provenance: Mapping[str, str],
    events: SimpleQueue[_Event],
) -> None:
    """Embeds one group after another; its last event is None, or the error that ended it."""

    def announced(group: Group) -> Iterator[tuple[ManifestRow, Embeddings | None]]:
        for row, embeddings in embedder.embed(group.files, worker):
            events.put(row)
            yield row, embeddings

    try:
        with worker:
            while True:
                group = todo.get_nowait()
                write_part(group.path, announced(group), provenance, group.fingerprint)
    except (Empty, WorkerStopped):
        events.put(None)
    except BaseException as error:  # raised again in the caller's thread
        events.put(error)


def _follow(
    events: SimpleQueue[_Event], lanes: int, on_progress: Callable[[Progress], None], progress: Progress
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
