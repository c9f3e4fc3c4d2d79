from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from avzoo.evaluation.finetuning.rand_augment import OPERATIONS, RandAugmentPolicy, rand_augment

#: timm's names of our operations.
OFFICIAL = {
    "auto contrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
    "rotate": "Rotate",
    "posterize": "PosterizeIncreasing",
    "solarize": "SolarizeIncreasing",
    "solarize add": "SolarizeAdd",
    "color": "ColorIncreasing",
    "contrast": "ContrastIncreasing",
    "brightness": "BrightnessIncreasing",
    "sharpness": "SharpnessIncreasing",
    "shear x": "ShearX",
    "shear y": "ShearY",
    "translate x": "TranslateXRel",
    "translate y": "TranslateYRel",
}
GEOMETRY = ("rotate", "shear x", "shear y", "translate x", "translate y")


def frames(count: int = 2, height: int = 40, width: int = 56) -> torch.Tensor:
    """A smooth picture with some contrast: edges would only measure how the two interpolate."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (count, 3, 4, 5), generator=generator).float()
    return F.resize(coarse, [height, width]).to(torch.uint8)


def test_the_operations_are_those_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    timm: Any = pytest.importorskip("timm.data.auto_augment")
    from PIL import Image

    assert sorted(OFFICIAL.values()) == sorted(timm._RAND_INCREASING_TRANSFORMS)
    assert list(OFFICIAL) == list(OPERATIONS)
    clip = frames()
    for name, official in OFFICIAL.items():
        for level in (0.0, 0.35, 0.7, 1.0):
            for sign in (1.0, -1.0):
                monkeypatch.setattr(timm, "_randomly_negate", lambda value, sign=sign: sign * value)
                hparams = {"img_mean": (128, 128, 128), "interpolation": Image.Resampling.BILINEAR}
                operation = timm.AugmentOp(official, 1.0, 10 * level, hparams)
                expected = [F.pil_to_tensor(operation(F.to_pil_image(frame))) for frame in clip]
                signed = name in GEOMETRY or name in ("color", "contrast", "brightness", "sharpness")
                made = OPERATIONS[name](clip, sign * level if signed else level)
                difference = (made.int() - torch.stack(expected).int()).abs()
                assert made.dtype == torch.uint8
                if name in GEOMETRY:  # PIL leaves out what interpolates with the outside, torchvision fades there
                    inner = difference.float().flatten()
                    assert inner.median() <= 1 and (inner > 3).float().mean() < 0.08, (name, level, sign)
                else:
                    assert difference.max() <= 1, (name, level, sign)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("rand-m7-n4-mstd0.5-inc1", RandAugmentPolicy(7, 0.5, 4)),
        ("rand-m9-mstd0.05-inc1", RandAugmentPolicy(9, 0.05, 2)),
        ("rand-m9-n1-p1-inc1", RandAugmentPolicy(9, 0.0, 1, 1.0)),
    ],
)
def test_policies_are_written_as_timm_writes_them(text: str, policy: RandAugmentPolicy) -> None:
    assert RandAugmentPolicy.parse(text) == policy


@pytest.mark.parametrize("text", ["rand-m7", "auto-m7-inc1", "rand-m11-inc1", "rand-m7-inc0", "rand-mmax9-inc1", ""])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rand"):
        RandAugmentPolicy.parse(text)


def test_all_frames_change_alike_and_seeds_decide() -> None:
    policy = RandAugmentPolicy.parse("rand-m7-n4-mstd0.5-inc1")
    still = frames(1).expand(5, -1, -1, -1)
    changed = 0
    for seed in range(30):
        made = rand_augment(still, policy, torch.Generator().manual_seed(seed))
        assert all(torch.equal(frame, made[0]) for frame in made), seed
        assert torch.equal(made, rand_augment(still, policy, torch.Generator().manual_seed(seed)))
        changed += not torch.equal(made, still)
    # None of four operations is applied in 1 of 16.
    assert 22 <= changed < 30
