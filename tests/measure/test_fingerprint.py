"""Fingerprints: what is hashed, and what is not."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from bench.measure.fingerprint import (
    Fingerprint,
    differing,
    machine_fields,
    num_physical,
    physical_cores,
    software_fields,
)

PARTS = Fingerprint(machine={"cpu": "A", "governor": None}, software={"torch": "2.15.0"})


def test_the_hash_is_its_definition() -> None:
    """sha256 of canonical JSON, 16 digits; what is missing is the word unknown."""
    text = json.dumps(
        {"machine": {"cpu": "A", "governor": "unknown"}, "software": {"torch": "2.15.0"}},
        sort_keys=True,
        separators=(",", ":"),
    )

    found = PARTS.as_environment()

    assert found["fingerprint"] == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert found["governor"] == "unknown"


def test_a_part_changes_its_own_hash_and_the_common_one() -> None:
    """Another torch is another software on the same machine."""
    one = PARTS.as_environment()
    other = Fingerprint(machine=PARTS.machine, software={"torch": "2.14.0"}).as_environment()

    assert one["machine_fingerprint"] == other["machine_fingerprint"]
    assert one["software_fingerprint"] != other["software_fingerprint"]
    assert one["fingerprint"] != other["fingerprint"]
    assert differing(one, other, {**PARTS.machine, **PARTS.software}) == ["torch"]


def test_the_fields_of_this_machine_hold_no_moment_and_no_name() -> None:
    """Two looks give the same; host name, clocks and load are not among the fields."""
    first, second = (machine_fields("cpu", num_threads=2) for _ in range(2))

    assert first == second
    assert first["num_threads"] == 2
    assert os.uname().nodename not in first.values()
    assert {"torch", "torchvision", "timm", "cuda", "precision"} <= set(software_fields({"precision": "fp32"}))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="binding to cores is Linux's")
def test_one_core_of_each_physical_one_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Siblings share their arithmetic, so they come last."""
    for core, siblings in {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}.items():
        folder = tmp_path / f"sys/devices/system/cpu/cpu{core}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert physical_cores(tmp_path) == [0, 1, 2, 3]
    assert num_physical(tmp_path) == 2

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 3})
    assert physical_cores(tmp_path) == [0, 3, 2]
    assert num_physical(tmp_path) == 2
    assert physical_cores(tmp_path / "nowhere") == [0, 2, 3]
