"""Eight evaluators on one ledger, over and over, some of them killed: is a quota spent twice, or an entry lost?

    python benchmarks/ledger_interleavings.py --rounds 1000

Each round is a new ledger on which eight processes reserve, score, refund and give up at random, under a clock that
leaps by minutes and days, and that is set back for some of them. Some are killed with SIGKILL: by themselves before,
within or after a system call that touches the ledger, in the middle of a line too; or by the parent at any time. Who
dies is replaced in the next round. After each round the parent checks, with rules of its own:

1. the chain holds, signatures too where entries are signed;
2. every entry whose writer heard that it was written is there, where and as it was written;
3. no team has more places than its quota in any window, more attempts than its cap, or one submission scored twice;
4. every broken line that a killed writer left was kept, and an entry names it.

Prints one JSON object with what happened; exits 1 at the first violation.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import mmap
import os
import random
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from bench.challenge.chain import signature_faults
from bench.challenge.ledger import Ledger
from bench.challenge.quota import Request
from bench.challenge.reservations import refund, reserve, score
from bench.challenge.times import moment_of
from bench.errors import ChallengeError
from bench.records.challenge import Challenge
from bench.records.ledger import Entry
from bench.signing import SecretKey

EVALUATORS = 8
KEY = SecretKey(hashlib.sha256(b"evaluator").digest())
START = datetime(2026, 10, 1, tzinfo=UTC)
CHALLENGE = Challenge.parse(
    {
        "format_version": 1,
        "id": "interleavings",
        "title": "Interleavings",
        "lease_minutes": 20,
        "run_hours": 3,
        "evaluators": [{"name": "evaluator", "key": KEY.public}],
        "phases": [
            {
                "name": "test",
                "start": "2026-09-30T00:00:00Z",
                "end": "2026-10-20T00:00:00Z",
                "quota": {"scored": 2, "attempts": 5},
                "tracks": [{"division": "closed", "protocol": "p", "board": "b"}],
            }
        ],
    }
)
QUOTA = CHALLENGE.phases[0].quota
PROTOCOL = hashlib.sha256(b"protocol").hexdigest()
RESULT = hashlib.sha256(b"result").hexdigest()

# The system calls as they are, for what is not to be interrupted.
write, fsync, ftruncate, flock, replace = os.write, os.fsync, os.ftruncate, fcntl.flock, os.replace


class Clock:
    """A clock that all processes share: seconds since `START`, in shared memory."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def set(self, seconds: int) -> None:
        """Sets it."""
        struct.pack_into("q", self._memory, 0, seconds)

    def now(self, behind_s: int = 0) -> datetime:
        """What it shows; for an evaluator whose clock was set back, less."""
        return START + timedelta(seconds=struct.unpack_from("q", self._memory, 0)[0] - behind_s)

    def leap(self, dice: random.Random) -> None:
        """Goes on: mostly by minutes, at times by days."""
        seconds: int = struct.unpack_from("q", self._memory, 0)[0]
        self.set(seconds + (dice.randrange(86400 * 4) if dice.random() < 0.06 else dice.randrange(600)))


def die() -> NoReturn:
    """Ends this process as a kernel that is short of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL returned")


def arm(countdown: int, dice: random.Random) -> None:
    """Lets this process die at one of its next system calls on files: before, after, or in the middle of a write."""
    left = countdown

    def fatal(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left > 0:
                return call(*arguments, **named)
            if call is write:
                descriptor, content = arguments
                write(descriptor, bytes(content)[: dice.randrange(len(content) + 1)])
            elif dice.random() < 0.5:
                call(*arguments, **named)
            die()

        return wrapped

    os.write, os.fsync, os.ftruncate, os.replace = fatal(write), fatal(fsync), fatal(ftruncate), fatal(replace)
    fcntl.flock = fatal(flock)


def disarm() -> None:
    """Survives the round."""
    os.write, os.fsync, os.ftruncate, os.replace = write, fsync, ftruncate, replace
    fcntl.flock = flock


def request(dice: random.Random) -> Request:
    """One of the submissions that the teams of a round have."""
    team, name = dice.choice(("acme", "bell")), f"net{dice.randrange(7)}"
    digest = hashlib.sha256(f"{team}/{name}".encode()).hexdigest()
    return Request(
        team=team,
        account=dice.choice(("ann", "bob")),
        name=name,
        phase="test",
        division="closed",
        submission=digest,
        protocol=PROTOCOL,
    )


def evaluate(path: Path, clock: Clock, dice: random.Random, tell: Callable[[Entry], None]) -> None:
    """What one evaluator does in a round."""
    behind_s = 7200 if dice.random() < 0.05 else 0
    key = KEY if dice.random() < 0.1 else None
    ledger = Ledger(path, CHALLENGE.id, actor="evaluator", key=key, clock=lambda: clock.now(behind_s))
    for _ in range(dice.randint(1, 3)):
        clock.leap(dice)
        try:
            admission = reserve(ledger, CHALLENGE, request(dice))
        except ChallengeError as error:
            if "is being evaluated" not in str(error):
                raise
            continue
        tell(admission.entry)
        if not admission.is_granted:
            continue
        if dice.random() < 0.5:
            clock.leap(dice)
        what = dice.random()
        try:
            if what < 0.6:
                tell(score(ledger, admission.entry, outcome="ok", result=RESULT, reason="scored"))
            elif what < 0.8:
                tell(refund(ledger, admission.entry, outcome="load_error", result=None, reason="no weights"))
            # else: gives up, and whoever comes after its lease has run out writes the refund
        except ChallengeError as error:
            if "is over" not in str(error):
                raise


def work(requests: int, reports: int, clock: Clock) -> NoReturn:
    """An evaluator's process: rounds come in, acknowledged entries go out."""

    def tell(entry: Entry) -> None:
        write(reports, f"{entry.sequence} {entry.hash}\n".encode())

    with os.fdopen(requests) as orders:
        for line in orders:
            folder, seed, is_doomed = json.loads(line)
            dice = random.Random(seed)  # noqa: S311 - a test's dice
            if is_doomed:
                arm(dice.randint(1, 25), dice)
            evaluate(Path(folder) / "ledger.jsonl", clock, dice, tell)
            disarm()
            write(reports, b"done\n")
    os._exit(0)


class Evaluator:
    """A process that evaluates, made again when it was killed."""

    def __init__(self, clock: Clock) -> None:
        orders_out, orders_in = os.pipe()
        reports_out, reports_in = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            for descriptor in (orders_in, reports_out):
                os.close(descriptor)
            try:
                work(orders_out, reports_in, clock)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(9)
        os.close(orders_out)
        os.close(reports_in)
        self.orders, self.reports = orders_in, reports_out
        self._rest = b""

    def start(self, folder: Path, seed: int, *, is_doomed: bool) -> None:
        """Begins a round."""
        write(self.orders, json.dumps([str(folder), seed, is_doomed]).encode() + b"\n")

    def listen(self, acknowledged: list[tuple[int, str]]) -> bool | None:
        """Reads what came in; True when the round is over, False when the process is dead, None when it goes on."""
        content = os.read(self.reports, 65536)
        if not content:
            return False
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            if line == b"done":
                return True
            sequence, entry_hash = line.decode().split()
            acknowledged.append((int(sequence), entry_hash))
        return None

    def bury(self) -> int:
        """Closes what belonged to a dead process; how it ended, as `os.waitstatus_to_exitcode` says it."""
        os.close(self.orders)
        os.close(self.reports)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def check(entries: tuple[Entry, ...], acknowledged: list[tuple[int, str]], torn: set[str]) -> list[str]:
    """What is wrong with a ledger, by rules that are written here once more."""
    wrong = [
        f"entry {sequence} {entry_hash[:12]} was acknowledged and is lost"
        for sequence, entry_hash in acknowledged
        if sequence > len(entries) or entries[sequence - 1].hash != entry_hash
    ]
    ends = Counter(entry.about for entry in entries if entry.action in ("score", "refund"))
    wrong += [f"reservation {number} ends {count} times" for number, count in ends.items() if count > 1]
    refunded = {entry.about for entry in entries if entry.action == "refund"}
    scored = Counter((entry.team, entry.submission) for entry in entries if entry.action == "score")
    wrong += [f"{who} was scored {count} times" for who, count in scored.items() if count > 1]
    week = timedelta(hours=QUOTA.window_hours)
    reserves = [entry for entry in entries if entry.action == "reserve"]
    for last in reserves:
        window = [
            entry
            for entry in reserves
            if entry.team == last.team
            and entry.sequence <= last.sequence
            and moment_of(last.time) - moment_of(entry.time) < week
        ]
        kept = [entry.sequence for entry in window if entry.sequence not in refunded]
        if len(kept) > QUOTA.scored:
            wrong.append(f"{last.team} has the places {kept} within a week")
        if len(window) > QUOTA.attempts:
            wrong.append(f"{last.team} has {len(window)} attempts within a week")
    named = [sha256 for entry in entries for sha256 in entry.torn or ()]
    if set(named) != torn:
        wrong.append(f"broken lines {sorted(torn)} are kept, {sorted(named)} are named")
    return wrong


def play(evaluators: list[Evaluator], folder: Path, clock: Clock, dice: random.Random, seen: Counter[str]) -> list[str]:
    """One round; what is wrong after it."""
    clock.set(dice.randrange(86400))
    acknowledged: list[tuple[int, str]] = []
    by_reports = {evaluator.reports: evaluator for evaluator in evaluators}
    for evaluator in evaluators:
        evaluator.start(folder, dice.getrandbits(60), is_doomed=dice.random() < 0.12)
    victim = dice.choice(evaluators) if dice.random() < 0.3 else None
    is_struck, strike = victim is None, time.monotonic() + dice.random() * 0.02
    wrong = []
    while by_reports:
        left = None if is_struck else max(0.0, strike - time.monotonic())
        ready, _, _ = select.select(list(by_reports), [], [], left)
        if victim is not None and not is_struck and time.monotonic() >= strike:
            os.kill(victim.pid, signal.SIGKILL)  # a process that is over already is a zombie that nobody has buried
            is_struck = True
        for reports in ready:
            evaluator = by_reports[reports]
            is_over = evaluator.listen(acknowledged)
            if is_over is None or (is_over and evaluator is victim and is_struck):
                continue
            del by_reports[reports]
            is_struck = is_struck or evaluator is victim  # it was quicker
            if not is_over:
                code = evaluator.bury()
                seen["killed"] += 1
                if code != -signal.SIGKILL:
                    wrong.append(f"an evaluator ended with {code}")
                evaluators[evaluators.index(evaluator)] = Evaluator(clock)
    ledger = Ledger(folder / "ledger.jsonl", CHALLENGE.id, actor="parent", clock=clock.now)
    seen["ledgers that end in a broken line"] += bool(ledger.read().tail)
    with ledger.transaction() as transaction:
        transaction.append(action="waive", team="acme", reason="the end of the round")
    chain = ledger.read()
    torn = {path.name for path in ledger.torn_folder.glob("*")} if ledger.torn_folder.exists() else set()
    torn = {name for name in torn if not name.startswith(".")}  # a half-written copy of a rest that is still there
    seen.update(
        entry.action if entry.outcome is None else f"{entry.action}: {entry.outcome}" for entry in chain.entries
    )
    seen["signed"] += sum(entry.signer is not None for entry in chain.entries)
    seen["broken lines kept"] += len(torn)
    wrong += [*chain.faults, *signature_faults(chain.entries, {KEY.public})]
    return wrong + check(chain.entries, acknowledged, torn)


def main() -> int:
    """Plays the rounds that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the ledgers lie; default: a temporary folder")
    options = parser.parse_args()
    clock, seen = Clock(), Counter[str]()
    dice = random.Random(options.seed)  # noqa: S311 - a test's dice
    started = time.perf_counter()
    top = Path(tempfile.mkdtemp(prefix="ledgers-", dir=options.folder))
    evaluators = [Evaluator(clock) for _ in range(EVALUATORS)]
    wrong: list[str] = []
    number = 0
    try:
        for number in range(1, options.rounds + 1):
            folder = top / str(number)
            folder.mkdir()
            if wrong := play(evaluators, folder, clock, dice, seen):
                break
            shutil.rmtree(folder)
    finally:
        for evaluator in evaluators:
            os.kill(evaluator.pid, signal.SIGKILL)
            evaluator.bury()
        if not wrong:
            shutil.rmtree(top)
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"rounds": number, "seconds": seconds, "wrong": wrong, "seen": dict(sorted(seen.items()))}))
    if wrong:
        print(f"the ledger is in {top / str(number)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
