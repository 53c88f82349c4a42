"""Evaluation while training on a CUDA device: `python -m pytest tests/gpu` skips without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.dataset import open_dataset
from bench.data.synthetic import write_synthetic
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.records.submission import InputSpec
from bench.training.energy import EnergyMeter
from bench.training.evaluating import Evaluator

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


def test_the_gpu_finds_what_the_cpu_finds(tmp_path: Path) -> None:
    """In float32, whatever surrounds it; the network stays where it is, in training mode, with its layout."""
    write_synthetic(tmp_path / "shapes2", num_classes=2, train_per_class=1, val_per_class=9)
    content = load_protocol("shapes10-val").as_json()
    content |= {"id": "shapes2-val", "dataset": {"name": "shapes2", "split": "val", "num_samples": 18}}
    protocol = Protocol.parse(content)
    dataset = open_dataset(tmp_path / "shapes2", protocol.dataset)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2), torch.nn.BatchNorm2d(8), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 2),
    )  # fmt: skip
    found = {}
    for device in ("cpu", "cuda:0"):
        module.to(device).to(memory_format=torch.channels_last).train()
        evaluator = Evaluator(
            protocol=protocol, dataset=dataset, input=InputSpec(), background=False, device=device, num_threads=2
        )
        found[device] = evaluator.evaluate(module).metrics

        assert all(part.training for part in module.modules())
        assert next(module.parameters()).device == torch.device(device)

    assert found["cuda:0"]["top1"] == found["cpu"]["top1"]
    assert found["cuda:0"]["nll"].value == pytest.approx(found["cpu"]["nll"].value, abs=1e-5)


def test_energy_never_falls() -> None:
    """Unknown where the driver does not tell it."""
    meter = EnergyMeter.of("cuda:0", before_j=5.0)
    first = meter.joules()
    product = torch.ones(2048, 2048, device="cuda:0")
    for _ in range(100):
        product = product @ product / 2048
    torch.cuda.synchronize()
    second = meter.joules()

    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert 5.0 <= first <= second
