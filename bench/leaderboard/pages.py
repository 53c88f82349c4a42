"""The templates: escaped everywhere, strict about what is undefined, one environment for all pages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.leaderboard.output import Page
from bench.resources import resource_folder

__all__ = ["asset_pages", "render"]

_ASSETS = ("icon.svg", "site.css", "site.js", "theme.js")


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


def asset_pages(tables_css: str) -> list[Page]:
    """Style sheets, scripts and the icon."""
    folder = resource_folder("templates")
    files = [Page(f"assets/{name}", (folder / name).read_bytes()) for name in _ASSETS]
    return [*files, Page("assets/tables.css", tables_css.encode())]
