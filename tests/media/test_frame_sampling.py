from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from avzoo.media import ClipSpec, sample_times, select_frames
from avzoo.media.sampling import WindowGrid


def test_indices_are_those_of_the_official_loader(parity) -> None:
    for name, case in parity("xkd/frame_sampling").spec["cases"].items():
        rate = Fraction(*case["fps"])
        frame_times = np.array([float(index / rate) for index in range(case["num_frames"])])
        wanted = sample_times(case["start"], case["video_fps"], round(case["duration"] * case["video_fps"]))
        chosen = select_frames(frame_times, float(case["num_frames"] / rate), wanted)
        if name == "short":  # the official loader also cuts the clip to what the file holds
            assert len(wanted) == 16
        assert chosen.tolist() == case["indices"], name
        assert frame_times[chosen[0]] == pytest.approx(case["returned_start"], abs=1e-12), name


def test_times_before_the_first_frame_take_it_and_times_after_the_end_have_none() -> None:
    frames = np.array([1.0, 2.0, 3.0])
    times = np.array([0.0, 0.5, 1.0, 1.9, 2.0, 3.99, 4.0, 5.0])
    assert select_frames(frames, 4.0, times).tolist() == [0, 0, 0, 0, 1, 2]


def test_sums_of_doubles_do_not_miss_a_frame() -> None:
    stride = 0.7
    assert 3 * stride < 2.1  # the trap: the window starts a rounding error before the frame
    assert select_frames(np.array([2.0, 2.1]), 3.0, np.array([3 * stride])).tolist() == [1]


def test_grid_asks_for_exactly_the_frames_that_windows_select() -> None:
    rng = np.random.default_rng(0)
    for stride in (0.3, 1.0, 2.5):
        grid = WindowGrid(ClipSpec(fps=4, num_frames=4, stride=stride))
        frame_times = np.concatenate([[0.0], np.cumsum(rng.uniform(0.01, 0.4, 60))])
        ends = np.append(frame_times[1:], frame_times[-1] + 0.1)
        windows = range(int(ends[-1] / stride) + 1)
        needed = {i for w in windows for i in select_frames(frame_times, ends[-1], grid.times(w))}
        asked = {i for i in range(60 + 1) if grid.samples_between(frame_times[i], ends[i], 0)}
        assert asked == needed
