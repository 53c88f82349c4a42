"""`bench publish`: results and boards to the leaderboard site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bench.cli.common import default_cache_folder, json_option, note, print_json, results_option
from bench.errors import BenchError
from bench.resources import resource_folder

__all__ = ["default_boards_folder", "publish"]

_DEFAULT_OUT = Path("leaderboards/site")


def default_boards_folder() -> Path:
    """`leaderboards/boards` where it exists, else the boards that ship with bench."""
    here = Path("leaderboards/boards")
    return here if here.is_dir() else resource_folder("boards")


@click.command(short_help="Write the leaderboard site.")
@results_option
@click.option(
    "--boards",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder of the boards.  [default: leaderboards/boards, else the boards that ship with bench]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help=f"Folder of the site.  [default: {_DEFAULT_OUT}]",
)
@click.option(
    "--check", is_flag=True, help="Write nothing: compare --out with what would be written, or only render everything."
)
@json_option
def publish(results: Path, boards: Path | None, out: Path | None, check: bool, as_json: bool) -> None:
    """Write every board and submission as static pages, with CSV and JSON beside them.

    The last line on stdout is the page to open. A broken result or board is named on stderr, the rest is published,
    and the exit code is 1. With --check the exit code is 1 when a file differs or anything is broken.

    \b
    Examples:
      bench publish
      bench publish --results leaderboards/results --out public
      bench publish --check                # is every result and board valid?
      bench publish --check --out public   # is the published site up to date?
    """
    from bench.leaderboard import site
    from bench.store import Store

    store, boards_folder = Store(results), boards or default_boards_folder()
    if check:
        checked = site.check(store, boards_folder, out)
        _name_broken(checked.broken)
        if as_json:
            print_json(
                {
                    "num_results": checked.num_results,
                    "num_boards": checked.num_boards,
                    "differing": list(checked.differing),
                    "broken": [str(error) for error in checked.broken],
                }
            )
        else:
            for line in checked.differing:
                click.echo(line)
            found = f"{len(checked.differing)} files differ from {out}" if out else "rendered in memory"
            note(f"{checked.num_results:,} results on {checked.num_boards} boards: {found}")
        raise SystemExit(1 if checked.differing or checked.broken else 0)
    manifests = default_cache_folder() / "sites"
    report = site.publish(store, boards_folder, out or _DEFAULT_OUT, manifests=manifests)
    _name_broken(report.broken)
    unchanged = report.num_files - report.num_written
    note(
        f"{report.num_results:,} results on {report.num_boards} boards: "
        f"{report.num_written:,} files written, {unchanged:,} unchanged"
    )
    if as_json:
        print_json(
            {
                "index": str(report.index),
                "num_results": report.num_results,
                "num_boards": report.num_boards,
                "num_files": report.num_files,
                "num_written": report.num_written,
                "broken": [str(error) for error in report.broken],
            }
        )
    else:
        click.echo(report.index)
    if report.broken:
        raise SystemExit(1)


def _name_broken(broken: Sequence[BenchError]) -> None:
    for error in broken:
        note(f"Not published: {error}")
