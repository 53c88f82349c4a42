"""Ed25519 keys and signatures."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError, StoreError
from bench.signing import SecretKey, fingerprint, read_key, sign, verify, write_key

# RFC 8032, section 7.1, test 1.
RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEY = SecretKey(RFC_SEED)


def test_public_key_is_that_of_the_rfc() -> None:
    """The seed of RFC 8032's first test vector gives its public key."""
    assert KEY.public == RFC_PUBLIC


@given(st.binary(max_size=200), st.data())
def test_any_flipped_bit_of_message_or_signature_is_found(message: bytes, data: st.DataObject) -> None:
    """A signature holds for its message and for no other one."""
    signature = sign(KEY, message, purpose="test")
    assert verify(KEY.public, message, signature, purpose="test")
    bit = data.draw(st.integers(0, 8 * len(message) + 511))
    if bit < 512:
        signature = (int(signature, 16) ^ (1 << bit)).to_bytes(64, "big").hex()
    else:
        at, flip = divmod(bit - 512, 8)
        message = message[:at] + bytes([message[at] ^ (1 << flip)]) + message[at + 1 :]
    assert not verify(KEY.public, message, signature, purpose="test")


def test_signature_holds_for_one_purpose() -> None:
    """A signature of an archive is worth nothing under a result."""
    assert not verify(KEY.public, b"x", sign(KEY, b"x", purpose="archive"), purpose="attest")


@pytest.mark.parametrize("public", ["", "ed25519:00", "ed25519:" + "00" * 32, RFC_PUBLIC.upper()])
def test_malformed_or_weak_public_keys_verify_nothing(public: str) -> None:
    """What is no key, or a point of small order, verifies nothing and raises nothing."""
    assert not verify(public, b"x", sign(KEY, b"x", purpose="test"), purpose="test")


@pytest.mark.parametrize("signature", ["", "00" * 64, "zz" * 64, "00" * 63, "0" * 127 + "\n"])
def test_malformed_signatures_are_no_signatures(signature: str) -> None:
    """Whatever is malformed is False, never an exception."""
    assert not verify(KEY.public, b"x", signature, purpose="test")


def test_key_file_is_private_and_comes_back(tmp_path: Path) -> None:
    """A key file is made with mode 0600 and read again; it is never replaced."""
    path = tmp_path / "keys" / "acme.key"
    write_key(path, KEY)

    assert read_key(path) == KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="a key already"):
        write_key(path, SecretKey.generate())


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The message says which command mends it."""
    path = tmp_path / "acme.key"
    write_key(path, KEY)
    path.chmod(0o640)
    with pytest.raises(RecordError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"secret words of a user\n", b"a\nb\nc\n"])
def test_broken_key_file_is_named_and_its_content_never_shown(tmp_path: Path, content: bytes) -> None:
    """Whatever somebody keeps in the file does not reach a terminal or a log."""
    path = tmp_path / "acme.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(RecordError) as raised:
        read_key(path)
    assert str(path) in str(raised.value)
    assert "secret words" not in str(raised.value)


def test_secrets_do_not_show_in_representations() -> None:
    """Neither `repr` nor a fingerprint has the seed."""
    assert RFC_SEED.hex() not in repr(KEY)
    assert repr(RFC_SEED) not in repr(KEY)
    assert len(fingerprint(KEY.public)) == 39
