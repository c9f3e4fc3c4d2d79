"""The temporal relaxations of CrissCross: where the views of a clip start, and how much they share."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from avzoo.data.relaxation import Relaxation, RelaxedWindows
from avzoo.data.windows import Span, Streams

RELAXATIONS = get_args(Relaxation)
TEN = Streams(Span(0.0, 10.0), Span(0.0, 10.0))
CASES = {
    "ten seconds": TEN,
    "late picture": Streams(Span(0.7, 9.0), Span(0.0, 10.0)),
    "sound outlasts the picture": Streams(Span(0.0, 6.0), Span(0.0, 10.0)),
    "short sound": Streams(Span(0.0, 10.0), Span(0.0, 2.2)),
    "short": Streams(Span(0.0, 0.6), Span(0.1, 1.0)),
    "picture only": Streams(Span(0.0, 10.0), None),
    "sound only": Streams(None, Span(0.5, 5.0)),
}


def draws(relaxation, streams=TEN, count=200, **fields):
    sampler = RelaxedWindows(relaxation, **fields)
    return [sampler(streams, np.random.default_rng(seed)) for seed in range(count)]


def shared(first, second):
    """Seconds that two stretches have in common."""
    return max(min(first.end, second.end) - max(first.start, second.start), 0.0)


@pytest.mark.parametrize("streams", CASES.values(), ids=CASES)
@pytest.mark.parametrize("relaxation", RELAXATIONS)
def test_windows_lie_in_their_streams_and_follow_from_the_generator(relaxation, streams):
    once, again = draws(relaxation, streams, 60), draws(relaxation, streams, 60)
    assert once == again
    for views in once:
        assert len(views) == 2
        for view in views:
            for name, length in (("video", 0.5), ("audio", 2.0)):
                window = getattr(view, name)
                stream = getattr(streams, name) or streams.video or streams.audio
                assert window.duration == length
                assert window.start >= stream.start
                assert window.end <= max(stream.end, stream.start + length) + 1e-9


def test_none_is_one_window_twice():
    assert all(first == second for first, second in draws("none"))


@pytest.mark.parametrize(("relaxation", "share"), [("mild", 0.5), ("medium", 0.0)])
def test_overlapped_and_adjacent_views(relaxation, share):
    for first, second in draws(relaxation):
        for one, other in ((first.video, second.video), (first.audio, second.audio)):
            assert other.start - one.start == pytest.approx((1 - share) * one.duration)
            assert shared(one, other) == pytest.approx(share * one.duration)


@pytest.mark.parametrize(("relaxation", "stretch"), [("none", 1.0), ("mild", 1.5), ("medium", 2.0)])
def test_the_picture_is_drawn_within_the_sound(relaxation, stretch):
    views = draws(relaxation, count=400)
    leads = [first.video.start - first.audio.start for first, _ in views]
    room = stretch * 1.5  # of 2 s around 0.5 s, stretched
    assert min(leads) >= 0 and max(leads) <= room + 1e-9
    assert np.mean(leads) == pytest.approx(room / 2, rel=0.1)
    starts = [first.audio.start for first, _ in views]
    assert max(starts) <= 10 - 2 * stretch and np.mean(starts) == pytest.approx((10 - 2 * stretch) / 2, rel=0.1)
    # So the sound of a synchronous pair may begin after its picture has ended, once windows are stretched.
    apart = [not shared(first.video, first.audio) for first, _ in views]
    assert any(apart) == (relaxation != "none")


def test_extreme_views_are_half_of_the_file_apart():
    """m = min(10 / 2 - 2, 10 / 2 - 0.5) = 3: starts in 0 ... 3, and 3 s later."""
    views = draws("extreme")
    firsts = [first.audio.start for first, _ in views]
    assert 0 <= min(firsts) < 0.2 and 2.8 < max(firsts) <= 3
    for first, second in views:
        assert first.video.start == first.audio.start and second.video.start == second.audio.start
        assert second.audio.start - first.audio.start == pytest.approx(3.0)


def test_extreme_starts_begin_at_half_of_the_later_stream_start():
    views = draws("extreme", Streams(Span(0.0, 10.0), Span(1.0, 9.0)))
    starts = [first.video.start for first, _ in views]
    assert 0.5 <= min(starts) < 0.7 and max(starts) <= 3
    assert all(first.audio.start == max(first.video.start, 1.0) for first, _ in views)


def test_a_part_of_a_file_is_treated_as_a_file():
    part = Streams(Span(30.0, 10.0), Span(30.0, 10.0))
    for relaxation in RELAXATIONS:
        for views, moved in zip(draws(relaxation, count=20), draws(relaxation, part, 20), strict=True):
            for view, other in zip(views, moved, strict=True):
                starts = [(span.start + 30, span.duration) for span in view]
                assert np.allclose(starts, [tuple(span) for span in other], atol=1e-9)


def test_extreme_views_of_a_short_file_are_its_two_ends():
    for first, second in draws("extreme", Streams(Span(0.0, 3.0), Span(0.0, 3.0)), 5):
        assert (first.video.start, first.audio.start) == (0.0, 0.0)
        assert (second.video.start, second.audio.start) == (2.5, 1.0)


def test_mixed_windows_are_independent():
    starts = np.array([(first.audio.start, second.audio.start) for first, second in draws("mixed", count=400)])
    assert abs(np.corrcoef(starts.T)[0, 1]) < 0.15
    overlaps = [shared(first.audio, second.audio) > 0 for first, second in draws("mixed")]
    assert any(overlaps) and not all(overlaps)


@pytest.mark.parametrize(
    ("relaxation", "far", "same"), [("extreme_video", "video", "audio"), ("extreme_audio", "audio", "video")]
)
def test_one_modality_far_apart_and_the_other_twice_the_same(relaxation, far, same):
    views = draws(relaxation)
    assert all(getattr(first, same) == getattr(second, same) for first, second in views)
    assert all(getattr(second, far).start - getattr(first, far).start == pytest.approx(3.0) for first, second in views)
    with_first = [getattr(first, same).start == getattr(first, far).start for first, _ in views]
    assert 0.35 < np.mean(with_first) < 0.65


@pytest.mark.parametrize("relaxation", ["mild", "medium"])
def test_a_stream_that_is_too_short_gives_its_two_ends(relaxation):
    for first, second in draws(relaxation, Streams(Span(0.0, 10.0), Span(0.0, 2.5)), 20):
        assert (first.audio.start, second.audio.start) == (0.0, 0.5)
        assert first.video.start >= 0 and second.video.end <= 10


def test_views_whose_picture_is_the_longer_part():
    for first, second in draws("mild", video=2.0, audio=1.0):
        assert first.audio.start >= first.video.start and second.audio.end <= second.video.end + 1e-9
        assert shared(first.video, second.video) == pytest.approx(1.0)


@pytest.mark.parametrize("fields", [{"relaxation": "severe"}, {"video": 0.0}])
def test_impossible_settings(fields):
    with pytest.raises(ValueError, match=r"unknown relaxation 'severe'; there are none|cannot last"):
        RelaxedWindows(**fields)
