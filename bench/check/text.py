"""Rules for text that people wrote (L40, L42), and for names that look like other names (L02)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from bench.check.rule import Finding, finding

__all__ = ["look_at_characters", "look_at_markup", "mixes_scripts", "skeleton"]

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})
_ALLOWED = frozenset("\t\n\r\u200d")  # the joiner inside emoji
_MARKUP = (
    (re.compile(r"<[a-zA-Z/!]"), "looks like HTML"),
    (re.compile(r"^\s*[=+@\t\r\uff1d\uff0b\uff20]|^\s*-\s*[^\d\s.]"), "begins like a formula of a spreadsheet"),
    (re.compile(r"(?<![\w.])@\w"), "looks like a mention"),
    (re.compile(r"\w+://|\bwww\.|\]\("), "holds a link"),
    (re.compile(r"^\s*::|##\["), "looks like a workflow command"),
    (re.compile(r"\{\{|\$\{|\{%|\\(input|write|def)\b"), "looks like a template"),
)
# Letters that look like a Latin one, of the scripts that names are forged with; a few of the confusables of UTS 39.
_CONFUSABLE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u043a\u043c\u0442\u0432\u043d"
    "\u03bf\u03b1\u03bd\u03c1\u03c4\u03b9\u03ba\u03c5\u0131\u0251\u0261\u2113",
    "aeopcyxijsdqwhkmtbh" + "oavptikuiagl",
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))


def look_at_markup(text: str, path: Path, key: str) -> Iterator[Finding]:
    """Breaches of L42 in one text of a manifest."""
    for pattern, words in _MARKUP:
        if pattern.search(text):
            yield finding("L42", f"{words}, found {text[:60]!r}; write plain words", path, key=key)


def look_at_characters(path: Path, content: str) -> Iterator[Finding]:
    """Breaches of L40 in a file, the first of each line."""
    if content.isascii() and content.replace("\n", "").replace("\t", "").replace("\r", "").isprintable():
        return
    for number, line in enumerate(content.split("\n"), start=1):
        for character in line:
            if unicodedata.category(character) in _INVISIBLE and character not in _ALLOWED:
                name = unicodedata.name(character, "a control character")
                yield finding("L40", f"holds U+{ord(character):04X}, {name.lower()}; remove it", path, line=number)
                break


def skeleton(name: str) -> str:
    """What a name looks like at a glance: two names with one skeleton can be taken for each other.

    >>> skeleton("acrne-1") == skeleton("Acme_l")
    True
    """
    text = unicodedata.normalize("NFKC", name).casefold().translate(_CONFUSABLE)
    text = "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )
    for seen, meant in _PAIRS:
        text = text.replace(seen, meant)
    return re.sub(r"[\W_]", "", text)


def mixes_scripts(text: str) -> str | None:
    """The first word that mixes Latin letters with Greek or Cyrillic ones, or None."""
    for word in re.findall(r"[^\W\d_]+", text):
        scripts = {unicodedata.name(character, "").split(" ")[0] for character in word}
        if "LATIN" in scripts and scripts & {"GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE"}:
            return str(word)
    return None
