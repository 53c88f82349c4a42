"""Weights: found, checked against their sha256, loaded without running code, and fitted to a model.

The file's content decides how it is read: a safetensors file, or the zip archive that `torch.save` writes for a state
dict. Anything else is not opened.
"""

from __future__ import annotations

import hashlib
import pickle
import urllib.error
import urllib.request
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench.errors import WeightsError
from bench.files import sha256_of_file, write_atomic
from bench.models.source import LoadedSubmission, checked_file

if TYPE_CHECKING:
    import torch

__all__ = ["download", "load_into", "read_state", "weights_file"]

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60
_NUM_NAMED = 3
_HOW_TO_SAVE = "save model.state_dict() with safetensors.torch.save_file, or with torch.save"


def weights_file(submission: LoadedSubmission, cache_folder: Path) -> Path | None:
    """The submission's weights as a file whose sha256 is the manifest's; None when it names none.

    Args:
        submission: A submission whose `model.weights` is a file in its folder or an https link.
        cache_folder: Where downloads are kept, by their sha256.

    Raises:
        WeightsError: The sha256 differs, or the download fails.
        SubmissionError: The file is missing or leaves the folder.
    """
    model = submission.manifest.model
    if model.weights is None:
        return None
    if not model.weights.startswith("https://"):
        return checked_file(submission, "weights")
    if model.sha256 is None:
        raise WeightsError(
            "is missing; downloaded weights need the sha256 of the file",
            path=submission.manifest_path,
            key="model.sha256",
        )
    return download(model.weights, model.sha256, cache_folder)


def download(link: str, sha256: str, cache_folder: Path) -> Path:
    """The file behind an https link, from the cache where it lies there already.

    Args:
        link: An https link.
        sha256: The sha256 that the content must have, 64 hex digits.
        cache_folder: The file is kept as `weights/<sha256>` below it.

    Raises:
        WeightsError: The link cannot be opened, leads away from https, or holds another content.
        StoreError: The cache folder cannot be written.
    """
    path = cache_folder / "weights" / sha256
    if path.is_file() and sha256_of_file(path) == sha256:
        return path

    def fetch(target: Path) -> None:
        digest = hashlib.sha256()
        try:
            with _open_link(link) as stream, target.open("wb") as out:
                while block := stream.read(_CHUNK_BYTES):
                    digest.update(block)
                    out.write(block)
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", None) or error
            raise WeightsError(
                f"cannot be downloaded ({reason}); without a network, put the file at {path}", path=link
            ) from error
        if digest.hexdigest() != sha256:
            raise WeightsError(f"has sha256 {digest.hexdigest()}, expected {sha256}; nothing was kept", path=link)

    write_atomic(path, fetch)
    return path


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows no redirect that leaves https."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it redirects to {newurl!r}, which is no https link")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open_link(link: str) -> IO[bytes]:
    if not link.startswith("https://"):
        raise WeightsError("is no https link; only https is downloaded", path=link)
    stream: IO[bytes] = urllib.request.build_opener(_HttpsOnly).open(link, timeout=_TIMEOUT_S)
    return stream


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in a weights file, by name, on the CPU, all finite.

    Raises:
        WeightsError: The file is missing, truncated, holds code, is compressed, declares more than it holds, or holds
            something else than finite tensors.
    """
    with path.open("rb") as stream:
        start = stream.read(9)
    if start[:2] == b"PK":
        state = _read_zip(path)
    elif start[8:9] == b"{":
        state = _read_safetensors(path)
    elif start[:1] == b"\x80":
        raise WeightsError(
            f"is a bare pickle, which can hold code and is never opened; {_HOW_TO_SAVE} of PyTorch 1.6 or later",
            path=path,
        )
    else:
        raise WeightsError(f"is neither safetensors nor an archive of torch.save; {_HOW_TO_SAVE}", path=path)
    if not state:
        raise WeightsError("holds no tensors", path=path)
    _check_tensors(state, path)
    return state


def load_into(module: torch.nn.Module, path: Path) -> tuple[str, ...]:
    """Puts the weights of a file into a module; every key must fit.

    Returns:
        Notes on what was adapted on the way.

    Raises:
        WeightsError: The file is refused (see `read_state`), or its keys or shapes are not the module's; the first
            few are named.
    """
    state, notes = read_state(path), []
    # DistributedDataParallel puts "module." in front of every key.
    own = module.state_dict()
    if all(key.startswith("module.") for key in state) and not any(key.startswith("module.") for key in own):
        state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
        notes.append("the prefix 'module.' was removed from all keys of the weights")
    _check_fit(own, state, path)
    module.load_state_dict(state, strict=False)
    return tuple(notes)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, torch.Tensor] = load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"is no valid safetensors file ({error}); save it again", path=path) from error
    return state


def _read_zip(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise WeightsError(f"is truncated or no archive of torch.save ({error}); copy it again", path=path) from error
    if path.suffix == ".safetensors":  # torch.load would believe the name
        raise WeightsError("is an archive of torch.save under the name of a safetensors file; rename it", path=path)
    if any(item.filename.endswith("/constants.pkl") for item in members):
        raise WeightsError(f"is a TorchScript archive, which is code; {_HOW_TO_SAVE}", path=path)
    if compressed := [item.filename for item in members if item.compress_type != zipfile.ZIP_STORED]:
        raise WeightsError(
            f"holds the compressed member {compressed[0]!r}, which could become anything; torch.save writes none: "
            f"{_HOW_TO_SAVE}",
            path=path,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about sparse tensors, which are refused below
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        first = str(error).strip().splitlines()[-1] if "GLOBAL" not in str(error) else _refused_global(str(error))
        raise WeightsError(
            f"holds code or objects beside tensors ({first}), refused; {_HOW_TO_SAVE}", path=path
        ) from error
    except (RuntimeError, ValueError, KeyError, EOFError, TypeError, AttributeError, IndexError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"is no state dict of torch.save ({first[:200]}); {_HOW_TO_SAVE}", path=path) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WeightsError(f"holds {type(content).__name__}, expected a state dict; {_HOW_TO_SAVE}", path=path)
    for key, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise WeightsError(
                f"holds {type(value).__name__} under {key!r}, expected a tensor: a checkpoint and no state dict; "
                f"{_HOW_TO_SAVE}",
                path=path,
            )
    return dict(content)


def _refused_global(message: str) -> str:
    """Torch's message about a refused global, cut down to the global."""
    words = message.split("GLOBAL", 1)[1].split()
    return f"it names {words[0]}" if words else "it names a function"


def _check_tensors(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Refuses tensors that hold no plain, finite numbers or claim more elements than the file can hold.

    A tensor of stride 0 has any number of elements in a file of a kilobyte.
    """
    import torch

    declared, seen = 0, set()
    for key, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise WeightsError(
                f"tensor {key!r} is sparse, quantized, complex or empty of data; save it dense", path=path
            )
        if _overlaps(tensor):
            raise WeightsError(
                f"tensor {key!r} of shape {tuple(tensor.shape)} counts elements twice (strides {tensor.stride()}); "
                "save tensor.contiguous()",
                path=path,
            )
        view = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride())
        if view not in seen:  # tied weights share their storage
            seen.add(view)
            declared += tensor.numel() * tensor.element_size()
    if declared > (size := path.stat().st_size):
        raise WeightsError(f"declares {declared:,} bytes of tensors, but has only {size:,}", path=path)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            raise WeightsError(f"tensor {key!r} holds NaN or infinity", path=path)


def _overlaps(tensor: torch.Tensor) -> bool:
    """Whether two indices of the tensor may share one element."""
    reach = 1
    for stride, size in sorted(
        (stride, size) for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1
    ):
        if stride < reach:
            return True
        reach = stride * (size - 1) + reach
    return False


def _check_fit(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], path: Path) -> None:
    # BatchNorm's counter came after the first checkpoints and changes no answer.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} (file {tuple(state[key].shape)}, model {tuple(tensor.shape)})"
        for key, tensor in own.items()
        if key in state and state[key].shape != tensor.shape
    ]
    faults = [
        f"{len(names)} {noun}: {', '.join(names[:_NUM_NAMED])}{', ...' if len(names) > _NUM_NAMED else ''}"
        for noun, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if faults:
        raise WeightsError(f"does not fit the model; keys: {'; '.join(faults)}", path=path)
