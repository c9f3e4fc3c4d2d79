"""What a training step of every method costs, beside the same methods written with lightly.

``python -m benchmarks.method_steps``: the released recipes at their released sizes but for the batch, each in a process
of its own: forward, backward, optimizer, moving average. Where lightly has the parts of a method, a process with these
takes turns with ours, on the same encoder and views.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.common import Ratio, Report, cores, in_turn, reporting
from benchmarks.step_process import Process, Step, process

#: Recipes and what differs from them: teachers of CCL that have learned nothing cost what others do.
RECIPES: dict[str, tuple[str, ...]] = {
    "xkd_kinetics400_released": (),
    "crisscross_kinetics400_released": (),
    "xdc_kinetics400_paper": (),
    "ccl_ucf51_ai_released": (
        "model.audio_teacher=random",
        "model.image_teacher=random",
        "model.objective.num_classes=16",
    ),
    **{f"vssl_{method}_kinetics400_released": () for method in ("simclr", "moco", "byol", "simsiam", "dino", "mae")},
    "vssl_supervised_kinetics400_ours": ("model.objective.num_classes=16",),
}


def ours(name: str, overrides: Sequence[str], batch: int, folder: Path) -> Callable[[], Step]:
    """The views of a recipe in a process; what it returns makes the model and its step."""
    import torch

    from avzoo.data.pretraining_dataset import PretrainingDataset, collate
    from avzoo.data.synthetic import SyntheticDataset
    from avzoo.pretraining.modeling_xdc_pretraining import XDCForPreTraining
    from avzoo.pretraining.recipe import load_recipe
    from avzoo.pretraining.run import arguments_of, clip_request
    from benchmarks.training_steps import AVZooStep, state_bytes

    recipe = load_recipe(name, [*overrides, "training.use_cpu=true", "training.fp16=false"])
    spec, windows = clip_request(recipe)
    clips = SyntheticDataset(folder, "train", spec, 0, windows=windows)
    data = PretrainingDataset(clips, recipe.model.pipeline(recipe.views), 0)
    inputs = collate([data[index] for index in range(batch)])

    def made() -> Step:
        model = recipe.model.model().train()
        if isinstance(model, XDCForPreTraining):
            model.prepare(batch)
            model.assign({name: torch.arange(batch) for name in model.config.clusterings}, seed=0)
        with tempfile.TemporaryDirectory() as out:
            step = AVZooStep(model, arguments_of(recipe, Path(out), quiet=True), bf16=False)
        return lambda: step(inputs), lambda: state_bytes(step)

    return made


def lightlys(name: str, overrides: Sequence[str], batch: int, folder: Path) -> Callable[[], Step]:
    """Views of the same shape, the same encoder and sizes of heads, with the parts of lightly."""
    import torch

    from avzoo.pretraining.configuration_vssl_pretraining import VSSLPreTrainingConfig
    from avzoo.pretraining.recipe import load_recipe
    from benchmarks.lightly_steps import LightlyStep
    from benchmarks.training_steps import state_bytes

    recipe = load_recipe(name, overrides)
    config = recipe.model.config()
    if not isinstance(config, VSSLPreTrainingConfig):
        raise TypeError(f"lightly has no parts of {name}")
    encoder = config.model_config
    views = torch.randn(batch, 2, encoder.num_frames, 3, encoder.image_size, encoder.image_size)

    def made() -> Step:
        step = LightlyStep(config, {"lr": 1e-4, "weight_decay": 0.05, "betas": (0.9, 0.95)})
        return lambda: step(views), lambda: state_bytes(step)

    return made


def measure(
    report: Report, recipes: dict[str, tuple[str, ...]], batch: int, threads: int, repeats: int, folder: Path
) -> None:
    """Adds the figures of some recipes."""
    for name, overrides in recipes.items():
        makers = {"avzoo": ours}
        if find_spec("lightly") is not None and any(f"vssl_{method}_" in name for method in _lightly_methods()):
            makers["lightly"] = lightlys
        with ExitStack() as stack:
            running: dict[str, Process] = {
                who: stack.enter_context(process(partial(make, name, overrides, batch, folder), threads))
                for who, make in makers.items()
            }
            samples = in_turn({who: one.step for who, one in running.items()}, repeats)
        fastest = {who: min(times) for who, times in samples.items()}
        for who, one in running.items():
            report.samples[f"{name}: {who}"] = samples[who]
            report.measurements.append(
                {
                    "recipe": name,
                    "step": who,
                    "steps/s": 1 / fastest[who],
                    "clips/s": batch / fastest[who],
                    "peak GiB": one.taken[-1].peak / 2**30,
                    "of it state GiB": one.taken[-1].state / 2**30,
                }
            )
        if "lightly" in running:
            peaks = {who: one.taken[-1].peak for who, one in running.items()}
            report.ratios.append(Ratio(f"{name}: speed against lightly", fastest["lightly"] / fastest["avzoo"]))
            report.ratios.append(Ratio(f"{name}: peak memory against lightly", peaks["avzoo"] / peaks["lightly"]))


def _lightly_methods() -> tuple[str, ...]:
    from benchmarks.lightly_steps import METHODS

    return METHODS


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--batch", type=int, default=4, help="clips per step")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    from avzoo.data.synthetic import SyntheticSpec, write_set

    with reporting("method_steps") as report, tempfile.TemporaryDirectory() as folder:
        report.settings = vars(arguments)
        write_set(Path(folder), arguments.batch, SyntheticSpec(size=128, fps=30.0, duration=6.0))
        recipes = {name: RECIPES[name] for name in arguments.recipes}
        measure(report, recipes, arguments.batch, arguments.threads, arguments.repeats, Path(folder))
        if find_spec("lightly") is None:
            report.notes.append("lightly is not installed: nothing is compared (pip install lightly)")
        report.notes.append("lightly has no parts for MoCo v3, for masked autoencoders of clips, nor for sound.")


if __name__ == "__main__":
    main()
