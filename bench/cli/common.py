"""What commands share: options, progress bars on stderr, JSON and tables on stdout.

Names, keys and records come from strangers: all that is printed here is inert, so no terminal and no log obeys it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.inert import inert_json, inert_line, inert_lines
from bench.measure.kernel import num_cores
from bench.resources import default_cache_folder

if TYPE_CHECKING:
    from bench.records.result import Estimate

__all__ = [
    "cache_folder_of",
    "cache_options",
    "challenges_option",
    "data_option",
    "default_cache_folder",
    "device_option",
    "isolation_option",
    "json_option",
    "key_option",
    "note",
    "precision_option",
    "predictions_option",
    "print_json",
    "print_table",
    "progress_bar",
    "progress_bars",
    "protocol_option",
    "results_option",
    "show_estimate",
    "workers_option",
]

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
results_option = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboards/results"),
    envvar="BENCH_RESULTS",
    show_default=True,
    show_envvar=True,
    help="Folder of the results.",
)
predictions_option = click.option(
    "--predictions",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder of the predictions.  [default: 'predictions' beside the results]",
)
challenges_option = click.option(
    "--challenges",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("challenges"),
    envvar="BENCH_CHALLENGES",
    show_default=True,
    show_envvar=True,
    help="Folder of the challenges.",
)
key_option = click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of your secret key.  [default: the one among your keys that fits; `bench keys list`]",
)
protocol_option = click.option(
    "--protocol", required=True, metavar="ID", help="The protocol's id, or its .toml file; `bench list protocols`."
)
data_option = click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    envvar="BENCH_DATA",
    show_envvar=True,
    help="Folder of the dataset, or one of the published tars.",
)


workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=num_cores,
    metavar="N",
    help="Threads that decode images.  [default: one a core]",
)

device_option = click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:0, mps or auto.")
precision_option = click.option(
    "--precision",
    type=click.Choice(["fp32", "tf32", "bf16", "fp16"]),
    help="The arithmetic, of those that the protocol allows.  [default: the protocol's]",
)
isolation_option = click.option(
    "--isolation",
    type=click.Choice(["none", "process", "sandbox", "auto"]),
    default="auto",
    envvar="BENCH_ISOLATION",
    show_default=True,
    show_envvar=True,
    help="How far a submission's code is kept from this process and this machine; auto: as far as can be.",
)


def cache_options(command: F) -> F:
    """The options `--cache-dir` and `--no-cache`."""
    command = click.option(
        "--cache-dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="BENCH_CACHE_DIR",
        show_envvar=True,
        help="Folder of caches: digests, decoded images, downloaded weights.  [default: the user's cache folder]",
    )(command)
    return click.option("--no-cache", is_flag=True, help="Neither read nor write caches.")(command)


def cache_folder_of(cache_dir: Path | None, no_cache: bool) -> Path | None:
    """The cache folder that the options of `cache_options` name; None for no cache."""
    return None if no_cache else cache_dir or default_cache_folder()


def show_estimate(estimate: Estimate | None, *, is_rate: bool = False) -> str:
    """A metric and its interval for a terminal: rates in percent, other metrics as they are.

    Args:
        estimate: The metric; what has a count is a rate.
        is_rate: It is one without a count, such as a mean over the attempts of a training.

    >>> from bench.records import Estimate
    >>> show_estimate(Estimate(value=0.5, ci_low=0.4, ci_high=0.6, num_samples=10, count=5))
    '50.00 [40.00, 60.00]'
    """
    if estimate is None:
        return "-"
    scale, digits = (100, 2) if estimate.count is not None or is_rate else (1, 4)
    interval = ""
    if estimate.ci_low is not None and estimate.ci_high is not None:
        interval = f" [{scale * estimate.ci_low:.{digits}f}, {scale * estimate.ci_high:.{digits}f}]"
    return f"{scale * estimate.value:.{digits}f}{interval}"


def print_json(value: object) -> None:
    """Prints a value as JSON on stdout."""
    click.echo(inert_json(json.dumps(value, indent=1, ensure_ascii=False)))


def note(message: str) -> None:
    """Prints a sentence, or lines, on stderr: what is going on, as opposed to results."""
    click.echo(inert_lines(message), err=True)


def print_table(
    title: str | None, headers: list[str], rows: list[list[str]], *, right: frozenset[int] = frozenset()
) -> None:
    """Prints a table on stdout: boxed on a terminal, tab-separated in a pipe.

    Args:
        title: What stands above it on a terminal.
        headers: A name a column.
        rows: The cells, as text.
        right: The indices of the columns that are numbers.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        for row in [headers, *rows]:
            click.echo("\t".join(map(_cell, row)))
        return
    table = Table(title=None if title is None else _plain(title), box=box.SIMPLE_HEAD, title_justify="left")
    for index, header in enumerate(headers):
        # Identifiers stay on one line, so that they can be copied.
        is_id = index == 0 or header == "run"
        table.add_column(header, justify="right" if index in right else "left", overflow="fold", no_wrap=is_id)
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    console.print(table)


def _cell(text: str) -> str:
    """One cell, whole and on one line: it may hold a list of things, and is not cut."""
    return inert_line(text, longest=len(text))


@contextmanager
def progress_bar(label: str, total: int, unit: str = "img") -> Iterator[Callable[[int], None]]:
    """One progress bar; see `progress_bars`.

    Yields:
        A function that takes how many more units are done.
    """
    with progress_bars([label], total, unit) as advance:
        yield lambda count: advance(0, count)


@contextmanager
def progress_bars(labels: list[str], total: int, unit: str = "img") -> Iterator[Callable[[int, int], None]]:
    """Progress bars with rate and time left, on stderr, only where that is a terminal.

    Args:
        labels: What is being done, a bar each; a bar shows as soon as there is progress.
        total: How many units each has.
        unit: What is counted.

    Yields:
        A function that takes the index of a bar and how many more units are done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} {unit}/s" if task.speed else "")

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        # A bar of one task shows from the start: something is going on before the first unit is done.
        tasks = [progress.add_task(_plain(label), total=total, visible=len(labels) == 1) for label in labels]

        def advance(index: int, count: int) -> None:
            progress.update(tasks[index], advance=count, visible=True)

        yield advance


def _plain(label: str) -> str:
    """The label or title without rich's markup: names come from submitters."""
    from rich.markup import escape

    return escape(inert_lines(label))
