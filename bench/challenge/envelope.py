"""The envelope of an archive: who hands in what, where, and the team's signature of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from bench.errors import SubmissionError
from bench.files import canonical_json
from bench.records.base import FileRecord, Record
from bench.records.challenge import Division, PublicKey
from bench.records.names import Identifier, Sha256
from bench.signing import SecretKey, sign, verify

__all__ = ["PURPOSE", "Envelope", "PackedFile", "check_path"]

PURPOSE = "archive"
"""What the signature is for."""
LONGEST_PATH = 255
LARGEST_FILE_BYTES = 8**11 - 1  # what a plain tar header can say: 8 GiB less a byte


def check_path(path: str) -> str:
    """A path of a file in an archive, or a ValueError.

    Raises:
        ValueError: It is absolute, climbs, is hidden, or holds what not every file system can.
    """
    parts = path.split("/")
    if len(path) > LONGEST_PATH:
        raise ValueError(f"has more than {LONGEST_PATH} characters")
    if not path.isascii() or not path.isprintable() or "\\" in path:
        raise ValueError("holds a character that is not plain ASCII, or a backslash; rename the file")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("is absolute, climbs out, or is not in its shortest form")
    if any(part.startswith(".") or part == "__pycache__" for part in parts):
        raise ValueError("is hidden or a cache; such files are not handed in")
    return path


class PackedFile(Record):
    """A file in an archive."""

    path: Annotated[str, AfterValidator(check_path)]
    """Its path in the submission's folder, with slashes."""
    num_bytes: Annotated[int, Field(ge=0, le=LARGEST_FILE_BYTES)]
    """Its size."""
    sha256: Sha256
    """Its content."""


class Envelope(FileRecord):
    """Who hands in what, and where."""

    challenge: Identifier
    """The challenge."""
    phase: Identifier
    """The phase."""
    division: Division
    """The division."""
    team: Identifier
    """The team."""
    account: Identifier
    """Who submits for the team."""
    name: Identifier
    """The submission's name."""
    submission: Sha256
    """The submission's digest: that of manifest, code and weights, which results state."""
    files: Annotated[tuple[PackedFile, ...], Field(min_length=1)]
    """Every file, sorted by path."""
    key: PublicKey
    """The team's public key."""
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")] | None = None
    """The team's signature of all of this but the signature."""

    @model_validator(mode="after")
    def _files_are_sorted(self) -> Self:
        paths = [file.path for file in self.files]
        if paths != sorted(set(paths)):
            raise ValueError("the files are not sorted by path, or one is there twice")
        folded = {path.casefold() for path in paths}
        if len(folded) < len(paths):
            raise ValueError("two paths differ only in upper and lower case; some systems cannot keep both")
        folders = {"/".join(path.split("/")[:end]) for path in folded for end in range(1, path.count("/") + 1)}
        if both := sorted(folders & folded):
            raise ValueError(f"{both[0]!r} is a file and a folder")
        return self

    @property
    def archive_digest(self) -> str:
        """The content address of the archive: the sha256 of what is signed."""
        return hashlib.sha256(self._signed()).hexdigest()

    @property
    def num_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.num_bytes for file in self.files)

    def signed_by(self, key: SecretKey) -> Self:
        """The envelope with the signature of a team's key."""
        bare = self.model_copy(update={"key": key.public, "signature": None})
        return bare.model_copy(update={"signature": sign(key, bare._signed(), purpose=PURPOSE)})

    @property
    def is_signed(self) -> bool:
        """Whether the signature was made with the key that the envelope states."""
        return self.signature is not None and verify(self.key, self._signed(), self.signature, purpose=PURPOSE)

    @classmethod
    def from_bytes(cls, content: bytes, path: Path) -> Self:
        """The envelope that stands in an archive, as it must stand there.

        Raises:
            RecordError: It is not valid.
            SubmissionError: It is no envelope, is written in another way, or is not signed with the key it states.
        """
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise SubmissionError("has an envelope that is not JSON", path=path) from error
        if not isinstance(value, dict):
            raise SubmissionError("has an envelope that is no JSON object", path=path)
        envelope = cls.parse(value, path=path)
        if envelope.to_bytes() != content:
            raise SubmissionError("has an envelope that `bench submit` would write differently", path=path)
        if not envelope.is_signed:
            raise SubmissionError(f"has an envelope that was not signed with {envelope.key}", path=path)
        return envelope

    def to_bytes(self) -> bytes:
        """The envelope as it stands in the archive."""
        return canonical_json(self.as_json()).encode() + b"\n"

    def _signed(self) -> bytes:
        return canonical_json({key: value for key, value in self.as_json().items() if key != "signature"}).encode()
