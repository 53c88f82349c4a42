"""`bench gate`: is head slower than base? Measured side by side in one job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from bench.cli.common import default_cache_folder, note, print_json, print_table
from bench.cli.number_range import NumberRange
from bench.cli.own_failures import own_failures_end_with_4
from bench.errors import UsageError
from bench.files import read_json
from bench.gate.baseline import advice, refuse_other_machines
from bench.gate.ci import write_reports
from bench.gate.compare import compare
from bench.gate.history import add, past_run, prepare, read
from bench.gate.plan import are_submissions, chosen, configuration, gone_rows
from bench.gate.report import HEADERS, GateReport, recomputed, table
from bench.gate.report import as_json as report_json

__all__ = ["gate"]


@click.command(short_help="Say whether head is slower than base, measured side by side.")
@click.option("--base", metavar="SIDE", help="The old code: rev:<git revision>, env:<python> or path:<submission>.")
@click.option("--head", metavar="SIDE", help="The new code, in the same forms.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What to measure.  [default: gate.toml, else [tool.bench.gate] of pyproject.toml]",
)
@click.option("--row", "names", multiple=True, help="Measure this row only; may be repeated.")
@click.option("--budget", type=NumberRange(min=0, min_open=True), help="Minutes; open rows then end INCONCLUSIVE.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the coins; equal seeds draw equal orders."
)
@click.option("--strict", is_flag=True, help="INCONCLUSIVE ends with exit code 3.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-gate"),
    show_default=True,
    help="Folder of raw blocks and reports; a killed gate resumes from it.",
)
@click.option(
    "--recompute",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing: the verdict of the raw blocks in a regression.json.",
)
@click.option(
    "--history",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append this run to a file, a line of JSON a run; `bench screen` reads it.",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Earlier runs on this machine, a history or a regression.json; may be repeated. It advises, never decides.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def gate(
    base: str | None,
    head: str | None,
    config_path: Path | None,
    names: tuple[str, ...],
    budget: float | None,
    seed: int,
    strict: bool,
    out: Path,
    recompute: Path | None,
    history: Path | None,
    baselines: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Compare the speed of head with that of base, in pairs of fresh processes that take turns on this machine.

    Each row ends REGRESSION (slower by more than its tolerance), OK, or INCONCLUSIVE. False alarms are bounded by 2 %
    over all rows. Exit codes: 0 OK or INCONCLUSIVE, 1 REGRESSION, 3 INCONCLUSIVE with --strict, 4 nothing could be
    decided (INVALID, or the gate itself failed), 5 outputs of base and head differ, 2 wrong usage.

    The folder --out holds regression.json, pairs.jsonl, junit.xml, summary.md, report.html and pytest-benchmark.json.

    \b
    Examples:
      bench gate --base rev:origin/main --head rev:HEAD
      bench gate --base env:.venv-old/bin/python --head env:.venv-new/bin/python --row forward
      bench gate --base path:submissions/a/net --head path:submissions/b/net --budget 20
      bench gate --recompute bench-gate/regression.json
    """
    with own_failures_end_with_4():
        if recompute is not None:
            _refuse_beside_recompute()
            report = replace(recomputed(read_json(recompute), recompute), is_strict=strict)
            _show(report, as_json)
            raise SystemExit(report.exit_code)
        if base is None or head is None:
            raise UsageError("name both sides: --base and --head, such as --base rev:origin/main --head rev:HEAD")
        with_submissions = are_submissions(base, head)
        today = datetime.now(UTC).date()
        config = configuration(config_path, Path.cwd(), with_submissions=with_submissions, today=today)
        rows = chosen(config, names)
        earlier = [run for path in baselines for run in read(path)]
        if history is not None:
            prepare(history)  # not after an hour of measuring
        report = compare(
            base,
            head,
            config,
            rows,
            repository=Path.cwd(),
            cache=default_cache_folder(),
            out=out,
            seed=seed,
            budget_s=None if budget is None else 60 * budget,
            # Who asked for some rows asked for no others.
            only_in_base=lambda sides: () if names else gone_rows(rows, sides, note),
            on_machine=lambda machine, software: refuse_other_machines(earlier, machine, software),
            on_note=note,
        )
        report = replace(report, is_strict=strict)
        run = past_run(report, datetime.now(UTC).isoformat(timespec="seconds"))
        others = [past for past in earlier if past.pairs_digest is None or past.pairs_digest != run.pairs_digest]
        for sentence in advice(others, run) if baselines else ():
            note(f"Baseline: {sentence}")
        _show(report, as_json)  # first: a full disk hides no verdict
        write_reports(report, out, note)
        if history is not None and not add(history, run):
            note(f"{history} has these pairs already; the run was not added again")
    raise SystemExit(report.exit_code)


def _refuse_beside_recompute() -> None:
    """Refuses options that a recomputed verdict would ignore.

    Raises:
        UsageError: One was given.
    """
    context = click.get_current_context()
    given = [
        max(param.opts, key=len)
        for param in context.command.params
        if param.name not in ("recompute", "strict", "as_json")
        and context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(f"--recompute measures nothing and writes nothing; leave out {', '.join(given)}")


def _show(report: GateReport, as_json: bool) -> None:
    if as_json:
        print_json(report_json(report))
        return
    print_table("bench gate", list(HEADERS), table(report.rows), right=frozenset(range(1, 8)))
    for row in report.rows:
        for reason in row.reasons:
            note(f"{row.row.name}: {reason}")
        if row.ignored:
            note(f"{row.row.name} does not decide: {row.ignored}")
    for reason in report.reasons:
        note(reason)
    click.echo(report.verdict)
