"""Makes the Auto classes of transformers know the zoo, as soon as both are imported and whichever comes first.

``import avzoo`` imports neither torch nor transformers: the registrations wait for the modules of transformers that
hold the Auto tables. Those modules are often imported half-way through another module of transformers, so only the
configurations, which need nothing but ``transformers.configuration_utils``, are imported then; models and processors
enter the tables as proxies that import their module when they are first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from wrapt import lazy_import, register_post_import_hook


class Family(NamedTuple):
    """What the Auto classes find for one model type, each as ``module:Class`` below ``avzoo``.

    Attributes:
        config: the configuration; its module must not import models.
        model: what ``AutoModel`` gives.
        pretraining: what ``AutoModelForPreTraining`` gives.
        video_classification: what ``AutoModelForVideoClassification`` gives.
        audio_classification: what ``AutoModelForAudioClassification`` gives.
        video_processor: what ``AutoVideoProcessor`` gives.
        feature_extractor: what ``AutoFeatureExtractor`` gives.
        processor: what ``AutoProcessor`` gives.
    """

    config: str
    model: str | None = None
    pretraining: str | None = None
    video_classification: str | None = None
    audio_classification: str | None = None
    video_processor: str | None = None
    feature_extractor: str | None = None
    processor: str | None = None


#: Every model type of the zoo. A new family adds its rows here and nothing else.
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "xkd": Family(
            config="models.configuration_xkd:XKDConfig",
            model="models.modeling_xkd:XKDModel",
            video_processor="processing.video_processing_xkd:XKDVideoProcessor",
            feature_extractor="processing.feature_extraction_xkd:XKDFeatureExtractor",
            processor="processing.processing_xkd:XKDProcessor",
        ),
        "xkd_video": Family(
            config="models.configuration_xkd:XKDVideoConfig",
            model="models.modeling_xkd:XKDVideoModel",
            video_classification="models.modeling_xkd:XKDForVideoClassification",
            video_processor="processing.video_processing_xkd:XKDVideoProcessor",
        ),
        "xkd_audio": Family(
            config="models.configuration_xkd:XKDAudioConfig",
            model="models.modeling_xkd:XKDAudioModel",
            audio_classification="models.modeling_xkd:XKDForAudioClassification",
            feature_extractor="processing.feature_extraction_xkd:XKDFeatureExtractor",
        ),
        "xkd_pretraining": Family(
            config="pretraining.configuration_xkd_pretraining:XKDPreTrainingConfig",
            pretraining="pretraining.modeling_xkd_pretraining:XKDForPreTraining",
        ),
        "crisscross": Family(
            config="models.configuration_crisscross:CrissCrossConfig",
            model="models.modeling_crisscross:CrissCrossModel",
            video_processor="processing.video_processing_crisscross:CrissCrossVideoProcessor",
            feature_extractor="processing.feature_extraction_crisscross:CrissCrossFeatureExtractor",
            processor="processing.processing_crisscross:CrissCrossProcessor",
        ),
        "crisscross_video": Family(
            config="models.configuration_crisscross:CrissCrossVideoConfig",
            model="models.modeling_crisscross:CrissCrossVideoModel",
            video_classification="models.modeling_crisscross:CrissCrossForVideoClassification",
            video_processor="processing.video_processing_crisscross:CrissCrossVideoProcessor",
        ),
        "crisscross_audio": Family(
            config="models.configuration_crisscross:CrissCrossAudioConfig",
            model="models.modeling_crisscross:CrissCrossAudioModel",
            audio_classification="models.modeling_crisscross:CrissCrossForAudioClassification",
            feature_extractor="processing.feature_extraction_crisscross:CrissCrossFeatureExtractor",
        ),
        "crisscross_pretraining": Family(
            config="pretraining.configuration_crisscross_pretraining:CrissCrossPreTrainingConfig",
            pretraining="pretraining.modeling_crisscross_pretraining:CrissCrossForPreTraining",
        ),
        "xdc": Family(
            config="models.configuration_xdc:XDCConfig",
            model="models.modeling_xdc:XDCModel",
            video_processor="processing.video_processing_xdc:XDCVideoProcessor",
            feature_extractor="processing.feature_extraction_xdc:XDCFeatureExtractor",
            processor="processing.processing_xdc:XDCProcessor",
        ),
        "xdc_video": Family(
            config="models.configuration_xdc:XDCVideoConfig",
            model="models.modeling_xdc:XDCVideoModel",
            video_classification="models.modeling_xdc:XDCForVideoClassification",
            video_processor="processing.video_processing_xdc:XDCVideoProcessor",
        ),
        "xdc_audio": Family(
            config="models.configuration_xdc:XDCAudioConfig",
            model="models.modeling_xdc:XDCAudioModel",
            audio_classification="models.modeling_xdc:XDCForAudioClassification",
            feature_extractor="processing.feature_extraction_xdc:XDCFeatureExtractor",
        ),
        "xdc_pretraining": Family(
            config="pretraining.configuration_xdc_pretraining:XDCPreTrainingConfig",
            pretraining="pretraining.modeling_xdc_pretraining:XDCForPreTraining",
        ),
        "vssl": Family(
            config="models.configuration_vssl:VSSLConfig",
            model="models.modeling_vssl:VSSLModel",
            video_classification="models.modeling_vssl:VSSLForVideoClassification",
            video_processor="processing.video_processing_vssl:VSSLVideoProcessor",
        ),
        "vssl_pretraining": Family(
            config="pretraining.configuration_vssl_pretraining:VSSLPreTrainingConfig",
            pretraining="pretraining.modeling_vssl_pretraining:VSSLForPreTraining",
        ),
        "ccl_video": Family(
            config="models.configuration_ccl:CCLVideoConfig",
            model="models.modeling_ccl:CCLVideoModel",
            video_classification="models.modeling_ccl:CCLForVideoClassification",
            video_processor="processing.video_processing_ccl:CCLVideoProcessor",
        ),
        "ccl_image": Family(
            config="models.configuration_ccl_image:CCLImageConfig",
            model="models.modeling_ccl_image:CCLImageModel",
            video_processor="processing.video_processing_ccl:CCLVideoProcessor",
        ),
        "ccl_pretraining": Family(
            config="pretraining.configuration_ccl_pretraining:CCLPreTrainingConfig",
            pretraining="pretraining.modeling_ccl_pretraining:CCLForDistillation",
        ),
        "cnn14": Family(
            config="models.configuration_cnn14:CNN14Config",
            model="models.modeling_cnn14:CNN14Model",
            audio_classification="models.modeling_cnn14:CNN14ForAudioClassification",
            feature_extractor="processing.feature_extraction_cnn14:CNN14FeatureExtractor",
        ),
    }
)

_AUTO = "transformers.models.auto"

#: Column of `Family` -> module of transformers and its table.
_TABLES = {
    "model": ("modeling_auto", "MODEL_MAPPING"),
    "pretraining": ("modeling_auto", "MODEL_FOR_PRETRAINING_MAPPING"),
    "video_classification": ("modeling_auto", "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING"),
    "audio_classification": ("modeling_auto", "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING"),
    "video_processor": ("video_processing_auto", "VIDEO_PROCESSOR_MAPPING"),
    "feature_extractor": ("feature_extraction_auto", "FEATURE_EXTRACTOR_MAPPING"),
    "processor": ("processing_auto", "PROCESSOR_MAPPING"),
}


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(f"avzoo.{module}"), name)


def _lazy(path: str) -> Any:
    module, name = path.split(":")
    return lazy_import(f"avzoo.{module}", name)


def _register_configs(auto: ModuleType) -> None:
    for model_type, family in FAMILIES.items():
        auto.AutoConfig.register(model_type, _load(family.config))


def _register(column: str, table: str, auto: ModuleType) -> None:
    for family in FAMILIES.values():
        path = getattr(family, column)
        if path is not None:
            value = _lazy(path)
            # AutoVideoProcessor looks classes up by the name of their backend.
            entry = {"torchvision": value} if column == "video_processor" else value
            getattr(auto, table).register(_load(family.config), entry)


def register() -> None:
    """Enter every model type into the Auto tables that are imported, and the others once they are."""
    register_post_import_hook(_register_configs, f"{_AUTO}.configuration_auto")
    for column, (module, table) in _TABLES.items():
        register_post_import_hook(partial(_register, column, table), f"{_AUTO}.{module}")
