r"""Text of strangers made inert for the place where it is shown.

A terminal obeys escape sequences, GitHub's log reader obeys lines that begin with `::`, and a comment obeys Markdown,
HTML and mentions. Characters that cannot be seen are shown as their number, such as `\u202e`.
"""

from __future__ import annotations

import json
import re
import unicodedata

__all__ = [
    "github_message",
    "github_property",
    "inert_json",
    "inert_line",
    "inert_lines",
    "inert_markdown",
    "inert_xml",
]

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LONGEST = 2_000
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")


def inert_line(text: str, *, longest: int = _LONGEST) -> str:
    r"""One line for a terminal or a log: nothing invisible, no workflow command, at most `longest` characters.

    >>> inert_line("a\x1b[31m\n::error::b")
    'a\\x1b[31m\\n: :error: :b'
    """
    text = text if len(text) <= longest else text[:longest] + " ..."
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_shown, text))
    # `::name::` and the older `##[name]` are commands at the start of a line only, but who knows what wraps the line.
    return text.replace("::", ": :").replace("##[", "# #[")


def inert_lines(text: str) -> str:
    r"""A message of several lines, each inert.

    >>> inert_lines("two faults:\n  ::error::b")
    'two faults:\n  : :error: :b'
    """
    return "\n".join(inert_line(line) for line in text.split("\n"))


def inert_json(text: str) -> str:
    r"""A text of JSON that means the same and holds nothing invisible.

    >>> inert_json('["a\x9b1m"]')
    '["a\\u009b1m"]'
    """
    if text.isascii():
        return text.replace("\x7f", "\\u007f")  # JSON escapes the other control characters itself
    is_hidden = {
        character: character != "\n" and unicodedata.category(character) in _INVISIBLE for character in set(text)
    }
    return "".join(json.dumps(character)[1:-1] if is_hidden[character] else character for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    return character.encode("unicode_escape", errors="backslashreplace").decode("ascii")


def github_message(text: str) -> str:
    """The text of a workflow command, escaped as `toCommandValue` and `escapeData` of actions/toolkit do.

    Source: https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    return inert_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """The value of a property of a workflow command, such as `file`; see `github_message`."""
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


def inert_markdown(text: str) -> str:
    """Text that a comment shows as it is: no HTML, no links, no mentions, no references to issues.

    >>> inert_markdown("@acme <b> #1 [x](y)")
    '&#64;acme &lt;b&gt; \\\\#1 \\\\[x\\\\]\\\\(y\\\\)'
    """
    text = inert_line(text).replace("&", "&amp;").replace("<", "&lt;")
    text = _MARKDOWN.sub(r"\\\1", text).replace("\\>", "&gt;")
    # Mentions and bare links are found in the text, whatever surrounds them.
    return text.replace("@", "&#64;").replace("://", "&#58;//").replace("www.", "www&#46;")


def inert_xml(text: str) -> str:
    """Text without the characters that no XML document may hold; the writer escapes the others."""
    return inert_line(text)
