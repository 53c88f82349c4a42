"""Forward passes in other ways than a plain call: as a CUDA graph, and from files on the evaluation's own path.

Shape letters: N images, H and W pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.throughput.rows import Setup

__all__ = ["captured", "file_pass"]

_IN_FLIGHT = 2
"""Batches that a device may be working on while the host decodes, as in an evaluation."""


def captured(forward: Callable[[Any], Any], staged_NCHW: Any) -> Callable[[Any], Any]:
    """A forward pass as a CUDA graph: kernels are started together, and read their inputs from one place.

    Args:
        forward: From inputs to logits, both on a CUDA device.
        staged_NCHW: Inputs of the shape that all will have.

    Returns:
        The same for inputs of that shape; the next call overwrites what the last one returned.
    """
    import torch

    with torch.inference_mode():
        place_NCHW = staged_NCHW.clone(memory_format=torch.preserve_format)
        # Libraries choose and allocate in the first calls, which may not happen while a graph is captured.
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                forward(place_NCHW)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = forward(place_NCHW)

    def replay(inputs_NCHW: Any) -> Any:
        place_NCHW.copy_(inputs_NCHW)
        graph.replay()
        return output

    return replay


def file_pass(setup: Setup, held: ExitStack) -> Callable[[], None]:
    """A pass over the files of a dataset, as `bench evaluate --no-cache` makes it.

    Args:
        setup: The row, with its dataset.
        held: Keeps the model for as long as it is open.
    """
    from bench.backends.base import RunSpec
    from bench.backends.device import device_type
    from bench.backends.local import LocalBackend
    from bench.data.classes import class_table
    from bench.data.dataset import open_dataset
    from bench.data.loader import batches_a_turn, iter_batches
    from bench.data.transforms import geometry_of
    from bench.models.source import open_submission

    assert setup.dataset is not None  # noqa: S101 - the record of the protocol demands it of this scenario
    submission = open_submission(setup.submission)
    spec = RunSpec(
        device=setup.device,
        precision=setup.precision,
        num_classes=class_table(submission.manifest.outputs.classes).num_classes,
        cache_folder=Path(setup.cache_folder),
        compiled=setup.mode == "compiled",
    )
    session = held.enter_context(LocalBackend().start(submission, spec))
    dataset = open_dataset(Path(setup.data), setup.dataset, allow_partial=True, limit=setup.num_images)
    geometry = geometry_of(session.input)
    on_cpu = device_type(setup.device) == "cpu"

    def one_pass() -> None:
        batches = iter_batches(
            dataset,
            geometry,
            batch_size=setup.batch_size,
            num_threads=setup.num_threads,
            # On a CPU decoding and computing want the same cores: they take turns.
            turn=batches_a_turn(geometry, "single", setup.batch_size) if on_cpu else None,
        )
        pending: deque[Callable[[], Any]] = deque()
        for batch in batches:
            pending.append(session.submit(batch.images_NHWC))
            if len(pending) > _IN_FLIGHT:
                pending.popleft()()
        while pending:
            pending.popleft()()

    return one_pass
