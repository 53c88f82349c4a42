"""The files of a new challenge, commented, that are valid before anything is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.challenge.loaded import CHALLENGE_FILE, load_challenge
from bench.errors import StoreError, UsageError
from bench.files import write_atomic
from bench.protocols import protocol_ids
from bench.records.names import FreeText, Identifier
from bench.records.protocol import Protocol

__all__ = ["write_challenge"]

_CHALLENGE = """\
# The rules of this challenge. Every key: docs/formats.md; the story: docs/challenges.md.
# Times carry their zone. A phase ends at the first moment that is late: 23:59:59-12:00 is "anywhere on earth".
format_version = 1
id = "{id}"                      # the folder's name
title = "{id}"                   # what people read
# description = "What it is about."
# hand_in = "https://..."        # where teams bring their archives; `bench submit` shows it
score_decimals = 3               # a hidden score is published in steps of 0.1 points
lease_minutes = 30               # an evaluation without a sign of life for so long is refunded
run_hours = 24                   # and one that takes longer than this, alive or not

[[evaluators]]                   # who runs submissions; the keys sign the ledger and open the labels
name = "{evaluator}"
key = "{key}"

[[labels]]                       # `bench challenge seal {id} test --csv labels.csv` prints the sha256
name = "test"
file = "test-labels.json"
sha256 = "{zeros}"
readers = ["{evaluator}"]        # who can read them: the file is encrypted for these and for nobody else

[[phases]]
name = "development"             # public labels: results are published in full
start = {start}
end = {middle}
quota = {{ scored = 20, attempts = 40, window_hours = 168 }}

[[phases.tracks]]
division = "{division}"
protocol = "{public}"
board = "{id}-development"

[[phases]]
name = "test"                    # hidden labels: the rounded score, the number of images and the rank are published
start = {middle}
end = {end}
quota = {{ scored = 2, attempts = 10, window_hours = 168 }}  # a team, in any 7 x 24 hours

[[phases.tracks]]
division = "{division}"
protocol = "{id}-test"
board = "{id}-test"
labels = "test"

# [[teams]]                      # a team sends its name, its accounts, and what `bench keys new` printed
# team = "acme"                  # the folder that its submissions lie in
# key = "ed25519:..."
# accounts = ["ann", "bob"]      # an account belongs to one team; all of a team's share its quota
"""
_BOARD = """\
# The {phase} phase of the challenge {id}: it ranks only what the challenge's ledger accounts for.
format_version = 1
id = "{id}-{phase}"
title = "{id}, {phase}"
description = "{description}"
challenge = "{id}"
protocol = "{protocol}"
columns = {columns}
"""
_COLUMNS = '["rank", "model", "top1", "top1_interval", "status", "isolation", "extra_training_data", "date"]'
_HIDDEN_COLUMNS = '["rank", "model", "top1", "status", "isolation", "extra_training_data", "date"]'


def write_challenge(
    name: str,
    *,
    challenges: Path,
    boards: Path,
    protocol: Protocol,
    num_samples: int,
    evaluator: str,
    key: str,
    now: datetime | None = None,
) -> list[Path]:
    """Writes the rules of a new challenge, the protocol of its hidden set, and the boards of its phases.

    Args:
        name: The challenge's id.
        challenges: Where challenges lie.
        boards: Where board files lie.
        protocol: The protocol of the development phase; the hidden one is the same on other images. One that does not
            ship is written beside the rules.
        num_samples: How many images the hidden set has.
        evaluator: The evaluator's name.
        key: The evaluator's public key.
        now: The day on which the first phase starts; None for today.

    Returns:
        The files.

    Raises:
        UsageError: The protocol has no division, or hides its labels itself; or the names cannot be written so.
        StoreError: A file is there already.
    """
    if protocol.kind != "evaluate" or protocol.hidden:
        raise UsageError(f"{protocol.id!r} is no protocol with public labels that a development phase could use")
    start = (now or datetime.now(UTC)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    middle, end = (f"{start + timedelta(days=days):%Y-%m-%d}T23:59:59-12:00" for days in (60, 74))
    _check_words(name, evaluator)
    words = {"id": name, "evaluator": evaluator, "key": key, "zeros": "0" * 64, "division": protocol.division}
    hidden = f"{name}-test"
    description = "Scores on hidden labels, in steps of 0.1 points, with at most two submissions a team and week."
    files = {
        challenges / name / f"{hidden}.toml": _hidden_protocol(protocol, hidden, num_samples),
        boards / f"{name}-development.toml": _BOARD.format(
            **words,
            phase="development",
            description=protocol.title.replace('"', "'"),
            protocol=protocol.id,
            columns=_COLUMNS,
        ),
        boards / f"{hidden}.toml": _BOARD.format(
            **words, phase="test", description=description, protocol=hidden, columns=_HIDDEN_COLUMNS
        ),
        challenges / name / CHALLENGE_FILE: _CHALLENGE.format(
            **words, public=protocol.id, start=f"{start:%Y-%m-%dT%H:%M:%SZ}", middle=middle, end=end
        ),
    }
    if protocol.id not in protocol_ids():
        files = {challenges / name / f"{protocol.id}.toml": _text(protocol.as_json())} | files
    if there := [path for path in files if path.exists()]:
        raise StoreError("is there already; nothing was written", path=there[0])
    for path, text in files.items():
        write_atomic(path, text)
    load_challenge(name, challenges)
    return list(files)


def _check_words(name: str, evaluator: str) -> None:
    """Makes sure that what stands in the templates is what it is meant to be.

    Raises:
        UsageError: The id is no folder's name, or the name holds a quote or a control character.
    """
    try:
        TypeAdapter(Identifier).validate_python(name)
        TypeAdapter(FreeText).validate_python(evaluator)
    except ValidationError as error:
        raise UsageError(
            f"{error.errors()[0]['input']!r} is no name that can be shown: {error.errors()[0]['msg']}"
        ) from error
    if set(evaluator) & set('"\\'):
        raise UsageError(f"the evaluator's name {evaluator!r} holds a quote or a backslash")


def _hidden_protocol(protocol: Protocol, name: str, num_samples: int) -> str:
    """The text of a protocol that measures the same on other images, whose labels are hidden."""
    content = {key: value for key, value in protocol.as_json().items() if key not in ("reference", "description")}
    dataset = content["dataset"] | {"split": "test", "num_samples": num_samples}
    changed = {"id": name, "version": 1, "hidden": True, "title": f"{protocol.title}, hidden set", "dataset": dataset}
    return _text(content | changed)


def _text(content: dict[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(content)
