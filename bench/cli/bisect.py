"""`bench bisect`: the commit that made a benchmark slower."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from bench.cli.common import default_cache_folder, note, print_json, print_table
from bench.cli.own_failures import own_failures_end_with_4
from bench.gate.compare import compare
from bench.gate.config import GateConfig, Row
from bench.gate.culprit import Answer, commits_between, search
from bench.gate.plan import chosen, configuration
from bench.gate.sides import BuildError

__all__ = ["bisect"]

_ANSWERS: dict[str, Answer] = {"REGRESSION": "slow", "OK": "fast"}


@click.command(short_help="Find the commit that made a benchmark slower.")
@click.option("--good", required=True, metavar="REV", help="A revision that was fast.")
@click.option("--bad", default="HEAD", show_default=True, metavar="REV", help="A later revision that is slow.")
@click.option("--row", required=True, help="The benchmark.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What to measure.  [default: gate.toml, else [tool.bench.gate] of pyproject.toml]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the drawn order.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-bisect"),
    show_default=True,
    help="Folder of raw blocks, a folder a commit; what is there is not measured again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def bisect(good: str, bad: str, row: str, config_path: Path | None, seed: int, out: Path, as_json: bool) -> None:
    """Find the first commit whose row is slower than at --good, with the gate and half of the row's tolerance.

    First the two ends are compared under the whole tolerance; without a REGRESSION there is nothing to find (exit 1).
    Where they cannot be compared, or nothing can be written to --out, the exit code is 4.
    A commit that does not build, or of which nothing can be said, is passed over; several candidates may remain.

    \b
    Examples:
      bench bisect --good v1.2 --bad main --row forward
      bench bisect --good HEAD~20 --row forward --out /tmp/bisect --json
    """
    repository, cache = Path.cwd(), default_cache_folder()
    today = datetime.now(UTC).date()
    config = configuration(config_path, repository, with_submissions=False, today=today)
    (wanted,) = chosen(config, [row])
    commits = commits_between(repository, good, bad)

    def verdict_of(commit: str, tolerance: float) -> str:
        measured = wanted.model_copy(update={"tolerance": tolerance})
        note(f"{commit[:12]}: against {good}, tolerance {tolerance:.1%}")
        folder = out / f"{commit[:12]}-{tolerance:g}"
        return _verdict(good, commit, config, measured, repository, cache, folder, seed)

    with own_failures_end_with_4():
        ends = verdict_of(commits[-1], wanted.tolerance)
        if ends == "not built":
            raise BuildError(f"{bad} cannot be compared with {good}: one of them cannot be made ready")
        if ends != "REGRESSION":
            note(f"{bad} against {good} is {ends}; there is no slowdown to find")
            raise SystemExit(1)
        found = search(commits, lambda commit: _ANSWERS.get(verdict_of(commit, wanted.tolerance / 2), "unknown"))
    if as_json:
        print_json({"candidates": list(found.candidates), "answers": found.answers, "good": good, "bad": bad})
        return
    print_table("Measured", ["commit", "answer"], [[commit, answer] for commit, answer in found.answers.items()])
    if len(found.candidates) > 1:
        note("Nothing can be said of the commits before the last one; it, or one of them, made the row slower.")
    click.echo("\n".join(found.candidates))


def _verdict(
    good: str, commit: str, config: GateConfig, row: Row, repository: Path, cache: Path, out: Path, seed: int
) -> str:
    """The verdict of the gate, or why there is none."""
    try:
        report = compare(
            f"rev:{good}", f"rev:{commit}", config, [row], repository=repository, cache=cache, out=out, seed=seed,
            on_note=note,
        )  # fmt: skip
    except BuildError as error:
        note(str(error))
        return "not built"
    (entry,) = (entry for entry in report.rows if entry.row.name == row.name)
    for reason in entry.reasons:
        note(f"{commit[:12]}: {reason}")
    # Only what the times say: a commit that crashes is no slow one.
    measured = entry.decision.verdict if entry.decision is not None else None
    return measured if measured is not None and entry.verdict in ("OK", "REGRESSION") else "not measured"
