"""Search by file: the planted moment is found, and what cannot be compared is refused with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avzoo import XKDConfig, XKDModel
from avzoo.extract import Encoder, extract, load
from avzoo.retrieval import Index, RetrievalError, search_file


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for seed in range(4):
        make_clip(folder / f"{seed}.mp4", seed, seconds=8.0)
    make_clip(folder / "silent.mp4", 7, seconds=4.0, audio=False)
    make_clip(folder / "sound.m4a", 8, seconds=4.0, video=False)
    return folder


@pytest.fixture(scope="module")
def encoder(nano_checkpoint: Path) -> Encoder:
    return load(nano_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def index(media: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Index:
    table, folder = tmp_path_factory.mktemp("table"), tmp_path_factory.mktemp("index")
    extract(media, encoder, table)
    Index.build(table).save(folder)
    return Index.load(folder)


@pytest.fixture(scope="module")
def bare(encoder: Encoder, nano_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same backbones without projectors, as they are released."""
    folder = Path(shutil.copytree(nano_checkpoint, tmp_path_factory.mktemp("checkpoints") / "xkd-bare"))
    config = XKDConfig.from_pretrained(nano_checkpoint, projection_dim=None)
    model = XKDModel(config)
    model.load_state_dict(encoder.model.state_dict(), strict=False)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("direction", ["video-video", "audio-audio"])
def test_the_planted_moment_is_found(
    index: Index, encoder: Encoder, media: Path, tmp_path: Path, direction: str
) -> None:
    query = shutil.copy(media / "2.mp4", tmp_path / "query.mp4")
    best, *others = search_file(index, encoder, query, direction, top_k=3)  # type: ignore[arg-type]
    assert best.path == str(media / "2.mp4")
    assert best.score == pytest.approx(1.0, abs=1e-5)
    assert best.end - best.start == pytest.approx(4.0)
    assert all(best.score >= other.score for other in others)
    others = search_file(index, encoder, query, direction, exclude_self=True)  # type: ignore[arg-type]
    assert others and all(hit.path != best.path for hit in others)


@pytest.mark.parametrize(
    ("direction", "query", "target"),
    [
        ("video-audio", "video_projections", "audio_projection"),
        ("audio-video", "audio_projections", "video_projection"),
    ],
)
def test_across_modalities_projections_are_compared(
    index: Index, encoder: Encoder, media: Path, direction: str, query: str, target: str
) -> None:
    hits = search_file(index, encoder, media / "1.mp4", direction, top_k=3)  # type: ignore[arg-type]
    vectors = getattr(encoder.encode(media / "1.mp4"), query)
    assert hits == index.search(vectors, target, top_k=3)
    absent = {"video-audio": "silent.mp4", "audio-video": "sound.m4a"}[direction]
    assert not any(Path(hit.path).name == absent for hit in index.search(vectors, target, top_k=99))


def test_the_direction_follows_the_query(index: Index, encoder: Encoder, media: Path) -> None:
    assert search_file(index, encoder, media / "silent.mp4")[0].path == str(media / "silent.mp4")
    assert search_file(index, encoder, media / "sound.m4a")[0].path == str(media / "sound.m4a")


def test_a_query_without_the_modality_is_told_so(index: Index, encoder: Encoder, media: Path) -> None:
    with pytest.raises(RetrievalError, match=r"silent.mp4 has no sound to search by"):
        search_file(index, encoder, media / "silent.mp4", "audio-video")


def test_without_projectors_only_the_crossing_is_refused(bare: Path, media: Path, tmp_path: Path) -> None:
    encoder = load(bare, device="cpu")
    extract(media, encoder, tmp_path / "table")
    index = Index.build(tmp_path / "table")
    assert set(index.vectors) == {"video", "audio"}
    assert search_file(index, encoder, media / "0.mp4", "audio-audio")[0].path == str(media / "0.mp4")
    for direction in ("video-audio", "audio-video"):
        with pytest.raises(
            RetrievalError, match="has no projectors, so its picture and its sound lie in different spaces"
        ):
            search_file(index, encoder, media / "0.mp4", direction)  # type: ignore[arg-type]


def test_another_model_is_refused(index: Index, bare: Path, media: Path) -> None:
    with pytest.raises(RetrievalError, match=r"the index was made with .*xkd-bare is now another"):
        search_file(index, load(bare, device="cpu"), media / "0.mp4")


def test_unknown_directions_are_refused(index: Index, encoder: Encoder, media: Path) -> None:
    with pytest.raises(RetrievalError, match="unknown direction 'smell-video': give one of video-video"):
        search_file(index, encoder, media / "0.mp4", "smell-video")  # type: ignore[arg-type]


def test_zeros_in_place_of_a_stream_are_not_found(media: Path, encoder: Encoder, tmp_path: Path) -> None:
    extract(media, encoder, tmp_path / "table", missing="zeros")
    index = Index.build(tmp_path / "table")
    hits = index.search(np.ones(64), "audio", top_k=99)
    assert len(hits) == 9 and not any(Path(hit.path).name == "silent.mp4" for hit in hits)
