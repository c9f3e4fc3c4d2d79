"""The objectives of the zoo's methods, as functions of tensors without state.

XKD (arXiv 2211.13929): masked reconstruction (Eq. 1), refinement of the teachers (Eqs. 5-6), domain alignment
(Eqs. 7-9) and cross-modal distillation (Eqs. 10-11). Paper and released code differ in places; the arguments say where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch

# The bandwidths of the released code.
MMD_GAMMAS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


class PatchMask(NamedTuple):
    """Which patches of each sample are visible.

    Attributes:
        keep_indices: Visible patches in the order the encoder sees them `(B, K)`.
        restore_indices: Position of every patch in [visible, removed] `(B, N)`.
        mask: 1 where a patch is removed, 0 where it is visible `(B, N)`.
    """

    keep_indices: torch.Tensor
    restore_indices: torch.Tensor
    mask: torch.Tensor


def random_mask(noise: torch.Tensor, mask_ratio: float) -> PatchMask:
    """Keeps the patches with the smallest noise, in ascending order of it.

    Args:
        noise: One uniform number per patch `(B, N)`.
        mask_ratio: Share to remove, in [0, 1); `round(N * (1 - mask_ratio))` patches stay.
    """
    keep = round(noise.shape[1] * (1 - mask_ratio))
    order = noise.argsort(dim=1)
    restore = order.argsort(dim=1)
    return PatchMask(order[:, :keep], restore, (restore >= keep).to(noise.dtype))


def masked_reconstruction_loss(
    prediction: torch.Tensor, patches: torch.Tensor, mask: torch.Tensor, normalize_patches: bool = True
) -> torch.Tensor:
    """Mean squared error over the removed patches (Eq. 1).

    Args:
        prediction: Decoder output `(B, N, patch_dim)`.
        patches: Flattened patches of the input `(B, N, patch_dim)`.
        mask: 1 where a patch was removed `(B, N)`.
        normalize_patches: Normalise each patch by its mean and unbiased variance (released; the paper is silent).
    """
    if normalize_patches:
        variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
        patches = (patches - mean) / (variance + 1e-6).sqrt()
    error = (prediction - patches).square().mean(dim=-1)
    return (error * mask).sum() / mask.sum()


def cross_modal_attention(
    own: torch.Tensor, other: torch.Tensor, mode: Literal["mean", "softmax"] = "mean"
) -> torch.Tensor:
    """Attention of one modality weighted by that of the other (Eq. 5).

    The outer product of the two maps is averaged over the other modality's patches, so what remains of the other
    modality is one factor per head.

    Args:
        own: Attention of the class token to the patches `(B, heads, N)`.
        other: The same of the other modality `(B, heads, M)`; heads must agree.
        mode: `mean` divides by the mean of `own`; `softmax` (an ablation) normalises over the patches.

    Returns:
        `(B, heads, N)`.
    """
    product = own * other.mean(dim=-1, keepdim=True)
    if mode == "softmax":
        return product.softmax(dim=-1)
    return product / own.mean(dim=-1, keepdim=True)


def refine(
    features: torch.Tensor,
    attention: torch.Tensor,
    energy: Literal["patch_mean", "features"] = "patch_mean",
    energy_root: bool = True,
) -> torch.Tensor:
    """Re-weights patch features by cross-modal attention and restores their energy (Eq. 6).

    Args:
        features: Patch features after the final norm `(B, N, D)`.
        attention: Cross-modal attention `(B, heads, N)`; averaged over heads here.
        energy: What keeps its energy: the mean over patches (released) or all features (paper).
        energy_root: Whether the factor is the square root of the energy ratio (released) or the ratio (paper).

    Returns:
        `(B, N, D)`.
    """
    weighted = attention.mean(dim=1).unsqueeze(-1) * features

    def energy_of(tokens: torch.Tensor) -> torch.Tensor:
        if energy == "patch_mean":
            tokens = tokens.mean(dim=1, keepdim=True)
        return tokens.square().sum(dim=(1, 2), keepdim=True)

    ratio = energy_of(features) / energy_of(weighted)
    return (ratio.sqrt() if energy_root else ratio) * weighted


def _mean_kernel(x: torch.Tensor, y: torch.Tensor, gammas: Sequence[float]) -> torch.Tensor:
    squared = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)[None] - 2 * x @ y.T
    squared = squared.clamp_min(1e-30)
    return torch.stack([torch.exp(-gamma * squared) for gamma in gammas]).sum(dim=0).mean()


def maximum_mean_discrepancy(
    x: torch.Tensor, y: torch.Tensor, gammas: Sequence[float] = MMD_GAMMAS, root: bool = False
) -> torch.Tensor:
    """Maximum mean discrepancy between two sets of features, biased estimate, diagonal included (Eqs. 7-8).

    In single precision the diagonal distances of wide features are rounding noise that the large bandwidths
    amplify; values are exact in double precision only.

    Args:
        x: Features `(n, P)`.
        y: Features `(m, P)`.
        gammas: Bandwidths of the summed Gaussian kernels; the paper has one, the released code seven.
        root: Return the distance (paper) instead of its square (released).
    """
    squared = _mean_kernel(x, x, gammas) + _mean_kernel(y, y, gammas) - 2 * _mean_kernel(x, y, gammas)
    return squared.clamp_min(1e-12).sqrt() if root else squared


def distillation_loss(
    student: torch.Tensor,
    teacher: torch.Tensor,
    center: torch.Tensor,
    student_temperature: float,
    teacher_temperature: float,
) -> torch.Tensor:
    """Cross-entropy of every student view against the centred teacher of the other modality (Eqs. 10-11).

    Args:
        student: Projections of V views, view-major `(V * B, P)`.
        teacher: Projections of the teacher's view `(B, P)`.
        center: Running mean of the teacher's projections `(1, P)`.
        student_temperature: Divides the student's projections.
        teacher_temperature: Divides the centred teacher's projections.
    """
    target = ((teacher - center) / teacher_temperature).softmax(dim=-1)
    prediction = (student / student_temperature).log_softmax(dim=-1).unflatten(0, (-1, teacher.shape[0]))
    return -(target * prediction).sum(dim=-1).mean()
