"""Decoded clips kept in memory, so that a small set is decoded once and not once per epoch."""

from __future__ import annotations

import mmap
import multiprocessing
from typing import Any

import numpy as np
import torch

from avzoo.data.clips import ClipSample

_FULL_SCALE = np.float32(32_767)  # 16-bit samples, as decoders give them divided by this, survive to the bit
_READY, _OFFSET, _FRAMES, _HEIGHT, _WIDTH, _SAMPLES = range(6)  # columns of the table


class ClipCache:
    """A bounded store of clips in memory that worker processes share when they fork from this one.

    Clips go in until the memory is full and then stay: whatever the order of an epoch, the share of hits is the share
    of clips that fit, where evicting the oldest would give none. A hit is what was put in, to the bit: frames as they
    are, samples as the 16-bit numbers they were decoded from.

    The memory is anonymous, not that of ``Tensor.share_memory_``, which draws on /dev/shm: containers limit that to a
    few megabytes. Pages exist once they are written. A process started afresh (spawn) begins with an empty cache.

    Args:
        count: number of clips that may be asked for, keyed 0 ... count - 1.
        max_bytes: most bytes to keep; 0 keeps nothing.
    """

    def __init__(self, count: int, max_bytes: int) -> None:
        self.count = count
        self.max_bytes = max_bytes
        self._memory = np.frombuffer(mmap.mmap(-1, max(max_bytes, 1)), np.uint8)
        self._table = np.frombuffer(mmap.mmap(-1, max(count, 1) * 6 * 8), np.int64).reshape(-1, 6)
        self._used = np.frombuffer(mmap.mmap(-1, 8), np.int64)
        self._lock = multiprocessing.Lock()

    @property
    def used_bytes(self) -> int:
        """Bytes taken by clips."""
        return int(self._used[0])

    def get(self, key: int) -> ClipSample | None:
        """The clip put in under ``key``, as a copy; None where there is none."""
        if not self._table[key, _READY]:
            return None
        _, offset, length, height, width, num_samples = self._table[key].tolist()
        picture = offset + 2 * num_samples
        samples = np.frombuffer(self._memory, np.int16, num_samples, offset).astype(np.float32) / _FULL_SCALE
        frames = self._memory[picture : picture + length * 3 * height * width].reshape(length, 3, height, width).copy()
        return {"frames": torch.from_numpy(frames), "samples": torch.from_numpy(samples)}

    def put(self, key: int, clip: ClipSample) -> None:
        """Keeps ``clip`` under ``key``, unless something is there already or the memory is full."""
        frames = clip["frames"].numpy()
        samples = np.rint(clip["samples"].numpy() * _FULL_SCALE).astype(np.int16)
        size = samples.nbytes + frames.nbytes
        row = self._table[key]
        with self._lock:
            if row[_FRAMES] or self.used_bytes + size > self.max_bytes:
                return
            offset = self.used_bytes
            self._used[0] += size + size % 2  # every clip starts where a 16-bit number may
            row[_OFFSET:] = (offset, len(frames), *frames.shape[-2:], len(samples))
        picture = offset + samples.nbytes
        self._memory[offset:picture] = samples.view(np.uint8)
        self._memory[picture : picture + frames.nbytes] = frames.reshape(-1)
        row[_READY] = 1  # last: another process never reads half a clip

    def __getstate__(self) -> dict[str, Any]:
        return {"count": self.count, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ClipCache.__init__(self, **state)
