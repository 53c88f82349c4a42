"""The templates: escaped everywhere, strict about what is undefined, one environment for all pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.leaderboard.compact import compact
from bench.leaderboard.manifest import code_digest
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.table import tracks_css
from bench.resources import resource_folder

__all__ = ["asset_pages", "forget_templates", "render"]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(resource_folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(template: str, context: Mapping[str, Any]) -> bytes:
    """A template with its context, as UTF-8; every value is escaped, a name that is not there is an error."""
    return _environment().get_template(template).render(context).encode()


def forget_templates() -> None:
    """Lets the next page read its template anew, for a server that watches them."""
    _environment.cache_clear()
    code_digest.cache_clear()


def asset_pages(material: Material) -> Iterator[Page]:
    """Scripts, the icon, one style sheet for all pages, and the widths of columns.

    The style sheets of the templates, a file a kind of page, are published as one, each nested under the class that
    its pages have: a browser asks once for all pages, and together they take two thirds of the bytes.
    """
    sheets = []
    # site.css first, and compare.css behind submission.css, on which it builds.
    files = sorted(resource_folder("templates").iterdir(), reverse=True)
    for path in sorted(files, key=lambda path: path.name != "site.css"):
        if path.suffix == ".css":
            rules = compact(path.name, path.read_text(encoding="utf-8"))
            sheets.append(rules if path.name == "site.css" else f".on-{path.stem}{{{rules.strip()}}}\n")
        elif path.suffix == ".js":
            yield Page.of(f"assets/{path.name}", compact(path.name, path.read_text(encoding="utf-8")))
        elif path.suffix != ".html":
            yield Page.of(f"assets/{path.name}", path.read_bytes())
    yield Page.of("assets/site.css", "".join(sheets))
    yield Page.of("assets/tables.css", tracks_css(material.boards))
