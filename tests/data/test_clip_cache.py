"""The clip cache: exact, bounded, shared by forked processes."""

from __future__ import annotations

import copy
import multiprocessing

import pytest
import torch

from avzoo.data.cache import ClipCache
from avzoo.data.clips import ClipSample


def clip(seed: int, length: int = 3, height: int = 5, width: int = 7, samples: int = 101) -> ClipSample:
    generator = torch.Generator().manual_seed(seed)
    return {
        "frames": torch.randint(0, 256, (length, 3, height, width), dtype=torch.uint8, generator=generator),
        "samples": torch.randint(-32_767, 32_768, (samples,), generator=generator) / 32_767,
    }


def same(one: ClipSample | None, other: ClipSample) -> bool:
    return (
        one is not None
        and torch.equal(one["frames"], other["frames"])
        and torch.equal(one["samples"], other["samples"])
    )


def test_gives_back_what_was_put_in_whatever_its_size() -> None:
    cache = ClipCache(4, 10_000)
    clips = {0: clip(0), 2: clip(1, length=1, height=9), 3: clip(2, samples=0)}
    for key, value in clips.items():
        cache.put(key, value)
    assert all(same(cache.get(key), value) for key, value in clips.items())
    assert cache.get(1) is None


def test_keeps_the_first_and_never_more_than_it_may() -> None:
    size = 3 * 3 * 5 * 7 + 2 * 101
    cache = ClipCache(3, 2 * size + 2)
    for key in range(3):
        cache.put(key, clip(key))
    cache.put(0, clip(9))
    assert same(cache.get(0), clip(0)) and same(cache.get(1), clip(1)) and cache.get(2) is None
    assert cache.used_bytes <= 2 * size + 2


def test_nothing_fits_into_nothing() -> None:
    cache = ClipCache(1, 0)
    cache.put(0, clip(0))
    assert cache.get(0) is None and cache.used_bytes == 0


def test_a_hit_is_a_copy() -> None:
    cache = ClipCache(1, 10_000)
    cache.put(0, clip(0))
    hit = cache.get(0)
    assert hit is not None
    hit["frames"].zero_()
    assert same(cache.get(0), clip(0))


@pytest.mark.distributed
def test_a_forked_process_fills_it_for_all() -> None:
    cache = ClipCache(2, 10_000)
    process = multiprocessing.get_context("fork").Process(target=cache.put, args=(1, clip(1)))
    process.start()
    process.join(30)
    assert process.exitcode == 0 and same(cache.get(1), clip(1))


def test_a_copy_starts_empty() -> None:
    cache = ClipCache(2, 10_000)
    cache.put(0, clip(0))
    other = copy.deepcopy(cache)
    assert other.get(0) is None and (other.count, other.max_bytes) == (2, 10_000)
