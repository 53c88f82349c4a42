"""One model on several devices: batches go round in turn, so every image is answered once.

Whole batches are dealt out, in order, so each batch is the very batch that one device would have seen, and on equal
devices the answers are the same bits. The devices work at the same time because a session does not wait for its device.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from bench.backends.base import Images, ModelSession, PendingLogits
from bench.records.result import Scalar

__all__ = ["ShardedSession"]


class ShardedSession(ModelSession):
    """The sessions of one submission on several devices, as one session.

    Args:
        sessions: One a device, at least one.
    """

    def __init__(self, sessions: Sequence[ModelSession]) -> None:
        first = sessions[0]
        self._sessions = sessions
        self._turn = 0
        self.input, self.num_params, self.notes = first.input, first.num_params, first.notes
        self.layers, self.limits = first.layers, first.limits
        devices = [str(session.environment.get("device")) for session in sessions]
        self.environment = first.environment | {"device": ",".join(devices), "num_devices": len(devices)}

    def submit(self, images_NHWC: Images) -> PendingLogits:
        """Gives the batch to the device whose turn it is; errors as those of any session."""
        session = self._sessions[self._turn % len(self._sessions)]
        self._turn += 1
        return session.submit(images_NHWC)

    @property
    def num_ahead(self) -> int:
        """As many for each device."""
        return sum(session.num_ahead for session in self._sessions)

    def settings(self) -> dict[str, Scalar]:
        """Those of all devices; the names of the second one and later ones carry its number."""
        found = dict(self._sessions[0].settings())
        for number, session in enumerate(self._sessions[1:], 1):
            found |= {f"{name}_{number}": value for name, value in session.settings().items()}
        return found

    def guarded(self) -> AbstractContextManager[None]:
        """That of each of them: they are of one kind."""
        return self._sessions[0].guarded()

    def finish(self) -> None:
        """Ends the work on every device."""
        for session in self._sessions:
            session.finish()
        self.notes = self._sessions[0].notes

    def gmacs(self, img_size: int) -> float:
        """Multiply-adds of one image, in units of 10^9, counted on the first device."""
        return self._sessions[0].gmacs(img_size)
