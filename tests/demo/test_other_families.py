"""The demo with models that are not XKD: without attention, without projectors, with unequal windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

import avzoo
from avzoo.demo.library import Library
from avzoo.demo.previews import Previews
from avzoo.demo.retriever import Retriever
from avzoo.extract import Encoder, extract
from avzoo.media import probe
from avzoo.retrieval import Index

SIDE: dict[str, Any] = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}


def crisscross() -> tuple[Any, Any]:
    frames = avzoo.CrissCrossVideoProcessor(**SIDE)  # half a second, beside two of sound
    return avzoo.CrissCrossConfig.preset("nano"), avzoo.CrissCrossProcessor(video_processor=frames)


def vssl() -> tuple[Any, Any]:
    return avzoo.VSSLConfig.preset("nano", image_size=32), avzoo.VSSLVideoProcessor(**SIDE)


def audio() -> tuple[Any, Any]:
    return avzoo.XDCAudioConfig.preset("nano"), avzoo.XDCFeatureExtractor()


@pytest.fixture
def open_retriever(tmp_path: Path, make_clip: Callable[..., Path]) -> Callable[..., Retriever]:
    def make(family: Callable[[], tuple[Any, Any]]) -> Retriever:
        torch.manual_seed(0)
        config, processor = family()
        AutoModel.from_config(config).save_pretrained(tmp_path / "model")
        processor.save_pretrained(tmp_path / "model")
        encoder: Encoder = avzoo.load(tmp_path / "model", device="cpu")
        for seed in range(2):
            make_clip(tmp_path / "media" / f"{seed}.mp4", seed, seconds=4.0)
        extract(tmp_path / "media", encoder, tmp_path / "features", workers=1)
        (tmp_path / "work").mkdir()
        return Retriever(encoder, Library(Index.build(tmp_path / "features")), tmp_path / "work")

    return make


def test_a_convolutional_model_of_unequal_windows(open_retriever: Callable[..., Retriever], tmp_path: Path) -> None:
    retriever = open_retriever(crisscross)
    moments = [(moment.start, round(moment.end, 1), moment.has_video, moment.has_audio) for moment in retriever.library]
    assert moments == 2 * [(0.0, 2.0, True, True), (2.0, 4.0, True, True)]  # picture and sound are one moment
    assert retriever.directions()[0] == ["video-video", "audio-audio"]
    query = retriever.from_moment(1)
    for direction in ("video-video", "audio-audio"):
        assert {answer.moment.number for answer in retriever.answers(query, direction)} == {2, 3}
    assert retriever.attention(0) is None
    example = retriever.from_file(Path(retriever.library.moment(2).path), "mine.mp4")
    assert example.attention is None
    assert retriever.answers(example.query, "audio-audio")[0].score == pytest.approx(1.0, abs=1e-4)
    (tmp_path / "clip.mp4").write_bytes(Previews(retriever.library, tmp_path / "work").clip(0))
    shown = probe(tmp_path / "clip.mp4")
    assert shown.video is not None and shown.audio is not None
    assert shown.duration == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("family", "possible", "missing"), [(vssl, "video-video", "no sound"), (audio, "audio-audio", "no picture")]
)
def test_a_model_of_one_modality(
    open_retriever: Callable[..., Retriever], family: Callable[[], tuple[Any, Any]], possible: str, missing: str
) -> None:
    retriever = open_retriever(family)
    directions, reason = retriever.directions()
    assert directions == [possible]
    assert reason is not None
    with pytest.raises(avzoo.errors.AvzooError, match=missing):
        retriever.answers(retriever.from_moment(0), "video-audio" if family is vssl else "audio-video")
    looked = retriever.attention(0)
    assert (looked is not None and looked.video is not None) == (family is vssl)


def test_the_page_is_built_without_pictures_of_attention(
    open_retriever: Callable[..., Retriever], tmp_path: Path
) -> None:
    pytest.importorskip("gradio")
    from avzoo.demo.app import _Page, build

    retriever = open_retriever(crisscross)
    build(retriever, tmp_path)
    page = _Page(retriever)
    _, card, look = page.turn(retriever.from_moment(0), "video-video")
    assert "av-score" in card and look == ""
