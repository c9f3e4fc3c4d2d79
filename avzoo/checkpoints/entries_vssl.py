"""The checkpoints of the comparison of video self-supervised methods under distribution shift.

One encoder, trained by six methods and with labels. The thesis of the first author (chapter 3) and the paper (arXiv
2306.02014) report tables of relative behaviour; the figures here are those of the released repository's plots.
"""

from __future__ import annotations

from typing import NamedTuple

from avzoo.checkpoints.entry import CheckpointEntry, Family, Metric, Paper, Source, VideoInput

PAPER = Paper(
    key="sarkar2023vssl",
    title="Uncovering the Hidden Dynamics of Video Self-supervised Learning under Distribution Shifts",
    authors=("Sarkar, Pritam", "Beirami, Ahmad", "Etemad, Ali"),
    venue="NeurIPS",
    year=2023,
    arxiv="2306.02014",
)
_PAGE = "https://drive.google.com/drive/folders/1Hk1mXjwiTKUxO_Cd4gnwUE5fxr5u3eMS"


class _Method(NamedTuple):
    """One method; `clustered` are k-means accuracies on ToyBox (motions), COIL100 and ToyBox (objects), percent."""

    name: str
    title: str
    file: str
    objective: str
    clustered: tuple[float, float, float]
    frames: int = 16


_METHODS = (
    _Method("simclr", "v-SimCLR", "VideoSimCLR", "contrast of two clips of a video with those of others", (19, 77, 45)),
    _Method("moco", "v-MoCo", "VideoMOCOv3", "the same contrast with the keys of a moving average", (20, 81, 43)),
    _Method(
        "byol",
        "v-BYOL",
        "VideoBYOL",
        "prediction of the projection that a moving average gives the other clip",
        (19, 74, 55),
    ),
    _Method("simsiam", "v-SimSiam", "VideoSimSiam", "prediction of the projection of the other clip", (21, 74, 52)),
    _Method("dino", "v-DINO", "VideoDINO", "distillation from a moving average, centred and sharpened", (20, 75, 51)),
    _Method("mae", "v-MAE", "VideoMAE", "reconstruction of masked cuboids", (38, 66, 38), frames=32),
    _Method("supervised", "v-Supervised", "VideoSupervised", "supervised classification", (29, 70, 38)),
)


def _metrics(method: _Method) -> tuple[Metric, ...]:
    sets = "ToyBox, 9 motions", "COIL100", "ToyBox, 12 objects"
    return tuple(
        Metric(
            task="video-classification",
            dataset=dataset,
            name="accuracy",
            value=value,
            protocol="k-means on frozen features",
            source="plot of the repository",
            approximate=True,
        )
        for dataset, value in zip(sets, method.clustered, strict=True)
    )


def _entry(method: _Method) -> CheckpointEntry:
    supervised = method.name == "supervised"
    labels = "with its labels" if supervised else "no labels"
    return CheckpointEntry(
        name=f"vssl-{method.name}-kinetics400",
        family="vssl",
        model_type="vssl",
        architecture="ViT-B over cuboids of 4 frames x 16 x 16 pixels",
        objective=f"{method.title}: {method.objective}",
        data=f"Kinetics400, about 240,000 clips, {labels}",
        parameters=87_691_008 if method.frames == 32 else 87_540_480,
        license="CC-BY-NC-4.0",
        paper=PAPER,
        status="convertible",
        summary=(
            f"The video encoder that its authors trained on Kinetics400 by {method.title}, one of seven of the same "
            "architecture, made to compare methods under distribution shift."
        ),
        limits=(
            "Made for features: linear probes, finetuning, comparisons of methods. It has no classifier.",
            "It saw clips of the web with people's actions; it inherits what that set over- and under-represents, and "
            "nothing about a person should be concluded from its features.",
            *(
                (
                    "It was trained on clips of 32 frames and is evaluated, like the others, on clips of 16, for which "
                    "its position table is interpolated.",
                )
                if method.frames == 32
                else ()
            ),
        ),
        training=(
            "Its settings were not released; those of the recipe here are ours."
            if supervised
            else "800 epochs of AdamW in batches of 768, 30 of them to warm up; the learning rate falls as a cosine."
        ),
        recipe=f"vssl_{method.name}_kinetics400_{'ours' if supervised else 'released'}",
        hardware=None if supervised else "8 GPUs in 2 nodes",
        video=VideoInput(frames=16, fps=8, resize=128, size=112),
        sources=(Source(file=f"{method.file}_kinetics400.pth.tar", page=_PAGE),),
        metrics=_metrics(method),
        results_note="The paper compares the methods on 17 pairs of sets; its tables are not repeated here.",
        config={"num_frames": 32} if method.frames == 32 else {},
        labelled=supervised,
    )


FAMILY = Family(
    name="vssl",
    title="Video SSL",
    paper=PAPER,
    model_types=("vssl",),
    pretraining="vssl_pretraining",
    entries=tuple(_entry(method) for method in _METHODS),
    note=(
        "Commands in the repository's instructions also name files for Kinetics700, which its list of weights does not "
        "have."
    ),
)
