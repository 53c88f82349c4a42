"""What a place to run is: it starts a submission's model and answers batches of pixels with logits.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.models.source import LoadedSubmission
from bench.records.protocol import Precision
from bench.records.result import Scalar
from bench.records.submission import InputSpec

__all__ = ["Backend", "ModelSession", "RunSpec"]


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """How a model is to be run."""

    device: str
    """A torch device, such as `cpu` or `cuda:0`."""
    precision: Precision
    """The arithmetic."""
    num_classes: int
    """C: how many logits an image must get, the background class not counted."""
    cache_folder: Path
    """Where downloaded weights are kept."""


class ModelSession(ABC):
    """A model that is ready to answer."""

    input: InputSpec
    """What the model wants to see."""
    num_params: int
    """Its parameters."""
    environment: dict[str, Scalar]
    """What the backend knows of the machine and its own settings."""
    notes: tuple[str, ...] = ()
    """What a reader should know about how the model was built."""

    @abstractmethod
    def logits(self, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The model's answers to one batch.

        Args:
            images_NHWC: RGB pixels, uint8 0..255.

        Returns:
            Logits of shape (N, C), float32, without the background class; they may be non-finite.

        Raises:
            ModelError: The model raised.
            OutputError: It returned something else than N x C floats.
            DeviceError: The device's memory is too small for the batch.
        """

    @abstractmethod
    def gmacs(self, img_size: int) -> float:
        """Multiply-adds of one image, in units of 10^9.

        Args:
            img_size: Side of the square input, in pixels.

        Raises:
            ModelError: They cannot be counted for this model.
        """


class Backend(ABC):
    """A place to run. Each one passes the contract tests of `tests/backends/test_contract.py`."""

    isolation: ClassVar[Literal["none", "process", "sandbox"]]
    """How far it keeps a submission's code from labels and results."""

    @abstractmethod
    def start(self, submission: LoadedSubmission, spec: RunSpec) -> AbstractContextManager[ModelSession]:
        """Starts the submission's model; leaving the context frees it.

        Raises:
            SubmissionError: The submission cannot be run.
            DeviceError: The device is not there.
        """
