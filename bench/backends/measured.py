"""What a run of a model gave: predictions, costs, audits, and what a result says of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.audits import judge
from bench.backends.audited import completed
from bench.backends.base import ModelSession
from bench.backends.inference import Answered
from bench.backends.isolation import Level
from bench.backends.wave import StartedModel, Wave
from bench.errors import BenchError, ChannelError
from bench.records.audit import Audit
from bench.records.predictions import Predictions
from bench.records.protocol import Geometry
from bench.records.result import Cost, ResultInput, Scalar

__all__ = ["Measured", "measured"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run gave, before it is scored."""

    predictions: Predictions
    input: ResultInput | None = None
    isolation: Level | None = None
    layers: tuple[str, ...] = ()
    limits: dict[str, int | float] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    environment: dict[str, Scalar] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    audits: tuple[Audit, ...] = ()
    seeds: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def measured(
    model: StartedModel,
    answered: Answered,
    wave: Wave,
    geometry: Geometry,
    *,
    settings: dict[str, int],
    seeds: dict[str, int],
    pass_s: float,
) -> Measured:
    """What a model gave that answered all images; it is told that there is nothing more to do.

    Args:
        model: The model.
        answered: Its answers.
        wave: How it was run, together with others.
        geometry: Of the images.
        settings: Of this host's part, for the result's environment.
        seeds: That were drawn for it.
        pass_s: Seconds of the whole pass.

    Raises:
        BenchError: It said what is no answer, or does not end.
    """
    session, evidence = model.session, answered.evidence
    costs, notes = _costs(session, geometry.crop)
    session.finish()
    environment = session.environment | settings
    timing = {
        "start_s": round(model.start_s, 3),
        "pass_s": round(pass_s, 3),
        "model_s": round(answered.seconds, 3),
    }
    audits: tuple[Audit, ...] = ()
    if evidence is not None:
        gmacs = costs["gmacs"].value if "gmacs" in costs else None
        evidence = completed(evidence, gmacs=gmacs, environment=environment, precision=wave.spec.precision)
        audits = judge(evidence)
        timing["audit_s"] = round(answered.audit_s, 3)
        seeds = {"audit": evidence.seed} | seeds
    return Measured(
        predictions=answered.predictions,
        input=ResultInput(geometry=geometry, mean=session.input.mean, std=session.input.std),
        isolation=wave.backend.isolation,
        layers=session.layers,
        limits=session.limits,
        costs=costs,
        environment=environment,
        audits=audits,
        seeds=seeds,
        timing=timing,
        notes=session.notes + _tie_notes(answered) + notes,
    )


def _costs(session: ModelSession, img_size: int) -> tuple[dict[str, Cost], tuple[str, ...]]:
    """What the model costs by its definition, and a note where that cannot be counted.

    Raises:
        ChannelError: Its process sent what is no answer.
    """
    costs = {"num_params": Cost(value=session.num_params, unit="parameters")}
    try:
        gmacs = session.gmacs(img_size)
    except ChannelError:  # what it said is no count, and no reason why there is none
        raise
    except BenchError as error:
        return costs, (f"No multiply-adds: {error}.",)
    return costs | {"gmacs": Cost(value=round(gmacs, 6), unit="GMAC")}, ()


def _tie_notes(answered: Answered) -> tuple[str, ...]:
    ties = {"first and second": answered.num_ties_at_1, "fifth and sixth": answered.num_ties_at_5}
    return tuple(
        f"For {count:,} images the {places} logit are equal; the lower class index goes first."
        for places, count in ties.items()
        if count
    )
