"""The clips that the papers train and test their classifiers on, by the name of the paper.

Where a paper and its released code differ, the released configuration is meant unless a variant says otherwise; where
neither says anything, it says so here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from avzoo.data.sets.classes import same

from .arrays import EvaluationError
from .clip_plan import AudioAugmentation, ClipPlan, ModelInput, VideoAugmentation

#: Papers whose protocols are known.
PRESETS = ("xkd", "crisscross", "xdc", "ccl", "vssl")

#: What clips are for: classifiers over stored features, tests of a finetuned encoder, neighbours, both modalities in
#: one classifier, detection of unknown classes.
Task = Literal["linear", "finetune", "retrieval", "fusion", "open-set"]

#: Deviations from the protocol of a paper, by paper.
VARIANTS: Mapping[str, tuple[str, ...]] = {"crisscross": ("5s", "released", "5s-released")}

# An eval-mode batch norm that was never trained, behind the features of the released wrapper: x / sqrt(1 + eps).
_UNTRAINED_NORM = (1 + 1e-5) ** -0.5


class _Asked(NamedTuple):
    """What is asked for; the set as `same` spells it."""

    dataset: str
    train: bool
    modality: str
    task: Task
    variant: str


class _Counts(NamedTuple):
    """Clips per item."""

    train: int
    test: int


def plans(
    preset: str | None,
    part: Literal["train", "validation", "test"],
    modality: str,
    dataset: str | None = None,
    *,
    task: Task = "linear",
    variant: str | None = None,
) -> ClipPlan:
    """The plan of a paper for one part of a set.

    Args:
        preset: One of `PRESETS`; None for ours: three clips spread over the item, as they are.
        part: What the clips are for. A validation part is clipped as the test part.
        modality: ``video``, ``audio`` or ``joint``: of what the paper's evaluation of that modality is meant. One of
            the first two is all that the plan of a paper embeds.
        dataset: Name of the set, as of `avzoo.data.sets.benchmarks`; None, and sets that the paper does not have, for
            what it does mostly.
        task: What the clips are for. Retrieval compares training and test items, so both are clipped as for a test;
            finetuning draws the clips that it learns from itself.
        variant: One of `VARIANTS` of the paper. CrissCross on sounds: ``5s`` instead of 2 s; ``released`` features as
            the released wrapper makes them, L2-normalised along time and put through a batch norm that was not
            trained, of which the paper says nothing.

    Raises:
        EvaluationError: There is no such preset, variant or modality.
    """
    if modality not in ("video", "audio", "joint"):
        raise EvaluationError(f"there is no modality {modality!r}; there are video, audio and joint")
    if preset is None:
        return ClipPlan()
    papers = {"xkd": _xkd, "crisscross": _crisscross, "xdc": _xdc, "ccl": _ccl, "vssl": _vssl}
    if preset not in papers:
        raise EvaluationError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    known = VARIANTS.get(preset, ())
    if variant is not None and variant not in known:
        raise EvaluationError(f"{preset} has no variant {variant!r}; it has {', '.join(known) or 'none'}")
    train = part == "train" and task not in ("retrieval", "finetune")
    plan = papers[preset](_Asked(same(dataset or ""), train, modality, task, variant or ""))
    return plan if modality == "joint" else plan.model_copy(update={"modalities": (modality,)})


def _drawn(asked: _Asked, counts: _Counts, video: VideoAugmentation, audio: AudioAugmentation, **test: Any) -> ClipPlan:
    """Random, augmented clips to train on, clips spread evenly to test on; ``test`` changes the latter."""
    common = {"input": test.pop("input", None)}
    if asked.train:
        return ClipPlan(sampling="random", clips=counts.train, video=video, audio=audio, **common)
    return ClipPlan(clips=counts.test, **common, **test)


def _xkd(asked: _Asked) -> ClipPlan:
    """XKD (arXiv 2211.13929, appendix on downstream evaluation; released SVM and linear configurations).

    How the released code spreads the test clips is not known, for its loaders are missing; the loader of pretraining
    cuts whole videos evenly, as is done here.
    """
    known = {
        # Three clips to train on and to test on (the released configuration and the paper).
        "kinetics400": _Counts(3, 3),
        # 100 random clips of 4 s, three to test on; in SVM and finetuning alike.
        "esc50": _Counts(100, 3),
        # The fully connected layer: 10 random clips, 8 to test on.
        "fsd50k": _Counts(10, 8),
        # Picture and sound in one SVM: 20 random pairs, two to test on.
        "kineticssound": _Counts(20, 2),
    }
    # UCF101 and HMDB51: 25 random clips, three to test on with three crops each.
    mostly = {"audio": known["esc50"], "joint": known["kineticssound"]}.get(asked.modality, _Counts(25, 3))
    return _drawn(
        asked,
        known.get(asked.dataset, mostly),
        # Crop of 8 to 100 % of the picture, flip, jitter 0.4 (hue 0.2), 20 % grey; no blur, no cutout.
        VideoAugmentation(),
        AudioAugmentation(volume=0.1),
        # The SVM's three crops are one (see `ClipPlan.crops`); those of finetuning lie along the longer side.
        crops="three" if asked.task == "finetune" else "released",
    )


def _crisscross(asked: _Asked) -> ClipPlan:
    """CrissCross (arXiv 2111.05329, appendix on downstream evaluation; released audio configurations).

    The scripts of its linear evaluation of video, of retrieval and of fusion were not released.
    """
    # The augmentations of pretraining without the blur; of sound with the time warp, which pretraining leaves out.
    video = VideoAugmentation(cutout_size=20)
    audio = AudioAugmentation(volume=0.2, time_warp=20, masks=2, resize_crop=True)
    if asked.task == "retrieval":
        # Ten clips of 2 s of gallery and queries.
        return ClipPlan(clips=10, input=_crisscross_input(num_frames=32))
    if asked.task == "finetune":
        return ClipPlan(clips=10, input=_crisscross_input(image_size=None if asked.modality == "audio" else 224))
    if asked.task == "fusion" or asked.modality == "joint":
        # Kinetics-Sound: ten pairs of clips, of 2048 video features, which are those of 8 frames of 112 pixels; how
        # they are drawn and changed is not said, so they are spread evenly and left as they are.
        pooling = {"video": "fusion", "audio": "fusion"}
        return ClipPlan(clips=10, input=_crisscross_input(num_frames=8, feature_pooling=pooling))
    if asked.modality == "audio":
        scene = asked.dataset == "dcase2014"
        long = asked.variant.startswith("5s")
        released = asked.variant.endswith("released")
        fed = _crisscross_input(
            # DCASE: clips of 1 s, 60 to train and to test on. ESC-50: 100 to train on and ten of 2 s or one of 5 s.
            audio_seconds=1.0 if scene else 5.0 if long else 2.0,
            feature_pooling={"audio": "linear_released" if released else "linear"},
            feature_scale=_UNTRAINED_NORM if released else 1.0,
        )
        counts = _Counts(60, 60) if scene else _Counts(100, 1 if long else 10)
        return _drawn(asked, counts, video, audio, input=fed)
    if asked.dataset == "kinetics400":
        # A frozen encoder behind the fully connected layer: one random clip an epoch.
        return _drawn(asked, _Counts(1, 10), video, audio, input=_crisscross_input(num_frames=8, image_size=224))
    # UCF101 and HMDB51: 8 frames of 224 pixels, the last map pooled over 4 x 4 cells.
    fed = _crisscross_input(num_frames=8, image_size=224, feature_pooling={"video": "linear"})
    return _drawn(asked, _Counts(25, 10), video, audio, input=fed)


def _crisscross_input(**fields: Any) -> ModelInput:
    return ModelInput(family="crisscross", **fields)


def _xdc(asked: _Asked) -> ClipPlan:
    """XDC (arXiv 1911.12667, section 4): ten clips spread evenly, central crop; 60 of the scenes of DCASE.

    What its classifiers learn from is in a supplement that is not public: here the same clips.
    """
    return ClipPlan(clips=60 if asked.dataset == "dcase2014" else 10)


def _ccl(asked: _Asked) -> ClipPlan:
    """CCL (CVPR 2021, section 4; its released inference): windows of 16 frames, one after another, central crop."""
    return ClipPlan(sampling="sliding", clips=None)


def _vssl(asked: _Asked) -> ClipPlan:
    """Video self-supervision under distribution shift (NeurIPS 2023, appendix; released configurations)."""
    name = asked.dataset
    test = 5
    if name == "actorshift":
        test = 10
    elif name in ("mit", "tinyvirat", "sims4action"):
        test = 2
    elif name.startswith("charadesego"):
        test = 20
    train = 25 if name.startswith("hmdb") else 5 if name == "mit" or asked.task == "open-set" else 10
    return _drawn(
        asked,
        _Counts(train, test),
        # Crop of 20 to 76.6 % of the picture, flip, jitter 0.4 (hue 0.2), 20 % grey; no blur.
        VideoAugmentation(crop_area=(0.2, 0.766)),
        AudioAugmentation(),
        crops="three" if asked.task == "finetune" else "released",
    )
