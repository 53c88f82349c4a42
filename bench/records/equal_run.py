"""What two runs must share to be the same measurement."""

from __future__ import annotations

from dataclasses import dataclass

from bench.records.result import Result, Scalar

__all__ = ["EqualRun"]


@dataclass(frozen=True, kw_only=True)
class EqualRun:
    """The key of a measurement: submission, protocol, images, arithmetic and kind of device."""

    team: str
    name: str
    protocol: str
    submission_digest: str
    protocol_digest: str
    dataset_digest: str | None
    precision: str | None
    device_type: str | None
    environment: tuple[tuple[str, Scalar], ...] = ()
    """What else must be equal in the environment, such as the batch size of a row of speed and its machine."""

    def matches(self, result: Result) -> bool:
        """Whether a result is this measurement; a failed or imported one never is."""
        return (
            result.status in ("verified", "self-reported")
            and result.submission.digest == self.submission_digest
            and result.protocol.digest == self.protocol_digest
            and result.dataset.digest == self.dataset_digest
            and result.precision == self.precision
            and result.device_type == self.device_type
            and all(result.environment.get(key) == value for key, value in self.environment)
        )
