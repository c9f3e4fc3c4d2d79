"""The embeddings of a group of files: one sequential program, whose numbers depend on the files alone.

In which batch a window is computed can move its embedding by a rounding error, so the batches are a function of the
files of the group: whole batches of one file first, as they are decoded; then the remainders of the files that could
be read, joined across files in their order. Whatever a broken file does, and whenever, moves nothing in the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from avzoo.extract.discover import InputFile
from avzoo.extract.embeddings import Collector, Embeddings, Vectors
from avzoo.extract.encoder import nothing_to_embed
from avzoo.extract.forward import ForwardPool
from avzoo.extract.manifest import ManifestRow, Status
from avzoo.extract.workers import DecodeWorker, Durations
from avzoo.media import Clip, ClipSpec, MediaError

#: Failures before which the windows are good and the same in every run: they are kept.
_KEEP_WINDOWS = ("decode_failed", "truncated")

_NO_STREAM = ("no_video", "no_audio", "no_streams")
_NO_MEDIA = ("not_a_file", "not_media", "playlist", "empty")

_NAMES = {"video": "picture", "audio": "sound"}

_UNKNOWN = Durations(None, None, None)


@dataclass
class _File:
    """A file under way: its windows so far, and what the manifest will say of it."""

    source: InputFile
    collector: Collector
    durations: Durations = _UNKNOWN
    sha256: str | None = None
    error: MediaError | None = None
    waiting: int = 0  # windows that wait for a batch
    batches: list[Future[dict[str, Vectors]]] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether all its windows are embedded."""
        return not self.waiting and all(batch.done() for batch in self.batches)

    def add(self, clips: list[Clip], batch: Future[dict[str, Vectors]], rows: slice) -> None:
        """Adds windows, which are those rows of a batch."""
        self.collector.add(clips, lambda: {name: vectors[rows] for name, vectors in batch.result().items()})
        self.batches.append(batch)


@dataclass(frozen=True)
class GroupEncoder:
    """What embeds groups of files.

    Attributes:
        forward: Where batches are embedded.
        spec: The windows to cut.
        batch_size: Windows per batch.
    """

    forward: ForwardPool
    spec: ClipSpec
    batch_size: int

    def embed(
        self, files: Sequence[InputFile], worker: DecodeWorker
    ) -> Iterator[tuple[ManifestRow, Embeddings | None]]:
        """Decodes and embeds a group of files.

        Args:
            files: The group, in order.
            worker: What decodes them.

        Yields:
            In the order of the files, the row of the manifest and, for files with windows, the embeddings.
        """
        under_way: deque[_File] = deque()
        remainders: deque[tuple[_File, Clip]] = deque()
        for source in files:
            file = _File(source, Collector(source.path, self.spec))
            under_way.append(file)
            rest = self._decode(file, worker)
            file.waiting = len(rest)
            remainders.extend((file, clip) for clip in rest)
            while len(remainders) >= self.batch_size:
                self._embed_across([remainders.popleft() for _ in range(self.batch_size)])
            while under_way and under_way[0].finished:
                yield self._result(under_way.popleft())
        if remainders:
            self._embed_across(list(remainders))
        yield from map(self._result, under_way)

    def _decode(self, file: _File, worker: DecodeWorker) -> list[Clip]:
        """Hands on the whole batches of a file and returns the windows that remain."""
        clips: list[Clip] = []
        try:
            if file.source.problem is not None:
                raise MediaError("not_a_file", file.source.path, file.source.problem)
            for item in worker.decode(file.source.path, self.spec):
                if isinstance(item, Durations):
                    file.durations = item
                    file.sha256 = _sha256(file.source)  # while the worker decodes on
                    continue
                clips.append(item)
                if len(clips) == self.batch_size:
                    file.add(clips, self.forward.submit(clips), slice(None))
                    clips = []
        except MediaError as error:
            file.error = error
            file.sha256 = file.sha256 or _sha256(file.source)
            if error.reason not in _KEEP_WINDOWS:
                file.collector = Collector(file.source.path, self.spec)
                return []
        return clips

    def _embed_across(self, joined: list[tuple[_File, Clip]]) -> None:
        """Hands on a batch that is joined from several files."""
        batch = self.forward.submit([clip for _, clip in joined])
        for index, (file, clip) in enumerate(joined):
            file.add([clip], batch, slice(index, index + 1))
            file.waiting -= 1

    def _result(self, file: _File) -> tuple[ManifestRow, Embeddings | None]:
        embeddings = file.collector.embeddings()
        if not any(len(rows.times) for rows in embeddings.rows()):
            file.error = file.error or nothing_to_embed(file.source.path, self.forward.encoder.modalities)
        windows = 0 if file.error and file.error.reason not in _KEEP_WINDOWS else len(embeddings)
        status, reason, message = self._verdict(file.error, file.source.expected, embeddings)
        row = ManifestRow(
            path=file.source.text,
            sha256=file.sha256,
            bytes=file.source.size,
            status=status,
            reason=reason,
            message=message,
            **vars(file.durations),
            windows=windows,
            missing=self.spec.missing,
        )
        return row, embeddings if windows else None

    def _verdict(
        self, error: MediaError | None, expected: bool, embeddings: Embeddings
    ) -> tuple[Status, str | None, str | None]:
        """Status, reason and message of a file."""
        if error is not None:
            tolerated = _NO_STREAM if self.spec.missing == "skip" else ()
            skipped = error.reason in tolerated or (error.reason in _NO_MEDIA and not expected)
            kept = f" (windows kept from before: {len(embeddings)})" if len(embeddings) else ""
            return "skipped" if skipped else "failed", error.reason, f"{error.detail}{kept}"
        has = {"video": embeddings.has_video.any(), "audio": embeddings.has_audio.any()}
        lacking = next((modality for modality in self.forward.encoder.modalities if not has[modality]), None)
        if lacking is None:
            return "ok", None, None
        done = "zeros stand for it" if self.spec.missing == "zeros" else "the rest was embedded"
        return "ok", f"no_{lacking}", f"has no {_NAMES[lacking]}; {done}"


def _sha256(source: InputFile) -> str | None:
    """Hash of a regular file; None where there is none, or none that can be read."""
    with suppress(OSError):
        return None if source.problem else source.sha256()
    return None
