"""Clips of whole videos, at the frames where the original code has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from avzoo.data.clip_indices import dense_windows, even_windows, sliding_windows


def test_dense_windows_start_where_the_official_ones_do(parity: Callable[[str], Any]) -> None:
    starts = parity("vssl/video_sampling").spec["expected"]["clip_starts(key = frames,clips)"]
    for key, expected in starts.items():
        frames, count = map(int, key.split(","))
        windows = dense_windows(frames, 16, count)
        assert windows[:, 0].tolist() == expected, key
        assert (windows == windows[:, :1] + np.arange(16)).all() and windows.max() < frames, key


@pytest.mark.parametrize("frames", [1, 5, 16])
def test_a_short_video_is_one_dense_window_repeated(frames: int) -> None:
    assert (dense_windows(frames, 16, 3) == np.arange(16) % frames).all()


def test_windows_of_ccl(parity: Callable[[str], Any]) -> None:
    for frames, expected in parity("ccl/temporal_indices").spec["cases"].items():
        assert (sliding_windows(int(frames)) + 1).tolist() == expected["sliding_window_16_16"], frames
        assert (even_windows(int(frames)) + 1).tolist() == expected["even_crop_16_3"], frames


def test_overlapping_windows_end_with_the_first_short_one() -> None:
    assert sliding_windows(6, clip_frames=4, stride=1).tolist() == [
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [2, 3, 4, 5],
        [3, 4, 5, 3],
    ]
