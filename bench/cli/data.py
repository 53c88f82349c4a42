"""`bench data`: verify a dataset, draw a synthetic one, write shards, or look after what is decoded already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    json_option,
    note,
    print_json,
    print_table,
    progress_bar,
    protocol_option,
    workers_option,
)
from bench.cli.data_cache import cache

if TYPE_CHECKING:
    from bench.data.report import DatasetReport, SplitReport

__all__ = ["data"]

_NUM_SHOWN = 10
"""How many files of one kind a table shows; --json shows all."""


@click.group(short_help="Verify, draw or shard a dataset, or look after decoded images.")
def data() -> None:
    """Verify a dataset, draw a synthetic one, write shards, or look after what is decoded already."""


data.add_command(cache)


@data.command(short_help="Report what a dataset folder holds and what is wrong with it.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--protocol", metavar="ID", help="Check for what this protocol needs.")
@click.option(
    "--split",
    type=click.Choice(["val", "train", "all"]),
    help="Which split.  [default: the protocol's, else those that are there]",
)
@workers_option
@json_option
def verify(folder: Path, protocol: str | None, split: str | None, workers: int, as_json: bool) -> None:
    """Report what a dataset folder holds; exit 1 when a protocol could not use it.

    DIR holds the splits, or is one, in any layout: folders named by WNID, flat validation images with the
    development kit's ground truth, the Kaggle tree, the published tars, or WebDataset shards. Every image is decoded.

    CMYK images, PNG files named .JPEG, rotation tags and duplicates are told but are no faults: ImageNet has them.

    \b
    Examples:
      bench data verify /data/imagenet
      bench data verify /data/imagenet --protocol imagenet-val-closed --json
    """
    from bench.data.verify import verify as run
    from bench.protocols import load_protocol

    spec = load_protocol(protocol).dataset if protocol else None
    with ExitStack() as bars:

        def on_split(name: str, count: int) -> Callable[[int], None]:
            bars.close()
            return bars.enter_context(progress_bar(f"Decoding {name}", count))

        splits = _splits(split, spec.split if spec else None)
        report = run(folder, splits=splits, spec=spec, num_threads=workers, on_split=on_split)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report)
    if not report.is_sound:
        click.get_current_context().exit(1)


def _splits(split: str | None, of_protocol: str | None) -> list[str] | None:
    if split == "all":
        return ["train", "val"]
    name = split or of_protocol
    return None if name is None else [name]


def _show(report: DatasetReport) -> None:
    rows = [_cells(split) for split in report.splits]
    names = [name for name, _ in rows[0]]
    cells = [[name, *(row[index][1] for row in rows)] for index, name in enumerate(names)]
    print_table(f"{report.dataset} in {report.root}", ["", *(split.split for split in report.splits)], cells)
    if files := [row for split in report.splits for row in _files(split)]:
        print_table("Files", ["split", "what", "file", "note"], files)
    for split in report.splits:
        for fault in split.faults:
            click.echo(f"FAULT {split.split}: {fault}")
    if report.is_sound:
        note("No fault found.")


def _cells(split: SplitReport) -> list[tuple[str, str]]:
    balance, expected = split.balance, split.num_expected
    return [
        ("layout", split.layout),
        ("path", split.path),
        ("images", f"{split.num_images:,}" + ("" if expected is None else f" of {expected:,}")),
        ("classes", f"{split.num_classes:,} of {split.num_classes + len(split.missing_classes):,}"),
        ("images a class", f"{balance.smallest:,} to {balance.largest:,}, median {balance.median:,g}"),
        ("cannot be decoded", f"{len(split.undecodable):,}"),
        ("in a wrong folder", f"{len(split.misplaced):,}"),
        ("extra folders", f"{len(split.extra_folders):,}"),
        ("stray files", f"{len(split.stray_files):,}"),
        ("CMYK", f"{len(split.cmyk):,}"),
        ("other format than named", f"{len(split.misnamed):,}"),
        ("with rotation tag", f"{split.num_exif_rotated:,}"),
        ("groups of equal content", f"{len(split.duplicates):,}"),
        ("digest", split.digest[:16] if split.digest else "-"),
    ]


def _files(split: SplitReport) -> list[list[str]]:
    """A row a file, the first few of each kind."""
    kinds: list[tuple[str, Sequence[tuple[str, str]]]] = [
        ("cannot be decoded", [(found.path, found.note) for found in split.undecodable]),
        ("wrong folder", [(found.path, found.note) for found in split.misplaced]),
        ("extra folder", [(name, "") for name in split.extra_folders]),
        ("stray", [(path, "") for path in split.stray_files]),
        ("CMYK", [(path, "") for path in split.cmyk]),
        ("other format", [(found.path, found.note) for found in split.misnamed]),
        ("equal content", [(group[0], f"as {', '.join(group[1:])}") for group in split.duplicates]),
    ]
    rows = []
    for what, files in kinds:
        rows += [[split.split, what, path, text] for path, text in files[:_NUM_SHOWN]]
        if len(files) > _NUM_SHOWN:
            rows.append([split.split, what, f"and {len(files) - _NUM_SHOWN:,} more (--json shows all)", ""])
    return rows


@data.command(short_help="Draw a small dataset in the shape of ILSVRC.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--classes", type=click.IntRange(2, 100), default=10, show_default=True, help="Number of classes.")
@click.option(
    "--train-per-class", type=click.IntRange(min=1), default=100, show_default=True, help="Training images a class."
)
@click.option(
    "--val-per-class", type=click.IntRange(min=1), default=50, show_default=True, help="Validation images a class."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other seeds, other images.")
@workers_option
def synth(folder: Path, classes: int, train_per_class: int, val_per_class: int, seed: int, workers: int) -> None:
    """Draw a small dataset in the shape of ILSVRC: JPEG files in WNID folders, a development kit, boxes.

    The same seed and Pillow version give the same files, and so the same dataset digest.

    \b
    Example:
      bench data synth shapes10 --classes 10 --train-per-class 100 --val-per-class 50 --seed 0
    """
    from bench.data.synthetic import write_synthetic

    with progress_bar("Drawing", classes * (train_per_class + val_per_class)) as advance:
        write_synthetic(
            folder,
            num_classes=classes,
            train_per_class=train_per_class,
            val_per_class=val_per_class,
            seed=seed,
            num_workers=workers,
            on_progress=advance,
        )
    click.echo(folder)


@data.command(short_help="Write a dataset as WebDataset shards.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(file_okay=False, path_type=Path))
@protocol_option
@click.option("--images", type=click.IntRange(min=1), default=10_000, show_default=True, help="Images a shard.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order of the images.")
def shard(folder: Path, out: Path, protocol: str, images: int, seed: int) -> None:
    """Write the images that a protocol needs as WebDataset shards, shuffled, into OUT/train or OUT/val.

    The files keep their bytes, so OUT is the same dataset as DIR, with the same digest: bench train and bench evaluate
    take either. Shards help where a million small files are slow to open, as on network storage.

    \b
    Example:
      bench data shard /data/imagenet /data/imagenet-shards --protocol imagenet-train-classic-step
    """
    from bench.data.dataset import open_dataset
    from bench.data.shards import write_shards
    from bench.protocols import load_protocol

    dataset = open_dataset(folder, load_protocol(protocol).dataset)
    with progress_bar("Writing", len(dataset)) as advance:
        for path in write_shards(dataset, out, images_a_shard=images, seed=seed, on_progress=advance):
            click.echo(path)
