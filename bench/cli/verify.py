"""`bench verify`: a stored result is run again, and its answers are compared image by image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    cache_folder_of,
    cache_options,
    data_option,
    isolation_option,
    json_option,
    note,
    predictions_option,
    print_json,
    print_table,
    progress_bar,
    results_option,
    workers_option,
)
from bench.cli.opening import say_trust

if TYPE_CHECKING:
    from bench.backends.isolation import Isolation
    from bench.records.result import Result
    from bench.reproduce import Reproduced

__all__ = ["verify"]

_MOST_SHOWN = 20


@click.command(short_help="Run a stored result again and compare its answers.")
@click.argument("run", metavar="RESULT")
@data_option
@click.option(
    "--submission",
    metavar="SUBMISSION",
    help="What was measured: its folder, or its short form.  [default: submissions/TEAM/NAME]",
)
@click.option("--protocol", metavar="ID", help="Its protocol's id, or .toml file.  [default: the one that it names]")
@click.option("--device", help="Where to run.  [default: where the result was measured]")
@isolation_option
@workers_option
@cache_options
@results_option
@predictions_option
@json_option
def verify(
    run: str,
    data: Path,
    submission: str | None,
    protocol: str | None,
    device: str | None,
    isolation: Isolation,
    workers: int,
    cache_dir: Path | None,
    no_cache: bool,
    results: Path,
    predictions: Path | None,
    as_json: bool,
) -> None:
    """Run a stored result again, as its record says, and compare its answers image by image; exit 1 when they differ.

    Arithmetic, batch size, the secret order of the images and the audits are those of the record, isolation is at
    least its own; nothing is stored. RESULT is a run's id, the beginning of one, or its file. On the same kind of
    machine with the same libraries all bits must be equal; on another one, and where only the new run is isolated,
    log-probabilities may differ by 0.01 in fp32, 0.2 in tf32 and fp16, and 0.5 in bf16, and classes change places
    only where they were tied. The record's metrics must always be those of its own answers.

    \b
    Examples:
      bench verify 20260801T101500Z-3f2a9c1b7d04 --data /data/imagenet
      bench verify leaderboards/results/imagenet-val-open/timm/vit/20260801T101500Z-3f2a9c1b7d04.json \\
          --submission timm:vit_base_patch16_224.augreg2_in21k_ft_in1k --data /data/imagenet
    """
    from dataclasses import replace

    from bench.attest import signature_state, trusted_keys
    from bench.backends.run import RunOptions
    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset
    from bench.errors import NotReproducedError, UsageError
    from bench.models.source import open_submission
    from bench.protocols import load_protocol
    from bench.reproduce import check_identity, options_of, reproduce
    from bench.store import Store

    store = Store(results, predictions)
    stored = store.get(run)
    result = stored.result
    folder = Path("submissions") / result.submission.team / result.submission.name
    if submission is None and not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; name what was measured with --submission")
    signature = signature_state(stored, trusted_keys(results))
    if signature.state == "invalid":
        raise NotReproducedError(f"its signature is invalid: {signature.reason}", path=stored.path.with_suffix(".sig"))
    fixed = load_protocol(protocol or result.protocol.id)
    entry = open_submission(submission or str(folder))
    cache_folder = cache_folder_of(cache_dir, no_cache)
    options = options_of(result, RunOptions(num_threads=workers, cache_folder=cache_folder, isolation=isolation))
    if device is not None:
        options = replace(options, device=device)
    limit = None if result.dataset.complete else result.dataset.num_samples
    dataset = open_dataset(data, fixed.dataset, allow_partial=limit is not None, limit=limit)
    with progress_bar("Checking the dataset", len(dataset)) as advance:
        digest = dataset_digest(dataset, cache_folder=options.cache_folder, num_threads=workers, on_progress=advance)
    check_identity(stored, entry, fixed, digest)
    say_trust([entry], isolation if isolation == "auto" else options.isolation)
    with progress_bar(entry.label, len(dataset)) as advance:
        found = reproduce(stored, entry, fixed, dataset, digest, store, options, lambda _, count: advance(count))
    _print(result, found, signature.words, as_json=as_json)
    if found.faults:
        raise click.exceptions.Exit(1)


def _print(result: Result, found: Reproduced, signature: str, *, as_json: bool) -> None:
    if as_json:
        content = found._asdict() | {"run": result.run, "signature": signature, "ok": not found.faults}
        print_json(content | {"differences": [one._asdict() for one in found.differences]})
    else:
        verdict = "NOT REPRODUCED" if found.faults else "reproduced"
        are_others = bool(found.differences) or not found.has_stored
        how = "equal bits" if found.same_bits else "others" if are_others else f"within {found.tolerance or 0:g}"
        rows = [
            ["result", f"{verdict}: {result.entry}, {result.protocol.id}, {found.num_images:,} images"],
            ["answers", how],
            ["machine", "of the same kind" if found.same_machine else "; ".join(found.changed)],
            ["signature", signature],
        ]
        print_table(None, ["what", "found"], rows)
        if found.differences:
            shown = [
                [one.sample_id, str(one.stored_class), str(one.found_class), f"{one.difference:.3g}"]
                for one in found.differences[:_MOST_SHOWN]
            ]
            print_table(None, ["image", "stored class", "class now", "difference"], shown, right=frozenset({1, 2, 3}))
            if len(found.differences) > _MOST_SHOWN:
                note(f"... and {len(found.differences) - _MOST_SHOWN:,} images more; --json lists them all")
    for sentence in found.faults:
        note(f"Fault: {sentence}")
