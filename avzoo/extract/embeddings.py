"""The embeddings of one file, aligned with time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from avzoo.media import Clip, ClipSpec

Vectors = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: What a vector may be an embedding of. ``joint`` is the L2-normalised video feature followed by the L2-normalised
#: audio feature; the projections are the outputs of the projector heads, the space that both modalities share.
MODALITIES = ("video", "audio", "joint", "video_projection", "audio_projection")


class Rows(NamedTuple):
    """The embeddings of one modality that a file really has.

    Attributes:
        modality: One of `MODALITIES`.
        times: Start and end of what each vector is of, in seconds, ``(n, 2)``.
        vectors: ``(n, D)``.
        zeros: Where the input was zeros in place of a missing stream, ``(n,)``.
    """

    modality: str
    times: npt.NDArray[np.float64]
    vectors: Vectors
    zeros: Mask


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of one file; row ``i`` of every array belongs to window ``i``.

    A modality that the model or the file does not have is None. Nothing is ever NaN: where single windows lack a
    stream, their rows are zeros (with ``missing="zeros"``, embeddings of zero input) and ``has_video`` or
    ``has_audio`` is False.

    Attributes:
        path: The file, as it was given.
        times: Start and end of each window, ``(W, 2)`` float64, in seconds from the start of the file's first stream.
        video: Pooled video features ``(W, D)`` float32, the features that the paper evaluates.
        audio: Pooled audio features ``(W, D)``.
        joint: ``[L2(video) | L2(audio)]``, ``(W, 2 D)``; rows of windows with one stream only are zeros.
        video_projections: Projector outputs ``(W, P)``, comparable with the audio's; None without projectors.
        audio_projections: The same of the sound.
        has_video: Windows with a picture of their own, ``(W,)``.
        has_audio: Windows with a sound of their own, ``(W,)``.
        missing: The policy for missing streams: ``skip``, ``zeros`` or ``error``.
        spans: Seconds that ``video`` and ``audio`` have of a window, where that may be less than all of it; see
            `times_of`.
    """

    path: str
    times: npt.NDArray[np.float64]
    video: Vectors | None
    audio: Vectors | None
    joint: Vectors | None
    video_projections: Vectors | None
    audio_projections: Vectors | None
    has_video: Mask
    has_audio: Mask
    missing: str
    spans: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def times_of(self, modality: str) -> npt.NDArray[np.float64]:
        """Start and end ``(W, 2)`` of what one of `MODALITIES` is of in each window.

        All begin with the window; a picture of 0.5 s beside 2 s of sound ends before it does.
        """
        span = self.spans.get(modality.removesuffix("_projection"), np.inf)
        starts, ends = self.times.T
        return np.stack([starts, np.minimum(ends, starts + span)], axis=1)

    def vectors(self, modality: str) -> Vectors | None:
        """The array of one of `MODALITIES`."""
        values: Vectors | None = getattr(self, modality + "s" if modality.endswith("projection") else modality)
        return values

    def rows(self) -> Iterator[Rows]:
        """Each modality that is there, without the windows that lack it."""
        present = {"video": self.has_video, "audio": self.has_audio, "joint": self.has_video & self.has_audio}
        for modality in MODALITIES:
            vectors = self.vectors(modality)
            if vectors is not None:
                has = present[modality.removesuffix("_projection")]
                kept = np.ones_like(has) if self.missing == "zeros" else has
                yield Rows(modality, self.times_of(modality)[kept], vectors[kept], ~has[kept])


def l2_normalize(vectors: Vectors) -> Vectors:
    """Rows ``(n, D)`` scaled to length 1; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


class Collector:
    """Gathers the embeddings of one file, window by window.

    Args:
        path: The file, as it was given.
        spec: What the windows were cut by.
    """

    def __init__(self, path: str, spec: ClipSpec) -> None:
        self.path = path
        self.spec = spec
        self._windows: list[tuple[float, float, bool, bool]] = []
        self._batches: list[tuple[int, Callable[[], Mapping[str, Vectors]]]] = []

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, clips: Sequence[Clip], vectors: Callable[[], Mapping[str, Vectors]]) -> None:
        """Adds the next windows.

        Args:
            clips: The windows; not kept.
            vectors: Gives what `Encoder.embed_clips` made of them, called by `embeddings`.
        """
        self._batches.append((len(self), vectors))
        for clip in clips:
            video = clip.frames is not None and not clip.video_zeros
            audio = clip.samples is not None and not clip.audio_zeros
            self._windows.append((clip.start, clip.end, video, audio))

    def embeddings(self) -> Embeddings:
        """All windows together."""
        columns = np.array(self._windows, dtype=np.float64).reshape(-1, 4)
        has_video, has_audio = columns[:, 2].astype(bool), columns[:, 3].astype(bool)
        filled = self.spec.missing == "zeros"
        wanted = {"video": filled or has_video.any(), "audio": filled or has_audio.any()}
        wanted["joint"] = filled or (has_video & has_audio).any()
        batches = [(first, vectors()) for first, vectors in self._batches]

        def stack(modality: str) -> Vectors | None:
            blocks = [(first, vectors[modality]) for first, vectors in batches if modality in vectors]
            if not blocks or not wanted[modality.removesuffix("_projection")]:
                return None
            stacked = np.zeros((len(self), blocks[0][1].shape[1]), np.float32)
            for first, vectors in blocks:
                stacked[first : first + len(vectors)] = vectors
            return stacked

        return Embeddings(
            path=self.path,
            times=columns[:, :2],
            video=stack("video"),
            audio=stack("audio"),
            joint=stack("joint"),
            video_projections=stack("video_projection"),
            audio_projections=stack("audio_projection"),
            has_video=has_video,
            has_audio=has_audio,
            missing=self.spec.missing,
            spans=self.spec.spans,
        )
