"""Hidden labels: encrypted for the evaluators who may read them, and opened only in the process that scores.

A random key encrypts the labels (XSalsa20-Poly1305, libsodium's secretbox); that key is sealed for each reader in
turn (X25519 sealed boxes), for a public key that is derived from the Ed25519 key that signs, as age does for ssh keys.
So the file itself says who can read it, and nobody else can be named as a reader.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bench.data.classes import ClassTable
from bench.errors import ChallengeError, DataError
from bench.files import canonical_json
from bench.records.base import FileRecord, Record
from bench.records.challenge import Challenge, Evaluator, LabelSet, PublicKey
from bench.records.names import FreeText, Identifier
from bench.signing import SecretKey

__all__ = ["Reader", "SealedLabels", "open_labels", "read_labels_csv", "seal_labels"]

_COLUMNS = ["sample_id", "wnid"]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+=*$")]


class Reader(Record):
    """One who can read the labels."""

    name: FreeText
    """The evaluator's name."""
    key: PublicKey
    """The evaluator's public key."""
    sealed_key: Base64
    """The labels' key, sealed for this evaluator."""


class SealedLabels(FileRecord):
    """The encrypted file of a hidden label set."""

    challenge: Identifier
    """The challenge."""
    name: Identifier
    """The set's name."""
    num_samples: Annotated[int, Field(gt=0)]
    """How many labels it holds."""
    cipher: Literal["xsalsa20-poly1305"] = "xsalsa20-poly1305"
    """How the labels are encrypted."""
    readers: Annotated[tuple[Reader, ...], Field(min_length=1)]
    """Who can read them."""
    box: Base64
    """The encrypted labels."""


def seal_labels(labels: Mapping[str, str], *, challenge: str, name: str, readers: Sequence[Evaluator]) -> SealedLabels:
    """Encrypts labels.

    Args:
        labels: From sample id to WNID.
        challenge: The challenge's id.
        name: The set's name.
        readers: Who shall be able to read them.
    """
    from nacl.public import SealedBox
    from nacl.secret import SecretBox
    from nacl.signing import VerifyKey
    from nacl.utils import random

    secret = random(SecretBox.KEY_SIZE)
    # Names stand inside too: a set cannot be passed off as another one, or as that of another challenge.
    content = canonical_json({"challenge": challenge, "name": name, "labels": dict(labels)}).encode()

    def sealed_for(reader: Evaluator) -> str:
        public = VerifyKey(bytes.fromhex(reader.key.removeprefix("ed25519:"))).to_curve25519_public_key()
        return _text(SealedBox(public).encrypt(secret))

    return SealedLabels(
        challenge=challenge,
        name=name,
        num_samples=len(labels),
        readers=tuple(Reader(name=reader.name, key=reader.key, sealed_key=sealed_for(reader)) for reader in readers),
        box=_text(bytes(SecretBox(secret).encrypt(content))),
    )


def open_labels(path: Path, expected: LabelSet, challenge: Challenge, key: SecretKey) -> dict[str, str]:
    """The labels in an encrypted file, from sample id to WNID; they are never written anywhere.

    Args:
        path: The encrypted file.
        expected: What the challenge says about it.
        challenge: The challenge.
        key: The key of an evaluator.

    Raises:
        ChallengeError: The file is another one, is not for this key, or its readers are not those that are recorded.
        RecordError: It cannot be read.
    """
    from nacl.exceptions import CryptoError
    from nacl.public import SealedBox
    from nacl.secret import SecretBox
    from nacl.signing import SigningKey

    sealed = SealedLabels.load(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected.sha256:
        raise ChallengeError(f"has the sha256 {found}, the challenge names {expected.sha256}", path=path)
    names = tuple(reader.name for reader in sealed.readers)
    if sorted(names) != sorted(expected.readers):
        raise ChallengeError(
            f"can be read by {', '.join(names)}, the challenge names {', '.join(expected.readers)}", path=path
        )
    mine = [reader for reader in sealed.readers if reader.key == key.public]
    if not mine:
        raise ChallengeError(f"is not encrypted for this key, only for {', '.join(names)}", path=path)
    try:
        secret = SealedBox(SigningKey(key.seed).to_curve25519_private_key()).decrypt(_bytes(mine[0].sealed_key))
        value = json.loads(SecretBox(secret).decrypt(_bytes(sealed.box)))
    except (CryptoError, ValueError):
        # Without the cause: what a decryption stumbles over has no place in a log.
        raise ChallengeError("cannot be decrypted: it was altered", path=path) from None
    if (value["challenge"], value["name"]) != (challenge.id, expected.name):
        raise ChallengeError(f"holds the labels {value['name']!r} of {value['challenge']!r}", path=path)
    labels: dict[str, str] = value["labels"]
    return labels


def read_labels_csv(path: Path, classes: ClassTable) -> dict[str, str]:
    """The labels in a CSV file with the columns `sample_id,wnid`.

    Raises:
        DataError: The file cannot be read, a line does not fit, or an image is there twice. No label is shown.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read as CSV ({error})", path=path) from error
    if not rows or rows[0] != _COLUMNS:
        raise DataError(f"does not begin with the line {','.join(_COLUMNS)}", path=path)
    labels: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or classes.index_of_wnid(row[1]) is None:
            raise DataError(f"line {number} is not a sample id and a WNID of {classes.name}", path=path)
        if row[0] in labels:
            raise DataError(f"line {number}: the image {row[0]!r} is there twice", path=path)
        labels[row[0]] = row[1]
    if not labels:
        raise DataError("holds no labels", path=path)
    return labels


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
