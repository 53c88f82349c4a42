"""`bench new`: the folder of a new submission."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import note

__all__ = ["new"]


@click.command(short_help="Make the folder of a new submission.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--source",
    type=click.Choice(["python", "timm", "torchvision", "exported", "predictions"]),
    default="python",
    show_default=True,
    help="Where the model comes from; `bench list sources`.",
)
@click.option(
    "--classes",
    default="imagenet-1k",
    show_default=True,
    metavar="NAME",
    help="The class table; `bench list datasets`.",
)
def new(folder: Path, source: str, classes: str) -> None:
    """Make the folder DIR of a new submission; its last two parts are the team and the submission's name.

    It holds a commented submission.toml and what the model source needs, and passes `bench check`.

    \b
    Examples:
      bench new submissions/acme/vit
      bench new submissions/acme/answers --source predictions
      bench new submissions/acme/tiny --classes shapes10
    """
    import os

    from bench.data.classes import class_table
    from bench.errors import UsageError
    from bench.models.scaffold import write_scaffold
    from bench.models.source import check_identifiers

    table = class_table(classes)
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve would follow links and so change the names
    check_identifiers(absolute)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder")
    written = write_scaffold(folder, source=source, classes=table)
    if source == "exported":
        _export(folder)
        written.append(folder / "model.pt2")
    for path in written:
        click.echo(str(path))
    note(f"Next: change them, then `bench check {folder}`.")


def _export(folder: Path) -> None:
    """Runs the export script that was just written, in a process of its own as its user will."""
    import subprocess
    import sys

    from bench.errors import ModelError

    done = subprocess.run([sys.executable, "export.py"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"export.py failed: {last}", path=folder)
