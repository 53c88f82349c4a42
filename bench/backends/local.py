"""The model in this very process: for code that you trust. Isolation `none`.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.backends.base import Backend, ModelSession, RunSpec
from bench.backends.device import device_type
from bench.errors import DeviceError, ModelError, OutputError
from bench.measure.environment import environment
from bench.measure.parameters import count_gmacs, count_parameters
from bench.models.build import build_model
from bench.models.source import LoadedSubmission
from bench.records.protocol import Precision

__all__ = ["LocalBackend"]

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class LocalBackend(Backend):
    """Runs the submission's code in this process."""

    isolation = "none"

    @contextmanager
    def start(self, submission: LoadedSubmission, spec: RunSpec) -> Iterator[ModelSession]:
        """Builds the model, moves it to the device, and fixes the arithmetic for as long as the context lasts."""
        built = build_model(submission, cache_folder=spec.cache_folder)
        with _arithmetic(spec.precision), torch.inference_mode():
            try:
                module = built.module.to(spec.device)
            except RuntimeError as error:
                raise _readable(error, "the model", batch_size=None) from error
            session = _LocalSession(module, spec, background=submission.manifest.outputs.background)
            session.input = built.input
            session.notes = built.notes
            session.num_params = count_parameters(module)
            yield session


class _LocalSession(ModelSession):
    def __init__(self, module: torch.nn.Module, spec: RunSpec, *, background: bool) -> None:
        self._module = module
        self._spec = spec
        self._background = background
        self.environment = environment(device_type(spec.device)) | _settings(spec)

    def logits(self, images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        device, precision = self._spec.device, self._spec.precision
        try:
            pixels_NCHW = torch.from_numpy(images_NHWC).to(device).permute(0, 3, 1, 2)
            inputs_NCHW = self._normalise(pixels_NCHW)
            with torch.autocast(device_type(device), dtype=_AUTOCAST.get(precision), enabled=precision in _AUTOCAST):
                output = self._module(inputs_NCHW)
            logits_NC = self._checked(output, len(images_NHWC))
            return logits_NC.to("cpu", torch.float32).numpy()
        except OutputError:
            raise
        except Exception as error:  # the submission's own code may raise anything
            raise _readable(error, "its forward pass", batch_size=len(images_NHWC)) from error

    def gmacs(self, img_size: int) -> float:
        try:
            return count_gmacs(self._module, img_size)
        except Exception as error:  # the submission's own code may raise anything
            raise _readable(error, "a forward pass at batch size 1", batch_size=None) from error

    def _normalise(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
        """Float32, order "unit": divide by 255, subtract the mean, divide by the standard deviation."""
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=pixels_NCHW.device).view(1, 3, 1, 1)
            for values in (self.input.mean, self.input.std)
        )
        scaled_NCHW = pixels_NCHW.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        return scaled_NCHW.sub_(mean).div_(std)

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


def _settings(spec: RunSpec) -> dict[str, str | int | float | bool | None]:
    return {
        "device": spec.device,
        "num_threads": torch.get_num_threads(),
        "memory_format": "contiguous",
        "autocast": spec.precision if spec.precision in _AUTOCAST else "off",
        "cudnn_benchmark": False,
        "deterministic": True,
    }


@contextmanager
def _arithmetic(precision: Precision) -> Iterator[None]:
    """Deterministic kernels, TF32 only where the precision says so; what was set before is restored."""
    # cuBLAS reads this when its first handle is made; see torch.use_deterministic_algorithms.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # typed as Any: torch's stubs do not know these settings yet
    places: tuple[Any, ...] = (
        torch.backends.cuda.matmul,
        *(getattr(torch.backends.cudnn, kind) for kind in ("conv", "rnn")),
    )
    before = [place.fp32_precision for place in places]
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    strict, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        for place in places:
            place.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
        # A model may use an operation without a deterministic form; that is a warning, not the end of its run.
        torch.use_deterministic_algorithms(True, warn_only=True)
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)


def _readable(error: BaseException, what: str, *, batch_size: int | None) -> DeviceError | ModelError:
    """What a user reads when the submission's code raised: memory apart from everything else."""
    out_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
    if out_of_memory:
        advice = (
            "use a device with more memory"
            if not batch_size or batch_size == 1
            else f"try --batch-size {batch_size // 2}"
        )
        images = f" at batch size {batch_size}" if batch_size else ""
        return DeviceError(f"out of memory{images} in {what}; {advice}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(last.filename)}, line {last.lineno}"  # noqa: PTH119 - a name inside a traceback, no path
    return ModelError(f"{what} raised {type(error).__name__}: {error} ({place})")
