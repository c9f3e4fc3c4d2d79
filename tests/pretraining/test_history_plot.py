"""The picture of a run: what is on it, and when it is drawn."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from tiny_runs import arguments
from toy_method import ToyConfig, ToyDataset, ToyForPreTraining

from avzoo.pretraining.history_plot import panels, plot_history
from avzoo.pretraining.stops import TrainingDiverged
from avzoo.pretraining.trainer import AVTrainer

LEVELS = {"spread": 0.01, "rank": 0.05, "gap": 1e-4}


def entry(step: int, **more: float) -> dict[str, float]:
    return {"step": step, "epoch": 0.1, "loss": 1.0 / step, "part_one": 2.0, "learning_rate": 0.1, **more}


def test_loss_parts_come_first_and_measures_of_a_kind_share_axes():
    history = [entry(1, spread_student_video=0.5), entry(2, spread_student_video=0.4, spread_student_audio=0.3)]
    history += [{"step": 2, "probe_video": 0.2, "probe_audio": 0.1}, {"step": 2, "train_runtime": 3.0}]
    shown = panels(history, ["loss", "part_one"], LEVELS)
    assert [panel.title for panel in shown[:2]] == ["loss", "part one"]
    (spread,) = [panel for panel in shown if "spread" in panel.title]
    assert set(spread.curves.values()) == {"spread_student_video", "spread_student_audio"} and spread.level == 0.01
    (probe,) = [panel for panel in shown if "probe" in panel.title]
    assert set(probe.curves) == {"video", "audio"} and probe.level is None
    assert shown[-1].title == "learning rate" and len(shown) == 5


@pytest.mark.parametrize("count", [1, 10, 200])
def test_a_picture_is_drawn_whatever_the_length(tmp_path, count):
    history = [entry(step, rank_student_video=0.3, spread_student_video=0.2) for step in range(1, count + 1)]
    plot_history(history, tmp_path / "run.png", ["loss", "part_one"], LEVELS, "a run")
    picture = Image.open(tmp_path / "run.png")
    assert picture.size[0] == 1600 and len(picture.convert("RGB").getcolors(2**24)) > 10
    assert [path.name for path in tmp_path.iterdir()] == ["run.png"]


def test_nothing_logged_is_nothing_drawn(tmp_path):
    plot_history([{"step": 3, "train_runtime": 1.0}], tmp_path / "run.png", ["loss"], LEVELS, "a run")
    assert not list(tmp_path.iterdir())


def test_a_run_leaves_its_picture_at_the_end_and_where_it_diverges(tmp_path):
    AVTrainer(ToyForPreTraining(ToyConfig()), arguments(tmp_path / "good"), ToyDataset()).train()
    assert (tmp_path / "good" / "training.png").is_file()

    class Exploding(ToyDataset):
        def __getitem__(self, index):
            return {name: value * float("inf") for name, value in super().__getitem__(index).items()}

    trainer = AVTrainer(ToyForPreTraining(ToyConfig()), arguments(tmp_path / "bad"), Exploding())
    with pytest.raises(TrainingDiverged):
        trainer.train()
    assert (tmp_path / "bad" / "training.png").is_file()
    json.dumps(trainer.state.log_history)
