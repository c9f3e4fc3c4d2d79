"""Search by example: a file in, moments out, within a modality or across the two."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from avzoo.retrieval.index import Hit, Index, RetrievalError

if TYPE_CHECKING:
    from avzoo.extract import Embeddings, Encoder

Direction = Literal["video-video", "audio-audio", "video-audio", "audio-video"]

#: Direction (query-answers) -> what is compared. Within a modality these are the encoder's features; across, the
#: outputs of the projectors, which pretraining taught to agree.
DIRECTIONS: dict[Direction, tuple[str, str]] = {
    "video-video": ("video", "video"),
    "audio-audio": ("audio", "audio"),
    "video-audio": ("video_projection", "audio_projection"),
    "audio-video": ("audio_projection", "video_projection"),
}

_NAMES = {"video": "picture", "audio": "sound"}


def search_file(
    index: Index,
    encoder: Encoder,
    query_path: str | Path,
    direction: Direction | None = None,
    top_k: int = 10,
    exclude_self: bool = False,
) -> list[Hit]:
    """Finds the moments of an index that are most like a media file.

    All windows of the query count: a moment's score is its similarity with the window most like it. See
    `Index.search` for overlapping moments.

    Args:
        index: What to search.
        encoder: The model of the index.
        query_path: The example.
        direction: What of the query is compared with what of the index; by default its picture with pictures or, if
            it has none, its sound with sounds.
        top_k: Number of answers.
        exclude_self: Whether moments of the query itself, known by its content, are no answers.

    Raises:
        MediaError: The query cannot be decoded.
        RetrievalError: The encoder is not the one of the index, or one of them lacks what the direction needs.
    """
    check_model(index, encoder)
    if direction is not None:
        check_direction(index, direction)
    embeddings = encoder.encode(query_path, decoder=index.info.decoder)
    if direction is None:
        direction = "video-video" if embeddings.video is not None and "video" in index.vectors else "audio-audio"
        check_direction(index, direction)
    query, target = DIRECTIONS[direction]
    vectors = _vectors(embeddings, query)
    sha256 = None
    if exclude_self:
        with open(query_path, "rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return index.search(vectors, target, top_k, sha256)


def check_direction(index: Index, direction: str) -> None:
    """Checks that an index can answer in a direction.

    Raises:
        RetrievalError: The direction is unknown, or the index lacks what it compares; the message says why.
    """
    if direction not in DIRECTIONS:
        raise RetrievalError(f"unknown direction {direction!r}: give one of {', '.join(DIRECTIONS)}")
    query, answers = direction.split("-")
    if answers not in index.vectors:
        raise RetrievalError(f"the index holds no {_NAMES[answers]}: {direction} cannot be answered")
    if query != answers and not any(name.endswith("_projection") for name in index.vectors):
        raise RetrievalError(
            f"{index.info.model} has no projectors, so its picture and its sound lie in different spaces and cannot be "
            "compared: search within a modality (video-video or audio-audio), or index with a checkpoint that has "
            "projectors (released backbones come without them)"
        )


def check_model(index: Index, encoder: Encoder) -> None:
    """Checks that an encoder is the one whose embeddings an index holds.

    Raises:
        RetrievalError: Weights or processor settings differ, so that similarities would mean nothing.
    """
    made = (index.info.revision, index.info.processor_hash)
    if made != (encoder.checkpoint.revision, encoder.processor_hash):
        raise RetrievalError(
            f"the index was made with {index.info.model} at {index.info.revision[:15]}, and {encoder.checkpoint.name} "
            "is now another: extract and index again with it"
        )


def _vectors(embeddings: Embeddings, modality: str) -> np.ndarray:
    """The windows of a query that have the modality, ``(Q, D)``."""
    for rows in embeddings.rows():
        if rows.modality == modality:
            return rows.vectors
    name = _NAMES[modality.removesuffix("_projection")]
    raise RetrievalError(f"{embeddings.path} has no {name} to search by: choose another direction")
