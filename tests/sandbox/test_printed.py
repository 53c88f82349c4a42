"""What a submission prints, capped and made harmless."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bench.sandbox.printed import Printed, harmless


@given(st.text(), st.integers(4, 80))
def test_harmless_text_is_one_short_line_without_controls(text: str, most: int) -> None:
    """No escape, no line end, no bidirectional override, whatever came in."""
    shown = harmless(text, most)

    assert len(shown) <= most
    assert len(shown.splitlines()) <= 1
    assert not [char for char in shown if unicodedata.category(char)[0] == "C"]


@given(st.lists(st.binary(max_size=50), max_size=40))
def test_the_end_is_kept_and_the_rest_counted(pieces: list[bytes]) -> None:
    """However the bytes come."""
    printed = Printed(100)
    for piece in pieces:
        printed.add(piece)
    whole = b"".join(pieces)

    assert printed.num_bytes == len(whole)
    assert printed.num_dropped == max(0, len(whole) - 100)
    assert printed.text == whole[-100:].decode("utf-8", errors="replace")


def test_the_last_lines_are_harmless() -> None:
    """They go into a record, a terminal and a page."""
    printed = Printed(1000)
    printed.add(b"first\n\n\x1b[31m::error::x\nlast\n")

    assert printed.last_lines(2) == ("?[31m::error::x", "last")
