"""How near the encoders come to the machine's own matrix-multiply rate: ``python -m benchmarks.encoder_forward``.

The XKD base encoders and, as their peer, VideoMAE base of transformers with the same number of patch tokens (392)
embed a batch on all cores, in single precision and in bfloat16 autocast. In between, square matrices are multiplied in
the same precision: the best rate of them is what the machine can do. Floating-point operations are those of all matrix
products, attention included, two per multiply-add, as counted by torch on the eager implementation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import VideoMAEConfig, VideoMAEModel

from avzoo.models.configuration_xkd import XKDAudioConfig, XKDVideoConfig
from avzoo.models.modeling_xkd import XKDAudioModel, XKDVideoModel
from benchmarks.common import Ratio, Report, cores, in_turn, reporting, seconds_of

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
#: Share of the matrix-multiply rate that the encoders should reach.
AIMS = {"fp32": 0.90, "bf16": 0.75}
SIZES = (1024, 2048, 4096)  # of the square matrices


@dataclass(frozen=True)
class Encoder:
    """A model, one batch for it, and the operations that this costs."""

    model: Any
    batch: torch.Tensor
    operations: int


def encoders(size: str, batch: int) -> dict[str, Encoder]:
    """The two XKD encoders and VideoMAE, with as many tokens, width and layers as the video encoder."""
    video, audio = XKDVideoConfig.preset(size), XKDAudioConfig.preset(size)
    peer = VideoMAEConfig(
        image_size=video.image_size,
        num_frames=video.num_frames // 2,  # patches of VideoMAE span 2 frames, those of XKD 4
        hidden_size=video.hidden_size,
        num_hidden_layers=video.num_hidden_layers,
        num_attention_heads=video.num_attention_heads,
        intermediate_size=video.intermediate_size,
    )
    clip = (batch, video.num_frames, 3, video.image_size, video.image_size)
    return {
        "XKD video": _encoder(XKDVideoModel, video, clip),
        "XKD audio": _encoder(XKDAudioModel, audio, (batch, 1, audio.num_mel_bins, audio.max_length)),
        "VideoMAE": _encoder(VideoMAEModel, peer, (batch, peer.num_frames, *clip[2:])),
    }


def _encoder(model_class: Any, config: Any, shape: tuple[int, ...]) -> Encoder:
    with torch.device("meta"):
        counted = model_class._from_config(config, attn_implementation="eager").eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            counted(torch.zeros(shape))
    model = model_class._from_config(config, attn_implementation="sdpa").eval()
    return Encoder(model, torch.randn(shape), counter.get_total_flops())


def autocast(precision: str) -> AbstractContextManager[object]:
    """Where the encoders run."""
    return nullcontext() if precision == "fp32" else torch.autocast("cpu", PRECISIONS[precision])


@torch.inference_mode()
def measure(report: Report, candidates: dict[str, Encoder], precision: str, batch: int, repeats: int) -> None:
    """Adds the figures of one precision."""

    def forward(encoder: Encoder) -> Callable[[], float]:
        def run() -> float:
            with autocast(precision):
                return seconds_of(lambda: encoder.model(encoder.batch))

        return run

    def multiply(size: int) -> Callable[[], float]:
        left, right = torch.randn(2, size, size, dtype=PRECISIONS[precision])
        return lambda: seconds_of(lambda: left @ right)

    actions = {f"matmul {size}": multiply(size) for size in SIZES}
    actions |= {name: forward(encoder) for name, encoder in candidates.items()}
    in_turn(actions, 1)  # warms up
    samples = in_turn(actions, repeats)
    report.samples |= {f"{name}, {precision}": times for name, times in samples.items()}
    best = {name: min(times) for name, times in samples.items()}
    machine = max(2 * size**3 / best[f"matmul {size}"] for size in SIZES)
    report.measurements.append(
        {"what": "matmul", "precision": precision, "ms per clip": "", "GFLOP per clip": "", "GFLOP/s": machine / 1e9}
    )
    for name, encoder in candidates.items():
        rate = encoder.operations / best[name]
        report.measurements.append(
            {
                "what": name,
                "precision": precision,
                "ms per clip": 1000 * best[name] / batch,
                "GFLOP per clip": encoder.operations / batch / 1e9,
                "GFLOP/s": rate / 1e9,
            }
        )
        aim = AIMS[precision] if name.startswith("XKD") else None
        report.ratios.append(Ratio(f"{name}, {precision}: share of the matmul rate", rate / machine, at_least=aim))
    speed = best["VideoMAE"] / best["XKD video"]
    report.ratios.append(Ratio(f"XKD video, {precision}: speed against VideoMAE", speed, at_least=1.0))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="base", help="preset of the encoders")
    parser.add_argument("--batch", type=int, default=8, help="clips per forward")
    parser.add_argument("--repeats", type=int, default=10, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with reporting("encoder_forward") as report:
        report.settings = vars(arguments)
        candidates = encoders(arguments.size, arguments.batch)
        for precision in PRECISIONS:
            measure(report, candidates, precision, arguments.batch, arguments.repeats)


if __name__ == "__main__":
    main()
