"""Self-supervised audio-visual encoders as easy to use as any model on the Hugging Face Hub.

``import avzoo`` is quick: it makes the Auto classes of transformers know the zoo and imports neither torch nor
transformers. The names below load their module when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avzoo import _auto

if TYPE_CHECKING:
    from avzoo.extract import Embeddings as Embeddings
    from avzoo.extract import Encoder as Encoder
    from avzoo.extract import load as load
    from avzoo.models.configuration_ccl import CCLVideoConfig as CCLVideoConfig
    from avzoo.models.configuration_ccl_image import CCLImageConfig as CCLImageConfig
    from avzoo.models.configuration_cnn14 import CNN14Config as CNN14Config
    from avzoo.models.configuration_crisscross import CrissCrossAudioConfig as CrissCrossAudioConfig
    from avzoo.models.configuration_crisscross import CrissCrossConfig as CrissCrossConfig
    from avzoo.models.configuration_crisscross import CrissCrossVideoConfig as CrissCrossVideoConfig
    from avzoo.models.configuration_vssl import VSSLConfig as VSSLConfig
    from avzoo.models.configuration_xdc import XDCAudioConfig as XDCAudioConfig
    from avzoo.models.configuration_xdc import XDCConfig as XDCConfig
    from avzoo.models.configuration_xdc import XDCVideoConfig as XDCVideoConfig
    from avzoo.models.configuration_xkd import XKDAudioConfig as XKDAudioConfig
    from avzoo.models.configuration_xkd import XKDConfig as XKDConfig
    from avzoo.models.configuration_xkd import XKDVideoConfig as XKDVideoConfig
    from avzoo.models.modeling_ccl import CCLForVideoClassification as CCLForVideoClassification
    from avzoo.models.modeling_ccl import CCLVideoModel as CCLVideoModel
    from avzoo.models.modeling_ccl_image import CCLImageModel as CCLImageModel
    from avzoo.models.modeling_cnn14 import CNN14ForAudioClassification as CNN14ForAudioClassification
    from avzoo.models.modeling_cnn14 import CNN14Model as CNN14Model
    from avzoo.models.modeling_crisscross import CrissCrossAudioModel as CrissCrossAudioModel
    from avzoo.models.modeling_crisscross import CrissCrossForAudioClassification as CrissCrossForAudioClassification
    from avzoo.models.modeling_crisscross import CrissCrossForVideoClassification as CrissCrossForVideoClassification
    from avzoo.models.modeling_crisscross import CrissCrossModel as CrissCrossModel
    from avzoo.models.modeling_crisscross import CrissCrossVideoModel as CrissCrossVideoModel
    from avzoo.models.modeling_vssl import VSSLForVideoClassification as VSSLForVideoClassification
    from avzoo.models.modeling_vssl import VSSLModel as VSSLModel
    from avzoo.models.modeling_xdc import XDCAudioModel as XDCAudioModel
    from avzoo.models.modeling_xdc import XDCForAudioClassification as XDCForAudioClassification
    from avzoo.models.modeling_xdc import XDCForVideoClassification as XDCForVideoClassification
    from avzoo.models.modeling_xdc import XDCModel as XDCModel
    from avzoo.models.modeling_xdc import XDCVideoModel as XDCVideoModel
    from avzoo.models.modeling_xkd import XKDAudioModel as XKDAudioModel
    from avzoo.models.modeling_xkd import XKDForAudioClassification as XKDForAudioClassification
    from avzoo.models.modeling_xkd import XKDForVideoClassification as XKDForVideoClassification
    from avzoo.models.modeling_xkd import XKDModel as XKDModel
    from avzoo.models.modeling_xkd import XKDVideoModel as XKDVideoModel
    from avzoo.pretraining.configuration_ccl_pretraining import CCLPreTrainingConfig as CCLPreTrainingConfig
    from avzoo.pretraining.configuration_crisscross_pretraining import (
        CrissCrossPreTrainingConfig as CrissCrossPreTrainingConfig,
    )
    from avzoo.pretraining.configuration_vssl_pretraining import VSSLPreTrainingConfig as VSSLPreTrainingConfig
    from avzoo.pretraining.configuration_xdc_pretraining import XDCPreTrainingConfig as XDCPreTrainingConfig
    from avzoo.pretraining.configuration_xkd_pretraining import XKDPreTrainingConfig as XKDPreTrainingConfig
    from avzoo.pretraining.modeling_ccl_pretraining import CCLForDistillation as CCLForDistillation
    from avzoo.pretraining.modeling_crisscross_pretraining import CrissCrossForPreTraining as CrissCrossForPreTraining
    from avzoo.pretraining.modeling_vssl_pretraining import VSSLForPreTraining as VSSLForPreTraining
    from avzoo.pretraining.modeling_xdc_pretraining import XDCForPreTraining as XDCForPreTraining
    from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining as XKDForPreTraining
    from avzoo.processing.feature_extraction_cnn14 import CNN14FeatureExtractor as CNN14FeatureExtractor
    from avzoo.processing.feature_extraction_crisscross import CrissCrossFeatureExtractor as CrissCrossFeatureExtractor
    from avzoo.processing.feature_extraction_xdc import XDCFeatureExtractor as XDCFeatureExtractor
    from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor as XKDFeatureExtractor
    from avzoo.processing.processing_crisscross import CrissCrossProcessor as CrissCrossProcessor
    from avzoo.processing.processing_xdc import XDCProcessor as XDCProcessor
    from avzoo.processing.processing_xkd import XKDProcessor as XKDProcessor
    from avzoo.processing.video_processing_ccl import CCLVideoProcessor as CCLVideoProcessor
    from avzoo.processing.video_processing_crisscross import CrissCrossVideoProcessor as CrissCrossVideoProcessor
    from avzoo.processing.video_processing_vssl import VSSLVideoProcessor as VSSLVideoProcessor
    from avzoo.processing.video_processing_xdc import XDCVideoProcessor as XDCVideoProcessor
    from avzoo.processing.video_processing_xkd import XKDVideoProcessor as XKDVideoProcessor

    __version__: str
else:
    #: Public name -> module below ``avzoo`` that holds it.
    _EXPORTS = {
        "Embeddings": "extract",
        "Encoder": "extract",
        "load": "extract",
        "CCLVideoConfig": "models.configuration_ccl",
        "CCLImageConfig": "models.configuration_ccl_image",
        "CNN14Config": "models.configuration_cnn14",
        "CCLForVideoClassification": "models.modeling_ccl",
        "CCLVideoModel": "models.modeling_ccl",
        "CCLImageModel": "models.modeling_ccl_image",
        "CNN14ForAudioClassification": "models.modeling_cnn14",
        "CNN14Model": "models.modeling_cnn14",
        "VSSLConfig": "models.configuration_vssl",
        "VSSLForVideoClassification": "models.modeling_vssl",
        "VSSLModel": "models.modeling_vssl",
        "CrissCrossAudioConfig": "models.configuration_crisscross",
        "CrissCrossConfig": "models.configuration_crisscross",
        "CrissCrossVideoConfig": "models.configuration_crisscross",
        "CrissCrossAudioModel": "models.modeling_crisscross",
        "CrissCrossForAudioClassification": "models.modeling_crisscross",
        "CrissCrossForVideoClassification": "models.modeling_crisscross",
        "CrissCrossModel": "models.modeling_crisscross",
        "CrissCrossVideoModel": "models.modeling_crisscross",
        "XDCAudioConfig": "models.configuration_xdc",
        "XDCConfig": "models.configuration_xdc",
        "XDCVideoConfig": "models.configuration_xdc",
        "XDCAudioModel": "models.modeling_xdc",
        "XDCForAudioClassification": "models.modeling_xdc",
        "XDCForVideoClassification": "models.modeling_xdc",
        "XDCModel": "models.modeling_xdc",
        "XDCVideoModel": "models.modeling_xdc",
        "XKDAudioConfig": "models.configuration_xkd",
        "XKDConfig": "models.configuration_xkd",
        "XKDVideoConfig": "models.configuration_xkd",
        "XKDAudioModel": "models.modeling_xkd",
        "XKDForAudioClassification": "models.modeling_xkd",
        "XKDForVideoClassification": "models.modeling_xkd",
        "XKDModel": "models.modeling_xkd",
        "XKDVideoModel": "models.modeling_xkd",
        "CCLPreTrainingConfig": "pretraining.configuration_ccl_pretraining",
        "CCLForDistillation": "pretraining.modeling_ccl_pretraining",
        "CrissCrossPreTrainingConfig": "pretraining.configuration_crisscross_pretraining",
        "CrissCrossForPreTraining": "pretraining.modeling_crisscross_pretraining",
        "VSSLPreTrainingConfig": "pretraining.configuration_vssl_pretraining",
        "VSSLForPreTraining": "pretraining.modeling_vssl_pretraining",
        "XDCPreTrainingConfig": "pretraining.configuration_xdc_pretraining",
        "XDCForPreTraining": "pretraining.modeling_xdc_pretraining",
        "XKDPreTrainingConfig": "pretraining.configuration_xkd_pretraining",
        "XKDForPreTraining": "pretraining.modeling_xkd_pretraining",
        "CNN14FeatureExtractor": "processing.feature_extraction_cnn14",
        "CrissCrossFeatureExtractor": "processing.feature_extraction_crisscross",
        "XDCFeatureExtractor": "processing.feature_extraction_xdc",
        "XKDFeatureExtractor": "processing.feature_extraction_xkd",
        "CrissCrossProcessor": "processing.processing_crisscross",
        "XDCProcessor": "processing.processing_xdc",
        "XKDProcessor": "processing.processing_xkd",
        "CCLVideoProcessor": "processing.video_processing_ccl",
        "CrissCrossVideoProcessor": "processing.video_processing_crisscross",
        "VSSLVideoProcessor": "processing.video_processing_vssl",
        "XDCVideoProcessor": "processing.video_processing_xdc",
        "XKDVideoProcessor": "processing.video_processing_xkd",
    }
    __all__ = ["__version__", *_EXPORTS]

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            value = version("avzoo")
        elif name in _EXPORTS:
            from importlib import import_module

            value = getattr(import_module(f"avzoo.{_EXPORTS[name]}"), name)
        else:
            raise AttributeError(f"module 'avzoo' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


_auto.register()
