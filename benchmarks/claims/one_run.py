"""One run of a claim, in whatever process it falls to."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import torch

from avzoo.pretraining.recipe import load_recipe

from .material import Material
from .runs import Figures, Reader, probed, shifted, train, untrained
from .store import Job
from .teacher import write_embeddings


def run(job: Job, root: Path) -> tuple[Figures, float, str]:
    """Trains and measures; figures, seconds of the processor, and what it ran on."""
    torch.set_num_threads(1)
    started = time.process_time()
    material = Material(root, job.condition, job.sizes)
    overrides = [*job.variant.settings(job.sizes, job.seed), *material.data(job.seed)]
    if job.variant.mismatch is not None:
        overrides.append(f"model.audio_embeddings={write_embeddings(material, job.seed, job.variant.mismatch)}")
    recipe = load_recipe(job.variant.recipe, overrides)
    model = untrained(recipe) if job.variant.untrained else train(recipe)
    reader = Reader(model, recipe, job.windows)
    figures = (shifted if job.protocol == "shifted" else probed)(reader, material, job.seed)
    machine = f"{platform.machine()}, one core, torch {torch.__version__}"
    return figures, time.process_time() - started, machine
