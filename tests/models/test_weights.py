"""Weights: what is refused, and what fits."""

from __future__ import annotations

import hashlib
import io
import pickle
import urllib.error
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.errors import WeightsError
from bench.models import weights
from bench.models.weights import download, load_into, read_state


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def _trained() -> dict[str, torch.Tensor]:
    return {key: torch.randn_like(value.float()).to(value.dtype) for key, value in _network().state_dict().items()}


def _save_torch(state: Any, path: Path) -> None:
    torch.save(state, path)


@pytest.mark.parametrize("save", [save_file, _save_torch])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ""])
def test_both_formats_load_whatever_the_file_is_called(tmp_path: Path, save: Callable[..., None], suffix: str) -> None:
    """The content decides, not the suffix; only a false .safetensors is refused, which torch itself would believe."""
    if save is _save_torch and suffix == ".safetensors":
        save(_trained(), tmp_path / "w.safetensors")
        with pytest.raises(WeightsError, match="rename it"):
            read_state(tmp_path / "w.safetensors")
        return
    state, path = _trained(), tmp_path / f"w{suffix}"
    save(state, path)
    network = _network()
    assert load_into(network, path) == ()
    assert all(torch.equal(network.state_dict()[key], value) for key, value in state.items())


def test_the_prefix_of_distributed_training_is_removed_and_said(tmp_path: Path) -> None:
    """When every key begins with "module.", the prefix goes, and a note tells."""
    state = _trained()
    save_file({f"module.{key}": value for key, value in state.items()}, tmp_path / "w")
    network = _network()
    assert "'module.'" in load_into(network, tmp_path / "w")[0]
    assert torch.equal(network.state_dict()["0.weight"], state["0.weight"])
    state["module.extra"] = torch.zeros(1)
    save_file(state, tmp_path / "mixed")
    with pytest.raises(WeightsError, match=r"unexpected: module\.extra"):
        load_into(_network(), tmp_path / "mixed")


def test_the_counter_of_batch_normalisation_may_be_missing(tmp_path: Path) -> None:
    """Old checkpoints lack num_batches_tracked, which changes no answer."""
    state = _trained()
    del state["1.num_batches_tracked"]
    save_file(state, tmp_path / "w")
    assert load_into(_network(), tmp_path / "w") == ()


def test_keys_that_do_not_fit_are_named_a_few_at_a_time(tmp_path: Path) -> None:
    """Missing, unexpected and mis-shaped keys stand in one message, the first three of each."""
    state = {f"head.{index}": torch.zeros(1) for index in range(5)} | {"0.weight": torch.zeros(7, 4)}
    save_file(state, tmp_path / "w")
    with pytest.raises(WeightsError) as caught:
        load_into(_network(), tmp_path / "w")
    message = str(caught.value)
    assert "7 missing: 0.bias, 1.weight, 1.bias, ..." in message
    assert "5 unexpected: head.0, head.1, head.2, ..." in message
    assert "0.weight (file (7, 4), model (3, 4))" in message


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code ran')",))


def test_pickles_that_hold_code_are_refused_and_never_run(tmp_path: Path) -> None:
    """A bare pickle, and an archive of torch.save with code in it."""
    (tmp_path / "bare").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(WeightsError, match="bare pickle, which can hold code"):
        read_state(tmp_path / "bare")
    torch.save({"weight": _Evil()}, tmp_path / "archive")
    with pytest.raises(WeightsError, match=r"holds code or objects beside tensors \(it names .*exec"):
        read_state(tmp_path / "archive")
    torch.save(_network(), tmp_path / "module")
    with pytest.raises(WeightsError, match="holds code or objects beside tensors"):
        read_state(tmp_path / "module")


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    """TorchScript is code."""
    with zipfile.ZipFile(tmp_path / "script", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
        archive.writestr("model/constants.pkl", pickle.dumps(()))
        archive.writestr("model/code/__torch__.py", "x = 1")
        archive.writestr("model/version", "3\n")
    with pytest.raises(WeightsError, match="TorchScript archive, which is code"):
        read_state(tmp_path / "script")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no zip", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_files_that_hold_no_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, text, a broken archive, safetensors without tensors."""
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsError):
        read_state(tmp_path / "w")


@pytest.mark.parametrize("save", [save_file, _save_torch])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, save: Callable[..., None], kept: float) -> None:
    """A copy that stopped half-way never loads."""
    save({"weight": torch.randn(100, 100)}, tmp_path / "w")
    content = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(WeightsError):
        read_state(tmp_path / "w")


def test_a_tensor_of_stride_zero_is_refused(tmp_path: Path) -> None:
    """A million million elements in a file of a kilobyte."""
    torch.save({"weight": torch.zeros(1).expand(1_000_000, 1_000_000)}, tmp_path / "w")
    assert (tmp_path / "w").stat().st_size < 10_000
    with pytest.raises(WeightsError, match="counts elements twice"):
        read_state(tmp_path / "w")


def test_overlapping_windows_are_refused(tmp_path: Path) -> None:
    """Sliding windows over one storage count its elements many times."""
    torch.save({"weight": torch.zeros(1000).as_strided((500, 500), (1, 1))}, tmp_path / "w")
    with pytest.raises(WeightsError, match="counts elements twice"):
        read_state(tmp_path / "w")


def test_many_views_of_one_storage_cannot_exceed_the_file(tmp_path: Path) -> None:
    """Tied weights are one; shifted views of one storage are counted and bounded by the file's size."""
    base = torch.zeros(10_000)
    torch.save({"a": base, "b": base}, tmp_path / "tied")
    assert set(read_state(tmp_path / "tied")) == {"a", "b"}
    torch.save({str(index): base[index : index + 9_000] for index in range(50)}, tmp_path / "shifted")
    with pytest.raises(WeightsError, match=r"declares 1,800,000 bytes"):
        read_state(tmp_path / "shifted")


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    """Deflated members may become anything; torch.save writes none."""
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "plain")
    with zipfile.ZipFile(tmp_path / "plain") as plain, zipfile.ZipFile(tmp_path / "w", "w") as out:
        for item in plain.infolist():
            out.writestr(item.filename, plain.read(item), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="compressed member"):
        read_state(tmp_path / "w")


@pytest.mark.parametrize("save", [save_file, _save_torch])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, save: Callable[..., None], value: float) -> None:
    """The first tensor with NaN or infinity is named."""
    save({"good": torch.zeros(3), "bad": torch.tensor([0.0, value])}, tmp_path / "w")
    with pytest.raises(WeightsError, match="tensor 'bad' holds NaN or infinity"):
        read_state(tmp_path / "w")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"state_dict": {"weight": torch.zeros(1)}}, "holds dict under 'state_dict'"),
        ({"weight": torch.zeros(1), "epoch": 3}, "holds int under 'epoch'"),
        ([torch.zeros(1)], "holds list, expected a state dict"),
        ({"weight": torch.eye(3).to_sparse()}, "sparse"),
        ({"weight": torch.zeros(2, dtype=torch.complex64)}, "complex"),
        ({}, "holds no tensors"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    """A training checkpoint is not its weights; the message says what to save."""
    torch.save(content, tmp_path / "w")
    with pytest.raises(WeightsError, match=says):
        read_state(tmp_path / "w")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A web that serves b"weights" under every link, and the links that were opened."""
    opened: list[str] = []

    def open_link(link: str) -> io.BytesIO:
        opened.append(link)
        return io.BytesIO(b"weights")

    monkeypatch.setattr(weights, "_open_link", open_link)
    return opened


LINK = "https://acme.example/w.safetensors"


def test_a_download_is_kept_by_its_sha256_and_made_once(tmp_path: Path, served: list[str]) -> None:
    """The cache is addressed by content, and a damaged file in it is fetched again."""
    sha256 = hashlib.sha256(b"weights").hexdigest()
    path = download(LINK, sha256, tmp_path)
    assert path == tmp_path / "weights" / sha256
    assert path.read_bytes() == b"weights"
    assert download(LINK, sha256, tmp_path) == path
    assert served == [LINK]
    path.write_bytes(b"damaged")
    assert download(LINK, sha256, tmp_path).read_bytes() == b"weights"
    assert len(served) == 2


def test_a_download_with_another_content_is_not_kept(tmp_path: Path, served: list[str]) -> None:
    """Both hashes are shown, and the cache stays empty."""
    with pytest.raises(WeightsError, match=f"expected {'a' * 64}; nothing was kept"):
        download(LINK, "a" * 64, tmp_path)
    assert list((tmp_path / "weights").iterdir()) == []


def test_without_a_network_the_message_says_where_the_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offline machine can be given the file by hand."""

    def unreachable(_link: str) -> io.BytesIO:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(weights, "_open_link", unreachable)
    with pytest.raises(WeightsError, match=f"Name or service not known.*weights/{'a' * 64}"):
        download(LINK, "a" * 64, tmp_path)


def test_only_https_is_opened(tmp_path: Path) -> None:
    """Neither http nor file links, nor a redirect to one."""
    for link in ("http://acme.example/w", "file:///etc/passwd", "ftp://acme.example/w"):
        with pytest.raises(WeightsError, match="no https link"):
            download(link, "a" * 64, tmp_path)
    with pytest.raises(urllib.error.URLError, match="no https link"):
        weights._HttpsOnly().redirect_request(None, None, 302, "", {}, "http://acme.example/w")
