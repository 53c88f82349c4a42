"""`bench import`: numbers that others published, taken over as imported results."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import json_option, note, print_json, print_table, results_option

__all__ = ["importing"]


@click.group("import", short_help="Take over numbers that others published.")
def importing() -> None:
    """Take over numbers that others published; nothing is run.

    \b
    Example:
      bench import torchvision --results leaderboards/results
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
