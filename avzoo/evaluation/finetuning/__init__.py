"""Finetuning an encoder into a classifier, and testing it on clips and crops."""

from .classifier import Classifier
from .modeling import Loss
from .protocol import FINETUNE
from .scores import clip_scores
from .settings import FinetuneSettings
from .training import Finetuned, finetune

__all__ = ["FINETUNE", "Classifier", "FinetuneSettings", "Finetuned", "Loss", "clip_scores", "finetune"]
