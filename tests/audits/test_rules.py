"""The audits as pure functions of evidence: where each of them draws its line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audits import AUDITS, Evidence, judge
from bench.audits.auditor import num_audited
from bench.audits.evidence import TOLERANCE, Compared, Perturbed, TimedRound, compare
from bench.audits.pixels import KINDS, perturbed
from bench.backends.audited import completed
from bench.measure.peaks import peak_of
from bench.records.verified import NEEDED_AUDITS

SETTINGS = {
    "matmul_fp32_precision": "ieee",
    "conv_fp32_precision": "ieee",
    "rnn_fp32_precision": "ieee",
    "cudnn_benchmark": False,
    "cudnn_deterministic": True,
    "training": False,
    "num_threads": 2,
    "weights": "abc",
}


def _compared(num_images: int = 500, num_moved: int = 0, num_changed: int = 0, by: float = 1.0) -> Compared:
    differences_N, changed_N = np.zeros(num_images), np.zeros(num_images, dtype=bool)
    differences_N[:num_moved], changed_N[:num_changed] = by, True
    return Compared(differences_N, changed_N)


def _perturbed(right: int, copies_right: int, num_images: int = 500) -> Perturbed:
    scored_N, copy_N = np.arange(num_images) < right, np.arange(num_images) < copies_right
    return Perturbed(scored_N, copy_N, scored_N == copy_N)


HONEST = Evidence(
    seed=0,
    precision="fp32",
    batch_size=32,
    alone=_compared(),
    company=_compared(),
    sizes={1: _compared(6), 7: _compared(42)},
    exact=_compared(192),
    late=_compared(8),
    perturbed=dict.fromkeys(KINDS, _perturbed(400, 390)),
    rounds=(TimedRound(0.02, 0.02, 0.02),) * 6,
    scored_alone_s=(0.02,) * 6,
    settings_before=SETTINGS,
    settings_after=SETTINGS,
    num_shown=2000,
    seconds=1.0,
    gmacs=1.0,
    peak_tflops=10.0,
)


def _outcomes(**change: object) -> dict[str, str]:
    return {audit.id: audit.outcome for audit in judge(replace(HONEST, **change))}  # type: ignore[arg-type]


def test_honest_evidence_passes_every_audit() -> None:
    """Each audit of the table, in its order; those that verified needs are among them."""
    assert _outcomes() == dict.fromkeys(AUDITS, "passed")
    assert set(NEEDED_AUDITS) < set(AUDITS)


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"alone": _compared(num_changed=1)}, {"A1"}),
        ({"rounds": (TimedRound(0.02, 0.017, 0.02),) * 6}, {"A2"}),
        ({"rounds": (TimedRound(0.02, 0.02, 0.001),) * 6}, {"A2"}),
        ({"perturbed": dict.fromkeys(KINDS, _perturbed(400, 300))}, {"A3"}),
        ({"perturbed": {"mirrored": _perturbed(400, 50), "shifted": _perturbed(400, 400)}}, {"A3"}),
        ({"sizes": {1: _compared(6, num_moved=1), 7: _compared(42)}}, {"A4"}),
        ({"company": _compared(num_moved=1)}, {"A5"}),
        ({"exact": _compared(192, num_moved=1)}, {"A6"}),
        ({"late": _compared(8, num_changed=1)}, {"A7"}),
        ({"scored_alone_s": (0.009,) * 6}, {"A7"}),
        ({"scored_alone_s": (0.041,) * 6}, {"A7"}),
        ({"peak_tflops": 3.1}, {"A8"}),
        ({"settings_after": SETTINGS | {"num_threads": 1}}, {"A10"}),
        ({"settings_before": SETTINGS | {"training": True}, "settings_after": SETTINGS | {"training": True}}, {"A10"}),
        ({"settings_after": SETTINGS | {"weights": "abd"}}, {"A11"}),
    ],
)
def test_each_audit_fails_for_its_own_reason(change: dict[str, object], failing: set[str]) -> None:
    """And for nobody else's."""
    assert {name for name, outcome in _outcomes(**change).items() if outcome != "passed"} == failing


@pytest.mark.parametrize(
    "change",
    [
        # One round in which copies took as long is enough, and so is one in which the others took as short.
        {"rounds": (*(TimedRound(0.02, 0.01, 0.02),) * 5, TimedRound(0.02, 0.019, 0.02))},
        {"rounds": (*(TimedRound(0.02, 0.01, 0.02),) * 5, TimedRound(0.0105, 0.009, 0.02))},
        # Half of almost nothing is nothing.
        {"rounds": (TimedRound(8e-4, 4e-4, 8e-4),) * 6, "scored_alone_s": (8e-4,) * 6, "gmacs": 1e-3},
        # Within the arithmetic.
        {"company": _compared(num_moved=500, by=0.9 * TOLERANCE["fp32"])},
        # One image in a thousand.
        {"alone": _compared(num_images=1000, num_changed=1)},
        # Five points in 60 images may be chance.
        {"perturbed": dict.fromkeys(KINDS, _perturbed(40, 37, 60))},
        # Copies may be answered better.
        {"perturbed": dict.fromkeys(KINDS, _perturbed(300, 400))},
        # One slow batch is no phase.
        {"scored_alone_s": (0.2, 0.2, 0.02, 0.2)},
    ],
)
def test_chance_is_no_alarm(change: dict[str, object]) -> None:
    """What an honest model may show on a busy machine."""
    assert "failed" not in _outcomes(**change).values()


@pytest.mark.parametrize(
    ("change", "silent"),
    [
        ({"perturbed": dict.fromkeys(KINDS, _perturbed(20, 20, 29))}, {"A3"}),
        ({"scored_alone_s": (0.02,) * 3}, {"A7"}),
        ({"gmacs": None}, {"A8"}),
        ({"peak_tflops": None}, {"A8"}),
        ({"settings_before": {}, "settings_after": {}}, {"A10", "A11"}),
    ],
)
def test_an_audit_without_evidence_is_not_run(change: dict[str, object], silent: set[str]) -> None:
    """It neither passes nor fails."""
    assert {name for name, outcome in _outcomes(**change).items() if outcome == "not-run"} == silent


def test_both_settings_are_in_the_record() -> None:
    """The one before and the one after."""
    after = SETTINGS | {"cudnn_benchmark": True}
    (audit,) = [one for one in judge(replace(HONEST, settings_after=after)) if one.id == "A10"]

    assert (audit.figures["cudnn_benchmark_before"], audit.figures["cudnn_benchmark_after"]) == (False, True)
    assert "cudnn_benchmark from False to True" in audit.sentence


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.49))
def test_logits_that_move_within_the_tolerance_change_no_answer(seed: int, share: float) -> None:
    """Whatever ties there are: a class that overtakes another was within twice the tolerance of it."""
    random = np.random.default_rng(seed)
    logits_NC = random.normal(0, 3, (8, 5)).astype(np.float32)
    scale_N1 = np.abs(logits_NC).max(axis=1, keepdims=True)
    moved_NC = (logits_NC + random.uniform(-share, share, (8, 5)) * 0.1 * scale_N1).astype(np.float32)
    found = compare(logits_NC, moved_NC, 0.1)

    assert not found.changed_N.any()
    assert (found.differences_N <= 0.1).all()


def test_zeros_can_be_compared() -> None:
    """A model may answer zeros."""
    zeros_NC = np.zeros((2, 3), np.float32)

    assert not compare(zeros_NC, zeros_NC, 0.1).differences_N.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_differs_in_bytes_and_hardly_in_looks(kind: str) -> None:
    """Mirrored twice it is the image; shifted it moves by one pixel, and by two levels at most."""
    random = np.random.default_rng(0)
    row_W = np.linspace(0, 255, 32).astype(np.uint8)
    image_VHWC = np.broadcast_to(row_W[None, None, :, None], (1, 32, 32, 3))
    copy_VHWC = perturbed(image_VHWC, kind, random)

    assert (copy_VHWC != image_VHWC).any()
    assert copy_VHWC.dtype == np.uint8
    if kind == "mirrored":
        np.testing.assert_array_equal(perturbed(copy_VHWC, kind, random), image_VHWC)
    else:
        assert np.abs(copy_VHWC.astype(int) - image_VHWC).max() <= 2 + 9  # a pixel of this ramp is 8 or 9 levels


@pytest.mark.parametrize(
    ("num_images", "image_bytes", "wanted"),
    [
        (50_000, 224 * 224 * 3, 500),
        (1_000, 224 * 224 * 3, 128),
        (12, 224 * 224 * 3, 12),
        (50_000, 10 * 448 * 448 * 3, 32),
        (1_000_000, 1, 10_000),
    ],
)
def test_a_hundredth_of_the_images_come_again(num_images: int, image_bytes: int, wanted: int) -> None:
    """At least 128, and no more than fit into 128 MiB."""
    assert num_audited(num_images, image_bytes) == wanted


def test_peaks_are_those_of_the_devices_that_ran() -> None:
    """A GPU by its name, several together; a processor by its cores; nothing for what is not known."""

    def peak(**environment: object) -> float | None:
        return completed(HONEST, gmacs=1.0, environment=environment, precision="bf16").peak_tflops  # type: ignore[arg-type]

    assert peak(gpu="NVIDIA H200") == peak_of("NVIDIA H200", "bf16")
    assert peak(gpu="NVIDIA H200", num_devices=2) == 2 * peak_of("NVIDIA H200", "bf16")  # type: ignore[operator]
    assert peak(num_cores=2, machine="x86_64") == pytest.approx(12.288)
    assert peak(num_cores=2, machine="aarch64") is None
