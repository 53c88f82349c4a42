"""Model source `exported`: an archive that `torch.export.save` wrote (.pt2).

Such an archive can run code when it is loaded, so it counts as the submission's own code.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import ModelError
from bench.models.build import BuiltModel
from bench.models.source import LoadedSubmission, ModelSource, checked_file
from bench.records.submission import InputSpec

if TYPE_CHECKING:
    import torch

__all__ = ["SOURCE"]

_HOW_TO_EXPORT = (
    "torch.export.export(model, (torch.zeros(2, 3, 224, 224),), dynamic_shapes=({0: torch.export.Dim('batch')},))"
)


def _build(submission: LoadedSubmission, cache_folder: Path, with_weights: bool) -> BuiltModel:  # noqa: ARG001 - ModelSource.build
    import torch

    path = checked_file(submission, "file")
    if not with_weights:
        raise ModelError(
            "an exported program cannot be trained: its mode is frozen; submit its source code",
            path=submission.manifest_path,
            key="model.source",
        )
    if not zipfile.is_zipfile(path):
        raise _fault(submission, f"{path.name!r} is no archive of torch.export.save, or it is truncated")
    try:
        program = torch.export.load(path)
    except Exception as error:  # the border to the submission's own archive, which may raise anything
        raise _fault(submission, f"torch.export.load raised {type(error).__name__}: {error}") from error
    spec = submission.manifest.input or InputSpec()
    _check_input(submission, program, spec)
    program = _on_cpu(program)
    network: torch.nn.Module = program.module()
    vars(network)["mode_is_frozen"] = True  # torch refuses eval() on it; see build_model
    return BuiltModel(module=network, input=spec)


SOURCE = ModelSource(
    takes=frozenset({"file", "sha256"}),
    needs=frozenset({"file"}),
    runs_code=True,
    build=_build,
)


def _fault(submission: LoadedSubmission, message: str) -> ModelError:
    return ModelError(message, path=submission.manifest_path, key="model.file")


def _check_input(submission: LoadedSubmission, program: Any, spec: InputSpec) -> None:
    """Refuses a program that cannot take a batch of any size of the submission's images.

    Raises:
        ModelError: The program has not one input, or its shape or type is fixed to something else.
    """
    import torch

    names = set(program.graph_signature.user_inputs)
    inputs = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or inputs[0].dim() != 4:
        raise _fault(
            submission, f"takes {len(inputs)} inputs, expected one float32 tensor (N, 3, H, W); {_HOW_TO_EXPORT}"
        )
    batch, *image = inputs[0].shape
    if isinstance(batch, int):
        raise _fault(
            submission, f"takes batches of exactly {batch} images; export it with a dynamic batch: {_HOW_TO_EXPORT}"
        )
    wanted = (3, spec.img_size, spec.img_size)
    if any(isinstance(size, int) and size != want for size, want in zip(image, wanted, strict=True)):
        raise _fault(submission, f"takes images of {tuple(image)}, but [input] gives {wanted}; make them agree")
    if inputs[0].dtype != torch.float32:
        raise _fault(submission, f"takes {inputs[0].dtype}, expected torch.float32; export it in float32")
    if any(_is_in_training_mode(node) for node in program.graph.nodes):
        raise _fault(submission, "was exported in training mode; call model.eval() and export it again")


def _is_in_training_mode(node: Any) -> bool:
    """Whether a node of the graph drops units or computes batch statistics."""
    name = str(node.target)
    position = {"aten.dropout.default": 2, "aten.batch_norm.default": 5}.get(name)
    return position is not None and len(node.args) > position and node.args[position] is True


def _on_cpu(program: Any) -> Any:
    """The program with its weights and constants on the CPU, wherever it was exported."""
    from torch.export.passes import move_to_device_pass

    tensors = [*program.state_dict.values(), *program.constants.values()]
    if all(getattr(tensor, "device", None) is None or tensor.device.type == "cpu" for tensor in tensors):
        return program
    return move_to_device_pass(program, "cpu")
