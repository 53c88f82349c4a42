"""What a browser reads stays; what it does not read is not sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.leaderboard.compact import compact
from bench.resources import resource_folder

ASSETS = sorted(path for path in resource_folder("templates").iterdir() if path.suffix in (".js", ".css"))
IDS = [path.name for path in ASSETS]


@pytest.mark.parametrize("path", ASSETS, ids=IDS)
def test_nothing_but_comments_and_space_is_left_out(path: Path) -> None:
    """Without white space, what is left is the source without its comments, taken out sign by sign."""
    source = path.read_text(encoding="utf-8")
    name = path.name

    wanted = _without_comments(source, is_script=name.endswith(".js"))
    assert _plain(compact(name, source)) == _plain(wanted)


def _plain(text: str) -> str:
    return re.sub(r"\s", "", text).replace(";}", "}")


def _without_comments(source: str, *, is_script: bool) -> str:
    """The source without comments, read from its beginning with the state of a text or a pattern kept."""
    out, at = [], 0
    while at < len(source):
        char = source[at]
        if char in "'\"`":
            end = _end_of_text(source, at)
            out.append(source[at:end])
            at = end
        elif source.startswith("/*", at):
            at = source.index("*/", at) + 2
        elif is_script and source.startswith("//", at):
            at = source.index("\n", at)
        elif is_script and char == "/" and re.search(r"(?:[(,=:\[!&|?{};]|return)\s*$", "".join(out[-20:])):
            pattern = re.compile(r"/(?:\\.|\[(?:\\.|[^\]])*\]|[^/\\\[])+/").match(source, at)
            assert pattern is not None
            out.append(pattern.group())
            at = pattern.end()
        else:
            out.append(char)
            at += 1
    return "".join(out)


def _end_of_text(source: str, start: int) -> int:
    """Where the text that begins at `start` ends; only code within `${}` may go over several lines."""
    at, quote = start + 1, source[start]
    while source[at] != quote:
        assert source[at] != "\n", f"a text over several lines: {source[start:at]}"
        if quote == "`" and source.startswith("${", at):
            depth, at = 1, at + 2
            while depth:
                if source[at] in "'\"`":
                    at = _end_of_text(source, at)
                else:
                    depth += {"{": 1, "}": -1}.get(source[at], 0)
                    at += 1
        else:
            at += 2 if source[at] == "\\" else 1
    return at + 1
