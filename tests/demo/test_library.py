"""Moments by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avzoo.demo.library import Library, UnknownMomentError
from avzoo.retrieval import Hit, Index
from avzoo.retrieval.index import IndexInfo, Moments, Shape


def _library(rows: dict[str, list[tuple[str, float]]], titles: dict[str, str] | None = None) -> Library:
    moments, vectors = {}, {}
    for modality, places in rows.items():
        paths = np.array([path for path, _ in places], object)
        start = np.array([start for _, start in places])
        moments[modality] = Moments(paths, paths, start, start + (4.0 if modality == "video" else 3.0))
        vectors[modality] = np.eye(len(places), 8, dtype=np.float32)
    shapes: Any = {name: Shape(rows=len(array), dim=8) for name, array in vectors.items()}
    info = IndexInfo(model="m", revision="r", processor_hash="p", decoder="pyav", window=4.0, stride=4.0, shapes=shapes)
    return Library(Index(info, vectors, moments), titles)


def test_moments_are_numbered_by_file_and_time_over_both_modalities() -> None:
    library = _library(
        {"video": [("/m/b/2.mp4", 4.0), ("/m/b/2.mp4", 0.0)], "audio": [("/m/a.wav", 0.0), ("/m/b/2.mp4", 0.0)]}
    )
    found = [(m.number, m.title, m.start, m.end, m.has_video, m.has_audio) for m in library]
    assert found == [
        (0, "a.wav", 0.0, 3.0, False, True),
        (1, "b/2.mp4", 0.0, 4.0, True, True),
        (2, "b/2.mp4", 4.0, 8.0, True, False),
    ]
    assert library.of(Hit("/m/b/2.mp4", 4.0, 8.0, 0.5)).number == 2


def test_titles_hide_where_files_lie() -> None:
    library = _library({"video": [("/home/me/secret/x.mp4", 0.0), ("/home/me/secret/y.mp4", 0.0)]})
    assert [moment.title for moment in library] == ["x.mp4", "y.mp4"]
    assert _library({"video": [("/m/x.mp4", 0.0)]}, {"/m/x.mp4": "a star"}).moment(0).title == "a star"


@pytest.mark.parametrize("number", [-1, 1, "0", 0.0, None, "../../etc/passwd"])
def test_what_is_no_number_of_a_moment_is_refused(number: Any) -> None:
    with pytest.raises(UnknownMomentError, match="not in the index"):
        _library({"video": [("/m/x.mp4", 0.0)]}).moment(number)


def test_samples_show_each_file_once_and_reach_the_end() -> None:
    library = _library({"video": [(f"/m/{name}.mp4", start) for name in "abcdefg" for start in (0.0, 4.0)]})
    assert [moment.title for moment in library.samples(99)] == [f"{name}.mp4" for name in "abcdefg"]
    assert [moment.title for moment in library.samples(3)] == ["a.mp4", "d.mp4", "g.mp4"]
    assert all(moment.start == 0.0 for moment in library.samples(99))
