"""Seeds that nobody can choose."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.training.attempts import attempt_folder, attempt_seed, read_round_key, round_name

digests = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(digest=digests, attempt=st.integers(1, 1000), key=st.none() | st.binary(min_size=16))
def test_a_seed_is_one_that_every_generator_takes(digest: str, attempt: int, key: bytes | None) -> None:
    """From 0 to 2^31 - 1, and the same again."""
    seed = attempt_seed(digest, attempt, key)

    assert 0 <= seed < 2**31
    assert seed == attempt_seed(digest, attempt, key)


@given(digest=digests, other=digests, key=st.binary(min_size=16))
def test_attempt_submission_and_round_each_give_another_seed(digest: str, other: str, key: bytes) -> None:
    """Two of a thousand attempts may share one by chance; three of these four never."""
    seeds = {attempt_seed(digest, 1), attempt_seed(digest, 2), attempt_seed(digest, 1, key), attempt_seed(other, 1)}

    assert len(seeds) >= (4 if digest != other else 3) - 1


def test_a_round_is_named_without_telling_its_key(tmp_path: Path) -> None:
    """12 digits of its sha256."""
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef\n")
    key = read_round_key(tmp_path / "key")

    assert round_name(None) == "public"
    assert len(round_name(key)) == 12
    assert round_name(key) not in key.decode()


@pytest.mark.parametrize("content", [b"", b"short\n"])
def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path, content: bytes) -> None:
    """With a way to draw one."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match="openssl rand"):
        read_round_key(tmp_path / "key")
    with pytest.raises(UsageError, match="cannot be read"):
        read_round_key(tmp_path / "nothing")


def test_attempts_are_counted_from_one() -> None:
    """The first lies where a single training would."""
    assert attempt_folder(Path("out"), 1) == Path("out")
    assert attempt_folder(Path("out"), 3) == Path("out/attempt-3")
    with pytest.raises(UsageError, match="from 1"):
        attempt_seed("ab" * 32, 0)
