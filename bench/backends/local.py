"""The model in this very process: for code that you trust. Isolation `none`.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.backends.arithmetic import AUTOCAST, arithmetic, settings_now
from bench.backends.base import Backend, Images, Logits, ModelSession, PendingLogits, RunSpec
from bench.backends.device import device_type
from bench.backends.memory import is_out_of_memory, keep_freed_memory
from bench.backends.normalising import normalised
from bench.backends.settings import settings_of
from bench.backends.staging import Stager, pixels_on
from bench.errors import DeviceError, ModelError, OutputError
from bench.measure.environment import environment
from bench.measure.parameters import count_gmacs, count_parameters, weights_digest
from bench.models.build import BuiltModel, build_model
from bench.models.source import LoadedSubmission
from bench.records.result import Scalar

__all__ = ["LocalBackend", "session_over"]


class LocalBackend(Backend):
    """Runs the submission's code in this process."""

    isolation = "none"

    def __init__(self) -> None:
        self._stagers: dict[str, Stager] = {}

    @contextmanager
    def start(self, submission: LoadedSubmission, spec: RunSpec) -> Iterator[ModelSession]:
        """Builds the model, moves it to the device, and fixes the arithmetic for as long as the context lasts."""
        keep_freed_memory()
        built = build_model(submission, cache_folder=spec.cache_folder, with_weights=spec.with_weights)
        with arithmetic(spec.precision), torch.inference_mode():
            yield _LocalSession(built, spec, self._stager(spec), background=submission.manifest.outputs.background)

    def _stager(self, spec: RunSpec) -> Stager | None:
        """The way to a CUDA device, shared by all models on it; other devices need none."""
        if device_type(spec.device) != "cuda":
            return None
        return self._stagers.setdefault(spec.device, Stager(spec.device))


def session_over(built: BuiltModel, spec: RunSpec, *, background: bool) -> ModelSession:
    """A session with a model that is on its device already, such as one in training: its parameters stay as they lie.

    The caller sets its mode, and the arithmetic.

    Args:
        built: The model.
        spec: How it is run.
        background: Its output 0 is the background class.
    """
    stager = Stager(spec.device) if device_type(spec.device) == "cuda" else None
    return _LocalSession(built, spec, stager, background=background, is_placed=True)


class _LocalSession(ModelSession):
    def __init__(
        self, built: BuiltModel, spec: RunSpec, stager: Stager | None, *, background: bool, is_placed: bool = False
    ) -> None:
        self._spec = spec
        self._stager = stager
        self._background = background
        # Convolutions run up to twice as fast on channels-last pixels, on a CPU as on a GPU.
        self._memory_format = torch.contiguous_format if device_type(spec.device) == "mps" else torch.channels_last
        try:
            module = built.module
            self._module = module if is_placed else module.to(spec.device).to(memory_format=self._memory_format)
            self._mean, self._std = (
                torch.tensor(values, dtype=torch.float32, device=spec.device)
                for values in (built.input.mean, built.input.std)
            )
        except RuntimeError as error:
            raise _readable(error, "the model", batch_size=None) from error
        self._forward = torch.compile(self._module) if spec.compiled else self._module
        self.input = built.input
        self.notes = built.notes
        self.num_params = count_parameters(self._module)
        self.environment = environment(device_type(spec.device)) | settings_of(
            spec, num_threads=torch.get_num_threads()
        )

    def submit(self, images_NHWC: Images) -> PendingLogits:
        device, precision = self._spec.device, self._spec.precision
        try:
            inputs_NCHW = normalised(
                pixels_on(device, images_NHWC, self._stager), self._mean, self._std, self._memory_format
            )
            enabled = precision in AUTOCAST
            # What a model prints is no result: stdout belongs to bench.
            with (
                contextlib.redirect_stdout(sys.stderr),
                torch.autocast(device_type(device), dtype=AUTOCAST.get(precision), enabled=enabled),
            ):
                output = self._forward(inputs_NCHW)
            return self._fetch(self._checked(output, len(images_NHWC)))
        except OutputError:
            raise
        except Exception as error:  # the submission's own code may raise anything
            raise _readable(error, "its forward pass", batch_size=len(images_NHWC)) from error

    def gmacs(self, img_size: int) -> float:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return count_gmacs(self._module, img_size)
        except Exception as error:  # the submission's own code may raise anything
            raise _readable(error, "a forward pass at batch size 1", batch_size=None) from error

    def settings(self) -> dict[str, Scalar]:
        try:
            return settings_now() | {
                "training": any(module.training for module in self._module.modules()),
                "weights": weights_digest(self._module),
            }
        except Exception as error:  # a module of the submission may answer as it likes
            raise _readable(error, "reading its weights", batch_size=None) from error

    def _fetch(self, logits_NC: torch.Tensor) -> PendingLogits:
        """Brings logits to the host as float32; from a CUDA device without waiting for it."""
        if self._stager is None:
            # A copy: a model may give each of its answers in the same memory.
            answers_NC: Logits = logits_NC.to("cpu", torch.float32, copy=True).numpy()
            return lambda: answers_NC
        host_NC = torch.empty(logits_NC.shape, dtype=torch.float32, pin_memory=True)
        host_NC.copy_(logits_NC.to(torch.float32), non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self._spec.device))

        def wait() -> Logits:
            try:
                done.synchronize()
            except RuntimeError as error:  # a kernel of the model failed on the device
                raise _readable(error, "its forward pass", batch_size=len(host_NC)) from error
            fetched_NC: Logits = host_NC.numpy()
            return fetched_NC

        return wait

    def _checked(self, output: Any, num_images: int) -> torch.Tensor:
        wanted = self._spec.num_classes + self._background
        if not isinstance(output, torch.Tensor):
            raise OutputError(f"the model returned {type(output).__name__}, expected one tensor of logits")
        if output.shape != (num_images, wanted):
            background = " (with the background class)" if self._background else ""
            raise OutputError(
                f"the model returned shape {tuple(output.shape)} for {num_images} images, "
                f"expected ({num_images}, {wanted}){background}; see [outputs] in submission.toml"
            )
        if not output.is_floating_point():
            raise OutputError(f"the model returned {output.dtype}, expected floating-point logits")
        return output[:, 1:] if self._background else output


def _readable(error: BaseException, what: str, *, batch_size: int | None) -> DeviceError | ModelError:
    """What a user reads when the submission's code raised: memory apart from everything else."""
    if is_out_of_memory(error):
        smaller = f"try --batch-size {batch_size // 2}" if batch_size and batch_size > 1 else None
        images = f" at batch size {batch_size}" if batch_size else ""
        return DeviceError(f"out of memory{images} in {what}; {smaller or 'use a device with more memory'}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(last.filename)}, line {last.lineno}"  # noqa: PTH119 - a name inside a traceback, no path
    return ModelError(f"{what} raised {type(error).__name__}: {error} ({place})")
