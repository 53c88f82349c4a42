"""The four looks in which a page is examined, and what axe-core finds in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "forced colours": {"forced_colors": "active"},
}
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe(page: Page) -> list[Any]:
    """The violations of WCAG 2.2 AA and best practice on a page with everything open."""
    import axe_playwright_python

    source = Path(axe_playwright_python.__file__).parent / "axe.min.js"
    page.evaluate(source.read_text(encoding="utf-8"))
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    result = page.evaluate("tags => axe.run(document, {runOnly: tags, preload: false})", _TAGS)
    return [(rule["id"], rule["impact"], rule["nodes"][0]["html"][:160]) for rule in result["violations"]]
