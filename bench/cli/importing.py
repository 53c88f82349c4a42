"""`bench import`: numbers that others published, taken over as imported results."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import json_option, note, print_json, print_table, progress_bar, results_option

__all__ = ["importing"]


@click.group("import", short_help="Take over numbers that others published.")
def importing() -> None:
    """Take over numbers that others published; nothing is run.

    \b
    Example:
      bench import torchvision --results leaderboards/results
      bench import timm pytorch-image-models/results/*.csv
    """


@importing.command("torchvision", short_help="Accuracies and costs in the metadata of torchvision's weights.")
@results_option
@json_option
def torchvision(results: Path, as_json: bool) -> None:
    """Import the accuracies and costs that the installed torchvision states for its weights.

    They become results of the protocol torchvision-reported with status "imported". Doing it twice adds nothing.

    \b
    Example:
      bench import torchvision
      bench import torchvision --results /tmp/results --json
    """
    from datetime import UTC, datetime

    from bench.importers.torchvision_reported import PROTOCOL, import_torchvision
    from bench.store import Store

    imported = import_torchvision(Store(results), datetime.now(UTC))
    for name in imported.without_metrics:
        note(f"Not imported: {name}, for which torchvision states no accuracy.")
    note(
        f"{len(imported.added)} results of {PROTOCOL} added to {results}"
        + (f", {imported.num_known} were there already." if imported.num_known else ".")
    )
    if as_json:
        print_json([result.as_json() for result in imported.added])
        return
    rows = [
        [
            result.submission.title,
            f"{result.metrics['top1'].value:.5f}",
            f"{result.metrics['top5'].value:.5f}",
            f"{result.costs['num_params'].value:,.0f}",
            f"{result.costs['gmacs'].value:.3f}",
        ]
        for result in imported.added
    ]
    if rows:
        headers = ["weights", "top1", "top5", "num_params", "gmacs"]
        print_table("Imported", headers, rows, right=frozenset({1, 2, 3, 4}))


@importing.command("timm", short_help="Accuracies and speed in timm's tables of results.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@results_option
@json_option
def timm(files: tuple[Path, ...], results: Path, as_json: bool) -> None:
    """Import timm's tables of results (results-*.csv) and of speed (benchmark-*.csv); they tell what they are by name.

    Each row becomes a result with status "imported": of a model at an input size under the protocol of its images, or
    of an architecture at an input size under timm-inference or timm-training. A file that holds neither is named and
    not used. Nothing is stored when a table is broken. Doing it twice adds nothing.

    \b
    Example:
      bench import timm pytorch-image-models/results/*.csv
      bench import timm results-imagenet.csv --results /tmp/results --json
    """
    from datetime import UTC, datetime

    from bench.errors import UsageError
    from bench.importers.timm_reported import import_tables, read_tables
    from bench.store import Store

    for path in files:
        if not path.is_file():
            wrong = f"{str(path)!r} is a folder" if path.is_dir() else f"there is no file {str(path)!r}"
            raise UsageError(f"{wrong}; name timm's tables, such as results-imagenet.csv")
    tables, left_out = read_tables(list(files))
    for path, reason in left_out:
        note(f"Not used: {path}: {reason}.")
    for table in tables:
        if table.num_unmeasured:
            note(f"Left out of {table.path}: {table.num_unmeasured:,} rows without a speed.")
    store, now = Store(results), datetime.now(UTC)
    with progress_bar("Importing", sum(len(table.frame) for table in tables), "results") as on_result:
        done = import_tables(tables, store, now, on_result)
    num_added, num_known = sum(item.num_added for item in done), sum(item.num_known for item in done)
    note(f"{num_added:,} results added to {results}" + (f", {num_known:,} were there already." if num_known else "."))
    if as_json:
        print_json(
            [
                {
                    "file": str(item.table.path),
                    "sha256": item.table.sha256,
                    "protocol": item.table.protocol,
                    "rows": len(item.table.frame),
                    "added": item.num_added,
                    "known": item.num_known,
                    "without_speed": item.table.num_unmeasured,
                }
                for item in done
            ]
            + [{"file": str(path), "not_used": reason} for path, reason in left_out]
        )
        return
    rows = [
        [
            item.table.path.name,
            item.table.protocol,
            *(f"{number:,}" for number in (len(item.table.frame), item.num_added, item.num_known)),
        ]
        for item in done
    ] + [[path.name, "not used", "", "", ""] for path, _ in left_out]
    print_table("Imported", ["file", "protocol", "rows", "added", "known"], rows, right=frozenset({2, 3, 4}))
