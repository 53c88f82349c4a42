"""Names that people choose: identifiers that become paths, free text that is shown, and links."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

__all__ = [
    "FreeText",
    "Identifier",
    "LongText",
    "Sha256",
    "VisibleText",
    "WebLink",
    "clean_text",
    "safe_link",
    "visible_text",
]

_IDENTIFIER = r"^[a-z0-9][a-z0-9._-]{0,79}$"
_FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_ALLOWED_FORMATS = {"\u200d"}  # the joiner inside emoji; alone it is refused as blank
_HOST = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")


def clean_text(text: str, *, longest: int = 120) -> str:
    """Free text as it is shown: NFC, white space collapsed.

    Control, bidirectional and zero-width characters are refused: they make a name look like another one
    (U+202E shows "gnp.exe" as "exe.png").

    Raises:
        ValueError: The text is blank, too long, or holds a character that is refused.
    """
    shown = " ".join(unicodedata.normalize("NFC", visible_text(text)).split())
    if not shown.strip("\u200d"):
        raise ValueError("is blank; write 1 or more visible characters")
    if len(shown) > longest:
        raise ValueError(f"has {len(shown)} characters, at most {longest} are shown")
    return shown


def visible_text(text: str) -> str:
    """The text itself, which names a file or a function and so is not changed.

    Raises:
        ValueError: It holds a control, bidirectional or zero-width character; no path may hold the first of them, NUL.
    """
    # What is printable ASCII holds nothing that is refused; names are that nearly always, and there are many.
    for position, character in enumerate("" if text.isascii() and text.isprintable() else text):
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES and character not in _ALLOWED_FORMATS:
            raise ValueError(f"holds the invisible or control character U+{ord(character):04X} at position {position}")
    return text


def _clean_long(text: str) -> str:
    return clean_text(text, longest=1000)


def safe_link(link: str) -> str:
    """A link that a page may show: http or https, no user, no control characters, host in ASCII (punycode).

    Raises:
        ValueError: The link is none of that.
    """
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES or character.isspace() for character in link):
        raise ValueError("holds a control character or white space")
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https"):
        raise ValueError("is not a link that starts with https://")
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password")
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port
    except (UnicodeError, ValueError) as error:
        raise ValueError("has a host or port that is not valid") from error
    if not _HOST.match(host):
        raise ValueError("has no valid host")
    return parts._replace(netloc=host if port is None else f"{host}:{port}").geturl()


Identifier = Annotated[str, StringConstraints(pattern=_IDENTIFIER)]
"""A name that becomes a folder, a file or a key: `[a-z0-9][a-z0-9._-]{0,79}`."""
FreeText = Annotated[str, AfterValidator(clean_text)]
"""One line that a person wrote, shown as text everywhere."""
LongText = Annotated[str, AfterValidator(_clean_long)]
"""A paragraph that a person wrote, at most 1,000 characters."""
VisibleText = Annotated[str, AfterValidator(visible_text)]
"""A name in the words of others, such as a file's or a function's: as it is, without invisible characters."""
WebLink = Annotated[str, AfterValidator(safe_link)]
"""A link to the web."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A sha256 as 64 lower-case hex digits."""
