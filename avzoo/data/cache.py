"""Decoded clips kept in memory, so that a small set is decoded once and not once per epoch."""

from __future__ import annotations

import mmap
import multiprocessing
from typing import Any

import numpy as np
import torch

from avzoo.data.clips import Decoded

_FULL_SCALE = np.float32(32_767)  # 16-bit samples, as decoders give them divided by this, survive to the bit
_STATE, _OFFSET, _FRAMES, _HEIGHT, _WIDTH, _SAMPLES = range(6)  # columns of the table
_TAKEN, _READY = 1, 2  # states; 0 is a free row
_NONE = -1  # frames or samples of a clip that has no picture or no sound


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

    def get(self, key: int) -> Decoded | None:
        """The clip put in under ``key``, as a copy; None where there is none."""
        if self._table[key, _STATE] != _READY:
            return None
        _, offset, length, height, width, num_samples = self._table[key].tolist()
        clip: Decoded = {"frames": None, "samples": None}
        if num_samples != _NONE:
            samples = np.frombuffer(self._memory, np.int16, num_samples, offset).astype(np.float32) / _FULL_SCALE
            clip["samples"] = torch.from_numpy(samples)
        if length != _NONE:
            picture = offset + 2 * max(num_samples, 0)
            pixels = self._memory[picture : picture + length * 3 * height * width]
            clip["frames"] = torch.from_numpy(pixels.reshape(length, 3, height, width).copy())
        return clip

    def put(self, key: int, clip: Decoded) -> None:
        """Keeps ``clip`` under ``key``, unless something is there already or the memory is full."""
        frames, samples = clip["frames"], clip["samples"]
        picture = np.empty(0, np.uint8) if frames is None else frames.numpy()
        sound = np.empty(0, np.float32) if samples is None else samples.numpy()
        sound = np.rint(sound * _FULL_SCALE).astype(np.int16)
        size = sound.nbytes + picture.nbytes
        row = self._table[key]
        with self._lock:
            if row[_STATE] or self.used_bytes + size > self.max_bytes:
                return
            offset = self.used_bytes
            self._used[0] += size + size % 2  # every clip starts where a 16-bit number may
            shape = (_NONE, 0, 0) if frames is None else (len(picture), *picture.shape[-2:])
            row[:] = (_TAKEN, offset, *shape, _NONE if samples is None else len(sound))
        self._memory[offset : offset + sound.nbytes] = sound.view(np.uint8)
        self._memory[offset + sound.nbytes : offset + size] = picture.reshape(-1)
        row[_STATE] = _READY  # last: another process never reads half a clip

    def __getstate__(self) -> dict[str, Any]:
        return {"count": self.count, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ClipCache.__init__(self, **state)
