"""The sections of a submission's page."""

from __future__ import annotations

from pathlib import Path

from leaderboard.made_results import run_of

from bench.leaderboard.entry import Entry
from bench.leaderboard.frame import flat_row
from bench.leaderboard.sections import sections_of
from bench.records.result import DatasetRef, ProtocolRef, Result
from bench.stored import Stored


def _entry(*results: Result) -> Entry:
    runs = [Stored(result=result, path=Path(f"{result.run}.json")) for result in results]
    return Entry(key=results[0].entry, runs=runs, rows=[flat_row(run) for run in runs], places=[], reasons={})


def _imported(protocol: str, count: int, hours: int) -> Result:
    dataset = DatasetRef(name="imagenet-1k", split="val", num_samples=500)
    return run_of("net", count, hours=hours, status="imported", dataset=dataset, origin=f"{protocol}.csv",
                  protocol=ProtocolRef(id=protocol, version=1))  # fmt: skip


def test_imported_runs_share_a_section() -> None:
    """A row a metric, each protocol named once, every run and every file of the source in the provenance."""
    runs = [_imported("reported-b", 400, 2), _imported("reported-a", 450, 1), run_of("net", 440)]

    measured, joint = sorted(sections_of(_entry(*runs), {}, {}, {}), key=lambda section: section.is_joint)

    assert (measured.id, joint.id) == ("shapes10-val", "reported")
    assert [(row.protocol, row.title) for row in joint.metrics[::3]] == [
        ("reported-a", "Top-1 accuracy"),
        ("reported-b", "Top-1 accuracy"),
    ]
    assert [row.protocol for row in joint.metrics[1::3]] == ["", ""]
    facts = {fact.label: fact.values for fact in joint.provenance}
    assert facts["Run"] == (runs[1].run, runs[0].run)
    assert facts["Numbers from"] == ("reported-a.csv", "reported-b.csv")
    assert facts["Model source"] == ("python",)


def test_one_imported_run_keeps_its_own_name() -> None:
    """Nothing is put together that is alone."""
    (section,) = sections_of(_entry(_imported("reported-a", 450, 1)), {}, {"reported-a": "Reported A"}, {})

    assert (section.title, section.is_joint) == ("Reported A", False)


def test_the_validation_images_come_with_their_history() -> None:
    """They were used to choose models for years; other images were not."""
    (reported,) = sections_of(_entry(_imported("reported-a", 450, 1)), {}, {}, {})
    (drawn,) = sections_of(_entry(run_of("net", 450)), {}, {}, {})

    assert any("selected on the ILSVRC validation images" in note for note in reported.notes)
    assert drawn.notes == ()
