"""The processes of one training: which one this is, and what they tell each other beside gradients.

`torchrun` starts them and says through the environment who is who; without it there is one. Votes, sums and errors go
through a gloo group of their own, on the CPU, so that no GPU waits for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, NonFiniteError, RankError, RequeueError, UsageError

if TYPE_CHECKING:
    import torch

__all__ = [
    "ALONE",
    "StopVote",
    "World",
    "is_lost_rank",
    "joined_world",
    "num_ranks_here",
    "num_restarts",
    "rank_in_environment",
    "speaks_alone",
]

_TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others, which may be decoding images or compiling."""


@dataclass(frozen=True)
class World:
    """The processes of one training."""

    rank: int
    """Which one this is, from 0."""
    size: int
    """How many there are."""
    local_rank: int
    """Which one this is on its machine, from 0: the index of its GPU."""
    control: Any = None
    """The gloo group for what is no gradient; None where there is one process."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """What each rank passed, in the order of the ranks; every rank has to call it."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        with _lost_ranks():
            dist.all_gather_object(values, value, group=self.control)
        return values

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of the ranks' values, float64 on the CPU; every rank has to call it."""
        import torch

        values = values.detach().to("cpu", torch.float64)
        if self.size > 1:
            import torch.distributed as dist

            with _lost_ranks():
                dist.all_reduce(values, group=self.control)
        return values

    def barrier(self) -> None:
        """Waits for all ranks."""
        self.gather(None)

    @contextmanager
    def unison(self) -> Iterator[None]:
        """A part of the set-up that every rank goes through: where one fails, all end, and one says why.

        Raises:
            BenchError: This is the first rank that failed.
            SystemExit: Another rank says what is wrong.
        """
        failure: BenchError | None = None
        try:
            yield
        except BenchError as error:
            failure = error
        codes = self.gather(None if failure is None else failure.exit_code)
        first = next((rank for rank, code in enumerate(codes) if code is not None), None)
        if first is None:
            return
        if failure is not None and first == self.rank:
            raise failure
        raise SystemExit(codes[first])


ALONE = World(rank=0, size=1, local_rank=0)
"""One process."""


class StopVote:
    """Whether any rank was asked to stop, so that all stop before the same step.

    The vote of a step is counted during the step and read before the next one: nobody waits for it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: tuple[Any, torch.Tensor] | None = None

    def __call__(self, asked: bool) -> bool:
        """Casts this rank's vote; returns whether any rank had voted to stop in the call before."""
        if self._world.size == 1:
            return asked
        import torch
        import torch.distributed as dist

        with _lost_ranks():
            stop = False
            if self._pending is not None:
                work, votes = self._pending
                work.wait()
                stop = bool(votes.item())
            votes = torch.tensor([int(asked)])
            self._pending = (dist.all_reduce(votes, group=self._world.control, async_op=True), votes)
        return stop

    def end(self) -> None:
        """Counts the last vote, so that nothing is under way when the group ends."""
        if self._pending is not None:
            with _lost_ranks():
                self._pending[0].wait()
            self._pending = None


def rank_in_environment() -> int:
    """The rank that torchrun gave this process; 0 without it."""
    return int(os.environ.get("RANK", "0"))


def num_ranks_here() -> int:
    """How many processes torchrun started on this machine; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def speaks_alone(error: BenchError) -> bool:
    """Whether a failure is likely this rank's own, and not one that all ranks have and the first one reports."""
    return not isinstance(error, RequeueError | NonFiniteError | RankError)


def num_restarts() -> int:
    """How often torchrun's agent has started this group of processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def joined_world(device: str) -> Iterator[World]:
    """The processes that torchrun started together with this one; they part when the block ends.

    Args:
        device: `cpu`, or a CUDA device: NCCL carries the gradients then.

    Raises:
        UsageError: The environment names a world that cannot be.
        RankError: The others do not answer.
    """
    try:
        size, rank = int(os.environ.get("WORLD_SIZE", "1")), rank_in_environment()
        local_rank = int(os.environ.get("LOCAL_RANK", str(rank)))
    except ValueError as error:
        raise UsageError(f"RANK, WORLD_SIZE and LOCAL_RANK are numbers, set by torchrun ({error})") from error
    if size == 1:
        yield ALONE
        return
    if not 0 <= rank < size:
        raise UsageError(f"RANK is {rank} and WORLD_SIZE {size}; start the processes with torchrun")
    if device.startswith("mps"):
        raise UsageError("several processes train on cpu or cuda, not on mps")
    import torch
    import torch.distributed as dist

    if device.startswith("cuda"):
        torch.cuda.set_device(local_rank)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    with _lost_ranks():
        dist.init_process_group(backend, store=_store(rank, size), rank=rank, world_size=size, timeout=_TIMEOUT)
    try:
        with _lost_ranks():
            control = dist.new_group(backend="gloo", timeout=_TIMEOUT)
        yield World(rank, size, local_rank, control)
    finally:
        dist.destroy_process_group()


def _store(rank: int, size: int) -> Any:
    """Where ranks find each other: at MASTER_ADDR and MASTER_PORT, in a room of its own for each restart.

    An agent that starts the processes again may keep the store in which the addresses of the dead ones still stand
    (torch 2.15); torch 2.10 made such rooms itself.

    Raises:
        UsageError: The environment does not say where.
    """
    import torch.distributed as dist

    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT", "")
    if address is None or not port.isdigit():
        raise UsageError("WORLD_SIZE is set, but not MASTER_ADDR and MASTER_PORT; start the processes with torchrun")
    is_host = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    anything: Any = dist  # its stubs do not export the stores
    store = anything.TCPStore(address, int(port), size, is_host, timeout=_TIMEOUT)
    return anything.PrefixStore(f"restart-{num_restarts()}", store)


def is_lost_rank(error: BaseException) -> bool:
    """Whether an error of torch says that another process went away."""
    import torch.distributed as dist

    if not dist.is_available() or not isinstance(error, RuntimeError):
        return False
    words = str(error)
    return isinstance(error, dist.DistError) or any(
        word in words for word in ("gloo/", "Gloo", "[c10d", "NCCL", "Connection closed by peer", "ProcessGroup")
    )


@contextmanager
def _lost_ranks() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if is_lost_rank(error):
            raise RankError(
                "another process of this training has ended, its message says why; go on with --resume"
            ) from error
        raise
