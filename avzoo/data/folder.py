"""Clips from media files: a folder of them, or a list."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from avzoo.data.cache import ClipCache
from avzoo.data.clips import ClipDataset, ClipSample, DataError
from avzoo.media import VIDEO_SUFFIXES, ClipSpec, Limits, MediaError, probe, read_clip

logger = logging.getLogger(__name__)

_MAX_REPLACEMENTS = 100  # unusable files in a row before a dataset gives up


class FolderDataset(ClipDataset):
    """One clip per media file: a window that starts at random, where the file has both picture and sound.

    An item is a function of its index and seed. A file that cannot be used (damaged, without picture or sound, too
    short) is reported once, in whichever process meets it first, and its place is taken by another file, always the
    same one.

    Args:
        source: a folder, searched with its subfolders for `avzoo.media.VIDEO_SUFFIXES` in the order of names, or the
            paths themselves.
        clip_spec: length, rates and frame size of the clips. The size matters: decoding to the short side that the
            views need saves time and memory.
        seed: seed of the dataset, at least 0.
        windows_per_file: None draws the start of a window from all that the file allows; a number draws one of as many
            starts, fixed per file.
        cache_bytes: most bytes of decoded clips to keep in memory (`ClipCache`); 0 decodes every time. Only windows
            that come again are worth keeping: it needs ``windows_per_file``.
        min_duration: seconds for which a file must have both picture and sound; XKD's lists of Kinetics require 1.1.
        limits: caps that every file meets.

    Raises:
        DataError: the folder holds no media, or the settings contradict each other.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        clip_spec: ClipSpec | None = None,
        seed: int = 0,
        windows_per_file: int | None = None,
        cache_bytes: int = 0,
        min_duration: float = 1.1,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(seed)
        if windows_per_file is not None and windows_per_file < 1:
            raise DataError(f"windows_per_file must be at least 1, not {windows_per_file}")
        if cache_bytes and windows_per_file is None:
            raise DataError("a cache needs windows_per_file: windows that start anywhere never come again")
        self.paths = _find(source)
        self.clip_spec = clip_spec or ClipSpec()
        self.windows_per_file = windows_per_file
        self.min_duration = min_duration
        self.limits = limits or Limits()
        self._cache = ClipCache(len(self) * (windows_per_file or 0), cache_bytes) if cache_bytes else None
        # In shared memory, so that one worker's report is everyone's.
        self._reported = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        """Number of files."""
        return len(self.paths)

    @property
    def unusable(self) -> list[Path]:
        """The files met so far that cannot be used, by this process or its workers."""
        return [self.paths[index] for index in self._reported.nonzero().flatten().tolist()]

    def read(self, index: int, seed: int) -> ClipSample:
        """A clip of file ``index``, or of the file that stands in for it.

        Raises:
            DataError: neither the file nor a hundred others can be used.
        """
        for candidate in self._candidates(index):
            try:
                return self._read_file(candidate, seed)
            except (MediaError, DataError) as error:
                self._report(candidate, error)
        raise DataError(f"{self.paths[index]} and {_MAX_REPLACEMENTS} other files cannot be used; see the log for why")

    def _candidates(self, index: int) -> Iterable[int]:
        """The file itself, then files drawn at random: a function of ``index`` alone."""
        yield index
        yield from np.random.default_rng((index, len(self))).integers(len(self), size=_MAX_REPLACEMENTS).tolist()

    def _read_file(self, index: int, seed: int) -> ClipSample:
        generator = np.random.default_rng(seed)
        if self.windows_per_file is None:
            return self._decode(index, generator.random())
        window = int(generator.integers(self.windows_per_file))
        key = index * self.windows_per_file + window
        cached = self._cache.get(key) if self._cache is not None else None
        if cached is not None:
            return cached
        clip = self._decode(index, np.random.default_rng((index, window)).random())
        if self._cache is not None:
            self._cache.put(key, clip)
        return clip

    def _decode(self, index: int, position: float) -> ClipSample:
        """The window that starts at ``position`` (0 ... 1) of what the file allows."""
        path = self.paths[index]
        info = probe(path, self.limits)
        if info.video is None or info.audio is None:
            raise DataError(f"{path} has no {'picture' if info.video is None else 'sound'}")
        first = max(info.video.start, info.audio.start)
        # A header that does not say how long a stream is leaves only the start of the file to be sure of.
        ends = [stream.start + stream.duration for stream in (info.video, info.audio) if stream.duration is not None]
        shared = min(ends) - first if ends else self.clip_spec.window
        if shared < self.min_duration:
            raise DataError(f"{path} has picture and sound together for {max(shared, 0.0):.2f} s only")
        start = first + position * max(shared - self.clip_spec.window, 0.0)
        clip = read_clip(path, start, self.clip_spec, self.limits)
        if clip.frames is None or clip.samples is None:
            raise DataError(f"{path} has no {'picture' if clip.frames is None else 'sound'} at {start:.2f} s")
        return {"frames": clip.frames, "samples": clip.samples}

    def _report(self, index: int, error: Exception) -> None:
        if not self._reported[index]:
            self._reported[index] = True
            logger.warning("%s: another file takes its place", error)


def _find(source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(source, str | os.PathLike):
        paths = [Path(path) for path in source]
    elif Path(source).is_dir():
        paths = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    else:
        raise DataError(f"{source} is no folder")
    if not paths:
        raise DataError(f"no media files in {source}")
    return paths
