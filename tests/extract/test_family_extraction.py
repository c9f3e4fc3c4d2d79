"""Every family from media to answers: extracted, indexed, searched, each modality with times of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from transformers import AutoModel

import avzoo
from avzoo import _auto
from avzoo.extract import Encoder, FeatureTable, extract, load
from avzoo.extract.encoder import EncoderError
from avzoo.media import iter_clips
from avzoo.retrieval import Index
from avzoo.retrieval.search import search_file

SIDE: dict[str, Any] = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}


class Case(NamedTuple):
    """A family as it is extracted with.

    Attributes:
        config: Of a tiny model.
        processor: Beside it.
        spans: Seconds that each modality has of a window.
    """

    config: Callable[[], Any]
    processor: Callable[[], Any]
    spans: dict[str, float]


CASES = {
    "xkd": Case(
        lambda: avzoo.XKDConfig.preset("nano"),
        lambda: avzoo.XKDProcessor(video_processor=avzoo.XKDVideoProcessor(**SIDE)),
        {"video": 4.0, "audio": 4.0},
    ),
    "xkd_video": Case(
        lambda: avzoo.XKDVideoConfig.preset("nano", image_size=32),
        lambda: avzoo.XKDVideoProcessor(**SIDE),
        {"video": 4.0},
    ),
    "xkd_audio": Case(lambda: avzoo.XKDAudioConfig.preset("nano"), lambda: avzoo.XKDFeatureExtractor(), {"audio": 4.0}),
    "crisscross": Case(
        lambda: avzoo.CrissCrossConfig.preset("nano"),
        lambda: avzoo.CrissCrossProcessor(video_processor=avzoo.CrissCrossVideoProcessor(num_frames=32, **SIDE)),
        {"video": 2.0, "audio": 2.0},
    ),
    "crisscross-pretraining": Case(
        lambda: avzoo.CrissCrossConfig.preset("nano"),
        lambda: avzoo.CrissCrossProcessor(video_processor=avzoo.CrissCrossVideoProcessor(**SIDE)),
        {"video": 0.5, "audio": 2.0},
    ),
    "crisscross_video": Case(
        lambda: avzoo.CrissCrossVideoConfig.preset("nano"),
        lambda: avzoo.CrissCrossVideoProcessor(**SIDE),
        {"video": 0.5},
    ),
    "crisscross_audio": Case(
        lambda: avzoo.CrissCrossAudioConfig.preset("nano"), lambda: avzoo.CrissCrossFeatureExtractor(), {"audio": 2.0}
    ),
    "xdc": Case(
        lambda: avzoo.XDCConfig.preset("nano"),
        lambda: avzoo.XDCProcessor(video_processor=avzoo.XDCVideoProcessor(**SIDE)),
        {"video": 32 / 30, "audio": 2.0},
    ),
    "xdc_video": Case(
        lambda: avzoo.XDCVideoConfig.preset("nano"), lambda: avzoo.XDCVideoProcessor(**SIDE), {"video": 32 / 30}
    ),
    "xdc_audio": Case(lambda: avzoo.XDCAudioConfig.preset("nano"), lambda: avzoo.XDCFeatureExtractor(), {"audio": 2.0}),
    "ccl_video": Case(
        lambda: avzoo.CCLVideoConfig.preset("nano"), lambda: avzoo.CCLVideoProcessor(**SIDE), {"video": 0.64}
    ),
    "ccl_image": Case(
        lambda: avzoo.CCLImageConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8]),
        lambda: avzoo.CCLVideoProcessor(**SIDE),
        {"video": 0.64},
    ),
    "cnn14": Case(
        lambda: avzoo.CNN14Config(block_channels=[4, 8], hidden_size=16),
        lambda: avzoo.CNN14FeatureExtractor(max_samples=96_000),
        {"audio": 3.0},
    ),
    "vssl": Case(
        lambda: avzoo.VSSLConfig.preset("nano", image_size=32), lambda: avzoo.VSSLVideoProcessor(**SIDE), {"video": 2.0}
    ),
}
SECONDS = (3.0, 5.0, 2.0)  # of the media


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for seed, seconds in enumerate(SECONDS):
        make_clip(folder / f"{seed}.mp4", seed, seconds)
    return folder


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "ccl_image":
        pytest.importorskip("timm")
    return CASES[request.param]


@pytest.fixture(scope="module")
def encoder(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return _encoder(case, tmp_path_factory.mktemp("checkpoint"))


def _encoder(case: Case, folder: Path) -> Encoder:
    torch.manual_seed(0)
    AutoModel.from_config(case.config()).save_pretrained(folder)
    case.processor().save_pretrained(folder)
    return load(folder, device="cpu")


def test_every_model_type_has_a_case() -> None:
    covered = {case.config().model_type for case in CASES.values()}
    assert covered == {name for name, family in _auto.FAMILIES.items() if family.model}


def test_windows_are_as_long_as_their_longer_half(encoder: Encoder, case: Case) -> None:
    assert encoder.modalities == tuple(case.spans)
    spec = encoder.clip_spec()
    assert spec.spans == pytest.approx(case.spans)
    assert spec.window == pytest.approx(max(case.spans.values()))


def test_each_modality_is_embedded_over_its_own_span(encoder: Encoder, case: Case, media: Path) -> None:
    e = encoder.encode(media / "1.mp4")
    window = max(case.spans.values())
    assert e.times[:, 0] == pytest.approx(np.arange(len(e)) * window)
    assert e.times[-1, 1] == pytest.approx(5.0, abs=0.15)
    for modality, span in case.spans.items():
        vectors, times = e.vectors(modality), e.times_of(modality)
        assert vectors is not None and len(vectors) == len(e) and np.isfinite(vectors).all()
        assert times[:, 0].tolist() == e.times[:, 0].tolist()
        assert times[:-1, 1] - times[:-1, 0] == pytest.approx(span)
    assert (e.joint is not None) == (len(case.spans) == 2)


def test_embeddings_are_those_of_the_model_on_what_the_window_holds(encoder: Encoder, media: Path) -> None:
    clip = next(iter_clips(media / "1.mp4", encoder.clip_spec()))
    inputs = dict[str, Any]()
    if clip.frames is not None:
        inputs |= encoder.video_processor(clip.frames)
    if clip.samples is not None:
        inputs |= encoder.feature_extractor(clip.samples)
    with torch.no_grad():
        outputs = encoder.model(**inputs)
    e = encoder.encode(media / "1.mp4")
    for modality in encoder.modalities:
        expected = outputs.get(f"{modality}_embeds", outputs.get("pooler_output"))[0]
        np.testing.assert_allclose(e.vectors(modality)[0], expected, atol=1e-4, rtol=1e-4)


def test_extracted_indexed_and_found_again(encoder: Encoder, case: Case, media: Path, tmp_path: Path) -> None:
    report = extract(media, encoder, tmp_path / "features", workers=1)
    assert (report.ok, report.failed, report.skipped) == (3, 0, 0)
    table = FeatureTable(tmp_path / "features")
    joint = ["joint"] if len(case.spans) == 2 else []
    assert set(case.spans) | set(joint) <= set(table.modalities)
    index = Index.build(tmp_path / "features")
    index.save(tmp_path / "index")
    index = Index.load(tmp_path / "index")
    for modality, span in case.spans.items():
        rows = table.read(modality)
        assert max(rows.end - rows.start) == pytest.approx(span, abs=1e-9)
        assert sum(rows.path == str(media / "1.mp4")) >= 5.0 // max(case.spans.values())
        hits = search_file(index, encoder, media / "2.mp4", f"{modality}-{modality}", top_k=3)  # type: ignore[arg-type]
        assert hits[0].path == str(media / "2.mp4") and hits[0].score == pytest.approx(1.0, abs=1e-4)


def test_processors_that_leave_the_length_open_are_named(tmp_path: Path, media: Path) -> None:
    for name, option in (("crisscross_audio", "max_samples"), ("crisscross_video", "num_frames")):
        processor = CASES[name].processor()
        setattr(processor, option, None)
        case = CASES[name]._replace(processor=lambda processor=processor: processor)
        with pytest.raises(EncoderError, match=f"has no {option}: set it"):
            _encoder(case, tmp_path / name).encode(media / "0.mp4")
