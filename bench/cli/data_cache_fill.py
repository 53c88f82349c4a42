"""`bench data cache fill`: decode ahead of the first evaluation or training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.common import (
    data_option,
    default_cache_folder,
    note,
    print_table,
    progress_bar,
    protocol_option,
    workers_option,
)

if TYPE_CHECKING:
    from bench.data.dataset import Dataset
    from bench.records.protocol import Geometry, Protocol

__all__ = ["cache_dir_option", "fill", "geometry_words"]

cache_dir_option = click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_cache_folder,
    envvar="BENCH_CACHE_DIR",
    show_envvar=True,
    help="Folder of caches.  [default: the user's cache folder]",
)


@click.command(short_help="Decode a dataset's images ahead of the first evaluation.")
@protocol_option
@data_option
@click.option(
    "--submission", "submissions", multiple=True, help="Whose geometry, where the protocol leaves it open; repeatable."
)
@click.option("--allow-partial", is_flag=True, help="Decode what is there of an incomplete split.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Decode only the first N images.")
@workers_option
@cache_dir_option
def fill(
    protocol: str,
    data: Path,
    submissions: tuple[str, ...],
    allow_partial: bool,
    limit: int | None,
    workers: int,
    cache_dir: Path,
) -> None:
    """Decode a dataset's images ahead of the first evaluation; what is cached already is checked and kept.

    The cache belongs to exactly these images: fill it with the same --limit and --allow-partial as the evaluation.
    For a training protocol that crops from resized images these are kept, and its epochs decode nothing.

    \b
    Examples:
      bench data cache fill --protocol imagenet-val-closed --data /data/imagenet
      bench data cache fill --protocol imagenet-train-alexnet --data /data/imagenet
      bench data cache fill --protocol imagenet-val-open --data /data/imagenet --submission timm:vit_base_patch16_384
    """
    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset
    from bench.protocols import load_protocol

    fixed = load_protocol(protocol)
    geometries = [_resized_geometry(fixed)] if fixed.recipe else _geometries(fixed, submissions, cache_dir)
    dataset = open_dataset(data, fixed.dataset, allow_partial=allow_partial, limit=limit, index_folder=cache_dir)
    with progress_bar("Checking the dataset", len(dataset)) as advance:
        digest = dataset_digest(dataset, cache_folder=cache_dir, num_threads=workers, on_progress=advance)
    if fixed.recipe:
        rows = [_fill_resized(dataset, digest, geometries[0], cache_dir, workers)]
    else:
        rows = [_fill(dataset, digest, geometry, fixed, cache_dir, workers) for geometry in geometries]
    print_table(None, ["key", "geometry", "images", "decoded now"], rows, right=frozenset({2, 3}))


def _geometries(protocol: Protocol, submissions: Iterable[str], cache_dir: Path) -> list[Geometry]:
    """Which geometries the protocol, or the submissions where it leaves that to them, ask for; each once."""
    from bench.data.transforms import geometry_of
    from bench.errors import UsageError

    if protocol.kind != "evaluate":
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'evaluate'")
    if protocol.geometry is not None:
        return [protocol.geometry]
    found = [geometry_of(_input_of(text, cache_dir)) for text in submissions]
    if not found:
        raise UsageError(f"the protocol {protocol.id!r} leaves the geometry to the submission: pass --submission")
    return list(dict.fromkeys(found))


def _resized_geometry(protocol: Protocol) -> Geometry:
    """What the training protocol's images are resized to before they are cropped."""
    from bench.errors import UsageError

    recipe, geometry = protocol.recipe, protocol.geometry
    if recipe is None or geometry is None or recipe.augmentation.crop_from != "resized":
        raise UsageError(
            f"the protocol {protocol.id!r} crops from the original images, so there are no pixels to keep; "
            "shards may help (`bench data shard`)"
        )
    return geometry


def _fill_resized(dataset: Dataset, digest: str, geometry: Geometry, cache_dir: Path, workers: int) -> list[str]:
    from bench.data.resized import fill_resized

    with progress_bar("Resizing", len(dataset)) as advance:
        stored = fill_resized(cache_dir, dataset, digest, geometry, num_threads=workers, on_progress=advance)
    return [stored.folder.name, f"{geometry.resize} px, whole, {geometry.interpolation}", f"{len(dataset):,}", "all"]


def _input_of(text: str, cache_dir: Path) -> Any:
    """What a submission's model wants to see; its own code is not run for that, and no weights are loaded."""
    from bench.models.source import open_submission
    from bench.records.submission import InputSpec

    submission = open_submission(text)
    if submission.source.runs_code:
        return submission.manifest.input or InputSpec()
    from bench.models.build import build_model

    return build_model(submission, cache_folder=cache_dir, with_weights=False).input


def _fill(
    dataset: Dataset, digest: str, geometry: Geometry, protocol: Protocol, cache_dir: Path, workers: int
) -> list[str]:
    from bench.data.cache import open_crops
    from bench.data.loader import iter_batches
    from bench.errors import StoreError

    views = protocol.views.kind if protocol.views else "single"
    crops = open_crops(cache_dir, dataset, digest, geometry, views, on_note=note)
    if crops is None:
        raise StoreError("nothing was cached", path=cache_dir)
    with crops, progress_bar(f"Filling {crops.record.key}", len(dataset)) as advance:
        for batch in iter_batches(dataset, geometry, views=views, batch_size=32, num_threads=workers, cache=crops):
            advance(batch.count)
        if crops.num_missing:
            raise StoreError(f"{crops.num_missing:,} of {len(dataset):,} images could not be cached", path=crops.folder)
        return [crops.record.key, geometry_words(geometry), f"{len(dataset):,}", f"{crops.num_stored:,}"]


def geometry_words(geometry: Geometry) -> str:
    """A geometry in a cell of a table."""
    return f"{geometry.resize} to {geometry.crop} px, {geometry.crop_mode}, {geometry.interpolation}"
