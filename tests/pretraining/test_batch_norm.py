"""Batch norms over two processes on CPU against one batch norm over the whole batch."""

from __future__ import annotations

import pytest
import torch
from torch import distributed, multiprocessing, nn

from avzoo.pretraining.batch_norm import SyncBatchNormOnCpu, synchronise_batch_norms


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(2, 3, 1), nn.BatchNorm3d(3), nn.Flatten(), nn.Linear(24, 4), nn.BatchNorm1d(4))
    model.append(nn.BatchNorm1d(4, affine=False, momentum=None))
    return model.double()


def step(model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients, outputs and running statistics after a step whose loss is the mean over the batch."""
    for _ in range(2):
        model.zero_grad()
        outputs = model(batch)
        (outputs.sin() * torch.arange(4)).mean().backward()
    return {name: value.grad for name, value in model.named_parameters()} | dict(model.named_buffers()) | {"y": outputs}


def process(rank: int, address: str, results: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    model = network()
    synchronise_batch_norms(model, torch.device("cpu"))
    values = step(model, batch().chunk(2)[rank])
    for parameter in model.parameters():  # as DistributedDataParallel does
        distributed.all_reduce(parameter.grad)
        parameter.grad /= 2
    torch.save({name: value.detach() for name, value in values.items()}, f"{results}/{rank}.pt")
    distributed.destroy_process_group()


def batch() -> torch.Tensor:
    return torch.randn(6, 2, 2, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 100


@pytest.mark.distributed
def test_two_processes_normalise_as_one(tmp_path):
    multiprocessing.spawn(process, (f"file://{tmp_path}/meet", str(tmp_path)), nprocs=2)
    alone = step(network(), batch())
    together = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    outputs = torch.cat([values.pop("y") for values in together])
    torch.testing.assert_close(outputs, alone.pop("y").detach(), rtol=1e-9, atol=1e-9)
    for values in together:
        assert values.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(values[name], value, rtol=1e-9, atol=1e-10, msg=name)


def test_names_values_and_parameters_stay():
    model = network()
    before, parameters = model.state_dict(), dict(model.named_parameters())
    model.eval()
    expected = model(batch())
    synchronise_batch_norms(model, torch.device("cpu"))
    assert [type(part) for part in model].count(SyncBatchNormOnCpu) == 3
    assert model.state_dict().keys() == before.keys()
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert torch.equal(model(batch()), expected)


def test_on_a_gpu_it_is_that_of_torch():
    model = network()
    synchronise_batch_norms(model, torch.device("cuda"))
    assert [type(part) for part in model].count(nn.SyncBatchNorm) == 3
