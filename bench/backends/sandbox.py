"""The model in a sandbox of bubblewrap: for code that you do not trust."""

from __future__ import annotations

from bench.backends.jailed import JailedBackend

__all__ = ["SandboxBackend"]


class SandboxBackend(JailedBackend):
    """No network, no files but the submission's and the interpreter's, no other processes; see docs/security.md."""

    isolation = "sandbox"
