"""The language of parent and child: what is sent arrives, and what is refused is refused before it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sandbox.frames import HEADER_BYTES, BatchPlace, FrameReader, Header, Kind, frame, packed, parsed, unpacked


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose reading end never waits."""
    here, there = os.pipe()
    os.set_blocking(here, False)
    yield here, there
    os.close(here)
    os.close(there)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Kind)),
            st.integers(0, (1 << 32) - 1),
            st.integers(0, (1 << 32) - 1),
            st.binary(max_size=300),
        ),
        max_size=5,
    ),
    st.integers(1, 64),
)
def test_frames_arrive_however_they_are_cut(sent: list[tuple[Kind, int, int, bytes]], piece: int) -> None:
    """Header and payload may come in any pieces."""
    here, there = os.pipe()
    try:
        os.set_blocking(here, False)
        reader = FrameReader(here, lambda _: None)
        content = b"".join(frame(*parts) for parts in sent)
        arrived = []
        for at in range(0, len(content), piece):
            os.write(there, content[at : at + piece])
            while (whole := reader.read()) is not None:
                arrived.append((*whole.header[:3], bytes(whole.payload)))
        assert arrived == sent
        assert not reader.is_within_a_frame
    finally:
        os.close(here)
        os.close(there)


def test_a_refused_header_costs_no_memory(pipe: tuple[int, int]) -> None:
    """The check comes before the payload has a place."""
    here, there = pipe

    def refuse(header: Header) -> None:
        raise ValueError(f"{header.length} bytes")

    os.write(there, frame(Kind.LOGITS, 1)[:-8] + (1 << 62).to_bytes(8, "little"))

    with pytest.raises(ValueError, match=str(1 << 62)):
        FrameReader(here, refuse).read()


def test_other_bytes_are_no_frame(pipe: tuple[int, int]) -> None:
    """A pickle, say."""
    here, there = pipe
    os.write(there, b"\x80\x04" + bytes(HEADER_BYTES))

    with pytest.raises(ValueError, match="where a frame begins"):
        FrameReader(here, lambda _: None).read()


def test_the_end_is_told_from_waiting(pipe: tuple[int, int]) -> None:
    """None while the other side may still write."""
    here, there = pipe
    reader = FrameReader(here, lambda _: None)
    os.write(there, frame(Kind.FINISH, 1)[:10])

    assert reader.read() is None
    assert reader.is_within_a_frame


NO_OBJECTS = {
    "list": b"[1]",
    "no number": b"1e999x",
    "no UTF-8": b"\xff",
    "deep list": b"[" * 50_000,
    "deep object": b'{"a": ' * 20_000,
    "cut off": b"{" * 9,
    "empty": b"",
}


@pytest.mark.parametrize("name", NO_OBJECTS)
def test_texts_that_are_no_objects_are_refused(name: str) -> None:
    """With a ValueError, whatever they are."""
    with pytest.raises(ValueError, match=r"."):
        parsed(NO_OBJECTS[name])


@given(st.lists(st.builds(BatchPlace, *[st.integers(0, bound - 1) for bound in (1 << 64, 1 << 32, 1 << 32, 1 << 32)])))
def test_places_survive(places: list[BatchPlace]) -> None:
    """Offsets beyond 4 GiB too."""
    assert unpacked(packed(places)) == places
