"""`bench check`: what teams and maintainers hand in, looked at before somebody trusts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    cache_options,
    default_cache_folder,
    isolation_option,
    json_option,
    note,
    predictions_option,
)

if TYPE_CHECKING:
    from bench.backends.isolation import Isolation
    from bench.check.checking import Checked

__all__ = ["check"]

_FORMATS = ("text", "json", "junit", "github", "sarif")
_WAIVERS = Path("waivers.toml")


def _explain(context: click.Context, _: click.Parameter, rule: str | None) -> None:
    if rule is None or context.resilient_parsing:
        return
    from bench.check.rules import explain

    click.echo(explain(rule))
    context.exit()


@click.command(short_help="Check submissions, results, boards, protocols, challenges and ledgers.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]...")
@click.option("--no-run", is_flag=True, help="Do not build models: nothing of a submission's code runs.")
@isolation_option
@click.option("--strict", is_flag=True, help="Warnings fail the check too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="What is printed on stdout.",
)
@click.option(
    "--waivers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File of accepted breaches.  [default: {_WAIVERS} in this folder, where there is one]",
)
@click.option(
    "--changed-by",
    metavar="BASE..HEAD",
    help="Check the submission that these commits change, and that they change nothing else.",
)
@click.option(
    "--export",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --changed-by: write the submission's files here, once nothing is wrong with it.",
)
@predictions_option
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="The dataset, to score stored predictions with its labels.",
)
@click.option(
    "--explain",
    metavar="ID",
    expose_value=False,
    is_eager=True,
    callback=_explain,
    help="Say what a rule means and what to do, and stop.",
)
@cache_options
@json_option
def check(
    paths: tuple[Path, ...],
    no_run: bool,
    isolation: Isolation,
    strict: bool,
    form: str,
    waivers: Path | None,
    changed_by: str | None,
    export: Path | None,
    predictions: Path | None,
    data: Path | None,
    cache_dir: Path | None,
    no_cache: bool,  # noqa: ARG001 - weights of a folder need no cache
    as_json: bool,
) -> None:
    """Check submissions, results, boards, protocols, challenges and ledgers; exit 1 when one has a fault.

    PATH is a submission's folder, a result (.json), a board, protocol or challenge (.toml), a ledger.jsonl, or a folder
    with any of these below it. A submission's model is built and answers four random images, which runs the code in its
    folder, in the sandbox where there is one; nothing is downloaded. Rules have numbers: docs/rules.md lists them.

    \b
    Examples:
      bench check submissions/acme/vit
      bench check submissions leaderboards --no-run --strict
      bench check leaderboards/results --format sarif > check.sarif
      bench check --changed-by origin/main..HEAD --format github
      bench check --explain L22
    """
    from bench.check.changes import check_changes
    from bench.check.checking import check_target
    from bench.check.context import Context
    from bench.check.targets import targets_below
    from bench.errors import UsageError

    if bool(paths) == (changed_by is not None):
        raise UsageError("give either something to check, or --changed-by BASE..HEAD")
    if export is not None and changed_by is None:
        raise UsageError("--export writes what --changed-by names; give both")
    context = Context(
        cache_folder=cache_dir or default_cache_folder(),
        run_model=not no_run,
        isolation=isolation,
        predictions=predictions,
        data=data,
        on_note=_once(note),
    )
    if changed_by is not None:
        checked: Iterable[Checked] = check_changes(changed_by, context, repository=Path.cwd(), export=export)
    else:
        targets = [target for path in paths for target in targets_below(path)]
        checked = (check_target(target, context) for target in targets)
    waivers = waivers or (_WAIVERS if _WAIVERS.is_file() else None)
    _report(checked, "json" if as_json else form, waivers, strict=strict)


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same function, silent about what it has said already: all submissions lack the same sandbox."""
    said: set[str] = set()

    def say_once(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            say(sentence)

    return say_once


def _report(checked: Iterable[Checked], form: str, waivers: Path | None, *, strict: bool) -> None:
    """Prints what was found, text as it comes and other formats at the end; exits 1 where there is a fault."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from bench.check.checking import Checked
    from bench.check.reports import FORMATS, Report
    from bench.check.waivers import Waivers, apply_waivers, load_waivers, waiver_findings

    accepted = load_waivers(waivers) if waivers is not None else Waivers()
    today = datetime.now(UTC).date()
    done: list[Checked] = []

    def take(item: Checked) -> None:
        done.append(replace(item, findings=apply_waivers(item.findings, accepted, today)))
        if form == "text":
            click.echo(FORMATS[form](Report(done[-1:], strict)), nl=False)

    for item in checked:
        take(item)
    if waivers is not None:
        found = [finding for item in done for finding in item.findings]
        own = waiver_findings(found, accepted, waivers, today, checked=[item.path for item in done])
        take(Checked(kind="waivers", path=waivers, label=str(waivers), findings=tuple(own)))
    if form != "text":
        click.echo(FORMATS[form](Report(done, strict)), nl=False)
    num_faulty = sum(bool(item.faults(strict=strict)) for item in done)
    note(f"{len(done)} checked, {num_faulty} with faults.")
    if num_faulty:
        raise click.exceptions.Exit(1)
