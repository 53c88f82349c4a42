"""`bench data cache`: what is decoded already."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.common import json_option, note, print_json, print_table, progress_bar
from bench.cli.data_cache_fill import cache_dir_option, fill, geometry_words

if TYPE_CHECKING:
    from bench.data.cache_folder import StoredCrops

__all__ = ["cache"]


@click.group(short_help="List, fill, verify and remove caches of decoded images.")
def cache() -> None:
    """List, fill, verify and remove caches of decoded images.

    An evaluation decodes each image once and keeps its pixels; later ones, of any model with the same input geometry,
    read them. A KEY may be shortened to its first digits.
    """


cache.add_command(fill)


@cache.command("list", short_help="List the caches of decoded images.")
@cache_dir_option
@json_option
def list_caches(cache_dir: Path, as_json: bool) -> None:
    """List the caches of decoded images, the last used first.

    \b
    Example:
      bench data cache list
    """
    from bench.data.cache_folder import list_crops
    from bench.data.resized_folder import list_resized

    stored = list_crops(cache_dir)
    if as_json:
        print_json([_as_json(item) for item in stored])
        return
    headers = ["key", "dataset", "geometry", "views", "decoder", "filled", "size", "created", "last used"]
    print_table(f"Crop caches in {cache_dir}", headers, [_cells(item) for item in stored], right=frozenset({5, 6}))
    if not stored:
        note(f"No crop caches in {cache_dir}.")
    if resized := list_resized(cache_dir):
        rows = [
            [
                found.key,
                f"{found.record.geometry.resize} px, {found.record.geometry.interpolation}",
                f"{found.num_filled:,} of {found.record.num_samples:,}",
                _size(found.disk_bytes),
                f"{found.last_used:%Y-%m-%d %H:%M}",
            ]
            for found in resized
        ]
        headers = ["key", "geometry", "filled", "size", "last used"]
        print_table("Resized images for training", headers, rows, right=frozenset({2, 3}))


@cache.command(short_help="Check every block of the caches against its checksum.")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--repair", is_flag=True, help="Forget damaged blocks, so that the next evaluation decodes them again.")
@cache_dir_option
def verify(keys: tuple[str, ...], repair: bool, cache_dir: Path) -> None:
    """Check every block of the caches against its checksum; exit 1 where one fails.

    A block is one image. Blocks are named by their numbers: the images' places in canonical order, from 0.
    An evaluation checks what it reads in any case, and mends it.

    \b
    Example:
      bench data cache verify --repair
    """
    from bench.data.cache_folder import choose_crops, list_crops, verify_crops

    rows, is_sound = [], True
    for stored in choose_crops(list_crops(cache_dir), keys):
        if stored.record is None:
            rows.append([stored.key, "-", "-", f"no valid record; bench data cache prune {stored.key}"])
            is_sound = False
            continue
        with progress_bar(f"Checking {stored.key}", stored.record.num_samples) as advance:
            damaged = verify_crops(stored, repair=repair, on_progress=advance)
        rows.append([stored.key, f"{stored.num_filled:,}", f"{len(damaged):,}", _spans(damaged) or "-"])
        is_sound = is_sound and not damaged
    print_table(None, ["key", "images", "damaged", "blocks"], rows, right=frozenset({1, 2}))
    if repair and not is_sound:
        note("Damaged blocks are forgotten; the next evaluation, or `bench data cache fill`, decodes them again.")
    if not is_sound:
        click.get_current_context().exit(1)


@cache.command(short_help="Remove caches of decoded images.")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option(
    "--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Only those that were not used for so long."
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@cache_dir_option
def prune(keys: tuple[str, ...], older_than: float | None, everything: bool, cache_dir: Path) -> None:
    """Remove caches of decoded images, and nothing else; an evaluation that is running goes on without.

    \b
    Examples:
      bench data cache prune 3f2a
      bench data cache prune --older-than 30
      bench data cache prune --all
    """
    from bench.data.cache_folder import StoredCrops, choose_crops, list_crops, not_used_for, remove_crops
    from bench.data.resized_folder import StoredResized, list_resized, remove_resized
    from bench.errors import UsageError

    if not keys and older_than is None and not everything:
        raise UsageError("name the KEYs of the caches to remove, or pass --older-than DAYS or --all")
    if keys and everything:
        raise UsageError("KEYs and --all exclude each other")
    there: list[StoredCrops | StoredResized] = [*list_crops(cache_dir), *list_resized(cache_dir)]
    chosen = choose_crops(there, keys)
    if older_than is not None:
        chosen = not_used_for(chosen, older_than, datetime.now(UTC))
    rows = []
    for stored in chosen:
        if others := remove_crops(stored) if isinstance(stored, StoredCrops) else remove_resized(stored):
            note(f"{stored.folder} stays: it also holds {', '.join(others)}, which is not of bench.")
        named = _dataset(stored) if isinstance(stored, StoredCrops) else "resized for training"
        rows.append([stored.key, named, _size(stored.disk_bytes)])
    print_table("Removed", ["key", "dataset", "size"], rows, right=frozenset({2}))
    note(f"Removed {len(chosen)} caches, {_size(sum(stored.disk_bytes for stored in chosen))}.")


def _as_json(stored: StoredCrops) -> dict[str, Any]:
    record = {} if stored.record is None else stored.record.as_json()
    return record | {
        "key": stored.key,
        "folder": str(stored.folder),
        "is_valid": stored.record is not None,
        "num_filled": stored.num_filled,
        "disk_bytes": stored.disk_bytes,
        "last_used_at": f"{stored.last_used:%Y-%m-%dT%H:%M:%SZ}",
    }


def _cells(stored: StoredCrops) -> list[str]:
    size, used = _size(stored.disk_bytes), f"{stored.last_used:%Y-%m-%d %H:%M}"
    record = stored.record
    if record is None:
        return [stored.key, _dataset(stored), "-", "-", "-", "-", size, "-", used]
    return [
        stored.key,
        _dataset(stored),
        geometry_words(record.geometry),
        record.views,
        f"{record.decoder.name} {record.decoder.version}",
        f"{stored.num_filled:,} of {record.num_samples:,}",
        size,
        record.created_at[:16].replace("T", " "),
        used,
    ]


def _dataset(stored: StoredCrops) -> str:
    return "no valid record" if stored.record is None else f"{stored.record.dataset} {stored.record.split}"


def _size(num_bytes: int) -> str:
    """A size for people, in powers of ten as disks are sold.

    >>> _size(7_526_400_000)
    '7.53 GB'
    """
    unit, divisor = next(((unit, size) for unit, size in (("GB", 1e9), ("MB", 1e6)) if num_bytes >= size), ("kB", 1e3))
    return f"{num_bytes / divisor:.3g} {unit}"


def _spans(numbers: list[int]) -> str:
    """Numbers in order, runs of them as spans, the first few.

    >>> _spans([3, 4, 5, 9])
    '3-5, 9'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number, number])
    shown = [f"{first}" if first == last else f"{first}-{last}" for first, last in spans[:10]]
    return ", ".join(shown) + (", ..." if len(spans) > 10 else "")
