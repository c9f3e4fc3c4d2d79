from __future__ import annotations

import pytest

from avzoo.pretraining.configuration_xdc_pretraining import XDCPreTrainingConfig
from avzoo.pretraining.labelling_xdc import JOINT, label_sources
from avzoo.pretraining.modeling_xdc_pretraining import XDCForPreTraining

BOTH = ["video", "audio"]
TWINS = ["video", "video"]

#: variant, modalities -> whose clusters every encoder learns (paper, Figure 2 and Table 1).
RULES = {
    ("sdc", "video"): {"video": ("video",)},
    ("sdc", "audio"): {"audio": ("audio",)},
    ("sdc", "video audio"): {"video": ("video",), "audio": ("audio",)},
    ("mdc", "video audio"): {"video": ("video", "audio"), "audio": ("audio", "video")},
    ("cdc", "video audio"): {"video": (JOINT,), "audio": (JOINT,)},
    ("xdc", "video audio"): {"video": ("audio",), "audio": ("video",)},
    ("xdc", "video video"): {"video": ("video_twin",), "video_twin": ("video",)},
    ("xdc", "audio audio"): {"audio": ("audio_twin",), "audio_twin": ("audio",)},
}


@pytest.mark.parametrize("case", RULES, ids=" ".join)
def test_who_learns_whose_clusters(case):
    variant, modalities = case
    config = XDCPreTrainingConfig.preset("nano", variant=variant, modalities=modalities.split(), num_clusters=3)
    assert config.label_sources == RULES[case]
    assert config.clusterings == list(dict.fromkeys(name for names in RULES[case].values() for name in names))
    model = XDCForPreTraining(config)
    heads = [f"{encoder}_from_{source}" for encoder, sources in RULES[case].items() for source in sources]
    assert list(model.heads) == heads
    assert all(head.weight.shape == (3, 64) for head in model.heads.values())
    buffers = {name.removesuffix("_assignments") for name, _ in model.named_buffers() if "_assignments" in name}
    assert buffers == set(config.clusterings)


@pytest.mark.parametrize(
    ("modalities", "trained", "published"),
    [
        (BOTH, None, "XDCModel"),
        (["audio", "video"], None, "XDCModel"),
        (TWINS, None, "XDCVideoModel"),
        (BOTH, "video", "XDCVideoModel"),
        (BOTH, "audio", "XDCAudioModel"),
    ],
)
def test_what_is_published(modalities, trained, published):
    config = XDCPreTrainingConfig.preset("nano", modalities=modalities, trained=trained, num_clusters=3)
    model = XDCForPreTraining(config)
    assert type(model.encoder()).__name__ == type(model.encoder("student")).__name__ == published
    assert hasattr(model, "twin") == (modalities == TWINS)


def test_one_encoder_alone_keeps_what_it_is_to_learn():
    config = XDCPreTrainingConfig.preset("nano", variant="mdc", trained="video", num_clusters=3)
    assert config.label_sources == {"video": ("video", "audio")} and config.clusterings == ["video", "audio"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"modalities": ["video"]}, "xdc needs two encoders"),
        ({"variant": "cdc", "modalities": ["audio"]}, "cdc needs two encoders"),
        ({"modalities": []}, "one or two"),
        ({"modalities": ["video"] * 3}, "one or two"),
        ({"trained": "image"}, "video, audio"),
        ({"num_clusters": 1}, "at least 2"),
    ],
)
def test_what_does_not_go_together_is_named(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        XDCPreTrainingConfig.preset("nano", **fields)


def test_an_unknown_variant_is_refused():
    with pytest.raises(Exception, match="variant"):
        XDCPreTrainingConfig.preset("nano", variant="tdc")


def test_the_rule_needs_no_more_than_names():
    assert label_sources("mdc", ["left", "right"]) == {"left": ("left", "right"), "right": ("right", "left")}
