"""Signatures below results: made with a maintainer's key, and what they are worth on a machine that knows some keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from bench.errors import BenchError, RecordError, UsageError
from bench.files import read_toml, sha256_of_file, write_atomic
from bench.records.result import Result
from bench.records.signature import Signature, TrustedKeys
from bench.records.verified import may_be_verified
from bench.signing import SecretKey, fingerprint, sign, verify
from bench.stored import Stored

__all__ = [
    "KEYS_FILE",
    "UNSIGNED",
    "SignatureState",
    "attest",
    "reasons_against_attesting",
    "signature_faults",
    "signature_state",
    "trusted_keys",
]

KEYS_FILE = "keys.toml"
_PURPOSE = "attest"
_BESIDE = (".bits", ".classes.json", ".blocks.json", ".attempts.json")
"""What a signature covers besides the result itself: what pages and paired tests read. Retractions come later."""


class SignatureState(NamedTuple):
    """What a result's signature is worth."""

    state: Literal["unsigned", "known key", "unknown key", "invalid"]
    name: str = ""
    """Whose key it is, where it is known."""
    fingerprint: str = ""
    """The key, in groups that people can compare by eye."""
    created_at: str = ""
    """When it was signed."""
    reason: str = ""
    """Why it is invalid."""

    @property
    def words(self) -> str:
        """The state as a page says it.

        >>> SignatureState("known key", "A. Maintainer", "6668-7aad", "2026-08-01T00:00:00Z").words
        'valid, by A. Maintainer on 2026-08-01 (key 6668-7aad)'
        """
        if self.state == "unsigned":
            return "unsigned"
        if self.state == "invalid":
            return f"invalid: {self.reason}"
        who = self.name if self.state == "known key" else "a key that this site does not know"
        return f"valid, by {who} on {self.created_at[:10]} (key {self.fingerprint})"


UNSIGNED = SignatureState("unsigned")


def trusted_keys(results: Path) -> TrustedKeys:
    """The keys in `keys.toml` beside the results folder; none where there is no such file.

    Raises:
        RecordError: The file is broken.
    """
    path = results.parent / KEYS_FILE
    return TrustedKeys.parse(read_toml(path), path=path) if path.is_file() else TrustedKeys()


def reasons_against_attesting(result: Result) -> tuple[str, ...]:
    """Why nobody should stand for a result, a clause each."""
    reasons = [] if result.status == "verified" else [f"its status is {result.status!r}, not 'verified'"]
    if not result.run.endswith(result.content_digest()[:12]):
        reasons.append("its content does not fit its run id: somebody edited it")
    return (*reasons, *may_be_verified(result.isolation, result.layers, result.audits))


def attest(stored: Stored, key: SecretKey, *, now: datetime) -> Path:
    """Signs a verified result and what lies beside it; writes `<run>.sig`.

    Args:
        stored: The result.
        key: Who stands for it.
        now: The time, UTC.

    Raises:
        UsageError: The result is no verified one, or was retracted or edited.
        StoreError: The folder cannot be written.
    """
    reasons = list(reasons_against_attesting(stored.result))
    if stored.retraction is not None:
        reasons.append("it was retracted")
    if reasons:
        raise UsageError(f"the run {stored.run} cannot be attested: {'; '.join(reasons)}")
    unsigned = Signature(
        run=stored.run,
        files=_digests(stored.path),
        created_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        key=key.public,
        signature="0" * 128,
    )
    signed = unsigned.model_copy(update={"signature": sign(key, unsigned.message(), purpose=_PURPOSE)})
    path = stored.path.with_suffix(".sig")
    write_atomic(path, signed.to_text())
    return path


def signature_state(stored: Stored, keys: TrustedKeys) -> SignatureState:
    """What the signature beside a result is worth; a file that cannot be read is an invalid one.

    Args:
        stored: The result.
        keys: The keys that are known.
    """
    path = stored.path.with_suffix(".sig")
    if stored.beside is not None and path.name not in stored.beside:
        return UNSIGNED
    if not path.is_file():
        return UNSIGNED
    try:
        signature = _read(path)
    except BenchError as error:
        return SignatureState("invalid", reason=f"the file is broken ({error.message.splitlines()[0]})")
    printed = fingerprint(signature.key)
    if (reason := _why_invalid(signature, stored)) is not None:
        return SignatureState("invalid", fingerprint=printed, created_at=signature.created_at, reason=reason)
    owner = next((one for one in keys.keys if one.key == signature.key), None)
    if owner is None or not owner.counts_on(signature.created_at):
        return SignatureState("unknown key", fingerprint=printed, created_at=signature.created_at)
    return SignatureState("known key", owner.name, printed, signature.created_at)


def signature_faults(stored: Stored, keys: TrustedKeys) -> list[str]:
    """What a check says about a result that claims to be verified or is signed, a sentence each.

    Args:
        stored: The result.
        keys: The keys that are known.
    """
    result = stored.result
    state = signature_state(stored, keys)
    faults = []
    if state.state == "invalid":
        faults.append(f"the signature is invalid: {state.reason}")
    elif state.state == "unknown key":
        faults.append(f"the signature is by the key {state.fingerprint}, which is not in {KEYS_FILE} for that day")
    if result.status == "verified":
        missing = may_be_verified(result.isolation, result.layers, result.audits)
        faults += [f"the status is 'verified', but {reason}" for reason in missing]
        if state.state == "unsigned":
            faults.append("the status is 'verified', but nobody signed it; a maintainer runs `bench attest`")
    return faults


def _read(path: Path) -> Signature:
    import json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"is no JSON file: {error}", path=path) from error
    if not isinstance(content, Mapping):
        raise RecordError("is no JSON object", path=path)
    return Signature.parse(content, path=path)


def _why_invalid(signature: Signature, stored: Stored) -> str | None:
    if signature.run != stored.run:
        return f"it is for the run {signature.run}"
    if not verify(signature.key, signature.message(), signature.signature, purpose=_PURPOSE):
        return "it does not fit what it claims to sign"
    found = _digests(stored.path)
    if signature.files.keys() != found.keys():
        names = ", ".join(sorted(signature.files.keys() ^ found.keys()))
        return f"it does not cover the same files; more or missing: {names}"
    if changed := sorted(name for name in found if found[name] != signature.files[name]):
        return f"{', '.join(changed)} changed after it was signed"
    return None


def _digests(path: Path) -> dict[str, str]:
    """From the names of the files that a signature covers to the sha256 of their bytes."""
    files = [path, *(found for suffix in _BESIDE if (found := path.with_suffix(suffix)).is_file())]
    return {file.name: sha256_of_file(file) for file in files}
