"""What a page says about a protocol, a run and its status, in words and as pairs of label and value."""

from __future__ import annotations

from typing import NamedTuple

from bench.leaderboard.admission import rejection_word
from bench.records.names import safe_link
from bench.records.protocol import Geometry, Protocol
from bench.records.result import Result
from bench.stored import Stored

__all__ = [
    "Fact",
    "arithmetic_words",
    "geometry_words",
    "link_or_none",
    "protocol_facts",
    "provenance",
    "status_words",
    "team_of",
]

_TIMES = "\N{MULTIPLICATION SIGN}"


class Fact(NamedTuple):
    """A label and its value."""

    label: str
    value: str
    code: bool = False
    """It is a digest or an id, to be copied whole."""
    link: str | None = None
    """Where it leads."""


def status_words(stored: Stored) -> str:
    """A run's status, in one word or two: what was said of it later comes first."""
    if stored.retraction is not None:
        return stored.retraction.state
    if (word := rejection_word(stored.result)) is not None:
        return word
    if stored.result.status != "failed" and not stored.result.dataset.complete:
        return f"{stored.result.status}, partial"
    return stored.result.status


def team_of(result: Result) -> str:
    """The team as it is shown."""
    return result.submission.team_title or result.submission.team


def link_or_none(link: str | None) -> str | None:
    """A link that a page may show, or None: a result may hold any text there."""
    if link is None:
        return None
    try:
        return safe_link(link)
    except ValueError:
        return None


def geometry_words(geometry: Geometry) -> str:
    """How an image becomes pixels."""
    size = f"{geometry.crop} {_TIMES} {geometry.crop} px"
    if geometry.crop_mode == "squash":
        return f"resized to {geometry.resize} {_TIMES} {geometry.resize} px, central {size}, {geometry.interpolation}"
    side = "longer" if geometry.crop_mode == "border" else "shorter"
    return f"{side} side to {geometry.resize} px, central {size}, {geometry.interpolation}"


def protocol_facts(protocol: Protocol, digest: str) -> list[Fact]:
    """What is fixed by a protocol."""
    dataset = protocol.dataset
    labels = "" if dataset.labels == "original" else ", reassessed labels (ReaL)"
    facts = [
        Fact("Protocol", f"{protocol.title} (version {protocol.version})"),
        Fact("Dataset", f"{dataset.name}, split {dataset.split}, {dataset.num_samples:,} images{labels}"),
    ]
    if protocol.division is not None:
        words = {"closed": "closed: one geometry for all", "open": "open: each entry brings its own geometry"}
        facts.append(Fact("Division", words[protocol.division]))
    if protocol.geometry is not None:
        facts.append(Fact("Pixels", geometry_words(protocol.geometry)))
    if protocol.views is not None:
        words = {"single": "one crop an image", "ten-crop": "ten crops an image, softmax averaged"}
        facts.append(Fact("Views", words[protocol.views.kind]))
    if protocol.precision is not None:
        facts.append(Fact("Arithmetic", ", ".join(protocol.precision.allowed)))
    facts.append(Fact("Protocol id", protocol.id, code=True))
    facts.append(Fact("Protocol digest", digest, code=True))
    return facts


def provenance(result: Result) -> list[Fact]:
    """What the numbers of a run were measured on, digests whole."""
    submission, protocol, dataset = result.submission, result.protocol, result.dataset
    no_images = result.status == "imported" and dataset.num_samples == 0  # reported speed, on random pixels
    images = f"{dataset.name}, split {dataset.split}, {dataset.num_samples:,} images"
    facts = [
        Fact("Run", result.run, code=True),
        Fact("Recorded", f"{result.created_at} by bench {result.bench_version}"),
        Fact("Model source", submission.source),
        Fact("Submission digest", submission.digest or "none, imported", code=bool(submission.digest)),
        Fact("Protocol", f"{protocol.id}, version {protocol.version}"),
        Fact("Protocol digest", protocol.digest or "none, imported", code=bool(protocol.digest)),
        Fact("Dataset", "none, random pixels" if no_images else images),
        Fact("Dataset digest", dataset.digest or "none, imported", code=bool(dataset.digest)),
    ]
    if result.predictions is not None:
        facts.append(Fact("Predictions", result.predictions.sha256, code=True))
    if result.input is not None:
        size = f"{result.input.geometry.crop} {_TIMES} {result.input.geometry.crop} px"
        facts.append(Fact("Pixels", size if no_images else geometry_words(result.input.geometry)))
        if result.input.mean is not None and result.input.std is not None:
            facts.append(Fact("Normalisation", f"mean {_triple(result.input.mean)}, std {_triple(result.input.std)}"))
    facts += [
        Fact(label, value)
        for label, value in (
            ("Arithmetic", result.precision),
            ("Device", result.device_type),
            ("Isolation", result.isolation),
            ("Seeds", ", ".join(f"{name} {seed}" for name, seed in sorted(result.seeds.items()))),
            ("Numbers from", result.origin),
        )
        if value
    ]
    if (trained := result.training) is not None:
        facts.append(Fact("Recipe digest", trained.recipe_digest, code=True))
        facts.append(Fact("Seeds drawn in round", trained.round))
    if (training := submission.training) is not None:
        facts.append(Fact("Trained", f"{training.protocol}, {training.epochs} epochs, seed {training.seed}"))
        facts.append(Fact("Trained under digest", training.protocol_digest, code=True))
        facts.append(Fact("Trained on digest", training.dataset_digest, code=True))
    return facts


def arithmetic_words(result: Result) -> str | None:
    """In which arithmetic a run ran and, where it was not the plain way, how; None where the record does not say.

    Imported speed may name an arithmetic that bench does not measure in, such as amp.
    """
    named = result.precision or result.environment.get("precision")
    mode = result.environment.get("compile_mode")
    if named is None:
        return None
    return str(named) if mode in (None, "eager") else f"{named}, {mode}"


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)
