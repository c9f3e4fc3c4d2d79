"""The checkpoints of XDC: three video encoders by cross-modal clustering, and two supervised ones for comparison.

Figures: the paper (arXiv 1911.12667) and the table of its repository.
"""

from __future__ import annotations

from typing import NamedTuple

from avzoo.checkpoints.entry import CheckpointEntry, Family, Metric, Paper, Source, VideoInput

PAPER = Paper(
    key="alwassel2020xdc",
    title="Self-Supervised Learning by Cross-Modal Audio-Video Clustering",
    authors=(
        "Alwassel, Humam",
        "Mahajan, Dhruv",
        "Korbar, Bruno",
        "Torresani, Lorenzo",
        "Ghanem, Bernard",
        "Tran, Du",
    ),
    venue="NeurIPS",
    year=2020,
    arxiv="1911.12667",
)
_REPOSITORY = "https://github.com/HumamAlwassel/XDC/releases"


class _Weights(NamedTuple):
    name: str
    file: str
    objective: str
    data: str
    ucf101: float
    hmdb51: float
    recipe: str | None = None
    datasets: tuple[str, ...] = ()


_CLUSTERING = "XDC: predicts the clusters of the other modality's features"
_SUPERVISED = "supervised classification, a baseline of the XDC paper"
_RELEASED = (
    _Weights(
        "xdc-video-ig65m-kinetics",
        "r2plus1d_18_xdc_ig65m_kinetics-f24f6ffb.pth",
        _CLUSTERING,
        "IG-Kinetics, 65 million videos, no labels",
        95.5,
        68.9,
    ),
    _Weights(
        "xdc-video-ig65m-random",
        "r2plus1d_18_xdc_ig65m_random-189d23f4.pth",
        _CLUSTERING,
        "IG-Random, 65 million videos, no labels",
        94.6,
        66.5,
    ),
    _Weights(
        "xdc-video-audioset",
        "r2plus1d_18_xdc_audioset-f29ffe8f.pth",
        _CLUSTERING,
        "AudioSet, 2 million videos, no labels",
        93.0,
        63.7,
        recipe="xdc_audioset_paper",
    ),
    _Weights(
        "r2plus1d18-supervised-kinetics",
        "r2plus1d_18_fs_kinetics-622bdad9.pth",
        _SUPERVISED,
        "Kinetics400 with its labels",
        94.2,
        65.1,
    ),
    _Weights(
        "r2plus1d18-supervised-imagenet",
        "r2plus1d_18_fs_imagenet-ff446670.pth",
        _SUPERVISED,
        "ImageNet with its labels, stills repeated in time",
        84.0,
        48.1,
        datasets=("ILSVRC/imagenet-1k",),
    ),
)


def _entry(weights: _Weights) -> CheckpointEntry:
    supervised = weights.objective == _SUPERVISED
    page = f"{_REPOSITORY}/tag/model_weights"
    return CheckpointEntry(
        name=weights.name,
        family="xdc",
        model_type="xdc_video",
        architecture="R(2+1)D-18 with XDC's own mid-planes",
        objective=weights.objective,
        data=weights.data,
        datasets=weights.datasets,
        parameters=33_165_639,
        license="MIT",
        paper=PAPER,
        status="convertible",
        summary=(
            f"The video encoder that the authors of XDC trained on {weights.data.partition(',')[0]}"
            + (
                ", with labels, to compare XDC with. It comes without its classifier."
                if supervised
                else " by cross-modal deep clustering. Its audio counterpart was not released."
            )
        ),
        limits=(
            "Made for features: linear probes, finetuning, retrieval by example. It has no classifier.",
            "Not torchvision's `r2plus1d_18`: three modules have other widths, and batch norm another epsilon.",
            "It saw videos of the web; it inherits what that set over- and under-represents, and nothing about a "
            "person should be concluded from its features.",
        ),
        training=(
            "Supervised training with cross-entropy; the paper leaves the details to its supplement."
            if supervised
            else "Clustering and classification in turns, 5 to 6 times; then trained again on the last clusters with "
            "clips of 32 frames. The paper leaves optimiser settings to its supplement."
            + (" The recipe here is that of the turns, with clips of 8 frames." if weights.recipe else "")
        ),
        recipe=weights.recipe,
        video=VideoInput(frames=32, fps=30, resize=256, size=224, normalization="Kinetics400"),
        sources=(
            Source(
                file=weights.file,
                url=f"{_REPOSITORY}/download/model_weights/{weights.file}",
                page=page,
                # torch.hub's convention: the file's name ends with the first 8 digits of its hash.
                sha256_prefix=weights.file.removesuffix(".pth").rpartition("-")[2],
            ),
        ),
        metrics=tuple(
            Metric(
                task="video-classification",
                dataset=dataset,
                name="top-1 accuracy",
                value=value,
                protocol="finetuned, clips of 32 frames at 224 x 224, mean of 3 splits",
                source="paper, Table 7, and the repository's table",
            )
            for dataset, value in (("UCF101", weights.ucf101), ("HMDB51", weights.hmdb51))
        ),
        labelled=supervised,
    )


FAMILY = Family(
    name="xdc",
    title="XDC",
    paper=PAPER,
    model_types=("xdc", "xdc_video", "xdc_audio"),
    pretraining="xdc_pretraining",
    entries=tuple(_entry(weights) for weights in _RELEASED),
    note=(
        "No audio encoder and no XDC encoder pretrained on Kinetics was released; the release also has each video "
        "encoder as a Caffe2 pickle, which is not read here. The audio network of `xdc` and `xdc_audio` is ours: the "
        "paper leaves its details open."
    ),
)
