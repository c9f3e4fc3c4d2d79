"""What one finetuning step costs, against finetuning VideoMAE of transformers: ``python -m benchmarks.finetune_step``.

Forward, backward and AdamW of a classifier on the XKD video encoder, as `avzoo.evaluation.finetuning` trains it: soft
targets, 28 parameter groups for the layer-wise decay. The peer is ``VideoMAEForVideoClassification`` of the same width,
depth and heads over the same 392 patches of the same batch, with the optimizer that transformers' ``Trainer`` makes.
Both take turns, in single precision and in bfloat16 autocast.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from transformers import Trainer, TrainingArguments, VideoMAEConfig, VideoMAEForVideoClassification

from avzoo.evaluation.finetuning.modeling import ForFinetuning
from avzoo.evaluation.mixing import soft_cross_entropy, soft_targets
from avzoo.models.configuration_xkd import XKDVideoConfig
from avzoo.models.modeling_xkd import XKDForVideoClassification
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.trainer import AVTrainer
from benchmarks.common import Ratio, Report, cores, in_turn, reporting, seconds_of
from benchmarks.encoder_forward import PRECISIONS, autocast

CLASSES = 101
OURS, PEER = "XKD", "VideoMAE"


def classifiers(size: str) -> dict[str, tuple[torch.nn.Module, torch.optim.Optimizer]]:
    """Both classifiers with their optimizers, freshly initialised, in training mode."""
    video = XKDVideoConfig.preset(size, num_labels=CLASSES)
    peer_config = VideoMAEConfig(
        image_size=video.image_size,
        num_frames=video.num_frames,
        tubelet_size=video.tubelet_size,
        hidden_size=video.hidden_size,
        num_hidden_layers=video.num_hidden_layers,
        num_attention_heads=video.num_attention_heads,
        intermediate_size=video.intermediate_size,
    )
    peer_config.num_labels = CLASSES
    quiet: dict[str, Any] = {"output_dir": tempfile.gettempdir(), "use_cpu": True, "disable_tqdm": True}
    ours = ForFinetuning(
        XKDForVideoClassification._from_config(video, attn_implementation="sdpa"),
        lambda logits, targets, progress: {"cross_entropy": soft_cross_entropy(logits, targets)},
        layer_decay=0.45,
    )
    peer = VideoMAEForVideoClassification._from_config(peer_config, attn_implementation="sdpa")
    data: Any = [{}]
    return {
        OURS: (ours.train(), AVTrainer(ours, AVTrainingArguments(**quiet), data).create_optimizer()),
        PEER: (
            peer.train(),
            Trainer(peer, TrainingArguments(**quiet, weight_decay=0.05), train_dataset=data).create_optimizer(),
        ),
    }


def measure(report: Report, size: str, batch: int, precision: str, repeats: int) -> None:
    """Adds the figures of one precision."""
    made = classifiers(size)
    video = XKDVideoConfig.preset(size)
    clips = torch.randn(batch, video.num_frames, 3, video.image_size, video.image_size)
    labels = torch.arange(batch) % CLASSES
    inputs = {
        OURS: {"pixel_values_videos": clips, "targets": soft_targets(labels, CLASSES, 0.1)},
        PEER: {"pixel_values": clips, "labels": labels},
    }

    def step(name: str) -> Callable[[], float]:
        model, optimizer = made[name]

        def once() -> None:
            with autocast(precision):
                loss = model(**inputs[name]).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return lambda: seconds_of(once)

    actions = {name: step(name) for name in made}
    in_turn(actions, 2)  # the first steps allocate
    samples = in_turn(actions, repeats)
    report.samples |= {f"{name}, {precision}": times for name, times in samples.items()}
    for name, times in samples.items():
        parameters = sum(value.numel() for value in made[name][0].parameters())
        report.measurements.append(
            {
                "classifier": name,
                "precision": precision,
                "parameters": f"{parameters:,}",
                "groups": len(made[name][1].param_groups),
                "seconds": min(times),
                "clips/s": batch / min(times),
            }
        )
    speed = min(samples[PEER]) / min(samples[OURS])
    report.ratios.append(Ratio(f"finetune step, {precision}: speed against VideoMAE", speed, at_least=1.0))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="base", help="preset of the encoder")
    parser.add_argument("--batch", type=int, default=4, help="clips per step")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with reporting("finetune_step") as report:
        report.settings = vars(arguments)
        for precision in PRECISIONS:
            measure(report, arguments.size, arguments.batch, precision, arguments.repeats)


if __name__ == "__main__":
    main()
