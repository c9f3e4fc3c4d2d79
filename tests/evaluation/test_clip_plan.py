"""Which clips a plan asks for: the papers' starts, checked against what their released code gives."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from avzoo.data.windows import Span
from avzoo.evaluation.clip_plan import ClipPlan, VideoAugmentation, clip_starts


def starts(plan: ClipPlan, seconds: float, window: float, tick: float, first: float = 0.0) -> list[float]:
    return clip_starts(plan, Span(first, seconds), window, tick, np.random.default_rng(0))


def test_uniform_clips_start_where_the_released_dense_test_starts(parity):
    """Video self-supervision: whole videos at 8 frames per second, clips of 16."""
    case = parity("vssl/video_sampling").spec
    for key, expected in case["expected"]["clip_starts(key = frames,clips)"].items():
        frames, clips = map(int, key.split(","))
        found = starts(ClipPlan(clips=clips), frames / 8, case["config"]["chunk"] / 8, 1 / 8)
        assert [start * 8 for start in found] == expected, key


def test_sliding_clips_start_where_the_released_inference_starts(parity):
    """CCL: windows of 16 frames that meet, the first that is short the last; frames are counted from 1 there."""
    plan = ClipPlan(sampling="sliding", clips=None)
    for frames, expected in parity("ccl/temporal_indices").spec["cases"].items():
        found = starts(plan, int(frames) / 25, 16 / 25, 1 / 25)
        assert [round(start * 25) + 1 for start in found] == [clip[0] for clip in expected["sliding_window_16_16"]]


def test_sliding_clips_may_overlap():
    assert starts(ClipPlan(sampling="sliding", clips=None, stride=1.0), 4.0, 2.0, 0.5) == [0.0, 1.0, 2.0, 3.0]


def test_clips_start_within_their_stretch_of_the_file():
    assert starts(ClipPlan(clips=3), 5.0, 1.0, 0.5, first=10.0) == [10.0, 12.0, 14.0]


def test_random_clips_lie_anywhere_and_are_drawn_again_alike():
    plan = ClipPlan(sampling="random", clips=50)
    found = starts(plan, 10.0, 4.0, 1 / 8, first=2.0)
    assert found == sorted(found) == starts(plan, 10.0, 4.0, 1 / 8, first=2.0)
    assert 2.0 <= found[0] < 2.6 and 7.4 < found[-1] <= 8.0
    assert set(starts(plan, 3.0, 4.0, 1 / 8)) == {0.0}, "shorter than a clip"


@pytest.mark.parametrize(
    "wrong",
    [
        {"sampling": "sliding"},
        {"clips": None},
        {"stride": 1.0},
        {"clips": 0},
        {"video": VideoAugmentation(), "crops": "three"},
        {"crop": "three"},
    ],
)
def test_plans_that_contradict_themselves(wrong):
    with pytest.raises(ValidationError):
        ClipPlan(**wrong)
