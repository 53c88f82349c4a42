"""What evaluates a network while it trains, where the images for it lie beside those of the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.data.contents import dataset_digest
from bench.data.dataset import open_dataset
from bench.errors import DataError
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.training.evaluating import Evaluator
from bench.training.options import TrainOptions
from bench.training.session import MakeEvaluator
from bench.training.transfer import Prepared

__all__ = ["find_evaluator"]


def find_evaluator(
    protocol: Protocol,
    data: Path,
    options: TrainOptions,
    cache_folder: Path | None,
    *,
    on_note: Callable[[str], None] | None = None,
) -> MakeEvaluator | None:
    """How networks are evaluated under the protocol that a training protocol names in `evaluate_with`.

    Args:
        protocol: Of kind `train`.
        data: The folder of the dataset.
        options: Threads that decode.
        cache_folder: Where decoded crops are kept; None decodes them each time.
        on_note: Takes a sentence where the images are not there.

    Returns:
        From a network and its device to its evaluator; None where the protocol names none, or the images are not
        there: a training set may come alone, and what is measured meanwhile moves no number.

    Raises:
        DataError: The recipe ends at a target, and the images that tell are not there.
    """
    if protocol.evaluate_with is None or protocol.recipe is None:
        return None
    fixed = load_protocol(protocol.evaluate_with)
    try:
        dataset = open_dataset(data, fixed.dataset, index_folder=cache_folder)
    except DataError as error:
        if protocol.recipe.target is not None:
            raise
        if on_note is not None:
            on_note(f"Not evaluated meanwhile: {error}")
        return None
    digest = None
    if cache_folder is not None:
        digest = dataset_digest(dataset, cache_folder=cache_folder, num_threads=options.num_threads)

    def make(network: Prepared, device: str) -> Evaluator:
        return Evaluator(
            protocol=fixed,
            dataset=dataset,
            input=network.input,
            background=network.manifest.outputs.background,
            device=device,
            num_threads=options.num_threads,
            cache_folder=cache_folder,
            digest=digest,
        )

    return make
