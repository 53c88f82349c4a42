"""What a submission prints: untrusted text, capped, and made harmless before anybody reads it."""

from __future__ import annotations

import unicodedata

__all__ = ["Printed", "harmless"]

_ENDS_OF_LINES = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


class Printed:
    """The end of what one stream of the child said.

    Args:
        most_bytes: What is kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._content = bytearray()
        self.num_bytes = 0
        """All that was printed."""

    def add(self, content: bytes) -> None:
        """Takes the next bytes; the oldest are dropped when there are too many."""
        self.num_bytes += len(content)
        self._content += content
        if len(self._content) > 2 * self._most_bytes:
            del self._content[: -self._most_bytes]

    @property
    def text(self) -> str:
        """What is kept, as text."""
        return bytes(self._content[-self._most_bytes :]).decode("utf-8", errors="replace")

    @property
    def num_dropped(self) -> int:
        """How many bytes are not kept."""
        return max(0, self.num_bytes - self._most_bytes)

    def last_lines(self, count: int) -> tuple[str, ...]:
        """The last lines that are not blank, each harmless."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        return tuple(harmless(line) for line in lines[-count:])


def harmless(text: object, most: int = 500) -> str:
    r"""One line of untrusted text without control, escape and bidirectional characters, at most `most` long.

    >>> harmless("a\x1b[31mred\nb\u202ec")
    'a?[31mred b?c'
    """
    cut = str(text)[: most + 1]
    shown = "".join(
        " " if char in _ENDS_OF_LINES or char == "\t" else "?" if unicodedata.category(char)[0] == "C" else char
        for char in cut
    )
    return shown if len(shown) <= most else shown[: most - 3] + "..."
