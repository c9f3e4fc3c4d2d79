"""Multiply-adds per second of the ConvNet encoders beside torchvision's: ``python -m benchmarks.convnet_forward``.

Each encoder embeds clips or spectrograms of its official size; torchvision's `r2plus1d_18` and `resnet18` are given the
same number of the same size, spectrograms on three planes. All do so in single precision and in bfloat16 autocast, with
weights in either memory order. Networks differ in their number of multiply-adds, so that what is compared is how many a
second they do; those are the ones of convolutions and matrix products, as counted by torch.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18
from torchvision.models.video import r2plus1d_18
from transformers import AutoModel, PreTrainedConfig

from avzoo.models.configuration_ccl import CCLVideoConfig
from avzoo.models.configuration_cnn14 import CNN14Config
from avzoo.models.configuration_crisscross import CrissCrossAudioConfig, CrissCrossVideoConfig
from avzoo.models.configuration_xdc import XDCAudioConfig, XDCVideoConfig
from benchmarks.common import Ratio, Report, cores, in_turn, reporting, seconds_of

#: Precision and memory order; the first is what a user has who asks for nothing.
VARIANTS = {
    "fp32": (False, False),
    "fp32, channels-last": (False, True),
    "bf16": (True, False),
    "bf16, channels-last": (True, True),
}
PLAIN, *FASTER = VARIANTS


class Case(NamedTuple):
    """An encoder at one of its official sizes.

    Attributes:
        name: Its name in the table.
        config: Its configuration.
        size: Size of its input: `(T, C, H, W)` of clips, `(1, mel, frames)` of spectrograms.
        alike: Whether torchvision's network is built of the same blocks, so that it should be no faster.
    """

    name: str
    config: PreTrainedConfig
    size: tuple[int, ...]
    alike: bool = False


CASES = (
    Case("CrissCross video", CrissCrossVideoConfig(), (8, 3, 112, 112)),
    Case("CrissCross video", CrissCrossVideoConfig(), (8, 3, 224, 224)),
    Case("XDC video", XDCVideoConfig(), (32, 3, 224, 224), alike=True),
    Case("CCL video", CCLVideoConfig(), (16, 3, 112, 112), alike=True),
    Case("CrissCross audio", CrissCrossAudioConfig(), (1, 80, 200), alike=True),
    Case("XDC audio", XDCAudioConfig(), (1, 40, 100)),
    Case("CNN14", CNN14Config(), (1, 64, 1000)),
)


class Network(NamedTuple):
    """What is measured.

    Attributes:
        name: Its name and its input.
        models: The model in either memory order.
        batch: Its input.
        macs: Multiply-adds of one example.
    """

    name: str
    models: dict[bool, nn.Module]
    batch: torch.Tensor
    macs: int


def networks(case: Case, gmacs: float) -> tuple[Network, Network]:
    """An encoder and the network of torchvision that it is compared with.

    Args:
        case: The encoder.
        gmacs: 10^9 multiply-adds that the network of torchvision does at once, with one example at least.
    """
    clips = len(case.size) == 4
    make_peer: Callable[[], nn.Module] = r2plus1d_18 if clips else resnet18
    shape = (3, case.size[0], *case.size[2:]) if clips else (3, *case.size[1:])
    peer_macs = macs_of(make_peer, shape)
    examples = max(1, round(1e9 * gmacs / peer_macs))
    named = " x ".join(map(str, case.size if clips else case.size[1:]))

    def network(name: str, make: Callable[[], nn.Module], size: Sequence[int], macs: int) -> Network:
        plain = make().eval()
        last: Any = torch.channels_last_3d if clips else torch.channels_last
        models = {False: plain, True: copy.deepcopy(plain).to(memory_format=last)}
        return Network(f"{name}, {named}", models, torch.randn(examples, *size), macs)

    def make_encoder() -> nn.Module:
        return AutoModel.from_config(case.config)

    ours = network(case.name, make_encoder, case.size, macs_of(make_encoder, case.size))
    return ours, network("r2plus1d_18" if clips else "resnet18", make_peer, shape, peer_macs)


def macs_of(make: Callable[[], nn.Module], size: Sequence[int]) -> int:
    """Multiply-adds that a network spends on one example."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        make().eval()(torch.zeros(1, *size))
    return int(counter.get_total_flops()) // 2


@torch.inference_mode()
def measure(report: Report, cases: Sequence[Case], gmacs: float, repeats: int) -> None:
    """Adds the figures of some encoders and of their peers."""
    pairs = [networks(case, gmacs) for case in cases]
    everything = {network.name: network for pair in pairs for network in pair}

    def forward(network: Network, variant: str) -> Callable[[], float]:
        half, last = VARIANTS[variant]
        model = network.models[last]

        def run() -> float:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                return seconds_of(lambda: model(network.batch))

        return run

    actions = {
        f"{name}, {variant}": forward(network, variant) for name, network in everything.items() for variant in VARIANTS
    }
    in_turn(actions, 1)  # warms up
    report.samples |= in_turn(actions, repeats)
    rates: dict[str, dict[str, float]] = {}
    for name, network in everything.items():
        work = network.macs * len(network.batch) / 1e9
        rates[name] = {variant: work / min(report.samples[f"{name}, {variant}"]) for variant in VARIANTS}
        row = {"what": name, "batch": len(network.batch), "GMAC": network.macs / 1e9}
        report.measurements.append(row | {f"GMAC/s {variant}": rate for variant, rate in rates[name].items()})
    for case, (ours, peer) in zip(cases, pairs, strict=True):
        own, theirs = rates[ours.name], rates[peer.name]
        aim = 1.0 if case.alike else None
        against = peer.name.partition(",")[0]
        plain = own[PLAIN] / theirs[PLAIN]
        best = max(own.values()) / max(theirs.values())
        report.ratios.append(Ratio(f"{ours.name}: GMAC/s against {against}, {PLAIN}", plain, at_least=aim))
        report.ratios.append(Ratio(f"{ours.name}: GMAC/s against {against}, best of both", best, at_least=aim))
        for variant in FASTER:
            report.ratios.append(Ratio(f"{ours.name}: gain of {variant}", own[variant] / own[PLAIN]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gmacs", type=float, default=80, help="10^9 multiply-adds per forward of torchvision's")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with reporting("convnet_forward") as report:
        report.settings = vars(arguments)
        measure(report, CASES, arguments.gmacs, arguments.repeats)


if __name__ == "__main__":
    main()
