"""The card of a run: there at every save and at the end, and true to the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from tiny_runs import arguments, tiny_model
from toy_method import ToyConfig, ToyDataset, ToyForPreTraining
from transformers import TrainerCallback

from avzoo.pretraining.card_callback import CardCallback, hardware
from avzoo.pretraining.trainer import AVTrainer


class CardAtSave(TrainerCallback):
    """Keeps the card as it is whenever the run has been saved."""

    def __init__(self, path: Path) -> None:
        self.path, self.seen = path, {}

    def on_step_begin(self, args, state, control, **kwargs):
        if self.path.is_file():
            self.seen.setdefault(state.global_step, self.path.read_text())


def run(out: Path, resume: bool = False, **fields) -> tuple[AVTrainer, CardCallback, CardAtSave]:
    torch.manual_seed(0)
    card, kept = CardCallback(), CardAtSave(out / "README.md")
    settings = arguments(out, **{"save_steps": 5, "save_total_limit": 1, **fields})
    trainer = AVTrainer(ToyForPreTraining(ToyConfig()), settings, ToyDataset(), callbacks=[card, kept])
    trainer.train(resume_from_checkpoint=resume)
    return trainer, card, kept


def test_the_card_is_renewed_at_every_save_and_at_the_end(tmp_path):
    trainer, _, kept = run(tmp_path / "toy")
    assert {step: re.search(r"(\d+) steps", text)[1] for step, text in kept.seen.items() if step % 5 == 0} == {
        5: "5",
        10: "10",
        15: "15",
    }
    text = (tmp_path / "toy" / "README.md").read_text()
    assert f"{trainer.state.global_step} steps" in text and "# toy" in text
    last = [entry for entry in trainer.state.log_history if "loss" in entry][-1]
    for name in ("loss", "video_to_audio", "momentum"):
        assert f"| {name} | {last[name]:.4g} |" in text
    assert re.search(r"Environment: .* on 1 thread of a CPU \(\w+\); the energy it took was not measured", text)
    assert ModelCard(text).data.license is None
    assert not list((tmp_path / "toy").glob("*.tmp"))


def test_the_log_of_a_resumed_run_says_from_where(tmp_path):
    run(tmp_path, max_steps=10)
    trainer, card, _ = run(tmp_path, resume=True, max_steps=12)
    log = card.log(trainer.args, trainer.state)
    assert (log["steps"], log["resumed_at"]) == (12, 10)
    assert "(from step 10 on)" in (tmp_path / "README.md").read_text()


def test_a_pretraining_model_is_loaded_as_one(tmp_path, monkeypatch):
    trainer = AVTrainer(tiny_model(), arguments(tmp_path / "tiny"), ToyDataset())
    text = CardCallback().write(trainer.args, trainer.state, trainer.model).read_text()
    trainer.model.save_pretrained(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(snippet, "card", "exec"), names)
    assert type(names["encoder"]).__name__ == "XKDModel"


@pytest.mark.parametrize(("kind", "told"), [("cuda", "4 x a GPU"), ("cpu", "4 threads of a CPU"), ("mps", "4 x mps")])
def test_hardware_is_named(kind, told, monkeypatch):
    class Settings:
        device, world_size = torch.device(kind), 4

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert hardware(Settings()).startswith(told)
