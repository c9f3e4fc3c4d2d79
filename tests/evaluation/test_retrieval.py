from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.protocol import ByModality, Fold, Outcome
from avzoo.evaluation.retrieval import RETRIEVAL, RetrievalSettings, item_features

CLASSES = ("dog", "rain", "siren")


def clips(
    values: np.ndarray, labels: list[int] | np.ndarray, per_item: int = 1, names: list[str] | None = None
) -> ClipValues:
    """Clips in the order of their items."""
    count = len(labels)
    items = Items(tuple(names or [f"item {number}" for number in range(count)]), np.asarray(labels), CLASSES)
    item = np.repeat(np.arange(count), per_item)
    clip = np.tile(np.arange(per_item), count)
    return ClipValues(items, np.asarray(values, np.float32), item, clip, np.zeros_like(clip))


def at(*degrees: float) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def outcome(train: ByModality, test: ByModality, modality: str = "video", **settings: object) -> Outcome:
    return RETRIEVAL.run(Fold("", train, test), modality, RetrievalSettings.model_validate(settings))


def test_test_items_search_the_training_items() -> None:
    train = {"video": clips(at(0, 20, 90, 100), [0, 1, 1, 2])}
    # From 5: 0 (right). From 15: 20, then 0 (second). From 104: 100 (right).
    test = {"video": clips(at(5, 15, 104), [0, 0, 2])}
    found = outcome(train, test, ks=(1, 2))
    assert found.figures["R@1"] == pytest.approx(2 / 3)
    assert found.figures["R@2"] == 1
    assert found.figures["median rank"] == 1
    assert found.figures["mAP"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.figures["chance R@1"] == pytest.approx(0.25)
    assert found.details == {"queries": 3, "gallery": 4}
    assert not any(name.startswith("to ") for name in found.figures)


def test_predictions_are_the_classes_of_the_nearest_items() -> None:
    train = {"video": clips(at(0, 20, 90), [0, 1, 1])}
    found = outcome(train, {"video": clips(at(5, 15, 80), [0, 0, 1])}, ks=(1,))
    assert found.predictions is not None
    assert found.predictions.scores.argmax(axis=1).tolist() == [0, 1, 1]
    assert found.predictions.scores[0] == pytest.approx([*np.cos(np.deg2rad([5, 15])), -1])


def test_test_items_search_each_other_and_not_themselves() -> None:
    test = {"video": clips(at(0, 10, 50, 55, 170), [0, 0, 1, 0, 2])}
    found = outcome({}, test, gallery="test", ks=(1,))
    # 0 and 10 find each other, 50 is alone in its class, 55 is nearest to 50, 170 is alone.
    assert found.figures["R@1"] == pytest.approx(2 / 3)
    assert found.details == {"queries": 3, "gallery": 4}
    assert found.warnings == ("2 test items have no item of their class to find and did not ask",)
    assert found.item_figures is not None
    assert found.item_figures.values["R@1"] == pytest.approx([1, 1, np.nan, 0, np.nan], nan_ok=True)
    assert np.nanmean(found.item_figures.values["mAP"]) == pytest.approx(found.figures["mAP"])
    assert found.predictions is not None
    assert found.predictions.scores[2, 1] == -1
    assert found.predictions.scores.argmax(axis=1).tolist() == [0, 0, 0, 1, 0]


def test_clips_are_averaged_as_they_are_unless_asked() -> None:
    # A long clip to the east outweighs a short one to the north; at equal lengths the mean lies between them.
    values = clips(np.array([[9.0, 0], [0, 1]]), [0], per_item=2)
    assert item_features(values) == pytest.approx(np.array([[4.5, 0.5]]))
    assert item_features(values, unit_clips=True) == pytest.approx(np.array([[0.5, 0.5]]))
    train = {"video": clips(at(0, 45), [0, 1])}
    test = {"video": clips(np.array([[9.0, 0], [0, 1]]), [1], per_item=2)}
    assert outcome(train, test, ks=(1,)).figures["R@1"] == 0
    assert outcome(train, test, ks=(1,), unit_clips=True).figures["R@1"] == 1


def test_centring_takes_off_what_all_share() -> None:
    offset = np.array([50.0, 50.0])
    train = {"video": clips(at(0, 90, 180, 270) + offset, [0, 1, 2, 1])}
    # Beside the offset the difference of lengths decides: 180 and 270 lie on the far sides of the ray.
    test = {"video": clips(3 * at(10, 95, 170) + offset, [0, 1, 2])}
    assert outcome(train, test, ks=(1,), centre=True).figures["R@1"] == 1
    assert outcome(train, test, ks=(1,)).figures["R@1"] < 1


def both(video: np.ndarray, audio: np.ndarray, labels: list[int], ending: str = "") -> dict[str, ClipValues]:
    return {f"video{ending}": clips(video, labels), f"audio{ending}": clips(audio, labels)}


def test_across_modalities_by_instance_and_by_class() -> None:
    labels = [0, 0, 1, 2]
    train = both(at(0, 90), np.ones((2, 3)), [0, 1]) | both(at(2, 91), at(3, 90), [0, 1], "_projection")
    test = both(at(0, 5, 90, 95), np.ones((4, 3)), labels) | both(
        at(0, 10, 90, 180), at(11, 1, 95, 185), labels, "_projection"
    )
    found = outcome(train, test, ks=(1, 2))
    # Sounds at 11, 1, 95, 185 for pictures at 0, 10, 90, 180: the first two find each other's first.
    assert found.figures["to audio instance R@1"] == 0.5
    assert found.figures["to audio instance median rank"] == 1.5
    assert found.figures["to audio instance chance R@1"] == 0.25
    assert found.figures["to audio class R@1"] == 1
    assert found.details["to audio instance queries"] == 4
    swapped = outcome(train, test, "audio", ks=(1,))
    assert swapped.figures["to video instance R@1"] == 0.5
    assert outcome(train, test, "audio_projection", ks=(1,)).figures["to video instance R@1"] == 0.5


def test_items_with_one_modality_are_left_out_across() -> None:
    test = {
        "video_projection": clips(at(0, 90, 45), [0, 1, 2], names=["a", "b", "c"]),
        "audio_projection": clips(at(1, 91, 46), [1, 0, 0], names=["b", "a", "d"]),
    }
    found = outcome(test, test, "video_projection", ks=(1,))
    assert found.figures["to audio instance R@1"] == 0  # a sounds at 91, b at 1
    assert found.details["to audio instance queries"] == 2
    assert found.item_figures is not None
    assert found.item_figures.values["to audio instance R@1"] == pytest.approx([0, 0, np.nan], nan_ok=True)
    assert found.item_figures.values["to audio class R@1"] == pytest.approx([0, 0, np.nan], nan_ok=True)
    assert any("2 test items have only one of video_projection and audio_projection" in w for w in found.warnings)


def test_features_are_compared_across_only_when_asked() -> None:
    test = both(at(0, 90), at(1, 91), [0, 1])
    assert "to audio instance R@1" not in outcome(test, test, ks=(1,)).figures
    assert outcome(test, test, ks=(1,), across="features").figures["to audio instance R@1"] == 1
    wide = {"video": test["video"], "audio": clips(np.ones((2, 3)), [0, 1])}
    with pytest.raises(EvaluationError, match="2 and 3 dimensions"):
        outcome(wide, wide, across="features")


def test_centring_across_is_each_modality_by_itself() -> None:
    test = both(at(0, 90, 200) + 30, at(1, 91, 201) - [60, 20], [0, 1, 2])
    assert outcome(test, test, ks=(1,), across="features").figures["to audio instance R@1"] < 1
    assert outcome(test, test, ks=(1,), across="features", centre=True).figures["to audio instance R@1"] == 1


def test_items_of_several_classes_are_found_by_any() -> None:
    labels = np.array([[True, True, False], [False, True, True]])
    train = {"video": clips(at(0, 90), labels)}
    found = outcome(train, {"video": clips(at(1, 89), labels[::-1])}, ks=(1,))
    assert found.figures["R@1"] == 1 and found.predictions is None


def test_presets_are_settings() -> None:
    assert {name: RetrievalSettings.model_validate(values).ks for name, values in RETRIEVAL.presets.items()} == {
        "crisscross": (1, 5, 20),
        "ccl": (1, 5, 10),
    }
    with pytest.raises(ValidationError):
        RetrievalSettings(ks=(0,))


def test_what_cannot_be_searched_is_named() -> None:
    test = {"video": clips(at(0), [0])}
    with pytest.raises(EvaluationError, match="no video of the train part"):
        outcome({}, test)
    with pytest.raises(EvaluationError, match="at least two items"):
        outcome({}, test, gallery="test")
    other = clips(at(0), [0])
    renamed = ClipValues(Items(other.items.names, other.items.labels, ("x",)), *list(vars(other).values())[1:])
    with pytest.raises(EvaluationError, match="different classes"):
        outcome({"video": renamed}, test)
