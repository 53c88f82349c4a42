"""`bench throughput`: what submissions cost on this machine, measured and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from bench.cli.common import (
    default_cache_folder,
    json_option,
    note,
    precision_option,
    print_json,
    print_table,
    progress_bars,
    protocol_option,
    results_option,
)
from bench.cli.number_range import NumberRange
from bench.cli.opening import open_submissions

if TYPE_CHECKING:
    from bench.plan import Outcome
    from bench.records.protocol import Precision, Protocol
    from bench.records.result import Cost
    from bench.store import Store

__all__ = ["throughput"]

_HEADERS = {
    "throughput_img_s": "images/s",
    "train_throughput_img_s": "training images/s",
    "end_to_end_img_s": "images/s from files",
    "server_rate_img_s": "requests/s",
    "server_p99_ms": "p99 ms",
    "latency_p50_ms": "p50 ms",
    "latency_p90_ms": "p90 ms",
    "latency_p99_ms": "p99 ms",
}
_SPEEDS = tuple(_HEADERS)


@click.command(short_help="Measure what submissions cost on this machine.")
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION...")
@protocol_option
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:0 or auto.")
@precision_option
@click.option(
    "--batch-size",
    "batch_sizes",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Images a step, where the protocol leaves it open; may be repeated.  [default: the protocol's]",
)
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Threads that compute.  [default: one a physical core]"
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="BENCH_DATA",
    show_envvar=True,
    help="Folder of the dataset, for protocols that read images.",
)
@click.option(
    "--timeout",
    type=NumberRange(min=0, min_open=True),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="A process that does not answer for so long is ended.",
)
@results_option
@click.option("--rerun", is_flag=True, help="Measure again, even where an equal run is in the store.")
@json_option
def throughput(
    submissions: tuple[str, ...],
    protocol: str,
    device: str,
    precision: Precision | None,
    batch_sizes: tuple[int, ...],
    threads: int | None,
    data: Path | None,
    timeout: float,
    results: Path,
    rerun: bool,
    as_json: bool,
) -> None:
    """Measure speed, latency, memory and energy of submissions under a protocol, and keep the results.

    Each row (a batch size, plain or compiled) is measured in several fresh processes, after the outputs were checked
    against those of the evaluation; all raw times are kept beside the result. An equal run on this machine that is in
    the store is shown and not repeated. Nothing else should run meanwhile: what did is said. A row that does not fit
    into memory fails, its batch is never made smaller. When one fails, the others are still measured, and the exit
    code is 1.

    \b
    Examples:
      bench throughput submissions/acme/vit --protocol throughput-offline --device cuda --precision bf16
      bench throughput timm:resnet50.a1_in1k submissions/acme/vit --protocol throughput-latency --threads 4
      bench throughput submissions/acme/vit --protocol throughput-end-to-end --data /data/imagenet --json
    """
    from bench.backends.device import device_type, guess_device
    from bench.errors import BenchError
    from bench.protocols import load_protocol
    from bench.store import Store
    from bench.throughput.rows import rows_of, spec_of, throughput_precision
    from bench.throughput.run import measure_all
    from bench.throughput.session import ThroughputOptions

    fixed = load_protocol(protocol)
    # What needs no look at the machine comes first.
    throughput_precision(fixed, precision)
    num_processes = len(rows_of(fixed, device_type(guess_device(device)), batch_sizes)) * spec_of(fixed).num_replicates
    entries, errors = open_submissions(submissions)
    options = ThroughputOptions(
        cache_folder=default_cache_folder(),
        device=device,
        precision=precision,
        batch_sizes=batch_sizes,
        num_threads=threads,
        data=_data_for(fixed, data),
        rerun=rerun,
        timeout_s=timeout,
    )
    if with_code := [entry.label for entry in entries if entry.source.runs_code]:
        note(f"Running the code of {', '.join(with_code)} (isolation: none); run only what you trust.")
    store = Store(results)
    outcomes: list[Outcome] = []
    with progress_bars([entry.label for entry in entries], num_processes, unit="proc") as advance:
        for row in measure_all(entries, fixed, store, options, on_progress=advance, on_note=note):
            if isinstance(row.found, BenchError):
                errors.append((f"{row.submission.label}: {row.row.words}", row.found))
            else:
                outcomes.append(row.found)
    for name, fault in errors:
        note(f"Error: {name}: {fault}")
    _print(outcomes, store, as_json=as_json)
    if errors:
        raise click.exceptions.Exit(1)


def _data_for(protocol: Protocol, data: Path | None) -> Path | None:
    """The folder of the dataset; that of BENCH_DATA is for protocols that read images alone, --data is refused."""
    from bench.throughput.rows import spec_of

    source = click.get_current_context().get_parameter_source("data")
    is_meant = source is ParameterSource.COMMANDLINE or spec_of(protocol).num_images is not None
    return data if is_meant else None


def _print(outcomes: list[Outcome], store: Store, *, as_json: bool) -> None:
    from bench.throughput.accuracy import accuracy_note, evaluated_runs

    for outcome in outcomes:
        result = outcome.result
        said = [sentence for sentence in result.notes if not sentence.startswith("The same weights")]
        for sentence in [*said, accuracy_note(evaluated_runs(store, result), result)]:
            row = f"batch {result.environment['batch_size']}, {result.environment['compile_mode']}"
            note(f"Note: {result.entry}, {row}: {sentence}")
    if as_json:
        print_json([outcome.result.as_json() for outcome in outcomes])
        return
    speeds = [name for name in _SPEEDS if any(name in outcome.result.costs for outcome in outcomes)]
    headers = ["submission", "batch", "mode", "precision", *(_HEADERS[name] for name in speeds), "MiB", "run", "result"]
    lines = [
        [
            outcome.result.entry,
            str(outcome.result.environment["batch_size"]),
            str(outcome.result.environment["compile_mode"]),
            outcome.result.precision or "-",
            *(_shown(outcome.result.costs.get(name)) for name in speeds),
            _shown(outcome.result.costs.get("peak_memory_mib")),
            outcome.result.run,
            "from the store" if outcome.reused else str(outcome.path),
        ]
        for outcome in outcomes
    ]
    if lines:
        print_table(None, headers, lines, right=frozenset({1, *range(4, 5 + len(speeds))}))


def _shown(cost: Cost | None) -> str:
    """A cost and its interval, in four digits; n/a where it was not measured or not often enough."""
    if cost is None:
        return "n/a"
    interval = (
        "" if cost.ci_low is None or cost.ci_high is None else f" [{_digits(cost.ci_low)}, {_digits(cost.ci_high)}]"
    )
    return _digits(cost.value) + interval


def _digits(value: float) -> str:
    """Four digits, without an exponent.

    >>> _digits(12345.6), _digits(0.012345)
    ('12,346', '0.01234')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
