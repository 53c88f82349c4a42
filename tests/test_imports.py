"""What may not be imported: torch on the light side, pandas and torch by `bench --help`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bench

LIGHT = ["records", "metrics", "stats", "store", "leaderboard"]


def _loaded_after(code: str) -> set[str]:
    """The top-level modules that are loaded after running `code` in a fresh interpreter."""
    listing = "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + listing], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def _modules_below(package: str) -> list[str]:
    root = Path(bench.__file__).parent
    folder = root / package
    paths = [folder.with_suffix(".py")] if not folder.is_dir() else sorted(folder.rglob("*.py"))
    return [".".join(["bench", *path.relative_to(root).with_suffix("").parts]) for path in paths]


@pytest.mark.parametrize("package", LIGHT)
def test_the_light_side_does_not_import_torch(package: str) -> None:
    """Records, metrics, statistics, store and pages run on a machine without torch."""
    loaded = _loaded_after("; ".join(f"import {name}" for name in _modules_below(package)))

    assert not loaded & {"torch", "torchvision", "timm"}


def test_no_command_module_imports_torch_or_pandas() -> None:
    """Importing every command module stays quick."""
    loaded = _loaded_after("; ".join(f"import {name}" for name in _modules_below("cli")))

    assert not loaded & {"torch", "torchvision", "timm", "pandas", "pyarrow", "scipy"}


def test_help_imports_neither_pandas_nor_torch() -> None:
    """`bench --help` imports the command line and click, and little else."""
    loaded = _loaded_after(
        "from click.testing import CliRunner; from bench.cli.main import cli; CliRunner().invoke(cli)"
    )

    assert not loaded & {"torch", "pandas", "numpy", "pydantic", "rich", "jinja2"}
