"""The script of real gates: its table leaves nothing out, its bounds are exact, its extra work is work."""

from __future__ import annotations

import json
from pathlib import Path

import gate_real
import pytest


def _summary(state: Path, kind: str, number: int, verdict: str) -> None:
    content = {
        "kind": kind, "number": number, "noisy": number % 2 == 1, "verdict": verdict, "pairs": 10, "replaced": 0,
        "estimate": 0.0488 if kind == "planted" else None, "minutes": 3.5, "at": "", "load_1min": 1.0,
    }  # fmt: skip
    folder = state / f"{kind}-{number:03d}"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(content))


def test_every_gate_is_in_the_table(tmp_path: Path) -> None:
    """By kind and neighbour, and all together, whatever the verdict."""
    for number, verdict in enumerate(("OK", "INVALID", "OK", "INCONCLUSIVE")):
        _summary(tmp_path, "aa", number, verdict)
    _summary(tmp_path, "planted", 0, "REGRESSION")
    lines = gate_real.table(tmp_path).splitlines()

    rows = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:]}
    assert rows["equal code, idle"][:6] == ["2", "0", "2", "0", "0", "0"]
    assert rows["equal code, noisy neighbour"][:6] == ["2", "0", "0", "1", "1", "0"]
    assert rows["equal code, all"][6] == "0% (0.0% to 60.2%)"
    assert rows["5 % more work, all"][6:8] == ["100% (2.5% to 100.0%)", "+5.0 %"]


@pytest.mark.parametrize(("count", "total"), [(0, 15), (9, 10), (10, 10), (3, 20)])
def test_the_bounds_are_those_of_clopper_and_pearson(count: int, total: int) -> None:
    """As scipy's exact interval has them."""
    from scipy.stats import binomtest

    expected = binomtest(count, total).proportion_ci(0.95, method="exact")
    assert gate_real.bounds(count, total) == pytest.approx((expected.low, expected.high))


def test_planted_work_is_five_percent_more_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal batches, counted where they are made; the outputs are equal."""
    import torch

    passes: list[int] = []
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda module, _inputs, _outputs: passes.append(1) if isinstance(module, torch.nn.Sequential) else None
    )
    try:
        plain, more = gate_real.step(0.0), gate_real.step(0.05)
        plain()
        num_plain = len(passes)
        more()
    finally:
        handle.remove()

    assert (num_plain, len(passes) - num_plain) == (20, 21)
    assert plain.outputs() == more.outputs()  # type: ignore[attr-defined]
