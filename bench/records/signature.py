"""A signature below a result, and the keys of those who may sign."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from bench.files import canonical_json
from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Sha256
from bench.records.result import RunId, Timestamp

__all__ = ["Signature", "TrustedKey", "TrustedKeys"]

PublicKey = Annotated[str, StringConstraints(pattern=r"^ed25519:[0-9a-f]{64}$")]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Signature(FileRecord):
    """Somebody stands for a result: `<run>.sig` beside it."""

    run: RunId
    """The run that is signed."""
    files: dict[str, Sha256]
    """From the name of the result's file, and of what lies beside it, to the sha256 of its bytes."""
    created_at: Timestamp
    """When it was signed, UTC."""
    key: PublicKey
    """Whose signature it is."""
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
    """Ed25519 over `message`, for the purpose `attest`."""

    def message(self) -> bytes:
        """What is signed: all fields but the signature, as canonical JSON."""
        return canonical_json({key: value for key, value in self.as_json().items() if key != "signature"}).encode()


class TrustedKey(Record):
    """A key that a site knows."""

    name: FreeText
    """Whose it is, as pages show it."""
    key: PublicKey
    """The public key."""
    first_day: Day | None = None
    """The first day, UTC, on which its signatures count."""
    last_day: Day | None = None
    """The last day; a key that was lost or stolen gets one."""

    def counts_on(self, moment: str) -> bool:
        """Whether a signature of that time counts; `moment` as in `created_at`.

        >>> key = TrustedKey(name="A", key="ed25519:" + "0" * 64, last_day="2026-08-01")
        >>> key.counts_on("2026-08-01T23:59:59Z"), key.counts_on("2026-08-02T00:00:00Z")
        (True, False)
        """
        day = moment[:10]
        return (self.first_day or day) <= day <= (self.last_day or day)


class TrustedKeys(FileRecord):
    """The file `keys.toml` beside the results: whose signatures make a result attested."""

    keys: tuple[TrustedKey, ...] = ()
    """The keys, each once."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({one.key for one in self.keys}) < len(self.keys):
            raise ValueError("a key is listed twice; give it one name and one span of days")
        return self
