"""What a place to run is: it starts a submission's model and answers batches of pixels with logits.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.models.source import LoadedSubmission
from bench.records.protocol import Precision
from bench.records.result import Scalar
from bench.records.submission import InputSpec
from bench.sandbox.limits import Limits

__all__ = ["Backend", "Images", "Logits", "ModelSession", "PendingLogits", "RunSpec"]

Images = npt.NDArray[np.uint8]
"""RGB pixels of a batch, shape (N, H, W, 3), 0 to 255."""
Logits = npt.NDArray[np.float32]
"""A model's answers to a batch, shape (N, C), without the background class; they may be non-finite."""
PendingLogits = Callable[[], Logits]
"""Waits for logits that a device may still be working on."""


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
    with_weights: bool = True
    """False leaves the weights as the factory or the zoo initialises them, for a dry run."""
    audited: bool = False
    """A process of the model's own is asked for one batch at a time, so that an audit's looks like any other."""
    compiled: bool = False
    """Run the model through torch.compile."""
    limits: Limits | None = None
    """What a process of the submission's own may take; None for the defaults."""
    hidden: tuple[Path, ...] = ()
    """Folders that no sandbox may show: datasets, results."""


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
    layers: tuple[str, ...] = ()
    """What keeps the submission's code from this process and this machine."""
    limits: dict[str, int | float] = {}
    """What its process may take; empty where it has none of its own."""

    @abstractmethod
    def submit(self, images_NHWC: Images) -> PendingLogits:
        """Gives a batch to the model, without waiting for the device.

        Args:
            images_NHWC: The pixels; they may change as soon as this returns.

        Returns:
            A function that waits for the answers and returns them.

        Raises:
            ModelError: The model raised.
            OutputError: It returned something else than N x C floats.
            DeviceError: The device's memory is too small for the batch.
        """

    @property
    def num_ahead(self) -> int:
        """How many batches it should have been given when the answer to an earlier one is waited for."""
        return 2

    def logits(self, images_NHWC: Images) -> Logits:
        """The model's answers to one batch; errors as those of `submit`."""
        return self.submit(images_NHWC)()

    def settings(self) -> dict[str, Scalar]:
        """Torch's settings as they are now where the model runs, and `weights`, a digest of the model's state.

        Nothing where the place to run cannot tell.
        """
        return {}

    def guarded(self) -> AbstractContextManager[None]:
        """The context in which this host works on what the model answered and said.

        A place to run that promises to contain a submission turns what nobody foresaw into a `ChannelError` there.
        """
        return nullcontext()

    def finish(self) -> None:  # noqa: B027 - a place to run may have nothing to do
        """Ends the work properly, after the last answer that counts; a process of its own must then end.

        Raises:
            SubmissionError: It does not end, or says something more.
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
        """Starts the submission's model; leaving the context frees it. Several may be started at once.

        Raises:
            SubmissionError: The submission cannot be run.
            DeviceError: The device is not there.
        """
