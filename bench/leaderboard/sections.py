"""The sections of a submission's page: what it says of each protocol, and of all numbers that were taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.attest import UNSIGNED
from bench.leaderboard.admission import REJECTIONS
from bench.leaderboard.claims import Claim, claims_of
from bench.leaderboard.classes import Classes, ClassNames, classes_of
from bench.leaderboard.column import EN_DASH
from bench.leaderboard.columns import COLUMNS, column_of
from bench.leaderboard.entry import Entry
from bench.leaderboard.facts import provenance, status_words
from bench.leaderboard.reliability import Reliability, reliability_of
from bench.leaderboard.surroundings import Medians
from bench.leaderboard.training import Training, training_of
from bench.leaderboard.trust import Trust, trust_of
from bench.metrics import METRICS
from bench.records.result import Cost, Failure, Result
from bench.records.retraction import Retraction
from bench.stored import Stored

__all__ = ["Section", "cost_title", "sections_of"]


_MEANINGS = {
    "verified": "Measured by the maintainers, in a sandbox",
    "self-reported": "Measured with bench by its authors",
    "imported": "Taken over from others, not measured here",
    "failed": "The run gave no numbers",
    "retracted": "Withdrawn; it has no rank",
    "superseded": "Replaced by another run; it has no rank",
    "penalised": "Ruled against the rules of its challenge; not comparable, and it has no rank",
    **dict(REJECTIONS.values()),
}
"""What the status of a run means."""
_SELECTED_ON = "Models were selected on the ILSVRC validation images for years, so accuracies on them are optimistic."


class _Metric(NamedTuple):
    protocol: str
    """The protocol's title, on the first metric of a run."""
    title: str
    help: str
    value: str
    unit: str
    interval: str
    basis: str
    """What it is computed from: a count, a number of classes or of images."""


class _Cost(NamedTuple):
    title: str
    value: str
    unit: str
    interval: str
    device: str


_COUNTED = ("num_params", "gmacs")
"""Costs that are counted in a model, beside its own code where it has some."""


class _Facts(NamedTuple):
    """A label and its values: one a run, each once."""

    label: str
    values: tuple[str, ...]
    code: bool


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a page says of one run, or of all imported ones together."""

    id: str
    title: str
    status: str
    meaning: str
    """What the status means."""
    is_joint: bool
    """It holds several protocols, so its table names them."""
    reasons: list[str]
    retraction: Retraction | None
    failure: Failure | None
    metrics: list[_Metric]
    costs: list[_Cost]
    claims: list[Claim]
    provenance: list[_Facts]
    environment: list[tuple[str, str]]
    timing: list[tuple[str, str]]
    notes: tuple[str, ...]
    classes: Classes | None
    classes_csv: str
    reliability: Reliability | None
    training: Training | None = None
    """The attempts of a training."""
    trust: Trust | None = None
    """How it was isolated and audited, and who signed it."""


def sections_of(
    entry: Entry,
    classes: Mapping[str, ClassNames],
    protocol_titles: Mapping[str, str],
    medians: Mapping[str, Medians],
) -> list[Section]:
    """A section for each protocol in the order of `shown_runs`; imported runs share one, as one source reports them."""
    sections, joint = [], [item for item in entry.shown_runs if _is_plain_import(item)]
    for item in entry.shown_runs:
        if len(joint) < 2 or item not in joint:
            sections.append(_section(entry, [item], classes, protocol_titles, medians))
        elif item is joint[0]:
            sections.append(_section(entry, joint, classes, protocol_titles, medians))
    return sections


def _is_plain_import(item: Stored) -> bool:
    return item.result.status == "imported" and item.retraction is None


def _section(
    entry: Entry,
    runs: Sequence[Stored],
    classes: Mapping[str, ClassNames],
    protocol_titles: Mapping[str, str],
    medians: Mapping[str, Medians],
) -> Section:
    stored, result, is_joint = runs[0], runs[0].result, len(runs) > 1
    breakdown = entry.breakdowns.get(stored.run)
    titles = [protocol_titles.get(item.result.protocol.id, item.result.protocol.id) for item in runs]
    costs = {_cost(name, item.result): None for item in runs for name in sorted(item.result.costs)}
    environment = {pair: None for item in runs for pair in item.result.environment.items()}
    trust = None if is_joint else trust_of(result, entry.signatures.get(stored.run, UNSIGNED))
    return Section(
        id="reported" if is_joint else result.protocol.id,
        title="Reported numbers" if is_joint else titles[0],
        status=status_words(stored),
        meaning=_meaning(stored, trust),
        is_joint=is_joint,
        reasons=_reasons(entry, runs, titles),
        retraction=stored.retraction,
        failure=result.failure,
        metrics=[row for title, item in zip(titles, runs, strict=True) for row in _metrics(title, item.result)],
        costs=list(costs),
        claims=claims_of(result),
        provenance=_provenance([item.result for item in runs]),
        environment=[(name, str(value)) for name, value in sorted(environment, key=str)],
        timing=[(name, f"{value:,.2f}") for name, value in sorted(result.timing.items())],
        notes=_notes([item.result for item in runs]),
        classes=None if breakdown is None else _classes(stored, entry, classes, medians),
        classes_csv=f"{entry.slug}.{result.protocol.id}.classes.csv",
        reliability=None if breakdown is None else reliability_of(breakdown.reliability),
        training=None if (attempts := entry.attempts.get(stored.run)) is None else training_of(result, attempts),
        trust=trust,
    )


def _meaning(stored: Stored, trust: Trust | None) -> str:
    words = status_words(stored).removesuffix(", partial")
    if words == "verified" and trust is not None and trust.doubts:
        return "Says verified, without what that needs"
    return _MEANINGS.get(words, "")


def _notes(results: Sequence[Result]) -> tuple[str, ...]:
    """What the records say to a reader, each once; of the validation images what they were used for."""
    said = [note for result in results for note in result.notes]
    if any(one.metrics and (one.dataset.name, one.dataset.split) == ("imagenet-1k", "val") for one in results):
        said.append(_SELECTED_ON)
    return tuple(dict.fromkeys(said))


def _reasons(entry: Entry, runs: Sequence[Stored], titles: Sequence[str]) -> list[str]:
    """Why runs are not ranked; with the protocol where there are several."""
    said = [(title, entry.reasons.get(item.run)) for title, item in zip(titles, runs, strict=True)]
    return [f"{title}: {reason}" if len(runs) > 1 else reason for title, reason in said if reason is not None]


def _classes(
    stored: Stored, entry: Entry, classes: Mapping[str, ClassNames], medians: Mapping[str, Medians]
) -> Classes:
    breakdown = entry.breakdowns[stored.run]
    if (found := medians.get(stored.run)) is None:
        return classes_of(breakdown, classes[breakdown.classes])
    words = f"the class's median over {found.num_submissions:,} submissions of {found.board}"
    return classes_of(breakdown, classes[breakdown.classes], found.accuracy, words)


def _metrics(protocol: str, result: Result) -> list[_Metric]:
    """The metrics in the order of the table of metrics, unknown ones last."""
    names = [name for name in METRICS if name in result.metrics] + sorted(result.metrics.keys() - METRICS.keys())
    return [_metric(name, result, "" if index else protocol) for index, name in enumerate(names)]


def _metric(name: str, result: Result, protocol: str) -> _Metric:
    estimate, column, metric = result.metrics[name], column_of(name), METRICS.get(name)
    basis = f"{estimate.num_samples:,} images"
    if estimate.count is not None:
        basis = f"{estimate.count:,} of {estimate.num_samples:,}"
    elif estimate.num_classes is not None:
        basis = f"{estimate.num_classes:,} classes"
    elif estimate.sd is not None:
        basis = f"SD {column.text(estimate.sd)} over attempts"
    return _Metric(
        protocol=protocol,
        title=metric.title if metric else name,
        help=metric.help if metric else "",
        value=column.text(estimate.value),
        unit=column.unit,
        interval=column.interval(estimate.ci_low, estimate.ci_high),
        basis=basis,
    )


def _cost(name: str, result: Result) -> _Cost:
    cost, column = result.costs[name], COLUMNS.get(name)
    known = cost.ci_low is not None and cost.ci_high is not None
    is_declared = name in _COUNTED and result.declares_costs
    return _Cost(
        title=cost_title(name, cost.unit),
        value=column.text(cost.value) if column else f"{cost.value:,.6g}",
        unit=column.unit if column else cost.unit,
        interval=f"{cost.ci_low:,.6g}{EN_DASH}{cost.ci_high:,.6g}" if known else _range(cost),
        device=cost.device or ("declared by the submission" if is_declared else ""),
    )


def _range(cost: Cost) -> str:
    """From the smallest to the largest of several attempts; one that never got there has no end."""
    if cost.lowest is None or cost.lowest == cost.highest:
        return ""
    highest = "\N{INFINITY}" if cost.highest is None else f"{cost.highest:,.6g}"
    return f"median; {cost.lowest:,.6g}{EN_DASH}{highest}"


def cost_title(name: str, unit: str) -> str:
    """The name of a cost in words, without the unit at its end.

    >>> cost_title("step_time_ms", "ms")
    'Step time'
    """
    if name in COLUMNS:
        return COLUMNS[name].title
    suffix = "_" + unit.lower().replace("/", "_per_")
    words = name.removesuffix(suffix).replace("_", " ")
    return words[:1].upper() + words[1:]


def _provenance(results: Sequence[Result]) -> list[_Facts]:
    """The provenance of runs, label by label; what is equal for all stands there once."""
    values: dict[str, dict[str, bool]] = {}
    for result in results:
        for fact in provenance(result):
            values.setdefault(fact.label, {})[fact.value] = fact.code
    return [_Facts(label, tuple(found), next(iter(found.values()))) for label, found in values.items()]
