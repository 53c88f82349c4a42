"""`bench data cache`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.data.cache_record import DATA_FILE, RECORD_FILE

BLOCK_BYTES = 32 * 32 * 3


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    """A cache folder of this test alone."""
    return tmp_path / "cache"


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["data", "cache", *map(str, words)])


def fill(data: Path, protocol: Path | str, cache_dir: Path, *more: object) -> list[list[str]]:
    done = run("fill", "--data", data, "--protocol", protocol, "--cache-dir", cache_dir, *more)
    assert done.exit_code == 0, done.output
    return [line.split("\t") for line in done.stdout.splitlines()[1:]]


def listed(cache_dir: Path) -> list[dict[str, Any]]:
    found = json.loads(run("list", "--json", "--cache-dir", cache_dir).stdout)
    assert isinstance(found, list)
    return found


@pytest.fixture
def key(tiny_data: Path, tiny_protocol: Path, cache_dir: Path) -> str:
    """The key of a filled cache."""
    ((key, *_),) = fill(tiny_data, tiny_protocol, cache_dir, "--allow-partial")
    return key


def flip(cache_dir: Path, key: str, *positions: int) -> None:
    path = cache_dir / "crops" / key / DATA_FILE
    content = bytearray(path.read_bytes())
    for position in positions:
        content[position * BLOCK_BYTES + 99] ^= 1
    path.write_bytes(content)


def test_fill_decodes_what_is_missing(tiny_data: Path, tiny_protocol: Path, cache_dir: Path) -> None:
    """The second time there is nothing to do."""
    first, second = (fill(tiny_data, tiny_protocol, cache_dir, "--allow-partial") for _ in "12")

    assert first[0][1:] == ["36 to 32 px, center, bilinear", "12", "12"]
    assert second[0] == [*first[0][:3], "0"]


def test_fill_takes_the_geometry_of_submissions_in_the_open_division(
    tiny_data: Path, tmp_path: Path, make_submission: Any, cache_dir: Path
) -> None:
    """Equal geometries are one cache; code is not run for that."""
    code = "raise RuntimeError('this code must not run')"
    folders = [
        make_submission(code, name=name, more=f"[input]\nimg_size = {size}\ncrop_pct = 0.9")
        for name, size in (("a", 32), ("b", 32), ("c", 48))
    ]
    words = [word for folder in folders for word in ("--submission", folder)]

    rows = fill(tiny_data, "imagenet-val-open", cache_dir, "--allow-partial", *words)

    assert [row[1] for row in rows] == ["35 to 32 px, center, bilinear", "53 to 48 px, center, bilinear"]


def test_fill_needs_a_submission_in_the_open_division(tiny_data: Path, cache_dir: Path) -> None:
    """Wrong usage, told before anything is read."""
    done = run("fill", "--data", tiny_data, "--protocol", "imagenet-val-open", "--cache-dir", cache_dir)

    assert done.exit_code == 2
    assert "pass --submission" in done.output


def test_fill_fails_where_nothing_can_be_kept(
    tiny_data: Path, tiny_protocol: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full is no success."""
    monkeypatch.setattr("bench.data.cache.MARGIN_BYTES", 1 << 60)
    done = run("fill", "--data", tiny_data, "--protocol", tiny_protocol, "--allow-partial", "--cache-dir", cache_dir)

    assert done.exit_code == 1
    assert "No crop cache: " in done.stderr


def test_list_shows_what_is_there(key: str, cache_dir: Path) -> None:
    """As a table and as JSON."""
    header, row = (line.split("\t") for line in run("list", "--cache-dir", cache_dir).stdout.splitlines())
    (found,) = listed(cache_dir)

    assert header[:2] == ["key", "dataset"]
    assert row[:4] == [key, "imagenet-1k val", "36 to 32 px, center, bilinear", "single"]
    assert row[5] == "12 of 12"
    assert (found["key"], found["num_filled"], found["num_samples"], found["is_valid"]) == (key, 12, 12, True)
    assert found["disk_bytes"] >= 12 * BLOCK_BYTES
    assert found["created_at"] <= found["last_used_at"]


def test_list_of_an_empty_folder(cache_dir: Path) -> None:
    """Nothing is no failure."""
    assert run("list", "--cache-dir", cache_dir).exit_code == 0
    assert listed(cache_dir) == []


def test_verify_names_damaged_blocks_and_repair_forgets_them(
    key: str, tiny_data: Path, tiny_protocol: Path, cache_dir: Path
) -> None:
    """Exit 1 until they are decoded again."""
    assert run("verify", "--cache-dir", cache_dir).exit_code == 0
    flip(cache_dir, key, 3, 4, 5, 9)

    found = run("verify", key[:4], "--cache-dir", cache_dir)
    repaired = run("verify", "--repair", "--cache-dir", cache_dir)
    after = run("verify", "--cache-dir", cache_dir)

    assert (found.exit_code, repaired.exit_code, after.exit_code) == (1, 1, 0)
    assert found.stdout.splitlines()[1].split("\t") == [key, "12", "4", "3-5, 9"]
    assert listed(cache_dir)[0]["num_filled"] == 8
    assert fill(tiny_data, tiny_protocol, cache_dir, "--allow-partial")[0][3] == "4"


def test_verify_names_a_cache_without_a_valid_record(key: str, cache_dir: Path) -> None:
    """And says how to remove it."""
    (cache_dir / "crops" / key / RECORD_FILE).write_text("{")
    done = run("verify", "--cache-dir", cache_dir)

    assert done.exit_code == 1
    assert f"no valid record; bench data cache prune {key}" in done.stdout
    assert listed(cache_dir)[0]["is_valid"] is False


def test_an_unknown_key_is_wrong_usage(key: str, cache_dir: Path) -> None:
    """The known ones are shown."""
    for command in ("verify", "prune"):
        done = run(command, "zzzz", "--cache-dir", cache_dir)

        assert done.exit_code == 2
        assert key in done.output


def test_prune_removes_a_cache_and_tells(key: str, cache_dir: Path) -> None:
    """The digests of datasets beside it stay."""
    done = run("prune", key, "--cache-dir", cache_dir)

    assert done.exit_code == 0
    assert key in done.stdout
    assert list((cache_dir / "crops").iterdir()) == []
    assert list((cache_dir / "datasets").iterdir())


def test_prune_never_touches_what_is_not_a_crop_cache(key: str, cache_dir: Path, tmp_path: Path) -> None:
    """Folders of other names, links, and other files in the folder of a cache."""
    crops = cache_dir / "crops"
    (crops / key / "notes.txt").write_text("mine")
    for place in (crops / "photos", crops / ("0" * 16), tmp_path / "elsewhere"):
        place.mkdir()
        (place / "picture.jpg").write_text("mine")
    (tmp_path / "elsewhere" / DATA_FILE).write_text("mine")
    (crops / ("1" * 16)).symlink_to(tmp_path / "elsewhere")

    done = run("prune", "--all", "--cache-dir", cache_dir)

    assert done.exit_code == 0
    assert "notes.txt" in done.stderr
    assert sorted(path.name for path in (crops / key).iterdir()) == ["notes.txt"]
    assert (crops / "photos" / "picture.jpg").exists()
    assert (crops / ("0" * 16) / "picture.jpg").exists()
    assert (tmp_path / "elsewhere" / DATA_FILE).exists()


def test_prune_by_age_keeps_what_was_used(key: str, cache_dir: Path) -> None:
    """The age counts from the last use."""
    kept = run("prune", "--older-than", "7", "--cache-dir", cache_dir)
    assert "Removed 0 caches" in kept.stderr
    assert len(listed(cache_dir)) == 1
    long_ago = time.time() - 8 * 86400
    for path in (cache_dir / "crops" / key).iterdir():
        os.utime(path, (long_ago, long_ago))

    removed = run("prune", "--older-than", "7", "--cache-dir", cache_dir)

    assert key in removed.stdout
    assert listed(cache_dir) == []


@pytest.mark.parametrize("words", [[], ["--all", "0123"]])
def test_prune_wants_to_know_what(words: list[str], cache_dir: Path) -> None:
    """Nothing is removed by accident."""
    assert run("prune", *words, "--cache-dir", cache_dir).exit_code == 2
