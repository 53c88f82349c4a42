"""All that a training is made of, as named tensors and JSON, and back: what a checkpoint holds.

No pickle: what is read from a checkpoint is numbers and text, and cannot run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["flattened", "like_parameters", "on_host", "restored", "same_state"]

_MARK = "$"
"""The key of what JSON has no word for."""


def flattened(tree: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """Takes the tensors out of a tree of dictionaries, lists, tuples, tensors and plain values.

    Returns:
        The tensors by their path in the tree, and the tree as JSON can hold it.

    Raises:
        TypeError: Something in the tree is neither.
    """
    tensors: dict[str, torch.Tensor] = {}
    return tensors, _outside(tree, "", tensors)


def restored(content: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The tree that `flattened` took apart."""
    if isinstance(content, list):
        return [restored(inner, tensors) for inner in content]
    if not isinstance(content, dict):
        return content
    kind = content.get(_MARK)
    if kind is None:
        return {key: restored(inner, tensors) for key, inner in content.items()}
    if kind == "tensor":
        return tensors[content["of"]]
    if kind == "tuple":
        return tuple(restored(inner, tensors) for inner in content["of"])
    return {int(key): restored(inner, tensors) for key, inner in content["of"].items()}


def _outside(tree: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    import torch

    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if isinstance(tree, torch.Tensor):
        tensors[path] = tree
        return {_MARK: "tensor", "of": path}
    if isinstance(tree, list | tuple):
        inner = [_outside(value, f"{path}.{index}", tensors) for index, value in enumerate(tree)]
        return inner if isinstance(tree, list) else {_MARK: "tuple", "of": inner}
    if isinstance(tree, dict):
        content = {str(key): _outside(value, f"{path}.{key}".lstrip("."), tensors) for key, value in tree.items()}
        if tree and all(isinstance(key, int) for key in tree):
            return {_MARK: "numbers", "of": content}
        if _MARK not in tree and all(isinstance(key, str) for key in tree):
            return content
    raise TypeError(f"{path} holds {type(tree).__name__}, which a checkpoint cannot")


def on_host(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copies in host memory that later steps do not change: whole, contiguous, none sharing memory with another.

    A tensor that is spread over the ranks (FSDP) is put together on all of them, so every rank has to call it.
    """
    import torch

    copies = {}
    for name, tensor in tensors.items():
        whole = tensor.detach()
        if hasattr(whole, "full_tensor"):
            whole = whole.full_tensor()
        copies[name] = whole.to("cpu", copy=True).contiguous().clone(memory_format=torch.contiguous_format)
    return copies


def same_state(first: Any, second: Any) -> bool:
    """Whether two trees hold the same tensors, bit for bit, and the same values."""
    import torch

    (tensors, content), (other_tensors, other_content) = flattened(first), flattened(second)
    return content == other_content and all(torch.equal(tensors[name], other_tensors[name]) for name in tensors)


def like_parameters(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimizer with each tensor laid out as its parameter: in the same order in memory, or as spread.

    A sum over a tensor depends on the order in memory in its last bits, and channels-last weights have another order
    than the file.
    """
    import torch

    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def place(parameter: Any, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.shape != parameter.shape:
            return value
        if hasattr(parameter, "device_mesh"):
            from torch.distributed.tensor import distribute_tensor

            return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    kept = {
        index: {name: place(parameters[index], value) for name, value in values.items()}
        for index, values in state["state"].items()
    }
    return {**state, "state": kept}
