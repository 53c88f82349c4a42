"""Whether what will be timed gives the answers of the evaluation, and what the model costs by its definition.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.throughput.rows import Setup

__all__ = ["Made", "compared"]


class Made(NamedTuple):
    """A loaded row."""

    module: Any
    """The model itself."""
    answer: Callable[[Any], Any]
    """From inputs on the device to logits on the device, as they will be timed."""


def compared(setup: Setup, num_images: int, make: Callable[[], Made]) -> dict[str, Any]:
    """Compares the logits of what is timed with those of the evaluation's own path on the same pixels.

    Args:
        setup: The row.
        num_images: How many images, or a whole batch where that is more; noise that is equal in every process.
        make: Loads the row; called when the evaluation's model is gone, for two may not fit into memory.

    Returns:
        `gap`, the largest difference over the largest logit (None where one is not finite), `agree`, the share of equal
        first answers (None where the evaluation's own path is what will be timed), `num_images`, `img_size`,
        `num_params`, `flops_img` and `notes`.
    """
    import torch

    from bench.backends.base import RunSpec
    from bench.backends.local import LocalBackend
    from bench.backends.steps import torch_format
    from bench.data.classes import class_table
    from bench.models.source import open_submission

    submission = open_submission(setup.submission)
    outputs = submission.manifest.outputs
    spec = RunSpec(
        device=setup.device,
        precision=setup.precision,
        num_classes=class_table(outputs.classes).num_classes,
        cache_folder=Path(setup.cache_folder),
    )
    with LocalBackend().start(submission, spec) as session:
        size, mean, std = session.input.img_size, session.input.mean, session.input.std
        shape = (max(num_images, setup.batch_size), size, size, 3)
        images_NHWC = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        starts = range(0, len(images_NHWC) - setup.batch_size + 1, setup.batch_size)
        parts = [images_NHWC[start : start + setup.batch_size] for start in starts]
        wanted_NC = np.concatenate([session.logits(part) for part in parts])
        found: dict[str, Any] = {
            "num_params": session.num_params,
            "notes": list(session.notes),
            "img_size": size,
            "num_images": len(wanted_NC),
            "gap": None,
            "agree": None,
            "flops_img": None,
        }
    del session
    gc.collect()
    if setup.scenario == "end-to-end":
        return found
    made = make()
    _count(made.module, setup, found)
    answers = []
    for part in parts:
        inputs_NCHW = (torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255 - _column(mean)) / _column(std)
        on_device = inputs_NCHW.to(setup.device).contiguous(memory_format=torch_format(setup.memory_format))
        with torch.inference_mode():
            answers.append(made.answer(on_device).float().cpu().numpy())
    answered_NC = np.concatenate(answers)[:, int(outputs.background) :]
    if np.isfinite(answered_NC).all() and np.isfinite(wanted_NC).all():
        found["gap"] = float(np.abs(answered_NC - wanted_NC).max()) / (float(np.abs(wanted_NC).max()) or 1.0)
    found["agree"] = float(np.mean(answered_NC.argmax(axis=1) == wanted_NC.argmax(axis=1)))
    return found


def _count(module: Any, setup: Setup, found: dict[str, Any]) -> None:
    """Adds the operations of one image, or a note where they cannot be counted."""
    from bench.measure.flops import count_flops

    try:
        found["flops_img"] = count_flops(module, found["img_size"], backward=setup.scenario == "training")
    except Exception as error:  # the submission's own code may raise anything
        found["notes"].append(f"Operations could not be counted: {type(error).__name__}.")


def _column(values: tuple[float, float, float]) -> Any:
    import torch

    return torch.tensor(values).view(1, 3, 1, 1)
