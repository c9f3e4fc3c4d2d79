"""What pretraining on the generated set is worth: ``python -m benchmarks.nano_synth [ROOT] [--seeds 3]``.

Trains the packaged recipe ``xkd_nano_synth`` once per seed, and beside it the same recipe with the masked autoencoders
alone (no distillation, no alignment), through the same code as ``avzoo pretrain``; interrupted runs go on where they
were. Both, and random weights, are measured on clips of the test split that no run has seen: a linear probe and
retrieval by class within each modality, and retrieval across modalities by instance and by class. ROOT (default
``runs/nano_synth``) receives data and runs; the figures go to ``benchmarks/results/nano_synth.json``, from which the
model card is made.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import date
from pathlib import Path
from statistics import mean, stdev
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

import avzoo
from avzoo.data.synthetic import SyntheticDataset, write_set
from avzoo.evaluation.metrics import class_retrieval, cross_modal_retrieval, effective_rank
from avzoo.evaluation.probes import linear_probe
from avzoo.media import Clip
from avzoo.models.modeling_xkd import XKDModel
from avzoo.pretraining.data_sections import SyntheticSection
from avzoo.pretraining.recipe import Recipe, load_recipe
from avzoo.pretraining.run import pretrain

RECIPE = "xkd_nano_synth"
RESULTS = Path(__file__).parent / "results" / "nano_synth.json"
PROBE_CLIPS, TEST_CLIPS = 1024, 512

#: Method -> what it changes in the recipe; None is a model that is not trained.
METHODS: dict[str, list[str] | None] = {
    "XKD": [],
    "masked autoencoders alone": [
        "model.objective.distillation_weight=0",
        "model.objective.alignment_weight=0",
    ],
    "random weights": None,
}

Embedded = dict[str, NDArray[np.float32]]


def recipe_of(method: str, seed: int, data: Path) -> Recipe:
    """The recipe of one run."""
    return load_recipe(RECIPE, [*(METHODS[method] or []), f"seed={seed}", f"data.path={data}"])


def encoder_folder(method: str, seed: int, root: Path) -> Path:
    """Trains (or goes on training) one model and returns the folder of its encoder."""
    recipe = recipe_of(method, seed, root / "data")
    out = root / f"{method.replace(' ', '_')}_{seed}"
    if METHODS[method] is not None:
        return pretrain(recipe, out, resume=True).encoder
    torch.manual_seed(seed)
    XKDModel(recipe.model.config().model_config).save_pretrained(out)
    recipe.model.processor(recipe.views, recipe.data.fps).save_pretrained(out)
    return out


def embed(encoder: avzoo.Encoder, clips: SyntheticDataset, count: int) -> Embedded:
    """Embeddings of the first ``count`` clips, ``(count, D)`` by name."""
    batches = []
    for start in range(0, count, 32):
        samples = [clips[index][0] for index in range(start, min(start + 32, count))]
        batches.append(
            encoder.embed_clips([Clip(start=0.0, end=4.0, frames=s["frames"], samples=s["samples"]) for s in samples])
        )
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def measure(folder: Path, train: SyntheticDataset, test: SyntheticDataset) -> dict[str, float]:
    """Every figure of one model, as shares in [0, 1]."""
    encoder = avzoo.load(folder, device="cpu")
    fitted, seen = embed(encoder, train, PROBE_CLIPS), embed(encoder, test, TEST_CLIPS)
    fit_labels, labels = train.labels[:PROBE_CLIPS], test.labels[:TEST_CLIPS]
    figures: dict[str, float] = {}
    for name in ("video", "audio", "joint"):
        figures[f"{name} linear probe"] = linear_probe(fitted[name], fit_labels, seen[name], labels).accuracy
        figures[f"{name} to {name} R@1 (class)"] = class_retrieval(seen[name], labels).recall[1]
        figures[f"{name} effective rank"] = effective_rank(seen[name])
    for query, gallery in (("video", "audio"), ("audio", "video")):
        sides = seen[f"{query}_projection"], seen[f"{gallery}_projection"]
        instance = cross_modal_retrieval(*sides)
        figures[f"{query} to {gallery} R@1 (instance)"] = instance.recall[1]
        figures[f"{query} to {gallery} R@10 (instance)"] = instance.recall[10]
        figures[f"{query} to {gallery} median rank"] = instance.median_rank
        figures[f"{query} to {gallery} R@1 (class)"] = cross_modal_retrieval(*sides, labels=labels).recall[1]
    return figures


def run(root: Path, seeds: int) -> dict[str, Any]:
    """Trains and measures everything; returns what is written."""
    data = cast(SyntheticSection, recipe_of("XKD", 0, root / "data").data)
    for split, count in (("train", data.count), ("test", TEST_CLIPS)):
        write_set(root / "data", count, data.spec, data.seed, split, workers=2)
    train, test = (
        SyntheticDataset(root / "data", split, avzoo.load(encoder_folder("random weights", 0, root)).clip_spec())
        for split in ("train", "test")
    )
    runs: dict[str, list[dict[str, float]]] = {}
    for method in METHODS:
        runs[method] = [measure(encoder_folder(method, seed, root), train, test) for seed in range(seeds)]
    summary = {
        method: {
            name: {"mean": mean(values), "deviation": stdev(values) if seeds > 1 else 0.0}
            for name in figures[0]
            for values in [[figure[name] for figure in figures]]
        }
        for method, figures in runs.items()
    }
    return {
        "recipe": RECIPE,
        "clips": {"probe": PROBE_CLIPS, "test": TEST_CLIPS, "pretraining": data.count},
        "chance": {"class": 1 / 16, "instance": 1 / TEST_CLIPS},
        "seeds": seeds,
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, CPU",
        "summary": summary,
        "runs": runs,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path("runs/nano_synth"))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    results = run(arguments.root.resolve(), arguments.seeds)
    RESULTS.parent.mkdir(exist_ok=True)
    partial = RESULTS.with_suffix(".tmp")
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    partial.replace(RESULTS)
    print(json.dumps(results["summary"], indent=1))


if __name__ == "__main__":
    main()
