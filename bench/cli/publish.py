"""`bench publish`: results and boards to the leaderboard site."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import default_cache_folder, json_option, note, print_json, results_option
from bench.errors import BenchError, UsageError
from bench.inert import inert_line
from bench.resources import resource_folder

if TYPE_CHECKING:
    from bench.leaderboard.site import PublishReport
    from bench.store import Store

__all__ = ["default_boards_folder", "publish"]

_DEFAULT_OUT = Path("leaderboards/site")
_DEFAULT_FIGURES = "leaderboards/figures"
_DEFAULT_PORT = 8000
_LOOK_EVERY_S = 1.0


def default_boards_folder() -> Path:
    """`leaderboards/boards` where it exists, else the boards that ship with bench."""
    here = Path("leaderboards/boards")
    return here if here.is_dir() else resource_folder("boards")


def _site_url(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    from bench.records.names import safe_link

    if url is None:
        return None
    try:
        link = safe_link(url)
    except ValueError as error:
        raise click.BadParameter(f"{url!r} {error}") from None
    if "?" in link or "#" in link:
        raise click.BadParameter(f"{url!r} is no folder of a site; leave out what begins with ? or #")
    return link


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
@click.option(
    "--url",
    metavar="LINK",
    callback=_site_url,
    help="Where the site will stand; feed and badges then name it by absolute links.  [default: relative links]",
)
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    is_flag=False,
    flag_value=_DEFAULT_FIGURES,
    default=None,
    metavar="[DIR]",
    help="Also write figures of every board as SVG, PNG and PDF; needs the extra 'figures' (matplotlib).  "
    f"[without DIR: {_DEFAULT_FIGURES}]",
)
@click.option("--serve", is_flag=True, help="Serve the site to this machine, and publish again when something changes.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=None,
    metavar="N",
    help=f"Port of --serve; 0 takes a free one.  [default: {_DEFAULT_PORT}]",
)
@json_option
def publish(
    results: Path,
    boards: Path | None,
    out: Path | None,
    check: bool,
    url: str | None,
    figures: Path | None,
    serve: bool,
    port: int | None,
    as_json: bool,
) -> None:
    """Write every board and submission as static pages, with CSV and JSON beside them.

    Only files that changed are written, and the new site takes the place of the old one at once. The last line on
    stdout is the page to open. A broken result or board is named on stderr, the rest is published, and the exit code
    is 1. With --check the exit code is 1 when a file differs or anything is broken. With --serve the command runs
    until Ctrl-C and exits 130.

    \b
    Examples:
      bench publish
      bench publish --results leaderboards/results --out public
      bench publish --out public --url https://example.org/bench
      bench publish --figures paper        # SVG, PNG and PDF of every board for papers and READMEs
      bench publish --serve                # look at it, and at every change of a result, board or template
      bench publish --check                # is every result and board valid?
      bench publish --check --out public   # is the published site up to date?
    """
    from bench.store import Store

    if serve and (check or as_json):
        raise UsageError("--serve excludes --check and --json")
    if figures is not None and (check or serve):
        raise UsageError("--figures excludes --check and --serve")
    if port is not None and not serve:
        raise UsageError("--port belongs to --serve")
    store, boards_folder = Store(results), boards or default_boards_folder()
    if check:
        _check(store, boards_folder, out, url, as_json=as_json)
    elif serve:
        _serve(store, boards_folder, out or _DEFAULT_OUT, url, _DEFAULT_PORT if port is None else port)
    else:
        report = _publish(store, boards_folder, out or _DEFAULT_OUT, url, figures)
        if as_json:
            print_json(
                {
                    "index": str(report.index),
                    "num_results": report.num_results,
                    "num_boards": report.num_boards,
                    "num_files": report.num_files,
                    "num_written": report.num_written,
                    "broken": [str(error) for error in report.broken],
                    "figures": [str(path) for path in report.figures],
                }
            )
        else:
            click.echo(report.index)
        if report.broken:
            raise SystemExit(1)


def _publish(
    store: Store, boards_folder: Path, out: Path, url: str | None, figures: Path | None = None
) -> PublishReport:
    from bench.leaderboard import site

    manifests = default_cache_folder() / "sites"
    report = site.publish(store, boards_folder, out, url=url, manifests=manifests, figures=figures)
    _name_broken(report.broken)
    unchanged = report.num_files - report.num_written
    note(
        f"{report.num_results:,} results on {report.num_boards} boards: "
        f"{report.num_written:,} files written, {unchanged:,} unchanged"
    )
    if figures is not None:
        note(f"{len(report.figures):,} figures in {figures}")
    return report


def _check(store: Store, boards_folder: Path, out: Path | None, url: str | None, *, as_json: bool) -> None:
    from bench.leaderboard import site

    checked = site.check(store, boards_folder, out, url=url)
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
            click.echo(inert_line(line))
        found = f"{len(checked.differing)} files differ from {out}" if out else "rendered in memory"
        note(f"{checked.num_results:,} results on {checked.num_boards} boards: {found}")
    raise SystemExit(1 if checked.differing or checked.broken else 0)


def _serve(store: Store, boards_folder: Path, out: Path, url: str | None, port: int) -> None:
    """Publishes whenever something changed, until Ctrl-C; what cannot be published leaves the last good site."""
    from jinja2 import TemplateError

    from bench.leaderboard.pages import forget_templates
    from bench.leaderboard.serving import Watch, server_of

    watch = Watch([store.results, boards_folder, resource_folder("templates")])
    rebuild = partial(_publish, store, boards_folder, out, url)
    rebuild()
    with server_of(out, port) as address:
        note("Results, boards and templates are watched; Ctrl-C ends it.")
        click.echo(address + "index.html")
        while True:
            time.sleep(_LOOK_EVERY_S)
            if watch.changed():
                forget_templates()
                try:
                    rebuild()
                except (BenchError, TemplateError) as error:
                    note(f"Not published, the last good site stays: {error}")


def _name_broken(broken: Sequence[BenchError]) -> None:
    for error in broken:
        note(f"Not published: {error}")
