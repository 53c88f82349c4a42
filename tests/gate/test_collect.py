"""Pairs of real processes: their blocks, their coins, and every way in which a side can fail."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.errors import RecordError
from bench.gate.collect import Launch, SideError, Timing, measure_pair, why_invalid
from bench.gate.process import Worker, WorkerError
from bench.gate.raw import Pair, RawFile, difference_of, invalid_share

STEPS = Path(__file__).with_name("steps.py")
QUICK = Timing(num_blocks=3, block_s=0.01, warm_s=0.06)


def _launch(name: str, folder: Path, **arguments: Any) -> Launch:
    return Launch(python=sys.executable, folder=folder, target=f"{STEPS}:{name}", arguments=arguments)


def _pair(folder: Path, base: float = 1.0, head: float = 1.0, *, number: int = 0, seed: int = 0) -> Pair:
    sides = {"base": _launch("busy", folder, milliseconds=base), "head": _launch("busy", folder, milliseconds=head)}
    return measure_pair("busy", number, sides, QUICK, seed=seed)  # type: ignore[arg-type]


def test_a_pair_measures_the_ratio_of_two_sides(tmp_path: Path) -> None:
    """Ten times the work takes longer, on a busy machine too; what the code prints is no answer."""
    pair = _pair(tmp_path, base=1.0, head=10.0)

    assert len(pair.blocks) == 3
    assert pair.is_valid
    assert difference_of(pair) > 0
    block = pair.blocks[0].base
    assert block.steps == max(5, round(0.01 / pair.base_step_s))
    assert 1e6 <= block.step_ns <= block.wall_ns
    assert block.peak_memory_kib > 1000


def test_a_pair_on_a_gpu_counts_what_nvml_says_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heat, a power brake, or a process of somebody else spoil a block; the other side's process does not."""
    seen: list[list[int]] = []

    class Counters:
        def read(self, own_pids: list[int]) -> dict[str, Any]:
            seen.append(list(own_pids))
            # The fourth block of six runs hot: it lies between the seventh and the eighth reading.
            return {"num_foreign": 0, "thermal_ns": 0 if len(seen) < 8 else 5}

    monkeypatch.setattr("bench.gate.collect.GpuCounters", type("Nvml", (), {"of": lambda _: Counters()}))

    pair = _pair(tmp_path)

    assert [blocks.invalid for blocks in pair.blocks] == [None, "the GPU was slowed down by heat", None]
    assert all(len(set(pids)) == 2 for pids in seen)
    assert pair.before is not None


def test_coins_repeat_with_the_seed_and_differ_between_pairs(tmp_path: Path) -> None:
    """A pair that is measured again after a kill draws the same order."""

    def coins(pair: Pair) -> tuple[bool, ...]:
        return (pair.head_started_first, *(blocks.head_first for blocks in pair.blocks))

    first, again = _pair(tmp_path, number=1), _pair(tmp_path, number=1)
    others = {coins(_pair(tmp_path, number=number)) for number in range(2, 7)}
    assert coins(first) == coins(again)
    assert len(others) > 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises_when_made", "make: ValueError: there is no such model"),
        ("no_such_step", "make: MissingError: .* has no 'no_such_step'"),
        ("exits", "exited with code 7; its last line: last words"),
    ],
)
def test_a_side_that_fails_is_named_with_its_reason(tmp_path: Path, name: str, words: str) -> None:
    """It is a fact about that side."""
    sides = {"base": _launch("busy", tmp_path), "head": _launch(name, tmp_path)}
    with pytest.raises(SideError, match=words) as caught:
        measure_pair("row", 0, sides, QUICK, seed=0)  # type: ignore[arg-type]
    assert caught.value.side == "head"


def test_a_step_that_hangs_is_ended(tmp_path: Path) -> None:
    """With its whole process."""
    with Worker(sys.executable, tmp_path) as worker:
        worker.ask("make", timeout_s=30, target=f"{STEPS}:hangs", arguments={}, path=[])
        pid = worker._process.pid
        with pytest.raises(WorkerError, match="no answer within 1 s"):
            worker.ask("warm", timeout_s=1)
        assert not psutil.pid_exists(pid)


def test_a_process_that_ends_is_seen_though_its_child_lives_on(tmp_path: Path) -> None:
    """The child holds the pipe open; it is ended too."""
    with Worker(sys.executable, tmp_path) as worker:
        worker.ask("make", timeout_s=30, target=f"{STEPS}:leaves_a_child", arguments={}, path=[])
        with pytest.raises(WorkerError, match="exited with code 7"):
            worker.ask("warm", timeout_s=55)


def test_colours_and_long_messages_do_not_reach_the_reports(tmp_path: Path) -> None:
    """Control characters are none that JUnit's XML may hold."""
    words = "\\x1b[31mred\\x1b[0m\\x00 "
    (tmp_path / "colours.py").write_text(f"def step():\n    raise ValueError('{words}' + 'x' * 10_000)\n")
    expected = pytest.raises(WorkerError, match="make: ValueError: red x")
    with Worker(sys.executable, tmp_path) as worker, expected as caught:
        worker.ask("make", timeout_s=30, target="colours.py:step", arguments={}, path=[])
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_peak_memory_is_that_of_the_worker_alone(tmp_path: Path) -> None:
    """Linux counts what the starting process held into ru_maxrss: 400 MiB here."""
    held = bytearray(400 << 20)
    held[::4096] = b"x" * len(held[::4096])
    pair = _pair(tmp_path)

    assert max(blocks.base.peak_memory_kib for blocks in pair.blocks) < 300 * 1024


def test_steps_that_run_ahead_are_timed_together() -> None:
    """Waiting after each would measure the launch too: one wait before the block, one at its end."""
    from bench.gate.worker import _Session

    calls: list[str] = []

    def step() -> None:
        calls.append("step")

    step.synchronize = lambda: calls.append("wait")  # type: ignore[attr-defined]
    answer = _Session(step).block({"steps": 7})

    assert calls == ["step"] * 2 + ["wait"] + ["step"] * 7 + ["wait"]
    assert answer["step_ns"] * 7 <= answer["wall_ns"]


def test_a_step_that_leaks_is_ended_before_the_machine_is_full(tmp_path: Path) -> None:
    """The limit and what was taken are named."""
    started = time.monotonic()
    with Worker(sys.executable, tmp_path, most_memory_mib=300) as worker:
        worker.ask("make", timeout_s=30, target=f"{STEPS}:leaks", arguments={}, path=[])
        with pytest.raises(WorkerError, match="MiB of memory, more than 300"):
            worker.ask("warm", timeout_s=60)
    assert time.monotonic() - started < 60


def test_an_interpreter_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """It names the path."""
    with pytest.raises(WorkerError, match="cannot be started"):
        Worker(str(tmp_path / "python"), tmp_path)


def test_blocks_survive_a_kill_and_the_last_line_is_measured_again(tmp_path: Path) -> None:
    """A file that was cut off in the middle of a line holds the whole lines before it."""
    path, settings = tmp_path / "pairs.jsonl", {"seed": 0}
    raw = RawFile(path, settings)
    pair = _pair(tmp_path)
    for _ in range(2):
        raw.add(pair)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])

    again = RawFile(path, settings)
    assert again.pairs == [pair]
    again.add(pair)
    assert path.read_bytes() == whole
    assert again.of("busy") == [pair, pair]
    assert again.of("other") == []


def test_blocks_of_another_gate_are_refused(tmp_path: Path) -> None:
    """They were measured with another seed."""
    RawFile(tmp_path / "pairs.jsonl", {"seed": 0})
    with pytest.raises(RecordError, match="another gate"):
        RawFile(tmp_path / "pairs.jsonl", {"seed": 1})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"settings":{}}\n{}\n{}\n', "line 2 is no pair of processes"),
        (b'{"settings":{}}\n{"row":\n{}\n', "line 2 is no pair of processes"),
        (b'{"settings":{}}\n\xff\n', "is not UTF-8 text"),
        (None, r"cannot be read \(Is a directory\)"),
    ],
    ids=["no pair", "no JSON", "no text", "a folder"],
)
def test_a_file_of_blocks_that_is_broken_is_named_with_a_way_out(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """The file, its line, and what to do."""
    path = tmp_path / "pairs.jsonl"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(RecordError, match=rf"pairs\.jsonl: {words}.*; remove it, or name another --out"):
        RawFile(path, {})


def test_only_declared_causes_spoil_a_block(tmp_path: Path) -> None:
    """Two clocks that disagree do, a slow block does not; a pair needs four of five."""
    pair = _pair(tmp_path)
    good = pair.blocks[0]
    slow = good.model_copy(update={"head": good.head.model_copy(update={"step_ns": good.head.step_ns * 100})})
    bad = good.model_copy(update={"invalid": "two clocks disagree"})

    assert pair.model_copy(update={"blocks": (good, good, good, good, bad)}).is_valid
    worse = pair.model_copy(update={"blocks": (good, good, good, bad, bad)})
    assert not worse.is_valid
    assert invalid_share([worse], 5) == pytest.approx(0.4)
    assert difference_of(pair.model_copy(update={"blocks": (slow, good, good, bad)})) < 1


@pytest.mark.parametrize(
    ("gap_ns", "is_valid"), [(3_600_000_000_000, False), (-500_000_000, False), (40_000_000, True)]
)
def test_a_machine_that_slept_spoils_the_block(tmp_path: Path, gap_ns: int, is_valid: bool) -> None:
    """A clock that goes on while the machine sleeps disagrees with the one that does not; a busy core is no sleep."""
    block = _pair(tmp_path).blocks[0].base
    jumped = block.model_copy(update={"boot_ns": block.wall_ns + gap_ns})

    assert (why_invalid(jumped) is None) == is_valid
