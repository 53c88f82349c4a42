"""The attempts at a score that lie on a disk, found and checked: none is left out, each has the seed drawn for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import DataError, UsageError
from bench.files import digest_of
from bench.models.source import MANIFEST, LoadedSubmission, open_submission
from bench.records.protocol import Protocol
from bench.training.attempts import attempt_folder, attempt_seed, round_name
from bench.training.events import read_events

__all__ = ["EVENTS_FILE", "FoundAttempt", "check_attempts", "find_attempts"]

EVENTS_FILE = Path("training", "events.jsonl")
"""Where a trained submission keeps the events of its training."""
_ATTEMPT = re.compile(r"attempt-(\d+)")


class FoundAttempt(NamedTuple):
    """One attempt on a disk."""

    number: int
    folder: Path
    submission: LoadedSubmission | None
    """The submission with its weights; None where the training failed."""
    events: Sequence[Mapping[str, Any]]

    @property
    def start(self) -> Mapping[str, Any]:
        """What was trained, how and with which seed."""
        return self.events[0]


def find_attempts(folder: Path) -> list[FoundAttempt]:
    """All attempts of the submission in a folder that `bench train` wrote, in order of their numbers.

    Args:
        folder: `OUT/TEAM/NAME`, or that of another attempt, `OUT/attempt-N/TEAM/NAME`.

    Raises:
        UsageError: There is no such folder, or an attempt is missing or not finished.
        RecordError: A file of events is broken.
    """
    folder = folder.absolute()
    team, name = folder.parent.name, folder.name
    out = folder.parent.parent
    if _ATTEMPT.fullmatch(out.name):
        out = out.parent
    numbers = {1} | {int(match[1]) for place in out.glob("attempt-*") if (match := _ATTEMPT.fullmatch(place.name))}
    found = []
    for number in sorted(numbers):
        place = attempt_folder(out, number) / team / name
        if (place / EVENTS_FILE).is_file():
            found.append(_found(number, place))
        elif (place.parent / f".{name}.training").is_dir():
            raise UsageError(
                f"attempt {number} in {place} is not finished: `bench train ... --attempt {number} --resume` ends it"
            )
    if not found:
        raise UsageError(f"{folder} holds no training; give the folder that `bench train` printed, OUT/TEAM/NAME")
    if missing := sorted(set(range(1, found[-1].number)) - {one.number for one in found}):
        raise UsageError(
            f"attempt {missing[0]} of {team}/{name} is missing in {out}: every attempt counts, none can be left out"
        )
    return found


def _found(number: int, place: Path) -> FoundAttempt:
    events = read_events(place / EVENTS_FILE)
    if not events or events[0]["kind"] != "start" or events[-1]["kind"] not in ("end", "failure"):
        raise UsageError(f"the training in {place} has no end; `bench train ... --attempt {number} --resume` ends it")
    submission = open_submission(str(place)) if (place / MANIFEST).is_file() else None
    if (submission is None) != (events[-1]["kind"] == "failure"):
        raise UsageError(f"the events in {place / EVENTS_FILE} are not those of the weights beside them; train again")
    return FoundAttempt(number, place, submission, events)


def check_attempts(found: Sequence[FoundAttempt], protocol: Protocol, round_key: bytes | None) -> None:
    """Makes sure that all attempts are of one submission, protocol and dataset, with seeds that bench drew.

    Raises:
        UsageError: There are too few attempts, or a seed is not the one that was drawn.
        DataError: They differ in what was trained, under what, or on what.
    """
    assert protocol.recipe is not None, "kind 'train' has a recipe"  # noqa: S101 - checked by the record
    recipe_digest = digest_of(protocol.recipe.as_json())
    wanted = {
        "submission_digest": (found[0].start["submission_digest"], "another submission than attempt 1"),
        "dataset_digest": (found[0].start["dataset_digest"], "other images than attempt 1"),
        "protocol": (protocol.id, f"the protocol {protocol.id!r}"),
        "protocol_digest": (protocol.digest(), f"another text of the protocol {protocol.id!r} than this one"),
        "recipe_digest": (recipe_digest, "another recipe than the protocol's"),
        "round": (round_name(round_key), "another round; give its key with --round-key"),
    }
    for one in found:
        for key, (value, words) in wanted.items():
            if one.start[key] != value:
                what = f"was made for {one.start[key]!r}, not" if key == "protocol" else "was made with"
                raise DataError(f"{what} {words}; a score is about one submission", path=one.folder)
        drawn = attempt_seed(one.start["submission_digest"], one.number, round_key)
        if one.start["attempt"] != one.number or one.start["seed"] != drawn:
            raise UsageError(
                f"{one.folder} is attempt {one.start['attempt']} with seed {one.start['seed']}, expected attempt "
                f"{one.number} with seed {drawn}: bench draws the seeds"
            )
    if len(found) < protocol.recipe.num_seeds:
        raise UsageError(
            f"{len(found)} of {protocol.recipe.num_seeds} attempts are there, and the protocol {protocol.id!r} scores "
            f"{protocol.recipe.num_seeds}: `bench train ... --attempt {len(found) + 1}` makes the next"
        )
