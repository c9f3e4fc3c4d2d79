"""Audio augmentations: the arithmetic against the original, the draws against their ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avzoo.data import augment_audio as augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["inside", "full", "edge"])
def test_resize_crop_matches_the_original(parity: Callable[[str], Any], name: str) -> None:
    case = parity("xkd/spec_augment")
    box = case.spec["scalars"][f"rrc.{name}"]
    cropped = augment.resize_crop(case.inputs["spec"], box["i_freq"], box["j_time"], box["h_freq"], box["w_time"])
    torch.testing.assert_close(cropped, case.expected[f"rrc.{name}"], atol=1e-5, rtol=0)


def test_resize_crop_matches_that_of_crisscross(parity: Callable[[str], Any]) -> None:
    case = parity("crisscross/audio_rrc")
    entry = case.spec["input"]
    spec = case.fill.seeded_array(entry["name"], entry["shape"], entry["scale"])
    cropped = augment.resize_crop(spec, *case.config["crop_ijhw"])
    torch.testing.assert_close(cropped, case.expected["out"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["a", "b"])
def test_time_warp_matches_the_original(parity: Callable[[str], Any], name: str) -> None:
    case = parity("xkd/spec_augment")
    drawn = case.spec["scalars"][f"timewarp.{name}"]
    warped = augment.time_warp(case.inputs["spec"], drawn["center"], drawn["warped_len"])
    torch.testing.assert_close(warped, case.expected[f"timewarp.{name}"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "axis"), [("freq", -2), ("time", -1)])
def test_masks_match_the_original(parity: Callable[[str], Any], name: str, axis: int) -> None:
    case = parity("xkd/spec_augment")
    drawn = case.spec["scalars"][f"mask.{name}"]
    spec = case.inputs["spec"].clone()
    masked = augment.mask_bands(spec, drawn["widths"], drawn["starts"], axis)
    torch.testing.assert_close(masked, case.expected[f"mask.{name}"], atol=1e-6, rtol=0)
    assert torch.equal(spec, case.inputs["spec"])


def test_volume() -> None:
    factors = torch.stack([augment.random_volume(torch.ones(1), 0.2, generator(seed)) for seed in range(200)])
    assert 0.8 <= factors.min() < 0.83 and 1.17 < factors.max() < 1.2


def test_random_resize_crop_draws_boxes_in_range(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = []
    monkeypatch.setattr(augment, "resize_crop", lambda spec, *box: boxes.append(box))
    source = generator()
    for _ in range(300):
        augment.random_resize_crop(torch.zeros(1, 80, 112), source)
    tops, lefts, heights, widths, _ = zip(*boxes, strict=True)
    assert min(heights) in range(48, 52) and max(heights) == 80
    assert sum(height == 80 for height in heights) / 300 == pytest.approx(0.5 / 0.9, abs=0.1)  # cut off at 80
    assert min(widths) in range(67, 72) and max(widths) in range(160, 169)
    assert all(top + height <= 80 for top, height in zip(tops, heights, strict=True))
    assert all(left + width <= 168 for left, width in zip(lefts, widths, strict=True))
    assert max(tops) > 10 and max(lefts) > 50


def test_random_time_warp_and_masks_stay_inside() -> None:
    spec = torch.rand(1, 80, 112, generator=generator())
    for seed in range(50):
        assert augment.random_time_warp(spec, generator(seed)).shape == spec.shape
        masked = augment.random_mask(spec, -1, 20, generator(seed))
        columns = (masked != spec).any(dim=1).sum()
        assert columns <= 38
    assert augment.random_time_warp(spec[..., :40], generator()) is not None
    assert torch.equal(augment.random_time_warp(spec[..., :40], generator()), spec[..., :40])
    widest = augment.random_mask(spec[:, :5], -2, 20, generator())
    assert widest.shape == (1, 5, 112)


def test_draws_depend_on_the_generator_alone() -> None:
    spec = torch.rand(1, 80, 112, generator=generator())
    first = augment.random_resize_crop(spec, generator(3))
    assert torch.equal(first, augment.random_resize_crop(spec, generator(3)))
    assert not torch.equal(first, augment.random_resize_crop(spec, generator(4)))


PRIMITIVES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "volume": lambda spec: augment.random_volume(spec, 0.2, generator(1)),
    "resize crop": lambda spec: augment.random_resize_crop(spec, generator(1)),
    "time warp": lambda spec: augment.random_time_warp(spec, generator(1), 10),
    "mel mask": lambda spec: augment.random_mask(spec, -2, 10, generator(1)),
    "time mask": lambda spec: augment.random_mask(spec, -1, 20, generator(1)),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_batches_are_changed_as_their_sounds_are(name: str) -> None:
    specs = torch.randn(3, 2, 1, 40, 50, generator=generator())
    together = PRIMITIVES[name](specs)
    alone = torch.stack([torch.stack([PRIMITIVES[name](spec) for spec in pair]) for pair in specs])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    assert PRIMITIVES[name](specs.to("meta")).shape == together.shape  # nothing on the way is on another device
