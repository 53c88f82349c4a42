"""One network on many devices: copies that share gradients (DDP), or parameters spread over the ranks (FSDP2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.errors import DeviceError, UsageError
from bench.training.distributed import World

if TYPE_CHECKING:
    import torch

__all__ = ["check_split", "copied", "local_gradients", "sharded", "share_buffers", "with_synced_statistics"]


def check_split(batch_size: int, world_size: int, accumulate: int) -> None:
    """Makes sure that the recipe's batch can be cut into equal parts.

    Raises:
        UsageError: It cannot.
    """
    parts = world_size * accumulate
    if batch_size % parts:
        how = f"{world_size} ranks" if accumulate == 1 else f"{world_size} x {accumulate} (ranks x --accumulate)"
        fitting = [size for size in range(1, batch_size + 1) if batch_size % size == 0 and size <= 4 * parts]
        raise UsageError(
            f"the recipe's batch of {batch_size:,} images cannot be cut into equal parts for {how}; "
            f"numbers of parts that fit: {', '.join(map(str, fitting))}"
        )


def with_synced_statistics(module: torch.nn.Module, world: World, device: str) -> torch.nn.Module:
    """The network with batch statistics taken over all ranks (recipe `bn = "sync"`).

    Raises:
        DeviceError: torch synchronises them on GPUs only.
    """
    import torch

    if world.size == 1:
        return module
    if not device.startswith("cuda"):
        raise DeviceError('the recipe says bn = "sync", which torch can do on several GPUs, or on one process')
    synced: torch.nn.Module = torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    return synced


def copied(module: torch.nn.Module, world: World, device: str) -> torch.nn.Module:
    """A copy on each rank, gradients averaged while they are computed; buffers are those of the first rank."""
    if world.size == 1:
        return module
    from torch.nn.parallel import DistributedDataParallel

    ids = [world.local_rank] if device.startswith("cuda") else None
    return DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)


def sharded(module: torch.nn.Module, world: World, device: str) -> torch.nn.Module:
    """The network with its parameters, gradients and optimizer spread over the ranks.

    Repeated parts (what stands in a Sequential or a ModuleList) are gathered one at a time when they are used.

    Raises:
        UsageError: There is nothing to spread it over.
    """
    if world.size == 1:
        raise UsageError("--shard spreads a network over processes; start several with torchrun or --processes")
    import torch
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    module.to(memory_format=torch.contiguous_format)  # torch 2.15 spreads nothing else
    mesh = init_device_mesh("cuda" if device.startswith("cuda") else "cpu", (world.size,))
    # Inner parts first, as fully_shard asks for.
    for part in reversed(list(module.modules())):
        if isinstance(part, nn.Sequential | nn.ModuleList):
            for inner in part:
                if any(True for _ in inner.parameters()):
                    fully_shard(inner, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


def share_buffers(module: torch.nn.Module, world: World) -> None:
    """Gives every rank the first one's buffers, such as batch statistics: what is evaluated is what is exported."""
    if world.size == 1:
        return
    import torch.distributed as dist

    for buffer in module.buffers():
        dist.broadcast(buffer, src=0)


@contextmanager
def local_gradients(model: torch.nn.Module) -> Iterator[None]:
    """Gradients of the block stay on their rank; the next backward pass outside of it shares them too."""
    anything: Any = model
    if hasattr(anything, "no_sync"):
        with anything.no_sync():
            yield
    elif hasattr(anything, "set_requires_gradient_sync"):
        anything.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            anything.set_requires_gradient_sync(True)
    else:
        yield
