"""A submitted network while it trains: what it answers, what it raises, and which of its parameters learn.

Shape letters: N images, H and W pixels, C = 3 colours or outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from bench.backends.memory import is_out_of_memory
from bench.errors import BenchError, DeviceError, ModelError, OutputError, RankError
from bench.training.distributed import is_lost_rank

if TYPE_CHECKING:
    import torch

__all__ = ["all_buffers", "checked_logits", "first_look", "restored_buffers", "submitted_code", "warning_of_unused"]

_NUM_LOOKED_AT = 2
"""Batch statistics need two."""
_MOST_NAMED = 5


@contextmanager
def submitted_code(batch_size: int) -> Iterator[None]:
    """Turns what a network raises into a sentence.

    Raises:
        ModelError: The network's own code raised.
        DeviceError: The device's memory is too small.
        RankError: It was another process that ended.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # the border to the submission's own code, which may raise anything
        if is_out_of_memory(error):
            raise DeviceError(
                f"out of memory with {batch_size} images at once; the recipe fixes the batch, but --accumulate cuts it "
                "into parts that pass one after the other, and more devices share it"
            ) from error
        if is_lost_rank(error):
            raise RankError(
                "another process of this training has ended, its message says why; go on with --resume"
            ) from error
        raise ModelError(f"training the model raised {type(error).__name__}: {error}") from error


def checked_logits(output: object, num_images: int, num_outputs: int) -> torch.Tensor:
    """The logits (N, C), if that is what the network returned.

    Raises:
        OutputError: It returned something else.
    """
    import torch

    if isinstance(output, tuple | list | dict):
        names = getattr(output, "_fields", output if isinstance(output, dict) else ())
        shown = f" ({', '.join(map(str, names))})" if names else f" of {len(output)}"
        raise OutputError(
            f"the model returned a {type(output).__name__}{shown} while training, expected one tensor of logits; "
            "switch auxiliary outputs off, as kwargs = { aux_logits = false } does in torchvision's networks, "
            "or add them up inside the network"
        )
    if not isinstance(output, torch.Tensor):
        raise OutputError(f"the model returned {type(output).__name__} while training, expected one tensor of logits")
    if output.shape != (num_images, num_outputs):
        raise OutputError(
            f"the model returned shape {tuple(output.shape)} for {num_images} images, "
            f"expected ({num_images}, {num_outputs}); see [outputs] in submission.toml"
        )
    if not output.requires_grad:
        raise ModelError("the model's logits have no gradient: its forward pass detaches them from its parameters")
    return output


def first_look(
    module: torch.nn.Module, *, crop: int, num_outputs: int, device: str, autocast: AbstractContextManager[None]
) -> list[str]:
    """Passes two black images through a network that is about to train, and takes the gradients back.

    Args:
        module: The network, in training mode, on its device; buffers and gradients are left as they were.
        crop: Side of the images, in pixels.
        num_outputs: Logits that it has to give.
        device: A torch device.
        autocast: The arithmetic.

    Returns:
        The names of parameters that should be trained but got no gradient.

    Raises:
        SubmissionError: The network raised, or returned something else than logits.
    """
    import torch

    with restored_buffers(module), submitted_code(_NUM_LOOKED_AT):
        images_NCHW = torch.zeros(_NUM_LOOKED_AT, 3, crop, crop, device=device)
        with autocast:
            output = module(images_NCHW.contiguous(memory_format=torch.channels_last))
        checked_logits(output, _NUM_LOOKED_AT, num_outputs).float().sum().backward()  # type: ignore[no-untyped-call]
    unused = [name for name, weight in module.named_parameters() if weight.requires_grad and weight.grad is None]
    module.zero_grad(set_to_none=True)
    return unused


def warning_of_unused(names: list[str]) -> str:
    """A sentence that names parameters without gradients."""
    shown = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
    count = f"{len(names)} parameters do" if len(names) > 1 else "1 parameter does"
    return f"{count} not take part in the logits, get no gradients and stay as they are: {shown}"


def all_buffers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Everything in a network that changes without an optimizer, also what its state dict leaves out."""
    return dict(module.named_buffers())


@contextmanager
def restored_buffers(module: torch.nn.Module) -> Iterator[None]:
    """Batch statistics and other buffers are afterwards as they were before the block."""
    import torch

    before = {name: buffer.detach().clone() for name, buffer in all_buffers(module).items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in all_buffers(module).items():
                if name in before:
                    buffer.copy_(before[name])
