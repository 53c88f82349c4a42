"""`bench compare`: do two runs differ on the same images?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import json_option, note, print_json, print_table, results_option

if TYPE_CHECKING:
    from bench.stored import Stored

__all__ = ["compare"]


@click.command(short_help="Say whether two runs differ (exact paired test).")
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@click.option(
    "--metric", type=click.Choice(["top1", "top5"]), default="top1", show_default=True, help="What counts as right."
)
@results_option
@json_option
def compare(run_a: str, run_b: str, metric: str, results: Path, as_json: bool) -> None:
    """Compare two runs image by image: the exact McNemar test, and the size of the difference.

    A run is named by its id, by the beginning of it, or by its file. Both runs must have answered the same images.

    \b
    Examples:
      bench compare 20260801T101500Z-3f2a9c1b7d04 20260802T091200Z-77e1
      bench compare 20260801 20260802 --metric top5 --json
    """
    from bench.errors import StoreError, UsageError
    from bench.stats.paired import paired_test
    from bench.store import Store
    from bench.stored import read_correctness

    store = Store(results)
    first, second = store.get(run_a), store.get(run_b)
    if first.result.dataset.digest is None or first.result.dataset.digest != second.result.dataset.digest:
        raise UsageError(f"the runs answered different images: {_images(first)}, and {_images(second)}")
    bits = []
    for stored in (first, second):
        correctness = read_correctness(stored)
        if correctness is None:
            raise StoreError("it is not kept which images this run got right", path=stored.path)
        bits.append(correctness.top1_N if metric == "top1" else correctness.top5_N)
    test = paired_test(bits[0], bits[1])
    names = [f"{stored.result.entry} ({stored.run})" for stored in (first, second)]
    for stored in (first, second):
        if stored.retraction is not None:
            note(f"Note: {stored.run} was retracted by {stored.retraction.by}: {stored.retraction.reason}")
    if as_json:
        print_json({"a": first.run, "b": second.run, "metric": metric, **test._asdict(), "differ": test.differ})
        return
    rows = [
        ["images", f"{test.num_samples:,}"],
        ["both right", f"{test.both:,}"],
        ["only A right", f"{test.only_a:,}"],
        ["only B right", f"{test.only_b:,}"],
        ["both wrong", f"{test.neither:,}"],
        ["A minus B", f"{100 * test.difference:+.2f} points"],
        ["95 % interval", f"{100 * test.ci_low:+.2f} to {100 * test.ci_high:+.2f} points"],
        ["p (exact McNemar)", f"{test.p_value:.3g}"],
    ]
    print_table(f"A: {names[0]}\nB: {names[1]}", [metric, "value"], rows, right=frozenset({1}))
    click.echo("They differ (p < 0.05)." if test.differ else "They are not clearly different (p >= 0.05).")


def _images(stored: Stored) -> str:
    dataset = stored.result.dataset
    return f"{stored.run} {dataset.num_samples:,} of {dataset.name} {dataset.split} ({(dataset.digest or 'none')[:12]})"
