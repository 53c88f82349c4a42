"""The recipes of docs/adding.md, each tried as it stands there."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.backends.base import RunSpec
from bench.metrics import METRICS, Answers
from bench.metrics.scoring import estimate
from bench.metrics.topk import predictions_from_ranked
from bench.protocols import load_protocol

PAGE = Path(__file__).parents[2] / "docs" / "adding.md"
BLOCKS = {
    match[2]: match[3]
    for match in re.finditer(r"```(toml|python)\n# ([\w/.-]+)[^\n]*\n(.*?)```", PAGE.read_text(), re.DOTALL)
}
MakeSubmission = Callable[..., Path]


@pytest.fixture
def make_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A function that makes a module of a code block, as if the file were in the package."""

    def make(path: str) -> ModuleType:
        name = path.removesuffix(".py").replace("/", ".")
        module = ModuleType(name)
        exec(BLOCKS[path], vars(module))  # noqa: S102 - our own page
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


def _entry(path: str) -> dict[str, str]:
    """The line of a table that a block shows, as a dict."""
    entry: dict[str, str] = eval("{" + BLOCKS[path] + "}")  # noqa: S307 - our own page
    return entry


def test_the_protocol_of_the_page_is_valid(tmp_path: Path) -> None:
    """It loads from a file anywhere."""
    path = tmp_path / "imagenet-val-320.toml"
    path.write_text(BLOCKS["bench/protocols/imagenet-val-320.toml"])

    assert load_protocol(str(path)).geometry is not None


def test_the_metric_of_the_page_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """One right at the first, one at the second answer, one wrong."""
    names: dict[str, object] = {}
    exec(BLOCKS["bench/metrics/accuracy.py"], names)  # noqa: S102 - our own page
    table = dict(METRICS)
    names |= {"METRICS": table, "Proportion": type(METRICS["top1"])}
    exec(BLOCKS["bench/metrics/__init__.py"], names)  # noqa: S102 - our own page
    monkeypatch.setitem(METRICS, "top2", table["top2"])
    ranked_NK = np.array([[1, 0, 2], [0, 1, 2], [0, 2, 1]])
    answers = Answers(predictions_from_ranked(("a", "b", "c"), ranked_NK, num_classes=5), np.array([1, 1, 1]))

    assert estimate(["top2"], answers)["top2"].count == 2


def test_the_model_source_of_the_page_builds_a_model(
    make_module: Callable[[str], ModuleType], make_submission: MakeSubmission, tmp_path: Path
) -> None:
    """Registered under its name, it is found, checked and built."""
    from bench.models.build import build_model
    from bench.models.source import MODEL_SOURCES, open_submission

    make_module("bench/models/constant.py")
    MODEL_SOURCES._entries.update(_entry("bench/models/source.py"))
    try:
        folder = make_submission()
        manifest = folder / "submission.toml"
        head = manifest.read_text().split("[model]")[0]
        manifest.write_text(f'{head}[model]\nsource = "constant"\nkwargs = {{ num_outputs = 7 }}\n')
        built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
    finally:
        del MODEL_SOURCES._entries["constant"]

    assert sum(parameter.numel() for parameter in built.module.parameters()) == 3 * 7 + 7


def test_the_column_of_the_page_shows_its_value() -> None:
    """Text as it is, and a dash where it is missing."""
    from bench.leaderboard.column import DASH, Column

    column = eval(BLOCKS["bench/leaderboard/columns.py"], {"Column": Column})  # noqa: S307 - our own page

    assert column.text("2.15.0") == "2.15.0"
    assert column.text(None) == DASH


def test_the_backend_of_the_page_answers(
    make_module: Callable[[str], ModuleType], make_submission: MakeSubmission, tmp_path: Path
) -> None:
    """Registered under its name, it runs a submission."""
    from bench.backends import BACKENDS
    from bench.models.source import open_submission

    make_module("bench/backends/careful.py")
    BACKENDS._entries.update(_entry("bench/backends/__init__.py"))
    try:
        backend = BACKENDS["careful"]()
    finally:
        del BACKENDS._entries["careful"]
    spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=tmp_path)
    with backend.start(open_submission(str(make_submission())), spec) as session:
        assert session.logits(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 1000)
