"""All that learns in a training: the network, its optimizer, schedule, loss scale and moving average, as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.records.protocol import Precision
from bench.records.recipe import Recipe
from bench.training.averaging import MovingAverage, make_ema
from bench.training.distributed import World
from bench.training.network import all_buffers
from bench.training.optimizers import make_optimizer
from bench.training.parallel import copied, sharded
from bench.training.schedules import Schedule, make_schedule
from bench.training.state import like_parameters

if TYPE_CHECKING:
    import torch

__all__ = ["Learner", "make_learner"]


@dataclass
class Learner:
    """What a step changes."""

    module: torch.nn.Module
    """The network itself."""
    model: torch.nn.Module
    """The network as it is called: shared among ranks, compiled."""
    optimizer: torch.optim.Optimizer
    """Over the parameters that are trained."""
    schedule: Schedule
    """The learning rates."""
    scaler: torch.amp.GradScaler | None
    """The scale of the loss, in fp16."""
    average: MovingAverage | None
    """The moving average of the weights."""

    def tree(self) -> dict[str, Any]:
        """The state of all parts, for a checkpoint."""
        return {
            "module": _weights(self.module),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def load(self, tree: dict[str, Any]) -> None:
        """Sets all parts to what `tree` returned, in place."""
        import torch

        with torch.no_grad():
            for name, tensor in _weights(self.module).items():
                _fill(tensor, tree["module"][name])
        self.optimizer.load_state_dict(like_parameters(tree["optimizer"], self.optimizer))
        self.schedule.load_state_dict(tree["schedule"])
        if self.scaler is not None:
            self.scaler.load_state_dict(tree["scaler"])
        if self.average is not None:
            self.average.load_state_dict(tree["average"])

    def is_finite(self) -> bool:
        """Whether all weights and buffers of the network are numbers."""
        import torch

        finite = [tensor.isfinite().all() for tensor in map(_local, _weights(self.module).values())]
        return bool(torch.stack(finite).all().item())

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])


def make_learner(
    module: torch.nn.Module,
    recipe: Recipe,
    steps_per_epoch: int,
    *,
    world: World,
    device: str,
    precision: Precision,
    compiled: bool,
    shard: bool,
) -> Learner:
    """Puts a network, on its device and ready to train, together with all that trains it.

    Raises:
        ModelError: There is nothing to train.
        UsageError: Parts exclude each other.
    """
    import torch

    if shard and recipe.ema_decay:
        raise UsageError("--shard cannot keep the moving average that this recipe asks for (ema_decay)")
    if shard and precision == "fp16":
        raise UsageError("--shard trains in fp32, tf32 or bf16, not in fp16")
    model = sharded(module, world, device) if shard else module
    optimizer = make_optimizer(module, recipe)
    schedule = make_schedule(optimizer, recipe, steps_per_epoch)
    average = make_ema(module, recipe, steps_per_epoch)
    scaler = torch.amp.GradScaler(device.partition(":")[0]) if precision == "fp16" else None
    if not shard:
        model = copied(module, world, device)
    if compiled:
        model = torch.compile(model)  # type: ignore[assignment]
    return Learner(module, model, optimizer, schedule, scaler, average)


def _weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every tensor of the network by name; of weights that are tied each name has the same."""
    return {**dict(module.named_parameters(remove_duplicate=False)), **all_buffers(module)}


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank has of a tensor."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def _fill(tensor: Any, whole: torch.Tensor) -> None:
    """Writes a tensor that was read into one that is in use."""
    if hasattr(tensor, "device_mesh"):
        from torch.distributed.tensor import distribute_tensor

        whole = distribute_tensor(whole.to(tensor.device), tensor.device_mesh, tensor.placements)
    tensor.copy_(whole)
