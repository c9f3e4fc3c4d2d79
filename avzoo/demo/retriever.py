"""The demo without its page: a moment or an uploaded file in, answers and pictures out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from avzoo.demo.attention import Attention, attend, has_attention
from avzoo.demo.library import Library, Moment
from avzoo.demo.previews import SHORT_SIDE, preview, preview_spec, read_moment, still
from avzoo.errors import AvzooError
from avzoo.extract import Encoder
from avzoo.extract.embeddings import Vectors
from avzoo.extract.workers import DecodeWorker, Durations
from avzoo.media import Clip, ClipSpec, MediaError
from avzoo.retrieval import DIRECTIONS, Direction, RetrievalError, check_direction, check_model

ANSWERS = 6
#: Windows of an upload that are searched with; the rest of a long file is not decoded.
MAX_WINDOWS = 15
_TIMEOUT = 20.0  # seconds that one window of an upload may take to decode


class QueryError(AvzooError):
    """What was given cannot be searched with; the message is for the page."""


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched with.

    Attributes:
        title: What to call it on the page.
        vectors: Its windows ``(n, D)`` in each space that it has a part in: ``video``, ``audio``,
            ``video_projection``, ``audio_projection``.
        start: Seconds from the beginning of its file.
        end: Seconds up to which it is searched with.
        duration: Seconds of its whole file, where known.
        sha256: Of its file, where that is a file of the index: its moments are no answers.
    """

    title: str
    vectors: dict[str, Vectors]
    start: float
    end: float
    duration: float | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Example:
    """An uploaded query with what the page shows of it.

    Attributes:
        query: The query.
        clip: Its first window as mp4.
        still: A picture of it as JPEG.
        attention: Where the encoder looked in its first window; None if the encoder cannot tell.
    """

    query: Query
    clip: bytes
    still: bytes
    attention: Attention | None


@dataclass(frozen=True)
class Answer:
    """A moment that was found, with its cosine similarity."""

    moment: Moment
    score: float


class Retriever:
    """Searches a library by its own moments and by files from outside.

    Args:
        encoder: The model of the library's index.
        library: What is searched.
        folder: A private folder for work on uploads; it is left as it was.

    Raises:
        RetrievalError: The encoder is not the one of the index.
    """

    def __init__(self, encoder: Encoder, library: Library, folder: Path) -> None:
        check_model(library.index, encoder)
        self.encoder = encoder
        self.library = library
        self._folder = folder

    def directions(self) -> tuple[list[Direction], str | None]:
        """The directions that the index can answer and, if some are missing, why."""
        possible: list[Direction] = []
        reason = None
        for direction in DIRECTIONS:
            try:
                check_direction(self.library.index, direction)
                possible.append(direction)
            except RetrievalError as error:
                reason = str(error)
        return possible, reason

    def warm_up(self) -> None:
        """Starts the server of decode processes, which takes seconds, before the first upload comes."""
        with suppress(MediaError):
            _read(Path(self.library.moment(0).path), self._spec(), 1)

    def from_moment(self, number: int) -> Query:
        """Searches with a moment of the library.

        Raises:
            UnknownMomentError: There is no such moment.
            QueryError: Its file cannot be read any more.
        """
        moment = self.library.moment(number)
        clip = _read_moment(moment, self._spec_of_index())
        return Query(moment.title, self._embed([clip]), moment.start, moment.end, sha256=moment.sha256)

    def from_file(self, path: Path, title: str) -> Example:
        """Searches with a file from outside, which may be hostile: it is decoded in a process of its own.

        Raises:
            QueryError: The file cannot be decoded, or has nothing to embed.
            PreviewError: The file cannot be shown.
        """
        try:
            duration, clips = _read(path, self._spec(), MAX_WINDOWS)
            _, shown = _read(path, preview_spec(self._spec().window), 1)
        except MediaError as error:
            raise QueryError(f"“{title}” {error.detail}") from error
        if not clips or not shown:
            raise QueryError(f"“{title}” gives neither a picture nor a sound to search with")
        query = Query(title, self._embed(clips), clips[0].start, clips[-1].end, duration)
        return Example(query, preview(shown[0], self._folder), still(shown[0]), self._attend(clips[0], shown[0].frames))

    def answers(self, query: Query, direction: Direction) -> list[Answer]:
        """The moments most like a query, best first.

        Raises:
            QueryError: The query lacks what the direction starts from.
            RetrievalError: The index cannot answer in this direction.
        """
        check_direction(self.library.index, direction)
        given, wanted = DIRECTIONS[direction]
        if given not in query.vectors:
            lacking, other = ("picture", "sound") if given.startswith("video") else ("sound", "picture")
            raise QueryError(f"“{query.title}” has no {lacking}: choose a direction that starts from its {other}")
        hits = self.library.index.search(query.vectors[given], wanted, ANSWERS, query.sha256)
        return [Answer(self.library.of(hit), hit.score) for hit in hits]

    def attention(self, number: int) -> Attention | None:
        """Where the encoder looked in a moment of the library; None if the encoder cannot tell.

        Raises:
            UnknownMomentError: There is no such moment.
            QueryError: Its file cannot be read any more.
        """
        moment = self.library.moment(number)
        spec = self._spec_of_index()
        clip = _read_moment(moment, spec)
        shown = None
        if clip.frames is not None:
            shown = _read_moment(moment, replace(spec, short_side=SHORT_SIDE, audio=False)).frames
        return self._attend(clip, shown)

    def _spec(self) -> ClipSpec:
        return self.encoder.clip_spec()

    def _spec_of_index(self) -> ClipSpec:
        """As `_spec`, decoded as the index was: other decoders may choose other frames."""
        return self.encoder.clip_spec(decoder=self.library.index.info.decoder)

    def _attend(self, clip: Clip, shown: torch.Tensor | None) -> Attention | None:
        return attend(self.encoder, clip, shown) if has_attention(self.encoder) else None

    def _embed(self, clips: list[Clip]) -> dict[str, Vectors]:
        """What the windows that have a modality are in its spaces."""
        has = {
            "video": np.array([clip.frames is not None for clip in clips]),
            "audio": np.array([clip.samples is not None for clip in clips]),
        }
        embedded = self.encoder.embed_clips(clips)
        return {
            name: vectors[has[name.removesuffix("_projection")]]
            for name, vectors in embedded.items()
            if name != "joint"
        }


def _read_moment(moment: Moment, spec: ClipSpec) -> Clip:
    """As `read_moment`, with errors that call the file by its title: where it lies is nobody's business.

    Raises:
        QueryError: The file cannot be read any more.
    """
    try:
        return read_moment(moment, spec)
    except MediaError as error:
        raise QueryError(f"“{moment.title}” cannot be read any more: {error.detail}") from error


def _read(path: Path, spec: ClipSpec, count: int) -> tuple[float | None, list[Clip]]:
    """The length of a file in seconds and its first windows; a file that breaks after some windows gives those."""
    duration: float | None = None
    clips: list[Clip] = []
    with DecodeWorker(prefetch=2, timeout=_TIMEOUT) as worker:
        try:
            for item in worker.decode(str(path), spec):
                if isinstance(item, Durations):
                    duration = item.duration
                    continue
                clips.append(item)
                if len(clips) == count:
                    break
        except MediaError:
            if not clips:
                raise
    return duration, clips
