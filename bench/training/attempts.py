"""Attempts: several runs of one submission under one protocol, their seeds drawn by the harness and not by the team.

A seed is a keyed hash of the round's key, the submission's digest and the number of the attempt. The maintainers keep
the key of a round to themselves until the round is over; then everybody can draw the same seeds again. Runs of a team
on its own machine belong to the public round, whose key everybody knows.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from bench.errors import UsageError

__all__ = ["PUBLIC_ROUND", "attempt_folder", "attempt_seed", "read_round_key", "round_name"]

PUBLIC_ROUND = "public"
_LEAST_BYTES = 16
_SEED_BITS = 31
"""What every generator takes: torch, numpy and Python, signed or not."""


def attempt_seed(submission_digest: str, attempt: int, round_key: bytes | None = None) -> int:
    """The seed of an attempt, from 0 to 2^31 - 1: the same whenever it is asked for.

    HMAC-SHA256 (RFC 2104) with the round's key over the submission's digest and the attempt.

    Args:
        submission_digest: The digest of what is trained.
        attempt: From 1.
        round_key: The key of a round; None for the public one.

    >>> attempt_seed("ab" * 32, 1), attempt_seed("ab" * 32, 2)
    (1215042169, 1443109731)
    """
    if attempt < 1:
        raise UsageError(f"attempt {attempt}: attempts are counted from 1")
    message = f"ilsvrc-bench/attempt/{submission_digest}/{attempt}".encode()
    drawn = hmac.digest(round_key or PUBLIC_ROUND.encode(), message, hashlib.sha256)
    return int.from_bytes(drawn[:4], "big") >> (32 - _SEED_BITS)


def round_name(round_key: bytes | None) -> str:
    """How records name a round: `public`, or 12 digits of the sha256 of its key, which do not tell the key."""
    return PUBLIC_ROUND if round_key is None else hashlib.sha256(round_key).hexdigest()[:12]


def read_round_key(path: Path) -> bytes:
    """The key in a file, without the line's end.

    Raises:
        UsageError: There is no such file, or the key is too short to keep anything secret.
    """
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"the round's key cannot be read: {path} ({error.strerror or error})") from error
    if len(key) < _LEAST_BYTES:
        raise UsageError(
            f"the round's key in {path} has {len(key)} bytes, it needs {_LEAST_BYTES}; "
            "draw one with `openssl rand -hex 32`"
        )
    return key


def attempt_folder(out: Path, attempt: int) -> Path:
    """Where an attempt's submission lies, as TEAM/NAME below it: the first in `out`, others in `out/attempt-N`."""
    return out if attempt == 1 else out / f"attempt-{attempt}"
