"""A site published over an old one equals one from scratch, whatever changed between: every input is declared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from leaderboard.made_results import BOARD, PROTOCOL, breakdown_of, run_of, tiny_store, write_boards

from bench.leaderboard import site
from bench.leaderboard.output import MARKER
from bench.store import Store

Change = Callable[[Path, Store], None]


def _add(folder: Path, store: Store) -> None:
    store.add(run_of("vgg", 420, hours=30), breakdown=breakdown_of())


def _add_a_run_of_a_known_entry(folder: Path, store: Store) -> None:
    store.add(run_of("lenet", 430, hours=31, words={"title": "LeNet, again"}))


def _verify(folder: Path, store: Store) -> None:
    store.add(run_of("alexnet", 395, hours=32, team="beta", status="verified"))


def _retract(folder: Path, store: Store) -> None:
    run = next(item.run for item in store.scan().stored if item.result.entry == "acme/lenet")
    store.retract(run, reason="wrong weights", by="A. Maintainer")


def _edit_a_retraction(folder: Path, store: Store) -> None:
    (path,) = store.results.rglob("*.retract.json")
    path.write_text(path.read_text(encoding="utf-8").replace("wrong labels", "other labels"), encoding="utf-8")


def _edit_a_result(folder: Path, store: Store) -> None:
    """By hand, against the rules: the run keeps its id."""
    path = next((store.results / PROTOCOL / "beta").rglob("*.json"))
    path.write_text(path.read_text(encoding="utf-8").replace("Alexnet", "Edited"), encoding="utf-8")


def _edit_counts_by_class(folder: Path, store: Store) -> None:
    (path,) = store.results.rglob("*.classes.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["confusions"][0]["count"] += 1
    path.write_text(json.dumps(record), encoding="utf-8")


def _remove_counts_by_class(folder: Path, store: Store) -> None:
    (path,) = store.results.rglob("*.classes.json")
    path.unlink()


def _remove_an_entry(folder: Path, store: Store) -> None:
    for path in (store.results / PROTOCOL / "beta").rglob("*.json"):
        path.unlink()


def _rename_the_board(folder: Path, store: Store) -> None:
    write_boards(folder / "boards", BOARD.replace("Tiny board", "Small board"))


def _change_the_columns(folder: Path, store: Store) -> None:
    write_boards(folder / "boards", BOARD.replace('"top5", "nll", ', ""))


def _add_a_board(folder: Path, store: Store) -> None:
    write_boards(folder / "boards", BOARD.replace('"tiny"', '"none"') + 'extra_training_data = "none"\n')


def _remove_the_board(folder: Path, store: Store) -> None:
    (folder / "boards/tiny.toml").unlink()


def _touch(folder: Path, store: Store) -> None:
    for path in store.results.rglob("*.json"):
        os.utime(path)


CHANGES: tuple[Change, ...] = (
    _add, _add_a_run_of_a_known_entry, _verify, _retract, _edit_a_retraction, _edit_a_result, _edit_counts_by_class,
    _remove_counts_by_class, _remove_an_entry, _rename_the_board, _change_the_columns, _add_a_board,
    _remove_the_board, _touch,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_").replace("_", " "))
def test_a_publication_over_an_old_site_equals_one_from_scratch(tmp_path: Path, change: Change) -> None:
    """Every page that says something else now was made again."""
    store = tiny_store(tmp_path)
    boards, out, manifests = write_boards(tmp_path / "boards"), tmp_path / "site", tmp_path / "manifests"
    site.publish(store, boards, out, manifests=manifests)

    change(tmp_path, store)
    report = site.publish(store, boards, out, manifests=manifests)

    assert not report.broken
    assert site.check(store, boards, out).differing == ()
    if change is _touch:
        assert report.num_written == 0
    site.publish(store, boards, tmp_path / "scratch")
    assert _tree(out) == _tree(tmp_path / "scratch")


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_more_result_rewrites_few_files(tmp_path: Path) -> None:
    """A new last entry changes the pages of those beside it and nothing on those of all others, by their bytes."""
    store = Store(tmp_path / "results")
    for index in range(125):
        store.add(run_of(f"net-{index}", 480 - 3 * index, hours=index))
    boards, out, manifests = write_boards(tmp_path / "boards"), tmp_path / "site", tmp_path / "manifests"
    site.publish(store, boards, out, manifests=manifests)
    before = _tree(out)

    store.add(run_of("last", 1, hours=40))
    report = site.publish(store, boards, out, manifests=manifests)

    after = _tree(out)
    changed = {path for path, content in after.items() if before.get(path) != content}
    assert report.num_written == len(changed)
    assert len([path for path in changed if path.startswith("submissions/") and "-last-" not in path]) <= 5
    assert len(changed) < len(after) / 10
    assert MARKER not in changed


def test_broken_counts_by_class_are_named_every_time(tmp_path: Path) -> None:
    """Also where the page that would show them did not change."""
    store = tiny_store(tmp_path)
    boards, out, manifests = write_boards(tmp_path / "boards"), tmp_path / "site", tmp_path / "manifests"
    (path,) = store.results.rglob("*.classes.json")
    path.write_text("{", encoding="utf-8")

    reports = [site.publish(store, boards, out, manifests=manifests) for _ in range(2)]

    assert reports[1].num_written == 0
    for report in reports:
        assert [str(error).split(":")[0] for error in report.broken] == [str(path)]
