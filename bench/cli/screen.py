"""`bench screen`: where stored speeds may have changed, and what to run to know."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bench.cli.common import json_option, note, print_json, print_table, results_option
from bench.cli.number_range import NumberRange
from bench.files import write_atomic
from bench.gate.history import read
from bench.gate.screen import history_series, proposals, result_series
from bench.store import Store

__all__ = ["screen"]


@click.command(short_help="Show where stored speeds may have changed, and what to gate.")
@results_option
@click.option(
    "--history",
    "histories",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that `bench gate --history` wrote; may be repeated.",
)
@click.option(
    "--tolerance",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    help="The least change, such as 0.05.  [default: 0.03, or the row's own]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write history.html, with every series drawn, and history.csv into this folder.",
)
@json_option
def screen(
    results: Path, histories: tuple[Path, ...], tolerance: float | None, out: Path | None, as_json: bool
) -> None:
    """Look for changes of speed over time, on each machine alone, and propose what to measure again.

    Change points by E-divisive with a permutation test (p at most 0.001). Speeds that follow each other are not
    independent, so what is found may be noise: this decides nothing and always ends with exit code 0 where it could
    read. A series needs at least 10 runs on one machine with one software.

    \b
    Examples:
      bench screen
      bench screen --history gate-history.jsonl --tolerance 0.05
      bench screen --history gate-history.jsonl --out history   # a page to look at, and CSV
    """
    series = history_series(run for path in histories for run in read(path))
    if results.is_dir() or not histories:
        scan = Store(results).scan()
        for error in scan.broken:
            note(f"Left out: {error}")
        series = [*result_series(item.result for item in scan.stored if item.retraction is None), *series]
    found = proposals(series, tolerance)
    if out is not None:
        from bench.gate.pages import history_csv, history_page

        write_atomic(out / "history.html", history_page(series, found, tolerance))
        write_atomic(out / "history.csv", history_csv(series, tolerance))
    long_enough = sum(len(one.points) >= 10 for one in series)
    if as_json:
        print_json(
            {"num_series": len(series), "num_screened": long_enough, "proposals": [asdict(one) for one in found]}
        )
        return
    headers = ["what", "machine", "last before", "first after", "time", "runs"]
    lines = [
        [one.name, one.fingerprint, one.before.at, one.after.at, f"{one.slowdown:+.1%}", str(one.num_runs)]
        for one in found
    ]
    print_table("May have changed", headers, lines, right=frozenset({4, 5}))
    for one in found:
        if one.slowdown > 0:
            note(f"{one.name} may be slower; to know: {one.command}")
    note(f"{len(series)} series, {long_enough} of them with 10 runs or more; {len(found)} may have changed")
