"""Ed25519 keys and signatures: who stands for an archive, a ledger's entry or a result.

A secret key is a file that only its owner may read. A public key is one line of text, `ed25519:` and 64 hex digits,
that stands in files which everybody reads. Each signature says what it is for (`purpose`), so that one made for an
archive is worth nothing under a result. The arithmetic is libsodium's, through PyNaCl, imported when a key is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import RecordError, StoreError

__all__ = [
    "SecretKey",
    "fingerprint",
    "is_public_key",
    "keys_folder",
    "named_key",
    "read_key",
    "sign",
    "verify",
    "write_key",
]

_HEADER = "ilsvrc-bench ed25519 secret key; whoever reads this file can sign in your name"
_PUBLIC = re.compile(r"ed25519:[0-9a-f]{64}")
_SEED_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class SecretKey:
    """An Ed25519 key that signs."""

    seed: bytes = field(repr=False)
    """The 32 random bytes that the key is made of (RFC 8032, section 5.1.5)."""

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key from the system's random numbers."""
        return cls(os.urandom(_SEED_BYTES))

    @property
    def public(self) -> str:
        """The public half: `ed25519:` and 64 hex digits."""
        from nacl.signing import SigningKey

        return f"ed25519:{SigningKey(self.seed).verify_key.encode().hex()}"


def is_public_key(text: str) -> bool:
    """Whether `text` has the form of a public key.

    >>> is_public_key("ed25519:" + "0f" * 32), is_public_key("ssh-ed25519 AAAA")
    (True, False)
    """
    return _PUBLIC.fullmatch(text) is not None


def fingerprint(public: str) -> str:
    """The first 128 bits of the sha256 of a public key, in groups that people can compare by eye.

    >>> fingerprint("ed25519:" + "00" * 32)
    '6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20'
    """
    digits = hashlib.sha256(_public_bytes(public)).hexdigest()[:32]
    return "-".join(digits[start : start + 4] for start in range(0, 32, 4))


def sign(key: SecretKey, message: bytes, *, purpose: str) -> str:
    """The signature of `message` for one purpose, as 128 hex digits.

    Args:
        key: Who signs.
        message: What is signed.
        purpose: What the signature is for, such as `archive`; it holds for nothing else.
    """
    from nacl.signing import SigningKey

    return SigningKey(key.seed).sign(_signed_bytes(message, purpose)).signature.hex()


def verify(public: str, message: bytes, signature: str, *, purpose: str) -> bool:
    """Whether `signature` was made for `message` and `purpose` with the secret half of `public`.

    Whatever is malformed is no signature: the answer is False.
    """
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    if not is_public_key(public) or not re.fullmatch(rf"[0-9a-f]{{{2 * _SIGNATURE_BYTES}}}", signature):
        return False
    try:
        VerifyKey(_public_bytes(public)).verify(_signed_bytes(message, purpose), bytes.fromhex(signature))
    except BadSignatureError:
        return False
    return True


def keys_folder() -> Path:
    """Where keys lie unless a file is named: `keys` in the user's configuration of ilsvrc-bench."""
    import platformdirs

    return platformdirs.user_config_path("ilsvrc-bench", appauthor=False) / "keys"


def named_key(name: str) -> Path:
    """The file of the key that is called `name`."""
    return keys_folder() / f"{name}.key"


def write_key(path: Path, key: SecretKey) -> None:
    """Writes a new key file that only its owner may read; one that is there is never replaced.

    Raises:
        StoreError: The file is there already, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{_HEADER}\n{key.seed.hex()}\n")
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError as error:
        raise StoreError(
            "there is a key already, and what it signed can be signed by no other; name another file", path=path
        ) from error
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror or error})", path=path) from error


def read_key(path: Path) -> SecretKey:
    """The secret key in a file.

    Raises:
        RecordError: There is no such file, others may read it, or it holds no key. The message never has its content.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise RecordError(f"there is no such key; make one with `bench keys new {path.stem}`", path=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read as a key ({type(error).__name__})", path=path) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RecordError(
            f"can be read or written by others (mode {stat.S_IMODE(mode):o}); run `chmod 600 {path}`", path=path
        )
    lines = text.splitlines()
    if len(lines) != 2 or lines[0] != _HEADER or not re.fullmatch(rf"[0-9a-f]{{{2 * _SEED_BYTES}}}", lines[1]):
        raise RecordError("is not a secret key of ilsvrc-bench", path=path)
    return SecretKey(bytes.fromhex(lines[1]))


def _signed_bytes(message: bytes, purpose: str) -> bytes:
    """What is signed: the purpose in front of the message, so that no signature can be moved to another purpose."""
    return f"ilsvrc-bench:{purpose}:".encode() + b"\0" + message


def _public_bytes(public: str) -> bytes:
    if not is_public_key(public):
        raise RecordError(f"{public!r} is not a public key; one is ed25519: and 64 hex digits")
    return bytes.fromhex(public.removeprefix("ed25519:"))
